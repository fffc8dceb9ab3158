//! Stored bytes and rows after failures and restarts.

use std::{fs, future::Future, path::Path, pin::pin, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};

use super::{
    super::{super::*, *},
    blobs, body, broken_body, bytes, ephemeral, on_disk,
    on_postgres::also_on_postgres,
    put, read, refusal,
};

/// The files in a tree's folder of blobs.
fn files(data: &Path) -> usize {
    let entries = fs::read_dir(data.join("blobs")).expect("lists");
    let folders = entries.map(|entry| entry.expect("entry").path()).filter(|path| path.is_dir());
    folders.map(|folder| fs::read_dir(folder).expect("lists").count()).sum()
}

/// Waits for the effect of a background task.
async fn eventually(happened: impl AsyncFn() -> bool) {
    let waiting = async {
        while !happened().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it happens");
}

#[tokio::test]
async fn a_body_that_fails_or_is_too_large_or_dropped_leaves_nothing() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    for length in [0, 10, 2_000_000] {
        let failed = tree.store(broken_body(&bytes(length, 1)), u64::MAX).await;
        assert!(matches!(refusal(failed), TreeError::Body(_)));
    }
    let large = tree.store(body(&bytes(2_000_000, 1)), 1_999_999).await;
    assert!(matches!(refusal(large), TreeError::Body(error)
        if error.kind() == std::io::ErrorKind::FileTooLarge));
    {
        let unfinished = body(&bytes(2_000_000, 1)).chain(stream::pending());
        let mut storing = pin!(tree.store(Box::pin(unfinished), u64::MAX));
        // Until its bytes are on the disk.
        while files(data.path()) == 0 {
            assert!(futures::poll!(&mut storing).is_pending());
            tokio::task::yield_now().await;
        }
    }
    eventually(async || files(data.path()) == 0).await;
    let stored = tree.store(body(&bytes(2_000_000, 1)), 2_000_000).await.expect("stores");
    drop(stored);
    tree.blobs.finish_removals().await;
    assert_eq!(files(data.path()), 0);
    let stored = tree.store(body(&bytes(2_000_000, 1)), 2_000_000).await.expect("stores");
    tree.discard(stored).await.expect("discards");
    assert_eq!(files(data.path()), 0);
    tree.close().await;
}

#[tokio::test]
async fn a_refused_file_leaves_no_bytes() {
    let (tree, drive) = ephemeral().await;
    tree.set_quota(drive, 30_000).await.expect("sets");
    let stored = tree.store(body(&bytes(30_001, 1)), u64::MAX).await.expect("stores");
    let new = NewItem::default();
    let put = tree
        .put(ChildName::new(drive, ROOT, "f"), stored, new, OnConflict::Fail, Precondition::Any)
        .await;
    assert!(matches!(refusal(put), TreeError::QuotaExceeded));
    assert_eq!(blobs(&tree).await, 0);
}

#[tokio::test]
async fn a_folder_is_open_once_and_the_error_names_its_owner() {
    let data = tempfile::tempdir().expect("temporary folder");
    let first = on_disk(data.path()).await;
    let second = Tree::open(TreeOptions::folder(data.path())).await;
    let told = second.expect_err("is in use").to_string();
    assert!(told.contains(&format!("process {}", std::process::id())), "{told}");
    assert!(told.contains(data.path().file_name().and_then(|name| name.to_str()).expect("name")));
    first.close().await;
    on_disk(data.path()).await.close().await;
    assert!(matches!(refusal(first.drive("late").await), TreeError::Storage(_)));
}

#[tokio::test]
async fn a_start_finds_everything_and_removes_orphaned_blobs() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("somebody").await.expect("drive").no;
    let kept = put(&tree, drive, ROOT, "kept", &bytes(40_000, 1)).await;
    let small = put(&tree, drive, ROOT, "small", b"small").await;
    tree.close().await;
    // As a crash leaves it: taken in, not named.
    for (number, folder) in [("0000000000000042", "42"), ("00000001000000ff", "ff")] {
        let folder = data.path().join("blobs").join(folder);
        fs::create_dir_all(&folder).expect("makes");
        fs::write(folder.join(number), b"orphan").expect("writes");
    }
    fs::write(data.path().join("blobs/readme"), b"not ours").expect("writes");

    let tree = on_disk(data.path()).await;
    let mine = tree.store(body(&bytes(40_000, 2)), u64::MAX).await.expect("stores");
    tree.tidied().await;
    tree.blobs.finish_removals().await;
    assert_eq!(
        tree.blobs.all().await.expect("lists").len(),
        2,
        "what is kept and what is taken in"
    );
    let new = NewItem::default();
    let mine = tree
        .put(ChildName::new(drive, ROOT, "mine"), mine, new, OnConflict::Fail, Precondition::Any)
        .await;
    assert_eq!(read(&tree, &mine.expect("puts").node).await, bytes(40_000, 2));
    let found = tree.drive("somebody").await.expect("drive");
    assert_eq!((found.no, found.used), (drive, 80_005));
    for (node, sent) in [(&kept, bytes(40_000, 1)), (&small, b"small".to_vec())] {
        let found = tree.node(drive, node.no).await.expect("node");
        assert_eq!((found.feed, found.version), (node.feed, node.version));
        assert_eq!(read(&tree, &found).await, sent);
    }
    assert!(data.path().join("blobs/readme").exists());
    tree.close().await;
}

#[tokio::test]
async fn a_reader_gets_the_whole_file_although_it_is_replaced() {
    let (tree, drive) = ephemeral().await;
    let sent = bytes(3_000_000, 1);
    let file = put(&tree, drive, ROOT, "f", &sent).await;
    let content = file.content.expect("has bytes");
    let mut reading = tree.open_content(&content, 0..content.size).await.expect("opens");
    let first = reading.try_next().await.expect("reads").expect("some");
    put(&tree, drive, ROOT, "f", b"other").await;
    assert_eq!(blobs(&tree).await, 1, "it is still being read");
    let rest: Vec<::bytes::Bytes> = reading.try_collect().await.expect("reads");
    assert!([&first[..], &rest.concat()].concat() == sent);
    assert_eq!(blobs(&tree).await, 0);
}

/// Polls a call a number of times and drops it.
async fn drop_after<T>(polls: usize, call: impl Future<Output = T>) -> bool {
    let mut call = pin!(call);
    for _ in 0..polls {
        let polled = futures::poll!(&mut call);
        if polled.is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn a_dropped_future_leaves_the_call_undone_or_done() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    let sent = bytes(30_000, 1);
    let mut completed = 0;
    for polls in 0..400 {
        let name = format!("f{polls}");
        let upload = async {
            let stored = tree.store(body(&sent), u64::MAX).await?;
            let new = NewItem::default();
            tree.put(
                ChildName::new(drive, ROOT, &name),
                stored,
                new,
                OnConflict::Fail,
                Precondition::Any,
            )
            .await
        };
        let done = drop_after(polls % 50, upload).await;
        completed += usize::from(done);
        assert!(!done || tree.child(drive, ROOT, &name).await.is_ok());
        // The next write succeeds.
        tree.set_quota(drive, 1 << 40).await.expect("sets");
    }
    let children = tree.children(drive, ROOT, ListOptions::default()).await.expect("lists");
    assert!(children.len() >= completed, "what was answered is there");
    for child in &children {
        assert!(read(&tree, child).await == sent);
    }
    eventually(async || blobs(&tree).await == children.len()).await;
    let root = tree.node(drive, ROOT).await.expect("node");
    assert_eq!((root.children, root.size), (children.len() as u64, children.len() as u64 * 30_000));
    tree.close().await;
}

#[tokio::test]
async fn a_reset_removes_everything() {
    let (tree, drive) = ephemeral().await;
    put(&tree, drive, ROOT, "f", &bytes(30_000, 1)).await;
    let pending = tree.store(body(&bytes(30_000, 2)), u64::MAX).await.expect("stores");
    tree.reset().await.expect("resets");
    assert!(matches!(refusal(tree.drive_info(drive).await), TreeError::NotFound));
    assert_eq!(blobs(&tree).await, 1, "what is being taken in stays");
    let drive = tree.drive("").await.expect("drive");
    assert_eq!((drive.used, drive.feed), (0, 0));
    let new = NewItem::default();
    let put = tree
        .put(ChildName::new(drive.no, ROOT, "g"), pending, new, OnConflict::Fail, Precondition::Any)
        .await;
    assert_eq!(put.expect("puts").node.no, ItemKey(101));
}

/// Returns a WAV file with samples of one byte at 8 kHz.
fn sound(samples: u32) -> Vec<u8> {
    let format =
        [&[1, 0, 1, 0][..], &8_000_u32.to_le_bytes(), &8_000_u32.to_le_bytes(), &[1, 0, 8, 0]];
    let mut wave =
        [&b"RIFF"[..], &(samples + 36).to_le_bytes(), b"WAVEfmt ", &[16, 0, 0, 0]].concat();
    wave.extend(format.concat());
    wave.extend([&b"data"[..], &samples.to_le_bytes()].concat());
    wave.resize(wave.len() + samples as usize, 0x80);
    wave
}

async fn facts_kept(tree: &Tree) -> i64 {
    let mut reader = tree.db.reader().await.expect("a connection");
    let count = sqlx::query_scalar("SELECT count(*) FROM media").fetch_one(&mut *reader);
    count.await.expect("a count")
}

#[tokio::test]
async fn media_facts_are_stored_once_and_removed_with_their_content() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    let media = |node: &Node| node.content.as_ref().and_then(|content| content.media.clone());
    // In the row, and in a blob.
    for (samples, duration) in [(800, 100), (24_000, 3_000)] {
        let node = put(&tree, drive, ROOT, "a.wav", &sound(samples)).await;
        let expected = Media::Audio(Audio { duration, bitrate: Some(64_000), ..Audio::default() });
        assert_eq!(media(&node).as_deref(), Some(&expected));
        let copy = tree.copy(drive, node.no, ROOT, Some("b.wav"), OnConflict::Replace).await;
        assert_eq!(media(&copy.expect("copies")).as_deref(), Some(&expected));
        assert_eq!(facts_kept(&tree).await, 1);
    }
    tree.close().await;
    let tree = on_disk(data.path()).await;
    let listed = tree.children(drive, ROOT, ListOptions::default()).await.expect("lists");
    assert!(listed.iter().all(|node| media(node).is_some()), "{listed:?}");
    for node in &listed {
        tree.purge(drive, node.no).await.expect("purges");
    }
    assert_eq!(facts_kept(&tree).await, 0);
    let plain = put(&tree, drive, ROOT, "a.wav", &bytes(30_000, 1)).await;
    assert_eq!((media(&plain), facts_kept(&tree).await), (None, 0));
}

#[tokio::test]
async fn the_lineage_of_an_item_ends_at_the_root() {
    let (tree, drive) = ephemeral().await;
    let outer = super::folder(&tree, drive, ROOT, "outer").await;
    let inner = super::folder(&tree, drive, outer.no, "inner").await;
    let file = put(&tree, drive, inner.no, "file", b"x").await;
    let lineage = tree.lineage(drive, file.no).await.expect("there");
    let numbers: Vec<_> = lineage.iter().map(|node| node.no).collect();
    assert_eq!(numbers, [file.no, inner.no, outer.no, ROOT]);
    assert!(matches!(refusal(tree.lineage(drive, ItemKey(9_999)).await), TreeError::NotFound));
}

#[tokio::test]
async fn a_folder_is_listed_without_a_look_at_the_rest_of_the_drive() {
    use crate::tree::Order::{FoldersThenName, Modified, Name, Number, Size};
    let (tree, drive) = ephemeral().await;
    for order in [FoldersThenName, Name, Modified, Size, Number] {
        for descending in [false, true] {
            let plan = format!(
                "EXPLAIN QUERY PLAN {}",
                super::super::read::children_in_order(order, descending)
            );
            let mut reader = tree.db.reader().await.expect("a reader");
            let plan = sqlx::query(sqlx::AssertSqlSafe(plan))
                .bind(drive)
                .bind(ROOT)
                .bind(10)
                .bind(0)
                .bind(0);
            let steps = plan.fetch_all(&mut *reader).await.expect("a plan");
            let first: String = sqlx::Row::get(&steps[0], "detail");
            assert!(first.contains("edge_name"), "{order:?}: {first}");
        }
    }
}

also_on_postgres!(
    a_refused_file_leaves_no_bytes,
    a_reader_gets_the_whole_file_although_it_is_replaced,
    a_reset_removes_everything,
    the_lineage_of_an_item_ends_at_the_root,
);
