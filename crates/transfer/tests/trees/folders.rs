//! Local folders: comparison, times, names, links.

use std::{borrow::Cow, fs, sync::Arc, time::Duration};

use drivedal_transfer::{
    CompareBy, CompareOptions, EndpointFeatures, LinkHandling, Plan, StoredTimes, SyncOutcome,
};

use super::{Folder, memory, run};

#[tokio::test]
async fn a_second_sync_sends_nothing() {
    let source = Folder::with(&[("a", "1"), ("d/b", "22"), ("d/e/c", ""), ("empty/", "")]);
    let target = Folder::new();
    let sync = || Plan::sync(source.endpoint(), target.endpoint());
    let first = run(sync()).await;
    assert_eq!((first.outcome(), first.created), (SyncOutcome::Changed, 3));
    assert_eq!(first.folders_created, 1);
    assert_eq!(target.tree(), source.tree());
    let second = run(sync()).await;
    assert_eq!((second.outcome(), second.equal, second.bytes), (SyncOutcome::Equal, 3, 0));
    let time = |folder: &Folder| fs::metadata(folder.path("d/b")).unwrap().modified().unwrap();
    assert_eq!(time(&source), time(&target));
}

#[tokio::test]
async fn a_changed_file_is_replaced_and_a_lacking_one_is_deleted() {
    let source = Folder::with(&[("a", "1"), ("d/b", "22")]);
    let target = Folder::with(&[("a", "0"), ("old/x/y", "3"), ("old/z", "4"), ("gone/", "")]);
    // Equal in size, but not in time.
    target.set_age("a", Duration::from_secs(60));
    let report = run(Plan::sync(source.endpoint(), target.endpoint())).await;
    assert_eq!((report.created, report.replaced, report.deleted), (1, 1, 2));
    assert_eq!(report.folders_deleted, 3);
    assert_eq!(target.tree(), source.tree());
}

#[tokio::test]
async fn a_copy_deletes_nothing() {
    let source = Folder::with(&[("a", "1")]);
    let target = Folder::with(&[("b", "2")]);
    run(Plan::copy(source.endpoint(), target.endpoint())).await;
    assert_eq!(target.tree(), ["a=1", "b=2"]);
}

#[tokio::test]
async fn a_touched_file_with_an_equal_hash_is_not_sent_again() {
    let source = Folder::with(&[("a", "1")]);
    let target = Folder::with(&[("a", "1"), ("b", "2")]);
    target.set_age("a", Duration::from_secs(60));
    let mut compare = CompareOptions::default();
    compare.by = CompareBy::Checksum;
    let report =
        run(Plan::copy(source.endpoint(), target.endpoint()).compare(compare.clone())).await;
    assert_eq!((report.outcome(), report.equal), (SyncOutcome::Equal, 1));
    target.write("a", "0");
    let report = run(Plan::copy(source.endpoint(), target.endpoint()).compare(compare)).await;
    assert_eq!((report.replaced, target.tree()), (1, vec!["a=1".to_owned(), "b=2".to_owned()]));
}

#[tokio::test]
async fn newer_files_of_the_target_stay_with_update() {
    let source = Folder::with(&[("new", "1"), ("old", "1")]);
    let target = Folder::with(&[("new", "22"), ("old", "22")]);
    target.set_age("new", Duration::from_secs(7_200));
    target.set_age("old", Duration::from_secs(60));
    let mut compare = CompareOptions::default();
    compare.update = true;
    let report = run(Plan::copy(source.endpoint(), target.endpoint()).compare(compare)).await;
    assert_eq!((report.replaced, report.kept), (1, 1));
    assert_eq!(target.tree(), ["new=1", "old=22"]);
}

/// A service that ignores case, and forbids `:`.
#[derive(Debug)]
struct Cloud;

impl EndpointFeatures for Cloud {
    fn times(&self) -> StoredTimes {
        StoredTimes::None
    }

    fn collision_key<'n>(&self, name: &'n str) -> Cow<'n, str> {
        Cow::Owned(name.to_lowercase())
    }

    fn has_folders(&self) -> bool {
        true
    }

    fn reject_name(&self, name: &str) -> Option<&'static str> {
        match name {
            "CON" => Some("it is reserved"),
            _ => name.contains(':').then_some("a name cannot have :"),
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn names_that_would_clash_are_refused_and_nothing_is_deleted() {
    use drivedal_transfer::Endpoint;
    let source = Folder::with(&[("README", "1"), ("readme", "2"), ("a", "3"), ("CON", "4")]);
    let operator = memory();
    operator.write("old", "x").await.unwrap();
    operator.write("Readme", "y").await.unwrap();
    let target = Endpoint::new(operator.clone(), "").with_features(Arc::new(Cloud));
    let report = Plan::sync(source.endpoint(), target).run().await.unwrap();
    assert_eq!((report.outcome(), report.failed, report.created), (SyncOutcome::Failed, 3, 1));
    let mut failures: Vec<_> =
        report.failures.iter().map(|failure| failure.cause.to_string()).collect();
    failures.sort();
    assert_eq!(failures[0], "\"README\" would have the same name in memory:");
    assert_eq!(failures[2], "the target rejects the name: it is reserved");
    assert!(operator.exists("old").await.unwrap());
    assert_eq!(operator.read("Readme").await.unwrap().to_vec(), b"y");
}

#[cfg(unix)]
#[tokio::test]
async fn forbidden_characters_are_mapped_and_mapped_back() {
    use drivedal_transfer::Endpoint;
    let source = Folder::with(&[("12:30", "1"), ("d:/a", "2")]);
    let operator = memory();
    let cloud = || Endpoint::new(operator.clone(), "").with_features(Arc::new(Cloud));
    run(Plan::sync(source.endpoint(), cloud())).await;
    assert_eq!(operator.read("12：30").await.unwrap().to_vec(), b"1");
    let again = run(Plan::sync(source.endpoint(), cloud())).await;
    assert_eq!(again.outcome(), SyncOutcome::Equal);
    let back = Folder::new();
    run(Plan::sync(cloud(), back.endpoint())).await;
    assert_eq!(back.tree(), source.tree());
}

#[cfg(unix)]
#[tokio::test]
async fn a_name_in_other_case_is_the_same_file_where_the_target_ignores_case() {
    use drivedal_transfer::Endpoint;
    let source = Folder::with(&[("Readme", "123")]);
    let operator = memory();
    operator.write("README", "old").await.unwrap();
    let target = Endpoint::new(operator.clone(), "").with_features(Arc::new(Cloud));
    let report = run(Plan::sync(source.endpoint(), target)).await;
    assert_eq!((report.equal, report.deleted), (1, 0));
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_failures_are_left_out_or_are_followed() {
    use std::os::unix::fs::symlink;
    let source = Folder::with(&[("a", "1"), ("d/b", "2")]);
    symlink("a", source.path("link")).unwrap();
    symlink("d", source.path("folder")).unwrap();
    let target = Folder::with(&[("link", "old")]);
    let plan = || Plan::sync(source.endpoint(), target.endpoint());
    let failed = plan().run().await.unwrap();
    assert_eq!((failed.failed, failed.created), (2, 2));
    assert_eq!(target.tree(), ["a=1", "d/b=2", "link=old"]);
    let skipped = run(plan().links(LinkHandling::Skip)).await;
    assert_eq!((skipped.skipped, skipped.outcome()), (2, SyncOutcome::Equal));
    assert_eq!(target.tree(), ["a=1", "d/b=2", "link=old"]);
    run(plan().links(LinkHandling::Follow)).await;
    assert_eq!(target.tree(), ["a=1", "d/b=2", "folder/b=2", "link=1"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_of_the_target_is_neither_followed_nor_deleted() {
    use std::os::unix::fs::symlink;
    let outside = Folder::with(&[("keep", "1")]);
    let source = Folder::with(&[("d/new", "2")]);
    let target = Folder::new();
    symlink(outside.path(""), target.path("d")).unwrap();
    symlink(outside.path(""), target.path("other")).unwrap();
    let report = Plan::sync(source.endpoint(), target.endpoint()).run().await.unwrap();
    assert_eq!(report.outcome(), SyncOutcome::Failed);
    assert_eq!(outside.tree(), ["keep=1"]);
    assert!(fs::symlink_metadata(target.path("other")).unwrap().is_symlink());
}

#[tokio::test]
async fn a_large_file_is_read_in_parallel_ranges() {
    use drivedal_transfer::{Endpoint, RunLimits};
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 251) as u8).collect();
    let operator = memory();
    operator.write("big", bytes.clone()).await.unwrap();
    let target = Folder::new();
    let mut limits = RunLimits::default();
    limits.parallel_from = 1 << 20;
    limits.range_size = std::num::NonZeroUsize::new(100_000).unwrap();
    let plan = Plan::copy(Endpoint::new(operator, ""), target.endpoint()).limits(limits);
    let report = run(plan).await;
    assert_eq!(report.bytes, 5_000_000);
    assert_eq!(fs::read(target.path("big")).unwrap(), bytes);
}
