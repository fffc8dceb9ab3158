//! A full disk and a removed folder: refused writes leave nothing, acknowledged ones stay, and free
//! space is used again.

use std::{fs, time::Duration};

use futures::{FutureExt, future::join_all};

use super::{
    super::{super::*, *},
    blobs, body, bytes, on_disk, put, read, refusal,
};

#[cfg(target_os = "linux")]
fn is_full<T: fmt::Debug>(result: Result<T>) -> bool {
    matches!(refusal(result), TreeError::NoRoom(_))
}

/// Fills the disk for blobs: the next ones are links to the device that is always full.
#[cfg(target_os = "linux")]
struct FullDisk(Vec<std::path::PathBuf>);

#[cfg(target_os = "linux")]
impl FullDisk {
    const BLOBS: i64 = 64;

    fn of(tree: &Tree, data: &std::path::Path) -> Self {
        let next = tree.blobs.ids().allocate() + 1;
        let links = (next..next + Self::BLOBS).map(|number| {
            let folder = data.join("blobs").join(format!("{:02x}", number & 0xff));
            fs::create_dir_all(&folder).expect("makes");
            let link = folder.join(format!("{number:016x}"));
            std::os::unix::fs::symlink("/dev/full", &link).expect("links");
            link
        });
        Self(links.collect())
    }

    /// How many blobs were begun and removed again.
    fn refused(&self) -> usize {
        self.0.iter().filter(|link| link.symlink_metadata().is_err()).count()
    }

    /// Makes space on the disk.
    fn end(self) {
        for link in self.0 {
            let _ = fs::remove_file(link);
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn bytes_without_room_are_refused_as_that_and_leave_nothing() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    let sent = bytes(1_000_000, 1);
    let kept = put(&tree, drive, ROOT, "kept", &sent).await;
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let add = async |id: &str, at: usize, bytes: &[u8]| {
        tree.append(
            id,
            UploadFragment {
                at: at as u64,
                total: None,
                body: body(bytes),
                max: u64::MAX,
                expires,
            },
        )
        .await
    };
    let open = tree.open_session(super::session(drive, ROOT, "large", OnConflict::Fail)).await;
    let open = add(&open.expect("opens").id, 0, &sent[..400_000]).await.expect("takes");

    let full = FullDisk::of(&tree, data.path());
    let error = refusal(tree.store(body(&sent), u64::MAX).await);
    assert!(matches!(error, TreeError::NoRoom(_)), "{error}");
    let blobs_folder = data.path().join("blobs").canonicalize().expect("there");
    assert!(error.to_string().contains(&blobs_folder.display().to_string()), "{error}");
    assert!(is_full(add(&open.id, 400_000, &sent[400_000..]).await));
    assert_eq!(tree.session(&open.id).await.expect("there").received, 400_000);
    tree.blobs.finish_removals().await;
    assert_eq!(full.refused(), 2);
    // Calls that need no space succeed.
    assert!(read(&tree, &kept).await == sent);
    put(&tree, drive, ROOT, "small", b"small").await;

    full.end();
    add(&open.id, 400_000, &sent[400_000..]).await.expect("takes");
    let large =
        tree.commit(&open.id, NewItem::default(), Precondition::Any, None).await.expect("ends");
    assert_eq!(large.node.content.as_ref().map(|content| &content.hashes), {
        kept.content.as_ref().map(|content| &content.hashes)
    });
    assert!(read(&tree, &large.node).await == sent);
    assert_eq!(blobs(&tree).await, 3);
    tree.close().await;
}

/// Limits the pages of the database; with 1 it cannot grow.
async fn limit_pages(tree: &Tree, pages: &str) {
    let limit = format!("PRAGMA max_page_count = {pages}");
    let limited = tree.db.write(move |tx| {
        async move {
            let limit = sqlx::AssertSqlSafe(limit);
            sqlx::query(limit).execute(tx.sql()).await?;
            Ok(())
        }
        .boxed()
    });
    limited.await.expect("limits");
}

async fn names(tree: &Tree, drive: DriveKey) -> Vec<String> {
    let which = ListOptions { order: Order::Number, ..ListOptions::default() };
    let children = tree.children(drive, ROOT, which).await.expect("lists");
    children.into_iter().map(|node| node.name).collect()
}

#[tokio::test]
async fn a_full_database_refuses_writes_and_loses_no_acknowledged_one() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    limit_pages(&tree, "1").await;
    let write = async |number: usize, length: usize| {
        let stored = tree.store(body(&bytes(length, number as u64)), u64::MAX).await?;
        let (name, new) = (format!("f{number}"), NewItem::default());
        tree.put(
            ChildName::new(drive, ROOT, &name),
            stored,
            new,
            OnConflict::Fail,
            Precondition::Any,
        )
        .await
    };
    // One after another, each in its row, until one does not fit.
    let mut answered = Vec::new();
    let refused = loop {
        match write(answered.len(), 12_000).await {
            Ok(written) => answered.push(written.node),
            Err(error) => break error,
        }
        assert!(answered.len() < 100, "it grows beyond its limit");
    };
    assert!(matches!(refused, TreeError::NoRoom(_)), "{refused}");
    assert!(refused.to_string().contains("tree.db"), "{refused}");
    // Many at once, in blobs: some transactions have one write and some several.
    let many = join_all((1_000..1_200).map(|number| write(number, 30_000))).await;
    answered.extend(many.into_iter().filter_map(|written| match written {
        Ok(written) => Some(written.node),
        Err(TreeError::NoRoom(_)) => None,
        Err(error) => panic!("{error}"),
    }));
    answered.sort_by_key(|node| node.no);
    assert!(answered.len() < 1_000 && names(&tree, drive).await.len() < 200);
    let expected: Vec<_> = answered.iter().map(|node| node.name.clone()).collect();
    assert_eq!(names(&tree, drive).await, expected);
    let in_blobs = answered.iter().filter(|node| node.size > 12_000).count();
    assert_eq!(blobs(&tree).await, in_blobs);

    limit_pages(&tree, "1073741823").await;
    write(500, 12_000).await.expect("there is room again");
    tree.close().await;
    let tree = on_disk(data.path()).await;
    tree.tidied().await;
    assert_eq!(names(&tree, drive).await.len(), answered.len() + 1);
    for node in &answered {
        let number: u64 = node.name[1..].parse().expect("a number");
        assert!(read(&tree, node).await == bytes(node.size as usize, number));
    }
    let audit = tree.audit().await.expect("audits");
    assert_eq!((audit.orphans, audit.missing), (0, 0));
    tree.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_taken_from_a_missing_or_replaced_folder() {
    for (what, why) in [
        ("the folder is removed", "was removed"),
        ("the database is removed", "was removed"),
        ("the folder is another", "another file"),
    ] {
        let data = tempfile::tempdir().expect("temporary folder");
        let folder = data.path().join("tree");
        let tree = on_disk(&folder).await;
        let drive = tree.drive("").await.expect("drive").no;
        let file = put(&tree, drive, ROOT, "f", &bytes(1_000_000, 1)).await;
        let small = put(&tree, drive, ROOT, "small", b"small").await;
        let database = folder.join("tree.db");
        match what {
            "the database is removed" => fs::remove_file(&database).expect("removes"),
            _ => fs::remove_dir_all(&folder).expect("removes"),
        }
        if what == "the folder is another" {
            on_disk(&folder).await.close().await;
        }
        let made = tree
            .make(
                ChildName::new(drive, ROOT, "d"),
                NodeKind::Folder,
                NewItem::default(),
                OnConflict::Fail,
            )
            .await;
        let error = refusal(made);
        assert!(matches!(error, TreeError::Storage(_)), "{what}: {error}");
        let told = error.to_string();
        assert!(told.contains(why) && told.contains("tree.db"), "{what}: {told}");
        // Open connections still read. New ones must not create a database.
        assert_eq!(read(&tree, &small).await, b"small");
        join_all((0..8).map(|_| tree.node(drive, small.no))).await;
        assert_eq!(database.exists(), what == "the folder is another");
        let content = file.content.as_ref().expect("has bytes");
        if what != "the database is removed" {
            // An error before the first piece.
            assert!(tree.open_content(content, 0..content.size).await.is_err(), "{what}");
        }
        let closing = tokio::time::timeout(Duration::from_secs(30), tree.close());
        closing.await.expect("it ends nevertheless");
    }
}
