//! `drivedal serve` on a disk that fills up, bytes and database: what it answered is there, what it
//! refused is not, and it writes again when there is room, also after it was killed.
//!
//! It needs a disk of its own, which takes Linux, and either privileges or user namespaces. Where
//! there is none the test says that it is ignored, and why.

#[cfg(target_os = "linux")]
mod clouds;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod trial;

#[cfg(target_os = "linux")]
use drivedal_test_support::serving;
use libtest_mimic::{Arguments, Trial};

const NAME: &str =
    "a_full_disk_costs_nothing_that_was_answered_and_is_used_again_when_there_is_room";

fn main() {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, vec![trial()]).exit();
}

#[cfg(target_os = "linux")]
fn trial() -> Trial {
    match disk::SmallDisk::mount("12m") {
        Ok(disk) => Trial::test(NAME, || {
            tokio::runtime::Runtime::new()?.block_on(trial::fill_and_empty(disk));
            Ok(())
        }),
        Err(why) => ignored(&why),
    }
}

#[cfg(not(target_os = "linux"))]
fn trial() -> Trial {
    ignored("this is not Linux")
}

fn ignored(why: &str) -> Trial {
    Trial::test(format!("{NAME} ({why})"), || Ok(())).with_ignored_flag(true)
}
