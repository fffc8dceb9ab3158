//! Concurrent calls.

use std::{collections::HashSet, sync::Arc};

use futures::{StreamExt, stream};

use super::{
    super::{super::*, *},
    body, bytes, folder,
    on_postgres::{self, also_on_postgres},
    put,
};

/// Runs 32 tasks at once. Returns their results.
async fn at_once<T, F>(call: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..32).map(|i| tokio::spawn(call(i))).collect();
    stream::iter(tasks).then(|task| async { task.await.expect("ends") }).collect().await
}

async fn trees() -> (tempfile::TempDir, Vec<Arc<Tree>>) {
    let data = tempfile::tempdir().expect("temporary folder");
    let mut trees = Vec::new();
    let in_folder = TreeOptions::folder(data.path()).durability(crate::Durability::Relaxed);
    let all = match on_postgres::options().await {
        Some(options) => vec![options],
        None => vec![TreeOptions::ephemeral(), in_folder],
    };
    for options in all {
        trees.push(Arc::new(Tree::open(options).await.expect("opens")));
    }
    (data, trees)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thirty_two_tasks_make_files_in_one_folder() {
    let (_data, trees) = trees().await;
    for tree in trees {
        let drive = tree.drive("").await.expect("drive").no;
        let top = folder(&tree, drive, ROOT, "top").await;
        let numbers = at_once(|task| {
            let tree = tree.clone();
            async move {
                let mut numbers = Vec::new();
                for i in 0..20 {
                    let length = if i % 5 == 0 { 20_000 } else { 100 };
                    let name = format!("file {task} {i}");
                    numbers.push(put(&tree, drive, top.no, &name, &bytes(length, 1)).await.no);
                    let found = tree.child(drive, top.no, &name).await;
                    assert!(found.is_ok(), "what was answered is seen at once");
                }
                numbers
            }
        })
        .await;
        let numbers: HashSet<ItemKey> = numbers.into_iter().flatten().collect();
        assert_eq!(numbers.len(), 640, "each has its own");
        let top = tree.node(drive, top.no).await.expect("node");
        assert_eq!((top.children, top.size), (640, 128 * 20_000 + 512 * 100));
        let changes = tree.changes(drive, 0, u64::MAX).await.expect("changes");
        assert!(changes.windows(2).all(|pair| pair[0].feed < pair[1].feed));
        assert_eq!(changes.len(), 641);
        tree.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_calls_for_one_name_each_get_their_behaviour() {
    let (_data, trees) = trees().await;
    for tree in trees {
        let drive = tree.drive("").await.expect("drive").no;
        let race = |name: &'static str, on_conflict| {
            let tree = tree.clone();
            at_once(move |_| {
                let tree = tree.clone();
                async move {
                    let stored = tree.store(body(b"1"), 9).await?;
                    let new = NewItem::default();
                    tree.put(
                        ChildName::new(drive, ROOT, name),
                        stored,
                        new,
                        on_conflict,
                        Precondition::Any,
                    )
                    .await
                }
            })
        };
        let failing = race("one", OnConflict::Fail).await;
        assert_eq!(failing.iter().filter(|put| put.is_ok()).count(), 1);
        let taken = |put: &Result<Written>| matches!(put, Err(TreeError::NameTaken(_)));
        assert_eq!(failing.iter().filter(|put| taken(put)).count(), 31);

        let replacing = race("two", OnConflict::Replace).await;
        let replacing: Vec<_> = replacing.into_iter().map(|put| put.expect("puts")).collect();
        assert_eq!(replacing.iter().filter(|put| put.created).count(), 1);
        let versions: HashSet<i64> = replacing.iter().map(|put| put.node.version).collect();
        assert_eq!(versions, (1..=32).collect());

        let renaming = race("three.txt", OnConflict::Rename).await;
        let names: HashSet<String> =
            renaming.into_iter().map(|put| put.expect("puts").node.name).collect();
        assert_eq!(names.len(), 32);
        assert!(names.contains("three.txt") && names.contains("three 31.txt"));
        tree.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_calls_for_one_drive_or_folder_get_the_same() {
    let (_data, trees) = trees().await;
    for tree in trees {
        let drives = at_once(|_| {
            let tree = tree.clone();
            async move { tree.drive("shared").await.expect("drive").no }
        })
        .await;
        assert_eq!(drives.iter().collect::<HashSet<_>>().len(), 1);
        let drive = drives[0];
        let folders = at_once(|_| {
            let tree = tree.clone();
            async move {
                let new = NewItem::default();
                let made = tree
                    .make(
                        ChildName::new(drive, ROOT, "f"),
                        NodeKind::Folder,
                        new,
                        OnConflict::Replace,
                    )
                    .await;
                made.expect("makes").node.no
            }
        })
        .await;
        assert_eq!(folders.iter().collect::<HashSet<_>>().len(), 1);
        tree.close().await;
    }
}

also_on_postgres!(
    thirty_two_tasks_make_files_in_one_folder,
    concurrent_calls_for_one_name_each_get_their_behaviour,
    concurrent_calls_for_one_drive_or_folder_get_the_same,
);
