//! `watch`.

use std::{process::Stdio, time::Duration};

use drivedal_server::Fault;
use serde_json::{Value, json};

use crate::{
    extensions::drive_with,
    rig::{Cloud, Rig},
};

/// A running `watch`, whose lines are read.
struct Watching {
    child: tokio::process::Child,
    lines: tokio::io::Lines<tokio::io::BufReader<tokio::process::ChildStdout>>,
}

impl Watching {
    /// Starts the command, and waits until it has listed the drive.
    async fn start(rig: &Rig, arguments: &[&str]) -> Self {
        use tokio::io::AsyncBufReadExt;
        let mut all = vec!["--json", "watch", "--interval", "20ms"];
        all.extend(arguments);
        let mut command = tokio::process::Command::from(rig.command(&all));
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary runs");
        let stdout = child.stdout.take().expect("piped");
        let stderr = tokio::io::BufReader::new(child.stderr.take().expect("piped"));
        let lines = tokio::io::BufReader::new(stdout).lines();
        let mut messages = stderr.lines();
        let first = tokio::time::timeout(Duration::from_secs(30), messages.next_line()).await;
        let first = first.expect("in time").expect("read").expect("a message");
        assert!(first.contains("watching it:"), "{first}");
        Self { child, lines }
    }

    /// Returns the next change.
    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(Duration::from_secs(30), self.lines.next_line()).await;
        let line = line.expect("in time").expect("read").expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }

    /// Sends SIGINT, and returns the exit code.
    async fn stop(mut self) -> Option<i32> {
        let id = i32::try_from(self.child.id().expect("it runs")).expect("an id");
        let id = rustix::process::Pid::from_raw(id).expect("an id");
        rustix::process::kill_process(id, rustix::process::Signal::INT).expect("sent");
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        ended.expect("in time").expect("ended").code()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_prints_each_change_with_its_path_until_ctrl_c() {
    for cloud in [Cloud::OneDrive, Cloud::Amazon] {
        let rig = drive_with(cloud, &[("d/old", "1"), ("e/x", "1")]).await;
        let remote = drivedal::remote::open(&rig.uri["it=".len()..]).expect("a remote").operator;
        let mut watching = Watching::start(&rig, &["it:d"]).await;
        remote.write("e/elsewhere", "1").await.expect("written");
        remote.write("d/new", "1").await.expect("written");
        let change = watching.next().await;
        assert_eq!((&change["change"], &change["path"]), (&json!("created"), &json!("d/new")));
        assert_eq!((&change["kind"], &change["size"]), (&json!("file"), &json!(1)), "{cloud:?}");
        remote.write("d/new", "22").await.expect("written");
        let change = watching.next().await;
        assert_eq!((&change["change"], &change["path"]), (&json!("changed"), &json!("d/new")));
        remote.rename("d/old", "e/old").await.expect("renamed");
        let change = watching.next().await;
        assert_eq!((&change["change"], &change["path"]), (&json!("moved"), &json!("d/old")));
        assert_eq!(change["to"], "e/old");
        remote.delete("d/new").await.expect("deleted");
        let change = watching.next().await;
        assert_eq!((&change["change"], &change["path"]), (&json!("deleted"), &json!("d/new")));
        assert_eq!(watching.stop().await, Some(0), "{cloud:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_prints_a_resync_and_goes_on_after_failures() {
    let rig = drive_with(Cloud::OneDrive, &[("d/old", "1")]).await;
    let remote = drivedal::remote::open(&rig.uri["it=".len()..]).expect("a remote").operator;
    let mut watching = Watching::start(&rig, &["--retries=0", "it:"]).await;
    let busy = Fault::on("graph.delta.list").times(2).status(503);
    rig.server.control().add_faults([busy]).expect("a rule");
    remote.write("d/new", "1").await.expect("written");
    assert_eq!(watching.next().await["change"], "created");
    let body = json!({"error": {"code": "resyncRequired", "message": "Resync required."}});
    let gone = Fault::on("graph.delta.list").times(1).status(410).body(body.to_string());
    rig.server.control().add_faults([gone]).expect("a rule");
    assert_eq!(watching.next().await["change"], "resync");
    remote.write("d/newer", "1").await.expect("written");
    let change = watching.next().await;
    assert_eq!((&change["change"], &change["path"]), (&json!("created"), &json!("d/newer")));
    assert_eq!(watching.stop().await, Some(0));
}
