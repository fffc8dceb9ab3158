//! Earlier versions of files.

use super::{
    super::super::*,
    blobs, body, bytes,
    damage::{blob_files, flip},
    ephemeral, on_disk,
    on_postgres::also_on_postgres,
    read, refusal,
};
use crate::tree::sql::Tree;

/// Puts a file that keeps at most `max` versions.
async fn put(tree: &Tree, drive: DriveKey, name: &str, bytes: &[u8], max: u32) -> Node {
    let stored = tree.store(body(bytes), u64::MAX).await.expect("stores");
    let new = NewItem { max_versions: max, ..NewItem::default() };
    let child = ChildName::new(drive, ROOT, name);
    let written = tree.put(child, stored, new, OnConflict::Replace, Precondition::Any).await;
    written.expect("puts").node
}

async fn used(tree: &Tree, drive: DriveKey) -> u64 {
    tree.drive_info(drive).await.expect("a drive").used
}

/// Returns numbers and sizes of the earlier versions.
async fn versions(tree: &Tree, file: &Node) -> Vec<(i64, u64)> {
    let all = tree.versions(file.drive, file.no).await.expect("lists").into_iter();
    all.map(|version| (version.no, version.content.size)).collect()
}

#[tokio::test]
async fn an_overwrite_keeps_the_bytes_before_up_to_the_limit() {
    let (tree, drive) = ephemeral().await;
    for size in 1..=5 {
        put(&tree, drive, "f", &bytes(size, 1), 3).await;
    }
    let file = tree.child(drive, ROOT, "f").await.expect("a file");
    assert_eq!((file.revision, file.size), (5, 5));
    assert_eq!(versions(&tree, &file).await, [(4, 4), (3, 3)]);
    assert_eq!(used(&tree, drive).await, 12, "versions count in the quota");
    let version = tree.version(drive, file.no, 3).await.expect("a version");
    let old = Node { content: Some(version.content), ..file.clone() };
    assert_eq!(read(&tree, &old).await, bytes(3, 1));
    tree.delete_version(drive, file.no, 3).await.expect("deletes");
    assert_eq!(used(&tree, drive).await, 9);
    for no in [3, 5, 0, -1] {
        let refused = refusal(tree.delete_version(drive, file.no, no).await);
        assert!(matches!(refused, TreeError::NotFound), "{no}");
    }
    // Without a limit nothing is kept, and nothing is deleted.
    let file = put(&tree, drive, "f", b"1234567", 0).await;
    assert_eq!((file.revision, versions(&tree, &file).await), (6, vec![(4, 4)]));
    let file = put(&tree, drive, "f", b"12345678", 1).await;
    assert_eq!(versions(&tree, &file).await, []);
    assert_eq!(used(&tree, drive).await, 8);
}

#[tokio::test]
async fn a_restored_version_stays_and_the_bytes_before_become_one() {
    let (tree, drive) = ephemeral().await;
    put(&tree, drive, "f", b"one", 9).await;
    let file = put(&tree, drive, "f", b"second", 9).await;
    let restored = tree.restore_version(drive, file.no, 1, 9).await.expect("restores");
    assert_eq!(read(&tree, &restored).await, b"one");
    assert_eq!(restored.revision, 3);
    assert_eq!(versions(&tree, &restored).await, [(2, 6), (1, 3)]);
    assert_eq!(used(&tree, drive).await, 12);
    let refused = refusal(tree.restore_version(drive, file.no, 3, 9).await);
    assert!(matches!(refused, TreeError::NotFound));
    tree.set_quota(drive, 13).await.expect("a quota");
    let refused = refusal(tree.restore_version(drive, file.no, 2, 9).await);
    assert!(matches!(refused, TreeError::QuotaExceeded));
    assert_eq!(used(&tree, drive).await, 12, "a refused restoration changes nothing");
}

#[tokio::test]
async fn a_purge_removes_the_versions_with_their_bytes() {
    let (tree, drive) = ephemeral().await;
    for seed in 1..=3 {
        put(&tree, drive, "f", &bytes(100_000, seed), 9).await;
    }
    let file = tree.child(drive, ROOT, "f").await.expect("a file");
    assert_eq!(blobs(&tree).await, 3);
    tree.trash(drive, file.no, Precondition::Any).await.expect("trashes");
    assert_eq!(used(&tree, drive).await, 200_000);
    tree.purge(drive, file.no).await.expect("purges");
    assert_eq!((blobs(&tree).await, used(&tree, drive).await), (0, 0));
}

#[tokio::test]
async fn a_change_of_times_repeats_the_version_only_if_the_caller_wants_it() {
    let (tree, drive) = ephemeral().await;
    let file = put(&tree, drive, "f", b"four", 9).await;
    let change = |seconds, max_versions| Change {
        client_modified: jiff::Timestamp::from_second(seconds).ok(),
        max_versions,
        ..Change::default()
    };
    let update = async |change| {
        let update = tree.update(drive, file.no, change, OnConflict::Fail, Precondition::Any);
        update.await.expect("changes")
    };
    assert_eq!(update(change(7, 0)).await.revision, 1);
    assert_eq!(update(change(8, 9)).await.revision, 2);
    assert_eq!(versions(&tree, &file).await, [(1, 4)]);
    assert_eq!(used(&tree, drive).await, 8);
    let name = Change { name: Some("g".into()), max_versions: 9, ..Change::default() };
    assert_eq!(update(name).await.revision, 2, "a name makes no version");
    tree.delete_version(drive, file.no, 1).await.expect("deletes");
    let file = tree.node(drive, file.no).await.expect("a file");
    assert_eq!(read(&tree, &file).await, b"four");
}

#[tokio::test]
async fn a_check_finds_a_damaged_version_and_a_repair_deletes_it() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    for seed in 1..=3 {
        put(&tree, drive, "f", &bytes(600_000, seed), 9).await;
    }
    assert!(tree.check().await.expect("checks").is_good());
    let blobs = blob_files(data.path());
    flip(&blobs[0], 300_000);
    flip(&blobs[2], 300_000);
    let report = tree.check().await.expect("checks");
    let mut paths: Vec<_> = report.damaged.iter().map(|file| file.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["f", "f (version 1.0)"]);
    tree.repair().await.expect("repairs");
    let file = tree.child(drive, ROOT, "f").await.expect("the file has its latest good version");
    assert_eq!(read(&tree, &file).await, bytes(600_000, 2));
    assert_eq!(versions(&tree, &file).await, []);
    assert_eq!(used(&tree, drive).await, 600_000);
    assert!(tree.check().await.expect("checks").is_good());
    tree.close().await;
}

also_on_postgres!(
    an_overwrite_keeps_the_bytes_before_up_to_the_limit,
    a_restored_version_stays_and_the_bytes_before_become_one,
    a_purge_removes_the_versions_with_their_bytes,
    a_change_of_times_repeats_the_version_only_if_the_caller_wants_it,
);
