//! Third-party clients, unmodified, against the drive server.
//!
//! If a client is missing, its tests are ignored and give the reason; if `DRIVEDAL_REQUIRE_CLIENTS`
//! is set, they fail. Each module names the program and its environment variable.

mod acdcli;
mod documents;
mod graph_sdks;
mod msal;
mod msal_node;
mod msgraph_sdk;
mod o365;
mod opendal;
mod python_onedrive;
mod rclone;
mod rclone_amazon;
mod script;

use libtest_mimic::Arguments;
use tokio::runtime::Runtime;

fn main() {
    let arguments = Arguments::from_args();
    let runtime = Runtime::new().expect("a runtime");
    let mut trials = opendal::trials();
    trials.extend(acdcli::trials(&runtime));
    trials.extend(graph_sdks::trials(&runtime));
    trials.extend(documents::trials(&runtime));
    trials.extend(msal::trials(&runtime));
    trials.extend(msal_node::trials(&runtime));
    trials.extend(msgraph_sdk::trials(&runtime));
    trials.extend(o365::trials(&runtime));
    trials.extend(python_onedrive::trials(&runtime));
    trials.extend(rclone::trials(&runtime));
    trials.extend(rclone_amazon::trials(&runtime));
    // The trials own the servers, which must end before the runtime.
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(runtime);
    conclusion.exit();
}
