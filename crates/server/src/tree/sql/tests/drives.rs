//! Numbers and used bytes of drives that are removed and restored.

use super::{super::super::*, body, ephemeral, on_postgres::also_on_postgres, put};

#[tokio::test]
async fn the_number_of_a_removed_drive_is_not_used_again() {
    let (tree, first) = ephemeral().await;
    let removed = tree.drive("b").await.expect("a drive").no;
    tree.remove_drive(removed).await.expect("removed");
    let next = tree.drive("c").await.expect("a drive").no;
    assert!(next > removed && removed > first, "{first:?} {removed:?} {next:?}");
    tree.reset().await.expect("reset");
    assert!(tree.drive("c").await.expect("a drive").no > next);
}

#[tokio::test]
async fn a_restored_drive_uses_the_bytes_of_its_versions() {
    let (tree, drive) = ephemeral().await;
    put(&tree, drive, ROOT, "other", b"12").await;
    let overwrite = async |bytes: &[u8]| {
        let stored = tree.store(body(bytes), u64::MAX).await.expect("stores");
        let new = NewItem { max_versions: 9, ..NewItem::default() };
        let child = ChildName::new(drive, ROOT, "f");
        let put = tree.put(child, stored, new, OnConflict::Replace, Precondition::Any).await;
        put.expect("puts");
    };
    let used = async || tree.drive_info(drive).await.expect("a drive").used;
    overwrite(b"123").await;
    overwrite(b"1234").await;
    tree.take_snapshot(drive, "", "s").await.expect("a snapshot");
    assert_eq!(used().await, 2 + 3 + 4);
    overwrite(b"123456789").await;
    tree.restore_snapshot(drive, "", "s").await.expect("restored");
    assert_eq!(used().await, 2 + 3 + 4);
}

also_on_postgres!(
    the_number_of_a_removed_drive_is_not_used_again,
    a_restored_drive_uses_the_bytes_of_its_versions,
);
