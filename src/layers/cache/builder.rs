//! How a cache is set up.

use std::{path::PathBuf, sync::Arc, time::Duration};

use opendal::{Error, ErrorKind, Operator, Result};

use super::{
    CacheLayer, ChangeSource, Settings, Shared, Validity,
    feed::Feed,
    store::{BLOCK_MAX, Room, Store},
    tier::Tier,
};

/// A [`CacheLayer`] to be set up.
#[derive(Debug)]
pub struct CacheBuilder {
    settings: Settings,
    room: Room,
    tier: Option<Operator>,
    changes: Option<Arc<dyn ChangeSource>>,
}

impl CacheBuilder {
    pub(super) fn new() -> Self {
        Self {
            settings: Settings {
                validity: Validity::default(),
                negative: Duration::from_secs(1),
                entries: 100_000,
                read_ahead: 4,
                looks_from_listings: true,
                identity: None,
            },
            room: Room { block: 1 << 20, memory: 64 << 20, disk: None },
            tier: None,
            changes: None,
        }
    }

    /// How old an answer may be, where another has made the change. [`Validity::Fresh`] unless
    /// said otherwise.
    pub fn validity(mut self, validity: Validity) -> Self {
        self.settings.validity = validity;
        self
    }

    /// How long under [`Validity::Within`], at most, nothing is taken to be there when there was
    /// nothing: 1 s unless said otherwise.
    pub fn negative(mut self, most: Duration) -> Self {
        self.settings.negative = most;
        self
    }

    /// Bytes of a block: 1 MiB unless said otherwise, at most 8 MiB. A range of a byte fetches a
    /// block.
    pub fn block(mut self, bytes: u64) -> Self {
        self.room.block = bytes;
        self
    }

    /// Most bytes of contents in memory: 64 MiB unless said otherwise.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.room.memory = bytes;
        self
    }

    /// Keeps contents below a folder too, for each process at most so many bytes there.
    pub fn disk(mut self, folder: impl Into<PathBuf>, bytes: u64) -> Self {
        self.room.disk = Some((folder.into(), bytes));
        self
    }

    /// Keeps contents with another operator too, which others may share. How much it may hold is
    /// its own business: nothing is removed there.
    pub fn second_tier(mut self, operator: Operator) -> Self {
        self.tier = Some(operator);
        self
    }

    /// Where to hear what has changed.
    pub fn changes(mut self, source: Arc<dyn ChangeSource>) -> Self {
        self.changes = Some(source);
        self
    }

    /// Tells accounts apart whose services have the same scheme, name and root.
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.settings.identity = Some(identity.into());
        self
    }

    /// Most answers of `stat`, and entries of listings, that are kept in memory: 100,000 unless
    /// said otherwise.
    pub fn entries(mut self, most: usize) -> Self {
        self.settings.entries = most;
        self
    }

    /// How many blocks are fetched before they are asked for when somebody reads on: 4 unless said
    /// otherwise.
    pub fn read_ahead(mut self, blocks: usize) -> Self {
        self.settings.read_ahead = blocks;
        self
    }

    /// Whether a listing saves the looks at its entries, as it does unless said otherwise. Not for
    /// a service whose listings tell less than its looks, such as object stores that list no
    /// content types.
    pub fn looks_from_listings(mut self, so: bool) -> Self {
        self.settings.looks_from_listings = so;
        self
    }

    /// Opens the folder, if there is one, and makes the layer.
    ///
    /// # Errors
    /// `ConfigInvalid` outside a tokio runtime, for sizes that cannot be, and for a folder that
    /// cannot be used.
    pub async fn build(self) -> Result<CacheLayer> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(invalid("the cache needs a tokio runtime"));
        }
        if !(1..=BLOCK_MAX).contains(&self.room.block) {
            return Err(invalid("a cache's block has 1 byte at least and 8 MiB at most"));
        }
        let store = Store::open(self.room, self.tier.map(Tier::new)).await?;
        let feed = self.changes.map(|source| Arc::new(Feed::new(source)));
        let shared = Shared {
            settings: Arc::new(self.settings),
            store: Arc::new(store),
            feed: feed.into(),
            cores: Default::default(),
        };
        Ok(CacheLayer { shared: Arc::new(shared) })
    }
}

fn invalid(text: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, text)
}
