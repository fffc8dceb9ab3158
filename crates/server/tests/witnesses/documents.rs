//! The programs in the pages of `docs/server`, run line by line as they are printed. Only the port of
//! the server is replaced.
//!
//! Python needs msgraph-sdk in the Python of `DRIVEDAL_MSGRAPH_PYTHON`, JavaScript the packages in
//! `DRIVEDAL_NODE_CLIENTS`, rclone the program of `DRIVEDAL_RCLONE`. If a client is missing, its test
//! is ignored; if `DRIVEDAL_REQUIRE_CLIENTS` is set, it fails.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use drivedal_server::{AccountKind, Server};
use drivedal_test_support::witness::{TrialResult, trial};
use libtest_mimic::Trial;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{msgraph_sdk, rclone, script};

const PYTHON: &str = include_str!("../../../../docs/server/python.md");
const JAVASCRIPT: &str = include_str!("../../../../docs/server/javascript.md");
const RCLONE: &str = include_str!("../../../../docs/server/rclone.md");

/// The version of @microsoft/microsoft-graph-client.
const GRAPH_CLIENT: &str = "3.0.7";

/// The port in the pages.
const PORT: &str = ":8080";

/// Runs the lines of a document against a server.
type Run = fn(&Server) -> TrialResult;

/// Returns the tests; they share a server.
pub fn trials(runtime: &Runtime) -> Vec<Trial> {
    let builder = Server::builder().kind(AccountKind::Business).stand_in();
    let server = Arc::new(runtime.block_on(builder.start()).expect("a server"));
    let missing =
        [msgraph_sdk::look_for_it().err(), look_for_graph_client().err(), rclone::program().err()];
    let runs: [(&str, Run); 3] =
        [("python", python), ("javascript", javascript), ("rclone", rclone_lines)];
    let trials = runs.into_iter().zip(missing).map(|((name, run), missing)| {
        let server = Arc::clone(&server);
        trial(format!("document_{name}"), missing.as_deref(), move || run(&server))
    });
    trials.collect()
}

/// Returns the folder with the packages of Node.js.
///
/// # Errors
/// The reason why Node.js or the package is not available in the version.
pub fn look_for_graph_client() -> Result<PathBuf, String> {
    let clients =
        std::env::var_os("DRIVEDAL_NODE_CLIENTS").ok_or("DRIVEDAL_NODE_CLIENTS is not set")?;
    let clients = std::path::absolute(clients).map_err(|error| error.to_string())?;
    let package = "@microsoft/microsoft-graph-client";
    let node = Command::new("node").arg("--version").output();
    node.map_err(|error| format!("no node: {error}"))?;
    let file = clients.join("node_modules").join(package).join("package.json");
    let text = std::fs::read(&file).map_err(|error| format!("no {package}: {error}"))?;
    let found: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    match found["version"] == GRAPH_CLIENT {
        true => Ok(clients),
        false => Err(format!("{package} is {}, not {GRAPH_CLIENT}", found["version"])),
    }
}

/// Returns the code block of a page after the words "CI runs these lines", with the server's port.
///
/// # Errors
/// If the page has no such block in the language, or the block does not name the server.
fn lines(page: &str, language: &str, server: &Server) -> Result<String, String> {
    let (_, after) = page.split_once("CI runs these lines").ok_or("the page has no such lines")?;
    let fence = format!("```{language}\n");
    let (_, code) = after.split_once(&fence).ok_or("the page has no code block")?;
    let (code, _) = code.split_once("```").ok_or("the code block has no end")?;
    let port = server.address().ok_or("the server has no port")?.port();
    match code.contains(PORT) {
        true => Ok(code.replace(PORT, &format!(":{port}"))),
        false => Err("the code block does not name the server".into()),
    }
}

fn python(server: &Server) -> TrialResult {
    let output = msgraph_sdk::python().args(["-c", &lines(PYTHON, "python", server)?]).output()?;
    script::check(&output, server.control().requests())
}

fn javascript(server: &Server) -> TrialResult {
    let clients = look_for_graph_client()?;
    let folder = tempfile::tempdir()?;
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, server.authority().ok_or("the server has no authority")?)?;
    // An ES module finds packages by its own path.
    link(&clients.join("node_modules"), &folder.path().join("node_modules"))?;
    let script = folder.path().join("lines.mjs");
    std::fs::write(&script, lines(JAVASCRIPT, "js", server)?)?;
    let output = without_proxy(Command::new("node").arg(&script))
        .env("NODE_EXTRA_CA_CERTS", &authority)
        .output()?;
    script::check(&output, server.control().requests())
}

fn rclone_lines(server: &Server) -> TrialResult {
    let program = rclone::program()?;
    let folder = program.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = folder {
        let all = [std::path::absolute(folder)?].into_iter().chain(std::env::split_paths(&path));
        path = std::env::join_paths(all.collect::<Vec<_>>())?;
    }
    let home = tempfile::tempdir()?;
    let mut command = Command::new("bash");
    // The account of the other pages has the same name.
    let lines = lines(RCLONE, "sh", server)?.replace("drivedal-dev-anna", "drivedal-dev-rclone");
    command.args(["-euo", "pipefail", "-c", &lines]).env("PATH", path).env("HOME", home.path());
    let output = without_proxy(&mut command).env("NO_PROXY", "127.0.0.1").output()?;
    script::check(&output, server.control().requests())
}

/// Removes the proxies of the environment from a command.
pub fn without_proxy(command: &mut Command) -> &mut Command {
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    {
        command.env_remove(name);
    }
    command
}

/// Links a folder.
#[cfg(unix)]
pub fn link(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

/// Links a folder.
#[cfg(not(unix))]
pub fn link(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_dir(target, link)
}
