use std::time::Instant;

use super::*;
use crate::{
    adapter::{DriveHandle, index::FolderKey, state::DESTRUCTIVE_MAX_AGE},
    drive::{Item, ItemKind},
};

const AGE: Duration = Duration::from_secs(10);

fn by_id() -> (MemoryDrive, Operator) {
    let drive = MemoryDrive::by_id();
    let operator = operator(&drive, AGE);
    (drive, operator)
}

fn count(log: &[String], verb: &str) -> usize {
    log.iter().filter(|line| line.starts_with(verb)).count()
}

#[tokio::test]
async fn a_second_walk_requests_only_the_item() {
    let (drive, op) = by_id();
    drive.insert_folder("a");
    drive.insert_file("a", "b", "x");
    op.stat("a/b").await.unwrap();
    assert_eq!(drive.take_calls(), ["child a", "child a/b"]);
    op.stat("A/B").await.unwrap();
    assert_eq!(drive.take_calls(), ["item a/b"]);
}

#[tokio::test]
async fn a_missing_name_is_cached_until_it_is_created() {
    let (drive, op) = by_id();
    drive.insert_folder("a");
    assert!(!op.exists("a/b").await.unwrap());
    drive.take_calls();
    assert!(!op.exists("a/b").await.unwrap());
    assert!(drive.take_calls().is_empty(), "all of the folder was seen just now");
    op.write("a/b", "x").await.unwrap();
    assert!(op.exists("a/b").await.unwrap());
}

#[tokio::test]
async fn with_a_maximum_age_of_zero_every_path_is_resolved_from_the_root() {
    let drive = MemoryDrive::by_id();
    let op = operator(&drive, Duration::ZERO);
    drive.insert_folder("a");
    drive.insert_file("a", "b", "x");
    op.stat("a/b").await.unwrap();
    drive.take_calls();
    drive.rename_item("a", "c");
    drive.insert_folder("a");
    assert!(!op.exists("a/b").await.unwrap());
    assert_eq!(op.read("c/b").await.unwrap().to_vec(), b"x");
}

#[tokio::test]
async fn a_stale_id_costs_one_more_walk_and_no_wrong_answer() {
    let (drive, op) = by_id();
    drive.insert_folder("a");
    drive.insert_file("a", "b", "old");
    op.stat("a/b").await.unwrap();
    // Another client replaces the folder.
    let other = operator(&drive, AGE);
    other.delete_with("a/").recursive(true).await.unwrap();
    drive.insert_folder("a");
    drive.insert_file("a", "b", "new");
    assert_eq!(op.read("a/b").await.unwrap().to_vec(), b"new");
    assert_eq!(op.stat("a/b").await.unwrap().content_length(), 3);
    op.write("a/c", "x").await.unwrap();
    assert_eq!(drive.content("a/c").unwrap(), b"x");
}

#[tokio::test]
async fn a_write_into_a_folder_that_was_replaced_finds_the_new_one() {
    let (drive, op) = by_id();
    drive.insert_folder("a");
    op.write("a/first", "1").await.unwrap();
    operator(&drive, AGE).delete_with("a/").recursive(true).await.unwrap();
    drive.insert_folder("a");
    op.write("a/second", "2").await.unwrap();
    assert_eq!(drive.content("a/second").unwrap(), b"2");
}

#[tokio::test]
async fn a_delete_revalidates_an_item_that_was_cached_a_while_ago() {
    let drive = MemoryDrive::by_id();
    let service =
        DriveService::new(Arc::new(drive.clone()), ServiceSettings::new("memory-drive", ""));
    let id = drive.insert_file("", "a", "mine");
    let seen = Instant::now() - 2 * DESTRUCTIVE_MAX_AGE;
    let item = Arc::new(Item::new(id, "a", ItemKind::File));
    service.state.index.insert(&FolderKey::Id(drive.id_of("").unwrap()), "A".into(), item, seen);
    let op = Operator::from_parts(opendal::OperationContext::new(), Arc::new(service));
    drive.rename_item("a", "b");
    drive.insert_file("", "a", "theirs");
    op.delete("a").await.unwrap();
    assert_eq!(
        drive.content("b").unwrap(),
        b"mine",
        "renamed by another client: not what was meant"
    );
    assert!(drive.content("a").is_none());
}

#[tokio::test]
async fn concurrent_writers_create_each_folder_once() {
    let (drive, op) = by_id();
    let writes = (0..20).map(|n| {
        let op = op.clone();
        async move { op.write(&format!("x/y/{n}"), "z").await }
    });
    futures::future::try_join_all(writes).await.unwrap();
    let log = drive.take_calls();
    assert_eq!(
        (count(&log, "create_folder x"), count(&log, "create_folder x/y")),
        (2, 1),
        "{log:?}"
    );
    assert_eq!(op.list("x/y/").await.unwrap().len(), 21);
}

#[tokio::test]
async fn an_item_created_while_its_folder_is_listed_stays_in_the_index() {
    let (drive, op) = by_id();
    drive.insert_folder("a");
    for (verb, path) in [(Verb::CreateFolder, "a/folder/"), (Verb::Upload, "a/file")] {
        assert!(!op.exists(path).await.unwrap());
        drive.take_calls();
        let creation = drive.hold(verb);
        let list = drive.hold_response(Verb::List);
        let making = tokio::spawn({
            let op = op.clone();
            async move {
                match path.ends_with('/') {
                    true => op.create_dir(path).await.unwrap(),
                    false => drop(op.write(path, "x").await.unwrap()),
                }
            }
        });
        creation.reached().await;
        // It begins later and sees less.
        let listing = tokio::spawn({
            let op = op.clone();
            async move { op.list("a/").await.unwrap() }
        });
        list.reached().await;
        creation.release();
        making.await.unwrap();
        list.release();
        listing.await.unwrap();
        assert!(op.exists(path).await.unwrap(), "{path}");
    }
}

#[tokio::test]
async fn a_folder_created_by_another_client_meanwhile_is_found() {
    let (drive, op) = by_id();
    assert!(!op.exists("x").await.unwrap());
    drive.insert_folder("x");
    op.write("x/f", "1").await.unwrap();
    assert_eq!(drive.content("x/f").unwrap(), b"1");
}

#[tokio::test]
async fn a_delete_deletes_the_named_item_and_nothing_else() {
    for paths in [false, true] {
        let drive = without_sessions(paths);
        let op = operator(&drive, AGE);
        drive.insert_folder("p");
        drive.insert_file("p", "x", "1");
        drive.insert_file("", "pq", "2");
        drive.insert_folder("empty");
        let kind = |result: opendal::Result<()>| result.unwrap_err().kind();
        assert_eq!(kind(op.delete("p").await), opendal::ErrorKind::IsADirectory);
        assert_eq!(kind(op.delete("p/").await), opendal::ErrorKind::Conflict);
        op.delete("pq/").await.unwrap();
        op.delete("missing").await.unwrap();
        assert!(drive.content("p/x").is_some() && drive.content("pq").is_some());
        op.delete("empty/").await.unwrap();
        assert!(drive.id_of("empty").is_none());
        op.delete_with("p").recursive(true).await.unwrap();
        assert!(drive.id_of("p").is_none() && drive.content("pq").is_some(), "paths: {paths}");
    }
}

#[tokio::test]
async fn a_recursive_delete_of_the_root_leaves_the_root() {
    let (drive, op) = by_id();
    op.write("a/b", "1").await.unwrap();
    op.write("c", "1").await.unwrap();
    op.delete_with("/").recursive(true).await.unwrap();
    assert_eq!(op.list("/").await.unwrap().len(), 1);
    assert_eq!(drive.paths(), Vec::<String>::new());
    op.write("a/b", "2").await.unwrap();
    assert_eq!(drive.content("a/b").unwrap(), b"2");
}

#[tokio::test]
async fn a_rename_replaces_a_file_and_never_a_folder() {
    for paths in [false, true] {
        let drive = without_sessions(paths);
        let op = operator(&drive, AGE);
        drive.insert_file("", "a", "a");
        drive.insert_file("", "b", "b");
        drive.insert_folder("d");
        op.rename("a", "A").await.unwrap();
        op.rename("A", "b").await.unwrap();
        assert_eq!(drive.content("b").unwrap(), b"a");
        let error = op.rename("b", "d").await.unwrap_err();
        assert_eq!(error.kind(), opendal::ErrorKind::IsADirectory);
        let error = op.rename("d", "d/e").await.unwrap_err();
        assert_eq!(error.kind(), opendal::ErrorKind::Conflict);
        op.rename("d", "x/y/d").await.unwrap();
        assert_eq!(drive.paths(), ["b", "x/", "x/y/", "x/y/d/"], "paths: {paths}");
    }
}

#[tokio::test]
async fn names_that_the_cloud_refuses_are_refused_before_anything_is_sent() {
    let (drive, op) = by_id();
    let error = op.write("what?", "x").await.unwrap_err();
    assert_eq!(error.kind(), opendal::ErrorKind::Unsupported);
    assert!(error.to_string().contains("has one of the characters"), "{error}");
    assert!(op.write("a/../b", "x").await.is_err());
    assert!(drive.take_calls().is_empty());
}

#[tokio::test]
async fn an_id_leads_back_to_its_path() {
    let drive = MemoryDrive::by_id();
    let service = DriveService::new(
        Arc::new(drive.clone()),
        ServiceSettings { root: "/a".into(), ..ServiceSettings::new("memory-drive", "") },
    );
    let handle: DriveHandle = service.handle();
    let op = Operator::from_parts(opendal::OperationContext::new(), Arc::new(service));
    op.write("b/c", "1").await.unwrap();
    let item = handle.item(&op, "b/c").await.unwrap();
    assert_eq!(handle.path_of(&op, &item.id).await.unwrap(), "b/c");
    let id = drive.insert_file("", "outside", "");
    let outside = operator(&drive, AGE);
    outside.stat("outside").await.unwrap();
    assert_eq!(handle.path_of(&op, &id).await.unwrap_err().kind(), opendal::ErrorKind::NotFound);
}
