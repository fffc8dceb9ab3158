//! A damaged database: everything that can be read is saved, and no file gets the bytes of another.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use super::{
    super::{super::*, check::CheckReport},
    body, bytes, folder, on_disk, put, read,
};

const FILES: u64 = 300;

/// The accounts of the data folder.
const ACCOUNTS: [&str; 2] = ["", "somebody"];

/// A data folder with files in two drives.
struct Fixture {
    data: tempfile::TempDir,
    /// The bytes of each file, by its name: every file has a name of its own.
    files: BTreeMap<String, Vec<u8>>,
    /// Their paths.
    paths: BTreeMap<String, String>,
}

impl Fixture {
    async fn new() -> Self {
        let data = tempfile::tempdir().expect("temporary folder");
        let tree = on_disk(data.path()).await;
        let (mut files, mut paths) = (BTreeMap::new(), BTreeMap::new());
        for (drive, account) in ACCOUNTS.iter().enumerate() {
            let no = tree.drive(account).await.expect("drive").no;
            let mut folders = vec![(String::new(), ROOT)];
            for name in ["docs", "photos", "music"] {
                let (above, parent) = folders.last().expect("some").clone();
                let made = folder(&tree, no, parent, name).await;
                folders.push((format!("{above}{name}/"), made.no));
            }
            for n in (drive as u64 * FILES / 2)..((drive as u64 + 1) * FILES / 2) {
                let (above, parent) = &folders[n as usize % folders.len()];
                let name = format!("file {n:03} with a name.txt");
                // Many of one size; every sixth is in a blob.
                let sent = bytes(if n % 6 == 0 { 40_000 } else { 900 }, n);
                put(&tree, no, *parent, &name, &sent).await;
                paths.insert(name.clone(), format!("{account}:{above}{name}"));
                files.insert(name, sent);
            }
            let old = put(&tree, no, ROOT, &format!("deleted {drive}"), &bytes(50_000, 7)).await;
            tree.trash(no, old.no, Precondition::Any).await.expect("trashes");
        }
        tree.close().await;
        Self { data, files, paths }
    }

    /// A copy of the data folder with a database that `damage` has damaged.
    fn damaged(&self, damage: impl FnOnce(&mut Vec<u8>)) -> tempfile::TempDir {
        let copy = tempfile::tempdir().expect("temporary folder");
        copy_folder(self.data.path(), copy.path());
        let database = copy.path().join("tree.db");
        let mut bytes = fs::read(&database).expect("reads");
        damage(&mut bytes);
        fs::write(database, bytes).expect("writes");
        copy
    }

    /// Repairs a damaged copy. Fails unless every file that is served after it has the right bytes,
    /// nothing is deleted, and every file is served or reported. Returns how many files are served at
    /// their paths.
    async fn repaired(&self, data: &Path, what: &str) -> usize {
        let (blobs, before) = (blobs(data), fs::read(data.join("tree.db")).expect("reads"));
        let options = TreeOptions::folder(data).durability(crate::Durability::Relaxed);
        let tree = Tree::open_for_repair(options).await;
        let tree = tree.unwrap_or_else(|error| panic!("{what}: {error}"));
        let report = tree.repair().await.unwrap_or_else(|error| panic!("{what}: {error}"));
        tree.close().await;
        if let Some(recovery) = &report.recovery {
            assert!(fs::read(&recovery.damaged).expect("is kept") == before, "{what}");
            let name = recovery.damaged.file_name().and_then(|name| name.to_str());
            assert!(name.is_some_and(|name| name.starts_with("tree.db.damaged-")), "{name:?}");
        }

        let tree = on_disk(data).await;
        tree.tidied().await;
        let mut served = BTreeMap::new();
        for account in ACCOUNTS {
            let what = format!("{what}: {report:?}");
            self.walk(&tree, account, &mut served, &what).await;
        }
        let check = tree.check().await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(check.is_good() && check.orphans == 0, "{what}: {check:?}");
        // The repaired tree accepts calls.
        let drive = tree.drive("").await.expect("drive").no;
        let new = put(&tree, drive, ROOT, "new", b"new").await;
        assert_eq!(read(&tree, &new).await, b"new", "{what}");
        tree.close().await;

        for (blob, bytes) in blobs {
            let name = blob.file_name().expect("a name");
            let there = fs::read(data.join(&blob));
            let there = there.or_else(|_| fs::read(data.join("quarantine").join(name)));
            assert!(there.is_ok_and(|there| there == bytes), "{what}: {} is gone", blob.display());
        }
        self.all_are_accounted_for(&served, &report, what);
        self.paths.iter().filter(|(name, path)| served.get(*name) == Some(*path)).count()
    }

    /// Reads every live file of an account: by their names, where they are.
    async fn walk(
        &self,
        tree: &Tree,
        account: &str,
        served: &mut BTreeMap<String, String>,
        what: &str,
    ) {
        let drive = tree.drive(account).await.expect("drive");
        let mut used = 0;
        let mut folders = vec![(ROOT, String::new())];
        while let Some((no, above)) = folders.pop() {
            let children = tree.children(drive.no, no, ListOptions::default()).await;
            for node in children.unwrap_or_else(|error| panic!("{what}: {above}: {error}")) {
                let path = format!("{above}{}", node.name);
                let found =
                    tree.child(drive.no, no, &node.name).await.expect("is found by its name");
                assert_eq!(found.no, node.no, "{what}: {path}");
                if node.kind == NodeKind::Folder {
                    folders.push((node.no, format!("{path}/")));
                    continue;
                }
                used += node.size;
                let bytes = read(tree, &node).await;
                match self.files.get(&node.name) {
                    Some(sent) => assert!(bytes == *sent, "{what}: {path} has wrong bytes"),
                    // Its name is damaged.
                    None => {
                        assert!(self.files.values().any(|sent| bytes == *sent), "{what}: {path}")
                    }
                }
                served.insert(node.name, format!("{account}:{path}"));
            }
        }
        let info = tree.drive_info(drive.no).await.expect("drive");
        assert_eq!(info.used, used, "{what}: the size of the drive");
    }

    /// A file that is not at its path is in the report, by its name or, if that is lost, by a count.
    fn all_are_accounted_for(
        &self,
        served: &BTreeMap<String, String>,
        report: &CheckReport,
        what: &str,
    ) {
        let mut named: HashSet<String> = HashSet::new();
        let mut add = |path: &str| {
            named.extend(path.split('/').map(str::to_uppercase));
        };
        report.damaged.iter().for_each(|file| add(&file.path));
        let recovery = report.recovery.clone().unwrap_or_default();
        recovery.moved.iter().for_each(|item| add(&item.path));
        recovery.lost.iter().for_each(|item| add(&item.path));
        let missing = self.paths.iter().filter(|(name, path)| served.get(*name) != Some(*path));
        let unnamed: Vec<_> = missing
            .filter(|(name, path)| {
                !path.split([':', '/']).any(|part| named.contains(&part.to_uppercase()))
                    && !named.contains(&name.to_uppercase())
            })
            .collect();
        let is_known = recovery.unreadable > 0 || !recovery.lost.is_empty();
        assert!(
            unnamed.is_empty() || is_known || !recovery.moved.is_empty(),
            "{what}: {unnamed:?}"
        );
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("makes");
    for entry in fs::read_dir(from).expect("lists") {
        let entry = entry.expect("entry");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy_folder(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).expect("copies")),
        }
    }
}

/// The blobs of a data folder by their paths in it.
fn blobs(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = super::damage::blob_files(data).into_iter();
    let below = |file: PathBuf| {
        let bytes = fs::read(&file).expect("reads");
        (file.strip_prefix(data).expect("is below").to_owned(), bytes)
    };
    files.map(below).collect()
}

/// Numbers that look random, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

#[tokio::test]
async fn after_flipped_bytes_every_file_that_is_served_has_its_bytes() {
    let fixture = Fixture::new().await;
    let mut right = Vec::new();
    for seed in 0..12 {
        let data = fixture.damaged(|database| {
            let mut dice = Dice(seed);
            let pages = database.len() / 4096;
            for _ in 0..3 {
                let page = dice.below(pages) * 4096;
                for _ in 0..4 {
                    database[page + dice.below(4096)] ^= 1 << dice.below(8);
                }
            }
        });
        right.push(fixture.repaired(data.path(), &format!("seed {seed}")).await);
    }
    assert!(right.iter().all(|right| *right > 200), "{right:?}");
}

#[tokio::test]
async fn any_page_may_be_lost() {
    let fixture = Fixture::new().await;
    let pages = fs::metadata(fixture.data.path().join("tree.db")).expect("is there").len() / 4096;
    let mut right = Vec::new();
    // Pages of tables and indexes lie mixed: every kind is among them.
    for page in (0..4).chain((4..pages as usize).step_by(11)) {
        let data = fixture.damaged(|database| database[page * 4096..][..4096].fill(0xff));
        let options = TreeOptions::folder(data.path());
        let opened = Tree::open(options).await.map(drop);
        assert!(matches!(opened, Err(OpenError::Damaged { .. })), "page {page}: {opened:?}");
        right.push((page, fixture.repaired(data.path(), &format!("page {page}")).await));
    }
    // A page may have the rows of all folders of a drive: they get their names from the edges, in
    // folded form, so the files below them have other paths.
    assert!(right.iter().all(|(_, right)| *right > 150), "{right:?}");
    // The pages of an index have nothing that is nowhere else.
    assert!(right.iter().any(|(_, right)| *right == fixture.paths.len()), "{right:?}");
}

#[tokio::test]
async fn a_write_that_is_in_the_log_only_is_saved() {
    let data = tempfile::tempdir().expect("temporary folder");
    on_disk(data.path()).await.close().await;
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    put(&tree, drive, ROOT, "f", &bytes(40_000, 1)).await;
    // As a crash leaves it.
    let crashed = tempfile::tempdir().expect("temporary folder");
    copy_folder(data.path(), crashed.path());
    tree.close().await;
    let database = crashed.path().join("tree.db");
    let mut damaged = fs::read(&database).expect("reads");
    damaged[..100].fill(0);
    fs::write(&database, damaged).expect("writes");
    let tree = Tree::open_for_repair(TreeOptions::folder(crashed.path())).await.expect("opens");
    let report = tree.repair().await.expect("repairs");
    assert!(report.damaged.is_empty(), "{report:?}");
    let drive = tree.drive("").await.expect("drive").no;
    let file = tree.child(drive, ROOT, "f").await.expect("is there");
    assert!(read(&tree, &file).await == bytes(40_000, 1));
    tree.close().await;
}

#[tokio::test]
async fn an_incomplete_upload_continues_after_a_repair() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    let session = super::session(drive, ROOT, "f", OnConflict::Fail);
    let session = tree.open_session(session).await.expect("opens");
    let (first, second) = (bytes(40_000, 1), bytes(30_000, 2));
    let (id, expires) = (session.id.clone(), session.expires);
    let fragment = |at, bytes: &[u8]| UploadFragment {
        at,
        total: None,
        body: body(bytes),
        max: u64::MAX,
        expires,
    };
    tree.append(&id, fragment(0, &first)).await.expect("appends");
    tree.close().await;
    let database = data.path().join("tree.db");
    let mut damaged = fs::read(&database).expect("reads");
    damaged[..4096].fill(0);
    fs::write(&database, damaged).expect("writes");
    let tree = Tree::open_for_repair(TreeOptions::folder(data.path())).await.expect("opens");
    let report = tree.repair().await.expect("repairs");
    assert!(report.damaged.is_empty() && report.recovery.is_some(), "{report:?}");
    // The received bytes have no hash in the row; their blob has checksums.
    let got = tree.append(&id, fragment(40_000, &second)).await;
    assert_eq!(got.expect("appends").received, 70_000);
    let made =
        tree.commit(&id, NewItem::default(), Precondition::Any, None).await.expect("commits").node;
    assert!(read(&tree, &made).await == [first, second].concat());
    tree.close().await;
}

#[tokio::test]
async fn a_lost_folder_is_created_again_with_all_its_items() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    let docs = folder(&tree, drive, ROOT, "docs").await;
    let inner = folder(&tree, drive, docs.no, "inner").await;
    put(&tree, drive, inner.no, "a", b"a").await;
    put(&tree, drive, inner.no, "b", b"b").await;
    tree.close().await;
    for with_edge in [true, false] {
        let copy = tempfile::tempdir().expect("temporary folder");
        copy_folder(data.path(), copy.path());
        let mut sql = super::upgrade::database(copy.path()).await;
        let lose = sqlx::query("DELETE FROM item WHERE no = $1").bind(docs.no);
        lose.execute(&mut sql).await.expect("deletes");
        if !with_edge {
            let lose = sqlx::query("DELETE FROM edge WHERE item = $1").bind(docs.no);
            lose.execute(&mut sql).await.expect("deletes");
        }
        sqlx::Connection::close(sql).await.expect("closes");
        let database = copy.path().join("tree.db");
        let mut damaged = fs::read(&database).expect("reads");
        damaged[..100].fill(0);
        fs::write(&database, damaged).expect("writes");
        let options = TreeOptions::folder(copy.path());
        let tree = Tree::open_for_repair(options).await.expect("opens");
        let report = tree.repair().await.expect("repairs");
        let moved = &report.recovery.expect("it was damaged").moved;
        let nameless = format!("folder {}", docs.no);
        let names = match with_edge {
            true => vec!["DOCS", "inner", "a"],
            false => vec!["Recovered", nameless.as_str(), "inner", "a"],
        };
        let path = names[..names.len() - 2].join("/");
        assert!(moved.iter().any(|item| item.path == path), "{path}: {moved:?}");
        let nodes = tree.walk(drive, ROOT, &names).await.expect("walks");
        assert_eq!(nodes.len(), 1 + names.len(), "{nodes:?}");
        assert_eq!(read(&tree, nodes.last().expect("some")).await, b"a");
        tree.close().await;
    }
}

#[tokio::test]
async fn a_file_with_the_bytes_of_another_is_not_served() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    let one = put(&tree, drive, ROOT, "one", &bytes(900, 1)).await;
    let other = put(&tree, drive, ROOT, "other", &bytes(900, 2)).await;
    put(&tree, drive, ROOT, "third", &bytes(900, 3)).await;
    tree.close().await;
    let mut sql = super::upgrade::database(data.path()).await;
    let content = |node: &Node| node.content.as_ref().expect("has bytes").no;
    sqlx::query("UPDATE item SET content = $2 WHERE no = $1")
        .bind(one.no)
        .bind(content(&other))
        .execute(&mut sql)
        .await
        .expect("updates");
    sqlx::Connection::close(sql).await.expect("closes");
    let database = data.path().join("tree.db");
    let mut damaged = fs::read(&database).expect("reads");
    damaged[..100].fill(0);
    fs::write(&database, damaged).expect("writes");
    let tree = Tree::open_for_repair(TreeOptions::folder(data.path())).await.expect("opens");
    let report = tree.repair().await.expect("repairs");
    let mut out: Vec<_> = report.damaged.iter().map(|file| file.path.as_str()).collect();
    out.sort_unstable();
    assert_eq!(out, ["one", "other"]);
    let children = tree.children(drive, ROOT, ListOptions::default()).await.expect("lists");
    assert_eq!(children.iter().map(|node| &*node.name).collect::<Vec<_>>(), ["third"]);
    let saved = fs::read_dir(data.path().join("quarantine")).expect("lists");
    let mut saved: Vec<_> =
        saved.map(|file| fs::read(file.expect("entry").path()).expect("reads")).collect();
    saved.sort();
    let mut both = vec![bytes(900, 1), bytes(900, 2)];
    both.sort();
    assert!(saved == both, "the bytes of both are kept");
    tree.close().await;
}

#[tokio::test]
async fn no_drive_is_created_from_nothing() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    put(&tree, drive, ROOT, "f", &bytes(40_000, 1)).await;
    tree.close().await;
    let before = blobs(data.path());
    let database = data.path().join("tree.db");
    for left in [Some(vec![]), Some(vec![0; 40_960]), Some(bytes(40_960, 3)), None] {
        match &left {
            Some(bytes) => fs::write(&database, bytes).expect("writes"),
            None => fs::remove_file(&database).expect("removes"),
        }
        let refused = Tree::open_for_repair(TreeOptions::folder(data.path())).await;
        let error = refused.expect_err("is refused").to_string();
        assert!(error.contains("ackup"), "{error}");
        assert!(blobs(data.path()) == before);
        assert_eq!(fs::read(&database).ok(), left);
        let names = fs::read_dir(data.path()).expect("lists");
        let names: Vec<_> = names.map(|entry| entry.expect("entry").file_name()).collect();
        assert!(!names.iter().any(|name| name.to_string_lossy().contains("recover")), "{names:?}");
    }
}
