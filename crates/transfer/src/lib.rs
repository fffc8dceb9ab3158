//! Copies, synchronises, moves and compares trees of files between any two OpenDAL operators.
//!
//! A [`Plan`] has two [`Endpoint`]s and an operation. [`Plan::run`] performs it and returns a
//! [`SyncReport`]; [`Plan::start`] returns a [`Run`], a stream of [`SyncEvent`]s.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use drivedal_transfer::{Endpoint, Plan, SyncOutcome};
//! use opendal::{Operator, services};
//!
//! let source = Operator::new(services::Memory::default())?;
//! source.write("reports/2014.txt", "sold").await?;
//! let target = Operator::new(services::Memory::default())?;
//!
//! let plan = Plan::sync(Endpoint::new(source, "reports"), Endpoint::new(target.clone(), "copy"));
//! let report = plan.run().await?;
//!
//! assert_eq!(report.outcome(), SyncOutcome::Changed);
//! assert_eq!(target.read("copy/2014.txt").await?.to_vec(), b"sold");
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! Both trees are listed folder by folder. The two listings of a folder are sorted by name and
//! merged, so that each item meets its counterpart. Listings with more than 100,000 entries are
//! sorted through a temporary file. Files that differ are sent while other folders are listed.
//! Unchanged files are not sent: see [`CompareBy`]. A service with a change feed can be listed by the
//! changes since the last run: see [`TreeIndex`].
//!
//! # Safety
//!
//! * A file at the target is replaced only by a complete file. On a local disk it is written to a
//!   hidden `.partial` file, which is then renamed. Other services show a file when its writer is
//!   closed.
//! * Nothing is deleted if a listing of the source had an error, or if an entry of the source could
//!   not be read. By default nothing is deleted either if a transfer failed.
//! * A sync from an empty root of a service is refused: OpenDAL lists a missing root as an empty one.
//! * The target is never inside the source or the reverse, also if their operators have different
//!   roots: see [`Endpoint::with_store`].
//! * A move deletes a file of the source only if it is still the version that was copied, and if its
//!   copy exists. A copy on a local disk is written to the disk before. Files that followed links
//!   point to are never deleted.
//! * A run that was killed is continued by the next run of the same plan: files that arrived are
//!   equal, and partial files of ended runs are removed.
//! * Each failure of one item is in the report, and the rest of the work is done.

mod check;
mod compare;
mod delete;
mod endpoint;
mod engine;
mod entry;
mod error;
mod event;
mod features;
mod filter;
mod hash;
mod index;
mod limits;
mod list;
mod local;
mod names;
mod pair;
mod plan;
mod progress;
mod read;
mod rename;
mod report;
mod run;
mod send;
mod sort;
mod source;
mod spool;
mod store;
mod upload;
mod version;
mod walk;
mod work;
mod write;

pub use self::{
    compare::{CompareBy, CompareOptions},
    endpoint::Endpoint,
    entry::{EntryType, TreeEntry},
    error::{FailureCause, FilterError, ItemFailure, PlanError},
    event::{SyncAction, SyncEvent},
    features::{EndpointFeatures, OmittedEntry, StandardFeatures, StoredTimes},
    filter::{PathFilter, PathFilterBuilder},
    hash::{ContentDigest, HashAlgorithm, StreamDigest},
    index::TreeIndex,
    limits::RunLimits,
    local::{IgnoredDistinctions, LinkHandling, local_name},
    plan::{DeleteTime, Operation, Plan, RenameTracking},
    progress::{ActiveTransfer, ProgressSnapshot, RunProgress},
    report::{DeleteRefusal, SyncOutcome, SyncReport},
    run::Run,
    upload::ResumableUploads,
};
