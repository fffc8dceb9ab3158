//! Limits of the recycle bin, and a disk that is full of deleted items.

use std::time::Duration;

use super::{
    super::{super::*, disk_space::BinLimits, *},
    blobs, bytes, ephemeral, on_disk,
    on_postgres::also_on_postgres,
    put,
};

/// The names in the recycle bin, newest first.
async fn binned(tree: &Tree, drive: DriveKey) -> Vec<String> {
    let trashed = tree.trashed(drive, ListOptions::default()).await.expect("lists");
    trashed.into_iter().map(|node| node.name).collect()
}

/// Files of 40,000 bytes, deleted in this order.
async fn deleted(tree: &Tree, drive: DriveKey, names: &[&str]) {
    for name in names {
        let file = put(tree, drive, ROOT, name, &bytes(40_000, 1)).await;
        tree.trash(drive, file.no, Precondition::Any).await.expect("trashes");
    }
}

#[tokio::test]
async fn the_recycle_bin_has_an_age_and_a_size() {
    let (tree, drive) = ephemeral().await;
    deleted(&tree, drive, &["a", "b", "c"]).await;
    let apply = async |hours: u64, max_size| {
        let max_age = Duration::from_secs(hours * 3600);
        let limits = BinLimits { max_age, max_size, now: jiff::Timestamp::now() };
        tree.disk_space.apply(drive, limits).await.expect("applies")
    };
    assert_eq!(apply(1, None).await, 0);
    assert_eq!(apply(1, Some(120_000)).await, 0);
    assert_eq!(apply(1, Some(119_999)).await, 1);
    assert_eq!(binned(&tree, drive).await, ["c", "b"], "the oldest one is gone");
    let other = tree.drive("other").await.expect("a drive").no;
    deleted(&tree, other, &["theirs"]).await;
    assert_eq!(apply(0, None).await, 2);
    assert_eq!(binned(&tree, drive).await, [] as [&str; 0]);
    assert_eq!(binned(&tree, other).await, ["theirs"], "the limits are those of a drive");
    assert_eq!(blobs(&tree).await, 1);
}

#[tokio::test]
async fn a_full_disk_takes_the_oldest_items_from_the_bin_and_no_more_than_it_needs() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    let other = tree.drive("other").await.expect("a drive").no;
    let live = put(&tree, drive, ROOT, "live", &bytes(40_000, 1)).await;
    let names: Vec<_> = (0..20).map(|number| format!("f{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    deleted(&tree, drive, &names).await;
    deleted(&tree, other, &["newest"]).await;
    // A disk for ten blobs of that size.
    let folder = data.path().join("blobs");
    let disk_space = tree.disk_space.clone().on_disk_with(move || {
        let blobs = std::fs::read_dir(&folder).expect("lists").filter_map(|folder| {
            std::fs::read_dir(folder.expect("entry").path()).ok().map(|blobs| blobs.count() as u64)
        });
        400_000_u64.saturating_sub(blobs.sum::<u64>() * 40_000)
    });
    disk_space.ensure(40_000).await;
    assert_eq!(blobs(&tree).await, 6, "sixteen are removed before the disk is looked at again");
    assert_eq!(binned(&tree, drive).await, ["f19", "f18", "f17", "f16"]);
    assert_eq!(binned(&tree, other).await, ["newest"]);
    disk_space.ensure(40_000).await;
    assert_eq!(blobs(&tree).await, 6, "there is room now");
    disk_space.ensure(10_000_000).await;
    assert_eq!(blobs(&tree).await, 1);
    assert!(tree.node(drive, live.no).await.is_ok(), "what is not deleted stays");
    tree.close().await;
}

#[tokio::test]
async fn a_tree_without_a_recycle_bin_removes_for_good_at_once() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    deleted(&tree, drive, &["earlier"]).await;
    tree.close().await;
    let options = TreeOptions::folder(data.path()).keep_deleted(false);
    let tree = Tree::open(options).await.expect("opens");
    let file = put(&tree, drive, ROOT, "now", &bytes(40_000, 1)).await;
    let trashed = tree.trash(drive, file.no, Precondition::Any).await.expect("trashes");
    assert_eq!(trashed.state, ItemState::Trashed, "as the caller expects it");
    let gone = tree.any_node(drive, file.no).await.expect("has a row");
    assert_eq!(gone.state, ItemState::Purged);
    assert_eq!(blobs(&tree).await, 1);
    assert_eq!(binned(&tree, drive).await, ["earlier"]);
    tree.close().await;
}

also_on_postgres!(the_recycle_bin_has_an_age_and_a_size,);
