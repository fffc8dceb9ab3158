//! Full disks, and files where folders are expected. A limit on file sizes replaces the full disk:
//! a write beyond the limit fails half done, like one on a full disk.

#![cfg(unix)]

use std::{
    fs,
    process::{Command, Stdio},
};

use drivedal_server::Fault;
use serde_json::Value;

use crate::{
    rig::{
        Cloud::{self, Amazon, OneDrive, SkyDrive},
        Rig,
    },
    shell::Ran,
};

const MIB: usize = 1 << 20;

/// The system's text for the error.
const TOO_LARGE: &str = "File too large";

fn bytes(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n ^ n >> 7 ^ n >> 13) as u8).collect()
}

/// Returns the command with a limit of `kib` KiB for each file that it writes.
fn limited(command: &Command, kib: usize) -> Command {
    let mut limited = Command::new("/bin/sh");
    // The shell counts in units of 512 bytes. The signal XFSZ is ignored, so that the write returns
    // an error.
    limited.args(["-c", "trap '' XFSZ; ulimit -f $0; exec \"$@\"", &(2 * kib).to_string()]);
    limited.arg(command.get_program()).args(command.get_args()).env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            limited.env(name, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    limited.stdin(Stdio::null());
    limited
}

async fn run(mut command: Command) -> Ran {
    let ended = tokio::task::spawn_blocking(move || command.output()).await;
    Ran::new(ended.expect("no panic").expect("it runs"))
}

async fn run_limited(rig: &Rig, arguments: &[&str], kib: usize) -> Ran {
    run(limited(&rig.command(arguments), kib)).await
}

/// Returns the names in a local folder.
fn names(rig: &Rig, folder: &str) -> Vec<String> {
    let read = fs::read_dir(rig.shell.path(folder)).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("listed").file_name();
    let mut names: Vec<_> = read.map(|entry| name(entry).into_string().expect("text")).collect();
    names.sort();
    names
}

async fn get(cloud: Cloud) {
    let rig = Rig::new(cloud).await;
    let (large, small) = (bytes(12 * MIB), bytes(3 * MIB));
    rig.shell.write("large", &large);
    rig.shell.write("small", &small);
    for file in ["large", "small"] {
        assert_eq!(rig.run(&["put", file, "it:"]).await.code, 0);
        rig.shell.write(&format!("here/{file}"), "old");
    }
    let ran = run_limited(&rig, &["get", "it:small", "here/"], 2 * 1024).await;
    ran.fails(1, "here/small").fails(1, TOO_LARGE);
    assert_eq!(names(&rig, "here"), ["large", "small"], "a part of a small file is left");

    let ran = run_limited(&rig, &["get", "it:large", "here/"], 9 * 1024).await;
    ran.fails(1, "here/large").fails(1, TOO_LARGE).fails(1, "run the same command again to resume");
    let left = names(&rig, "here");
    assert!(left.len() == 3 && left[0].ends_with(".partial"), "{left:?}");
    for file in ["large", "small"] {
        assert_eq!(rig.shell.read(&format!("here/{file}")), b"old");
    }
    // The limit is lifted.
    let ran = rig.run(&["get", "it:large", "here/"]).await;
    assert!(ran.code == 0 && ran.err.contains("resuming at 9.0 MiB"), "{ran:?}");
    assert!(rig.shell.read("here/large") == large, "other bytes");
    assert_eq!(names(&rig, "here"), ["large", "small"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_does_not_fit_changes_nothing_and_is_sent_when_there_is_room_onedrive() {
    get(OneDrive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_does_not_fit_changes_nothing_and_is_sent_when_there_is_room_skydrive() {
    get(SkyDrive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_does_not_fit_changes_nothing_and_is_sent_when_there_is_room_amazon() {
    get(Amazon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_journal_large_files_are_still_transferred() {
    let rig = Rig::new(OneDrive).await;
    let large = bytes(9 * MIB);
    rig.shell.write("a/large", &large);
    rig.shell.write("a/larger", bytes(10 * MIB));
    // A file at the path of the journal's folder.
    let state = rig.shell.write(".local/state/drivedal/transfers", "");
    let state = state.display().to_string();
    for command in [["put", "-r", "a", "it:a"], ["get", "-r", "it:a", "b"]] {
        let ran = rig.run(&command).await;
        assert_eq!((ran.code, ran.err.matches(&state).count()), (0, 1), "{ran:?}");
        assert!(ran.err.contains("an interrupted large transfer will start again"), "{ran:?}");
    }
    assert!(rig.shell.read("b/large") == large, "other bytes");
    // An interrupted download leaves no file that the journal does not know.
    rig.shell.write("b/large", "old");
    let ran = run_limited(&rig, &["get", "it:a/large", "b/"], MIB / 1024).await;
    ran.fails(1, TOO_LARGE);
    assert_eq!((names(&rig, "b").len(), rig.shell.read("b/large")), (2, b"old".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_or_a_har_file_that_is_not_complete_is_a_failure_but_the_work_is_done() {
    let rig = Rig::new(OneDrive).await;
    for number in 0..20 {
        rig.shell.write(&format!("a/{number}"), "x");
    }
    let full = "/dev/full: No space left on device";
    rig.run(&["--log-file", "/dev/full", "put", "-r", "a", "it:a"]).await.fails(1, full);
    let listed = rig.run(&["ls", "it:a"]).await;
    assert_eq!((listed.code, listed.out.lines().count()), (0, 20), "{listed:?}");
    let both = ["--log-file", "/dev/full", "ls", "it:nobody"];
    rig.run(&both).await.fails(3, full).fails(3, "it:nobody: not found");
    rig.run(&["--har", "/dev/full", "ls", "it:"]).await.fails(1, "/dev/full: No space left");

    let ran = run_limited(&rig, &["--har", "full.har", "get", "-r", "it:a", "b"], 8).await;
    ran.fails(1, "full.har: File too large");
    assert_eq!(names(&rig, "b").len(), 20);
    let har: Value = serde_json::from_slice(&rig.shell.read("full.har")).expect("still whole");
    assert!(!har["log"]["entries"].as_array().expect("a list").is_empty());
    let ran = run_limited(&rig, &["--log-file", "full.log", "get", "-r", "it:a", "c"], 2).await;
    ran.fails(1, "full.log: File too large");
    assert_eq!(names(&rig, "c").len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_not_refreshed_while_their_file_cannot_be_written() {
    let rig = Rig::new(SkyDrive).await;
    let url = rig.server.url().as_str().trim_end_matches('/').replace(':', "%3A");
    let url = url.replace('/', "%2F");
    let uri = format!(
        "it=skydrive://?endpoint={url}%2Fv5.0%2F&oauth_endpoint={url}&client_id=app\
         &refresh_token=drivedal-dev-refresh&token_file=tokens.json"
    );
    let rig = Rig { uri, ..rig };
    let asked = || {
        let requests = rig.server.control().requests();
        requests.iter().filter(|request| request.operation.contains("token")).count()
    };
    let ran = run_limited(&rig, &["ls", "it:"], 8).await;
    ran.fails(1, "cannot reserve disk space for the token file tokens.json: File too large");
    assert_eq!((asked(), rig.server.control().requests().len()), (0, 0));
    assert_eq!(rig.run(&["ls", "it:"]).await.code, 0);
    let tokens = rig.shell.read("tokens.json");
    assert_eq!(
        (asked(), names(&rig, ".")),
        (1, vec!["tokens.json".to_owned(), "tokens.json.lock".to_owned()])
    );
    // The token in the file is rejected, so the client refreshes it.
    let refused = Fault::on("live.files.list").times(1).status(401);
    rig.server.control().add_faults([refused]).expect("a rule");
    run_limited(&rig, &["ls", "it:"], 8).await.fails(1, "tokens.json");
    assert!(rig.shell.read("tokens.json") == tokens, "the tokens are not what they were");
    assert_eq!((asked(), rig.run(&["ls", "it:"]).await.code), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_sent_from_where_they_are_and_need_no_room_for_a_copy() {
    for cloud in [OneDrive, SkyDrive, Amazon] {
        let rig = Rig::new(cloud).await;
        for (name, mib) in [("few", 1), ("some", 3), ("many", 12)] {
            rig.shell.write(name, bytes(mib * MIB));
        }
        let mut command = rig.command(&["put", "few", "some", "many", "it:"]);
        command.env("TMPDIR", rig.shell.path("nowhere"));
        let ran = run(command).await;
        assert_eq!(ran.code, 0, "{cloud:?}: {ran:?}");
        assert_eq!(rig.run(&["get", "it:some", "back"]).await.code, 0);
        assert!(rig.shell.read("back") == bytes(3 * MIB), "{cloud:?}: other bytes");
    }
}
