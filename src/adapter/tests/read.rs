use futures::{TryStreamExt, future::try_join_all};
use opendal::ErrorKind;

use super::*;
use crate::layers::{Policy, RetryLayer, retry::Backoff};

const AGE: Duration = Duration::from_secs(10);
const TEXT: &[u8] = b"The quick brown fox jumps over the lazy dog";

/// Returns a drive addressed by id, with the file `f`.
fn rig() -> (Arc<FakeDrive>, Operator) {
    let drive = Arc::new(FakeDrive::new(false, false));
    drive.create("", "f", Some(TEXT));
    let operator = operator(&drive, AGE);
    (drive, operator)
}

fn at_once(operator: &Operator) -> Operator {
    let backoff = Backoff { initial: Duration::ZERO, max: Duration::ZERO };
    operator.clone().layer(RetryLayer::new(Policy { backoff, ..Policy::default() }))
}

/// Reads the file as a stream. Returns its bytes and the error that ended it.
async fn streamed(operator: &Operator) -> (Vec<u8>, Option<opendal::Error>) {
    let mut bytes = Vec::new();
    let stream = operator.reader("f").await.unwrap().into_stream(..).await;
    let mut stream = match stream {
        Ok(stream) => stream,
        Err(error) => return (bytes, Some(error)),
    };
    loop {
        match stream.try_next().await {
            Ok(Some(piece)) => bytes.extend(piece.to_vec()),
            Ok(None) => return (bytes, None),
            Err(error) => return (bytes, Some(error)),
        }
    }
}

fn downloads(drive: &FakeDrive) -> usize {
    drive.log().iter().filter(|verb| verb.starts_with("download")).count()
}

#[tokio::test]
async fn an_interrupted_body_continues_without_any_layer() {
    let (drive, op) = rig();
    drive.cut([5, 1, 20, 0, 0, 3]);
    assert_eq!(streamed(&op).await.0, TEXT);
    let log = drive.log();
    assert_eq!(log[..4], ["child f", "download ", "item ", "download "]);
    drive.cut([7]);
    assert_eq!(op.read("f").await.unwrap().to_vec(), TEXT);
    drive.cut([2, 2]);
    let part = op.read_with("f").range(4..15).await.unwrap();
    assert_eq!(part.to_vec(), &TEXT[4..15]);
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_is_not_mixed_with_its_previous_version() {
    for (name, bytes) in [("other size", &b"short"[..]), ("other file", TEXT)] {
        let (drive, op) = rig();
        let reader = op.reader("f").await.unwrap();
        drive.cut([5]);
        let mut stream = reader.into_stream(..).await.unwrap();
        assert_eq!(stream.try_next().await.unwrap().unwrap().to_vec(), &TEXT[..5]);
        if name == "other file" {
            drive.rename_externally("f", "g");
            drive.delete_externally("g");
        }
        drive.create("", "f", Some(bytes));
        let error = stream.try_next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConditionNotMatch, "{name}");
        assert!(error.to_string().contains("changed while it was read"), "{error}");
        let (drive, op) = rig();
        drive.cut([5]);
        drive.create("", "f", Some(TEXT));
        assert_eq!(streamed(&at_once(&op)).await.0, TEXT, "the same one");
    }
}

#[tokio::test]
async fn a_body_without_a_byte_fails_the_call() {
    let (drive, op) = rig();
    drive.cut([0, 0]);
    let (bytes, error) = streamed(&op).await;
    assert!(bytes.is_empty() && error.unwrap().is_temporary());
    assert_eq!(downloads(&drive), 1);
}

#[tokio::test]
async fn only_a_few_consecutive_bodies_may_be_empty() {
    let (drive, op) = rig();
    drive.cut([5, 0, 0, 6, 0, 0, 0, 0]);
    let (bytes, error) = streamed(&op).await;
    assert_eq!((&bytes[..], error.unwrap().is_temporary()), (&TEXT[..11], true));
    assert_eq!(downloads(&drive), 1 + 2 + 1 + 3);
}

#[tokio::test]
async fn the_tries_of_a_retry_layer_and_those_of_the_reader_add_up_and_do_not_multiply() {
    let attempts = Policy::default().max_attempts as usize;
    let (drive, op) = rig();
    drive.cut([5].into_iter().chain([0; 100]));
    let (bytes, error) = streamed(&at_once(&op)).await;
    assert_eq!((&bytes[..], error.is_some()), (&TEXT[..5], true));
    assert_eq!(downloads(&drive), 1 + 3 + attempts - 1);

    let (drive, op) = rig();
    drive.cut([0; 100]);
    assert!(streamed(&at_once(&op)).await.1.is_some());
    assert_eq!(downloads(&drive), attempts);

    let theirs = opendal::layers::RetryLayer::new()
        .with_min_delay(Duration::from_millis(1))
        .with_max_times(4);
    let (drive, op) = rig();
    drive.cut([5].into_iter().chain([0; 100]));
    assert!(streamed(&op.layer(theirs)).await.1.is_some());
    assert_eq!(downloads(&drive), 1 + 3 + 4);
}

#[tokio::test]
async fn a_failed_call_can_be_repeated_and_continues() {
    let (drive, op) = rig();
    drive.cut([5, 0, 0, 0, 0]);
    let reader = op.reader("f").await.unwrap();
    let mut stream = reader.into_stream(..).await.unwrap();
    assert_eq!(stream.try_next().await.unwrap().unwrap().len(), 5);
    drive.fault("item", fake::Fault::Before(temporary()));
    assert!(stream.try_next().await.unwrap_err().is_temporary());
}

#[tokio::test]
async fn concurrent_reads_of_a_file_share_one_download_url() {
    for paths in [true, false] {
        let mut drive = FakeDrive::new(paths, false);
        drive.capabilities.download_urls = true;
        let drive = Arc::new(drive);
        drive.create("", "f", Some(TEXT));
        let op = operator(&drive, AGE);
        let reader = op.reader("f").await.unwrap();
        let ranges = (0..16_u64).map(|at| {
            let reader = &reader;
            async move { reader.read(at..at + 4).await }
        });
        let parts = try_join_all(ranges).await.unwrap();
        for (at, part) in parts.into_iter().enumerate() {
            assert_eq!(part.to_vec(), &TEXT[at..at + 4]);
        }
        let log = drive.log();
        let asked = log.iter().filter(|verb| verb.starts_with("download_url")).count();
        assert_eq!(asked, 1, "{log:?}");
    }
}

#[tokio::test]
async fn a_read_that_waits_for_a_download_url_continues_when_the_requesting_one_is_dropped() {
    let mut drive = FakeDrive::new(true, false);
    drive.capabilities.download_urls = true;
    let drive = Arc::new(drive);
    drive.create("", "f", Some(TEXT));
    let op = operator(&drive, AGE);
    drive.fault("download_url", fake::Fault::Hold);
    let asks = tokio::spawn({
        let op = op.clone();
        async move { op.read("f").await }
    });
    while !drive.log().iter().any(|verb| verb.starts_with("download_url")) {
        tokio::task::yield_now().await;
    }
    let waits = tokio::spawn(async move { op.read("f").await });
    tokio::task::yield_now().await;
    asks.abort();
    let read = tokio::time::timeout(Duration::from_secs(5), waits).await.expect("it goes on");
    assert_eq!(read.unwrap().unwrap().to_vec(), TEXT);
}
