//! The number of requests for 1,000 files of 4 KiB in 50 folders.

use std::time::{Duration, Instant};

use drivedal_server::{AccountKind, Server};

use crate::{
    rig::{Cloud, Rig},
    shell::Shell,
};

const FOLDERS: usize = 50;
const FILES_PER_FOLDER: usize = 20;

/// Returns a Business drive with the files, which `put` has sent.
async fn rig_with_files(latency: Duration) -> Rig {
    let builder = Server::builder().ephemeral().kind(AccountKind::Business).latency(latency);
    let server = builder.start().await.expect("a server");
    let uri = Cloud::OneDrive.uri(&server);
    let rig = Rig { server, shell: Shell::new(), uri };
    for folder in 0..FOLDERS {
        for file in 0..FILES_PER_FOLDER {
            rig.shell.write_old(&format!("src/{folder}/{file}"), [7; 4096]);
        }
    }
    requests(&rig, &["put", "-r", "src", "it:d"]).await;
    rig
}

/// Returns the paths of all files on the remote.
fn paths() -> Vec<String> {
    let folders = 0..FOLDERS;
    folders
        .flat_map(|folder| (0..FILES_PER_FOLDER).map(move |file| format!("it:d/{folder}/{file}")))
        .collect()
}

/// Runs a command. Returns and prints the number of requests, with those in batches, and the number
/// of batches.
async fn requests(rig: &Rig, arguments: &[&str]) -> (u64, u64) {
    rig.settled().await;
    rig.server.control().reset_counters();
    let started = Instant::now();
    let ran = rig.run(arguments).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let elapsed = started.elapsed();
    rig.settled().await;
    let counters = rig.server.control().counters();
    let batches = counters.count("graph.batch");
    println!(
        "{:<4} {} requests, of which {batches} are batches and others are in them; {elapsed:.1?}",
        arguments[0], counters.total
    );
    (counters.total, batches)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures, which need an idle machine: a listing serves removals for a second only"]
async fn figures_with_a_latency_of_20_ms() {
    let rig = rig_with_files(Duration::from_millis(20)).await;
    requests(&rig, &["get", "-r", "it:d", "back"]).await;
    requests(&rig, &["ls", "-R", "it:"]).await;
    let paths = paths();
    let arguments: Vec<_> = ["rm"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let (total, batches) = requests(&rig, &arguments).await;
    // 50 full batches, and the listings of 50 folders.
    assert!(batches <= 60 && total <= 1_050 + batches, "{batches} batches of {total} requests");
    assert_eq!(rig.run(&["ls", "it:d/0"]).await.out, "");
}
