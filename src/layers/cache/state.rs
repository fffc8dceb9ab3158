//! State of the cache for one service, and the freshness of its metadata.

use std::sync::{Arc, atomic::AtomicBool};

use opendal::{
    Error, ErrorKind, OperationContext, Result,
    raw::{OpStat, Service, Servicer, oio::Entry},
};
use tokio::time::Instant;

use super::{
    CacheSettings, Consistency,
    feed::Feed,
    in_flight::InFlight,
    key::{BlockKey, FileKey},
    metadata::{CachedItem, CachedStat, MetadataCache},
    stats::CacheCounters,
    store::BlockStore,
};

/// State of the cache for one service.
#[derive(Debug)]
pub(super) struct CacheState {
    pub(super) settings: Arc<CacheSettings>,
    pub(super) store: Arc<BlockStore>,
    pub(super) metadata_cache: Arc<MetadataCache>,
    pub(super) in_flight: InFlight,
    pub(super) counters: CacheCounters,
    /// The service does not report the etag with the bytes.
    pub(super) reads_lack_etag: AtomicBool,
    /// The service also does not support `if_match`. The version of its bytes is unknown, and
    /// contents are not cached.
    pub(super) contents_uncacheable: AtomicBool,
    /// `None` if the builder has no change source, or the source belongs to another service.
    feed: Option<Arc<Feed>>,
    /// Scheme, name and root of the service, and the identity from the builder.
    identity: Arc<str>,
}

impl CacheState {
    /// Creates the state of the service with this identity, with empty metadata. Services may share
    /// `store`.
    pub(super) fn new(
        settings: Arc<CacheSettings>,
        store: Arc<BlockStore>,
        feed: Option<Arc<Feed>>,
        identity: Arc<str>,
    ) -> Arc<Self> {
        Arc::new(Self {
            metadata_cache: Arc::new(MetadataCache::new(settings.max_entries)),
            in_flight: InFlight::default(),
            counters: CacheCounters::default(),
            reads_lack_etag: AtomicBool::new(false),
            contents_uncacheable: AtomicBool::new(false),
            settings,
            store,
            feed,
            identity,
        })
    }

    /// Returns the key of the blocks of the file `item` at the operator path `path`. `None` if the
    /// file has no etag or an empty one. The first call fixes the key: later ones ignore `path`.
    pub(super) fn file_key(&self, path: &str, item: &CachedItem) -> Option<Arc<FileKey>> {
        let etag = item.metadata.etag().filter(|etag| !etag.is_empty())?;
        let file = item.file.get_or_init(|| {
            let length = item.metadata.content_length();
            Arc::new(FileKey::new(&self.identity, path, etag, length, self.store.block_size))
        });
        Some(Arc::clone(file))
    }

    /// Returns the time after which a result must have been requested to be used without a check
    /// (exclusive); `None` if any time is. `is_negative` means that the result is that nothing
    /// exists.
    fn oldest_allowed(&self, is_negative: bool) -> Option<Instant> {
        let now = Instant::now();
        match self.settings.consistency {
            Consistency::Revalidate | Consistency::StaleIfError => Some(now),
            Consistency::MaxAge(age) if is_negative => {
                now.checked_sub(age.min(self.settings.negative_max_age))
            }
            Consistency::MaxAge(age) => now.checked_sub(age),
        }
    }

    /// Returns whether a result that was requested at `requested_at` can be used:
    ///
    /// * `Fresh` if it was requested after `oldest`, or if `oldest` is `None`.
    /// * `Revalidated` if the change feed has applied all changes up to `oldest`. The caller must
    ///   look the result up again, because the feed may have invalidated it.
    /// * `Stale` otherwise: no change feed, the request was before its start, or it failed.
    async fn freshness(
        &self,
        context: &OperationContext,
        requested_at: Instant,
        oldest: Option<Instant>,
    ) -> Freshness {
        let Some(oldest) = oldest else { return Freshness::Fresh };
        if requested_at > oldest {
            return Freshness::Fresh;
        }
        match &self.feed {
            Some(feed) if feed.covers(requested_at) => {
                match feed.poll_until(context, &self.metadata_cache, oldest).await
                    && feed.covers(requested_at)
                {
                    true => Freshness::Revalidated,
                    false => Freshness::Stale,
                }
            }
            _ => Freshness::Stale,
        }
    }

    /// Returns the cached result of a `stat` of `path`, spelled exactly as in its request. `None`
    /// on a miss, if the result is [`Stale`](Freshness::Stale), and always if readers
    /// [revalidate](Consistency::always_revalidates). `Some(None)`: the item does not exist.
    pub(super) async fn cached_stat(
        &self,
        context: &OperationContext,
        path: &str,
    ) -> Option<CachedStat> {
        let (stat, requested_at) = self.metadata_cache.stat(path)?;
        let oldest = self.oldest_allowed(stat.is_none());
        if self.settings.consistency.always_revalidates() {
            return None;
        }
        match self.freshness(context, requested_at, oldest).await {
            Freshness::Fresh => Some(stat),
            Freshness::Stale => None,
            Freshness::Revalidated => self.metadata_cache.stat(path).map(|(stat, _)| stat),
        }
    }

    /// Returns the cached listing of the folder `path`, which ends with a slash. `None` on a miss,
    /// or if the listing is [`Stale`](Freshness::Stale).
    pub(super) async fn cached_listing(
        &self,
        context: &OperationContext,
        path: &str,
        recursive: bool,
    ) -> Option<Arc<[Entry]>> {
        let (entries, requested_at) = self.metadata_cache.listing(path, recursive)?;
        match self.freshness(context, requested_at, self.oldest_allowed(entries.is_empty())).await {
            Freshness::Fresh => Some(entries),
            Freshness::Stale => None,
            Freshness::Revalidated => {
                self.metadata_cache.listing(path, recursive).map(|(entries, _)| entries)
            }
        }
    }

    /// Starts the change feed. Call it before a request whose result will be stored.
    pub(super) async fn subscribe(&self, context: &OperationContext) {
        if let Some(feed) = &self.feed {
            feed.subscribe(context, &self.metadata_cache).await;
        }
    }

    /// Requests the metadata of the item at an operator path and stores it under this spelling.
    /// Returns it with the time of its request.
    ///
    /// # Errors
    /// Those of the service. `NotFound` is stored too. If
    /// [`may_serve_stale`](Self::may_serve_stale), the cached result of any age replaces the error;
    /// `NotFound` if that result is that nothing exists.
    pub(super) async fn fetch_stat(
        &self,
        service: &Servicer,
        context: &OperationContext,
        path: &str,
    ) -> Result<(Arc<CachedItem>, Instant)> {
        self.subscribe(context).await;
        let pending = self.metadata_cache.begin_request(path);
        let requested_at = pending.requested_at;
        match service.stat(context, path, OpStat::new()).await {
            Ok(reply) => {
                let item = CachedItem::new(reply.into_metadata());
                pending.store_stat(path, Some(Arc::clone(&item)));
                Ok((item, requested_at))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                pending.store_stat(path, None);
                Err(error)
            }
            Err(error) => match self.metadata_cache.stat(path) {
                Some((stat, requested_at)) if self.may_serve_stale(&error) => match stat {
                    Some(item) => Ok((item, requested_at)),
                    None => Err(not_found(path)),
                },
                _ => Err(error),
            },
        }
    }

    /// Returns whether a cached result of any age may be used instead of this error: with
    /// [`Consistency::StaleIfError`], for `Unexpected` and `RateLimited` that are not permanent.
    pub(super) fn may_serve_stale(&self, error: &Error) -> bool {
        self.settings.consistency == Consistency::StaleIfError
            && matches!(error.kind(), ErrorKind::Unexpected | ErrorKind::RateLimited)
            && !error.is_permanent()
    }

    /// Returns a block from memory, the folder or the second tier. `None` on a miss.
    pub(super) async fn cached_block(&self, key: &BlockKey) -> Option<bytes::Bytes> {
        let (bytes, location) = self.store.get(key).await?;
        self.counters.record_block(location);
        Some(bytes)
    }
}

/// Result of [`CacheState::freshness`].
enum Freshness {
    Fresh,
    Stale,
    /// Fresh, unless the change feed has just invalidated it.
    Revalidated,
}

impl Consistency {
    /// Returns whether a reader revalidates the file at its first read.
    pub(super) fn always_revalidates(self) -> bool {
        !matches!(self, Self::MaxAge(_))
    }
}

/// Returns the `NotFound` error for an item that does not exist according to the cache.
pub(super) fn not_found(path: &str) -> Error {
    Error::new(ErrorKind::NotFound, "the item does not exist (cached result)")
        .with_context("path", path)
}
