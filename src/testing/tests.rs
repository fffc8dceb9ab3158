//! Tests of faults, holds and the log. `drivedal-conformance` tests the drive itself.

use std::time::Duration;

use futures::TryStreamExt;
use opendal::{Buffer, OperationContext};

use super::{MemoryDrive, Verb, VerbFault, temporary_error};
use crate::drive::{
    Body, ByteRange, Context, DownloadRequest, Drive, Error, ErrorKind, IfExists, ItemRef,
    ItemUpdate, SessionProgress, Target, WriteOptions,
};

fn cx() -> Context {
    Context::from(&OperationContext::new())
}

fn root(drive: &MemoryDrive) -> ItemRef {
    ItemRef::from_id(&drive.id_of("").unwrap())
}

fn target(drive: &MemoryDrive, name: &str) -> Target {
    Target::new(root(drive), name)
}

async fn upload(drive: &MemoryDrive, name: &str, content: &'static str) -> Result<(), Error> {
    let body = Body::Memory(Buffer::from(content));
    drive.upload(&cx(), &target(drive, name), body, &WriteOptions::default()).await.map(drop)
}

#[tokio::test]
async fn faults_apply_in_order_and_only_to_their_verb() {
    let drive = MemoryDrive::by_id();
    drive.plan(Verb::Upload, VerbFault::Pass);
    drive.plan(Verb::Upload, VerbFault::Before(temporary_error()));
    drive.plan(Verb::Upload, VerbFault::After(temporary_error()));
    upload(&drive, "a", "1").await.unwrap();
    assert!(drive.quota(&cx()).await.is_ok());
    let error = upload(&drive, "b", "2").await.unwrap_err();
    assert_eq!(error.to_string(), "upload: 503: planned failure, try again");
    assert_eq!(drive.paths(), ["a"]);
    upload(&drive, "c", "3").await.unwrap_err();
    assert_eq!((drive.paths(), drive.planned()), (vec!["a".to_owned(), "c".to_owned()], 0));
    assert_eq!(drive.take_calls(), ["upload a", "quota", "upload b", "upload c"]);
    assert_eq!(drive.call_count(Verb::Upload), 0);
}

#[tokio::test]
async fn a_cleared_plan_has_no_effect_and_releases_the_test() {
    let drive = MemoryDrive::by_id();
    drive.plan(Verb::Upload, VerbFault::Before(temporary_error()));
    let held = drive.hold(Verb::Upload);
    drive.clear_plan();
    held.reached().await;
    upload(&drive, "a", "1").await.unwrap();
}

#[tokio::test]
async fn a_held_call_waits_before_its_effect_or_after_it() {
    for after in [false, true] {
        let drive = MemoryDrive::by_id();
        let held = if after { drive.hold_response(Verb::Upload) } else { drive.hold(Verb::Upload) };
        let uploaded = tokio::spawn({
            let drive = drive.clone();
            async move { upload(&drive, "a", "1").await }
        });
        held.reached().await;
        assert_eq!(drive.content("a").is_some(), after);
        assert!(!uploaded.is_finished());
        if after {
            held.release();
        } else {
            drop(held);
        }
        uploaded.await.unwrap().unwrap();
        assert_eq!(drive.content("a").unwrap(), b"1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_takes_its_time() {
    let drive = MemoryDrive::by_id();
    drive.plan(Verb::Upload, VerbFault::Slow(Duration::from_secs(60)));
    let started = tokio::time::Instant::now();
    upload(&drive, "a", "1").await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test]
async fn a_download_breaks_off_where_planned() {
    let drive = MemoryDrive::by_id();
    let file = ItemRef::from_id(&drive.insert_file("", "a", "0123456789"));
    for (fault, expected) in [
        (VerbFault::Halfway(temporary_error()), &b"01234"[..]),
        (VerbFault::AfterBytes(3, temporary_error()), b"012"),
    ] {
        drive.plan(Verb::Download, fault);
        let request = DownloadRequest::new(&file).with_range(ByteRange::Full);
        let mut bytes = drive.download(&cx(), request).await.unwrap().bytes;
        let mut received = Vec::new();
        let error = loop {
            match bytes.try_next().await {
                Ok(Some(piece)) => received.extend(piece.to_vec()),
                Ok(None) => panic!("the download is complete"),
                Err(error) => break error,
            }
        };
        assert!(error.is_temporary());
        assert_eq!(received, expected);
    }
}

#[tokio::test]
async fn a_fragment_that_breaks_off_leaves_its_aligned_part() {
    let drive = MemoryDrive::by_path();
    let options = WriteOptions::default();
    let opened = drive.open_session(&cx(), &target(&drive, "a"), 65_536, &options).await;
    let mut session = opened.unwrap();
    drive.plan(Verb::SendFragment, VerbFault::AfterBytes(40_000, temporary_error()));
    let bytes = Buffer::from(vec![7; 65_536]);
    drive.send_fragment(&cx(), &mut session, 0, bytes.clone()).await.unwrap_err();
    let progress = drive.session_status(&cx(), &session).await.unwrap();
    assert!(matches!(progress, SessionProgress::Next(32_768)), "{progress:?}");
    let rest = bytes.slice(32_768..);
    let progress = drive.send_fragment(&cx(), &mut session, 32_768, rest).await.unwrap();
    assert!(matches!(progress, SessionProgress::Done(_)), "{progress:?}");
    assert_eq!(drive.content("a").unwrap().len(), 65_536);
}

#[tokio::test]
async fn fragments_are_checked_as_a_cloud_does() {
    let drive = MemoryDrive::by_path();
    let (cx, options) = (cx(), WriteOptions::default());
    let opened = drive.open_session(&cx, &target(&drive, "a"), 3 << 20, &options).await;
    let mut session = opened.unwrap();
    for (offset, len, kind) in [
        (65_536, 65_536, ErrorKind::RangeNotSatisfied),
        (0, 65_537, ErrorKind::InvalidInput),
        (0, (1 << 20) + 65_536, ErrorKind::InvalidInput),
        (0, 4 << 20, ErrorKind::InvalidInput),
        (0, 0, ErrorKind::InvalidInput),
    ] {
        let bytes = Buffer::from(vec![0; len]);
        let error = drive.send_fragment(&cx, &mut session, offset, bytes).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{offset}+{len}: {error}");
    }
    let error = MemoryDrive::by_path().session_status(&cx, &session).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "of another drive");
}

#[tokio::test]
async fn a_clone_is_another_client_of_the_same_items() {
    let drive = MemoryDrive::by_path();
    let other = drive.clone().without_sessions();
    upload(&other, "a", "1").await.unwrap();
    assert_eq!(drive.content("a").unwrap(), b"1");
    let (cx, target, options) = (cx(), target(&drive, "b"), WriteOptions::default());
    let error = other.open_session(&cx, &target, 1, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    drive.open_session(&cx, &target, 1, &options).await.unwrap();
}

#[tokio::test]
async fn a_failed_write_leaves_no_folder_behind() {
    let drive = MemoryDrive::by_path();
    let base = drive.id_of("").unwrap();
    let folder = ItemRef::Path { base, path: "new/folder".into() };
    for name in ["a:b", "dot."] {
        let (body, options) = (Body::Memory(Buffer::new()), WriteOptions::default());
        let target = Target::new(folder.clone(), name);
        let error = drive.upload(&cx(), &target, body, &options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    assert_eq!(drive.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_that_is_taken_is_numbered_on_request() {
    let drive = MemoryDrive::by_path();
    drive.insert_file("", "a.txt", "1");
    drive.insert_file("", "b.txt", "2");
    let options = WriteOptions { if_exists: IfExists::Rename, ..WriteOptions::default() };
    let body = Body::Memory(Buffer::from("3"));
    let item = drive.upload(&cx(), &target(&drive, "a.txt"), body, &options).await.unwrap();
    assert_eq!(item.name, "a 1.txt");
    let update = ItemUpdate {
        name: Some("A.TXT".into()),
        if_exists: IfExists::Rename,
        ..ItemUpdate::default()
    };
    let file = ItemRef::from_id(&drive.id_of("b.txt").unwrap());
    let item = drive.update(&cx(), &file, None, &update).await.unwrap();
    assert_eq!(item.name, "A 2.TXT");
    assert_eq!(drive.paths(), ["A 2.TXT", "a 1.txt", "a.txt"]);
}
