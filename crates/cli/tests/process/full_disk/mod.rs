//! `drivedal serve` on a disk that fills up, bytes and database: what it answered is there, what it
//! refused is not, and it writes again when there is room, also after it was killed.
//!
//! It needs a disk of its own, which takes Linux, and either privileges or user namespaces. Where
//! there is none the test says that it is ignored, and why.

mod clouds;
mod disk;
mod trial;

use drivedal_test_support::serving;
use libtest_mimic::{Completion, Failed};

pub fn a_full_disk_costs_nothing_that_was_acknowledged() -> Result<Completion, Failed> {
    match disk::SmallDisk::mount("12m") {
        Ok(disk) => {
            tokio::runtime::Runtime::new()?.block_on(trial::fill_and_empty(disk));
            Ok(Completion::Completed)
        }
        Err(reason) => Ok(Completion::ignored_with(reason)),
    }
}
