//! An index against a server, while other clients change the drive.

use std::collections::BTreeMap;

use drivedal::remote::{self, Remote};
use drivedal_server::{Fault, Server};
use drivedal_transfer::EndpointFeatures;
use tempfile::TempDir;

use super::*;
use crate::sync::drive_features::DriveFeatures;

/// The number of random histories of each cloud. `DRIVEDAL_CASES` overrides it.
const CASES: u64 = 8;
/// The runs of one history.
const RUNS: usize = 6;

/// The clouds with a change feed: scheme, and path of the endpoint.
const CLOUDS: [(&str, &str); 2] = [("onedrive", "v1.0"), ("amazon-drive", "drive/v1/")];

fn open(server: &Server, (scheme, path): (&str, &str)) -> Remote {
    let endpoint = format!("{}{path}", server.url()).replace(':', "%3A").replace('/', "%2F");
    let uri = format!("{scheme}://?endpoint={endpoint}&access_token=drivedal-dev&encoding=default");
    remote::open(&uri).expect("opened")
}

/// An index of `root/`, through an operator of its own.
fn index(server: &Server, cloud: (&str, &str), folder: &TempDir) -> FeedIndex {
    let remote = open(server, cloud);
    let handle = remote.handle.expect("a drive");
    FeedIndex::new(remote.operator, handle, "root/".to_owned(), folder.path().join("index"))
}

/// Random numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }

    /// Returns a random path below `root/`, and sometimes one beside it.
    fn path(&mut self) -> String {
        let mut path = if self.below(5) == 0 { "beside" } else { "root" }.to_owned();
        for _ in 0..=self.below(3) {
            path.push_str(["/a", "/b", "/C:"][self.below(3) as usize]);
        }
        path
    }
}

/// Changes the drive at random. A change that is impossible in the current state is left out.
async fn change(operator: &Operator, dice: &mut Dice) {
    let (path, other) = (dice.path(), dice.path());
    let content = vec![b'x'; dice.below(40) as usize];
    let _ = match dice.below(8) {
        0..=2 => operator.write(&path, content).await.map(drop),
        3 => operator.create_dir(&format!("{path}/")).await,
        4 => operator.delete(&path).await,
        5 => operator.delete_with(&format!("{path}/")).recursive(true).await,
        _ => operator.rename(&path, &other).await,
    };
}

/// The entries of a tree by their paths. Folders end with a slash.
type Tree = BTreeMap<String, TreeEntry>;

/// Lists the tree by requests of a new operator.
async fn listed(remote: &Remote) -> Tree {
    let features = DriveFeatures::from_handle(remote.handle.clone().expect("a drive"));
    let options = opendal::options::ListOptions { recursive: true, ..Default::default() };
    let mut tree = Tree::new();
    for entry in remote.operator.list_options("root/", options).await.expect("listed") {
        let (path, metadata) = entry.into_parts();
        let name = path.trim_end_matches('/').rsplit('/').next().expect("a name");
        let mut expected = TreeEntry::new(name, drivedal_transfer::EntryType::Folder);
        if metadata.is_file() {
            expected.kind = drivedal_transfer::EntryType::File;
            expected.size = features.size(&metadata);
            expected.modified = features.modified(&metadata);
            expected.etag = metadata.etag().map(str::to_owned);
            expected.digests = features.digests(&path, &metadata);
        }
        tree.insert(path, expected);
    }
    tree.remove("root/");
    tree
}

/// Returns the tree of an open index, which must be complete.
async fn indexed(index: &FeedIndex) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let mut entries = Vec::new();
        let mut add = |entry| {
            entries.push(entry);
            Ok(())
        };
        assert!(index.list(&folder, &mut add).await.expect("read"), "{folder} is not complete");
        for entry in entries {
            let slash = if entry.is_folder() { "/" } else { "" };
            let path = format!("{folder}{}{slash}", entry.name);
            if entry.is_folder() {
                folders.push(path.clone());
            }
            tree.insert(format!("root/{path}"), entry);
        }
    }
    tree
}

#[tokio::test]
async fn an_index_equals_the_drive_after_any_changes_of_other_clients() {
    let cases = std::env::var("DRIVEDAL_CASES");
    let cases = cases.map_or(CASES, |cases| cases.parse().expect("a number"));
    for (cloud, seed) in CLOUDS.into_iter().flat_map(|cloud| (0..cases).map(move |n| (cloud, n))) {
        let server = Server::builder().ephemeral().start().await.expect("a server");
        let folder = TempDir::new().expect("a folder");
        let mut dice = Dice(seed);
        open(&server, cloud).operator.create_dir("root/").await.expect("created");
        for run in 0..RUNS {
            for _ in 0..dice.below(12) {
                change(&open(&server, cloud).operator, &mut dice).await;
            }
            let mut is_faulty = false;
            match dice.below(8) {
                0 => _ = fs::remove_file(folder.path().join("index.sqlite")),
                1 => fs::write(folder.path().join("index.sqlite"), "damaged").expect("written"),
                2 => {
                    let gone = Fault::on("graph.delta.list").times(1).status(410);
                    server.control().add_faults([gone]).expect("a rule");
                    is_faulty = true;
                }
                _ => {}
            }
            let is_there = open(&server, cloud).operator.stat("root/").await.is_ok();
            let mut index = index(&server, cloud, &folder);
            let mut opened = index.open().await;
            if is_faulty && is_there && !opened {
                // The fault met the request for the current position.
                index = super::tests::index(&server, cloud, &folder);
                opened = index.open().await;
            }
            assert_eq!(opened, is_there, "{cloud:?} seed {seed} run {run}");
            if !is_there {
                open(&server, cloud).operator.create_dir("root/").await.expect("created");
                index.close(true).await;
                continue;
            }
            let expected = listed(&open(&server, cloud)).await;
            assert_eq!(indexed(&index).await, expected, "{cloud:?} seed {seed} run {run}");
            // The changes of the run itself.
            for _ in 0..dice.below(4) {
                change(&open(&server, cloud).operator, &mut dice).await;
            }
            index.close(dice.below(2) == 0).await;
            server.control().clear_faults();
        }
    }
}

#[tokio::test]
async fn a_second_process_does_not_use_the_index_meanwhile() {
    let server = Server::builder().ephemeral().start().await.expect("a server");
    let folder = TempDir::new().expect("a folder");
    open(&server, CLOUDS[0]).operator.write("root/a", "1").await.expect("written");
    let (first, second) = (index(&server, CLOUDS[0], &folder), index(&server, CLOUDS[0], &folder));
    assert!(first.open().await);
    assert!(!second.open().await);
    second.close(true).await;
    first.close(false).await;
    drop((first, second));
    let third = index(&server, CLOUDS[0], &folder);
    assert!(third.open().await);
    third.discard().await;
    assert!(!third.list("", &mut |_| Ok(())).await.expect("no error"));
    assert!(!folder.path().join("index.sqlite").exists());
}

#[tokio::test]
async fn a_replaced_folder_is_indexed_again() {
    let server = Server::builder().ephemeral().start().await.expect("a server");
    let folder = TempDir::new().expect("a folder");
    let operator = open(&server, CLOUDS[0]).operator;
    operator.write("root/a", "1").await.expect("written");
    operator.write("other/b", "1").await.expect("written");
    let first = index(&server, CLOUDS[0], &folder);
    assert!(first.open().await);
    first.close(false).await;
    drop(first);
    operator.rename("root", "old").await.expect("renamed");
    operator.rename("other", "root").await.expect("renamed");
    let second = index(&server, CLOUDS[0], &folder);
    assert!(second.open().await);
    assert_eq!(indexed(&second).await.into_keys().collect::<Vec<_>>(), ["root/b"]);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_index() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::builder().ephemeral().start().await.expect("a server");
    let folder = TempDir::new().expect("a folder");
    open(&server, CLOUDS[0]).operator.write("root/a", "1").await.expect("written");
    assert!(index(&server, CLOUDS[0], &folder).open().await);
    for file in ["index.sqlite", "index.lock"] {
        let mode = fs::metadata(folder.path().join(file)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}
