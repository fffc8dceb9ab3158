//! Defects of OpenDAL's own cache (opendal 0.59, `FoyerLayer`), which these tests would detect.

use drivedal::layers::cache::Consistency;
use opendal::BytesRange;

use crate::{LONG, bytes, cloud::EtagSupport, rig_with};

async fn small() -> crate::Rig {
    rig_with(EtagSupport::InReads, |cache| {
        cache.consistency(Consistency::MaxAge(LONG)).block_size(1000).memory(20_000)
    })
    .await
}

#[tokio::test]
async fn a_file_overwritten_with_more_than_the_cache_holds_gives_its_new_bytes() {
    let rig = small().await;
    rig.cached.write("a", bytes(1, 1000)).await.unwrap();
    rig.cached.read("a").await.unwrap();
    rig.cached.write("a", bytes(2, 100_000)).await.unwrap();
    assert_eq!(rig.cached.read("a").await.unwrap().to_vec(), bytes(2, 100_000));
}

#[tokio::test]
async fn a_file_written_in_a_large_and_a_small_part_is_complete() {
    let rig = small().await;
    let mut writer = rig.cached.writer("a").await.unwrap();
    writer.write(bytes(1, 100_000)).await.unwrap();
    writer.write(bytes(2, 1024)).await.unwrap();
    writer.close().await.unwrap();
    let length = rig.cached.stat("a").await.unwrap().content_length();
    let read = rig.cached.read("a").await.unwrap().to_vec();
    assert_eq!((length, read.len()), (101_024, 101_024));
    assert_eq!(read, [bytes(1, 100_000), bytes(2, 1024)].concat());
}

#[tokio::test]
async fn a_range_past_the_end_is_an_error() {
    let rig = small().await;
    rig.cached.write("a", bytes(1, 1500)).await.unwrap();
    rig.cached.read("a").await.unwrap();
    for range in [1400..1600, 1500..1501, 5000..6000] {
        rig.cached.read_with("a").range(range).await.unwrap_err();
    }
}

#[tokio::test]
async fn the_last_bytes_are_read() {
    let rig = small().await;
    rig.cached.write("a", bytes(1, 1500)).await.unwrap();
    for _ in 0..2 {
        let read = rig.cached.read_with("a").range(BytesRange::suffix(700)).await.unwrap();
        assert_eq!(read.to_vec(), bytes(1, 1500)[800..]);
    }
}

#[tokio::test]
async fn a_file_that_was_renamed_or_copied_over_gives_its_new_bytes() {
    let rig = small().await;
    for (name, seed) in [("a", 1), ("b", 2), ("c", 3)] {
        rig.cached.write(name, bytes(seed, 1500)).await.unwrap();
        rig.cached.read(name).await.unwrap();
    }
    rig.cached.rename("a", "b").await.unwrap();
    rig.cached.copy("c", "d").await.unwrap();
    rig.cached.copy("b", "c").await.unwrap();
    rig.cached.read("a").await.unwrap_err();
    for (name, seed) in [("b", 1), ("c", 1), ("d", 3)] {
        assert_eq!(rig.cached.read(name).await.unwrap().to_vec(), bytes(seed, 1500), "{name}");
    }
}

#[tokio::test]
async fn a_range_of_a_byte_does_not_fetch_the_whole_file() {
    let rig = small().await;
    rig.other.write("a", bytes(1, 100_000)).await.unwrap();
    rig.cached.read_with("a").range(50_000..50_001).await.unwrap();
    assert_eq!(rig.cache.stats().blocks_fetched, 1);
}
