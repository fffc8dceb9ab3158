use super::*;
use crate::transfer::journal::{Journal, is_partial};

struct Rig {
    dir: tempfile::TempDir,
    journal: Journal,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let journal = Journal::in_folder(dir.path().join("state"));
        fs::create_dir(dir.path().join("x")).expect("made");
        Self { dir, journal }
    }

    fn target(&self) -> PathBuf {
        self.dir.path().join("x/a")
    }

    fn open(
        &self,
        version: &RemoteVersion,
        expected: Option<&ExpectedHash>,
    ) -> (PartialDownload, DownloadStart) {
        let claim = self.journal.claim([&b"a"[..]]).expect("nobody else");
        let stopped = Interrupt::default();
        let origin = DownloadOrigin { remote: "r".to_owned(), path: "a".to_owned() };
        let version = version.clone();
        let opened = PartialDownload::resumable(
            self.target(),
            claim,
            version,
            origin,
            expected,
            true,
            &stopped,
        );
        opened.expect("room beside the target")
    }

    fn names(&self) -> Vec<String> {
        let read = fs::read_dir(self.dir.path().join("x")).expect("a folder");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("listed").file_name();
        read.map(|entry| name(entry).into_string().expect("text")).collect()
    }
}

fn version(size: u64, etag: &str) -> RemoteVersion {
    RemoteVersion { size, id: None, etag: Some(etag.to_owned()), version: None, modified: None }
}

/// The MD5 hash of these bytes.
fn md5(bytes: &[u8]) -> ExpectedHash {
    use ::md5::{Digest, Md5};
    let mut item = Item::new("i", "n", drivedal::drive::ItemKind::File);
    item.hashes.push((drivedal::drive::HashKind::Md5, Md5::digest(bytes).as_slice().into()));
    ExpectedHash::from_item(&item).expect("a hash")
}

fn bytes(text: &'static str) -> [Bytes; 1] {
    [Bytes::from_static(text.as_bytes())]
}

#[test]
fn a_complete_download_replaces_its_target_and_a_failed_one_leaves_no_file() {
    let rig = Rig::new();
    fs::write(rig.target(), "old").expect("written");
    let mut dropped = PartialDownload::temporary(rig.target(), None).expect("made");
    dropped.write(bytes("half")).expect("written");
    assert_eq!(dropped.suspend(), None);
    assert_eq!(fs::read(rig.target()).expect("read"), b"old");
    assert_eq!(rig.names(), ["a"]);

    let time: Timestamp = "2014-02-03T04:05:06Z".parse().expect("a time");
    let mut partial = PartialDownload::temporary(rig.target(), None).expect("made");
    partial.write([Bytes::from_static(b"ne"), Bytes::from_static(b"w")]).expect("written");
    partial.finish(Some(time)).expect("in its place");
    assert_eq!(fs::read(rig.target()).expect("read"), b"new");
    let modified = fs::metadata(rig.target()).and_then(|found| found.modified()).expect("a time");
    assert_eq!(modified, SystemTime::from(time));
}

#[test]
fn a_suspended_large_download_is_resumed_with_its_hash() {
    let rig = Rig::new();
    let (version, expected) = (version(8, "1"), md5(b"halfmore"));
    let (mut partial, start) = rig.open(&version, Some(&expected));
    assert_eq!((start, partial.len()), (DownloadStart::New, 0));
    partial.write(bytes("half")).expect("written");
    assert_eq!(partial.suspend(), Some(4));
    assert!(rig.names().iter().all(|name| is_partial(Path::new(name))), "{:?}", rig.names());

    let (mut partial, start) = rig.open(&version, Some(&expected));
    assert_eq!((start, partial.len(), partial.is_resumed()), (DownloadStart::Resumed, 4, true));
    partial.write(bytes("more")).expect("written");
    assert!(expected.matches(&partial.finish_hash().expect("a hash")));
    partial.finish(None).expect("in its place");
    assert_eq!(fs::read(rig.target()).expect("read"), b"halfmore");
    assert_eq!(rig.names(), ["a"]);
    assert_eq!(rig.open(&version, None).1, DownloadStart::New);
}

#[test]
fn without_a_journal_entry_a_large_download_is_temporary() {
    let rig = Rig::new();
    // This folder prevents the write of every entry.
    let name = rig.journal.claim([&b"a"[..]]).expect("nobody else").name().to_owned();
    let in_the_way = rig.dir.path().join("state").join(name).with_extension("new");
    fs::create_dir(&in_the_way).expect("made");
    let (mut partial, start) = rig.open(&version(8, "1"), None);
    assert_eq!(start, DownloadStart::New);
    partial.write(bytes("half")).expect("written");
    assert_eq!(partial.suspend(), None);
    assert!(rig.names().is_empty(), "{:?}", rig.names());

    let (mut partial, _) = rig.open(&version(8, "1"), None);
    partial.write(bytes("halfmore")).expect("written");
    partial.finish(None).expect("in its place");
    assert_eq!(
        (fs::read(rig.target()).expect("read"), rig.names()),
        (b"halfmore".to_vec(), vec!["a".to_owned()])
    );

    // An entry that was stored once stays in the journal.
    fs::remove_dir(&in_the_way).expect("empty");
    fs::remove_file(rig.target()).expect("there");
    let (mut partial, _) = rig.open(&version(8, "1"), None);
    partial.write(bytes("half")).expect("written");
    drop(partial);
    fs::create_dir(&in_the_way).expect("made");
    let (partial, start) = rig.open(&version(8, "1"), None);
    assert_eq!((start, partial.suspend()), (DownloadStart::Resumed, Some(4)));
    let (mut partial, _) = rig.open(&version(8, "1"), None);
    // The stored entry is outdated, and a new version cannot be stored.
    partial.restart(None).expect("emptied");
    partial.write(bytes("other")).expect("written");
    assert_eq!(partial.suspend(), None);
    assert!(rig.names().is_empty(), "{:?}", rig.names());
}

#[test]
fn a_partial_file_of_another_version_is_discarded() {
    let rig = Rig::new();
    let (mut partial, _) = rig.open(&version(8, "1"), None);
    partial.write(bytes("half")).expect("written");
    drop(partial);
    let (mut partial, start) = rig.open(&version(8, "2"), None);
    assert_eq!((start, partial.len(), partial.is_resumed()), (DownloadStart::Changed, 0, false));
    partial.write(bytes("12345678")).expect("written");
    partial.finish(None).expect("in its place");
    assert_eq!(fs::read(rig.target()).expect("read"), b"12345678");
    assert_eq!(rig.names(), ["a"]);
}

#[test]
fn a_download_with_another_hash_starts_again() {
    let rig = Rig::new();
    let expected = md5(b"12345678");
    let (mut partial, _) = rig.open(&version(8, "1"), Some(&expected));
    partial.write(bytes("half")).expect("written");
    drop(partial);
    let (mut partial, _) = rig.open(&version(8, "1"), Some(&expected));
    partial.write(bytes("5678")).expect("written");
    assert!(!expected.matches(&partial.finish_hash().expect("a hash")));
    partial.restart(Some(&expected)).expect("emptied");
    partial.write(bytes("12345678")).expect("written");
    assert!(expected.matches(&partial.finish_hash().expect("a hash")));
    partial.finish(None).expect("in its place");
    assert_eq!(fs::read(rig.target()).expect("read"), b"12345678");
}

#[test]
fn a_discarded_or_empty_download_leaves_no_file() {
    let rig = Rig::new();
    let (partial, _) = rig.open(&version(8, "1"), None);
    assert_eq!(partial.suspend(), None);
    let (mut partial, _) = rig.open(&version(8, "1"), None);
    partial.write(bytes("half")).expect("written");
    partial.discard();
    assert_eq!(rig.names(), [""; 0]);
    assert_eq!(rig.open(&version(8, "1"), None).1, DownloadStart::New);
}

#[test]
fn without_a_hash_only_synced_bytes_survive_a_restart_of_the_computer() {
    let rig = Rig::new();
    let entry = |boot: Option<String>| SavedDownload {
        partial: rig.target(),
        version: version(8, "1"),
        durable: 3,
        boot,
        origin: None,
    };
    fs::write(rig.target(), "12345").expect("written");
    let file = File::open(rig.target()).expect("opened");
    let trusted_len =
        |entry: SavedDownload, checked| entry.trusted_len(&file, checked).expect("a length");
    assert_eq!(trusted_len(entry(Some("another start".into())), true), 5);
    assert_eq!(trusted_len(entry(Some("another start".into())), false), 3);
    assert_eq!(trusted_len(entry(None), false), 3);
    if boot_id().is_some() {
        assert_eq!(trusted_len(entry(boot_id()), false), 5);
    }
}

#[test]
fn an_existing_file_with_the_name_of_a_partial_download_is_not_touched() {
    let rig = Rig::new();
    let claim = rig.journal.claim([&b"a"[..]]).expect("nobody else");
    let name = format!("{}{}{}", PARTIAL.0, claim.name(), PARTIAL.1);
    drop(claim);
    let users = rig.target().with_file_name(&name);
    fs::write(&users, "mine").expect("written");
    let (mut partial, start) = rig.open(&version(4, "1"), None);
    assert_eq!(start, DownloadStart::New);
    partial.write(bytes("half")).expect("written");
    partial.finish(None).expect("in its place");
    assert_eq!(fs::read(users).expect("read"), b"mine");
    assert_eq!(fs::read(rig.target()).expect("read"), b"half");
}

#[test]
fn a_download_of_acd_cli_is_resumed_without_its_last_bytes_and_only_with_a_hash() {
    let rig = Rig::new();
    let left = rig.target().with_file_name("a.__incomplete");
    let whole: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(&left, &whole[..200_000]).expect("written");
    let version = version(300_000, "1");
    let (partial, start) = rig.open(&version, None);
    assert_eq!((start, partial.len()), (DownloadStart::New, 0));
    partial.discard();
    assert!(left.exists());

    let expected = md5(&whole);
    let (mut partial, start) = rig.open(&version, Some(&expected));
    assert_eq!((start, partial.len()), (DownloadStart::Adopted, 200_000 - 1 - 131_072));
    let at = partial.len() as usize;
    partial.write([Bytes::copy_from_slice(&whole[at..])]).expect("written");
    assert!(expected.matches(&partial.finish_hash().expect("a hash")));
    partial.finish(None).expect("in its place");
    assert_eq!(fs::read(rig.target()).expect("read"), whole);
    assert_eq!(rig.names(), ["a"]);
}
