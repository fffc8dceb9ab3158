//! What the layer's parts share: looks, and how old they may be.

use std::{
    ops::Add,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use opendal::{
    Error, ErrorKind, OperationContext, Result,
    raw::{OpStat, Service, Servicer, oio::Entry},
};
use tokio::time::Instant;

use super::{
    Settings, Validity,
    feed::Feed,
    known::{Known, Looked, Seen},
    run::Flights,
    store::{BlockKey, FileKey, Source, Store},
};

#[derive(Debug)]
pub(super) struct Core {
    pub(super) settings: Arc<Settings>,
    pub(super) store: Arc<Store>,
    pub(super) known: Arc<Known>,
    pub(super) flights: Flights,
    pub(super) counters: Counters,
    /// The service does not tell the etag with the bytes.
    pub(super) tells_no_etag: AtomicBool,
    /// Nor does it understand a condition: which version its bytes are of cannot be known.
    pub(super) keeps_no_contents: AtomicBool,
    feed: Option<Arc<Feed>>,
    identity: Arc<str>,
}

/// The oldest answer that will do; `None`: any.
pub(super) type Oldest = Option<Instant>;

impl Core {
    pub(super) fn new(
        settings: Arc<Settings>,
        store: Arc<Store>,
        feed: Option<Arc<Feed>>,
        identity: Arc<str>,
    ) -> Arc<Self> {
        Arc::new(Self {
            known: Arc::new(Known::new(settings.entries)),
            flights: Flights::default(),
            counters: Counters::default(),
            tells_no_etag: AtomicBool::new(false),
            keeps_no_contents: AtomicBool::new(false),
            settings,
            store,
            feed,
            identity,
        })
    }

    /// What the blocks of a file are called; `None` if it has no etag.
    pub(super) fn file(&self, path: &str, seen: &Seen) -> Option<Arc<FileKey>> {
        let etag = seen.metadata.etag().filter(|etag| !etag.is_empty())?;
        let file = seen.file.get_or_init(|| {
            let length = seen.metadata.content_length();
            Arc::new(FileKey::new(&self.identity, path, etag, length, self.store.block))
        });
        Some(Arc::clone(file))
    }

    /// How old an answer may be that is given now.
    pub(super) fn oldest(&self, missing: bool) -> Oldest {
        let now = Instant::now();
        match self.settings.validity {
            Validity::Fresh | Validity::Offline => Some(now),
            Validity::Within(age) if missing => now.checked_sub(age.min(self.settings.negative)),
            Validity::Within(age) => now.checked_sub(age),
        }
    }

    /// Whether a remembered answer will do: it is young enough, or the feed says that nothing has
    /// changed since. If the feed says otherwise it has been forgotten by then, so the caller looks
    /// again when it is told `Heard`.
    async fn will_do(&self, lent: &OperationContext, asked: Instant, oldest: Oldest) -> WillDo {
        let Some(oldest) = oldest else { return WillDo::Yes };
        if asked > oldest {
            return WillDo::Yes;
        }
        match &self.feed {
            Some(feed) if feed.covers(asked) => {
                match feed.hear_until(lent, &self.known, oldest).await && feed.covers(asked) {
                    true => WillDo::Heard,
                    false => WillDo::No,
                }
            }
            _ => WillDo::No,
        }
    }

    /// What is remembered of a path, if it will do.
    pub(super) async fn remembered(&self, lent: &OperationContext, path: &str) -> Option<Looked> {
        let (looked, asked) = self.known.look(path)?;
        let oldest = self.oldest(looked.is_none());
        if self.settings.validity.asks_always() {
            return None;
        }
        match self.will_do(lent, asked, oldest).await {
            WillDo::Yes => Some(looked),
            WillDo::No => None,
            WillDo::Heard => self.known.look(path).map(|(looked, _)| looked),
        }
    }

    /// The remembered listing of a folder, if it will do.
    pub(super) async fn remembered_list(
        &self,
        lent: &OperationContext,
        path: &str,
        recursive: bool,
    ) -> Option<Arc<[Entry]>> {
        let (entries, asked) = self.known.list(path, recursive)?;
        match self.will_do(lent, asked, self.oldest(entries.is_empty())).await {
            WillDo::Yes => Some(entries),
            WillDo::No => None,
            WillDo::Heard => self.known.list(path, recursive).map(|(entries, _)| entries),
        }
    }

    /// Before something is asked that is to be remembered.
    pub(super) async fn listen(&self, lent: &OperationContext) {
        if let Some(feed) = &self.feed {
            feed.begin(lent, &self.known).await;
        }
    }

    /// Asks for what is at a path, and remembers it.
    pub(super) async fn look(
        &self,
        service: &Servicer,
        lent: &OperationContext,
        path: &str,
    ) -> Result<(Arc<Seen>, Instant)> {
        self.listen(lent).await;
        let fill = self.known.begin(path);
        let asked = fill.asked;
        match service.stat(lent, path, OpStat::new()).await {
            Ok(reply) => {
                let seen = Seen::new(reply.into_metadata());
                fill.looked(path, Some(Arc::clone(&seen)));
                Ok((seen, asked))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fill.looked(path, None);
                Err(error)
            }
            Err(error) => match self.known.look(path) {
                Some((looked, asked)) if self.may_stand_in(&error) => match looked {
                    Some(seen) => Ok((seen, asked)),
                    None => Err(missing(path)),
                },
                _ => Err(error),
            },
        }
    }

    /// Whether what was known last is given instead of an error.
    pub(super) fn may_stand_in(&self, error: &Error) -> bool {
        self.settings.validity == Validity::Offline
            && matches!(error.kind(), ErrorKind::Unexpected | ErrorKind::RateLimited)
            && !error.is_permanent()
    }

    /// A block from wherever it is kept.
    pub(super) async fn kept(&self, key: &BlockKey) -> Option<bytes::Bytes> {
        let (bytes, source) = self.store.get(key).await?;
        self.counters.block(source);
        Some(bytes)
    }
}

enum WillDo {
    Yes,
    No,
    /// Yes, unless it has just been forgotten.
    Heard,
}

impl Validity {
    pub(super) fn asks_always(self) -> bool {
        !matches!(self, Self::Within(_))
    }
}

/// The answer for what is remembered not to be there.
pub(super) fn missing(path: &str) -> Error {
    Error::new(ErrorKind::NotFound, "there was nothing when it was last looked for")
        .with_context("path", path)
}

/// What has been answered from where. Numbers only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// `stat` and `list` answered from memory.
    pub metadata_hits: u64,
    /// `stat` and `list` that the service was asked for.
    pub metadata_misses: u64,
    /// Blocks given from memory.
    pub blocks_from_memory: u64,
    /// Blocks given from the folder.
    pub blocks_from_disk: u64,
    /// Blocks given from the second tier.
    pub blocks_from_tier: u64,
    /// Blocks fetched from the service.
    pub blocks_fetched: u64,
}

impl Add for CacheStats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            metadata_hits: self.metadata_hits + other.metadata_hits,
            metadata_misses: self.metadata_misses + other.metadata_misses,
            blocks_from_memory: self.blocks_from_memory + other.blocks_from_memory,
            blocks_from_disk: self.blocks_from_disk + other.blocks_from_disk,
            blocks_from_tier: self.blocks_from_tier + other.blocks_from_tier,
            blocks_fetched: self.blocks_fetched + other.blocks_fetched,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    memory: AtomicU64,
    disk: AtomicU64,
    tier: AtomicU64,
    fetched: AtomicU64,
}

impl Counters {
    pub(super) fn metadata(&self, hit: bool) {
        if hit { &self.hits } else { &self.misses }.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn block(&self, source: Source) {
        let counter = match source {
            Source::Memory => &self.memory,
            Source::Disk => &self.disk,
            Source::Tier => &self.tier,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fetched(&self) {
        self.fetched.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> CacheStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStats {
            metadata_hits: read(&self.hits),
            metadata_misses: read(&self.misses),
            blocks_from_memory: read(&self.memory),
            blocks_from_disk: read(&self.disk),
            blocks_from_tier: read(&self.tier),
            blocks_fetched: read(&self.fetched),
        }
    }
}
