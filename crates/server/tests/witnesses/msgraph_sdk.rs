//! msgraph-sdk for Python, unmodified, against the drive server. The script `msgraph_tour.py` has the
//! steps; each is a test.
//!
//! `DRIVEDAL_MSGRAPH_PYTHON` names the Python, by default `python3` in the PATH (`pip install
//! msgraph-sdk deprecated`, in the version below). If the library is missing, the tests are ignored; if
//! `DRIVEDAL_REQUIRE_CLIENTS` is set, they fail.

use std::{ffi::OsString, process::Command, sync::Arc};

use drivedal_server::{Directory, Server};
use drivedal_test_support::witness::{TrialResult, trial};
use libtest_mimic::Trial;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::{documents::without_proxy, script};

/// The supported version of msgraph-sdk.
const VERSION: &str = "1.65.0";

/// The functions of the script.
const STEPS: [&str; 38] = [
    "me",
    "my_drive",
    "users_filtered",
    "user_by_address",
    "member_of",
    "groups",
    "group_members",
    "group_drives",
    "organization",
    "photo",
    "sites_searched",
    "site_by_path",
    "site_lists",
    "list_items",
    "list_fields",
    "list_columns",
    "content_put",
    "content_get",
    "content_replaced",
    "folder_created",
    "folder_conflict",
    "children_selected",
    "children_pages",
    "upload_large",
    "special_folder",
    "renamed",
    "moved",
    "copied",
    "deleted",
    "error_has_a_code",
    "delta_pages",
    "delta_changes",
    "searched",
    "batch",
    "link_created",
    "invited",
    "permissions_listed",
    "versions_listed",
];

/// Returns the tests; they share a server.
pub fn trials(runtime: &Runtime) -> Vec<Trial> {
    let missing = look_for_it().err();
    let server = Arc::new(runtime.block_on(start()).expect("a server"));
    let trials = STEPS.into_iter().map(|step| {
        let server = Arc::clone(&server);
        trial(format!("msgraph_sdk_{step}"), missing.as_deref(), move || run(&server, step))
    });
    trials.collect()
}

/// Starts a server with a tenant.
async fn start() -> Result<Server, Box<dyn std::error::Error>> {
    let directory = json!({
        "tenants": [
            {"id": "5c5e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c", "domains": ["contoso.example"]},
        ],
        "users": [
            {"name": "anna", "kind": "business", "display_name": "Anna Adams"},
            {"name": "bob", "kind": "business", "display_name": "Bob Brown"},
        ],
        "groups": [
            {"name": "marketing", "display_name": "Marketing", "owners": ["anna"],
             "members": ["anna", "bob"], "libraries": ["Documents", "Reports"]},
        ],
        "sites": [{"path": "/sites/handbook"}],
    });
    let directory = Directory::from_json(directory.to_string().as_bytes())?;
    Ok(Server::builder().directory(directory).start().await?)
}

/// Returns the Python with the library.
pub fn python() -> Command {
    let program: OsString =
        std::env::var_os("DRIVEDAL_MSGRAPH_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(program);
    without_proxy(&mut command).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Returns the reason why the library is not available in the supported version.
pub fn look_for_it() -> Result<(), String> {
    let version = "import importlib.metadata as m; print(m.version('msgraph-sdk'))";
    let output = python().args(["-c", version]).output();
    let output = output.map_err(|error| format!("no python3: {error}"))?;
    match (output.status.success(), String::from_utf8_lossy(&output.stdout).trim()) {
        (true, VERSION) => Ok(()),
        (true, other) => Err(format!("msgraph-sdk is {other}, not {VERSION}")),
        (false, _) => Err("no msgraph-sdk".into()),
    }
}

/// Runs a step of the script.
fn run(server: &Server, step: &str) -> TrialResult {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/witnesses/msgraph_tour.py");
    let output = python().args([script, step, server.url().as_str()]).output()?;
    script::check(&output, server.control().requests())
}
