//! What is known of folders' children, and since when.
//!
//! Keyed by (folder, folded name), not by path: a rename, move or delete of a folder is one edge,
//! and an item with several parents has several. Every fact carries the time at which it was asked
//! for, so an answer is never older than the caller allows; what we made, the time of the answer. A
//! name known to be missing is a fact too. Bounded by the number of children; a folder is forgotten
//! as a whole, so that "all its children are known" cannot outlive the children.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use moka::sync::Cache;

use crate::drive::{Item, ItemId};

/// How many children are remembered of all folders together.
const CHILDREN_MAX: u64 = 200_000;

/// A folder: by its id, or by its folded path in a drive that is asked by path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Folder {
    Id(ItemId),
    Path(String),
}

/// What the index says of a name in a folder.
#[derive(Debug)]
pub(super) enum Look {
    /// The item was there at that time.
    Known(Arc<Item>, Instant),
    /// Nothing was there.
    Absent,
    /// Not known, or not since recently enough.
    Unknown,
}

#[derive(Debug)]
pub(super) struct Index {
    folders: Cache<Folder, Arc<Mutex<Children>>>,
}

#[derive(Debug, Default)]
struct Children {
    edges: HashMap<Box<str>, Edge>,
    /// When a listing began that told all children.
    complete: Option<Instant>,
}

#[derive(Debug)]
struct Edge {
    /// `None`: nothing was there.
    item: Option<Arc<Item>>,
    at: Instant,
}

impl Index {
    pub(super) fn new() -> Self {
        Self {
            folders: Cache::builder()
                .max_capacity(CHILDREN_MAX)
                .weigher(|_, children: &Arc<Mutex<Children>>| {
                    u32::try_from(lock(children).edges.len()).unwrap_or(u32::MAX).max(1)
                })
                .build(),
        }
    }

    /// What is known of a name, no older than `age`.
    pub(super) fn look(&self, folder: &Folder, folded: &str, age: Duration) -> Look {
        let Some(children) = self.folders.get(folder) else { return Look::Unknown };
        let children = lock(&children);
        let fresh = |at: Instant| at.elapsed() <= age;
        match children.edges.get(folded) {
            Some(Edge { item: Some(item), at }) if fresh(*at) => Look::Known(Arc::clone(item), *at),
            Some(Edge { item: None, at }) if fresh(*at) => Look::Absent,
            Some(_) => Look::Unknown,
            None if children.complete.is_some_and(fresh) => Look::Absent,
            None => Look::Unknown,
        }
    }

    /// Takes in what a request that began at `asked` told of a folder's children; what was learnt
    /// later than that stays. `all`: these were all of them.
    pub(super) fn learn(
        &self,
        folder: &Folder,
        items: impl IntoIterator<Item = (String, Arc<Item>)>,
        all: bool,
        asked: Instant,
    ) {
        let children = self.children(folder);
        {
            let mut children = lock(&children);
            for (folded, item) in items {
                let edge = Edge { item: Some(item), at: asked };
                let folded = folded.into_boxed_str();
                if children.edges.get(&folded).is_none_or(|known| known.at <= asked) {
                    children.edges.insert(folded, edge);
                }
            }
            if all && children.complete.is_none_or(|known| known <= asked) {
                children.complete = Some(asked);
                children.edges.retain(|_, known| known.at >= asked);
            }
        }
        // Again, because the weight is taken when it is put in.
        self.folders.insert(folder.clone(), children);
    }

    /// Takes in one item that a request told at `asked`.
    pub(super) fn set(&self, folder: &Folder, folded: String, item: Arc<Item>, asked: Instant) {
        self.learn(folder, [(folded, item)], false, asked);
    }

    /// Takes in one item that a request of ours has just made or changed. The time of its answer
    /// counts: a listing that began while it was under way may not have the item, and would undo it.
    pub(super) fn made(&self, folder: &Folder, folded: String, item: Arc<Item>) {
        self.set(folder, folded, item, Instant::now());
    }

    /// More is known of an item than before, and not of a later time.
    pub(super) fn renew(&self, folder: &Folder, folded: &str, item: Arc<Item>) {
        if let Some(children) = self.folders.get(folder)
            && let Some(edge) = lock(&children).edges.get_mut(folded)
            && edge.item.as_ref().is_some_and(|known| known.id == item.id)
        {
            edge.item = Some(item);
        }
    }

    /// Nothing has that name any more: we removed it, or moved it away.
    pub(super) fn remove(&self, folder: &Folder, folded: &str) {
        if let Some(children) = self.folders.get(folder) {
            lock(&children).edges.insert(folded.into(), Edge { item: None, at: Instant::now() });
        }
    }

    /// Whether something has that name is no longer known: a write of ours ended without an answer,
    /// or an id turned out to be stale.
    pub(super) fn doubt(&self, folder: &Folder, folded: &str) {
        if let Some(children) = self.folders.get(folder) {
            let mut children = lock(&children);
            children.edges.remove(folded);
            children.complete = None;
        }
    }

    /// Forgets everything.
    #[cfg(feature = "layers-cache")]
    pub(super) fn forget_all(&self) {
        self.folders.invalidate_all();
    }

    /// Forgets a folder's children.
    pub(super) fn forget(&self, folder: &Folder) {
        self.folders.invalidate(folder);
    }

    /// Forgets everything at and below a folded path, in a drive that is asked by path.
    pub(super) fn forget_below(&self, path: &str) {
        let below = |folder: &Folder| match folder {
            Folder::Path(other) => other
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            Folder::Id(_) => false,
        };
        let gone: Vec<_> =
            self.folders.iter().map(|(folder, _)| (*folder).clone()).filter(below).collect();
        for folder in gone {
            self.folders.invalidate(&folder);
        }
    }

    fn children(&self, folder: &Folder) -> Arc<Mutex<Children>> {
        self.folders.get_with_by_ref(folder, Arc::default)
    }
}

/// Every change of `Children` is a single assignment, so a panic elsewhere leaves it whole.
fn lock(children: &Mutex<Children>) -> MutexGuard<'_, Children> {
    children.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::ItemKind;

    const AGE: Duration = Duration::from_secs(10);

    fn folder() -> Folder {
        Folder::Id("f".into())
    }

    fn item(id: &'static str) -> Arc<Item> {
        Arc::new(Item::new(id, id, ItemKind::File))
    }

    fn known(index: &Index, name: &str) -> Option<String> {
        match index.look(&folder(), name, AGE) {
            Look::Known(item, _) => Some(item.id.to_string()),
            Look::Absent => None,
            Look::Unknown => Some("?".to_owned()),
        }
    }

    #[test]
    fn a_name_is_unknown_until_all_children_are_known() {
        let index = Index::new();
        let now = Instant::now();
        index.set(&folder(), "A".into(), item("1"), now);
        assert_eq!(known(&index, "A").as_deref(), Some("1"));
        assert_eq!(known(&index, "B").as_deref(), Some("?"));
        index.learn(&folder(), [("A".into(), item("1"))], true, now);
        assert_eq!(known(&index, "B"), None);
    }

    #[test]
    fn a_fact_older_than_allowed_is_no_fact() {
        let index = Index::new();
        let then = Instant::now() - Duration::from_secs(11);
        index.learn(&folder(), [("A".into(), item("1"))], true, then);
        assert_eq!(known(&index, "A").as_deref(), Some("?"));
        assert_eq!(known(&index, "B").as_deref(), Some("?"));
    }

    #[test]
    fn a_listing_that_began_before_our_write_does_not_undo_it() {
        let index = Index::new();
        let asked = Instant::now() - Duration::from_secs(1);
        index.set(&folder(), "NEW".into(), item("2"), Instant::now());
        index.set(&folder(), "GONE".into(), item("3"), asked);
        index.remove(&folder(), "GONE");
        index.learn(&folder(), [("GONE".into(), item("3")), ("A".into(), item("1"))], true, asked);
        assert_eq!(known(&index, "NEW").as_deref(), Some("2"));
        assert_eq!(known(&index, "GONE"), None);
        assert_eq!(known(&index, "A").as_deref(), Some("1"));
    }

    #[test]
    fn a_complete_listing_forgets_what_others_removed() {
        let index = Index::new();
        index.set(&folder(), "A".into(), item("1"), Instant::now() - Duration::from_secs(1));
        index.learn(&folder(), [], true, Instant::now());
        assert_eq!(known(&index, "A"), None);
    }

    #[test]
    fn a_doubted_name_makes_the_folder_incomplete() {
        let index = Index::new();
        index.learn(&folder(), [("A".into(), item("1"))], true, Instant::now());
        index.doubt(&folder(), "B");
        assert_eq!(known(&index, "A").as_deref(), Some("1"));
        assert_eq!(known(&index, "B").as_deref(), Some("?"));
    }

    #[test]
    fn forgetting_a_path_takes_what_is_below_and_no_sibling() {
        let index = Index::new();
        for path in ["A", "A/B", "AB"] {
            index.learn(
                &Folder::Path(path.into()),
                [("X".into(), item("1"))],
                true,
                Instant::now(),
            );
        }
        index.forget_below("A");
        let there = |path: &str| {
            matches!(index.look(&Folder::Path(path.into()), "X", AGE), Look::Known(..))
        };
        assert!(!there("A") && !there("A/B") && there("AB"));
    }
}
