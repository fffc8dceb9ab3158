//! Benchmark of the cache on a OneDrive of the drive server: `cargo bench --bench cache`.
//!
//! Reads random ranges of a cached file (compared with OpenDAL's `memory` service), reads a large
//! file twice, and lists folders with the change feed.

use std::time::{Duration, Instant};

use drivedal::{
    layers::cache::{CacheLayer, Consistency},
    remote,
};
use drivedal_server::{FixtureItem, Server};
use futures::TryStreamExt;
use opendal::{Operator, Result, services};

/// Length of the file in bytes, then number and length of the ranges.
const FILE: u64 = 256 << 20;
const RANGE: u64 = 64 << 10;
const READS: usize = 10_000;

/// Length of the large file, and of each written piece, in bytes.
const LARGE: u64 = 1 << 30;
const PIECE: usize = 8 << 20;

const LISTED: usize = 10_000;
const LONG: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::builder()
        .data(folder.path().join("data"))
        .durability(drivedal_server::Durability::Relaxed)
        .start()
        .await;
    let server = server.expect("the drive server starts");
    let uri = format!(
        "onedrive://?access_token=drivedal-dev&account_kind=personal&endpoint={}v1.0",
        server.url()
    );
    ranges(&server, &uri).await?;
    large(&server, &uri, folder.path()).await?;
    listing(&server, &uri).await?;
    server.stop().await;
    Ok(())
}

/// Returns the offsets of the ranges: the same in each run, in no particular order.
fn places() -> impl Iterator<Item = u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % (FILE - RANGE)
    })
    .take(READS)
}

async fn write(operator: &Operator, path: &str, length: u64) -> Result<()> {
    let piece: Vec<u8> = (0..PIECE).map(|n| (n ^ n >> 8) as u8).collect();
    let announced = drivedal::announce().size(length);
    let mut writer = operator.writer_with(path).user_metadata(announced).await?;
    for _ in 0..length / PIECE as u64 {
        writer.write(piece.clone()).await?;
    }
    writer.close().await?;
    Ok(())
}

/// Reads the ranges sequentially. Returns the time in seconds.
async fn read(operator: &Operator) -> Result<f64> {
    let began = Instant::now();
    for at in places() {
        let bytes = operator.read_with("f").range(at..at + RANGE).await?;
        assert_eq!(bytes.len() as u64, RANGE);
    }
    Ok(began.elapsed().as_secs_f64())
}

async fn ranges(server: &Server, uri: &str) -> Result<()> {
    let remote = remote::open(uri)?;
    write(&remote.operator, "f", FILE).await?;
    let memory = Operator::new(services::Memory::default())?;
    memory.write("f", remote.operator.read("f").await?.to_bytes()).await?;
    for (name, consistency) in
        [("MaxAge", Consistency::MaxAge(LONG)), ("Revalidate", Consistency::Revalidate)]
    {
        let cache =
            CacheLayer::builder().consistency(consistency).memory(512 << 20).build().await?;
        let cached = remote.operator.clone().layer(cache);
        let first = read(&cached).await?;
        server.control().reset_counters();
        let (mut second, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..if consistency == Consistency::Revalidate { 1 } else { 5 } {
            second.push(read(&cached).await?);
            bare.push(read(&memory).await?);
        }
        let requests = server.control().counters().total / second.len() as u64;
        second.sort_by(f64::total_cmp);
        bare.sort_by(f64::total_cmp);
        let (second, bare) = (second[second.len() / 2], bare[bare.len() / 2]);
        println!(
            "{READS} random ranges of 64 KiB, {name}: first round {first:.3} s, then {second:.4} s, \
             {requests} requests; `memory` {bare:.4} s: {:.2} of its speed",
            bare / second
        );
    }
    Ok(())
}

async fn large(server: &Server, uri: &str, folder: &std::path::Path) -> Result<()> {
    let remote = remote::open(uri)?;
    write(&remote.operator, "large", LARGE).await?;
    for (name, consistency) in
        [("MaxAge", Consistency::MaxAge(LONG)), ("Revalidate", Consistency::Revalidate)]
    {
        let cache = CacheLayer::builder().consistency(consistency).memory(64 << 20);
        let cache = cache.disk(folder.join(name), 2 << 30).build().await?;
        let cached = remote.operator.clone().layer(cache.clone());
        for round in ["first", "second"] {
            server.control().reset_counters();
            let began = Instant::now();
            let mut stream = cached.reader("large").await?.into_stream(..).await?;
            let mut length = 0;
            while let Some(bytes) = stream.try_next().await? {
                length += bytes.len() as u64;
            }
            assert_eq!(length, LARGE);
            println!(
                "1 GiB, {name}, {round} read: {:.2} s, {} requests; {:?}",
                began.elapsed().as_secs_f64(),
                server.control().counters().total,
                cache.stats()
            );
        }
    }
    Ok(())
}

async fn listing(server: &Server, uri: &str) -> Result<()> {
    let fixtures = (0..LISTED).map(|n| FixtureItem::file(format!("many/{n:05}"), b"x"));
    server.control().add_fixtures(fixtures).await.expect("fixtures");
    let remote = remote::open(uri)?;
    let source = remote.handle.and_then(|handle| handle.change_source());
    let source = source.expect("OneDrive tells its changes");
    let cache =
        CacheLayer::builder().consistency(Consistency::Revalidate).changes(source).build().await?;
    let cached = remote.operator.layer(cache);
    for round in ["first", "second", "third"] {
        server.control().reset_counters();
        let began = Instant::now();
        let entries = cached.list("many/").await?.len();
        println!(
            "a listing of {entries} items with the feed, {round}: {:.3} s, {} requests",
            began.elapsed().as_secs_f64(),
            server.control().counters().total
        );
    }
    Ok(())
}
