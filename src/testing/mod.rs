//! A drive in memory, for tests of programs that use drives (feature `testing`).
//!
//! [`MemoryDrive`] implements the whole contract of [`Drive`](crate::drive::Drive) as strictly as a
//! cloud does. Its variants cover the ways in which clouds differ: addressing by path or by id,
//! upload sessions, etags, pages, copies. A test can make each verb fail, wait or break off, and
//! reads the log of its calls.
//!
//! It has no network and no HTTP. The package `drivedal-server` serves the clouds' real protocols.
//!
//! ```
//! use drivedal::testing::{MemoryDrive, Verb, VerbFault, temporary_error};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let drive = MemoryDrive::by_path();
//! let operator = drive.operator()?;
//!
//! // The program under test meets a cloud that fails once.
//! drive.plan(Verb::Upload, VerbFault::Before(temporary_error()));
//! let error = operator.write("notes/today", "all is well").await.unwrap_err();
//! assert!(error.is_temporary());
//! assert_eq!(drive.content("notes/today"), None);
//!
//! operator.write("notes/today", "all is well").await?;
//! assert_eq!(drive.content("notes/today").as_deref(), Some(&b"all is well"[..]));
//! assert_eq!(drive.take_calls(), ["upload notes/today", "upload notes/today"]);
//! # Ok::<(), opendal::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod drive;
mod memory_drive;
mod script;
mod sessions;
mod steps;
mod stored_session;
#[cfg(test)]
mod tests;
mod transfer;
mod tree;

pub use self::{
    memory_drive::MemoryDrive,
    script::{HeldCall, Verb, VerbFault, temporary_error},
};
