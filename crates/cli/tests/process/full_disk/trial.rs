//! The steps of the test: fill the disk, free space, restart the server, compare.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::Path,
    time::Duration,
};

use crate::full_disk::{
    clouds::{Clouds, Way},
    disk::SmallDisk,
    serving::Serving,
};

/// Size of a file that is stored beside the database, in bytes: more than one fragment.
const LARGE: usize = 400_000;

/// Size of a file that is stored in the database, in bytes.
const SMALL: usize = 9_000;

/// Size of an unrelated file on the disk, in bytes. Its removal frees space.
const BALLAST: usize = 3 << 20;

/// Acknowledged files: content by name.
type Ledger = BTreeMap<String, Vec<u8>>;

pub async fn fill_and_empty(disk: SmallDisk) {
    let logs = tempfile::tempdir().expect("a folder");
    let ballast = ["first", "second"].map(|name| disk.reach(name));
    for file in &ballast {
        fs::write(file, vec![1; BALLAST]).expect("there is room");
    }
    let mut ledger = Ledger::new();

    let mut server = serve(&disk, &logs.path().join("first"));
    let clouds = Clouds::new(&server.url);
    let given_up = clouds.begin("given-up", &[1; LARGE]).await;
    fill(&clouds, "first", &mut ledger).await;
    check(&clouds, &ledger).await;
    remove(&clouds, &given_up, &mut ledger).await;
    fs::remove_file(&ballast[0]).expect("removed");
    fill(&clouds, "second", &mut ledger).await;
    check(&clouds, &ledger).await;
    server.kill();

    fs::remove_file(&ballast[1]).expect("removed");
    let mut server = serve(&disk, &logs.path().join("second"));
    let clouds = Clouds::new(&server.url);
    check(&clouds, &ledger).await;
    let given_up = clouds.begin("given-up", &[1; LARGE]).await;
    fill(&clouds, "third", &mut ledger).await;
    check(&clouds, &ledger).await;
    server.stop();

    // The server also starts on a full disk.
    let third = logs.path().join("third");
    let _log = LogOnPanic(&third);
    let mut server = serve(&disk, &third);
    let clouds = Clouds::new(&server.url);
    check(&clouds, &ledger).await;
    remove(&clouds, &given_up, &mut ledger).await;

    // Deleted files free space for new ones, although no client empties the recycle bin.
    for name in std::mem::take(&mut ledger).into_keys() {
        clouds.delete(&name).await;
    }
    fill(&clouds, "fourth", &mut ledger).await;
    check(&clouds, &ledger).await;
    server.stop();

    let log = fs::read_to_string(logs.path().join("first")).expect("a log");
    let folder = disk.folder();
    for (place, why) in [("blobs", "No space left on device"), ("tree.db", "disk is full")] {
        let place = folder.join(place).display().to_string();
        let told = log.lines().any(|line| line.contains(&place) && line.contains(why));
        assert!(told, "the log tells of {why:?} in {place}: {log}");
    }
    println!("{} files were kept", ledger.len());
}

/// Prints a server's log if the test fails.
struct LogOnPanic<'a>(&'a Path);

impl Drop for LogOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.0).unwrap_or_default();
            eprintln!("the server's log:\n{log}");
        }
    }
}

fn serve(disk: &SmallDisk, log: &Path) -> Serving {
    let mut command = disk.command(env!("CARGO_BIN_EXE_drivedal"));
    let command = command.args(["serve", "--http", "127.0.0.1:0", "--data"]).arg(disk.folder());
    Serving::start(command.stderr(File::create(log).expect("made")))
}

/// Uploads in every way until all are rejected, and until each way has succeeded and failed once.
async fn fill(clouds: &Clouds, round: &str, ledger: &mut Ledger) {
    let (mut kept, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for turn in 0..500 {
        let mut full = true;
        for way in Way::ALL {
            let name = format!("{round}-{turn}-{way:?}");
            let length = if way == Way::Row { SMALL } else { LARGE };
            let bytes: Vec<u8> = name.bytes().cycle().take(length).collect();
            match clouds.upload(way, &name, &bytes).await {
                Ok(()) => {
                    ledger.insert(name, bytes);
                    kept.insert(way);
                    full = false;
                }
                Err(_) => {
                    refused.insert(way);
                }
            }
        }
        if full {
            let all = BTreeSet::from(Way::ALL);
            assert_eq!((&kept, &refused), (&all, &all), "{round}");
            return;
        }
    }
    panic!("the disk does not fill");
}

/// Removal works on a full disk: a cancelled upload frees space.
async fn remove(clouds: &Clouds, upload: &str, ledger: &mut Ledger) {
    clouds.cancel(upload).await;
    let (name, _) = ledger.pop_last().expect("something was kept");
    clouds.delete(&name).await;
    check(clouds, ledger).await;
    let (name, bytes) = (format!("{name}-replaced"), vec![2; LARGE / 2]);
    clouds.upload(Way::Live, &name, &bytes).await.expect("there is room now");
    ledger.insert(name, bytes);
}

/// Asserts that exactly the acknowledged files exist, with their content, and that no blob is left
/// over.
async fn check(clouds: &Clouds, ledger: &Ledger) {
    let expected: Vec<_> = ledger.keys().cloned().collect();
    assert_eq!(clouds.names().await, expected);
    for (name, bytes) in ledger {
        assert!(clouds.content(name).await == *bytes, "{name}");
    }
    let tidied = async {
        loop {
            let (orphans, missing) = clouds.audit().await;
            assert_eq!(missing, 0);
            if orphans == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), tidied).await.expect("no orphan stays");
}
