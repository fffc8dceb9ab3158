//! The tree by examples: what each call does, and what it leaves alone.

use bytes::Bytes as Piece;
use futures::{TryStreamExt, stream};

use super::{
    super::{Order, ROOT, State, TreeError},
    *,
};

/// A body of these bytes, in pieces.
pub(super) fn body(bytes: &[u8]) -> Bytestream {
    let pieces: Vec<_> =
        bytes.chunks(10_007).map(|piece| Ok(Piece::copy_from_slice(piece))).collect();
    Box::pin(stream::iter(pieces))
}

/// Bytes that are not all the same.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    (0..length as u64).map(|i| ((i * i + seed * 31 + i / 251) % 256) as u8).collect()
}

async fn ephemeral() -> (SqlTree, DriveNo) {
    let tree = SqlTree::open(TreeOptions::ephemeral()).await.expect("opens");
    let drive = tree.drive("").await.expect("drive").no;
    (tree, drive)
}

pub(super) async fn read(tree: &SqlTree, node: &Node) -> Vec<u8> {
    let content = node.content.as_ref().expect("has bytes");
    let pieces: Vec<Piece> = tree
        .open(content, 0..content.size)
        .await
        .expect("opens")
        .try_collect()
        .await
        .expect("reads");
    pieces.concat()
}

async fn put(tree: &SqlTree, drive: DriveNo, parent: ItemNo, name: &str, bytes: &[u8]) -> Node {
    let stored = tree.store(body(bytes), u64::MAX).await.expect("stores");
    let written = tree
        .put(drive, parent, name, stored, NewItem::default(), OnConflict::Replace, Expect::Any)
        .await;
    written.expect("puts").node
}

/// A session for a file, for an hour.
pub(super) fn session(
    drive: DriveNo,
    parent: ItemNo,
    name: &str,
    on_conflict: OnConflict,
) -> Session {
    Session {
        id: String::new(),
        drive,
        parent,
        name: name.to_owned(),
        total: None,
        received: 0,
        on_conflict,
        expires: jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1),
        state: serde_json::json!({ "kind": "test" }),
    }
}

async fn folder(tree: &SqlTree, drive: DriveNo, parent: ItemNo, name: &str) -> Node {
    let made = tree
        .make(drive, parent, name, NodeKind::Folder, NewItem::default(), OnConflict::Fail)
        .await;
    made.expect("makes").node
}

#[tokio::test]
async fn a_small_and_a_large_file_come_back_as_they_went() {
    let data = tempfile::tempdir().expect("temporary folder");
    for options in [TreeOptions::ephemeral(), TreeOptions::folder(data.path())] {
        let tree = SqlTree::open(options).await.expect("opens");
        let drive = tree.drive("somebody").await.expect("drive").no;
        for (name, length) in
            [("empty", 0), ("row", 16 << 10), ("blob", (16 << 10) + 1), ("large", 3_000_000)]
        {
            let sent = bytes(length, 7);
            let node = put(&tree, drive, ROOT, name, &sent).await;
            assert_eq!(node.size, length as u64);
            assert_eq!(read(&tree, &node).await, sent, "{name}");
            let content = node.content.expect("has bytes");
            let mut hasher = Hasher::default();
            hasher.update(&sent);
            assert_eq!(content.hashes, hasher.finish(), "{name}");
            let middle: Vec<Piece> = tree
                .open(&content, content.size / 3..content.size / 2)
                .await
                .expect("opens")
                .try_collect()
                .await
                .expect("reads");
            assert_eq!(middle.concat(), sent[length / 3..length / 2], "the middle of {name}");
        }
        tree.close().await;
    }
}

#[tokio::test]
async fn what_is_made_is_found_by_every_way_of_looking() {
    let (tree, drive) = ephemeral().await;
    let outer = folder(&tree, drive, ROOT, "Outer").await;
    let inner = folder(&tree, drive, outer.no, "inner").await;
    let file = put(&tree, drive, inner.no, "Übung.TXT", b"hello").await;
    assert_eq!((outer.no, inner.no, file.no), (101, 102, 103));
    assert_eq!(file.media_type.as_deref(), Some("text/plain"));

    let child = tree.child(drive, inner.no, "üBUNG.txt").await.expect("finds");
    assert_eq!(child.name, "Übung.TXT");
    let walked = tree.walk(drive, ROOT, &["OUTER", "inner", "übung.txt"]).await.expect("walks");
    assert_eq!(walked.iter().map(|node| node.no).collect::<Vec<_>>(), [ROOT, 101, 102, 103]);
    let halfway = tree.walk(drive, ROOT, &["outer", "no", "more"]).await.expect("walks");
    assert_eq!(halfway.len(), 2);
    assert_eq!(tree.path(drive, file.no).await.expect("path"), ["Outer", "inner", "Übung.TXT"]);
    assert!(tree.path(drive, ROOT).await.expect("path").is_empty());

    for (no, size, children) in [(ROOT, 5, 1), (outer.no, 5, 1), (inner.no, 5, 1)] {
        let node = tree.node(drive, no).await.expect("node");
        assert_eq!((node.size, node.children), (size, children), "of {no}");
    }
    assert_eq!(tree.drive_info(drive).await.expect("drive").used, 5);
    assert!(matches!(
        tree.children(drive, file.no, Listing::default()).await,
        Err(TreeError::NotAFolder(103))
    ));
    assert!(matches!(tree.child(drive, ROOT, "inner").await, Err(TreeError::NotFound)));
}

#[tokio::test]
async fn a_path_of_any_depth_is_walked() {
    let (tree, drive) = ephemeral().await;
    let mut names = Vec::new();
    let mut at = ROOT;
    for depth in 0..40 {
        names.push(format!("d{depth}"));
        at = folder(&tree, drive, at, &names[depth]).await.no;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let walked = tree.walk(drive, ROOT, &names).await.expect("walks");
        assert_eq!(walked.len(), depth + 2);
        assert_eq!(walked.last().map(|node| node.no), Some(at));
        let further = [&names[..], &["missing", "too"]].concat();
        assert_eq!(tree.walk(drive, ROOT, &further).await.expect("walks").len(), depth + 2);
    }
    assert_eq!(tree.path(drive, at).await.expect("path"), names);
}

#[tokio::test]
async fn children_come_in_every_order() {
    let (tree, drive) = ephemeral().await;
    for (name, size) in [("b", 3), ("Z", 1), ("a.txt", 2)] {
        put(&tree, drive, ROOT, name, &bytes(size, 0)).await;
    }
    folder(&tree, drive, ROOT, "folder").await;
    let names = async |order, descending, offset, limit| {
        let which = Listing { order, descending, offset, limit };
        let nodes = tree.children(drive, ROOT, which).await.expect("lists");
        nodes.into_iter().map(|node| node.name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(Order::FoldersThenName, false, 0, None).await, "folder Z a.txt b");
    assert_eq!(names(Order::FoldersThenName, true, 0, None).await, "b a.txt Z folder");
    assert_eq!(names(Order::Name, false, 0, None).await, "Z a.txt b folder");
    assert_eq!(names(Order::Size, true, 0, None).await, "b a.txt Z folder");
    assert_eq!(names(Order::Number, false, 1, Some(2)).await, "Z a.txt");
    assert_eq!(names(Order::Modified, true, 0, Some(1)).await, "folder");
}

#[tokio::test]
async fn a_taken_name_is_replaced_refused_or_renamed_as_told() {
    let (tree, drive) = ephemeral().await;
    let first = put(&tree, drive, ROOT, "photo.jpg", b"one").await;
    let again = put(&tree, drive, ROOT, "PHOTO.JPG", b"three").await;
    assert_eq!(again.no, first.no);
    assert_eq!(again.name, "photo.jpg", "an overwritten file keeps its name");
    assert_eq!((again.version, again.content_version), (2, 2));
    assert_eq!(read(&tree, &again).await, b"three");
    assert!(matches!(
        tree.open(&first.content.expect("had bytes"), 0..3).await,
        Err(TreeError::Changed)
    ));

    let stored = tree.store(body(b"x"), 9).await.expect("stores");
    let refused = tree
        .put(drive, ROOT, "photo.jpg", stored, NewItem::default(), OnConflict::Fail, Expect::Any)
        .await;
    assert!(matches!(refused, Err(TreeError::NameTaken(no)) if no == first.no));
    for expected in ["photo 1.jpg", "photo 2.jpg"] {
        let stored = tree.store(body(b"x"), 9).await.expect("stores");
        let renamed = tree
            .put(
                drive,
                ROOT,
                "photo.jpg",
                stored,
                NewItem::default(),
                OnConflict::Rename,
                Expect::Any,
            )
            .await
            .expect("puts");
        assert_eq!(renamed.node.name, expected);
        assert!(renamed.created);
    }
    assert_eq!(tree.drive_info(drive).await.expect("drive").used, 7);
}

#[tokio::test]
async fn moving_and_renaming_keeps_the_item_and_counts_it_where_it_is() {
    let (tree, drive) = ephemeral().await;
    let a = folder(&tree, drive, ROOT, "a").await;
    let b = folder(&tree, drive, a.no, "b").await;
    let file = put(&tree, drive, b.no, "f", b"12345").await;
    let moved = Change { name: Some("g".into()), parents: Some(vec![ROOT]), ..Change::default() };
    let node = tree
        .update(drive, file.no, moved, OnConflict::Fail, Expect::Version(1))
        .await
        .expect("moves");
    assert_eq!((node.no, node.name.as_str(), node.version), (file.no, "g", 2));
    assert_eq!(tree.node(drive, a.no).await.expect("node").size, 0);
    assert_eq!(tree.node(drive, b.no).await.expect("node").children, 0);
    assert_eq!(tree.node(drive, ROOT).await.expect("node").children, 2);

    let below = Change { parents: Some(vec![b.no]), ..Change::default() };
    let refused = tree.update(drive, a.no, below, OnConflict::Fail, Expect::Any).await;
    assert!(matches!(refused, Err(TreeError::IntoItself)));
    let renamed = Change { name: Some("A".into()), ..Change::default() };
    let node = tree
        .update(drive, a.no, renamed.clone(), OnConflict::Fail, Expect::Any)
        .await
        .expect("renames");
    assert_eq!(node.name, "A");
    let refused = tree.update(drive, file.no, renamed, OnConflict::Replace, Expect::Any).await;
    assert!(matches!(refused, Err(TreeError::NameTaken(no)) if no == a.no));
    let refused = tree
        .update(
            drive,
            ROOT,
            Change { name: Some("r".into()), ..Change::default() },
            OnConflict::Fail,
            Expect::Any,
        )
        .await;
    assert!(matches!(refused, Err(TreeError::Root)));
}

#[tokio::test]
async fn what_is_trashed_is_gone_with_all_below_and_its_name_is_free() {
    let (tree, drive) = ephemeral().await;
    let a = folder(&tree, drive, ROOT, "a").await;
    let file = put(&tree, drive, a.no, "f", b"12345").await;
    let gone = tree.trash(drive, a.no, Expect::Any).await.expect("trashes");
    assert_eq!(gone.state, State::Trashed);
    assert!(matches!(tree.node(drive, file.no).await, Err(TreeError::NotFound)));
    assert_eq!(tree.any_node(drive, file.no).await.expect("node").state, State::Hidden);
    assert!(matches!(tree.child(drive, a.no, "f").await, Err(TreeError::NotFound)));
    assert_eq!(tree.drive_info(drive).await.expect("drive").used, 0);
    assert_ne!(folder(&tree, drive, ROOT, "A").await.no, a.no);
    let bin = tree.trashed(drive, Listing::default()).await.expect("lists");
    assert_eq!(bin.iter().map(|node| node.no).collect::<Vec<_>>(), [a.no]);
}
