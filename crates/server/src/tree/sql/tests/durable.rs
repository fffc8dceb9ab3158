//! Acknowledged writes are on the disk, and only the owner can read them.

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::FutureExt;

use super::{
    super::{super::*, *},
    body, bytes, on_disk, put, refusal,
};
use crate::disk::{Durability, FolderSync};

/// The setting `synchronous` of SQLite: 2 syncs the log at every commit.
async fn synchronous(tree: &Tree) -> i64 {
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
    let sync = FolderSync::from_fn(move |folder| {
        log.lock().expect("no panic").push(folder.to_owned());
        Ok(())
    });
    let options = TreeOptions::folder(data.path().join("new")).sync(sync);
    let tree = Tree::open(options).await.expect("opens");
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
    let put = tree
        .put(ChildName::new(drive, ROOT, "large"), stored, new, OnConflict::Fail, Precondition::Any)
        .await;
    put.expect("puts");
    assert_eq!(synchronous(&tree).await, 2);
    tree.close().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_synced_fails_the_write() {
    let data = tempfile::tempdir().expect("temporary folder");
    let broken = Arc::new(AtomicBool::new(false));
    let fails = broken.clone();
    let sync = FolderSync::from_fn(move |_| match fails.load(Ordering::Relaxed) {
        true => Err(io::Error::other("the disk is broken")),
        false => Ok(()),
    });
    let tree = Tree::open(TreeOptions::folder(data.path()).sync(sync)).await.expect("opens");
    broken.store(true, Ordering::Relaxed);
    let refused = refusal(tree.store(body(&bytes(40_000, 1)), u64::MAX).await);
    assert!(refused.to_string().contains("the disk is broken"), "{refused}");
    assert_eq!(super::blobs(&tree).await, 0);
    tree.close().await;
}

/// The commits in SQLite's log: frames of the log that say how large the database is after them
/// (<https://www.sqlite.org/fileformat2.html#walformat>). With `synchronous = FULL` each is a sync.
fn commits(data: &std::path::Path) -> usize {
    let log = fs::read(data.join("tree.db-wal")).expect("reads");
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().expect("four bytes"));
    let (page, salts) = (number(8) as usize, &log[16..24]);
    let frames = (32..log.len() - 24).step_by(24 + page);
    frames.filter(|at| log[at + 8..at + 16] == *salts && number(at + 4) != 0).count()
}

#[tokio::test]
async fn concurrent_writers_share_a_commit() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = Tree::open(TreeOptions::folder(data.path())).await.expect("opens");
    let drive = tree.drive("").await.expect("drive").no;
    let before = commits(data.path());
    for number in 0..4 {
        put(&tree, drive, ROOT, &format!("alone{number}"), b"small").await;
    }
    assert_eq!(commits(data.path()) - before, 4, "one after another, each has its own");
    let before = commits(data.path());
    let writers = (0..64).map(|number| {
        let (tree, name) = (&tree, format!("f{number}"));
        async move { put(tree, drive, ROOT, &name, b"small").await }
    });
    futures::future::join_all(writers).await;
    let shared = commits(data.path()) - before;
    assert!((1..16).contains(&shared), "64 writes in {shared} commits");
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
