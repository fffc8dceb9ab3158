//! Contents, block by block.

use drivedal::layers::cache::Consistency;
use futures::{TryStreamExt, future::join_all};
use opendal::ErrorKind;

use crate::{
    LONG, bytes,
    cloud::{EtagSupport, RequestKind},
    rig, rig_with,
};

#[tokio::test]
async fn a_second_read_takes_no_request_within_and_one_fresh() {
    for (consistency, requests) in [
        (Consistency::MaxAge(LONG), vec![]),
        (Consistency::Revalidate, vec![RequestKind::Stat]),
        (Consistency::StaleIfError, vec![RequestKind::Stat]),
    ] {
        let rig = rig(EtagSupport::InReads, consistency).await;
        let written = bytes(1, 995);
        rig.other.write("a", written.clone()).await.unwrap();
        rig.cloud.requests();
        assert_eq!(rig.cached.read("a").await.unwrap().to_vec(), written);
        assert_eq!(rig.cloud.requests(), [RequestKind::Stat, RequestKind::Read], "{consistency:?}");
        assert_eq!(rig.cached.read("a").await.unwrap().to_vec(), written);
        assert_eq!(rig.cloud.requests(), requests, "{consistency:?}");
        let chunked = rig.cached.read_with("a").chunk(100).concurrent(4).await.unwrap();
        assert_eq!(chunked.to_vec(), written);
        assert_eq!(rig.cloud.requests(), requests, "{consistency:?}, in chunks");
    }
}

#[tokio::test]
async fn ranges_fetch_only_the_blocks_that_are_missing_and_neighbours_together() {
    let rig = rig(EtagSupport::InReads, Consistency::MaxAge(LONG)).await;
    let written = bytes(1, 100);
    rig.other.write("a", written.clone()).await.unwrap();
    rig.cloud.requests();
    let read = async |range: std::ops::Range<u64>| {
        let part = rig.cached.read_with("a").range(range.clone()).await.unwrap().to_vec();
        assert_eq!(part, written[range.start as usize..range.end as usize]);
        (rig.cloud.requests(), rig.cache.stats().blocks_fetched)
    };
    assert_eq!(read(35..36).await, (vec![RequestKind::Stat, RequestKind::Read], 1));
    assert_eq!(read(30..40).await, (vec![], 1));
    assert_eq!(read(0..30).await, (vec![RequestKind::Read], 4));
    // A cached block is followed by a missing one: the version is validated first.
    assert_eq!(read(5..55).await, (vec![RequestKind::Stat, RequestKind::Read], 6));
    assert_eq!(read(71..72).await, (vec![RequestKind::Read], 7));
    // 60 to 70, and 80 to the end.
    assert_eq!(
        read(0..100).await,
        (vec![RequestKind::Stat, RequestKind::Read, RequestKind::Read], 10)
    );
    assert_eq!(read(0..100).await, (vec![], 10));
    let last = rig.cached.read_with("a").range(opendal::BytesRange::suffix(7)).await.unwrap();
    assert_eq!(last.to_vec(), written[93..]);
    assert_eq!(rig.cloud.requests(), []);
}

#[tokio::test]
async fn readers_of_a_block_share_one_request() {
    let rig = rig(EtagSupport::InReads, Consistency::MaxAge(LONG)).await;
    rig.other.write("a", bytes(1, 10)).await.unwrap();
    rig.cached.stat("a").await.unwrap();
    rig.cloud.requests();
    rig.cloud.hold();
    let readers = (0..20).map(|_| {
        let cached = rig.cached.clone();
        tokio::spawn(async move { cached.read("a").await.unwrap().to_vec() })
    });
    let readers: Vec<_> = readers.collect();
    rig.cloud.wait_for_held(1).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    rig.cloud.let_through();
    for read in join_all(readers).await {
        assert_eq!(read.unwrap(), bytes(1, 10));
    }
    assert_eq!(rig.cloud.requests(), [RequestKind::Read]);
}

#[tokio::test]
async fn a_dropped_reader_leaves_its_block_to_waiting_readers() {
    let rig = rig(EtagSupport::InReads, Consistency::MaxAge(LONG)).await;
    rig.other.write("a", bytes(1, 10)).await.unwrap();
    rig.cached.stat("a").await.unwrap();
    rig.cloud.hold();
    let cached = rig.cached.clone();
    let first = tokio::spawn(async move { cached.read("a").await });
    rig.cloud.wait_for_held(1).await;
    let cached = rig.cached.clone();
    let second = tokio::spawn(async move { cached.read("a").await.unwrap().to_vec() });
    tokio::task::yield_now().await;
    first.abort();
    rig.cloud.let_through();
    assert_eq!(second.await.unwrap(), bytes(1, 10));
}

#[tokio::test]
async fn sequential_reads_are_read_ahead() {
    let rig = rig_with(EtagSupport::InReads, |cache| {
        cache.consistency(Consistency::MaxAge(LONG)).read_ahead(3)
    })
    .await;
    rig.other.write("a", bytes(1, 1000)).await.unwrap();
    rig.cloud.requests();
    let reader = rig.cached.reader("a").await.unwrap();
    for at in 0..100 {
        assert_eq!(reader.read(at * 10..at * 10 + 10).await.unwrap().len(), 10);
    }
    let requests = rig.cloud.requests().len();
    assert!(requests <= 1 + 1 + 33, "{requests} requests for 100 blocks");
    assert_eq!(rig.cache.stats().blocks_fetched, 100);
}

#[tokio::test]
async fn bytes_of_two_versions_are_never_mixed() {
    for etags in [EtagSupport::InReads, EtagSupport::IfMatch] {
        for consistency in [Consistency::Revalidate, Consistency::MaxAge(LONG)] {
            let rig = rig(etags, consistency).await;
            rig.other.write("a", bytes(1, 100)).await.unwrap();
            rig.cached.read_with("a").range(0..50).await.unwrap();
            rig.other.write("a", bytes(2, 100)).await.unwrap();
            let whole = rig.cached.read("a").await.unwrap().to_vec();
            assert_eq!(whole, bytes(2, 100), "{etags:?} {consistency:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_fails_if_its_file_changes_half_way() {
    let rig = rig_with(EtagSupport::InReads, |cache| cache.read_ahead(1)).await;
    rig.other.write("a", bytes(1, 1000)).await.unwrap();
    // The request ends at a cached block, so that another request follows.
    rig.cached.read_with("a").range(50..60).await.unwrap();
    let reader = rig.cached.reader("a").await.unwrap();
    let mut stream = reader.into_stream(0..1000).await.unwrap();
    stream.try_next().await.unwrap().unwrap();
    rig.other.write("a", bytes(2, 1000)).await.unwrap();
    let error = stream.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(rig.cached.read("a").await.unwrap().to_vec(), bytes(2, 1000));
}

#[tokio::test]
async fn without_etags_in_read_responses_reads_use_if_match() {
    let rig = rig(EtagSupport::IfMatch, Consistency::MaxAge(LONG)).await;
    rig.other.write("a", bytes(1, 100)).await.unwrap();
    assert_eq!(rig.cached.read("a").await.unwrap().to_vec(), bytes(1, 100));
    rig.cloud.requests();
    assert_eq!(rig.cached.read("a").await.unwrap().to_vec(), bytes(1, 100));
    assert_eq!(rig.cloud.requests(), []);
}

#[tokio::test]
async fn contents_of_unknown_version_are_not_cached() {
    for etags in [EtagSupport::StatOnly, EtagSupport::None] {
        let rig = rig(etags, Consistency::MaxAge(LONG)).await;
        rig.other.write("a", bytes(1, 100)).await.unwrap();
        for version in 1..4 {
            assert_eq!(rig.cached.read("a").await.unwrap().to_vec(), bytes(version, 100));
            rig.other.write("a", bytes(version + 1, 100)).await.unwrap();
        }
        assert_eq!(rig.cache.stats().blocks_fetched, 0);
        rig.cloud.requests();
        rig.cached.read("a").await.unwrap();
        assert_eq!(rig.cloud.requests(), [RequestKind::Read], "{etags:?}");
    }
}

#[tokio::test]
async fn calls_with_conditions_go_to_the_cloud() {
    let rig = rig(EtagSupport::InReads, Consistency::MaxAge(LONG)).await;
    rig.other.write("a", "1").await.unwrap();
    let etag = rig.cached.stat("a").await.unwrap().etag().unwrap().to_owned();
    rig.cached.read("a").await.unwrap();
    rig.cloud.requests();
    let error = rig.cached.stat_with("a").if_none_match(&etag).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConditionNotMatch);
    rig.cached.read_with("a").if_none_match(&etag).await.unwrap();
    assert_eq!(rig.cloud.requests(), [RequestKind::Stat, RequestKind::Read]);
}

#[tokio::test]
async fn a_removed_file_is_not_found_and_an_empty_one_is_empty() {
    let rig = rig(EtagSupport::InReads, Consistency::MaxAge(LONG)).await;
    rig.other.write("a", bytes(1, 100)).await.unwrap();
    rig.other.write("empty", "").await.unwrap();
    rig.cached.read_with("a").range(0..5).await.unwrap();
    for _ in 0..2 {
        assert!(rig.cached.read("empty").await.unwrap().is_empty());
    }
    rig.other.delete("a").await.unwrap();
    assert_eq!(rig.cached.read("a").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(rig.cached.stat("a").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn memory_is_bounded() {
    let rig = rig_with(EtagSupport::InReads, |cache| {
        cache.consistency(Consistency::MaxAge(LONG)).block_size(1000).memory(40_000)
    })
    .await;
    rig.other.write("a", bytes(1, 1_000_000)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(rig.cached.read("a").await.unwrap().to_vec(), bytes(1, 1_000_000));
    }
    let stats = rig.cache.stats();
    assert!(stats.blocks_from_memory <= 40, "{stats:?}");
}
