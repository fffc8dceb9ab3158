use futures::{TryStreamExt, future::try_join_all};
use opendal::ErrorKind;

use super::*;
use crate::layers::{Policy, RetryLayer, retry::Backoff};

const AGE: Duration = Duration::from_secs(10);
const TEXT: &[u8] = b"The quick brown fox jumps over the lazy dog";

/// Returns a drive addressed by id, with the file `f`.
fn rig() -> (MemoryDrive, Operator) {
    let drive = MemoryDrive::by_id();
    drive.insert_file("", "f", TEXT);
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

/// Makes the bodies of the next downloads break off after these numbers of bytes.
fn cut(drive: &MemoryDrive, after: impl IntoIterator<Item = usize>) {
    for bytes in after {
        drive.plan(Verb::Download, VerbFault::AfterBytes(bytes, temporary_error()));
    }
}

/// Returns the number of downloads since the last call.
fn downloads(drive: &MemoryDrive) -> usize {
    let count = drive.call_count(Verb::Download);
    drive.take_calls();
    count
}

#[tokio::test]
async fn an_interrupted_body_continues_without_any_layer() {
    let (drive, op) = rig();
    cut(&drive, [5, 1, 20, 0, 0, 3]);
    assert_eq!(streamed(&op).await.0, TEXT);
    let log = drive.take_calls();
    assert_eq!(log[..4], ["child f", "download f", "item f", "download f"]);
    cut(&drive, [7]);
    assert_eq!(op.read("f").await.unwrap().to_vec(), TEXT);
    cut(&drive, [2, 2]);
    let part = op.read_with("f").range(4..15).await.unwrap();
    assert_eq!(part.to_vec(), &TEXT[4..15]);
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_is_not_mixed_with_its_previous_version() {
    for (name, bytes) in [("other size", &b"short"[..]), ("other file", TEXT)] {
        let (drive, op) = rig();
        let reader = op.reader("f").await.unwrap();
        cut(&drive, [5]);
        let mut stream = reader.into_stream(..).await.unwrap();
        assert_eq!(stream.try_next().await.unwrap().unwrap().to_vec(), &TEXT[..5]);
        if name == "other file" {
            drive.rename_item("f", "g");
            drive.remove_item("g");
        }
        drive.insert_file("", "f", bytes);
        let error = stream.try_next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConditionNotMatch, "{name}");
        assert!(error.to_string().contains("changed while it was read"), "{error}");
        let (drive, op) = rig();
        cut(&drive, [5]);
        drive.insert_file("", "f", TEXT);
        assert_eq!(streamed(&at_once(&op)).await.0, TEXT, "the same one");
    }
}

#[tokio::test]
async fn a_body_without_a_byte_fails_the_call() {
    let (drive, op) = rig();
    cut(&drive, [0, 0]);
    let (bytes, error) = streamed(&op).await;
    assert!(bytes.is_empty() && error.unwrap().is_temporary());
    assert_eq!(downloads(&drive), 1);
}

#[tokio::test]
async fn only_a_few_consecutive_bodies_may_be_empty() {
    let (drive, op) = rig();
    cut(&drive, [5, 0, 0, 6, 0, 0, 0, 0]);
    let (bytes, error) = streamed(&op).await;
    assert_eq!((&bytes[..], error.unwrap().is_temporary()), (&TEXT[..11], true));
    assert_eq!(downloads(&drive), 1 + 2 + 1 + 3);
}

#[tokio::test]
async fn the_tries_of_a_retry_layer_and_those_of_the_reader_add_up_and_do_not_multiply() {
    let attempts = Policy::default().max_attempts as usize;
    let (drive, op) = rig();
    cut(&drive, [5].into_iter().chain([0; 100]));
    let (bytes, error) = streamed(&at_once(&op)).await;
    assert_eq!((&bytes[..], error.is_some()), (&TEXT[..5], true));
    assert_eq!(downloads(&drive), 1 + 3 + attempts - 1);

    let (drive, op) = rig();
    cut(&drive, [0; 100]);
    assert!(streamed(&at_once(&op)).await.1.is_some());
    assert_eq!(downloads(&drive), attempts);

    let theirs = opendal::layers::RetryLayer::new()
        .with_min_delay(Duration::from_millis(1))
        .with_max_times(4);
    let (drive, op) = rig();
    cut(&drive, [5].into_iter().chain([0; 100]));
    assert!(streamed(&op.layer(theirs)).await.1.is_some());
    assert_eq!(downloads(&drive), 1 + 3 + 4);
}

#[tokio::test]
async fn a_failed_call_can_be_repeated_and_continues() {
    let (drive, op) = rig();
    cut(&drive, [5, 0, 0, 0, 0]);
    let reader = op.reader("f").await.unwrap();
    let mut stream = reader.into_stream(..).await.unwrap();
    assert_eq!(stream.try_next().await.unwrap().unwrap().len(), 5);
    drive.plan(Verb::Item, VerbFault::Before(temporary_error()));
    assert!(stream.try_next().await.unwrap_err().is_temporary());
}

#[tokio::test]
async fn concurrent_reads_of_a_file_share_one_download_url() {
    for paths in [true, false] {
        let drive = without_sessions(paths).with_download_urls();
        drive.insert_file("", "f", TEXT);
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
        assert_eq!(drive.call_count(Verb::DownloadUrl), 1, "{:?}", drive.take_calls());
    }
}

#[tokio::test]
async fn a_read_that_waits_for_a_download_url_continues_when_the_requesting_one_is_dropped() {
    let drive = MemoryDrive::by_path().with_download_urls();
    drive.insert_file("", "f", TEXT);
    let op = operator(&drive, AGE);
    let url = drive.hold(Verb::DownloadUrl);
    let asks = tokio::spawn({
        let op = op.clone();
        async move { op.read("f").await }
    });
    url.reached().await;
    let waits = tokio::spawn(async move { op.read("f").await });
    tokio::task::yield_now().await;
    asks.abort();
    let read = tokio::time::timeout(Duration::from_secs(5), waits).await.expect("it goes on");
    assert_eq!(read.unwrap().unwrap().to_vec(), TEXT);
}
