//! A cache of folder contents: the items by folder and name, and the time of each fact.
//!
//! An entry is keyed by its folder and its folded name, not by its path. So a rename, move or
//! delete of a folder changes one entry, and an item with several parents has several entries. Each
//! entry has the time at which its request was sent, so a lookup can limit the age. An entry that
//! our own request created has the time of the response. The index also stores that a name does not
//! exist.
//!
//! The number of entries is bounded. A folder is evicted as a whole, so that "all entries of the
//! folder are known" cannot outlive the entries.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use moka::sync::Cache;

use crate::drive::{Item, ItemId};

/// The maximum number of entries of all folders together.
const ENTRIES_MAX: u64 = 200_000;

/// The key of a folder: its id, or its folded path in a drive with
/// [`paths`](crate::drive::Capabilities::paths).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum FolderKey {
    Id(ItemId),
    Path(String),
}

/// The result of a lookup in the index.
#[derive(Debug)]
pub(super) enum Lookup {
    /// The item existed at that time.
    Hit(Arc<Item>, Instant),
    /// No item had the name.
    NegativeHit,
    /// The index has no entry, or only one that is too old.
    Miss,
}

/// The cache of a drive's folders.
#[derive(Debug)]
pub(super) struct Index {
    folders: Cache<FolderKey, Arc<Mutex<CachedFolder>>>,
}

/// The known children of one folder.
#[derive(Debug, Default)]
struct CachedFolder {
    /// By folded name.
    entries: HashMap<Box<str>, CachedEntry>,
    /// The time at which a listing began that returned all children; `None` if some may be missing.
    complete: Option<Instant>,
}

/// A child of a folder, or the fact that no item has the name.
#[derive(Debug)]
struct CachedEntry {
    /// `None` if no item had the name.
    item: Option<Arc<Item>>,
    at: Instant,
}

impl Index {
    /// Creates an empty index.
    pub(super) fn new() -> Self {
        Self {
            folders: Cache::builder()
                .max_capacity(ENTRIES_MAX)
                .weigher(|_, children: &Arc<Mutex<CachedFolder>>| {
                    u32::try_from(lock(children).entries.len()).unwrap_or(u32::MAX).max(1)
                })
                .build(),
        }
    }

    /// Looks up a name in a folder. `folded` is the name as
    /// [`AdapterState::fold`](super::state::AdapterState::fold) returns it. Ignores entries that
    /// are older than `max_age`.
    pub(super) fn lookup(&self, folder: &FolderKey, folded: &str, max_age: Duration) -> Lookup {
        let Some(children) = self.folders.get(folder) else { return Lookup::Miss };
        let children = lock(&children);
        let fresh = |at: Instant| at.elapsed() <= max_age;
        match children.entries.get(folded) {
            Some(CachedEntry { item: Some(item), at }) if fresh(*at) => {
                Lookup::Hit(Arc::clone(item), *at)
            }
            Some(CachedEntry { item: None, at }) if fresh(*at) => Lookup::NegativeHit,
            Some(_) => Lookup::Miss,
            None if children.complete.is_some_and(fresh) => Lookup::NegativeHit,
            None => Lookup::Miss,
        }
    }

    /// Inserts items of a folder, with their folded names, that a request returned.
    ///
    /// `requested_at` is the time at which the request was sent; later entries are retained. If
    /// `complete`, the items are all items of the folder, and earlier entries are removed.
    pub(super) fn insert_listing(
        &self,
        folder: &FolderKey,
        items: impl IntoIterator<Item = (String, Arc<Item>)>,
        complete: bool,
        requested_at: Instant,
    ) {
        let children = self.folders.get_with_by_ref(folder, Arc::default);
        {
            let mut children = lock(&children);
            for (folded, item) in items {
                let entry = CachedEntry { item: Some(item), at: requested_at };
                let folded = folded.into_boxed_str();
                if children.entries.get(&folded).is_none_or(|known| known.at <= requested_at) {
                    children.entries.insert(folded, entry);
                }
            }
            if complete && children.complete.is_none_or(|known| known <= requested_at) {
                children.complete = Some(requested_at);
                children.entries.retain(|_, known| known.at >= requested_at);
            }
        }
        // The cache computes the weight of a folder when it is inserted.
        self.folders.insert(folder.clone(), children);
    }

    /// Inserts one item that a request returned.
    ///
    /// `at` is the time at which the request was sent. For a request that has created or changed
    /// the item it is the time of the response: a listing that was sent during the request may not
    /// contain the item, and must not remove the entry.
    pub(super) fn insert(&self, folder: &FolderKey, folded: String, item: Arc<Item>, at: Instant) {
        self.insert_listing(folder, [(folded, item)], false, at);
    }

    /// Replaces an item with a more detailed description of the same item. The time of the entry
    /// stays.
    pub(super) fn update(&self, folder: &FolderKey, folded: &str, item: Arc<Item>) {
        if let Some(children) = self.folders.get(folder)
            && let Some(entry) = lock(&children).entries.get_mut(folded)
            && entry.item.as_ref().is_some_and(|known| known.id == item.id)
        {
            entry.item = Some(item);
        }
    }

    /// Records that no item has the folded name: our own request deleted the item or moved it away.
    /// Does nothing if the index has no entry of the folder.
    pub(super) fn insert_absent(&self, folder: &FolderKey, folded: &str) {
        if let Some(children) = self.folders.get(folder) {
            let entry = CachedEntry { item: None, at: Instant::now() };
            lock(&children).entries.insert(folded.into(), entry);
        }
    }

    /// Removes an entry whose state is unknown: a write failed without a response, or the item is
    /// elsewhere now.
    pub(super) fn invalidate(&self, folder: &FolderKey, folded: &str) {
        if let Some(children) = self.folders.get(folder) {
            let mut children = lock(&children);
            children.entries.remove(folded);
            children.complete = None;
        }
    }

    /// Removes the entries of a folder.
    pub(super) fn invalidate_folder(&self, folder: &FolderKey) {
        self.folders.invalidate(folder);
    }

    /// Removes the entries of the folder with a folded path, and of all folders below it. `path`
    /// has no slash at its end. Does nothing for folders by id.
    pub(super) fn invalidate_tree(&self, path: &str) {
        let is_within = |folder: &FolderKey| match folder {
            FolderKey::Path(other) => other
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            FolderKey::Id(_) => false,
        };
        let stale: Vec<_> =
            self.folders.iter().map(|(folder, _)| (*folder).clone()).filter(is_within).collect();
        for folder in stale {
            self.folders.invalidate(&folder);
        }
    }

    /// Removes all entries.
    pub(super) fn clear(&self) {
        self.folders.invalidate_all();
    }
}

/// Locks the children of a folder. Each change of `CachedFolder` is a single assignment, so a panic
/// of another thread leaves it consistent.
fn lock(children: &Mutex<CachedFolder>) -> MutexGuard<'_, CachedFolder> {
    children.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::ItemKind;

    const AGE: Duration = Duration::from_secs(10);

    fn folder() -> FolderKey {
        FolderKey::Id("f".into())
    }

    fn item(id: &'static str) -> Arc<Item> {
        Arc::new(Item::new(id, id, ItemKind::File))
    }

    fn known(index: &Index, name: &str) -> Option<String> {
        match index.lookup(&folder(), name, AGE) {
            Lookup::Hit(item, _) => Some(item.id.to_string()),
            Lookup::NegativeHit => None,
            Lookup::Miss => Some("?".to_owned()),
        }
    }

    #[test]
    fn a_name_is_a_miss_until_all_children_are_known() {
        let index = Index::new();
        let now = Instant::now();
        index.insert(&folder(), "A".into(), item("1"), now);
        assert_eq!(known(&index, "A").as_deref(), Some("1"));
        assert_eq!(known(&index, "B").as_deref(), Some("?"));
        index.insert_listing(&folder(), [("A".into(), item("1"))], true, now);
        assert_eq!(known(&index, "B"), None);
    }

    #[test]
    fn an_entry_older_than_the_maximum_age_is_a_miss() {
        let index = Index::new();
        let then = Instant::now() - Duration::from_secs(11);
        index.insert_listing(&folder(), [("A".into(), item("1"))], true, then);
        assert_eq!(known(&index, "A").as_deref(), Some("?"));
        assert_eq!(known(&index, "B").as_deref(), Some("?"));
    }

    #[test]
    fn a_listing_that_was_sent_before_our_write_does_not_undo_it() {
        let index = Index::new();
        let requested_at = Instant::now() - Duration::from_secs(1);
        index.insert(&folder(), "NEW".into(), item("2"), Instant::now());
        index.insert(&folder(), "GONE".into(), item("3"), requested_at);
        index.insert_absent(&folder(), "GONE");
        index.insert_listing(
            &folder(),
            [("GONE".into(), item("3")), ("A".into(), item("1"))],
            true,
            requested_at,
        );
        assert_eq!(known(&index, "NEW").as_deref(), Some("2"));
        assert_eq!(known(&index, "GONE"), None);
        assert_eq!(known(&index, "A").as_deref(), Some("1"));
    }

    #[test]
    fn a_complete_listing_removes_earlier_entries() {
        let index = Index::new();
        index.insert(&folder(), "A".into(), item("1"), Instant::now() - Duration::from_secs(1));
        index.insert_listing(&folder(), [], true, Instant::now());
        assert_eq!(known(&index, "A"), None);
    }

    #[test]
    fn an_invalidated_name_makes_the_folder_incomplete() {
        let index = Index::new();
        index.insert_listing(&folder(), [("A".into(), item("1"))], true, Instant::now());
        index.invalidate(&folder(), "B");
        assert_eq!(known(&index, "A").as_deref(), Some("1"));
        assert_eq!(known(&index, "B").as_deref(), Some("?"));
    }

    #[test]
    fn invalidating_a_tree_removes_folders_below_and_no_sibling() {
        let index = Index::new();
        for path in ["A", "A/B", "AB"] {
            index.insert_listing(
                &FolderKey::Path(path.into()),
                [("X".into(), item("1"))],
                true,
                Instant::now(),
            );
        }
        index.invalidate_tree("A");
        let is_known = |path: &str| {
            matches!(index.lookup(&FolderKey::Path(path.into()), "X", AGE), Lookup::Hit(..))
        };
        assert!(!is_known("A") && !is_known("A/B") && is_known("AB"));
    }
}
