//! Names that a cloud forbids are mapped, as rclone does it.

#![cfg(unix)]

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use crate::{
    rig::{
        Cloud::{Amazon, OneDrive, SkyDrive},
        Rig,
    },
    shell::tree,
};

/// Names that a disk allows, with their names in OneDrive.
const NAMES: [(&str, &str); 12] = [
    ("a:b", "a：b"),
    ("a：b", "a‛：b"),
    ("what?*", "what？＊"),
    ("<\"|\">\\", "＜＂｜＂＞＼"),
    (" both ends ", "␠both ends␠"),
    ("␠a", "‛␠a"),
    ("dot.", "dot．"),
    ("~tilde", "～tilde"),
    ("two\nlines\u{7f}", "two␊lines␡"),
    ("‛quote", "‛‛quote"),
    ("slash／", "slash／"),
    ("plain.txt", "plain.txt"),
];

async fn succeeds(rig: &Rig, arguments: &[&str]) -> String {
    let ran = rig.run(arguments).await;
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    ran.out
}

/// Returns the names in a folder of the remote, sorted.
async fn names(rig: &Rig, arguments: &[&str]) -> Vec<String> {
    let ran = rig.run(&[&["--json", "ls"], arguments].concat()).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let name = |item: &serde_json::Value| item["name"].as_str().expect("a name").to_owned();
    let mut names: Vec<_> = ran.json().iter().map(name).collect();
    names.sort();
    names
}

fn sorted<const N: usize>(names: [&str; N]) -> Vec<String> {
    let mut names = names.map(str::to_owned);
    names.sort();
    names.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_a_cloud_forbids_go_up_and_come_back() {
    for cloud in [SkyDrive, OneDrive, Amazon] {
        let rig = Rig::new(cloud).await;
        for (name, _) in NAMES {
            rig.shell.write_old(&format!("src/in:{name}/{name}"), name);
        }
        let invalid = rig.shell.path("src").join(OsStr::from_bytes(b"not text \xff"));
        fs::write(invalid, "bytes").expect("written");
        let source = tree(&rig.shell.path("src"));

        succeeds(&rig, &["put", "-r", "src", "it:d"]).await;
        succeeds(&rig, &["get", "-r", "it:d", "back"]).await;
        assert_eq!(tree(&rig.shell.path("back")), source, "{cloud:?}");
        // A second upload replaces the files.
        succeeds(&rig, &["put", "-r", "src", "it:d"]).await;
        succeeds(&rig, &["get", "-r", "it:d", "again"]).await;
        assert_eq!(tree(&rig.shell.path("again")), source, "{cloud:?}");

        succeeds(&rig, &["rm", "it:d/not text ‛FF"]).await;
        fs::remove_file(rig.shell.path("src").join(OsStr::from_bytes(b"not text \xff")))
            .expect("removed");
        succeeds(&rig, &["check", "src", "it:d"]).await;
        succeeds(&rig, &["sync", "it:d", "synced"]).await;
        assert_eq!(tree(&rig.shell.path("synced")), tree(&rig.shell.path("src")), "{cloud:?}");
        succeeds(&rig, &["sync", "src", "it:other"]).await;
        succeeds(&rig, &["check", "it:d", "it:other"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_in_the_cloud_are_those_of_rclone() {
    let rig = Rig::new(OneDrive).await;
    for (name, _) in NAMES {
        let local = rig.shell.write(&format!("src/{name}"), name);
        let arguments = ["put".into(), local, "it:d/".into()]
            .map(|arg: std::path::PathBuf| arg.into_os_string().into_string().expect("text"));
        succeeds(&rig, &arguments.each_ref().map(String::as_str)).await;
    }
    let expected = sorted(NAMES.map(|(_, name)| name));
    assert_eq!(names(&rig, &["--encoding", "Raw", "it:d"]).await, expected);
    // A name on the command line may be the local one.
    for path in ["it:d/a:b", "it:d/ both ends ", "it:d/␠both ends␠", "it:d/dot."] {
        succeeds(&rig, &["cat", path]).await;
    }
    succeeds(&rig, &["get", "it:d/ both ends ", "it:d/~tilde", "into/"]).await;
    assert_eq!(rig.shell.read("into/ both ends "), b" both ends ");
    assert_eq!(rig.shell.read("into/~tilde"), b"~tilde");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_another_program_chose_are_read_and_replaced() {
    let rig = Rig::new(OneDrive).await;
    rig.shell.write("a", "1");
    for path in ["it:~a", "it:‛b", "it:~d/‛c"] {
        succeeds(&rig, &["put", "--encoding", "Raw", "a", path]).await;
    }
    assert_eq!(names(&rig, &["it:"]).await, sorted(["~a", "‛b", "~d"]));
    rig.shell.write("a", "22");
    for path in ["it:~a", "it:‛b", "it:~d/‛c"] {
        assert_eq!(succeeds(&rig, &["cat", path]).await, "1", "{path}");
        succeeds(&rig, &["put", "a", path]).await;
        assert_eq!(succeeds(&rig, &["cat", path]).await, "22", "{path}");
    }
    assert_eq!(names(&rig, &["--encoding", "Raw", "it:"]).await, sorted(["~a", "‛b", "~d"]));
    succeeds(&rig, &["rm", "-r", "it:~a", "it:‛b", "it:~d"]).await;
    assert_eq!(names(&rig, &["it:"]).await, sorted([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_can_be_chosen_and_unknown_ones_are_named() {
    let rig = Rig::new(OneDrive).await;
    rig.shell.write("a#b", "1");
    succeeds(&rig, &["put", "--encoding", "Hash,Colon", "a#b", "it:"]).await;
    assert_eq!(names(&rig, &["--encoding", "Raw", "it:"]).await, ["a＃b"]);
    rig.run(&["put", "--encoding", "Hashes", "a#b", "it:"])
        .await
        .fails(2, "unknown rule \"Hashes\"");
    rig.shell.write("c:d", "1");
    let refused = rig.run(&["put", "--encoding", "Raw", "c:d", "it:"]).await;
    assert_ne!(refused.code, 0, "{refused:?}");
}
