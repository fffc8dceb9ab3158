//! `sync` with a drive that has a change feed: the second run costs two requests on its side.

use std::{fs, time::Duration};

use drivedal_server::{CloudBehavior, Fault, Server};
use serde_json::Value;

use crate::{
    rig::{Cloud, Rig},
    shell::{Ran, Shell, tree},
};

/// The number of folders, of five files each.
const FOLDERS: usize = 12;

async fn rig() -> Rig {
    let rig = Rig::new(Cloud::OneDrive).await;
    for number in 0..FOLDERS * 5 {
        let path = format!("src/d{}/{number}", number % FOLDERS);
        rig.shell.write_old(&path, number.to_string());
    }
    rig
}

/// Runs a command that must succeed. Returns its summary and the number of requests.
async fn run(rig: &Rig, arguments: &[&str]) -> (Value, usize) {
    rig.settled().await;
    let before = rig.server.control().requests().len();
    let ran = rig.run(&[&["--json"], arguments].concat()).await;
    assert_eq!(ran.code, 0, "{arguments:?} {ran:?}");
    rig.settled().await;
    (summary(&ran), rig.server.control().requests().len() - before)
}

fn summary(ran: &Ran) -> Value {
    ran.json().pop().expect("a summary")["summary"].take()
}

#[tokio::test]
async fn an_unchanged_drive_costs_two_requests() {
    let rig = rig().await;
    let files = FOLDERS as u64 * 5;
    let (up, _) = run(&rig, &["sync", "src", "it:copy"]).await;
    assert_eq!(up["created"], files);
    let (again, requests) = run(&rig, &["sync", "src", "it:copy"]).await;
    assert_eq!((&again["equal"], &again["bytes"]), (&files.into(), &0.into()));
    assert!(requests <= 2, "{requests} requests");
    let (down, _) = run(&rig, &["sync", "it:copy", "back"]).await;
    assert_eq!(down["created"], files);
    let (again, requests) = run(&rig, &["sync", "it:copy", "back"]).await;
    assert_eq!(again["equal"], files);
    assert!(requests <= 2, "{requests} requests");
    let (_, requests) = run(&rig, &["sync", "--no-change-feed", "it:copy", "back"]).await;
    assert!(requests > FOLDERS, "every folder is listed: {requests} requests");
    assert_eq!(tree(&rig.shell.path("src")), tree(&rig.shell.path("back")));
}

#[tokio::test]
async fn changes_of_another_client_are_found_and_a_restarted_feed_is_no_failure() {
    let rig = rig().await;
    run(&rig, &["sync", "src", "it:copy"]).await;
    run(&rig, &["sync", "it:copy", "back"]).await;
    rig.shell.write("new", "changed");
    for arguments in [
        ["put", "new", "it:copy/d0/0"].as_slice(),
        &["put", "new", "it:copy/d1/new"],
        &["rm", "it:copy/d2/2"],
        &["mv", "it:copy/d3", "it:copy/d4/moved"],
    ] {
        let ran = rig.run(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?} {ran:?}");
    }
    let (down, _) = run(&rig, &["sync", "it:copy", "back"]).await;
    assert_eq!((&down["replaced"], &down["created"]), (&1.into(), &6.into()), "{down}");
    assert_eq!(down["deleted"], 6);
    let gone = Fault::on("graph.delta.list").times(1).status(410);
    rig.server.control().add_faults([gone]).expect("a rule");
    let (up, _) = run(&rig, &["sync", "src", "it:copy"]).await;
    assert_eq!((&up["replaced"], &up["deleted"]), (&1.into(), &6.into()), "{up}");
    run(&rig, &["check", "--download", "src", "it:copy"]).await;
}

#[tokio::test]
async fn a_late_feed_deletes_nothing_and_hides_no_file_of_the_first_run() {
    let lag = CloudBehavior::default().feed_lag(Duration::from_secs(3_600));
    let server = Server::builder().ephemeral().behavior(lag).start().await.expect("a server");
    let rig = Rig { uri: Cloud::OneDrive.uri(&server), server, shell: Shell::new() };
    rig.shell.write_old("src/d/a", "1");
    run(&rig, &["copy", "--no-change-feed", "src", "it:copy"]).await;
    run(&rig, &["sync", "it:copy", "back"]).await;
    assert_eq!(tree(&rig.shell.path("src")), tree(&rig.shell.path("back")));
    // Both sides get a file that the feed does not report yet.
    rig.shell.write_old("src/d/b", "2");
    rig.shell.write_old("back/d/b", "2");
    run(&rig, &["copy", "--no-change-feed", "src", "it:copy"]).await;
    let late = rig.run(&["sync", "it:copy", "back"]).await;
    assert_eq!(late.code, 6, "{late:?}");
    assert!(late.err.contains("its change feed did not report all entries"), "{late:?}");
    assert_eq!(rig.shell.read("back/d/b"), b"2");
    run(&rig, &["sync", "it:copy", "back"]).await;
    assert_eq!(tree(&rig.shell.path("src")), tree(&rig.shell.path("back")));
}

#[tokio::test]
async fn a_feed_that_fails_is_replaced_by_listings() {
    let rig = rig().await;
    run(&rig, &["sync", "src", "it:copy"]).await;
    let broken = Fault::on("graph.delta.list").status(501);
    rig.server.control().add_faults([broken]).expect("a rule");
    fs::remove_file(rig.shell.path("src/d0/0")).expect("removed");
    let (up, _) = run(&rig, &["sync", "src", "it:copy"]).await;
    assert_eq!(up["deleted"], 1);
    run(&rig, &["check", "src", "it:copy"]).await;
}
