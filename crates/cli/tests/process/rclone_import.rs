//! A configuration that rclone 1.75 wrote is imported and used. `DRIVEDAL_RCLONE` names the program, by
//! default `rclone` in the PATH. If it is missing, the test is ignored, or fails if
//! `DRIVEDAL_REQUIRE_CLIENTS` is set.

use std::{
    env,
    path::PathBuf,
    process::{Command, Output},
};

use drivedal_server::Server;
use drivedal_test_support::witness::{TrialResult, check, trial};
use libtest_mimic::Trial;
use serde_json::json;

use crate::shell::{Ran, Shell};

/// Returns the test.
pub fn trial_of_import() -> Trial {
    let missing = program().err();
    let name = "rclone_import::a_configuration_of_rclone_is_imported_and_used".to_owned();
    trial(name, missing.as_deref(), || {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(import())
    })
}

/// Returns the path of the program, or the reason why it is missing.
pub fn program() -> Result<PathBuf, String> {
    let program = env::var_os("DRIVEDAL_RCLONE").unwrap_or_else(|| "rclone".into());
    match Command::new(&program).arg("version").output() {
        Ok(output) if output.status.success() => Ok(program.into()),
        Ok(output) => Err(format!("rclone does not run: {}", output.status)),
        Err(error) => Err(format!("no rclone: {error}")),
    }
}

async fn import() -> TrialResult {
    let server = Server::builder().ephemeral().start().await?;
    let url = server.url().as_str().trim_end_matches('/').to_owned();
    let shell = Shell::new();
    let token = json!({"access_token": "expired", "token_type": "Bearer",
        "refresh_token": "drivedal-dev-anna-refresh", "expiry": "2020-01-01T00:00:00Z"});
    let mut rclone = Command::new(program()?);
    rclone
        .env("RCLONE_CONFIG", shell.path("rclone.conf"))
        .args(["config", "create", "od", "onedrive", "--non-interactive"])
        .args(["client_id=id".to_owned(), format!("token={token}")])
        .args(["drive_type=personal".to_owned(), "config_is_local=false".to_owned()])
        .arg(format!("auth_url={url}/common/oauth2/v2.0/authorize"))
        .arg(format!("token_url={url}/common/oauth2/v2.0/token"));
    let Output { status, stderr, .. } = rclone.output()?;
    if !status.success() {
        return Err(format!("rclone: {status} {}", String::from_utf8_lossy(&stderr)).into());
    }
    let written = String::from_utf8(shell.read("rclone.conf"))?;
    check("rclone wrote the token", written.contains("drivedal-dev-anna-refresh"), true)?;

    let run = async |arguments: &[&str]| -> TrialResult<Ran> {
        let mut command = shell.command(arguments);
        command.env("RCLONE_CONFIG", shell.path("rclone.conf"));
        if arguments.first() != Some(&"remotes") {
            // rclone has no option for the address of Graph.
            command.env("DRIVEDAL_REMOTE_OD_ENDPOINT", format!("{url}/v1.0"));
        }
        let ran = Ran::new(tokio::task::spawn_blocking(move || command.output()).await??);
        check(&format!("exit code of {arguments:?}, {ran:?}"), ran.code, 0)?;
        Ok(ran)
    };
    run(&["remotes", "import", "rclone"]).await?;
    shell.write("a", "1");
    run(&["put", "a", "od:a"]).await?;
    check("listing", run(&["ls", "od:"]).await?.out, "a\n".to_owned())
}
