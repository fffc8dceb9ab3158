//! `drivedal sync` is killed (-9) at random times, up to a OneDrive and down from it. The next run
//! completes the work: both sides are equal, nothing else is deleted, and no partial file is left.
//!
//! `DRIVEDAL_KILLS` is the number of kills in each direction (default 5). `DRIVEDAL_SEED` seeds
//! their times.

use std::{env, fs, path::Path, process::Stdio, time::Duration};

use drivedal_server::Server;

use crate::shell::{Ran, Shell, tree};

/// The number of files. They are in folders of [`PER_FOLDER`].
const FILES: usize = 2_000;
const PER_FOLDER: usize = 50;

/// Lifetime of a process before it is killed, in milliseconds.
const LIVES: std::ops::Range<u64> = 100..1_500;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// A command line with the remote `it:`, a OneDrive.
struct Client {
    shell: Shell,
    uri: String,
}

impl Client {
    fn new(server: &Server) -> Self {
        let endpoint = format!("{}v1.0", server.url()).replace(':', "%3A").replace('/', "%2F");
        let uri = format!("it=onedrive://?endpoint={endpoint}&access_token=drivedal-dev");
        Self { shell: Shell::new(), uri }
    }

    /// Runs a command to its end.
    async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.shell.command(&["--remote", &self.uri]);
        command.args(arguments);
        let ended = tokio::task::spawn_blocking(move || command.output()).await;
        Ran::new(ended.expect("no panic").expect("the binary runs"))
    }

    /// Starts a command, and kills it after `life`. Returns whether it was still running.
    async fn kill(&self, arguments: &[&str], life: Duration) -> bool {
        let mut command = self.shell.command(&["--remote", &self.uri]);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary runs");
        tokio::time::sleep(life).await;
        let was_running = child.try_wait().expect("a child").is_none();
        child.kill().expect("killed");
        child.wait().expect("ended");
        was_running
    }
}

pub async fn a_killed_sync_is_continued_and_loses_nothing() {
    let kills = number("DRIVEDAL_KILLS").unwrap_or(5);
    let seed =
        number("DRIVEDAL_SEED").unwrap_or_else(|| jiff::Timestamp::now().as_millisecond() as u64);
    // A failed test shows the seed.
    println!("DRIVEDAL_SEED={seed}");
    let server = Server::builder().ephemeral().start().await.expect("a server");
    let client = Client::new(&server);
    let path = |number: usize| format!("src/d{}/{number}", number / PER_FOLDER);
    for number in 0..FILES {
        client.shell.write(&path(number), number.to_string().repeat(20));
    }
    client.shell.write("other/keep", "1");
    client.shell.write("other/old/stale", "2");
    let run = async |arguments: &[&str]| {
        let ran = client.run(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    };
    run(&["copy", "other", "it:other"]).await;
    run(&["copy", "other/old", "it:copy/old"]).await;

    let mut dice = seed;
    let mut interrupted = 0;
    for arguments in [["sync", "src", "it:copy"], ["sync", "it:copy", "back"]] {
        for _ in 0..kills {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let life = LIVES.start + (dice >> 33) % (LIVES.end - LIVES.start);
            let was_running = client.kill(&arguments, Duration::from_millis(life)).await;
            interrupted += u64::from(was_running);
        }
        run(&arguments).await;
        run(&["check", "src", "it:copy"]).await;
        run(&["check", "--download", "other", "it:other"]).await;
    }
    assert_eq!(tree(&client.shell.path("src")), tree(&client.shell.path("back")));
    assert_eq!(partial_files(&client.shell.path("back")), 0);
    println!("{interrupted} of {} processes were killed at work", 2 * kills);
    assert!(interrupted > 0, "no process was killed at work");
}

/// Returns the number of partial files in a folder and those below it.
fn partial_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).expect("read").map(|entry| entry.expect("read"));
    entries
        .map(|entry| match entry.file_type().expect("read").is_dir() {
            true => partial_files(&entry.path()),
            false => usize::from(entry.file_name().to_string_lossy().ends_with(".partial")),
        })
        .sum()
}
