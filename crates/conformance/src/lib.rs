//! Behaviour tests for any OpenDAL [`Operator`](opendal::Operator).
//!
//! Each [`Case`] is an async function whose name is the promise that it verifies. A case runs in a
//! separate, empty place, which a [`Backend`] prepares. It lists the capabilities that it requires.
//! On a service without them it is skipped with a reason. If a service is known to differ, the
//! backend lists the case as a [`KnownDifference`]: its failure is reported as skipped and its pass
//! as a failure, so that the list stays correct.
//!
//! The suite verifies behaviour only. It knows no service, counts no requests and injects no
//! faults. Such cases can be added by the caller: see [`cases!`] and [`TestContext::extension`].
//!
//! # Example
//!
//! ```
//! use drivedal_conformance::{UriBackend, Verdict, groups, run};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! // Without OpenDAL's process constructor its registry has to be filled first.
//! opendal::init_default_registry();
//! # let folder = tempfile::tempdir()?;
//! # let uri = format!("fs://{}", folder.path().display());
//! let backend = UriBackend::new(uri);
//! for group in groups().iter().filter(|group| group.name == "copy") {
//!     for case in &group.cases {
//!         match run(&backend, group.name, case).await {
//!             Verdict::Passed => println!("ok      {}", case.name),
//!             Verdict::Skipped(reason) => println!("skipped {}: {reason}", case.name),
//!             Verdict::Failed(reason) => panic!("{}: {reason}", case.name),
//!         }
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `report`, `Suite` runs the cases on several backends, and its `Report` is a table,
//! JSON, JUnit XML and an HTML page. The command `drivedal conformance` is built on it.
//!
//! With the feature `drive`, the module `drive` verifies the contract of a `drivedal::drive::Drive`
//! below the operator, and opens an operator of any drive.
//!
//! With the feature `libtest-mimic`, `trials` returns the cases as trials of that harness.

mod backend;
mod case;
mod cases;
pub mod data;
#[cfg(feature = "report")]
mod differences;
#[cfg(feature = "drive")]
pub mod drive;
#[cfg(feature = "report")]
pub mod report;
pub mod requirements;
mod result;
mod runner;
mod specification;
#[cfg(feature = "report")]
mod suite;
mod uri;

pub use self::{
    backend::{Backend, Expectations, KnownDifference, TestContext},
    case::{Case, Group, Requirement},
    cases::groups,
    result::{
        CaseError, CaseResult, allow_error, expect_error, fail, record_error, set_observer, skip,
    },
    runner::{Verdict, catch_panic, report_panics_as_failures, run},
    specification::specification,
    uri::UriBackend,
};

#[cfg(feature = "libtest-mimic")]
pub use self::runner::trials;
#[cfg(feature = "report")]
pub use self::{
    differences::{DifferenceList, DifferenceListError},
    report::Report,
    suite::{Suite, SuiteEvent},
};
