//! MSAL for Python 1.39.0 and azure-identity 1.27.0, unmodified, sign in to the drive server, which
//! stands in for the clouds. The script `msal_flows.py` has the test steps.
//!
//! `DRIVEDAL_MSAL_PYTHON` names the Python, by default `python3` in the PATH (`pip install
//! msal==1.39.0 azure-identity==1.27.0`). If a library is missing, the tests are ignored; if
//! `DRIVEDAL_REQUIRE_CLIENTS` is set, they fail.

use std::{ffi::OsString, process::Command, sync::Arc};

use drivedal_server::Server;
use libtest_mimic::Trial;
use tokio::runtime::Runtime;

use drivedal_test_support::witness::{TrialResult, trial};

use crate::script;

/// The supported versions of MSAL and azure-identity.
const VERSIONS: &str = "1.39.0 1.27.0";

/// The functions of the script.
const TESTS: [&str; 6] = [
    "client_credentials",
    "client_certificate",
    "device_code",
    "code_with_pkce",
    "custom_authority",
    "azure_identity",
];

/// Returns the tests; they share a server.
pub fn trials(runtime: &Runtime) -> Vec<Trial> {
    let missing = look_for_it().err();
    let server = runtime.block_on(Server::builder().stand_in().start()).expect("a server");
    let server = Arc::new(server);
    let trials = TESTS.into_iter().map(|test| {
        let server = Arc::clone(&server);
        trial(format!("msal_{test}"), missing.as_deref(), move || run(&server, test))
    });
    trials.collect()
}

fn python() -> Command {
    let program: OsString =
        std::env::var_os("DRIVEDAL_MSAL_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(program);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Returns the reason why the libraries are not available in the supported versions.
fn look_for_it() -> Result<(), String> {
    let version = "import importlib.metadata as m; \
                   print(m.version('msal'), m.version('azure-identity'))";
    let output = python().args(["-c", version]).output();
    let output = output.map_err(|error| format!("no python3: {error}"))?;
    match (output.status.success(), String::from_utf8_lossy(&output.stdout).trim()) {
        (true, VERSIONS) => Ok(()),
        (true, other) => Err(format!("MSAL and azure-identity are {other}, not {VERSIONS}")),
        (false, _) => Err("no MSAL or no azure-identity".into()),
    }
}

/// Runs a function of the script. All its requests go through the server as the proxy.
fn run(server: &Server, test: &str) -> TrialResult {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/witnesses/msal_flows.py");
    let folder = tempfile::tempdir()?;
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, server.authority().ok_or("the server has no authority")?)?;
    let mut command = python();
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    let output = command
        .env("HTTPS_PROXY", server.url().as_str())
        .env("NO_PROXY", "localhost")
        .env("REQUESTS_CA_BUNDLE", &authority)
        .args([script, test, server.url().as_str()])
        .output()?;
    script::check(&output, server.control().requests())
}
