//! The effect of each call on items.

use ::bytes::Bytes as Piece;
use futures::TryStreamExt;

use super::{
    super::{
        super::{hash::ContentHasher, *},
        *,
    },
    body, bytes, ephemeral, folder,
    on_postgres::{self, also_on_postgres},
    put, read,
};

#[tokio::test]
async fn a_small_and_a_large_file_are_read_as_they_were_written() {
    let data = tempfile::tempdir().expect("temporary folder");
    let in_folder = TreeOptions::folder(data.path()).durability(crate::Durability::Relaxed);
    let all = match on_postgres::options().await {
        Some(options) => vec![options],
        None => vec![TreeOptions::ephemeral(), in_folder],
    };
    for options in all {
        let tree = Tree::open(options).await.expect("opens");
        let drive = tree.drive("somebody").await.expect("drive").no;
        for (name, length) in
            [("empty", 0), ("row", 16 << 10), ("blob", (16 << 10) + 1), ("large", 3_000_000)]
        {
            let sent = bytes(length, 7);
            let node = put(&tree, drive, ROOT, name, &sent).await;
            assert_eq!(node.size, length as u64);
            assert_eq!(read(&tree, &node).await, sent, "{name}");
            let content = node.content.expect("has bytes");
            let mut hasher = ContentHasher::default();
            hasher.update(&sent);
            assert_eq!(content.hashes, hasher.finish(), "{name}");
            let middle: Vec<Piece> = tree
                .open_content(&content, content.size / 3..content.size / 2)
                .await
                .expect("opens")
                .try_collect()
                .await
                .expect("reads");
            assert_eq!(middle.concat(), sent[length / 3..length / 2], "the middle of {name}");
        }
        tree.close().await;
    }
}

#[tokio::test]
async fn a_created_item_is_found_by_every_lookup() {
    let (tree, drive) = ephemeral().await;
    let outer = folder(&tree, drive, ROOT, "Outer").await;
    let inner = folder(&tree, drive, outer.no, "inner").await;
    let file = put(&tree, drive, inner.no, "Übung.TXT", b"hello").await;
    assert_eq!((outer.no, inner.no, file.no), (ItemKey(101), ItemKey(102), ItemKey(103)));
    assert_eq!(file.media_type.as_deref(), Some("text/plain"));

    let child = tree.child(drive, inner.no, "üBUNG.txt").await.expect("finds");
    assert_eq!(child.name, "Übung.TXT");
    let walked = tree.walk(drive, ROOT, &["OUTER", "inner", "übung.txt"]).await.expect("walks");
    assert_eq!(
        walked.iter().map(|node| node.no).collect::<Vec<_>>(),
        [ROOT, outer.no, inner.no, file.no]
    );
    let halfway = tree.walk(drive, ROOT, &["outer", "no", "more"]).await.expect("walks");
    assert_eq!(halfway.len(), 2);
    assert_eq!(tree.path(drive, file.no).await.expect("path"), ["Outer", "inner", "Übung.TXT"]);
    assert!(tree.path(drive, ROOT).await.expect("path").is_empty());

    for (no, size, children) in [(ROOT, 5, 1), (outer.no, 5, 1), (inner.no, 5, 1)] {
        let node = tree.node(drive, no).await.expect("node");
        assert_eq!((node.size, node.children), (size, children), "of {no}");
    }
    assert_eq!(tree.drive_info(drive).await.expect("drive").used, 5);
    assert!(matches!(
        tree.children(drive, file.no, ListOptions::default()).await,
        Err(TreeError::NotAFolder(ItemKey(103)))
    ));
    assert!(matches!(tree.child(drive, ROOT, "inner").await, Err(TreeError::NotFound)));
}

#[tokio::test]
async fn a_path_of_any_depth_is_walked() {
    let (tree, drive) = ephemeral().await;
    let mut names = Vec::new();
    let mut at = ROOT;
    for depth in 0..40 {
        names.push(format!("d{depth}"));
        at = folder(&tree, drive, at, &names[depth]).await.no;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let walked = tree.walk(drive, ROOT, &names).await.expect("walks");
        assert_eq!(walked.len(), depth + 2);
        assert_eq!(walked.last().map(|node| node.no), Some(at));
        let further = [&names[..], &["missing", "too"]].concat();
        assert_eq!(tree.walk(drive, ROOT, &further).await.expect("walks").len(), depth + 2);
    }
    assert_eq!(tree.path(drive, at).await.expect("path"), names);
}

#[tokio::test]
async fn children_are_listed_in_every_order() {
    let (tree, drive) = ephemeral().await;
    for (name, size) in [("b", 3), ("Z", 1), ("a.txt", 2)] {
        put(&tree, drive, ROOT, name, &bytes(size, 0)).await;
    }
    folder(&tree, drive, ROOT, "folder").await;
    let names = async |order, descending, offset, limit| {
        let which = ListOptions { order, descending, offset, limit, ..ListOptions::default() };
        let nodes = tree.children(drive, ROOT, which).await.expect("lists");
        nodes.into_iter().map(|node| node.name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(Order::FoldersThenName, false, 0, None).await, "folder Z a.txt b");
    assert_eq!(names(Order::FoldersThenName, true, 0, None).await, "b a.txt Z folder");
    assert_eq!(names(Order::Name, false, 0, None).await, "Z a.txt b folder");
    assert_eq!(names(Order::Size, true, 0, None).await, "b a.txt Z folder");
    assert_eq!(names(Order::Number, false, 1, Some(2)).await, "Z a.txt");
    assert_eq!(names(Order::Modified, true, 0, Some(1)).await, "folder");
}

#[tokio::test]
async fn a_taken_name_is_replaced_refused_or_renamed() {
    let (tree, drive) = ephemeral().await;
    let first = put(&tree, drive, ROOT, "photo.jpg", b"one").await;
    let again = put(&tree, drive, ROOT, "PHOTO.JPG", b"three").await;
    assert_eq!(again.no, first.no);
    assert_eq!(again.name, "photo.jpg", "an overwritten file keeps its name");
    assert_eq!((again.version, again.content_version), (2, 2));
    assert_eq!(read(&tree, &again).await, b"three");
    assert!(matches!(
        tree.open_content(&first.content.expect("had bytes"), 0..3).await,
        Err(TreeError::Changed)
    ));

    let stored = tree.store(body(b"x"), 9).await.expect("stores");
    let refused = tree
        .put(
            ChildName::new(drive, ROOT, "photo.jpg"),
            stored,
            NewItem::default(),
            OnConflict::Fail,
            Precondition::Any,
        )
        .await;
    assert!(matches!(refused, Err(TreeError::NameTaken(no)) if no == first.no));
    for expected in ["photo 1.jpg", "photo 2.jpg"] {
        let stored = tree.store(body(b"x"), 9).await.expect("stores");
        let renamed = tree
            .put(
                ChildName::new(drive, ROOT, "photo.jpg"),
                stored,
                NewItem::default(),
                OnConflict::Rename,
                Precondition::Any,
            )
            .await
            .expect("puts");
        assert_eq!(renamed.node.name, expected);
        assert!(renamed.created);
    }
    assert_eq!(tree.drive_info(drive).await.expect("drive").used, 7);
}

#[tokio::test]
async fn moving_and_renaming_keeps_the_item_and_counts_it_where_it_is() {
    let (tree, drive) = ephemeral().await;
    let a = folder(&tree, drive, ROOT, "a").await;
    let b = folder(&tree, drive, a.no, "b").await;
    let file = put(&tree, drive, b.no, "f", b"12345").await;
    let moved = Change { name: Some("g".into()), parents: Some(vec![ROOT]), ..Change::default() };
    let node = tree
        .update(drive, file.no, moved, OnConflict::Fail, Precondition::Version(1))
        .await
        .expect("moves");
    assert_eq!((node.no, node.name.as_str(), node.version), (file.no, "g", 2));
    assert_eq!(tree.node(drive, a.no).await.expect("node").size, 0);
    assert_eq!(tree.node(drive, b.no).await.expect("node").children, 0);
    assert_eq!(tree.node(drive, ROOT).await.expect("node").children, 2);

    let below = Change { parents: Some(vec![b.no]), ..Change::default() };
    let refused = tree.update(drive, a.no, below, OnConflict::Fail, Precondition::Any).await;
    assert!(matches!(refused, Err(TreeError::IntoItself)));
    let renamed = Change { name: Some("A".into()), ..Change::default() };
    let node = tree
        .update(drive, a.no, renamed.clone(), OnConflict::Fail, Precondition::Any)
        .await
        .expect("renames");
    assert_eq!(node.name, "A");
    let refused =
        tree.update(drive, file.no, renamed, OnConflict::Replace, Precondition::Any).await;
    assert!(matches!(refused, Err(TreeError::NameTaken(no)) if no == a.no));
    let refused = tree
        .update(
            drive,
            ROOT,
            Change { name: Some("r".into()), ..Change::default() },
            OnConflict::Fail,
            Precondition::Any,
        )
        .await;
    assert!(matches!(refused, Err(TreeError::Root)));
}

#[tokio::test]
async fn a_deleted_folder_hides_everything_below_and_frees_its_name() {
    let (tree, drive) = ephemeral().await;
    let a = folder(&tree, drive, ROOT, "a").await;
    let file = put(&tree, drive, a.no, "f", b"12345").await;
    let gone = tree.trash(drive, a.no, Precondition::Any).await.expect("trashes");
    assert_eq!(gone.state, ItemState::Trashed);
    assert!(matches!(tree.node(drive, file.no).await, Err(TreeError::NotFound)));
    assert_eq!(tree.any_node(drive, file.no).await.expect("node").state, ItemState::Hidden);
    assert!(matches!(tree.child(drive, a.no, "f").await, Err(TreeError::NotFound)));
    assert_eq!(tree.drive_info(drive).await.expect("drive").used, 0);
    assert_ne!(folder(&tree, drive, ROOT, "A").await.no, a.no);
    let bin = tree.trashed(drive, ListOptions::default()).await.expect("lists");
    assert_eq!(bin.iter().map(|node| node.no).collect::<Vec<_>>(), [a.no]);
}

#[tokio::test]
async fn an_item_in_two_folders_lives_as_long_as_one_of_them() {
    let (tree, drive) = ephemeral().await;
    let a = folder(&tree, drive, ROOT, "a").await;
    let b = folder(&tree, drive, ROOT, "b").await;
    let file = put(&tree, drive, a.no, "f", b"12345").await;
    let both = Change { parents: Some(vec![a.no, b.no]), ..Change::default() };
    let node = tree
        .update(drive, file.no, both, OnConflict::Fail, Precondition::Any)
        .await
        .expect("links");
    assert_eq!(node.parents, [a.no, b.no]);
    assert_eq!(tree.node(drive, ROOT).await.expect("node").size, 5, "counted once");

    tree.trash(drive, a.no, Precondition::Any).await.expect("trashes");
    let node = tree.child(drive, b.no, "f").await.expect("still there");
    assert_eq!((node.state, node.parents.as_slice()), (ItemState::Live, &[b.no][..]));
    assert_eq!(tree.node(drive, b.no).await.expect("node").size, 5);

    tree.restore(drive, a.no, None, None).await.expect("restores");
    assert_eq!(tree.node(drive, file.no).await.expect("node").parents, [b.no, a.no]);
    tree.purge(drive, b.no).await.expect("purges");
    assert_eq!(tree.child(drive, a.no, "f").await.expect("still there").no, file.no);
    tree.purge(drive, a.no).await.expect("purges");
    assert_eq!(tree.any_node(drive, file.no).await.expect("node").state, ItemState::Purged);
    assert_eq!(tree.drive_info(drive).await.expect("drive").used, 0);
}

#[tokio::test]
async fn a_copied_folder_has_its_own_items_and_shares_the_bytes() {
    let (tree, drive) = ephemeral().await;
    let a = folder(&tree, drive, ROOT, "a").await;
    let sub = folder(&tree, drive, a.no, "sub").await;
    let file = put(&tree, drive, sub.no, "f", &bytes(50_000, 1)).await;
    let copy =
        tree.copy(drive, a.no, sub.no, Some("copy"), OnConflict::Fail).await.expect("copies");
    let walked = tree.walk(drive, copy.no, &["sub", "f"]).await.expect("walks");
    let copied = walked.last().expect("found");
    assert_eq!(copied.content, file.content);
    assert_ne!(copied.no, file.no);
    assert_eq!(tree.blobs.all().await.expect("lists").len(), 1);
    assert_eq!(tree.node(drive, a.no).await.expect("node").size, 100_000);

    tree.purge(drive, file.no).await.expect("purges");
    assert_eq!(read(&tree, copied).await, bytes(50_000, 1));
    tree.purge(drive, a.no).await.expect("purges");
    assert_eq!(super::blobs(&tree).await, 0);
}

#[tokio::test]
async fn a_change_expects_a_version_and_a_change_of_nothing_makes_none() {
    let (tree, drive) = ephemeral().await;
    let file = put(&tree, drive, ROOT, "f", b"1").await;
    let described = Change { description: Some(Some("it".into())), ..Change::default() };
    for expected in [2, 2] {
        let node =
            tree.update(drive, file.no, described.clone(), OnConflict::Fail, Precondition::Any);
        assert_eq!(node.await.expect("changes").version, expected);
    }
    for precondition in [Precondition::Version(1), Precondition::ContentVersion(2)] {
        let stored = tree.store(body(b"2"), 9).await.expect("stores");
        let refused =
            tree.overwrite(drive, file.no, stored, NewItem::default(), precondition).await;
        assert!(matches!(refused, Err(TreeError::Changed)));
        let refused = tree.trash(drive, file.no, precondition).await;
        assert!(matches!(refused, Err(TreeError::Changed)));
    }
    let stored = tree.store(body(b"2"), 9).await.expect("stores");
    let precondition = Precondition::ContentVersion(1);
    let node = tree.overwrite(drive, file.no, stored, NewItem::default(), precondition).await;
    let node = node.expect("overwrites");
    assert_eq!((node.version, node.content_version), (3, 2));
    assert_eq!(node.description.as_deref(), Some("it"));
}

#[tokio::test]
async fn names_that_no_tree_can_keep_are_refused() {
    let (tree, drive) = ephemeral().await;
    let file = put(&tree, drive, ROOT, "f", b"1").await;
    for name in ["", "a/b", "a\0b"] {
        let made = tree
            .make(
                ChildName::new(drive, ROOT, name),
                NodeKind::Folder,
                NewItem::default(),
                OnConflict::Rename,
            )
            .await;
        assert!(matches!(made, Err(TreeError::BadName(_))), "{name:?}");
        let change = Change { name: Some(name.into()), ..Change::default() };
        let renamed =
            tree.update(drive, file.no, change, OnConflict::Fail, Precondition::Any).await;
        assert!(matches!(renamed, Err(TreeError::BadName(_))), "{name:?}");
    }
    for name in ["100%", "a'b\"c", "ß", "日本", "_%_", " ", "..", "e\u{301}", "è"] {
        let made = folder(&tree, drive, ROOT, name).await;
        assert_eq!(tree.child(drive, ROOT, name).await.expect("finds").no, made.no, "{name:?}");
    }
}

#[tokio::test]
async fn facets_times_and_descriptions_are_kept() {
    let (tree, drive) = ephemeral().await;
    let time: jiff::Timestamp = "2012-04-05T06:07:08.123456Z".parse().expect("a time");
    let facets = serde_json::json!({ "live": { "tags": [1, 2] }, "graph": true });
    let new = NewItem {
        folders: Vec::new(),
        description: Some("Ä description".into()),
        media_type: Some("image/x-test".into()),
        client_created: Some(time),
        client_modified: Some(time),
        owner: Some("someone".into()),
        facets: facets.as_object().expect("an object").clone(),
        is_duplicate: false,
        ..NewItem::default()
    };
    let stored = tree.store(body(b"1"), 9).await.expect("stores");
    let put = tree
        .put(ChildName::new(drive, ROOT, "f.txt"), stored, new, OnConflict::Fail, Precondition::Any)
        .await;
    let put = put.expect("puts").node;
    let found = tree.node(drive, put.no).await.expect("node");
    for node in [&put, &found] {
        assert_eq!(node.description.as_deref(), Some("Ä description"));
        assert_eq!(node.media_type.as_deref(), Some("image/x-test"));
        assert_eq!((node.client_created, node.client_modified), (time, time));
        assert_eq!(node.owner.as_deref(), Some("someone"));
        assert_eq!(serde_json::Value::Object(node.facets.clone()), facets);
    }
    let change = Change {
        name: Some("g.jpg".into()),
        description: Some(None),
        facets: serde_json::json!({ "graph": null, "amazon": 1 })
            .as_object()
            .cloned()
            .expect("object"),
        ..Change::default()
    };
    let node = tree.update(drive, put.no, change, OnConflict::Fail, Precondition::Any).await;
    let node = node.expect("changes");
    assert_eq!(node.description, None);
    assert_eq!(node.media_type.as_deref(), Some("image/x-test"), "it was given, not derived");
    assert_eq!(node.facets.keys().collect::<Vec<_>>(), ["amazon", "live"]);
}

#[tokio::test]
async fn a_listing_continues_after_its_last_child_despite_removals() {
    use crate::tree::Order::{FoldersThenName, Modified, Name, Number, Size};
    for order in [FoldersThenName, Name, Modified, Size, Number] {
        for descending in [false, true] {
            let (tree, drive) = ephemeral().await;
            let mut all = Vec::new();
            for n in 0..9 {
                // Some are of one size, some of one time.
                let name = format!("{}", (n * 5) % 9);
                all.push(put(&tree, drive, ROOT, &name, &bytes(n / 3, 0)).await.no);
                let time = jiff::Timestamp::from_second(n as i64 / 3).ok();
                let change = Change { client_modified: time, ..Change::default() };
                let update =
                    tree.update(drive, all[n], change, OnConflict::Fail, Precondition::Any);
                update.await.expect("updates");
            }
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let which = ListOptions {
                    order,
                    descending,
                    after,
                    limit: Some(2),
                    ..ListOptions::default()
                };
                let page = tree.children(drive, ROOT, which).await.expect("lists");
                let Some(last) = page.last() else { break };
                after = Some(ListingKey::new(last, order));
                for node in &page {
                    seen.push(node.no);
                    tree.trash(drive, node.no, Precondition::Any).await.expect("trashes");
                }
            }
            seen.sort_unstable();
            assert_eq!(seen, all, "{order:?}, descending: {descending}");
        }
    }
}

#[tokio::test]
async fn missing_folders_are_created_with_their_item_or_not_at_all() {
    let (tree, drive) = ephemeral().await;
    let below = |names: &[&str]| NewItem {
        folders: names.iter().map(|&name| name.to_owned()).collect(),
        ..NewItem::default()
    };
    let make = async |new, name| {
        tree.make(ChildName::new(drive, ROOT, name), NodeKind::Folder, new, OnConflict::Fail).await
    };
    let feed = async || tree.drive_info(drive).await.expect("there").feed;
    let before = feed().await;
    assert!(make(below(&["a", "b"]), "").await.is_err());
    assert!(make(below(&["a", "b", "c/d"]), "e").await.is_err());
    let stored = tree.store(body(b"1"), 9).await.expect("stores");
    tree.set_quota(drive, 0).await.expect("set");
    let new = below(&["a"]);
    let put = tree
        .put(ChildName::new(drive, ROOT, "f"), stored, new, OnConflict::Fail, Precondition::Any)
        .await;
    assert!(matches!(put, Err(TreeError::QuotaExceeded)));
    assert_eq!(feed().await, before, "nothing has changed");

    let made = make(below(&["a", "b"]), "c").await.expect("made").node;
    assert_eq!(tree.path(drive, made.no).await.expect("there"), ["a", "b", "c"]);
    let again = make(below(&["A", "b"]), "d").await.expect("made").node;
    assert_eq!(again.parents, made.parents);
    assert!(matches!(make(below(&["a", "b"]), "C").await, Err(TreeError::NameTaken(_))));
}

also_on_postgres!(
    a_small_and_a_large_file_are_read_as_they_were_written,
    a_created_item_is_found_by_every_lookup,
    a_path_of_any_depth_is_walked,
    children_are_listed_in_every_order,
    a_taken_name_is_replaced_refused_or_renamed,
    moving_and_renaming_keeps_the_item_and_counts_it_where_it_is,
    a_deleted_folder_hides_everything_below_and_frees_its_name,
    an_item_in_two_folders_lives_as_long_as_one_of_them,
    a_copied_folder_has_its_own_items_and_shares_the_bytes,
    a_change_expects_a_version_and_a_change_of_nothing_makes_none,
    names_that_no_tree_can_keep_are_refused,
    facets_times_and_descriptions_are_kept,
    a_listing_continues_after_its_last_child_despite_removals,
    missing_folders_are_created_with_their_item_or_not_at_all,
);
