//! A check finds everything that cannot be served; a repair takes it out and deletes nothing.

use std::fs;

use futures::FutureExt;

use super::damage::{blob_files, flip};
use super::{
    super::{super::*, check::CheckReport},
    bytes, folder, on_disk, put, read,
};

fn paths(report: &CheckReport) -> Vec<(&str, &str, bool)> {
    let files = report.damaged.iter();
    files.map(|file| (&*file.account, &*file.path, file.trashed)).collect()
}

#[tokio::test]
async fn a_repair_takes_out_what_is_damaged_and_keeps_its_bytes() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("somebody").await.expect("drive").no;
    let docs = folder(&tree, drive, ROOT, "docs").await;
    let bad = put(&tree, drive, docs.no, "bad", &bytes(600_000, 1)).await;
    put(&tree, drive, docs.no, "good", &bytes(600_000, 2)).await;
    put(&tree, drive, docs.no, "row", b"good").await;
    tree.copy(drive, bad.no, ROOT, Some("copy"), OnConflict::Fail).await.expect("copies");
    let old = put(&tree, drive, ROOT, "deleted", &bytes(40_000, 3)).await;
    tree.trash(drive, old.no, Precondition::Any).await.expect("trashes");
    let report = tree.check().await.expect("checks");
    assert!(report.is_good() && report.contents == 4 && report.orphans == 0, "{report:?}");

    let files = blob_files(data.path());
    flip(&files[0], 300_000);
    fs::remove_file(&files[2]).expect("removes");
    let damaging = tree.db.write(|tx| {
        async move {
            let damage = sqlx::query("UPDATE content SET data = $1 WHERE size = 4");
            damage.bind(b"evil".to_vec()).execute(tx.sql()).await?;
            Ok(())
        }
        .boxed()
    });
    damaging.await.expect("writes");
    let mut expected = vec![
        ("somebody", "copy", false),
        ("somebody", "deleted", true),
        ("somebody", "docs/bad", false),
        ("somebody", "docs/row", false),
    ];
    for report in [tree.check().await.expect("checks"), tree.repair().await.expect("repairs")] {
        let mut found = paths(&report);
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert!(!report.is_good());
    }
    tree.blobs.finish_removals().await;
    let saved: Vec<_> = fs::read_dir(data.path().join("quarantine")).expect("lists").collect();
    assert_eq!(saved.len(), 2, "the damaged blob and the damaged row");
    let children = tree.children(drive, docs.no, ListOptions::default()).await.expect("lists");
    assert_eq!(children.len(), 1);
    assert!(read(&tree, &children[0]).await == bytes(600_000, 2));
    let report = tree.check().await.expect("checks");
    assert!(report.is_good() && report.contents == 1 && report.orphans == 0, "{report:?}");
    tree.close().await;
}

#[tokio::test]
async fn a_repair_moves_blobs_that_may_be_of_another_database_out_of_the_way() {
    let data = tempfile::tempdir().expect("temporary folder");
    on_disk(data.path()).await.close().await;
    let database = data.path().join("tree.db");
    let old = fs::read(&database).expect("reads");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    put(&tree, drive, ROOT, "f", &bytes(40_000, 1)).await;
    tree.close().await;
    fs::write(&database, old).expect("writes");
    let tree = on_disk(data.path()).await;
    tree.tidied().await;
    let report = tree.check().await.expect("checks");
    assert!(report.foreign.is_some() && report.orphans == 1 && !report.is_good(), "{report:?}");
    tree.repair().await.expect("repairs");
    tree.close().await;
    assert_eq!(blob_files(data.path()).len(), 0);
    let saved = fs::read_dir(data.path().join("quarantine")).expect("lists").next();
    let saved = saved.expect("one").expect("entry").path();
    assert!(fs::read(saved).expect("reads") == bytes(40_000, 1));
    let tree = on_disk(data.path()).await;
    assert!(tree.check().await.expect("checks").is_good(), "the blobs are its own from now on");
    tree.close().await;
}
