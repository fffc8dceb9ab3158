use opendal::layers::{RetryLayer, TimeoutLayer};

use super::*;
use crate::{Announce, announce};

const AGE: Duration = Duration::from_secs(10);
const TEXT: &[u8] = b"The quick brown fox";

fn with_sessions() -> (MemoryDrive, Operator) {
    let drive = with_small_sessions();
    let operator = operator(&drive, AGE);
    (drive, operator)
}

fn retrying(op: &Operator) -> Operator {
    let retry = RetryLayer::new().with_min_delay(Duration::from_millis(1)).with_max_times(4);
    op.clone().layer(retry)
}

async fn announced(op: &Operator, path: &str) -> opendal::Writer {
    op.writer_with(path).user_metadata(announce().size(TEXT.len() as u64)).await.unwrap()
}

/// A writer without OpenDAL's layers, which would not let a caller misbehave.
fn raw_announced(service: &opendal::raw::Servicer) -> opendal::raw::oio::Writer {
    let options = opendal::options::WriteOptions {
        user_metadata: Some(announce().size(TEXT.len() as u64).into_iter().collect()),
        ..Default::default()
    };
    let (args, _) =
        opendal::raw::OpWrite::from_options(&service.capability_dyn(), options).unwrap();
    service.write_dyn(&opendal::OperationContext::new(), "f", args).unwrap()
}

#[tokio::test]
async fn announced_bytes_are_sent_in_fragments_whatever_the_size_of_each_write() {
    for piece in [1, 3, 4, 7, 19] {
        let (drive, op) = with_sessions();
        let mut writer = announced(&op, "f").await;
        for bytes in TEXT.chunks(piece) {
            writer.write(bytes.to_vec()).await.unwrap();
        }
        assert_eq!(writer.close().await.unwrap().content_length(), 19);
        assert_eq!(drive.content("f").unwrap(), TEXT);
        assert_eq!(
            drive.take_calls(),
            [
                "open_session f",
                "send_fragment f 0+4",
                "send_fragment f 4+4",
                "send_fragment f 8+4",
                "send_fragment f 12+4",
                "send_fragment f 16+3"
            ]
        );
    }
}

#[tokio::test]
async fn a_file_of_unknown_size_is_collected_and_sent_at_close() {
    let (drive, op) = with_sessions();
    let mut writer = op.writer("f").await.unwrap();
    for bytes in TEXT.chunks(5) {
        writer.write(bytes.to_vec()).await.unwrap();
    }
    assert!(drive.take_calls().is_empty());
    writer.close().await.unwrap();
    assert_eq!(drive.content("f").unwrap(), TEXT);
    op.write("small", "123").await.unwrap();
    op.write("empty", "").await.unwrap();
    assert_eq!(drive.content("small").unwrap(), b"123");
    assert_eq!(drive.content("empty").unwrap(), b"");
}

#[tokio::test]
async fn a_temporary_error_is_returned_once_and_the_repeated_call_continues() {
    for fault in [VerbFault::Before(temporary_error()), VerbFault::After(temporary_error())] {
        let (drive, op) = with_sessions();
        drive.plan(Verb::SendFragment, fault);
        let op = retrying(&op);
        let mut writer = announced(&op, "f").await;
        for bytes in TEXT.chunks(4) {
            writer.write(bytes.to_vec()).await.unwrap();
        }
        writer.close().await.unwrap();
        assert_eq!(drive.content("f").unwrap(), TEXT);
        assert_eq!(drive.call_count(Verb::SessionStatus), 1);
    }
}

#[tokio::test]
async fn without_a_retry_layer_the_user_sees_the_error_and_may_call_again() {
    let (drive, op) = with_sessions();
    drive.plan(Verb::Upload, VerbFault::Before(temporary_error()));
    let mut writer = op.writer("f").await.unwrap();
    writer.write("123").await.unwrap();
    let error = writer.close().await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    assert_eq!(writer.close().await.unwrap().content_length(), 3);
    assert_eq!(drive.content("f").unwrap(), b"123");
}

#[tokio::test]
async fn a_permanent_error_is_returned_by_every_later_call_and_cancels_the_session() {
    let (drive, op) = with_sessions();
    let denied = Error::new(ErrorKind::PermissionDenied, "no more");
    drive.plan(Verb::SendFragment, VerbFault::Before(denied));
    let service = op.into_parts().1;
    let mut writer = raw_announced(&service);
    let mut failures = 0;
    for bytes in TEXT.chunks(4) {
        if let Err(error) = writer.write_dyn(bytes.to_vec().into()).await {
            assert_eq!(error.kind(), opendal::ErrorKind::PermissionDenied);
            failures += 1;
        }
    }
    for _ in 0..2 {
        let error = writer.close_dyn().await.unwrap_err();
        assert_eq!(error.kind(), opendal::ErrorKind::PermissionDenied, "after {failures}: {error}");
    }
    writer.abort_dyn().await.unwrap();
    assert_eq!(drive.open_sessions(), 0);
    assert!(drive.content("f").is_none());
}

#[tokio::test]
async fn close_can_be_dropped_and_repeated() {
    let (drive, op) = with_sessions();
    let upload = drive.hold(Verb::Upload);
    let service = op.into_parts().1;
    let mut writer = service
        .write_dyn(&opendal::OperationContext::new(), "f", opendal::raw::OpWrite::new())
        .unwrap();
    writer.write_dyn(b"123".to_vec().into()).await.unwrap();
    for _ in 0..3 {
        let waited = tokio::time::timeout(Duration::from_millis(20), writer.close_dyn()).await;
        assert!(waited.is_err(), "the cloud has not answered");
    }
    upload.release();
    for _ in 0..2 {
        assert_eq!(writer.close_dyn().await.unwrap().content_length(), 3);
    }
    assert_eq!(drive.take_calls(), ["upload f"]);
}

#[tokio::test]
async fn a_slow_cloud_under_timeout_and_retry_gets_the_file_once() {
    let (drive, op) = with_sessions();
    let fragment = drive.hold(Verb::SendFragment);
    let timeout = TimeoutLayer::new().with_io_timeout(Duration::from_millis(40));
    let op = retrying(&op.layer(timeout));
    let mut writer = announced(&op, "f").await;
    let releasing = tokio::spawn(async move {
        fragment.reached().await;
        // Longer than the timeout of a call.
        tokio::time::sleep(Duration::from_millis(100)).await;
        fragment.release();
    });
    for bytes in TEXT.chunks(4) {
        writer.write(bytes.to_vec()).await.unwrap();
    }
    writer.close().await.unwrap();
    releasing.await.unwrap();
    assert_eq!(drive.content("f").unwrap(), TEXT);
}

#[tokio::test]
async fn abort_at_any_time_leaves_no_file_and_no_session() {
    for written in 0..5 {
        let (drive, op) = with_sessions();
        let mut writer = announced(&op, "f").await;
        for bytes in TEXT.chunks(4).take(written) {
            writer.write(bytes.to_vec()).await.unwrap();
        }
        writer.abort().await.unwrap();
        assert_eq!(drive.open_sessions(), 0, "after {written}");
        assert!(drive.content("f").is_none());
    }
}

#[tokio::test]
async fn a_writer_that_is_dropped_cancels_in_the_background() {
    let (drive, op) = with_sessions();
    let mut writer = announced(&op, "f").await;
    for bytes in TEXT.chunks(4).take(3) {
        writer.write(bytes.to_vec()).await.unwrap();
    }
    drop(writer);
    let cancelled = async {
        drive.wait_for_calls(Verb::CancelSession, 1).await;
        drive.wait_until(|drive| drive.open_sessions() == 0).await;
    };
    tokio::time::timeout(Duration::from_secs(5), cancelled).await.unwrap();
    assert!(drive.content("f").is_none());
}

#[tokio::test]
async fn a_file_of_another_size_than_announced_is_not_created() {
    for size in [18, 20] {
        let (drive, op) = with_sessions();
        let mut writer = op.writer_with("f").user_metadata(announce().size(size)).await.unwrap();
        let written = writer.write(TEXT.to_vec()).await;
        let closed = writer.close().await;
        let error = written.err().or(closed.err()).expect("too few, or too many");
        assert!(error.to_string().contains("announced"), "{error}");
        let _ = writer.abort().await;
        assert_eq!(drive.open_sessions(), 0);
        assert!(drive.content("f").is_none());
    }
}

#[tokio::test]
async fn close_fails_after_a_lost_write() {
    let (drive, op) = with_sessions();
    let fragment = drive.hold(Verb::SendFragment);
    let service = op.into_parts().1;
    let mut writer = raw_announced(&service);
    let mut taken = 0;
    for bytes in TEXT.chunks(4) {
        let write = writer.write_dyn(bytes.to_vec().into());
        match tokio::time::timeout(Duration::from_millis(20), write).await {
            Ok(result) => result.unwrap(),
            Err(_) => break,
        }
        taken += 1;
    }
    assert!(taken < 5, "the queue is bounded");
    fragment.release();
    let error = writer.close_dyn().await.unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
    writer.abort_dyn().await.unwrap();
    assert!(drive.content("f").is_none());
}

#[tokio::test]
async fn a_response_without_a_size_costs_one_request_unless_the_caller_checks() {
    let drive = MemoryDrive::by_id().with_minimal_upload_response();
    let op = operator(&drive, AGE);
    op.write("f", "123").await.unwrap();
    assert_eq!(drive.take_calls(), ["upload f", "item f"]);
    let deferred = announce().size(3).deferred_check();
    let written = op.write_with("g", "123").user_metadata(deferred).await.unwrap();
    assert_eq!(drive.take_calls(), ["upload g"]);
    assert!(Announce::left_to_check(&written));
}

#[tokio::test]
async fn nothing_is_left_to_check_if_the_response_has_the_size() {
    let drive = MemoryDrive::by_id();
    let op = operator(&drive, AGE);
    let deferred = announce().size(3).deferred_check();
    let written = op.write_with("f", "123").user_metadata(deferred).await.unwrap();
    assert!(!Announce::left_to_check(&written));
}

#[tokio::test]
async fn an_existing_name_is_a_failed_condition() {
    let (drive, op) = with_sessions();
    op.write("f", "1").await.unwrap();
    let error = op.write_with("f", "2").if_not_exists(true).await.unwrap_err();
    assert_eq!(error.kind(), opendal::ErrorKind::ConditionNotMatch);
    assert_eq!(drive.content("f").unwrap(), b"1");
}

#[tokio::test]
async fn unknown_user_metadata_is_refused() {
    let (_, op) = with_sessions();
    let metadata = [("colour".to_owned(), "red".to_owned())];
    let error = op.write_with("f", "1").user_metadata(metadata).await.unwrap_err();
    assert_eq!(error.kind(), opendal::ErrorKind::Unsupported);
}

#[tokio::test]
async fn the_last_fragment_is_sent_when_the_writer_is_closed() {
    let (drive, op) = with_sessions();
    let mut writer = announced(&op, "f").await;
    writer.write(TEXT.to_vec()).await.unwrap();
    drive.wait_for_calls(Verb::SendFragment, 4).await;
    drive.take_calls();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(drive.take_calls(), Vec::<String>::new());
    assert!(drive.content("f").is_none());
    writer.close().await.unwrap();
    assert_eq!(drive.content("f").unwrap(), TEXT);
}

#[tokio::test]
async fn a_lost_session_is_replaced_if_the_bytes_were_collected() {
    let (drive, op) = with_sessions();
    drive.plan(Verb::SendFragment, VerbFault::After(Error::new(ErrorKind::NotFound, "lost")));
    let mut writer = op.writer("f").await.unwrap();
    writer.write(TEXT.to_vec()).await.unwrap();
    writer.close().await.unwrap();
    assert_eq!(drive.content("f").unwrap(), TEXT);
    assert_eq!(
        drive.take_calls()[..4],
        ["open_session f", "send_fragment f 0+4", "open_session f", "send_fragment f 0+4"]
    );
}

#[tokio::test]
async fn a_lost_session_without_its_bytes_is_an_error_with_a_hint() {
    let (drive, op) = with_sessions();
    let mut writer = announced(&op, "f").await;
    writer.write(TEXT.to_vec()).await.unwrap();
    drive.wait_for_calls(Verb::SendFragment, 4).await;
    drive.take_calls();
    drive.discard_sessions();
    let error = writer.close().await.unwrap_err();
    assert_eq!(error.kind(), opendal::ErrorKind::Unexpected);
    assert!(error.to_string().contains("write the file again"), "{error}");
    assert!(drive.content("f").is_none());
}

#[tokio::test]
async fn a_rejected_fragment_is_followed_by_a_status_request() {
    let (drive, op) = with_sessions();
    let mut writer = op.writer("f").await.unwrap();
    writer.write(TEXT.to_vec()).await.unwrap();
    drive.plan(
        Verb::SendFragment,
        VerbFault::Before(Error::new(ErrorKind::RangeNotSatisfied, "not these")),
    );
    // The cloud expects the fragment that it has just rejected.
    let error = writer.close().await.unwrap_err();
    assert!(error.to_string().contains("not these"), "{error}");
    assert_eq!(drive.open_sessions(), 0);
}
