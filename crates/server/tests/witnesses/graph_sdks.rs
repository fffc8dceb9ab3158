//! The Graph SDKs of Microsoft for Python and JavaScript, unmodified, share folders between two
//! accounts of the drive server. The scripts `graph_sharing.py` and `node/sharing.mjs` have the test
//! steps. `node/tour.mjs` uses each feature of the SDK for JavaScript.
//!
//! `DRIVEDAL_GRAPH_PYTHON` names the Python, by default `python3` in the PATH (`pip install
//! msgraph-sdk==1.65.0`), `DRIVEDAL_NODE_CLIENTS` the folder into which `npm ci` installed the packages.
//! If a library is missing, its tests are ignored; if `DRIVEDAL_REQUIRE_CLIENTS` is set, they fail.

use std::{ffi::OsString, path::PathBuf, process::Command, sync::Arc};

use drivedal_server::{AccountKind, Server};
use drivedal_test_support::witness::{TrialResult, trial};
use libtest_mimic::Trial;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::script;

/// The supported version for Python.
const PYTHON_VERSION: &str = "1.65.0";

/// The package for Node.js, and its supported version.
const NODE_PACKAGE: (&str, &str) = ("@microsoft/microsoft-graph-client", "3.0.7");

/// The functions of the script for Python.
const PYTHON_TESTS: [&str; 2] =
    ["invites_accepts_writes_and_revokes", "creates_redeems_and_extends_links"];

/// The functions of the script for Node.js.
const NODE_TESTS: [&str; 2] =
    ["invites_accepts_writes_and_revokes", "creates_links_with_password_and_expiry"];

/// The functions of the tour for Node.js.
const NODE_TOUR: [&str; 27] = [
    "user",
    "drive",
    "text_is_uploaded_and_downloaded",
    "bytes_are_uploaded_and_downloaded",
    "a_stream_is_uploaded",
    "a_raw_response_has_its_status",
    "folders_are_created",
    "an_error_has_status_code_and_request_id",
    "children_are_selected_sorted_and_paged",
    "children_are_filtered_and_counted",
    "children_are_expanded",
    "a_page_iterator_reads_all_pages",
    "a_batch_has_dependent_requests",
    "a_large_file_is_uploaded_in_fragments",
    "a_large_stream_is_uploaded_in_fragments",
    "an_upload_session_is_cancelled",
    "an_item_is_renamed_and_moved",
    "a_stale_change_is_refused",
    "an_item_is_copied",
    "an_item_is_deleted",
    "changes_are_listed_since_a_delta",
    "items_are_searched",
    "microsoft_search_finds_items",
    "versions_are_listed_and_restored",
    "a_link_is_created_and_opened",
    "permissions_are_granted_changed_and_removed",
    "a_special_folder_is_opened",
];

/// The servers of the tests.
struct Rig {
    /// For Python.
    plain: Server,
    /// A server with a certificate, for Node.js: its library sends a token over HTTPS only.
    secure: Server,
    /// A folder with the certificate `ca.pem` of the server's authority.
    folder: tempfile::TempDir,
}

/// Returns the tests; those of a library share a server.
pub fn trials(runtime: &Runtime) -> Vec<Trial> {
    let rig = Arc::new(runtime.block_on(Rig::start()).expect("a server"));
    let missing = look_for_python().err();
    let python = PYTHON_TESTS.into_iter().map(|test| {
        let rig = Arc::clone(&rig);
        let name = format!("msgraph_python_{test}");
        trial(name, missing.as_deref(), move || rig.run(python(), "graph_sharing.py", test))
    });
    let python: Vec<Trial> = python.collect();
    let clients = std::env::var_os("DRIVEDAL_NODE_CLIENTS").map(PathBuf::from);
    let missing = look_for_node(clients.clone()).err();
    let clients = clients.unwrap_or_default();
    let sharing = NODE_TESTS.into_iter().map(|test| ("node/sharing.mjs", test));
    let tour = NODE_TOUR.into_iter().map(|step| ("node/tour.mjs", step));
    let node = sharing.chain(tour).map(|(script, test)| {
        let (rig, clients) = (Arc::clone(&rig), clients.clone());
        let name = format!("msgraph_node_{test}");
        trial(name, missing.as_deref(), move || {
            let mut command = Command::new("node");
            command.env("DRIVEDAL_NODE_CLIENTS", std::path::absolute(&clients)?);
            rig.run(command, script, test)
        })
    });
    python.into_iter().chain(node).collect()
}

fn python() -> Command {
    let program: OsString =
        std::env::var_os("DRIVEDAL_GRAPH_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(program);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Returns the reason why the library for Python is not available in the supported version.
fn look_for_python() -> Result<(), String> {
    let version = "import importlib.metadata as m; print(m.version('msgraph-sdk'))";
    let output = python().args(["-c", version]).output();
    let output = output.map_err(|error| format!("no python3: {error}"))?;
    match (output.status.success(), String::from_utf8_lossy(&output.stdout).trim()) {
        (true, PYTHON_VERSION) => Ok(()),
        (true, other) => Err(format!("msgraph-sdk is {other}, not {PYTHON_VERSION}")),
        (false, _) => Err("no msgraph-sdk".into()),
    }
}

/// Returns the reason why the package for Node.js is not available in the supported version.
fn look_for_node(clients: Option<PathBuf>) -> Result<(), String> {
    let clients = clients.ok_or("DRIVEDAL_NODE_CLIENTS is not set")?;
    let node = Command::new("node").arg("--version").output();
    node.map_err(|error| format!("no node: {error}"))?;
    let (package, version) = NODE_PACKAGE;
    let file = clients.join("node_modules").join(package).join("package.json");
    let text = std::fs::read(&file).map_err(|error| format!("no {package}: {error}"))?;
    let found: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    match found["version"] == version {
        true => Ok(()),
        false => Err(format!("{package} is {}, not {version}", found["version"])),
    }
}

impl Rig {
    async fn start() -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let plain = Server::builder().start().await?;
        let secure = Server::builder().stand_in().start().await?;
        let authority = secure.authority().ok_or("the server has no authority")?;
        std::fs::write(folder.path().join("ca.pem"), authority)?;
        Ok(Self { plain, secure, folder })
    }

    /// Runs a function of a script with two accounts: of personal drives for sharing with Node.js, else
    /// of business drives.
    fn run(&self, mut command: Command, script: &str, test: &str) -> TrialResult {
        let (server, kind) = match script {
            "node/sharing.mjs" => (&self.secure, AccountKind::Personal),
            "node/tour.mjs" => (&self.secure, AccountKind::Business),
            _ => (&self.plain, AccountKind::Business),
        };
        let token = |user: &str| format!("drivedal-dev-{test}-{user}.{kind}");
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        let script = format!("{}/tests/witnesses/{script}", env!("CARGO_MANIFEST_DIR"));
        let output = command
            .env("NODE_EXTRA_CA_CERTS", self.folder.path().join("ca.pem"))
            .args([&script, test, server.url().as_str(), &token("owner"), &token("guest")])
            .output()?;
        let requests = server.control().requests().into_iter();
        let is_ours = |one: &drivedal_server::RequestRecord| {
            one.drive.as_ref().is_some_and(|drive| drive.starts_with(test))
        };
        script::check(&output, requests.filter(is_ours))
    }
}
