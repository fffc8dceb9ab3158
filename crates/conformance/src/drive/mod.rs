//! Cases for the contract of [`drivedal::drive::Drive`], below the operator (feature `drive`).
//!
//! The cases call the verbs of a drive directly. They verify what the adapter relies on: a verb that
//! fails changes nothing, a range is returned exactly, a session can be resumed. The groups of
//! [`groups`](crate::groups) then verify the operator on top of the drive.
//!
//! [`DriveBackend`] runs both on any drive. It needs only a function that creates the drive:
//!
//! ```
//! use std::sync::Arc;
//!
//! use drivedal::{drive::Drive, testing::MemoryDrive};
//! use drivedal_conformance::{
//!     Verdict,
//!     drive::{DriveBackend, group},
//!     run,
//! };
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let backend = DriveBackend::new("memory-drive", async || {
//!     let drive: Arc<dyn Drive> = Arc::new(MemoryDrive::by_path());
//!     Ok(drive)
//! });
//! let group = group();
//! for case in &group.cases {
//!     if let Verdict::Failed(reason) = run(&backend, group.name, case).await {
//!         panic!("{}: {reason}", case.name);
//!     }
//! }
//! # });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod backend;
mod conditions;
mod interruption;
mod items;
mod listing;
mod optional;
mod requirements;
mod sessions;
mod transfer;
mod update;

pub use self::{access::DriveAccess, backend::DriveBackend};
use crate::Group;

/// Returns the cases for the contract of a drive. A backend without a [`DriveAccess`] skips them.
pub fn group() -> Group {
    let cases = [
        items::cases(),
        listing::cases(),
        transfer::cases(),
        conditions::cases(),
        sessions::cases(),
        update::cases(),
        optional::cases(),
        interruption::cases(),
    ];
    Group::new("drive", "The contract of a `Drive`, below the operator.", cases.concat())
}
