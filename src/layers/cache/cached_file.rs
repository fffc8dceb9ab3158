//! An open file of the cache layer.

use std::sync::Arc;

use opendal::{
    OperationContext,
    raw::{Servicer, oio},
};
use tokio::time::Instant;

use super::state::CacheState;

/// An open file.
pub(super) struct CachedFile {
    pub(super) cache: Arc<CacheState>,
    pub(super) service: Servicer,
    pub(super) context: OperationContext,
    pub(super) path: String,
    /// Reader of the service, for reads that bypass the cache.
    pub(super) inner: oio::Reader,
    /// When the file was opened.
    pub(super) created_at: Instant,
}
