//! Clients of other people, unmodified, against the drive server.
//!
//! Where a client is missing its tests are ignored, with the reason, or fail if
//! `DRIVEDAL_REQUIRE_CLIENTS` is set. Each module names the program and its variable.

mod acdcli;
mod o365;
mod opendal;
mod python_onedrive;
mod rclone;
mod rclone_amazon;

use libtest_mimic::Arguments;
use tokio::runtime::Runtime;

fn main() {
    let arguments = Arguments::from_args();
    let runtime = Runtime::new().expect("a runtime");
    let mut trials = opendal::trials();
    trials.extend(acdcli::trials(&runtime));
    trials.extend(o365::trials(&runtime));
    trials.extend(python_onedrive::trials(&runtime));
    trials.extend(rclone::trials(&runtime));
    trials.extend(rclone_amazon::trials(&runtime));
    // The trials own the servers, which end before the runtime does.
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(runtime);
    conclusion.exit();
}
