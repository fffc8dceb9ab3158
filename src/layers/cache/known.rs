//! What is known of paths: answers to looks and listings, and which of them may still be kept.
//!
//! Paths are kept below their *folded* form, so that a change of `a/X` is a change of `a/x` too,
//! whether or not the service tells the two apart; answers are found by the path as it was asked.
//!
//! A change at a path says something about everything below it, and about every folder above it:
//! that folder's listing, its times, and whether it is there at all, because writes make folders on
//! their way. Answers that are on their way while a change happens count for nothing: each is
//! announced ([`Known::begin`]) before the request, and a change spoils it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use opendal::{Metadata, raw::oio::Entry};
use tokio::time::Instant;

use super::store::FileKey;

/// Something that is there.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) metadata: Metadata,
    /// What its blocks are called, once somebody has asked.
    pub(super) file: OnceLock<Arc<FileKey>>,
}

impl Seen {
    pub(super) fn new(metadata: Metadata) -> Arc<Self> {
        Arc::new(Self { metadata, file: OnceLock::new() })
    }
}

/// The answer to a look; `None`: there is nothing.
pub(super) type Looked = Option<Arc<Seen>>;

/// What a change reaches, besides every folder above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The item alone.
    Item,
    /// The item and everything below it.
    Tree,
    /// Everything that begins alike: some services remove so.
    Prefix,
}

#[derive(Debug)]
pub(super) struct Known {
    /// Most answers that are kept; each entry of a listing is one.
    most: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    nodes: BTreeMap<Box<str>, Node>,
    /// Answers in `nodes`.
    held: usize,
    /// Nodes in the order they were last filled in; one is passed over if its stamp is another.
    order: VecDeque<(Box<str>, u64)>,
    stamp: u64,
    /// Requests under way, by number: what they are about, and whether it has changed since.
    under_way: HashMap<u64, UnderWay>,
    begun: u64,
}

#[derive(Debug)]
struct UnderWay {
    folded: Box<str>,
    spoiled: bool,
}

#[derive(Debug, Default)]
struct Node {
    stamp: u64,
    /// By the path as it was asked: a few letters' cases, and with or without the slash.
    looks: Vec<(Box<str>, Instant, Looked)>,
    lists: Vec<List>,
}

#[derive(Debug)]
struct List {
    path: Box<str>,
    recursive: bool,
    asked: Instant,
    entries: Arc<[Entry]>,
}

impl Node {
    fn weight(&self) -> usize {
        self.looks.len() + self.lists.iter().map(|list| 1 + list.entries.len()).sum::<usize>()
    }
}

/// A request under way, whose answer may be kept if nothing changes meanwhile.
#[derive(Debug)]
pub(super) struct Fill {
    known: Arc<Known>,
    number: u64,
    /// When it began: the answer is no older than that.
    pub(super) asked: Instant,
}

impl Drop for Fill {
    fn drop(&mut self) {
        self.known.lock().under_way.remove(&self.number);
    }
}

impl Known {
    pub(super) fn new(most: usize) -> Self {
        Self { most, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a look at a path was answered, and when it was asked.
    pub(super) fn look(&self, path: &str) -> Option<(Looked, Instant)> {
        let inner = self.lock();
        let node = inner.nodes.get(&*fold(path))?;
        let (_, asked, looked) = node.looks.iter().find(|(asked, ..)| **asked == *path)?;
        Some((looked.clone(), *asked))
    }

    /// What a listing gave, and when it was asked for.
    pub(super) fn list(&self, path: &str, recursive: bool) -> Option<(Arc<[Entry]>, Instant)> {
        let inner = self.lock();
        let node = inner.nodes.get(&*fold(path))?;
        let is = |list: &&List| list.recursive == recursive && *list.path == *path;
        let list = node.lists.iter().find(is)?;
        Some((Arc::clone(&list.entries), list.asked))
    }

    /// Announces a request, before it is sent.
    pub(super) fn begin(self: &Arc<Self>, path: &str) -> Fill {
        let folded = fold(path).into();
        let mut inner = self.lock();
        inner.begun += 1;
        let number = inner.begun;
        inner.under_way.insert(number, UnderWay { folded, spoiled: false });
        Fill { known: Arc::clone(self), number, asked: Instant::now() }
    }

    /// Something changes, or has changed, at a path.
    pub(super) fn changed(&self, path: &str, reach: Reach) {
        let folded = fold(path);
        let mut inner = self.lock();
        for fill in inner.under_way.values_mut() {
            fill.spoiled |=
                reaches(reach, &folded, &fill.folded) || is_below(&folded, &fill.folded);
        }
        inner.forget(&folded);
        let mut above = &*folded;
        while let Some(parent) = parent(above) {
            inner.forget(parent);
            above = parent;
        }
        let first = match reach {
            Reach::Item => return,
            Reach::Prefix => folded.to_string(),
            Reach::Tree if folded.is_empty() => String::new(),
            Reach::Tree => format!("{folded}/"),
        };
        let from = (Bound::Included(&*first), Bound::Unbounded);
        let after = inner.nodes.range::<str, _>(from).map(|(path, _)| path);
        let below: Vec<_> = after.take_while(|path| path.starts_with(&first)).cloned().collect();
        for path in below {
            inner.forget(&path);
        }
    }

    /// Anything may have changed.
    pub(super) fn all_changed(&self) {
        let mut inner = self.lock();
        inner.under_way.values_mut().for_each(|fill| fill.spoiled = true);
        inner.nodes.clear();
        inner.order.clear();
        inner.held = 0;
    }
}

impl Fill {
    /// Whether something has changed since.
    pub(super) fn is_spoiled(&self) -> bool {
        self.known.lock().is_spoiled(self.number)
    }

    /// Keeps the answer to a look, unless something has changed since it was asked.
    pub(super) fn looked(&self, path: &str, looked: Looked) {
        let mut inner = self.known.lock();
        if inner.is_spoiled(self.number) {
            return;
        }
        inner.keep_look(path, self.asked, looked);
        inner.trim(self.known.most);
    }

    /// Keeps a whole listing, and the looks that its entries save.
    pub(super) fn listed(&self, path: &str, recursive: bool, entries: Vec<Entry>, looks: bool) {
        let mut inner = self.known.lock();
        if inner.is_spoiled(self.number) || entries.len() >= self.known.most {
            return;
        }
        if looks {
            for entry in entries.iter().filter(|entry| tells_all(entry)) {
                let seen = Seen::new(entry.metadata().clone());
                inner.keep_look(entry.path(), self.asked, Some(seen));
            }
        }
        let list =
            List { path: path.into(), recursive, asked: self.asked, entries: entries.into() };
        inner.with_node(path, |node| {
            node.lists.retain(|other| other.recursive != recursive || *other.path != *path);
            node.lists.push(list);
        });
        inner.trim(self.known.most);
    }
}

/// Whether a listing's entry says what a look would. Some services list names and nothing else.
fn tells_all(entry: &Entry) -> bool {
    let metadata = entry.metadata();
    metadata.etag().is_some() || metadata.last_modified().is_some()
}

impl Inner {
    fn is_spoiled(&self, number: u64) -> bool {
        self.under_way.get(&number).is_none_or(|fill| fill.spoiled)
    }

    fn keep_look(&mut self, path: &str, asked: Instant, looked: Looked) {
        self.with_node(path, |node| {
            match node.looks.iter_mut().find(|(known, ..)| **known == *path) {
                Some((_, known, _)) if *known > asked => {}
                Some(known) => (known.1, known.2) = (asked, looked),
                None => node.looks.push((path.into(), asked, looked)),
            }
        });
    }

    fn with_node(&mut self, path: &str, change: impl FnOnce(&mut Node)) {
        let folded = fold(path);
        self.stamp += 1;
        if !self.nodes.contains_key(&*folded) {
            self.nodes.insert((*folded).into(), Node::default());
        }
        let Some(node) = self.nodes.get_mut(&*folded) else { return };
        let before = node.weight();
        change(node);
        node.stamp = self.stamp;
        self.held = self.held + node.weight() - before;
        self.order.push_back(((*folded).into(), self.stamp));
    }

    fn forget(&mut self, folded: &str) {
        if let Some(node) = self.nodes.remove(folded) {
            self.held -= node.weight();
        }
    }

    /// Lets go of what was filled in longest ago.
    fn trim(&mut self, most: usize) {
        while self.held > most {
            let Some((path, stamp)) = self.order.pop_front() else { return };
            if self.nodes.get(&path).is_some_and(|node| node.stamp == stamp) {
                self.forget(&path);
            }
        }
        if self.order.len() > 64 + 2 * self.nodes.len() {
            let nodes = &self.nodes;
            self.order
                .retain(|(path, stamp)| nodes.get(path).is_some_and(|node| node.stamp == *stamp));
        }
    }
}

/// Whether a path can be kept: one that goes up, or through itself, may be another's name.
pub(super) fn is_plain(path: &str) -> bool {
    path.split('/').all(|name| name != "." && name != "..")
}

/// The form under which two paths may be one to some service, without the slashes at its ends.
fn fold(path: &str) -> Cow<'_, str> {
    let path = path.trim_matches('/');
    if path.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(path.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect())
}

fn parent(folded: &str) -> Option<&str> {
    match folded.rsplit_once('/') {
        Some((parent, _)) => Some(parent),
        None if folded.is_empty() => None,
        None => Some(""),
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn reaches(reach: Reach, changed: &str, path: &str) -> bool {
    match reach {
        Reach::Item => path == changed,
        Reach::Tree => is_below(path, changed),
        Reach::Prefix => path.starts_with(changed),
    }
}

#[cfg(test)]
mod tests {
    use opendal::MetadataBuilder;
    use proptest::prelude::*;

    use super::*;

    fn file(etag: &str) -> Metadata {
        let mut metadata = MetadataBuilder::file(1);
        metadata.etag(etag);
        metadata.build()
    }

    fn known() -> Arc<Known> {
        Arc::new(Known::new(100))
    }

    fn keep(known: &Arc<Known>, path: &str) {
        known.begin(path).looked(path, Some(Seen::new(file("1"))));
    }

    #[test]
    fn a_change_is_forgotten_with_all_below_and_all_above() {
        let known = known();
        for path in ["", "a/", "a/b/", "a/b/c", "a/bb", "x"] {
            keep(&known, path);
        }
        known.changed("a/b/", Reach::Tree);
        for (path, kept) in [
            ("", false),
            ("a/", false),
            ("a/b/", false),
            ("a/b/c", false),
            ("a/bb", true),
            ("x", true),
        ] {
            assert_eq!(known.look(path).is_some(), kept, "{path}");
        }
    }

    #[test]
    fn a_change_by_prefix_reaches_what_begins_alike() {
        let known = known();
        keep(&known, "ab");
        keep(&known, "b");
        known.changed("a", Reach::Prefix);
        assert!(known.look("ab").is_none() && known.look("b").is_some());
    }

    #[test]
    fn a_change_reaches_every_way_to_write_a_name() {
        let known = known();
        for path in ["Größe", "GRÖSSE", "ΣΊΣΥΦΟΣ", "σίσυφος", "a", "a/"] {
            keep(&known, path);
        }
        known.changed("grösse", Reach::Tree);
        known.changed("Σίσυφος", Reach::Tree);
        known.changed("A", Reach::Tree);
        assert_eq!(known.lock().held, 0);
    }

    #[test]
    fn an_answer_counts_for_nothing_if_something_changed_since_it_was_asked() {
        for (about, changed) in [("a/b", "a/b"), ("a/b", "a"), ("a/b", "A/B/c"), ("a/b", "/")] {
            let known = known();
            let fill = known.begin(about);
            known.changed(changed, Reach::Tree);
            fill.looked(about, None);
            assert!(known.look(about).is_none(), "{changed} changed");
        }
        let known = known();
        let fill = known.begin("a/b");
        known.changed("a/c", Reach::Tree);
        fill.looked("a/b", None);
        assert!(known.look("a/b").is_some());
    }

    #[test]
    fn a_listing_saves_the_looks_at_its_entries() {
        let known = known();
        let bare = Entry::new("d/bare", MetadataBuilder::file(3).build());
        let entries = vec![Entry::new("d/f", file("7")), bare];
        known.begin("d/").listed("d/", false, entries, true);
        assert_eq!(known.list("d/", false).unwrap().0.len(), 2);
        assert!(known.list("d/", true).is_none() && known.look("d/bare").is_none());
        let (looked, _) = known.look("d/f").unwrap();
        assert_eq!(looked.unwrap().metadata.etag(), Some("7"));
    }

    #[test]
    fn no_more_is_held_than_allowed() {
        let known = Arc::new(Known::new(10));
        for n in 0..1000 {
            keep(&known, &format!("f{}", n % 50));
        }
        let inner = known.lock();
        assert!(inner.held <= 10 && inner.nodes.len() <= 10 && inner.order.len() < 100);
        assert!(inner.under_way.is_empty());
    }

    proptest! {
        #[test]
        fn what_is_held_is_counted(steps in prop::collection::vec((0..4u8, "[aB]{1,2}(/[ab]){0,2}"), 0..60)) {
            let known = Arc::new(Known::new(20));
            for (step, path) in steps {
                match step {
                    0 => keep(&known, &path),
                    1 => known.begin(&path).listed(&path, false, vec![Entry::new("e", file("1"))], true),
                    2 => known.changed(&path, Reach::Tree),
                    _ => known.changed(&path, Reach::Prefix),
                }
                let inner = known.lock();
                prop_assert_eq!(inner.held, inner.nodes.values().map(Node::weight).sum::<usize>());
                prop_assert!(inner.held <= 20);
            }
        }
    }
}
