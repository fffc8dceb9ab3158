//! Storage of blocks: a folder, and a shared second tier.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use drivedal::layers::cache::{CacheBuilder, CacheLayer, Consistency};
use futures::TryStreamExt;
use opendal::{Operator, services};

use crate::{
    LONG, bytes,
    cloud::{Cloud, EtagSupport},
};

/// Block size in bytes.
const BLOCK: u64 = 4096;

/// Length of the file in bytes.
const LENGTH: usize = 100_000;

/// Returns a client with a separate cache.
async fn client(
    cloud: &Cloud,
    set: impl FnOnce(CacheBuilder) -> CacheBuilder,
) -> (Operator, CacheLayer) {
    let cache = CacheLayer::builder().consistency(Consistency::MaxAge(LONG)).block_size(BLOCK);
    let cache = set(cache).build().await.unwrap();
    (cloud.client().layer(cache.clone()), cache)
}

async fn cloud() -> Cloud {
    let cloud = Cloud::new(EtagSupport::InReads);
    cloud.client().write("a", bytes(1, LENGTH)).await.unwrap();
    cloud
}

async fn reads(operator: &Operator) {
    assert!(operator.read("a").await.unwrap().to_vec() == bytes(1, LENGTH), "other bytes");
}

fn blocks() -> u64 {
    (LENGTH as u64).div_ceil(BLOCK)
}

/// Returns the files that contain the folder's blocks.
fn files(folder: &Path) -> Vec<PathBuf> {
    let blocks = fs::read_dir(folder.join("00/blocks")).unwrap();
    blocks.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn blocks_survive_a_restart() {
    let (cloud, folder) = (cloud().await, tempfile::tempdir().unwrap());
    let (one, cache) = client(&cloud, |cache| cache.disk(folder.path(), 8 << 20)).await;
    reads(&one).await;
    cache.close().await.unwrap();
    drop((one, cache));
    // A background task releases the folder.
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
async fn blocks_faster_than_the_disk_are_all_stored() {
    let (cloud, folder) = (Cloud::new(EtagSupport::InReads), tempfile::tempdir().unwrap());
    const SIZE: usize = 160 << 20;
    cloud.client().write("a", bytes(1, SIZE)).await.unwrap();
    let set = |cache: CacheBuilder| {
        cache.block_size(1 << 20).memory(4 << 20).disk(folder.path(), 2 * SIZE as u64)
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
    let cloud = Cloud::new(EtagSupport::InReads);
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
    // Damage every block in its middle.
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
    // Use a copy, because the first cache may not have released the folder yet.
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
        CacheLayer::builder().block_size(0),
        CacheLayer::builder().block_size(9 << 20),
        CacheLayer::builder().disk(folder.path(), 1 << 20),
    ] {
        let error = cache.build().await.unwrap_err();
        assert_eq!(error.kind(), opendal::ErrorKind::ConfigInvalid, "{error}");
    }
}

/// Environment variable with the cache folder of the child process.
const KILLED: &str = "DRIVEDAL_TEST_CACHE_FOLDER";

/// Runs in the process that is killed: reads, prints a line, and waits.
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
async fn blocks_survive_a_killed_process() {
    let (cloud, folder) = (cloud().await, tempfile::tempdir().unwrap());
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "storage::as_the_process_that_is_killed", "--nocapture"])
        .env(KILLED, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while lines.next().unwrap().unwrap() != "read" {}
    // Blocks are written asynchronously. Only the disk shows when the last one is complete.
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

/// Waits until the tier has this many objects.
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
async fn blocks_of_one_machine_reach_another_through_the_tier() {
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
    // Damaged and truncated objects are misses.
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
    let (cloud, away) = (cloud().await, Cloud::new(EtagSupport::InReads));
    away.set_away(true);
    let (one, cache) = client(&cloud, |cache| cache.second_tier(away.client())).await;
    for _ in 0..2 {
        reads(&one).await;
    }
    assert_eq!(cache.stats().blocks_fetched, blocks());
    // The tier is paused after the first failure, or after those that were pending then.
    assert!(away.requests().len() <= 16, "repeated requests");
}

/// Environment variable with the cache folder of the child process.
const FULL: &str = "DRIVEDAL_TEST_FULL_CACHE_FOLDER";
/// Environment variable: the disk is full only after the cache was opened.
const FULL_LATER: &str = "DRIVEDAL_TEST_FULL_LATER";

/// Runs in a process whose folder has no space. Run it manually on a full file system:
/// `DRIVEDAL_TEST_FULL_CACHE_FOLDER=/mnt/small cargo test --test cache without_room -- --nocapture`
#[tokio::test]
async fn as_the_process_without_room() {
    let Some(folder) = env::var_os(FULL) else { return };
    let cloud = Cloud::new(EtagSupport::InReads);
    let cache = CacheLayer::builder().consistency(Consistency::MaxAge(LONG)).block_size(BLOCK);
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

/// Returns the output of that process.
#[cfg(target_os = "linux")]
fn without_room(folder: &Path, limit: &str, later: bool) -> String {
    let mut child = Command::new("/bin/sh");
    // Without the trap, a signal would end the process before the error.
    child.args(["-c", "trap '' XFSZ; ulimit -f $0; exec \"$@\"", limit]);
    child.arg(env::current_exe().unwrap());
    child.args(["--exact", "storage::as_the_process_without_room", "--nocapture"]);
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
    let named = format!("cannot use the cache folder {}/00", folder.path().display());
    assert!(said.contains(&named) && said.contains("File too large"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_any_more_breaks_no_read() {
    let folder = tempfile::tempdir().unwrap();
    let said = without_room(folder.path(), "unlimited", true);
    // foyer's tasks may panic here; the reader must not fail in any case.
    assert!(said.contains("read, and closed: "), "{said}");
}
