//! A write that was acknowledged is on the disk, and nobody else may read it.

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    super::{super::ROOT, *},
    body, bytes, on_disk, put, refusal,
};
use crate::server::disk::{Durability, FolderSync};

/// What SQLite syncs: 2 is its log at every commit.
async fn synchronous(tree: &SqlTree) -> i64 {
    let asked = tree.db.write(|tx| {
        async move { Ok(sqlx::query_scalar("PRAGMA synchronous").fetch_one(tx.sql()).await?) }
            .boxed()
    });
    asked.await.expect("a number")
}

#[tokio::test]
async fn the_folders_of_a_new_blob_are_synced_before_a_file_names_it() {
    let data = tempfile::tempdir().expect("temporary folder");
    let synced: Arc<Mutex<Vec<PathBuf>>> = Arc::default();
    let log = synced.clone();
    let sync = FolderSync::with(move |folder| {
        log.lock().expect("no panic").push(folder.to_owned());
        Ok(())
    });
    let options = TreeOptions::folder(data.path().join("new")).sync(sync);
    let tree = SqlTree::open(options).await.expect("opens");
    let taken = || std::mem::take(&mut *synced.lock().expect("no panic"));
    let folder = data.path().canonicalize().expect("exists");
    let (tree_folder, blobs) = (folder.join("new"), folder.join("new/blobs"));
    assert_eq!(taken(), [blobs.clone(), tree_folder, folder], "a new folder, up to its parent");
    let drive = tree.drive("").await.expect("drive").no;
    put(&tree, drive, ROOT, "small", b"in its row").await;
    assert_eq!(taken(), [] as [PathBuf; 0]);
    let stored = tree.store(body(&bytes(40_000, 1)), u64::MAX).await.expect("stores");
    let synced = taken();
    assert_eq!(synced.len(), 2, "{synced:?}");
    assert!(synced[0].starts_with(&blobs) && synced[0] != blobs && synced[1] == blobs);
    assert_eq!(fs::read_dir(&synced[0]).expect("lists").count(), 1, "the blob is in it");
    let new = NewItem::default();
    let put = tree.put(drive, ROOT, "large", stored, new, OnConflict::Fail, Expect::Any).await;
    put.expect("puts");
    assert_eq!(synchronous(&tree).await, 2);
    tree.close().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_synced_fails_the_write() {
    let data = tempfile::tempdir().expect("temporary folder");
    let broken = Arc::new(AtomicBool::new(false));
    let fails = broken.clone();
    let sync = FolderSync::with(move |_| match fails.load(Ordering::Relaxed) {
        true => Err(io::Error::other("the disk is broken")),
        false => Ok(()),
    });
    let tree = SqlTree::open(TreeOptions::folder(data.path()).sync(sync)).await.expect("opens");
    broken.store(true, Ordering::Relaxed);
    let refused = refusal(tree.store(body(&bytes(40_000, 1)), u64::MAX).await);
    assert!(refused.to_string().contains("the disk is broken"), "{refused}");
    assert_eq!(super::blobs(&tree).await, 0);
    tree.close().await;
}

#[tokio::test]
async fn a_relaxed_tree_syncs_less() {
    assert_eq!(Durability::default(), Durability::Full);
    assert!(FolderSync::new(Durability::Full).is_on());
    assert!(!FolderSync::new(Durability::Relaxed).is_on());
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    assert_eq!(synchronous(&tree).await, 1);
    tree.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn every_file_is_its_owners_alone_those_of_earlier_versions_too() {
    use std::os::unix::fs::PermissionsExt;
    let data = tempfile::tempdir().expect("temporary folder");
    let folder = data.path().join("tree");
    fs::create_dir(&folder).expect("makes");
    super::upgrade::version_1(&folder).await;
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&folder, open.clone()).expect("sets");
    fs::set_permissions(folder.join("blobs"), open).expect("sets");
    let tree = on_disk(&folder).await;
    let drive = tree.drive("").await.expect("drive").no;
    put(&tree, drive, ROOT, "f", &bytes(40_000, 1)).await;
    let mut waiting = vec![folder.clone()];
    let mut files = 0;
    while let Some(path) = waiting.pop() {
        let metadata = fs::metadata(&path).expect("is there");
        let wanted = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, wanted, "{}", path.display());
        files += usize::from(metadata.is_file());
        if metadata.is_dir() {
            let below = fs::read_dir(&path).expect("lists");
            waiting.extend(below.map(|entry| entry.expect("entry").path()));
        }
    }
    assert!(
        files >= 12,
        "the database and its log, lock, owner, reserve, marker and blobs: {files}"
    );
    tree.close().await;
}
