//! Cached metadata: results of `stat` and listings, and their invalidation.
//!
//! Nodes are keyed by the *folded* form of a path. A change of `a/X` therefore also invalidates
//! `a/x`, whether or not the service distinguishes the two. Within a node, results are found by the
//! exact path of the request.
//!
//! A change at a path invalidates everything below it and every folder above it. A folder's
//! listing, its times and even its existence may have changed, because a write creates missing
//! parent folders.
//!
//! A request that overlaps with a change must not be cached. Every request is therefore registered
//! before it is sent ([`MetadataCache::begin_request`]), and a change marks it as stale.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use opendal::{Metadata, raw::oio::Entry};
use tokio::time::Instant;

use super::{
    key::FileKey,
    paths::{fold, is_within, parent},
};

/// Metadata of an existing item.
#[derive(Debug)]
pub(super) struct CachedItem {
    pub(super) metadata: Metadata,
    /// Key of the file's blocks. Computed on first use.
    pub(super) file: OnceLock<Arc<FileKey>>,
}

impl CachedItem {
    /// Creates an item with this metadata. Its block key is computed later.
    pub(super) fn new(metadata: Metadata) -> Arc<Self> {
        Arc::new(Self { metadata, file: OnceLock::new() })
    }
}

/// Result of a `stat`. `None`: the item does not exist.
pub(super) type CachedStat = Option<Arc<CachedItem>>;

/// Paths that a change invalidates, in addition to every folder above the changed path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InvalidationScope {
    /// The item only.
    Item,
    /// The item and everything below it.
    Tree,
    /// Every path that starts with the same characters: some services delete recursively by prefix.
    Prefix,
}

impl InvalidationScope {
    /// Returns whether a change of the folded path `changed` invalidates the folded path `path`.
    fn covers(self, changed: &str, path: &str) -> bool {
        match self {
            Self::Item => path == changed,
            Self::Tree => is_within(path, changed),
            Self::Prefix => path.starts_with(changed),
        }
    }
}

/// Bounded cache of `stat` results and listings.
#[derive(Debug)]
pub(super) struct MetadataCache {
    /// Maximum number of entries. A `stat` result counts as one, a listing as one more than its
    /// entries.
    capacity: usize,
    inner: Mutex<Inner>,
}

/// The contents of the cache, behind its mutex.
#[derive(Debug, Default)]
struct Inner {
    /// Nodes by folded path.
    nodes: BTreeMap<Box<str>, CachedNode>,
    /// Number of entries in `nodes`.
    entry_count: usize,
    /// Nodes in the order of their last update. An element whose generation differs from its node's
    /// is obsolete and skipped.
    eviction_queue: VecDeque<(Box<str>, u64)>,
    /// Generation of the most recent update.
    generation: u64,
    /// Active requests by id.
    pending: HashMap<u64, PendingRequest>,
    last_id: u64,
}

/// An active request. It is stale if its path has changed since it was registered.
#[derive(Debug)]
struct PendingRequest {
    folded: Box<str>,
    stale: bool,
}

/// The results for all spellings of one path.
#[derive(Debug, Default)]
struct CachedNode {
    generation: u64,
    /// One result for each spelling of the path: letter case, and with or without a final slash.
    stats: Vec<StatEntry>,
    listings: Vec<CachedListing>,
}

/// The result of a `stat` for one spelling of a path.
#[derive(Debug)]
struct StatEntry {
    path: Box<str>,
    requested_at: Instant,
    stat: CachedStat,
}

/// A complete listing of a folder.
#[derive(Debug)]
struct CachedListing {
    path: Box<str>,
    recursive: bool,
    requested_at: Instant,
    entries: Arc<[Entry]>,
}

impl CachedNode {
    /// Number of entries, as counted for the capacity.
    fn weight(&self) -> usize {
        self.stats.len() + self.listings.iter().map(|list| 1 + list.entries.len()).sum::<usize>()
    }
}

/// A registered request. Its result is stored only if its path does not change meanwhile.
#[derive(Debug)]
pub(super) struct PendingEntry {
    metadata_cache: Arc<MetadataCache>,
    id: u64,
    /// Time of registration. The result of the request is not older than that.
    pub(super) requested_at: Instant,
}

impl Drop for PendingEntry {
    /// Ends the registration of the request.
    fn drop(&mut self) {
        self.metadata_cache.lock().pending.remove(&self.id);
    }
}

impl MetadataCache {
    /// Creates an empty cache. `capacity` is the maximum number of entries.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, inner: Mutex::default() }
    }

    /// Locks the contents. A poisoned lock is used as it is.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the cached result of a `stat` and the time of its request. `path` must be spelled
    /// exactly as in the request: letter case and final slash count. `None` on a miss.
    pub(super) fn stat(&self, path: &str) -> Option<(CachedStat, Instant)> {
        let inner = self.lock();
        let node = inner.nodes.get(&*fold(path))?;
        let entry = node.stats.iter().find(|entry| *entry.path == *path)?;
        Some((entry.stat.clone(), entry.requested_at))
    }

    /// Returns a cached listing and the time of its request. `path` must be spelled exactly as in
    /// the request, and `recursive` be the same. `None` on a miss.
    pub(super) fn listing(&self, path: &str, recursive: bool) -> Option<(Arc<[Entry]>, Instant)> {
        let inner = self.lock();
        let node = inner.nodes.get(&*fold(path))?;
        let matches = |list: &&CachedListing| list.recursive == recursive && *list.path == *path;
        let list = node.listings.iter().find(matches)?;
        Some((Arc::clone(&list.entries), list.requested_at))
    }

    /// Registers a request for a path, in any spelling. Call it before the request is sent: the
    /// result is not stored if the path is [invalidated](Self::invalidate) between this call and
    /// the storing.
    pub(super) fn begin_request(self: &Arc<Self>, path: &str) -> PendingEntry {
        let folded = fold(path).into();
        let mut inner = self.lock();
        inner.last_id += 1;
        let id = inner.last_id;
        inner.pending.insert(id, PendingRequest { folded, stale: false });
        PendingEntry { metadata_cache: Arc::clone(self), id, requested_at: Instant::now() }
    }

    /// Invalidates a path that is about to change or has changed: the paths of `scope`, and every
    /// folder above. `path` may have any letter case, and slashes at its ends.
    pub(super) fn invalidate(&self, path: &str, scope: InvalidationScope) {
        let folded = fold(path);
        let mut inner = self.lock();
        for pending in inner.pending.values_mut() {
            pending.stale |=
                scope.covers(&folded, &pending.folded) || is_within(&folded, &pending.folded);
        }
        inner.remove(&folded);
        let mut above = &*folded;
        while let Some(parent) = parent(above) {
            inner.remove(parent);
            above = parent;
        }
        let first = match scope {
            InvalidationScope::Item => return,
            InvalidationScope::Prefix => folded.to_string(),
            InvalidationScope::Tree if folded.is_empty() => String::new(),
            InvalidationScope::Tree => format!("{folded}/"),
        };
        let from = (Bound::Included(&*first), Bound::Unbounded);
        let after = inner.nodes.range::<str, _>(from).map(|(path, _)| path);
        let below: Vec<_> = after.take_while(|path| path.starts_with(&first)).cloned().collect();
        for path in below {
            inner.remove(&path);
        }
    }

    /// Invalidates everything.
    pub(super) fn invalidate_all(&self) {
        let mut inner = self.lock();
        inner.pending.values_mut().for_each(|pending| pending.stale = true);
        inner.nodes.clear();
        inner.eviction_queue.clear();
        inner.entry_count = 0;
    }
}

impl PendingEntry {
    /// Returns whether the path was [invalidated](MetadataCache::invalidate) since the request was
    /// registered.
    pub(super) fn is_stale(&self) -> bool {
        self.metadata_cache.lock().is_stale(self.id)
    }

    /// Stores the result of a `stat` under the exact spelling of `path`. Does nothing if
    /// [`is_stale`](Self::is_stale), or if the cached result is of a later request. `None` as
    /// `stat` means that the item does not exist.
    pub(super) fn store_stat(&self, path: &str, stat: CachedStat) {
        let mut inner = self.metadata_cache.lock();
        if inner.is_stale(self.id) {
            return;
        }
        inner.insert_stat(path, self.requested_at, stat);
        inner.evict(self.metadata_cache.capacity);
    }

    /// Stores a complete listing under the exact spelling of `path`, the folder as it was
    /// requested. Does nothing if [`is_stale`](Self::is_stale), or if the number of entries is not
    /// below the capacity of the cache.
    ///
    /// With `with_stats`, the metadata of each entry is also stored as the result of a `stat`.
    /// Entries without both etag and modification time are left out: their metadata is not that of
    /// a `stat`.
    pub(super) fn store_listing(
        &self,
        path: &str,
        recursive: bool,
        entries: Vec<Entry>,
        with_stats: bool,
    ) {
        let mut inner = self.metadata_cache.lock();
        if inner.is_stale(self.id) || entries.len() >= self.metadata_cache.capacity {
            return;
        }
        if with_stats {
            for entry in entries.iter().filter(|entry| is_complete(entry)) {
                let item = CachedItem::new(entry.metadata().clone());
                inner.insert_stat(entry.path(), self.requested_at, Some(item));
            }
        }
        let list = CachedListing {
            path: path.into(),
            recursive,
            requested_at: self.requested_at,
            entries: entries.into(),
        };
        inner.update_node(path, |node| {
            node.listings.retain(|other| other.recursive != recursive || *other.path != *path);
            node.listings.push(list);
        });
        inner.evict(self.metadata_cache.capacity);
    }
}

/// Returns whether an entry of a listing has an etag or a modification time, and thus counts as
/// having the same metadata as a `stat`. Some services list names only.
fn is_complete(entry: &Entry) -> bool {
    let metadata = entry.metadata();
    metadata.etag().is_some() || metadata.last_modified().is_some()
}

impl Inner {
    /// Returns whether the result of the request with this id must not be stored: its path was
    /// invalidated, or the id is not registered.
    fn is_stale(&self, id: u64) -> bool {
        self.pending.get(&id).is_none_or(|pending| pending.stale)
    }

    /// Inserts the result of a `stat` under the exact spelling of `path`, unless the cached one was
    /// requested later.
    fn insert_stat(&mut self, path: &str, requested_at: Instant, stat: CachedStat) {
        self.update_node(path, |node| {
            match node.stats.iter_mut().find(|entry| *entry.path == *path) {
                Some(entry) if entry.requested_at > requested_at => {}
                Some(entry) => (entry.requested_at, entry.stat) = (requested_at, stat),
                None => node.stats.push(StatEntry { path: path.into(), requested_at, stat }),
            }
        });
    }

    /// Creates the node of a path, which may have any spelling, if it is missing. Applies `update`
    /// to it, and moves it to the end of the eviction queue.
    fn update_node(&mut self, path: &str, update: impl FnOnce(&mut CachedNode)) {
        let folded = fold(path);
        self.generation += 1;
        if !self.nodes.contains_key(&*folded) {
            self.nodes.insert((*folded).into(), CachedNode::default());
        }
        let Some(node) = self.nodes.get_mut(&*folded) else { return };
        let before = node.weight();
        update(node);
        node.generation = self.generation;
        self.entry_count = self.entry_count + node.weight() - before;
        self.eviction_queue.push_back(((*folded).into(), self.generation));
    }

    /// Removes the node of a folded path.
    fn remove(&mut self, folded: &str) {
        if let Some(node) = self.nodes.remove(folded) {
            self.entry_count -= node.weight();
        }
    }

    /// Evicts the least recently updated nodes until at most `capacity` entries are left.
    fn evict(&mut self, capacity: usize) {
        while self.entry_count > capacity {
            let Some((path, generation)) = self.eviction_queue.pop_front() else { return };
            if self.nodes.get(&path).is_some_and(|node| node.generation == generation) {
                self.remove(&path);
            }
        }
        // Drop obsolete elements from time to time, so that the queue stays bounded.
        if self.eviction_queue.len() > 64 + 2 * self.nodes.len() {
            let nodes = &self.nodes;
            self.eviction_queue.retain(|(path, generation)| {
                nodes.get(path).is_some_and(|node| node.generation == *generation)
            });
        }
    }
}
