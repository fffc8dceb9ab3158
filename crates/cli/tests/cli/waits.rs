//! Messages while a command waits for a cloud.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
};

use drivedal_server::Fault;

use crate::{
    rig::{
        Cloud::{Amazon, OneDrive, SkyDrive},
        Rig,
    },
    shell::Shell,
};

/// Runs a command until it prints that it waits. Returns the lines of standard error.
async fn until_it_waits(rig: &Rig, arguments: &[&str]) -> Vec<String> {
    let mut child = rig.command(arguments).spawn().expect("the binary runs");
    let err = child.stderr.take().expect("piped");
    let lines = tokio::task::spawn_blocking(move || {
        let mut lines = Vec::new();
        for line in BufReader::new(err).lines() {
            let line = line.expect("text");
            let waits = line.contains(": waiting for ");
            lines.push(line);
            if waits {
                break;
            }
        }
        // The command would run for minutes.
        let _ = child.kill();
        child.wait().expect("a child");
        lines
    });
    lines.await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_wait_is_announced_with_reason_and_end() {
    let waits = [SkyDrive, OneDrive, Amazon].map(|cloud| async move {
        let rig = Rig::new(cloud).await;
        let busy = Fault::on("*").status(503).header("retry-after", "20");
        rig.server.control().add_faults([busy]).expect("a rule");
        let lines = until_it_waits(&rig, &["ls", "it:"]).await;
        let host = rig.server.url().authority().to_owned();
        let begin = format!("drivedal: it: waiting for {host} (503), next attempt at 2");
        assert_eq!(lines.len(), 1, "one message: {lines:?}");
        assert!(lines[0].starts_with(&begin), "{cloud:?}: {lines:?}");
    });
    futures::future::join_all(waits).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_waits_and_quiet_commands_print_no_message() {
    let rig = Rig::new(OneDrive).await;
    let busy = || Fault::on("*").times(1).status(503).header("retry-after", "0.2");
    rig.server.control().add_faults([busy()]).expect("a rule");
    let ran = rig.run(&["ls", "it:"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
}

#[test]
fn a_server_that_is_not_there_is_reported_after_one_try() {
    for (scheme, path) in
        [("skydrive", "v5.0/"), ("onedrive", "v1.0"), ("amazon-drive", "drive/v1/")]
    {
        let shell = Shell::new();
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("an address").port()
        };
        let endpoint = format!("http%3A%2F%2F127.0.0.1%3A{port}%2F{}", path.replace('/', "%2F"));
        let remote = format!("it={scheme}://?endpoint={endpoint}&access_token=x");
        shell.write("a", "x");
        for command in [vec!["ls", "it:"], vec!["put", "a", "it:a"], vec!["get", "it:a", "b"]] {
            let ran = shell.run(&[["-v", "--remote", &remote].as_slice(), &command].concat());
            ran.fails(7, "refused");
            assert!(!ran.err.contains(": retrying"), "{scheme} {command:?}: {ran:?}");
        }
    }
}
