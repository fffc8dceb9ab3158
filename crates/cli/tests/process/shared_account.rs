//! Many processes share the token file of one account, whose access tokens expire within seconds.
//!
//! `DRIVEDAL_SHARED_ACCOUNT_SECONDS` extends the test.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use drivedal_server::Server;
use tokio::task::{JoinSet, spawn_blocking};

/// Lifetime of an access token.
const LIFE: Duration = Duration::from_secs(2);

/// A process refreshes a token after this time: a tenth of its lifetime earlier.
const RENEWED_AFTER: Duration = Duration::from_millis(1800);

/// Number of processes at a time.
const PROCESSES: usize = 50;

/// Starts 50 processes at a time until the time is over. No command fails, and the server issues
/// tokens once for each expiry.
pub async fn many_processes_cause_one_refresh_for_each_expiry() {
    let seconds = std::env::var("DRIVEDAL_SHARED_ACCOUNT_SECONDS").ok();
    let seconds = seconds.map_or(6, |text| text.parse().expect("a number of seconds"));
    let server = Server::builder().ephemeral().token_life(LIFE).start().await.expect("a server");
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = folder.path().join("tokens.json");
    std::fs::write(&tokens, r#"{"refresh_token": "drivedal-dev-refresh"}"#).expect("written");
    let remote = format!(
        "od=onedrive://?client_id=app&oauth_endpoint={url}&endpoint={url}v1.0&token_file={tokens}",
        url = server.url(),
        tokens = tokens.display()
    );

    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let mut users = JoinSet::new();
    for _ in 0..PROCESSES {
        let remote = remote.clone();
        users.spawn(spawn_blocking(move || {
            let mut commands = 0u64;
            while Instant::now() < until {
                list(&remote);
                commands += 1;
            }
            commands
        }));
    }
    let mut commands = 0;
    while let Some(user) = users.join_next().await {
        commands += user.expect("a task").expect("no command failed");
    }

    let elapsed = begun.elapsed();
    let refreshes = server.control().counters().count("entra.token");
    let most = elapsed.as_millis() / RENEWED_AFTER.as_millis() + 1;
    assert!(u128::from(refreshes) <= most, "{refreshes} refreshes in {elapsed:?}");
    assert!(refreshes >= seconds / 4, "{refreshes} refreshes in {elapsed:?}");
    println!("{commands} commands, {refreshes} refreshes in {elapsed:?}");
}

/// Lists the root of the drive in a process of its own.
fn list(remote: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_drivedal"))
        .args(["--remote", remote, "ls", "od:"])
        .stdin(Stdio::null())
        .output()
        .expect("a process");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
