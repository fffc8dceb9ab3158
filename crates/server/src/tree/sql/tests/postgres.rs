//! Tests that only PostgreSQL needs: lock, broken connections, order of texts, messages.

use std::sync::Arc;

use opendal::{Operator, services::Fs};

use super::{
    super::{super::*, *},
    body, bytes, folder,
    on_postgres::{clean_up, execute, schema, server},
    put, read, refusal,
};

/// The options of a tree in a schema, with its blobs in a folder.
fn options(url: &str, blobs: &std::path::Path) -> TreeOptions {
    let blobs = Fs::default().root(blobs.to_str().expect("Unicode"));
    let operator = Operator::new(blobs).expect("an operator");
    TreeOptions::ephemeral().database(Some(url.into())).blobs(Some(operator))
}

async fn open(url: &str, blobs: &std::path::Path) -> Tree {
    Tree::open(options(url, blobs)).await.expect("opens")
}

/// Ends the connection that writes to a schema, as a restart of the server does.
async fn break_connection(url: &str) {
    let schema = url.rsplit("search_path%3D").next().expect("a schema");
    execute(&format!(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory' \
         AND CAST(l.objid AS BIGINT) = CAST(hashtext('{schema}') AS BIGINT) & 4294967295"
    ))
    .await;
}

#[tokio::test]
#[ignore = "needs DRIVEDAL_TEST_POSTGRES"]
async fn a_restart_finds_everything_and_removes_orphans() {
    let (url, data) = (schema().await, tempfile::tempdir().expect("a folder"));
    let tree = open(&url, data.path()).await;
    let drive = tree.drive("").await.expect("a drive").no;
    let inner = folder(&tree, drive, ROOT, "inner").await;
    put(&tree, drive, inner.no, "small", b"hello").await;
    put(&tree, drive, inner.no, "large", &bytes(600_000, 1)).await;
    // Nothing names it.
    let stored = tree.store(body(&bytes(40_000, 2)), u64::MAX).await.expect("stores");
    std::mem::forget(stored);
    tree.close().await;
    for _ in 0..2 {
        let tree = open(&url, data.path()).await;
        tree.tidied().await;
        assert_eq!(tree.drive("").await.expect("the drive").no, drive);
        let small = tree.child(drive, inner.no, "SMALL").await.expect("is found");
        assert_eq!(read(&tree, &small).await, b"hello");
        let large = tree.child(drive, inner.no, "large").await.expect("is found");
        assert!(read(&tree, &large).await == bytes(600_000, 1));
        assert_eq!(super::blobs(&tree).await, 1);
        assert!(tree.check().await.expect("checks").is_good());
        tree.close().await;
    }
    let empty = schema().await;
    let refused = Tree::open(options(&empty, data.path())).await.expect_err("is refused");
    assert!(matches!(refused, OpenError::NoDatabase { .. }), "{refused}");
    clean_up().await;
}

#[tokio::test]
#[ignore = "needs DRIVEDAL_TEST_POSTGRES"]
async fn a_database_has_one_server_at_a_time() {
    let (url, data) = (schema().await, tempfile::tempdir().expect("a folder"));
    let first = open(&url, data.path()).await;
    let refused = Tree::open(options(&url, data.path())).await.expect_err("is refused");
    assert!(matches!(refused, OpenError::DatabaseInUse { .. }), "{refused}");
    let text = refused.to_string();
    assert!(text.contains("another drive server uses it, connected from"), "{text}");
    first.close().await;
    open(&url, data.path()).await.close().await;
    clean_up().await;
}

#[tokio::test]
#[ignore = "needs DRIVEDAL_TEST_POSTGRES"]
async fn a_broken_connection_is_opened_again_unless_another_server_was_faster() {
    let (url, data) = (schema().await, tempfile::tempdir().expect("a folder"));
    let tree = Arc::new(open(&url, data.path()).await);
    let drive = tree.drive("").await.expect("a drive").no;
    put(&tree, drive, ROOT, "a", &bytes(40_000, 1)).await;
    break_connection(&url).await;
    put(&tree, drive, ROOT, "b", &bytes(40_000, 2)).await;
    let names: Vec<String> = tree
        .children(drive, ROOT, ListOptions::default())
        .await
        .expect("lists")
        .into_iter()
        .map(|node| node.name)
        .collect();
    assert_eq!(names, ["a", "b"]);

    break_connection(&url).await;
    let other = open(&url, data.path()).await;
    let new = NewItem::default;
    let make = async |tree: &Tree, name| {
        let at = ChildName::new(drive, ROOT, name);
        tree.make(at, NodeKind::Folder, new(), OnConflict::Fail).await
    };
    let error = refusal(make(&tree, "c").await).to_string();
    assert!(error.contains("another drive server uses it"), "{error}");
    other.close().await;
    let error = refusal(make(&tree, "c").await).to_string();
    assert!(error.contains("another drive server has used the database"), "{error}");
    clean_up().await;
}

#[tokio::test]
#[ignore = "needs DRIVEDAL_TEST_POSTGRES"]
async fn names_are_ordered_by_code_points_and_a_nul_character_is_refused() {
    let (url, data) = (schema().await, tempfile::tempdir().expect("a folder"));
    let tree = open(&url, data.path()).await;
    let drive = tree.drive("").await.expect("a drive").no;
    let sorted = ["B", "_", "a", "a-b", "ab", "z", "\u{c4}", "\u{e9}"];
    for name in sorted.iter().rev() {
        folder(&tree, drive, ROOT, &format!("{name}!")).await;
    }
    let listing = ListOptions { order: Order::Name, ..ListOptions::default() };
    let listed = tree.children(drive, ROOT, listing).await.expect("lists");
    let names: Vec<_> = listed.iter().map(|node| node.name.trim_end_matches('!')).collect();
    assert_eq!(names, ["B", "_", "a", "a-b", "ab", "z", "\u{c4}", "\u{e9}"]);
    assert!(matches!(tree.child(drive, ROOT, "a\0").await, Err(TreeError::NotFound)));
    assert_eq!(tree.walk(drive, ROOT, &["B!", "a\0"]).await.expect("walks").len(), 2);
    let new = NewItem { description: Some("a\0b".into()), ..NewItem::default() };
    let at = ChildName::new(drive, ROOT, "described");
    let refused = tree.make(at, NodeKind::Folder, new, OnConflict::Fail).await;
    assert!(matches!(refused, Err(TreeError::BadName(_))), "{refused:?}");
    tree.close().await;
    clean_up().await;
}

#[tokio::test]
#[ignore = "needs DRIVEDAL_TEST_POSTGRES"]
async fn a_database_that_cannot_be_opened_is_explained_without_its_password() {
    let data = tempfile::tempdir().expect("a folder");
    let changed = |change: &dyn Fn(&mut url::Url)| {
        let mut url = url::Url::parse(&server()).expect("a URL");
        url.set_password(Some("hunter2")).expect("has a host");
        change(&mut url);
        String::from(url)
    };
    for (url, reason) in [
        (changed(&|url| url.set_path("/nowhere")), "(create it with `createdb`)"),
        (changed(&|url| url.set_port(Some(1)).expect("has a host")), "it cannot be reached"),
        (changed(&|url| url.set_username("stranger").expect("has a host")), "the sign-in failed"),
        ("mysql://a:hunter2@b/c".into(), "unknown scheme `mysql`"),
    ] {
        let error = Tree::open(options(&url, data.path())).await.expect_err("is refused");
        let text = error.to_string();
        assert!(text.starts_with("cannot ") && text.contains(reason), "{text}");
        assert!(!format!("{text} {error:?}").contains("hunter2"), "{text}");
    }
}
