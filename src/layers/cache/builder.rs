//! Builder of the cache layer.

use std::{path::PathBuf, sync::Arc, time::Duration};

use opendal::{Error, ErrorKind, Operator, Result};

use super::{
    CacheLayer, CacheSettings, ChangeSource, Consistency, LayerState,
    feed::Feed,
    key::MAX_BLOCK_SIZE,
    store::{BlockStore, StoreConfig},
    tier::Tier,
};

/// Builder of a [`CacheLayer`].
#[derive(Debug)]
pub struct CacheBuilder {
    settings: CacheSettings,
    config: StoreConfig,
    tier: Option<Operator>,
    changes: Option<Arc<dyn ChangeSource>>,
}

impl CacheBuilder {
    /// Returns a builder with the default settings.
    pub(super) fn new() -> Self {
        Self {
            settings: CacheSettings {
                consistency: Consistency::default(),
                negative_max_age: Duration::from_secs(1),
                max_entries: 100_000,
                read_ahead: 4,
                stat_from_listings: true,
                identity: None,
            },
            config: StoreConfig { block_size: 1 << 20, memory: 64 << 20, disk: None },
            tier: None,
            changes: None,
        }
    }

    /// Sets how changes of other clients are treated. Default: [`Consistency::Revalidate`].
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.settings.consistency = consistency;
        self
    }

    /// Sets the maximum age of a cached `NotFound` under [`Consistency::MaxAge`]. Default: 1 s.
    pub fn negative_max_age(mut self, age: Duration) -> Self {
        self.settings.negative_max_age = age;
        self
    }

    /// Sets the block size in bytes. Default: 1 MiB; maximum: 8 MiB. A read of a single byte
    /// fetches a whole block.
    pub fn block_size(mut self, bytes: u64) -> Self {
        self.config.block_size = bytes;
        self
    }

    /// Sets the maximum number of bytes of contents in memory. Default: 64 MiB.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.config.memory = bytes;
        self
    }

    /// Also stores contents below the folder `folder`, which processes can share. `bytes` is the
    /// maximum for each process.
    pub fn disk(mut self, folder: impl Into<PathBuf>, bytes: u64) -> Self {
        self.config.disk = Some((folder.into(), bytes));
        self
    }

    /// Also stores contents through another operator, which other machines can share. The cache
    /// never deletes blocks there; the size limit is the operator's responsibility.
    pub fn second_tier(mut self, operator: Operator) -> Self {
        self.tier = Some(operator);
        self
    }

    /// Sets the source of the changes of other clients.
    pub fn changes(mut self, source: Arc<dyn ChangeSource>) -> Self {
        self.changes = Some(source);
        self
    }

    /// Distinguishes accounts whose services have the same scheme, name and root. `identity` is any
    /// text that is unique to the account, such as the id of its root folder.
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.settings.identity = Some(identity.into());
        self
    }

    /// Sets the maximum number of `stat` results and listing entries in memory. Default: 100,000.
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.settings.max_entries = entries;
        self
    }

    /// Sets the number of blocks to read ahead of a sequential reader. Default: 4.
    pub fn read_ahead(mut self, blocks: usize) -> Self {
        self.settings.read_ahead = blocks;
        self
    }

    /// Sets whether a listing also stores the metadata of its entries. Default: `true`. Disable it
    /// for services whose listings have less metadata than `stat`, such as object stores that list
    /// no content types.
    pub fn stat_from_listings(mut self, enabled: bool) -> Self {
        self.settings.stat_from_listings = enabled;
        self
    }

    /// Opens the folder, if one is set, and builds the layer.
    ///
    /// # Errors
    /// * `ConfigInvalid` outside a tokio runtime, if the block size is not from 1 byte to 8 MiB,
    ///   and if the folder has less than eight regions of two blocks and 64 KiB.
    /// * `ConfigInvalid` if the folder cannot be created or locked, or if 64 processes use it.
    /// * `Unexpected` if the store in memory cannot be built.
    pub async fn build(self) -> Result<CacheLayer> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(invalid("cannot build the cache: no tokio runtime is running"));
        }
        if !(1..=MAX_BLOCK_SIZE).contains(&self.config.block_size) {
            return Err(invalid(
                "cannot build the cache: the block size must be from 1 byte to 8 MiB",
            ));
        }
        let store = BlockStore::open(self.config, self.tier.map(Tier::new)).await?;
        let feed = self.changes.map(|source| Arc::new(Feed::new(source)));
        let shared = LayerState {
            settings: Arc::new(self.settings),
            store: Arc::new(store),
            feed: feed.into(),
            states: Default::default(),
        };
        Ok(CacheLayer { shared: Arc::new(shared) })
    }
}

/// Returns the `ConfigInvalid` error with this text.
fn invalid(text: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, text)
}
