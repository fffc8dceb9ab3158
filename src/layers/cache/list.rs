//! Listings from the cache, or from the service into the cache.

use std::{mem, sync::Arc};

use opendal::{
    OperationContext, Result,
    raw::oio::{self, Entry, List},
};

use super::{metadata::PendingEntry, state::CacheState};

/// Lister of a folder.
pub(super) struct CacheLister {
    cache: Arc<CacheState>,
    context: OperationContext,
    path: String,
    recursive: bool,
    inner: oio::Lister,
    state: ListState,
}

/// The source of the listing.
enum ListState {
    /// Before the first entry.
    New,
    /// Entries from the cache, and the index of the next one.
    Cached(Arc<[Entry]>, usize),
    /// Entries from the service. `None`: the listing is not stored.
    Forwarded(Option<(PendingEntry, Vec<Entry>)>),
}

impl CacheLister {
    /// Creates a lister of the folder `path`. `inner` is the service's lister, which is used on a
    /// miss.
    pub(super) fn new(
        cache: Arc<CacheState>,
        context: OperationContext,
        path: &str,
        recursive: bool,
        inner: oio::Lister,
    ) -> Self {
        Self { cache, context, path: path.to_owned(), recursive, inner, state: ListState::New }
    }

    /// Chooses the source of the listing: the cache, or on a miss the service.
    async fn begin(&mut self) {
        let cache = &self.cache;
        let cached = cache.cached_listing(&self.context, &self.path, self.recursive).await;
        cache.counters.record_metadata(cached.is_some());
        self.state = match cached {
            Some(entries) => ListState::Cached(entries, 0),
            None => {
                cache.subscribe(&self.context).await;
                ListState::Forwarded(Some((
                    cache.metadata_cache.begin_request(&self.path),
                    Vec::new(),
                )))
            }
        };
    }

    /// Returns the next entry of the service, or `None` at the end, and then stores the listing.
    ///
    /// # Errors
    /// Those of the service. The listing is then not stored. If the error is before the first entry
    /// and [`may_serve_stale`](CacheState::may_serve_stale), the cached listing of any age replaces
    /// it.
    async fn forward(&mut self) -> Result<Option<Entry>> {
        let ListState::Forwarded(collected) = &mut self.state else { return Ok(None) };
        let next = self.inner.next().await;
        match (&next, collected.as_mut()) {
            (Ok(Some(entry)), Some((_, entries))) => {
                if entries.len() < self.cache.settings.max_entries {
                    entries.push(entry.clone());
                } else {
                    *collected = None;
                }
            }
            (Ok(None), Some(_)) => {
                let with_stats = self.cache.settings.stat_from_listings;
                if let Some((pending, entries)) = collected.take() {
                    pending.store_listing(&self.path, self.recursive, entries, with_stats);
                }
            }
            (Err(error), Some((_, entries))) => {
                let last = self.cache.metadata_cache.listing(&self.path, self.recursive);
                if let Some((entries, _)) =
                    last.filter(|_| entries.is_empty() && self.cache.may_serve_stale(error))
                {
                    self.state = ListState::Cached(entries, 0);
                    return Ok(self.next_cached());
                }
                // If the lister continues after an error, the listing may be incomplete.
                *collected = None;
            }
            (_, None) => {}
        }
        next
    }

    /// Returns the next cached entry, or `None` at the end.
    fn next_cached(&mut self) -> Option<Entry> {
        let ListState::Cached(entries, at) = &mut self.state else { return None };
        let entry = entries.get(*at).cloned();
        *at += 1;
        if entry.is_none() {
            drop(mem::replace(entries, Arc::new([])));
        }
        entry
    }
}

#[deny(clippy::missing_trait_methods)]
impl List for CacheLister {
    /// Returns the next entry, from the cache or from the service, or `None` at the end.
    ///
    /// # Errors
    /// Those of the service on a miss.
    async fn next(&mut self) -> Result<Option<Entry>> {
        if let ListState::New = self.state {
            self.begin().await;
        }
        match self.state {
            ListState::Cached(..) => Ok(self.next_cached()),
            _ => self.forward().await,
        }
    }
}
