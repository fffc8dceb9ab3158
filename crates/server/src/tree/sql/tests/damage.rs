//! Damage: of blobs, of rows, of the database. Wrong bytes are never served.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use futures::{FutureExt, TryStreamExt};
use sqlx::Connection;

use super::{
    super::{super::*, *},
    bytes, on_disk, put, read, refusal,
    upgrade::{BLOBS, DRIVES, database, version_1},
};

/// The files of blobs, in the order of their numbers.
pub(super) fn blob_files(data: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in fs::read_dir(data.join("blobs")).expect("lists") {
        let folder = folder.expect("entry").path();
        if folder.is_dir() {
            let blobs = fs::read_dir(folder).expect("lists");
            files.extend(blobs.map(|blob| blob.expect("entry").path()));
        }
    }
    files.sort_by_key(|file| file.file_name().map(ToOwned::to_owned));
    files
}

/// Changes one bit of a file.
pub(super) fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("reads");
    bytes[at] ^= 0x10;
    fs::write(file, bytes).expect("writes");
}

/// The bytes of a range that were served, and whether the stream then failed.
async fn served(tree: &Tree, node: &Node, range: Range<u64>) -> (Vec<u8>, bool) {
    let content = node.content.as_ref().expect("has bytes");
    let mut all = Vec::new();
    let Ok(mut stream) = tree.open_content(content, range).await else { return (all, true) };
    loop {
        match stream.try_next().await {
            Ok(Some(piece)) => all.extend_from_slice(&piece),
            Ok(None) => return (all, false),
            Err(_) => return (all, true),
        }
    }
}

#[tokio::test]
async fn a_damaged_block_is_not_served_and_the_others_are() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    let sent = bytes(600_000, 1);
    let file = put(&tree, drive, ROOT, "f", &sent).await;
    flip(&blob_files(data.path())[0], 300_000);
    let (whole, failed) = served(&tree, &file, 0..600_000).await;
    assert!(failed && whole.len() < 300_000 && whole == sent[..whole.len()]);
    for (range, damaged) in [
        (0..262_144, false),
        (10..11, false),
        (524_288..600_000, false),
        (262_144..262_145, true),
        (299_999..300_001, true),
        (262_143..262_145, true),
    ] {
        let wanted = &sent[range.start as usize..range.end as usize];
        let (part, failed) = served(&tree, &file, range.clone()).await;
        assert_eq!(failed, damaged, "{range:?}");
        assert!(part == wanted || (damaged && wanted.starts_with(&part)), "{range:?}");
    }
    tree.close().await;
}

#[tokio::test]
async fn a_truncated_or_missing_blob_is_not_served_and_the_audit_counts_it() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    let sent = bytes(600_000, 1);
    let cut = put(&tree, drive, ROOT, "cut", &sent).await;
    let gone = put(&tree, drive, ROOT, "gone", &bytes(40_000, 2)).await;
    let files = blob_files(data.path());
    fs::write(&files[0], &sent[..599_999]).expect("writes");
    fs::remove_file(&files[1]).expect("removes");
    let (part, failed) = served(&tree, &cut, 0..600_000).await;
    assert!(failed && part == sent[..part.len()]);
    assert_eq!(served(&tree, &gone, 0..40_000).await, (Vec::new(), true));
    let audit = tree.audit().await.expect("audits");
    let expected = Audit { blobs: 1, orphans: 0, missing: 1, damaged: 1 };
    assert_eq!(audit, expected);
    tree.close().await;
}

#[tokio::test]
async fn bytes_in_a_damaged_row_are_not_served() {
    let (tree, drive) = super::ephemeral().await;
    let file = put(&tree, drive, ROOT, "f", b"good").await;
    for wrong in [&b"evil"[..], b"goo", b""] {
        let damaging = tree.db.write(move |tx| {
            async move {
                let damage = sqlx::query("UPDATE content SET data = $1").bind(wrong.to_vec());
                damage.execute(tx.sql()).await?;
                Ok(())
            }
            .boxed()
        });
        damaging.await.expect("writes");
        for range in [0..4, 1..2] {
            assert_eq!(served(&tree, &file, range).await, (Vec::new(), true), "{wrong:?}");
        }
    }
}

#[tokio::test]
async fn a_damaged_content_of_version_1_is_cut_off_and_none_of_its_ranges_is_served() {
    let data = tempfile::tempdir().expect("temporary folder");
    version_1(data.path()).await;
    let blob = blob_files(data.path())[0].clone();
    flip(&blob, 10);
    let tree = on_disk(data.path()).await;
    let nodes = tree.walk(DRIVES[0], ROOT, &["Docs", "large.bin"]).await.expect("walks");
    let file = nodes.last().expect("some");
    let (part, failed) = served(&tree, file, 0..600_000).await;
    assert!(failed && part.len() < 600_000, "the response stays incomplete");
    assert_eq!(served(&tree, file, 500_000..500_010).await, (Vec::new(), true));

    // Good again, it gets checksums before a range is served.
    flip(&blob, 10);
    let sent = bytes(BLOBS[0].1, BLOBS[0].2);
    let (part, failed) = served(&tree, file, 500_000..500_010).await;
    assert!(!failed && part == sent[500_000..500_010]);
    flip(&blob, 10);
    let (part, failed) = served(&tree, file, 500_000..500_010).await;
    assert!(!failed && part == sent[500_000..500_010], "the damage is in another block");
    assert_eq!(served(&tree, file, 0..100).await, (Vec::new(), true));
    tree.close().await;
}

async fn refused(data: &Path) -> OpenError {
    Tree::open(TreeOptions::folder(data)).await.expect_err("is refused")
}

#[tokio::test]
async fn blobs_without_their_database_are_left_alone() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    put(&tree, drive, ROOT, "f", &bytes(40_000, 1)).await;
    tree.close().await;
    let before = blob_files(data.path());
    let database = data.path().join("tree.db");
    let kept = fs::read(&database).expect("reads");
    for lost in ["removed", "empty", "without tables"] {
        fs::remove_file(&database).expect("removes");
        match lost {
            "empty" => fs::write(&database, "").expect("writes"),
            "without tables" => {
                let mut sql = super::upgrade::database(data.path()).await;
                sqlx::query("CREATE TABLE other (n BIGINT)")
                    .execute(&mut sql)
                    .await
                    .expect("makes");
                sql.close().await.expect("closes");
            }
            _ => {}
        }
        let error = refused(data.path()).await;
        assert!(matches!(error, OpenError::NoDatabase { .. }), "{lost}: {error}");
        assert!(error.to_string().contains("Restore"), "{error}");
        assert_eq!(blob_files(data.path()), before, "{lost}");
        let _ = fs::write(&database, &kept);
    }
    let tree = on_disk(data.path()).await;
    let file = tree.child(drive, ROOT, "f").await.expect("is there again");
    assert!(read(&tree, &file).await == bytes(40_000, 1));
    tree.close().await;
}

#[tokio::test]
async fn a_damaged_database_does_not_start() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    for number in 0..40 {
        put(&tree, drive, ROOT, &format!("f{number}"), &bytes(8_000, number)).await;
    }
    tree.close().await;
    let database = data.path().join("tree.db");
    let good = fs::read(&database).expect("reads");
    let pages = good.len() / 4096;
    for page in [0, pages / 2, pages - 1] {
        let mut bad = good.clone();
        bad[page * 4096..page * 4096 + 100].fill(0xff);
        fs::write(&database, bad).expect("writes");
        let error = refused(data.path()).await;
        assert!(matches!(error, OpenError::Damaged { .. }), "page {page}: {error}");
        assert!(error.to_string().contains("backup"), "{error}");
    }
    fs::write(&database, good).expect("writes");
    on_disk(data.path()).await.close().await;
}

#[tokio::test]
async fn an_old_copy_of_the_database_removes_and_overwrites_no_blob() {
    let data = tempfile::tempdir().expect("temporary folder");
    on_disk(data.path()).await.close().await;
    let database = data.path().join("tree.db");
    let old = fs::read(&database).expect("reads");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    put(&tree, drive, ROOT, "f", &bytes(40_000, 1)).await;
    tree.close().await;
    let before = blob_files(data.path());
    fs::write(&database, old).expect("writes");
    for run in 1..=3 {
        let tree = on_disk(data.path()).await;
        tree.tidied().await;
        let drive = tree.drive("").await.expect("drive").no;
        put(&tree, drive, ROOT, &format!("g{run}"), &bytes(40_000, 2)).await;
        tree.close().await;
        let files = blob_files(data.path());
        assert!(files.contains(&before[0]), "run {run}");
        assert!(fs::read(&before[0]).expect("reads") == bytes(40_000, 1), "run {run}");
        assert_eq!(files.len(), 1 + run);
    }
}

#[tokio::test]
async fn a_blob_is_never_written_over() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    let file = put(&tree, drive, ROOT, "f", &bytes(40_000, 1)).await;
    let taken: Vec<_> = (0..10_i64)
        .map(|more| {
            let number = file.content.as_ref().expect("has bytes").no + more + 1;
            let folder = data.path().join(format!("blobs/{:02x}", number & 0xff));
            fs::create_dir_all(&folder).expect("makes");
            let file = folder.join(format!("{number:016x}"));
            fs::write(&file, "of somebody else").expect("writes");
            file
        })
        .collect();
    let second = put(&tree, drive, ROOT, "g", &bytes(40_000, 2)).await;
    assert!(read(&tree, &second).await == bytes(40_000, 2));
    for file in taken {
        assert_eq!(fs::read(file).expect("reads"), b"of somebody else");
    }
    tree.close().await;
}

#[tokio::test]
async fn a_content_whose_part_is_missing_is_not_served() {
    let data = tempfile::tempdir().expect("temporary folder");
    version_1(data.path()).await;
    let mut sql = database(data.path()).await;
    let lost = sqlx::query("DELETE FROM segment WHERE start = 327680");
    lost.execute(&mut sql).await.expect("deletes");
    sql.close().await.expect("closes");
    let tree = on_disk(data.path()).await;
    let file = tree.child(DRIVES[0], ROOT, "session.bin").await.expect("is there");
    let content = file.content.as_ref().expect("has bytes");
    for range in [0..content.size, 327_679..327_681, 400_000..500_000] {
        let refused = refusal(tree.open_content(content, range).await.map(drop));
        assert!(matches!(refused, TreeError::Storage(_)), "{refused}");
    }
    tree.close().await;
}
