//! Where blocks are kept: a folder, a tier that is shared.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use drivedal::layers::cache::{CacheBuilder, CacheLayer, Validity};
use futures::TryStreamExt;
use opendal::{Operator, services};

use crate::{
    LONG, bytes,
    cloud::{Cloud, Tells},
};

/// Bytes of a block.
const BLOCK: u64 = 4096;

/// Bytes of the file that is read.
const LENGTH: usize = 100_000;

/// A client with a cache of its own.
async fn client(
    cloud: &Cloud,
    set: impl FnOnce(CacheBuilder) -> CacheBuilder,
) -> (Operator, CacheLayer) {
    let cache = CacheLayer::builder().validity(Validity::Within(LONG)).block(BLOCK);
    let cache = set(cache).build().await.unwrap();
    (cloud.client().layer(cache.clone()), cache)
}

async fn cloud() -> Cloud {
    let cloud = Cloud::new(Tells::Etag);
    cloud.client().write("a", bytes(1, LENGTH)).await.unwrap();
    cloud
}

async fn reads(operator: &Operator) {
    assert!(operator.read("a").await.unwrap().to_vec() == bytes(1, LENGTH), "other bytes");
}

fn blocks() -> u64 {
    (LENGTH as u64).div_ceil(BLOCK)
}

/// The files that the folder's blocks are in.
fn files(folder: &Path) -> Vec<PathBuf> {
    let blocks = fs::read_dir(folder.join("00/blocks")).unwrap();
    blocks.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn what_was_read_is_there_after_a_restart() {
    let (cloud, folder) = (cloud().await, tempfile::tempdir().unwrap());
    let (one, cache) = client(&cloud, |cache| cache.disk(folder.path(), 8 << 20)).await;
    reads(&one).await;
    cache.close().await.unwrap();
    drop((one, cache));
    // The folder is let go of by a task.
    let (two, cache) = loop {
        let (two, cache) = client(&cloud, |cache| cache.disk(folder.path(), 8 << 20)).await;
        if format!("{cache:?}").contains("/00\"") {
            break (two, cache);
        }
        drop((two, cache));
        tokio::task::yield_now().await;
    };
    reads(&two).await;
    let stats = cache.stats();
    assert_eq!((stats.blocks_from_disk, stats.blocks_fetched), (blocks(), 0), "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_faster_than_a_disk_takes_it_is_kept_all_the_same() {
    let (cloud, folder) = (Cloud::new(Tells::Etag), tempfile::tempdir().unwrap());
    const SIZE: usize = 160 << 20;
    cloud.client().write("a", bytes(1, SIZE)).await.unwrap();
    let set = |cache: CacheBuilder| {
        cache.block(1 << 20).memory(4 << 20).disk(folder.path(), 2 * SIZE as u64)
    };
    let (operator, cache) = client(&cloud, set).await;
    for round in 0..2 {
        let mut stream = operator.reader("a").await.unwrap().into_stream(..).await.unwrap();
        let mut length = 0;
        while let Some(bytes) = stream.try_next().await.unwrap() {
            length += bytes.len();
        }
        let stats = cache.stats();
        assert_eq!((length, stats.blocks_fetched), (SIZE, 160), "round {round}: {stats:?}");
    }
}

#[tokio::test]
async fn the_folder_holds_no_more_than_allowed() {
    let cloud = Cloud::new(Tells::Etag);
    let folder = tempfile::tempdir().unwrap();
    const ROOM: u64 = 1 << 20;
    let (one, cache) =
        client(&cloud, |cache| cache.disk(folder.path(), ROOM).memory(64 << 10)).await;
    for n in 0..40 {
        let path = format!("f{n}");
        cloud.client().write(&path, bytes(n, LENGTH)).await.unwrap();
        assert!(one.read(&path).await.unwrap().to_vec() == bytes(n, LENGTH));
    }
    cache.close().await.unwrap();
    let held: u64 = files(folder.path()).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(held <= ROOM, "{held} bytes");
}

#[tokio::test]
async fn a_damaged_block_on_the_disk_is_fetched_again() {
    let (cloud, folder) = (cloud().await, tempfile::tempdir().unwrap());
    let room = |cache: CacheBuilder| cache.disk(folder.path(), 8 << 20);
    let (one, cache) = client(&cloud, room).await;
    reads(&one).await;
    cache.close().await.unwrap();
    // Every block has a byte changed in its middle.
    for path in files(folder.path()) {
        let mut file = fs::File::options().read(true).write(true).open(path).unwrap();
        let mut all = Vec::new();
        file.read_to_end(&mut all).unwrap();
        for at in (BLOCK as usize / 2..all.len()).step_by(BLOCK as usize) {
            all[at] ^= 0x55;
        }
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&all).unwrap();
    }
    // A copy, because the first one may not be let go of yet.
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir_all(copy.path().join("00/blocks")).unwrap();
    for file in files(folder.path()) {
        let name = file.file_name().unwrap();
        fs::copy(&file, copy.path().join("00/blocks").join(name)).unwrap();
    }
    let (two, cache) = client(&cloud, |cache| cache.disk(copy.path(), 8 << 20)).await;
    for _ in 0..2 {
        reads(&two).await;
    }
    assert!(cache.stats().blocks_fetched > 0, "{:?}", cache.stats());
}

#[tokio::test]
async fn two_processes_have_folders_of_their_own() {
    let (cloud, folder) = (cloud().await, tempfile::tempdir().unwrap());
    let (one, first) = client(&cloud, |cache| cache.disk(folder.path(), 8 << 20)).await;
    let (two, second) = client(&cloud, |cache| cache.disk(folder.path(), 8 << 20)).await;
    reads(&one).await;
    reads(&two).await;
    assert_eq!(first.stats().blocks_fetched, blocks());
    assert_eq!(second.stats().blocks_fetched, blocks());
    assert!(folder.path().join("01/blocks").is_dir());
}

#[tokio::test]
async fn sizes_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for cache in [
        CacheLayer::builder().block(0),
        CacheLayer::builder().block(9 << 20),
        CacheLayer::builder().disk(folder.path(), 1 << 20),
    ] {
        let error = cache.build().await.unwrap_err();
        assert_eq!(error.kind(), opendal::ErrorKind::ConfigInvalid, "{error}");
    }
}

/// Where the child finds the cache's folder.
const KILLED: &str = "DRIVEDAL_TEST_CACHE_FOLDER";

/// Runs in the process that is killed: reads, says so, and waits for its end.
#[tokio::test]
async fn as_the_process_that_is_killed() {
    let Some(folder) = env::var_os(KILLED) else { return };
    let cloud = cloud().await;
    let (operator, _cache) = client(&cloud, |cache| cache.disk(folder, 8 << 20)).await;
    reads(&operator).await;
    println!("\nread");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn what_was_read_is_there_after_a_kill() {
    let (cloud, folder) = (cloud().await, tempfile::tempdir().unwrap());
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "places::as_the_process_that_is_killed", "--nocapture"])
        .env(KILLED, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while lines.next().unwrap().unwrap() != "read" {}
    // Blocks are on their way to the disk; when the last of them is written only the disk knows.
    let last = &bytes(1, LENGTH)[LENGTH - 1000..];
    let written = || {
        let files = files(folder.path()).into_iter().map(|file| fs::read(file).unwrap_or_default());
        files.into_iter().any(|file| file.windows(last.len()).any(|bytes| bytes == last))
    };
    while !written() {
        tokio::task::yield_now().await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (operator, cache) = client(&cloud, |cache| cache.disk(folder.path(), 8 << 20)).await;
    reads(&operator).await;
    let stats = cache.stats();
    assert!(stats.blocks_from_disk > 0, "{stats:?}");
    assert_eq!(stats.blocks_from_disk + stats.blocks_fetched, blocks(), "{stats:?}");
}

/// Waits until the tier has so many objects.
async fn filled(tier: &Operator, objects: usize) {
    loop {
        let entries = tier.list_with("/").recursive(true).await.unwrap();
        if entries.iter().filter(|entry| entry.metadata().is_file()).count() >= objects {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_one_machine_has_read_another_has_from_the_tier() {
    let (cloud, folder) = (cloud().await, tempfile::tempdir().unwrap());
    let root = folder.path().to_str().unwrap();
    let tier = Operator::new(services::Fs::default().root(root)).unwrap();
    let (one, _cache) = client(&cloud, |cache| cache.second_tier(tier.clone())).await;
    reads(&one).await;
    filled(&tier, blocks() as usize).await;
    let (two, cache) = client(&cloud, |cache| cache.second_tier(tier.clone())).await;
    reads(&two).await;
    let stats = cache.stats();
    assert_eq!((stats.blocks_from_tier, stats.blocks_fetched), (blocks(), 0), "{stats:?}");
    // Damaged and cut objects are none.
    for (n, entry) in tier.list_with("/").recursive(true).await.unwrap().iter().enumerate() {
        if entry.metadata().is_file() {
            let mut object = tier.read(entry.path()).await.unwrap().to_vec();
            if n % 2 == 0 {
                object.truncate(object.len() / 2)
            } else {
                object[100] ^= 1
            }
            tier.write(entry.path(), object).await.unwrap();
        }
    }
    let (three, cache) = client(&cloud, |cache| cache.second_tier(tier.clone())).await;
    reads(&three).await;
    let stats = cache.stats();
    assert_eq!((stats.blocks_from_tier, stats.blocks_fetched), (0, blocks()), "{stats:?}");
}

#[tokio::test]
async fn another_version_is_another_block_in_the_tier_too() {
    let cloud = cloud().await;
    let tier = Operator::new(services::Memory::default()).unwrap();
    let (one, _cache) = client(&cloud, |cache| cache.second_tier(tier.clone())).await;
    reads(&one).await;
    filled(&tier, blocks() as usize).await;
    cloud.client().write("a", bytes(2, LENGTH)).await.unwrap();
    let (two, _cache) = client(&cloud, |cache| cache.second_tier(tier.clone())).await;
    assert!(two.read("a").await.unwrap().to_vec() == bytes(2, LENGTH));
}

#[tokio::test]
async fn a_tier_that_is_away_is_done_without() {
    let (cloud, away) = (cloud().await, Cloud::new(Tells::Etag));
    away.set_away(true);
    let (one, cache) = client(&cloud, |cache| cache.second_tier(away.client())).await;
    for _ in 0..2 {
        reads(&one).await;
    }
    assert_eq!(cache.stats().blocks_fetched, blocks());
    // It is left alone after the first failure, or after those that were under way by then.
    assert!(away.requests().len() <= 16, "asked again and again");
}

/// Where the child finds the cache's folder.
const FULL: &str = "DRIVEDAL_TEST_FULL_CACHE_FOLDER";
/// Whether its disk is full from the beginning, or only once the cache is there.
const FULL_LATER: &str = "DRIVEDAL_TEST_FULL_LATER";

/// Runs in a process whose folder has no room. By hand, on a file system that is full:
/// `DRIVEDAL_TEST_FULL_CACHE_FOLDER=/mnt/small cargo test --test cache without_room -- --nocapture`
#[tokio::test]
async fn as_the_process_without_room() {
    let Some(folder) = env::var_os(FULL) else { return };
    let cloud = Cloud::new(Tells::Etag);
    let cache = CacheLayer::builder().validity(Validity::Within(LONG)).block(BLOCK);
    let cache = match cache.disk(folder, 32 << 20).memory(64 << 10).build().await {
        Ok(cache) => cache,
        Err(error) => return println!("\n{error}"),
    };
    if env::var_os(FULL_LATER).is_some() {
        let process = std::process::id().to_string();
        let limits = Command::new("prlimit").args(["--fsize=8192", "--pid", &process]).status();
        assert!(limits.unwrap().success(), "no prlimit");
    }
    let operator = cloud.client().layer(cache.clone());
    for n in 0..200_usize {
        let path = format!("f{n}");
        cloud.client().write(&path, bytes(n as u8, 2 * LENGTH)).await.unwrap();
        for _ in 0..2 {
            let read = operator.read(&path).await.unwrap().to_vec();
            assert!(read == bytes(n as u8, 2 * LENGTH), "{path}");
        }
    }
    println!("\nread, and closed: {:?}\n{:?}", cache.close().await, cache.stats());
}

/// What that process says.
#[cfg(target_os = "linux")]
fn without_room(folder: &Path, limit: &str, later: bool) -> String {
    let mut child = Command::new("/bin/sh");
    // A signal would come before the error.
    child.args(["-c", "trap '' XFSZ; ulimit -f $0; exec \"$@\"", limit]);
    child.arg(env::current_exe().unwrap());
    child.args(["--exact", "places::as_the_process_without_room", "--nocapture"]);
    if later {
        child.env(FULL_LATER, "1");
    }
    let ended = child.env(FULL, folder).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    said
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_without_room_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let said = without_room(folder.path(), "1", false);
    let named = format!("the cache's folder {}/00 cannot be used", folder.path().display());
    assert!(said.contains(&named) && said.contains("File too large"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_any_more_breaks_no_read() {
    let folder = tempfile::tempdir().unwrap();
    let said = without_room(folder.path(), "unlimited", true);
    let told = format!("the cache could not write to {}", folder.path().display());
    assert!(said.contains("read, and closed: Err") && said.contains(&told), "{said}");
}
