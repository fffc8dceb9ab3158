//! rclone and this program read each other's names. `DRIVEDAL_RCLONE` names rclone 1.75 or later, by
//! default `rclone` in the PATH. If it is missing, the test is ignored, or fails if
//! `DRIVEDAL_REQUIRE_CLIENTS` is set.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, process::Command};

use drivedal_server::Server;
use drivedal_test_support::witness::{TrialResult, check, trial};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{
    rclone_import::program,
    shell::{Ran, Shell, tree},
};

/// Names that a disk allows and OneDrive does not, or that look like mapped ones.
const NAMES: [&[u8]; 14] = [
    b"a:b",
    "a：b".as_bytes(),
    b"what?*",
    b"<\"|\">\\",
    b" both ends ",
    "␠a".as_bytes(),
    b"dot.",
    "dot．".as_bytes(),
    b"~tilde",
    "～tilde2".as_bytes(),
    b"two\nlines\x7f",
    "slash／".as_bytes(),
    b"not text \xff\xfe.",
    "漢字".as_bytes(),
];

/// Returns the test.
pub fn trial_of_names() -> Trial {
    let missing = program().err();
    let name = "rclone_names::both_programs_read_the_names_of_the_other".to_owned();
    trial(name, missing.as_deref(), || tokio::runtime::Runtime::new()?.block_on(both_directions()))
}

async fn both_directions() -> TrialResult {
    let server = Server::builder().ephemeral().start().await?;
    let url = server.url().as_str().trim_end_matches('/').to_owned();
    let drive = drivedal_test_support::http::client()
        .get(format!("{url}/v1.0/me/drive"))
        .bearer_auth("drivedal-dev")
        .send()
        .await?
        .bytes()
        .await?;
    let drive: Value = serde_json::from_slice(&drive)?;
    let shell = Shell::new();
    let token = json!({"access_token": "drivedal-dev", "token_type": "Bearer",
        "refresh_token": "drivedal-dev-refresh", "expiry": "2099-01-01T00:00:00Z"});
    let config = format!(
        "[od]\ntype = onedrive\nclient_id = id\nclient_secret = secret\ntoken = {token}\n\
         drive_id = {}\ndrive_type = personal\ntenant_url = {url}/_api\n\
         token_url = {url}/common/oauth2/v2.0/token\n",
        drive["id"].as_str().ok_or("no drive id")?,
    );
    shell.write("rclone.conf", config);
    for (number, name) in NAMES.iter().enumerate() {
        let folder = shell.path("src").join(OsStr::from_bytes(name));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(OsStr::from_bytes(name)), number.to_string())?;
    }
    let source = tree(&shell.path("src"));

    let rclone = async |arguments: [&str; 3]| -> TrialResult {
        let mut command = Command::new(program()?);
        command.current_dir(shell.path("")).arg("--config").arg(shell.path("rclone.conf"));
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        check(&format!("rclone {arguments:?}: {text}"), output.status.success(), true)
    };
    let drivedal = async |arguments: &[&str]| -> TrialResult {
        let mut command = shell.command(arguments);
        command.env("DRIVEDAL_REMOTE_OD_TYPE", "onedrive");
        command.env("DRIVEDAL_REMOTE_OD_ENDPOINT", format!("{url}/v1.0"));
        command.env("DRIVEDAL_REMOTE_OD_ACCESS_TOKEN", "drivedal-dev");
        let ran = Ran::new(tokio::task::spawn_blocking(move || command.output()).await??);
        check(&format!("exit code of {arguments:?}, {ran:?}"), ran.code, 0)
    };
    rclone(["copy", "src", "od:of-rclone"]).await?;
    drivedal(&["get", "-r", "od:of-rclone", "back"]).await?;
    check("names of rclone", tree(&shell.path("back")), source.clone())?;
    drivedal(&["put", "-r", "src", "od:of-drivedal"]).await?;
    rclone(["copy", "od:of-drivedal", "read"]).await?;
    check("names for rclone", tree(&shell.path("read")), source)?;
    // The names are the same in the cloud: nothing differs, so rclone has nothing to copy.
    rclone(["check", "od:of-rclone", "od:of-drivedal"]).await
}
