//! `drivedal serve` with blobs and database on a full disk. Acknowledged files exist, rejected
//! files do not, and the server accepts writes again when there is space, also after it was killed.
//!
//! The test mounts a small disk, which needs Linux, and privileges or user namespaces. If that is
//! not possible, the test is reported as ignored, with the reason.

mod clouds;
mod disk;
mod trial;

use drivedal_test_support::serving;
use libtest_mimic::{Completion, Failed};

pub fn a_full_disk_loses_no_acknowledged_file() -> Result<Completion, Failed> {
    match disk::SmallDisk::mount("12m") {
        Ok(disk) => {
            tokio::runtime::Runtime::new()?.block_on(trial::fill_and_empty(disk));
            Ok(Completion::Completed)
        }
        Err(reason) => Ok(Completion::ignored_with(reason)),
    }
}
