//! A cache that is never wrong, for any OpenDAL service.
//!
//! ```
//! use std::time::Duration;
//! use drivedal::layers::cache::{CacheLayer, Validity};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> opendal::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let operator = opendal::Operator::new(opendal::services::Memory::default())?;
//! let cache = CacheLayer::builder()
//!     .validity(Validity::Within(Duration::from_secs(30)))
//!     .memory(64 << 20)
//!     .disk(folder.path(), 1 << 30)
//!     .build()
//!     .await?;
//! let operator = operator.layer(cache);
//! operator.write("notes", "buy bread").await?;
//! assert_eq!(operator.read("notes").await?.to_vec(), b"buy bread");
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! What this operator has changed, it shows. What others have changed, it shows as soon as
//! [`Validity`] says. And bytes of two versions of a file are never mixed: they are kept in blocks
//! whose name has the file's etag in it, and a block is kept only if the service said, when it
//! gave the bytes, that they are that version's.
//!
//! * **Metadata**: the answers of `stat` and `list`. Whatever changes a path through the operator
//!   drops what is known of it, of all below it and of the folders above it, when it begins and
//!   when it ends, fails or is given up. An answer that was under way meanwhile is not kept. A
//!   listing saves the looks at its entries. With a [`ChangeSource`] one request tells what has
//!   changed in the whole drive, and all the rest is as good as new.
//! * **Contents**: ranges fetch the blocks that are missing, neighbours in one request; who reads
//!   on is read ahead for; several readers of a block share one request. A service without etags
//!   has only its metadata kept; one that tells the etag with a look but not with the bytes is
//!   asked for them with `if_match`, where it can be.
//! * **Where**: in memory; in a folder, bounded and checksummed, of which each process takes a part
//!   of its own and finds it again after a restart; and in a second tier, any OpenDAL operator,
//!   which many machines may share. What is damaged is fetched again.
//!
//! Calls with a version, a condition or an override are not answered from the cache, nor are
//! listings of a prefix, and what is done by a presigned request is another's doing. The blocks'
//! names carry the service's scheme, name and root: where two accounts have the same, as they may
//! with a service that does not know its account, give each an [`identity`](CacheBuilder::identity)
//! before they share a folder or a tier.
//!
//! Put the layer on last, above retries, and use one layer for one operator: clones share what they
//! know.

mod builder;
mod change;
mod core;
mod feed;
mod folder;
mod known;
mod list;
mod read;
mod run;
mod service;
mod store;
mod tier;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opendal::{
    OperationContext, Result,
    raw::{Layer, Service, Servicer},
};

pub use self::{
    builder::CacheBuilder,
    core::CacheStats,
    feed::{ChangeSource, Changes, Position},
};
use self::{core::Core, feed::Feed, service::CacheService, store::Store};

/// How old an answer may be, where another has made the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Validity {
    /// As the service would answer now. `stat` and `list` ask every time, a listing with a
    /// [`ChangeSource`] only for changes; a reader asks once, when it is first used, and then shows
    /// the file as it was.
    #[default]
    Fresh,
    /// As it was at most so long ago.
    Within(Duration),
    /// As [`Fresh`](Self::Fresh) while the service answers; when it cannot be reached, what was
    /// known last, however old. Then reads fail only where bytes are missing.
    Offline,
}

/// Keeps what a service answers. See the [module](self).
#[derive(Clone)]
pub struct CacheLayer {
    shared: Arc<Shared>,
}

/// What every replay of the layer shares.
struct Shared {
    settings: Arc<Settings>,
    store: Arc<Store>,
    /// Given to the first service that is wrapped: a feed is of one drive.
    feed: Mutex<Option<Arc<Feed>>>,
    cores: Mutex<HashMap<Arc<str>, Arc<Core>>>,
}

/// What the builder was told.
#[derive(Clone, Debug)]
struct Settings {
    validity: Validity,
    negative: Duration,
    entries: usize,
    read_ahead: usize,
    looks_from_listings: bool,
    identity: Option<String>,
}

impl fmt::Debug for CacheLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLayer")
            .field("settings", &self.shared.settings)
            .field("store", &self.shared.store)
            .finish_non_exhaustive()
    }
}

impl CacheLayer {
    /// A cache to be set up.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::new()
    }

    /// What has been answered from where, since the layer was built.
    pub fn stats(&self) -> CacheStats {
        let cores = self.shared.cores.lock().unwrap_or_else(PoisonError::into_inner);
        cores.values().map(|core| core.counters.stats()).fold(CacheStats::default(), |a, b| a + b)
    }

    /// Forgets all metadata: the next answers are the service's.
    pub fn forget(&self) {
        let cores = self.shared.cores.lock().unwrap_or_else(PoisonError::into_inner);
        cores.values().for_each(|core| core.known.all_changed());
    }

    /// Writes out what is on its way to the disk. Without it a block of the last moment may be
    /// missing after a restart; nothing else can happen.
    ///
    /// # Errors
    /// `Unexpected`, if the disk fails.
    pub async fn close(&self) -> Result<()> {
        self.shared.store.close().await
    }

    /// What belongs to a service, whenever the layer is put on it again.
    fn core(&self, service: &Servicer) -> Arc<Core> {
        let shared = &self.shared;
        let info = service.info();
        let extra = shared.settings.identity.as_deref().unwrap_or_default();
        let identity: Arc<str> =
            format!("{}\n{}\n{}\n{extra}", info.scheme(), info.name(), info.root()).into();
        let mut cores = shared.cores.lock().unwrap_or_else(PoisonError::into_inner);
        let core = cores.entry(Arc::clone(&identity)).or_insert_with(|| {
            let feed = shared.feed.lock().unwrap_or_else(PoisonError::into_inner).take();
            Core::new(Arc::clone(&shared.settings), Arc::clone(&shared.store), feed, identity)
        });
        Arc::clone(core)
    }
}

#[deny(clippy::missing_trait_methods)]
impl Layer for CacheLayer {
    fn apply_service(&self, service: Servicer) -> Servicer {
        let core = self.core(&service);
        Arc::new(CacheService::new(service, core))
    }

    fn apply_context(&self, _: Servicer, lent: OperationContext) -> OperationContext {
        lent
    }
}
