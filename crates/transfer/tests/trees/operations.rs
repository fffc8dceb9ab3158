//! Operations and options.

use std::{fs, time::Duration};

use drivedal_transfer::{
    CompareBy, CompareOptions, DeleteTime, Endpoint, PathFilterBuilder, Plan, RenameTracking,
    SyncEvent, SyncOutcome,
};
use futures::StreamExt;

use super::{Folder, memory, run};

#[tokio::test]
async fn files_are_deleted_at_each_time() {
    for time in [DeleteTime::Before, DeleteTime::During, DeleteTime::After] {
        let source = Folder::with(&[("a", "1"), ("d/b", "2")]);
        let target = Folder::with(&[("c", "3"), ("d/e", "4"), ("f/g", "5")]);
        let report = run(Plan::sync(source.endpoint(), target.endpoint()).delete_time(time)).await;
        assert_eq!((report.created, report.deleted), (2, 3), "{time:?}");
        assert_eq!(target.tree(), source.tree(), "{time:?}");
    }
}

#[tokio::test]
async fn replaced_and_deleted_files_are_moved_to_the_backup_folder() {
    let source = Folder::with(&[("a", "new"), ("same", "x")]);
    let target = Folder::with(&[("now/a", "older"), ("now/d/b", "2"), ("now/same", "x")]);
    fs::File::options()
        .write(true)
        .open(target.path("now/same"))
        .unwrap()
        .set_modified(fs::metadata(source.path("same")).unwrap().modified().unwrap())
        .unwrap();
    let plan = Plan::sync(source.endpoint(), target.endpoint_at("now"))
        .backup_folder(target.endpoint_at("backup"));
    let report = run(plan).await;
    assert_eq!((report.replaced, report.deleted, report.equal), (1, 1, 1));
    assert_eq!(target.tree(), ["backup/a=older", "backup/d/b=2", "now/a=new", "now/same=x"]);
}

#[tokio::test]
async fn the_backup_folder_receives_single_files_under_their_names() {
    let source = Folder::with(&[("a", "new a"), ("b", "new b")]);
    let target = Folder::with(&[("now/a", "old a"), ("now/b", "old b")]);
    for name in ["a", "b"] {
        let to = target.endpoint_at(&format!("now/{name}"));
        let mut compare = CompareOptions::default();
        compare.by = CompareBy::Checksum;
        let plan = Plan::sync(source.endpoint_at(name), to).compare(compare);
        assert_eq!(run(plan.backup_folder(target.endpoint_at("old"))).await.replaced, 1);
    }
    assert_eq!(target.tree(), ["now/a=new a", "now/b=new b", "old/a=old a", "old/b=old b"]);
}

#[tokio::test]
async fn more_deletions_than_allowed_delete_nothing() {
    let source = Folder::with(&[("a", "1")]);
    let target = Folder::with(&[("b", "2"), ("c", "3")]);
    let plan = || Plan::sync(source.endpoint(), target.endpoint());
    let report = run(plan().max_delete(1)).await;
    assert_eq!((report.outcome(), report.deleted), (SyncOutcome::MaxDelete, 0));
    assert_eq!(
        report.delete_refusal.unwrap().to_string(),
        "nothing was deleted: 2 files would be, and the limit is 1"
    );
    assert_eq!(target.tree(), ["a=1", "b=2", "c=3"]);
    assert_eq!(run(plan().max_delete(2)).await.deleted, 2);
}

#[tokio::test]
async fn excluded_files_are_neither_sent_nor_deleted() {
    let source = Folder::with(&[("a.txt", "1"), ("b.log", "2"), ("tmp/x", "3")]);
    let target = Folder::with(&[("b.log", "old"), ("c.log", "4"), ("d.txt", "5"), ("tmp/y", "6")]);
    let filter = || PathFilterBuilder::new().exclude("*.log").exclude("tmp/").build().unwrap();
    let plan = || Plan::sync(source.endpoint(), target.endpoint()).filter(filter());
    let report = run(plan()).await;
    assert_eq!((report.created, report.deleted, report.excluded), (1, 1, 2));
    assert_eq!(target.tree(), ["a.txt=1", "b.log=old", "c.log=4", "tmp/y=6"]);
    run(plan().delete_excluded(true)).await;
    assert_eq!(target.tree(), ["a.txt=1"]);
}

#[tokio::test]
async fn renamed_files_are_renamed_at_the_target() {
    for tracking in [RenameTracking::Hash, RenameTracking::Modified] {
        let source = Folder::with(&[("a", "content"), ("b", "other content")]);
        let target = Folder::new();
        let plan = || Plan::sync(source.endpoint(), target.endpoint());
        run(plan()).await;
        fs::create_dir(source.path("d")).unwrap();
        fs::rename(source.path("a"), source.path("d/renamed")).unwrap();
        let report = run(plan().track_renames(tracking)).await;
        assert_eq!((report.renamed, report.created, report.deleted), (1, 0, 0), "{tracking:?}");
        assert_eq!(target.tree(), source.tree());
        assert_eq!(run(plan()).await.outcome(), SyncOutcome::Equal);
    }
}

#[tokio::test]
async fn a_dry_run_lists_each_action_and_changes_nothing() {
    let source = Folder::with(&[("a", "1"), ("b", "new"), ("e/", "")]);
    let target = Folder::with(&[("b", "2"), ("c", "3")]);
    let before = target.tree();
    let run = Plan::sync(source.endpoint(), target.endpoint()).dry_run(true).start();
    let mut actions: Vec<_> = run
        .filter_map(async |event| match event {
            SyncEvent::Done { action, path, .. } => Some(format!("{action:?} {path}")),
            _ => None,
        })
        .collect()
        .await;
    actions.sort();
    assert_eq!(actions, ["Create a", "CreateFolder e/", "Delete c", "Replace b"]);
    assert_eq!(target.tree(), before);
}

#[tokio::test]
async fn a_move_leaves_only_excluded_files() {
    let source = Folder::with(&[("a", "1"), ("d/b", "2"), ("d/e/c", "3"), ("x.log", "4")]);
    let target = Folder::with(&[("a", "1")]);
    fs::File::options()
        .write(true)
        .open(target.path("a"))
        .unwrap()
        .set_modified(fs::metadata(source.path("a")).unwrap().modified().unwrap())
        .unwrap();
    let plan = Plan::move_files(source.endpoint(), target.endpoint())
        .filter(PathFilterBuilder::new().exclude("*.log").build().unwrap())
        .delete_empty_sources(true);
    let report = run(plan).await;
    assert_eq!((report.created, report.equal), (2, 1));
    assert_eq!(source.tree(), ["x.log=4"]);
    assert_eq!(target.tree(), ["a=1", "d/b=2", "d/e/c=3"]);
}

#[tokio::test]
async fn a_move_between_services_deletes_the_source_after_the_copy() {
    let operator = memory();
    operator.write("d/a", "1").await.unwrap();
    let target = Folder::new();
    let report =
        run(Plan::move_files(Endpoint::new(operator.clone(), ""), target.endpoint())).await;
    assert_eq!((report.created, report.sources_deleted, report.bytes), (1, 1, 1));
    assert_eq!(target.tree(), ["d/a=1"]);
    assert!(!operator.exists("d/a").await.unwrap());
}

#[tokio::test]
async fn a_check_finds_each_kind_of_difference() {
    let source = Folder::with(&[("equal", "1"), ("size", "1"), ("content", "1"), ("mine/a", "")]);
    let target = Folder::with(&[("equal", "1"), ("size", "22"), ("content", "2"), ("yours/b", "")]);
    for by in [CompareBy::Checksum, CompareBy::Content] {
        let mut compare = CompareOptions::default();
        compare.by = by;
        let plan = || Plan::check(source.endpoint(), target.endpoint()).compare(compare.clone());
        let mut report = run(plan()).await;
        assert_eq!(report.outcome(), SyncOutcome::Differences);
        assert_eq!((report.equal, report.differing), (1, 2), "{by:?}");
        assert_eq!((report.only_source, report.only_target), (1, 1));
        report = run(plan().one_way(true)).await;
        assert_eq!((report.only_source, report.only_target), (1, 0));
    }
    let report = run(Plan::check(source.endpoint(), source.endpoint())).await;
    assert_eq!((report.outcome(), report.equal), (SyncOutcome::Equal, 4));
}

#[tokio::test]
async fn a_single_file_is_copied_to_its_new_path() {
    let source = Folder::with(&[("d/a", "1")]);
    let target = Folder::with(&[("folder/x", "2")]);
    let plan = |path| Plan::copy(source.endpoint_at("d/a"), target.endpoint_at(path));
    let report = run(plan("new/b")).await;
    assert_eq!((report.created, target.tree()), (1, vec!["folder/x=2".into(), "new/b=1".into()]));
    assert_eq!(run(plan("new/b")).await.outcome(), SyncOutcome::Equal);
    assert!(plan("folder").run().await.is_err());
}

#[tokio::test]
async fn a_list_of_files_limits_the_run_to_them() {
    let source = Folder::with(&[("a", "1"), ("b", "2"), ("d/c", "3"), ("d/e", "4")]);
    let target = Folder::with(&[("x", "5")]);
    let filter = PathFilterBuilder::new().only(["b", "d/c"]).build().unwrap();
    run(Plan::sync(source.endpoint(), target.endpoint()).filter(filter)).await;
    assert_eq!(target.tree(), ["b=2", "d/c=3", "x=5"]);
}

#[tokio::test]
async fn an_upload_time_that_is_newer_is_equal() {
    let source = Folder::with(&[("a", "1")]);
    let operator = memory();
    let features = std::sync::Arc::new(UploadTimes);
    let target = || Endpoint::new(operator.clone(), "").with_features(features.clone());
    run(Plan::sync(source.endpoint(), target())).await;
    assert_eq!(run(Plan::sync(source.endpoint(), target())).await.outcome(), SyncOutcome::Equal);
    // The service lists the time of one minute ago, and the file changed after that.
    source.set_age("a", Duration::ZERO);
    assert_eq!(run(Plan::sync(source.endpoint(), target())).await.replaced, 1);
}

/// A service that lists the time of one minute ago for each file.
#[derive(Debug)]
struct UploadTimes;

impl drivedal_transfer::EndpointFeatures for UploadTimes {
    fn modified(&self, _: &opendal::Metadata) -> Option<jiff::Timestamp> {
        jiff::Timestamp::now().checked_sub(Duration::from_secs(60)).ok()
    }
}
