use futures::TryStreamExt;
use opendal::{ErrorKind as OpendalKind, Lister};

use super::*;
use crate::adapter::DriveHandle;

const AGE: Duration = Duration::from_secs(10);

fn rig(paths: bool) -> (MemoryDrive, Operator, DriveHandle) {
    let drive = without_sessions(paths);
    let (operator, handle) = rig_of(&drive);
    (drive, operator, handle)
}

/// Creates folders and files, and opens the drive.
fn rig_of(drive: &MemoryDrive) -> (Operator, DriveHandle) {
    for path in ["a", "a/b", "a/c"] {
        drive.insert_folder(path);
    }
    for (parent, name) in [("a", "1"), ("a/b", "2"), ("a/c", "3")] {
        drive.insert_file(parent, name, "x");
    }
    let settings = ServiceSettings { index_ttl: AGE, ..ServiceSettings::new("memory-drive", "") };
    let service = DriveService::new(Arc::new(drive.clone()), settings);
    let handle = service.handle();
    let operator = Operator::from_parts(opendal::OperationContext::new(), Arc::new(service));
    (operator, handle)
}

fn status(kind: ErrorKind, status: u16) -> Error {
    Error::new(kind, "planned").with_status(status)
}

async fn entries(mut lister: Lister) -> (Vec<String>, Option<opendal::Error>) {
    let mut paths = Vec::new();
    let error = loop {
        match lister.try_next().await {
            Ok(Some(entry)) => paths.push(entry.path().to_owned()),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    paths.sort();
    (paths, error)
}

async fn tree(operator: &Operator, path: &str) -> (Vec<String>, Option<opendal::Error>) {
    entries(operator.lister_with(path).recursive(true).await.unwrap()).await
}

#[tokio::test]
async fn a_folder_that_cannot_be_listed_is_named_when_the_others_are_done() {
    for paths in [true, false] {
        for failure in [status(ErrorKind::NotFound, 404), status(ErrorKind::PermissionDenied, 403)]
        {
            let (drive, operator, _) = rig(paths);
            for fault in [VerbFault::Pass, VerbFault::Before(failure.clone())] {
                drive.plan(Verb::List, fault);
            }
            if failure.kind() == ErrorKind::NotFound {
                // The other subfolder is listed, and then the first one again.
                drive.plan(Verb::List, VerbFault::Pass);
                drive.plan(Verb::List, VerbFault::Before(failure.clone()));
            }
            let (shown, error) = tree(&operator, "a/").await;
            assert_eq!(shown.len(), 5, "{shown:?}");
            let error = error.expect("a folder is missing");
            assert_ne!(error.kind(), OpendalKind::NotFound);
            assert!(error.to_string().contains("cannot list the folder \"a/"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_folder_that_was_deleted_during_the_listing_is_no_failure() {
    let (drive, operator, _) = rig(true);
    drive.plan(Verb::List, VerbFault::Pass);
    let list = drive.hold(Verb::List);
    let held = tokio::spawn({
        let operator = operator.clone();
        async move { tree(&operator, "a/").await }
    });
    // The listing of `a` and those of its two folders.
    drive.wait_for_calls(Verb::List, 3).await;
    drive.remove_item("a/b");
    drive.remove_item("a/c");
    list.release();
    let (_, error) = held.await.unwrap();
    assert!(error.is_none(), "{error:?}");
}

#[tokio::test]
async fn a_listing_that_is_not_found_is_an_error_if_the_folder_is_there() {
    for paths in [true, false] {
        for path in ["a/", "/"] {
            let (drive, operator, _) = rig(paths);
            for _ in 0..2 {
                drive.plan(Verb::List, VerbFault::Before(status(ErrorKind::NotFound, 404)));
            }
            let error = operator.list(path).await.unwrap_err();
            assert_eq!(error.kind(), OpendalKind::Unexpected, "{error}");
        }
        let (drive, operator, _) = rig(paths);
        assert!(operator.list("missing/").await.unwrap().is_empty());
        assert!(operator.list("a/missing/below/").await.unwrap().is_empty());
        drop(drive);
    }
}

#[tokio::test]
async fn a_folder_created_between_the_requests_of_its_listing_is_listed_again() {
    for paths in [true, false] {
        for recursive in [true, false] {
            let (drive, operator, _) = rig(paths);
            drive.plan(Verb::List, VerbFault::Before(status(ErrorKind::NotFound, 404)));
            let listed = operator.list_with("a/b/").recursive(recursive).await.unwrap();
            let paths: Vec<_> = listed.iter().map(|entry| entry.path()).collect();
            assert_eq!(paths, ["a/b/", "a/b/2"]);
        }
    }
}

#[tokio::test]
async fn a_name_is_not_missing_because_its_folder_was_not_found() {
    let (drive, operator, _) = rig(false);
    drive.plan(Verb::Child, VerbFault::Before(status(ErrorKind::NotFound, 404)));
    let error = operator.stat("a/1").await.unwrap_err();
    assert_eq!(error.kind(), OpendalKind::Unexpected, "{error}");
    assert!(operator.exists("a/1").await.unwrap());
}

#[tokio::test]
async fn a_file_is_not_an_empty_folder() {
    let variants = [(true, false), (true, true), (false, false), (false, true)];
    for (paths, files_are_listable) in variants {
        let drive = without_sessions(paths);
        let drive = if files_are_listable { drive.with_listable_files() } else { drive };
        let (operator, _) = rig_of(&drive);
        drive.insert_folder("a/empty");
        for recursive in [true, false] {
            let listed = operator.list_with("a/1/").recursive(recursive).await;
            assert_eq!(listed.unwrap_err().kind(), OpendalKind::NotADirectory);
        }
        assert_eq!(operator.list("a/empty/").await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn entries_without_a_usable_name_are_left_out_and_reported_once() {
    let (drive, operator, handle) = rig(true);
    for name in ["..", "x/y", "twice"] {
        drive.insert_file("a", name, "x");
    }
    drive.insert_duplicate("a", "twice", "twin");
    let (shown, error) = entries(operator.lister("a/").await.unwrap()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(shown, ["a/", "a/1", "a/b/", "a/c/", "a/twice"]);
    let left_out = handle.take_left_out();
    let names: Vec<_> = left_out.iter().map(|entry| &*entry.name).collect();
    assert_eq!(names, ["..", "x/y", "twice"]);
    assert!(left_out.iter().all(|entry| entry.folder == "a/"));
    let twins: Vec<_> = left_out.iter().map(|entry| entry.twin.as_ref()).collect();
    assert!(twins[..2].iter().all(Option::is_none), "{twins:?}");
    assert!(twins[2].is_some_and(|twin| twin.name == "twice" && twin.id != left_out[2].id));
    assert!(handle.take_left_out().is_empty());
}

#[tokio::test]
async fn a_retry_layer_repeats_a_temporary_failure() {
    let (drive, operator, _) = rig(true);
    drive.plan(Verb::List, VerbFault::Pass);
    drive.plan(Verb::List, VerbFault::Before(temporary_error()));
    let layer = opendal::layers::RetryLayer::new().with_min_delay(Duration::from_millis(1));
    let (shown, error) = tree(&operator.layer(layer), "a/").await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(shown, ["a/", "a/1", "a/b/", "a/b/2", "a/c/", "a/c/3"]);
}
