//! A process that keeps a tree is killed in the middle of its work, again and again; the next one
//! finds everything that was acknowledged, and nothing besides.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::tree::{
    Bytestream, ChildName, DriveKey, ListOptions, NewItem, NodeKind, OnConflict, Precondition,
    ROOT, Session, Tree, TreeOptions, UploadFragment,
};
use bytes::Bytes;
use futures::{TryStreamExt, stream};

/// Where the child finds the tree's folder.
const DATA: &str = "DRIVEDAL_TEST_CRASH_DATA";

/// The largest content in a row. Larger ones are blobs.
const ROW_MAX: usize = 16 << 10;

/// The bytes of a file by its name. Some are in a row, some in blobs.
fn bytes_of(name: &str) -> Vec<u8> {
    let seed: usize = name.bytes().map(usize::from).sum();
    let length = if seed.is_multiple_of(3) { 50_000 + seed } else { seed };
    (0..length).map(|i| (i * 7 + seed) as u8).collect()
}

fn body(bytes: Vec<u8>) -> Bytestream {
    Box::pin(stream::iter([Ok(Bytes::from(bytes))]))
}

async fn put(tree: &Tree, drive: DriveKey, name: &str) {
    let stored = tree.store(body(bytes_of(name)), u64::MAX).await.expect("stores");
    let (new, any) = (NewItem::default(), Precondition::Any);
    tree.put(ChildName::new(drive, ROOT, name), stored, new, OnConflict::Replace, any)
        .await
        .expect("puts");
    say(&format!("file {name}"));
}

/// A session that gets fragments and is never ended.
async fn upload(tree: &Tree, drive: DriveKey, name: &str) {
    let session = Session {
        id: String::new(),
        drive,
        parent: ROOT,
        folders: Vec::new(),
        name: name.to_owned(),
        total: None,
        received: 0,
        on_conflict: OnConflict::Replace,
        expires: jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1),
        state: serde_json::Value::Null,
    };
    let session = tree.open_session(session).await.expect("opens");
    say(&format!("session {} {name} 0", session.id));
    for piece in bytes_of(name).chunks(20_000) {
        let at = tree.session(&session.id).await.expect("session").received;
        let fragment = body(piece.to_vec());
        let now = tree
            .append(
                &session.id,
                UploadFragment {
                    at,
                    total: None,
                    body: fragment,
                    max: u64::MAX,
                    expires: session.expires,
                },
            )
            .await
            .expect("appends");
        say(&format!("session {} {name} {}", session.id, now.received));
    }
}

/// Acknowledges: the line is with the parent when this returns, whatever happens then.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nsaid {line}").and_then(|()| out.flush()).expect("the parent listens");
}

#[test]
#[ignore = "the process that the other test starts and kills"]
fn works_until_it_is_killed() {
    let Ok(data) = env::var(DATA) else { panic!("{DATA} says where the tree is") };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let tree = Tree::open(TreeOptions::folder(data).durability(crate::Durability::Relaxed))
            .await
            .expect("opens");
        let drive = tree.drive("").await.expect("drive").no;
        let run = tree.drive_info(drive).await.expect("drive").feed;
        let work = async |task: usize| {
            for i in 0.. {
                put(&tree, drive, &format!("{run} {task} {i}")).await;
                if i % 10 == task % 10 {
                    upload(&tree, drive, &format!("session {run} {task} {i}")).await;
                }
                if i % 7 == 0 {
                    let file = tree.child(drive, ROOT, &format!("{run} {task} {}", i / 2)).await;
                    put(&tree, drive, &file.expect("was put").name).await;
                }
            }
        };
        futures::future::join_all((0..8).map(work)).await;
    });
}

fn start(data: &Path) -> Child {
    Command::new(env::current_exe().expect("this test"))
        .args([
            "--exact",
            "tree::sql::tests::crash::works_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(DATA, data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_leaves_what_it_acknowledged_and_no_orphans() {
    let data = tempfile::tempdir().expect("temporary folder");
    let mut files = Vec::new();
    for enough in [40, 150, 400] {
        let mut sessions = BTreeMap::new();
        let mut child = start(data.path());
        let out = BufReader::new(child.stdout.take().expect("is piped"));
        let mut heard = 0;
        // Including the output between the last read and the kill.
        for line in out.lines().map_while(Result::ok) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["said", "file", run, task, i] => files.push(format!("{run} {task} {i}")),
                ["said", "session", id, _, run, task, i, received] => {
                    let name = format!("session {run} {task} {i}");
                    let received: u64 = received.parse().expect("a number");
                    sessions.insert(id.to_owned(), (name, received));
                }
                _ => continue,
            }
            heard += 1;
            if heard == enough {
                child.kill().expect("is running");
            }
        }
        child.wait().expect("ends");
        assert!(heard >= enough, "it ended by itself after {heard} lines");

        let tree =
            Tree::open(TreeOptions::folder(data.path()).durability(crate::Durability::Relaxed))
                .await
                .expect("opens");
        check(&tree, data.path(), &files, &sessions).await;
        tree.close().await;
    }
}

async fn check(
    tree: &Tree,
    data: &Path,
    files: &[String],
    sessions: &BTreeMap<String, (String, u64)>,
) {
    let drive = tree.drive("").await.expect("drive");
    let children = tree.children(drive.no, ROOT, ListOptions::default()).await.expect("lists");
    for name in files {
        assert!(children.iter().any(|node| node.name == *name), "{name} was acknowledged");
    }
    let mut blobs = 0;
    for node in children.iter().filter(|node| node.kind == NodeKind::File) {
        let content = node.content.as_ref().expect("has bytes");
        let bytes = tree.open_content(content, 0..content.size).await.expect("opens");
        let bytes: Vec<Bytes> = bytes.try_collect().await.expect("reads");
        assert!(bytes.concat() == bytes_of(&node.name), "the bytes of {}", node.name);
        blobs += usize::from(content.size > ROW_MAX as u64);
    }
    let total: u64 = children.iter().map(|node| node.size).sum();
    assert_eq!(drive.used, total);
    let root = tree.node(drive.no, ROOT).await.expect("node");
    assert_eq!(root.children, children.len() as u64);

    for (id, (name, acknowledged)) in sessions {
        let session = tree.session(id).await.expect("session");
        assert!(session.received >= *acknowledged, "{name}: {}", session.received);
        let whole = bytes_of(name);
        let rest = whole[session.received as usize..].to_vec();
        tree.append(
            id,
            UploadFragment {
                at: session.received,
                total: None,
                body: body(rest),
                max: u64::MAX,
                expires: session.expires,
            },
        )
        .await
        .expect("goes on");
        let made =
            tree.commit(id, NewItem::default(), Precondition::Any, None).await.expect("commits");
        let content = made.node.content.expect("has bytes");
        let bytes = tree.open_content(&content, 0..content.size).await.expect("opens");
        let bytes: Vec<Bytes> = bytes.try_collect().await.expect("reads");
        assert!(bytes.concat() == whole, "the bytes of {name}");
        tree.purge(drive.no, made.node.no).await.expect("purges");
    }
    let settled = async {
        while count(data) != blobs {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), settled).await;
    assert!(in_time.is_ok(), "{} blobs, {blobs} files have one", count(data));
}

/// The blobs in a tree's folder.
fn count(data: &Path) -> usize {
    let Ok(folders) = fs::read_dir(data.join("blobs")) else { return 0 };
    let folders = folders.filter_map(|folder| fs::read_dir(folder.ok()?.path()).ok());
    folders.map(Iterator::count).sum()
}
