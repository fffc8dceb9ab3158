use super::*;
use crate::transfer::journal::{Journal, is_partial};

struct Rig {
    dir: tempfile::TempDir,
    journal: Journal,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let journal = Journal::at(dir.path().join("state"));
        fs::create_dir(dir.path().join("x")).expect("made");
        Self { dir, journal }
    }

    fn target(&self) -> PathBuf {
        self.dir.path().join("x/a")
    }

    fn open(&self, version: &Version, expected: Option<&Expected>) -> (Sink, Begun) {
        let claim = self.journal.claim([&b"a"[..]]).expect("nobody else");
        let stopped = Interrupt::default();
        let origin = Origin { remote: "r".to_owned(), path: "a".to_owned() };
        let version = version.clone();
        let opened = Sink::kept(self.target(), claim, version, origin, expected, true, &stopped);
        opened.expect("room beside the target")
    }

    fn names(&self) -> Vec<String> {
        let read = fs::read_dir(self.dir.path().join("x")).expect("a folder");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("listed").file_name();
        read.map(|entry| name(entry).into_string().expect("text")).collect()
    }
}

fn version(size: u64, etag: &str) -> Version {
    Version { size, id: None, etag: Some(etag.to_owned()), version: None, modified: None }
}

/// Of a file of these bytes.
fn md5(bytes: &[u8]) -> Expected {
    use ::md5::{Digest, Md5};
    let mut item = Item::new("i", "n", drivedal::drive::Kind::File);
    item.hashes.push((drivedal::drive::HashKind::Md5, Md5::digest(bytes).as_slice().into()));
    Expected::of_item(&item).expect("a hash")
}

fn bytes(text: &'static str) -> [Bytes; 1] {
    [Bytes::from_static(text.as_bytes())]
}

#[test]
fn what_is_fetched_takes_its_place_when_it_is_whole_and_else_leaves_nothing() {
    let rig = Rig::new();
    fs::write(rig.target(), "old").expect("written");
    let mut dropped = Sink::temporary(rig.target(), None).expect("made");
    dropped.write(bytes("half")).expect("written");
    assert_eq!(dropped.leave(), None);
    assert_eq!(fs::read(rig.target()).expect("read"), b"old");
    assert_eq!(rig.names(), ["a"]);

    let time: Timestamp = "2014-02-03T04:05:06Z".parse().expect("a time");
    let mut sink = Sink::temporary(rig.target(), None).expect("made");
    sink.write([Bytes::from_static(b"ne"), Bytes::from_static(b"w")]).expect("written");
    sink.finish(Some(time)).expect("in its place");
    assert_eq!(fs::read(rig.target()).expect("read"), b"new");
    let modified = fs::metadata(rig.target()).and_then(|found| found.modified()).expect("a time");
    assert_eq!(modified, SystemTime::from(time));
}

#[test]
fn a_large_file_that_was_left_goes_on_with_its_hash_and_then_nothing_is_left() {
    let rig = Rig::new();
    let (version, expected) = (version(8, "1"), md5(b"halfmore"));
    let (mut sink, begun) = rig.open(&version, Some(&expected));
    assert_eq!((begun, sink.len()), (Begun::Anew, 0));
    sink.write(bytes("half")).expect("written");
    assert_eq!(sink.leave(), Some(4));
    assert!(rig.names().iter().all(|name| is_partial(Path::new(name))), "{:?}", rig.names());

    let (mut sink, begun) = rig.open(&version, Some(&expected));
    assert_eq!((begun, sink.len(), sink.is_continued()), (Begun::Continued, 4, true));
    sink.write(bytes("more")).expect("written");
    assert!(expected.is(&sink.taken().expect("a hash")));
    sink.finish(None).expect("in its place");
    assert_eq!(fs::read(rig.target()).expect("read"), b"halfmore");
    assert_eq!(rig.names(), ["a"]);
    assert_eq!(rig.open(&version, None).1, Begun::Anew);
}

#[test]
fn a_large_file_that_the_journal_cannot_know_is_fetched_as_a_small_one() {
    let rig = Rig::new();
    // In the way of every entry.
    let name = rig.journal.claim([&b"a"[..]]).expect("nobody else").name().to_owned();
    let in_the_way = rig.dir.path().join("state").join(name).with_extension("new");
    fs::create_dir(&in_the_way).expect("made");
    let (mut sink, begun) = rig.open(&version(8, "1"), None);
    assert_eq!(begun, Begun::Anew);
    sink.write(bytes("half")).expect("written");
    assert_eq!(sink.leave(), None);
    assert!(rig.names().is_empty(), "{:?}", rig.names());

    let (mut sink, _) = rig.open(&version(8, "1"), None);
    sink.write(bytes("halfmore")).expect("written");
    sink.finish(None).expect("in its place");
    assert_eq!(
        (fs::read(rig.target()).expect("read"), rig.names()),
        (b"halfmore".to_vec(), vec!["a".to_owned()])
    );

    // One that is known stays known.
    fs::remove_dir(&in_the_way).expect("empty");
    fs::remove_file(rig.target()).expect("there");
    let (mut sink, _) = rig.open(&version(8, "1"), None);
    sink.write(bytes("half")).expect("written");
    drop(sink);
    fs::create_dir(&in_the_way).expect("made");
    let (sink, begun) = rig.open(&version(8, "1"), None);
    assert_eq!((begun, sink.leave()), (Begun::Continued, Some(4)));
    let (mut sink, _) = rig.open(&version(8, "1"), None);
    // What the entry says is no longer so, and cannot be written down.
    sink.restart(None).expect("emptied");
    sink.write(bytes("other")).expect("written");
    assert_eq!(sink.leave(), None);
    assert!(rig.names().is_empty(), "{:?}", rig.names());
}

#[test]
fn of_a_file_that_is_another_one_by_now_nothing_is_kept() {
    let rig = Rig::new();
    let (mut sink, _) = rig.open(&version(8, "1"), None);
    sink.write(bytes("half")).expect("written");
    drop(sink);
    let (mut sink, begun) = rig.open(&version(8, "2"), None);
    assert_eq!((begun, sink.len(), sink.is_continued()), (Begun::Changed, 0, false));
    sink.write(bytes("12345678")).expect("written");
    sink.finish(None).expect("in its place");
    assert_eq!(fs::read(rig.target()).expect("read"), b"12345678");
    assert_eq!(rig.names(), ["a"]);
}

#[test]
fn bytes_that_turn_out_to_be_wrong_are_thrown_away() {
    let rig = Rig::new();
    let expected = md5(b"12345678");
    let (mut sink, _) = rig.open(&version(8, "1"), Some(&expected));
    sink.write(bytes("half")).expect("written");
    drop(sink);
    let (mut sink, _) = rig.open(&version(8, "1"), Some(&expected));
    sink.write(bytes("5678")).expect("written");
    assert!(!expected.is(&sink.taken().expect("a hash")));
    sink.restart(Some(&expected)).expect("emptied");
    sink.write(bytes("12345678")).expect("written");
    assert!(expected.is(&sink.taken().expect("a hash")));
    sink.finish(None).expect("in its place");
    assert_eq!(fs::read(rig.target()).expect("read"), b"12345678");
}

#[test]
fn nothing_is_left_of_what_is_discarded_or_never_came() {
    let rig = Rig::new();
    let (sink, _) = rig.open(&version(8, "1"), None);
    assert_eq!(sink.leave(), None);
    let (mut sink, _) = rig.open(&version(8, "1"), None);
    sink.write(bytes("half")).expect("written");
    sink.discard();
    assert_eq!(rig.names(), [""; 0]);
    assert_eq!(rig.open(&version(8, "1"), None).1, Begun::Anew);
}

#[test]
fn without_a_hash_only_what_is_on_the_disk_for_certain_outlasts_the_power() {
    let rig = Rig::new();
    let entry = |boot: Option<String>| Entry {
        partial: rig.target(),
        version: version(8, "1"),
        durable: 3,
        boot,
        origin: None,
    };
    fs::write(rig.target(), "12345").expect("written");
    let file = File::open(rig.target()).expect("opened");
    let trusted = |entry: Entry, checked| entry.trusted(&file, checked).expect("a length");
    assert_eq!(trusted(entry(Some("another start".into())), true), 5);
    assert_eq!(trusted(entry(Some("another start".into())), false), 3);
    assert_eq!(trusted(entry(None), false), 3);
    if boot().is_some() {
        assert_eq!(trusted(entry(boot()), false), 5);
    }
}

#[test]
fn a_file_of_the_users_that_has_our_name_stays_as_it_is() {
    let rig = Rig::new();
    let claim = rig.journal.claim([&b"a"[..]]).expect("nobody else");
    let name = format!("{}{}{}", PARTIAL.0, claim.name(), PARTIAL.1);
    drop(claim);
    let users = rig.target().with_file_name(&name);
    fs::write(&users, "mine").expect("written");
    let (mut sink, begun) = rig.open(&version(4, "1"), None);
    assert_eq!(begun, Begun::Anew);
    sink.write(bytes("half")).expect("written");
    sink.finish(None).expect("in its place");
    assert_eq!(fs::read(users).expect("read"), b"mine");
    assert_eq!(fs::read(rig.target()).expect("read"), b"half");
}

#[test]
fn what_acd_cli_left_is_gone_on_with_but_for_its_last_bytes_and_only_if_a_hash_will_tell() {
    let rig = Rig::new();
    let left = rig.target().with_file_name("a.__incomplete");
    let whole: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(&left, &whole[..200_000]).expect("written");
    let version = version(300_000, "1");
    let (sink, begun) = rig.open(&version, None);
    assert_eq!((begun, sink.len()), (Begun::Anew, 0));
    sink.discard();
    assert!(left.exists());

    let expected = md5(&whole);
    let (mut sink, begun) = rig.open(&version, Some(&expected));
    assert_eq!((begun, sink.len()), (Begun::Adopted, 200_000 - 1 - 131_072));
    let at = sink.len() as usize;
    sink.write([Bytes::copy_from_slice(&whole[at..])]).expect("written");
    assert!(expected.is(&sink.taken().expect("a hash")));
    sink.finish(None).expect("in its place");
    assert_eq!(fs::read(rig.target()).expect("read"), whole);
    assert_eq!(rig.names(), ["a"]);
}
