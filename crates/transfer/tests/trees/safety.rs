//! Runs that are interrupted, and plans that are refused.

use std::{
    borrow::Cow,
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use drivedal_transfer::{
    Endpoint, EndpointFeatures, OmittedEntry, Operation, Plan, PlanError, RunLimits, SyncEvent,
    SyncOutcome,
};
use futures::{FutureExt, StreamExt};
use opendal::Operator;

use super::{Folder, memory, run};

#[tokio::test]
async fn a_source_that_does_not_exist_is_an_error_and_not_an_empty_folder() {
    let source = Folder::new();
    let target = Folder::with(&[("a", "1")]);
    let missing = Plan::sync(source.endpoint_at("missing"), target.endpoint()).run().await;
    assert!(matches!(missing, Err(PlanError::SourceMissing { .. })));
    let missing = Plan::sync(Endpoint::new(memory(), "missing"), target.endpoint()).run().await;
    let error = missing.unwrap_err();
    assert_eq!(error.to_string(), "cannot read memory:missing: it does not exist");
    assert_eq!(target.tree(), ["a=1"]);
}

#[tokio::test]
async fn a_sync_from_an_empty_service_is_refused() {
    let target = Folder::with(&[("a", "1")]);
    let empty = Endpoint::new(memory(), "");
    let refused = Plan::sync(empty.clone(), target.endpoint()).run().await.unwrap_err();
    assert_eq!(refused.to_string(), "cannot sync from memory:: it is empty, or does not exist");
    assert_eq!(run(Plan::copy(empty, target.endpoint())).await.outcome(), SyncOutcome::Equal);
    assert_eq!(target.tree(), ["a=1"]);
}

#[tokio::test]
async fn an_empty_folder_is_a_source() {
    let source = Folder::with(&[("empty/", "")]);
    let target = Folder::with(&[("a", "1")]);
    run(Plan::sync(source.endpoint_at("empty"), target.endpoint())).await;
    assert_eq!(target.tree(), [""; 0]);
}

#[tokio::test]
async fn one_endpoint_inside_the_other_is_refused() {
    let folder = Folder::with(&[("d/a", "1")]);
    for (from, to) in [("", "d"), ("d", ""), ("d", "d"), ("d", "d/new")] {
        let plan = Plan::sync(folder.endpoint_at(from), folder.endpoint_at(to));
        assert!(matches!(plan.run().await, Err(PlanError::Overlap { .. })), "{from} {to}");
    }
    let plan = Plan::sync(folder.endpoint_at("d"), folder.endpoint_at("e"))
        .backup_folder(folder.endpoint_at("e/backup"));
    assert!(matches!(plan.run().await, Err(PlanError::Overlap { .. })));
    let plan = Plan::sync(folder.endpoint_at("d"), folder.endpoint_at("e"))
        .backup_folder(Endpoint::new(memory(), ""));
    assert!(matches!(plan.run().await, Err(PlanError::BackupElsewhere { .. })));
    assert_eq!(folder.tree(), ["d/a=1"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_cannot_be_read_prevents_all_deletions() {
    use std::os::unix::ffi::OsStrExt;
    let source = Folder::with(&[("a", "1")]);
    let unreadable = source.path("").join(std::ffi::OsStr::from_bytes(b"\xff"));
    fs::write(&unreadable, "x").unwrap();
    let target = Folder::with(&[("old", "2")]);
    let plan = || Plan::sync(source.endpoint(), target.endpoint()).ignore_errors(true);
    let report = plan().run().await.unwrap();
    assert_eq!((report.outcome(), report.deleted), (SyncOutcome::Failed, 0));
    assert_eq!(target.tree(), ["a=1", "old=2"]);
    fs::remove_file(unreadable).unwrap();
    run(plan()).await;
    assert_eq!(target.tree(), ["a=1"]);
}

/// A service that leaves an entry out of its listings.
#[derive(Debug)]
struct Omitting(Mutex<Vec<OmittedEntry>>);

impl EndpointFeatures for Omitting {
    fn has_folders(&self) -> bool {
        true
    }

    fn take_omitted(&self) -> Vec<OmittedEntry> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn entries_that_a_listing_omits_are_reported_for_their_side() {
    let operator = memory();
    operator.write("from/a", "1").await.unwrap();
    operator.write("to/old", "2").await.unwrap();
    let run = async |omitted: &str, plan: fn(Endpoint, Endpoint) -> Plan| {
        let omitted = OmittedEntry::new(omitted, "a reason");
        let features = Arc::new(Omitting(Mutex::new(vec![omitted])));
        let at = |path| Endpoint::new(operator.clone(), path).with_features(features.clone());
        plan(at("from"), at("to")).run().await.unwrap()
    };
    let plans: [fn(Endpoint, Endpoint) -> Plan; 2] =
        [Plan::check, |from, to| Plan::sync(from, to).ignore_errors(true)];
    for plan in plans {
        for (path, name) in [("from/x", "memory:from/x"), ("to/x", "memory:to/x")] {
            let report = run(path, plan).await;
            let failures: Vec<_> = report.failures.iter().map(ToString::to_string).collect();
            assert_eq!(failures, [format!("cannot read {name}: a reason")]);
            if report.operation == Operation::Sync {
                // Only an incomplete source prevents deletions.
                assert_eq!(report.deleted, u64::from(path == "to/x"), "{path}");
            }
        }
        assert_eq!(run("elsewhere/x", plan).await.failed, 0);
    }
}

/// A service that deletes folders with everything in them. Another client adds a file to the folder
/// `old` once it is listed.
#[derive(Debug)]
struct Recursive(Operator);

impl EndpointFeatures for Recursive {
    fn has_folders(&self) -> bool {
        true
    }

    fn deletes_recursively(&self) -> bool {
        true
    }

    fn collision_key<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if name == "listed" {
            let written = self.0.write("old/new", "2").now_or_never().expect("no wait");
            written.expect("written");
        }
        name.into()
    }
}

#[tokio::test]
async fn a_folder_in_which_another_client_adds_a_file_is_not_deleted() {
    let source = Folder::with(&[("a", "1")]);
    let operator = memory();
    operator.write("old/listed", "1").await.unwrap();
    operator.write("empty/file", "1").await.unwrap();
    let features = Arc::new(Recursive(operator.clone()));
    let target = Endpoint::new(operator.clone(), "").with_features(features);
    let report = Plan::sync(source.endpoint(), target).run().await.unwrap();
    let failures: Vec<_> = report.failures.iter().map(ToString::to_string).collect();
    assert_eq!(failures, ["cannot delete memory:old/: the folder is not empty"]);
    assert_eq!((report.deleted, report.folders_deleted), (2, 1));
    assert!(operator.exists("old/new").await.unwrap());
}

#[tokio::test]
async fn a_cancelled_run_leaves_the_old_file_and_the_next_run_completes() {
    let big = "x".repeat(20 << 20);
    let source = Folder::with(&[("big", &big)]);
    let target = Folder::with(&[("big", "old")]);
    let plan = || {
        let mut limits = RunLimits::default();
        // Slow enough that the run does not end before it is cancelled.
        limits.bandwidth = Some(3 << 20);
        Plan::sync(source.endpoint(), target.endpoint()).limits(limits)
    };
    let mut active = plan().start();
    let progress = active.progress();
    assert!(matches!(active.next().await, Some(SyncEvent::Begin { .. })));
    let partial = async {
        let is_partial = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().file_name().to_str().unwrap().starts_with(".drivedal-sync")
        };
        while !fs::read_dir(target.path("")).unwrap().any(is_partial) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), partial).await.expect("a partial file");
    assert_eq!(progress.snapshot().active[0].path, "big");
    drop(active);
    let removed = async {
        while fs::read_dir(target.path("")).unwrap().count() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), removed).await.expect("the file is removed");
    assert_eq!(target.tree(), ["big=old"]);
    // A process that was killed cannot remove its file. The next run does.
    fs::write(target.path(".drivedal-sync0123456789.partial"), "half").unwrap();
    run(plan().limits(RunLimits::default())).await;
    assert_eq!(target.tree(), source.tree());
}
