//! Concurrent requests to OneDrive share `$batch` requests.

use std::time::Duration;

use drivedal_server::{AccountKind, FixtureItem, Server};
use futures::{future::join_all, stream};

use crate::layers::operator;

const FILES: usize = 41;

/// Starts a Business drive with [`FILES`] files of different sizes. The delay of its responses makes
/// requests concurrent.
async fn server() -> Server {
    let builder = Server::builder().ephemeral().kind(AccountKind::Business);
    let server = builder.latency(Duration::from_millis(20)).start().await.expect("a server");
    let files = (0..FILES).map(|number| FixtureItem::file(format!("f{number}"), vec![1; number]));
    server.control().add_fixtures(files).await.expect("files");
    server.control().reset_counters();
    server
}

#[tokio::test]
async fn concurrent_stats_are_batched_and_each_has_its_own_response() {
    let server = server().await;
    let op = operator(&server, "onedrive");
    let paths: Vec<_> = (0..FILES).map(|number| format!("f{number}")).collect();
    let found = join_all(paths.iter().map(|path| op.stat(path))).await;
    for (number, metadata) in found.into_iter().enumerate() {
        assert_eq!(metadata.expect("metadata").content_length(), number as u64);
    }
    let counters = server.control().counters();
    assert_eq!(counters.count("graph.item.get"), FILES as u64);
    // The first one is sent alone, before the others are known.
    let batches = counters.count("graph.batch");
    assert!((2..=4).contains(&batches), "{counters:?}");
}

#[tokio::test]
async fn stats_one_after_another_are_not_batched() {
    let server = server().await;
    let op = operator(&server, "onedrive");
    for number in 0..5 {
        op.stat(&format!("f{number}")).await.expect("metadata");
    }
    let counters = server.control().counters();
    assert_eq!((counters.total, counters.count("graph.batch")), (5, 0), "{counters:?}");
}

#[tokio::test]
async fn the_failure_of_one_request_in_a_batch_is_its_own() {
    let server = server().await;
    let op = operator(&server, "onedrive");
    let paths: Vec<_> = (0..FILES + 3).map(|number| format!("f{number}")).collect();
    let found = join_all(paths.iter().map(|path| op.stat(path))).await;
    for (number, result) in found.into_iter().enumerate() {
        match result {
            Ok(metadata) => assert_eq!(metadata.content_length(), number as u64),
            Err(error) => {
                assert_eq!(error.kind(), opendal::ErrorKind::NotFound, "{error}");
                assert!(number >= FILES, "{number}: {error}");
            }
        }
    }
    assert!(server.control().counters().count("graph.batch") > 0);
}

#[tokio::test]
async fn deletions_after_a_listing_are_batched() {
    let server = server().await;
    let op = operator(&server, "onedrive");
    op.list("").await.expect("a listing");
    server.control().reset_counters();
    let paths = (0..FILES - 1).map(|number| Ok(format!("f{number}")));
    op.delete_try_stream(stream::iter(paths)).await.expect("deleted");
    let counters = server.control().counters();
    assert_eq!(counters.count("graph.item.delete"), FILES as u64 - 1);
    // Two batches of twenty; the first request is sent alone.
    assert!((2..=4).contains(&counters.count("graph.batch")), "{counters:?}");
    assert_eq!(op.list("").await.expect("a listing").len(), 1 + 1, "the root and one file");
}
