//! Cache of metadata and contents for any OpenDAL service.
//!
//! ```
//! use std::time::Duration;
//! use drivedal::layers::cache::{CacheLayer, Consistency};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> opendal::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let operator = opendal::Operator::new(opendal::services::Memory::default())?;
//! let cache = CacheLayer::builder()
//!     .consistency(Consistency::MaxAge(Duration::from_secs(30)))
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
//! # Guarantees
//!
//! The cache always shows changes through this operator. It shows changes of
//! other clients according to [`Consistency`]. It never mixes bytes of two versions of a file:
//! contents are stored in blocks whose key contains the etag, and a block is stored only if the
//! service confirmed that version when it sent the bytes.
//!
//! * **Metadata**: results of `stat` and `list`. A change through the operator invalidates its
//!   path, everything below it and the folders above it: when the call begins, and when it ends,
//!   fails or is dropped. Results of requests that overlap with a change are not stored. A listing
//!   also stores the metadata of its entries. With a [`ChangeSource`], one request reports the
//!   changes of the whole drive and revalidates everything else.
//! * **Contents**: a read fetches the missing blocks, adjacent ones in one request. Sequential
//!   reads are read ahead, and concurrent readers of a block share one request. If a service has no
//!   etags, only its metadata is cached. If it reports an etag with `stat` but not with the bytes,
//!   the cache reads with `if_match`, where the service supports it.
//! * **Storage**: memory; a bounded folder with checksums, in which each process has a subfolder
//!   that it finds again after a restart; and a second tier, any OpenDAL operator, which many
//!   machines can share. Damaged blocks are fetched again.
//!
//! Calls with a version, a condition or an override bypass the cache, as do listings of a prefix.
//! Changes by a presigned request count as changes of another client. The key of a block contains
//! the scheme, name and root of the service. If these are the same for two accounts, give each
//! account an [`identity`](CacheBuilder::identity) before they share a folder or a tier.
//!
//! Apply this layer last, above the retry layer. Use one layer for one operator: clones of a layer
//! share their state.

mod builder;
mod cached_file;
mod feed;
mod fetch;
mod folder;
mod in_flight;
mod invalidate;
mod key;
mod list;
mod metadata;
mod paths;
mod read;
mod service;
mod state;
mod stats;
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
    feed::{ChangeCursor, ChangeSource, ChangedPaths},
    stats::CacheStats,
};
use self::{feed::Feed, service::CacheService, state::CacheState, store::BlockStore};

/// How the cache treats changes of other clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Consistency {
    /// Revalidates every result. `stat` and `list` send a request each time; with a
    /// [`ChangeSource`], a listing only requests the changes. A reader validates the file once, at
    /// its first read, and then reads that version.
    #[default]
    Revalidate,
    /// Uses cached results up to this age.
    MaxAge(Duration),
    /// Like [`Revalidate`](Self::Revalidate) while the service is reachable. Otherwise uses the
    /// most recent cached results, of any age; reads then fail only if blocks are missing.
    StaleIfError,
}

/// Caches metadata and contents. See the [module documentation](self).
#[derive(Clone)]
pub struct CacheLayer {
    shared: Arc<LayerState>,
}

/// State of the layer. OpenDAL applies a layer repeatedly, so the state is shared.
struct LayerState {
    settings: Arc<CacheSettings>,
    store: Arc<BlockStore>,
    /// Taken by the first wrapped service, because a change feed belongs to one drive.
    feed: Mutex<Option<Arc<Feed>>>,
    states: Mutex<HashMap<Arc<str>, Arc<CacheState>>>,
}

/// Settings from the builder, except those of the block store.
#[derive(Clone, Debug)]
struct CacheSettings {
    consistency: Consistency,
    negative_max_age: Duration,
    max_entries: usize,
    read_ahead: usize,
    stat_from_listings: bool,
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
    /// Returns a builder with the default settings.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::new()
    }

    /// Returns the counters of all services that use this layer.
    pub fn stats(&self) -> CacheStats {
        let states = self.shared.states.lock().unwrap_or_else(PoisonError::into_inner);
        states
            .values()
            .map(|state| state.counters.stats())
            .fold(CacheStats::default(), |a, b| a + b)
    }

    /// Invalidates all metadata. The service provides the next results.
    pub fn clear_metadata(&self) {
        let states = self.shared.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.values().for_each(|state| state.metadata_cache.invalidate_all());
    }

    /// Writes pending blocks to the disk. Without this call, the most recent blocks may be missing
    /// after a restart; it has no other effect.
    ///
    /// # Errors
    /// `Unexpected` if the disk fails or has failed since the layer was built. Never without a
    /// folder.
    pub async fn close(&self) -> Result<()> {
        self.shared.store.close().await
    }

    /// Returns the cache state of a service, the same one each time the layer is applied to it. The
    /// first service gets the change feed.
    fn state_for(&self, service: &Servicer) -> Arc<CacheState> {
        let shared = &self.shared;
        let info = service.info();
        let extra = shared.settings.identity.as_deref().unwrap_or_default();
        let identity: Arc<str> =
            format!("{}\n{}\n{}\n{extra}", info.scheme(), info.name(), info.root()).into();
        let mut states = shared.states.lock().unwrap_or_else(PoisonError::into_inner);
        let cache = states.entry(Arc::clone(&identity)).or_insert_with(|| {
            let feed = shared.feed.lock().unwrap_or_else(PoisonError::into_inner).take();
            CacheState::new(Arc::clone(&shared.settings), Arc::clone(&shared.store), feed, identity)
        });
        Arc::clone(cache)
    }
}

#[deny(clippy::missing_trait_methods)]
impl Layer for CacheLayer {
    /// Wraps a service with its cache.
    fn apply_service(&self, service: Servicer) -> Servicer {
        let cache = self.state_for(&service);
        Arc::new(CacheService::new(service, cache))
    }

    /// Returns the context unchanged: the cache works above the HTTP transport.
    fn apply_context(&self, _: Servicer, context: OperationContext) -> OperationContext {
        context
    }
}
