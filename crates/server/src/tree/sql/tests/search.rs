//! Searches, parts of the feed, and copies.

use super::{super::super::*, ephemeral, folder, on_postgres::also_on_postgres, put, read};
use crate::tree::sql::Tree;

/// Returns the names that a search for a text finds, page by page.
async fn found(tree: &Tree, drive: DriveKey, text: &str, limit: u64) -> Vec<String> {
    let words = words(text);
    let mut search = ItemSearch { drive, words, until: None, after: None, limit };
    let mut found = Vec::new();
    loop {
        let (nodes, next) = tree.search(search.clone()).await.expect("searches");
        assert!(nodes.len() as u64 <= limit);
        found.extend(nodes.into_iter().map(|node| node.name));
        if next.is_none() {
            return found;
        }
        search.after = next;
    }
}

#[tokio::test]
async fn a_search_finds_each_item_once_on_pages_of_any_size() {
    let (tree, drive) = ephemeral().await;
    for number in 0..5 {
        put(&tree, drive, ROOT, &format!("note {number} notebook"), b"x").await;
        put(&tree, drive, ROOT, &format!("other {number}"), b"x").await;
    }
    let expected: Vec<_> = (0..5).map(|number| format!("note {number} notebook")).collect();
    for limit in [1, 2, 5, 100] {
        assert_eq!(found(&tree, drive, "note", limit).await, expected, "{limit}");
        assert_eq!(found(&tree, drive, "NOTEBOOK note", limit).await, expected, "{limit}");
        assert_eq!(found(&tree, drive, "3 note", limit).await, ["note 3 notebook"], "{limit}");
        assert_eq!(found(&tree, drive, "z", limit).await, [""; 0], "{limit}");
    }
    let (_, position) = tree
        .search(ItemSearch { drive, words: words("note"), until: None, after: None, limit: 1 })
        .await
        .expect("searches");
    assert!(position.is_some());
    // A position before all words with the prefix is that of the first page.
    let after = Some(SearchPosition { word: "A".into(), item: ItemKey(0) });
    let search = ItemSearch { drive, words: words("note"), until: None, after, limit: 100 };
    assert_eq!(tree.search(search).await.expect("searches").0.len(), 5);
}

#[tokio::test]
async fn a_lagging_index_does_not_find_new_items() {
    let (tree, drive) = ephemeral().await;
    let file = put(&tree, drive, ROOT, "note", b"x").await;
    let at = |until| ItemSearch {
        drive,
        words: words("note"),
        until: Some(until),
        after: None,
        limit: 9,
    };
    let changed = file.modified.as_microsecond();
    assert_eq!(tree.search(at(changed)).await.expect("searches").0.len(), 1);
    assert_eq!(tree.search(at(changed - 1)).await.expect("searches").0.len(), 0);
}

#[tokio::test]
async fn a_part_of_the_feed_is_selected_by_number_and_time() {
    let (tree, drive) = ephemeral().await;
    let first = put(&tree, drive, ROOT, "first", b"x").await;
    let second = put(&tree, drive, ROOT, "second", b"x").await;
    let range = |after, end, changed_since| FeedRange { after, end, changed_since };
    let names = async |range| {
        let nodes = tree.changes_in(drive, range, 9).await.expect("changes").into_iter();
        nodes.map(|node| node.name).collect::<Vec<_>>()
    };
    assert_eq!(names(range(0, i64::MAX, i64::MIN)).await, ["first", "second"]);
    assert_eq!(names(range(0, first.feed, i64::MIN)).await, ["first"]);
    let since = second.modified.as_microsecond();
    assert_eq!(names(range(0, i64::MAX, since)).await, ["second"]);
    let feed = async |time| tree.feed_at(drive, time).await.expect("a number");
    assert_eq!(feed(since).await, second.feed);
    assert_eq!(feed(first.modified.as_microsecond()).await, first.feed);
    assert_eq!(feed(0).await, first.feed - 1);
    let unknown = tree.feed_at(DriveKey(99), 0).await;
    assert!(matches!(unknown, Err(TreeError::NotFound)));
}

#[tokio::test]
async fn a_copy_to_another_drive_has_its_own_keys_and_versions() {
    let (tree, drive) = ephemeral().await;
    let other = tree.drive("other").await.expect("drive").no;
    put(&tree, other, ROOT, "taken", b"x").await;
    let top = folder(&tree, drive, ROOT, "top").await;
    for bytes in [b"one", b"two"] {
        let stored = tree.store(super::body(bytes), 9).await.expect("stores");
        let new = NewItem { max_versions: 9, ..NewItem::default() };
        let child = ChildName::new(drive, top.no, "f");
        tree.put(child, stored, new, OnConflict::Replace, Precondition::Any).await.expect("puts");
    }
    let copy = ItemCopy {
        drive,
        item: top.no,
        to_drive: other,
        to: ROOT,
        name: None,
        on_conflict: OnConflict::Fail,
        with_versions: true,
        max_versions: 9,
        guard: WriteGuard::default(),
        excluded: Vec::new(),
        dropped: &[],
    };
    let copied = tree.copy_item(copy.clone()).await.expect("copies");
    assert_eq!((copied.drive, copied.size), (other, 3));
    let file = tree.child(other, copied.no, "F").await.expect("a file");
    assert_eq!((read(&tree, &file).await, file.revision), (b"two".to_vec(), 2));
    let version = tree.version(other, file.no, 1).await.expect("a version");
    let old = Node { content: Some(version.content), ..file.clone() };
    assert_eq!(read(&tree, &old).await, b"one");
    assert_eq!(tree.drive_info(other).await.expect("drive").used, 1 + 3 + 3);
    assert_eq!(found(&tree, other, "f", 9).await, ["f"]);
    let again = tree.copy_item(copy.clone()).await;
    assert!(matches!(again, Err(TreeError::NameTaken(_))));
    tree.set_quota(other, 10).await.expect("a quota");
    let named = ItemCopy { name: Some("more".into()), ..copy };
    assert!(matches!(tree.copy_item(named).await, Err(TreeError::QuotaExceeded)));
    tree.purge(drive, top.no).await.expect("purges");
    assert_eq!(read(&tree, &file).await, b"two", "the copy keeps its bytes");
}

#[tokio::test]
async fn a_copy_leaves_out_items_and_facets() {
    let (tree, drive) = ephemeral().await;
    let top = folder(&tree, drive, ROOT, "top").await;
    let secret = folder(&tree, drive, top.no, "secret").await;
    put(&tree, drive, secret.no, "inner", b"123").await;
    let file = put(&tree, drive, top.no, "f", b"12345").await;
    let facets = serde_json::json!({"a": {"b": 1, "c": 2}, "d": true, "e": "\"d\""});
    let facets = facets.as_object().expect("an object").clone();
    let change = Change { facets, ..Change::default() };
    tree.update(drive, file.no, change, OnConflict::Fail, Precondition::Any).await.expect("set");
    let copy = ItemCopy {
        drive,
        item: top.no,
        to_drive: drive,
        to: ROOT,
        name: Some("copy".into()),
        on_conflict: OnConflict::Fail,
        with_versions: false,
        max_versions: 0,
        guard: WriteGuard::default(),
        excluded: vec![secret.no],
        dropped: &[("a", Some("b")), ("d", None), ("missing", None)],
    };
    let copied = tree.copy_item(copy.clone()).await.expect("copies");
    assert_eq!((copied.size, copied.children), (5, 1));
    assert!(matches!(tree.child(drive, copied.no, "secret").await, Err(TreeError::NotFound)));
    let copied = tree.child(drive, copied.no, "f").await.expect("a file");
    let facets = serde_json::Value::from(copied.facets);
    assert_eq!(facets, serde_json::json!({"a": {"c": 2}, "e": "\"d\""}));
    let original = tree.node(drive, file.no).await.expect("a file");
    assert_eq!(original.facets.len(), 3);
    let guard = WriteGuard::new(|replaced| match replaced {
        Some(node) => Err(TreeError::Locked(node.no)),
        None => Err(TreeError::Denied),
    });
    let denied = ItemCopy { name: Some("third".into()), guard: guard.clone(), ..copy.clone() };
    assert!(matches!(tree.copy_item(denied).await, Err(TreeError::Denied)));
    let over = ItemCopy {
        item: file.no,
        to: copied.parents[0],
        name: None,
        on_conflict: OnConflict::Replace,
        guard,
        ..copy
    };
    assert!(matches!(tree.copy_item(over).await, Err(TreeError::Locked(_))));
}

also_on_postgres!(
    a_copy_leaves_out_items_and_facets,
    a_search_finds_each_item_once_on_pages_of_any_size,
    a_lagging_index_does_not_find_new_items,
    a_part_of_the_feed_is_selected_by_number_and_time,
    a_copy_to_another_drive_has_its_own_keys_and_versions,
);
