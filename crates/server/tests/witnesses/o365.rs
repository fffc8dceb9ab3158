//! O365 2.1.10, unmodified, against the drive server: a Python library for scripts that use
//! OneDrive. The script `o365.py` has the test steps.
//!
//! `DRIVEDAL_O365_PYTHON` names the Python, by default `python3` in the PATH (`pip install
//! o365==2.1.10`). If the library is missing, the tests are ignored; if `DRIVEDAL_REQUIRE_CLIENTS`
//! is set, they fail.

use std::{ffi::OsString, process::Command, sync::Arc};

use drivedal_server::{AccountKind, Server};
use libtest_mimic::Trial;
use tokio::runtime::Runtime;

use drivedal_test_support::witness::{TrialResult, trial};

use crate::script;

/// The supported version.
const VERSION: &str = "2.1.10";

/// The functions of the script, and the account kinds to run each with.
const TESTS: [(&str, AccountKind); 6] = [
    ("keeps_every_name", AccountKind::Business),
    ("uploads_in_fragments", AccountKind::PersonalLegacy),
    ("lists_in_pages_orders_and_filters", AccountKind::Personal),
    ("copies_moves_renames_and_deletes", AccountKind::Business),
    ("shares_with_links_and_people", AccountKind::Library),
    ("knows_the_drive", AccountKind::Personal),
];

/// Returns the tests; they share a server.
pub fn trials(runtime: &Runtime) -> Vec<Trial> {
    let missing = look_for_it().err();
    let server = Arc::new(runtime.block_on(Server::builder().start()).expect("a server"));
    let trials = TESTS.into_iter().map(|(test, kind)| {
        let server = Arc::clone(&server);
        trial(format!("o365_{test}"), missing.as_deref(), move || run(&server, test, kind))
    });
    trials.collect()
}

fn python() -> Command {
    let program: OsString =
        std::env::var_os("DRIVEDAL_O365_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(program);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Returns the reason why the library is not available in the supported version; `None` if it is.
fn look_for_it() -> Result<(), String> {
    let version = "import importlib.metadata as m; print(m.version('o365'))";
    let output = python().args(["-c", version]).output();
    let output = output.map_err(|error| format!("no python3: {error}"))?;
    match (output.status.success(), String::from_utf8_lossy(&output.stdout).trim()) {
        (true, VERSION) => Ok(()),
        (true, other) => Err(format!("O365 is {other}, not {VERSION}")),
        (false, _) => Err("no O365".into()),
    }
}

/// Runs a function of the script with a separate account.
fn run(server: &Server, test: &str, kind: AccountKind) -> TrialResult {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/witnesses/o365.py");
    let account = format!("{test}.{kind}");
    let output = python()
        .args([script, test, server.url().as_str(), &format!("drivedal-dev-{account}")])
        .output()?;
    let requests = server.control().requests().into_iter();
    script::check(&output, requests.filter(|one| one.drive.as_ref() == Some(&account)))
}
