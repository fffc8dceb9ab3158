//! Change feed: invalidates the metadata that other clients have changed.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use opendal::{ErrorKind, OperationContext, Result};
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::metadata::{InvalidationScope, MetadataCache};

/// Source of the changes in a service.
#[async_trait]
pub trait ChangeSource: Send + Sync + fmt::Debug + 'static {
    /// Returns the changes since the cursor of an earlier result. With `None`, returns no changes
    /// and a cursor for the current state.
    ///
    /// # Errors
    /// `Unsupported` if the service has no change feed. The cache then does not call the source
    /// again.
    ///
    /// Any other error: the cache then treats its results as stale, and calls the source again with
    /// the same cursor.
    async fn changes(
        &self,
        context: &OperationContext,
        since: Option<&ChangeCursor>,
    ) -> Result<ChangedPaths>;
}

/// Position in a change feed. Some services use URLs that work without a token, so that `Debug`
/// hides the value.
#[derive(Clone, PartialEq, Eq)]
pub struct ChangeCursor(String);

impl ChangeCursor {
    /// Creates a cursor from the source's own representation.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Returns the source's own representation, which may contain a secret.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ChangeCursor {
    /// Shows no value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangeCursor")
    }
}

/// Changes since a cursor.
#[derive(Debug)]
pub struct ChangedPaths {
    /// Paths, relative to the operator's root, of items that were created or changed. Items below
    /// them are unchanged.
    pub paths: Vec<String>,
    /// Paths that were deleted, or that an item was moved from or to. Everything below them has
    /// changed too.
    pub moved: Vec<String>,
    /// The changes are unknown: anything may have changed.
    pub everything: bool,
    /// Cursor for the next call.
    pub next: ChangeCursor,
}

/// Change feed of one service, and how far it has been applied.
#[derive(Debug)]
pub(super) struct Feed {
    source: Arc<dyn ChangeSource>,
    /// Locked during a request, so that only one runs at a time. `None` before the first request.
    cursor: AsyncMutex<Option<ChangeCursor>>,
    progress: Mutex<FeedProgress>,
}

/// Time span that the feed has covered so far.
#[derive(Clone, Copy, Debug, Default)]
struct FeedProgress {
    /// Changes of results that were requested at or after this time are reported. `None` before the
    /// first request.
    covered_from: Option<Instant>,
    /// All changes before this time have been applied.
    covered_until: Option<Instant>,
    /// The service has no change feed.
    unsupported: bool,
}

impl Feed {
    /// Creates a feed that has not started. Sends no request.
    pub(super) fn new(source: Arc<dyn ChangeSource>) -> Self {
        Self { source, cursor: AsyncMutex::default(), progress: Mutex::default() }
    }

    /// Returns a copy of the progress.
    fn progress(&self) -> FeedProgress {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the feed reports changes of a result that was requested at this time: at or
    /// after its start. `false` before the start, and if the service has no change feed.
    pub(super) fn covers(&self, requested_at: Instant) -> bool {
        self.progress().covered_from.is_some_and(|since| requested_at >= since)
    }

    /// Starts the feed, if it has not started. It covers results that are requested from now on.
    pub(super) async fn subscribe(
        &self,
        context: &OperationContext,
        metadata_cache: &MetadataCache,
    ) {
        if self.progress().covered_from.is_none() {
            self.poll(context, metadata_cache, None).await;
        }
    }

    /// Applies all changes up to `moment`. Sends no request if they are applied already. Returns
    /// whether they are applied: `false` if the request failed, which is logged, or if the service
    /// has no change feed.
    pub(super) async fn poll_until(
        &self,
        context: &OperationContext,
        metadata_cache: &MetadataCache,
        moment: Instant,
    ) -> bool {
        let is_complete =
            |progress: FeedProgress| progress.covered_until.is_some_and(|until| until > moment);
        is_complete(self.progress()) || {
            self.poll(context, metadata_cache, Some(moment)).await;
            is_complete(self.progress())
        }
    }

    /// Requests the changes and applies them to `metadata_cache`, unless another task has done so
    /// in the meantime. `moment` is the time to reach; `None` starts the feed. A failure is logged
    /// and leaves the progress as it was.
    async fn poll(
        &self,
        context: &OperationContext,
        metadata_cache: &MetadataCache,
        moment: Option<Instant>,
    ) {
        let mut cursor = self.cursor.lock().await;
        let progress = self.progress();
        let done = match moment {
            None => progress.covered_from.is_some(),
            Some(moment) => progress.covered_until.is_some_and(|until| until > moment),
        };
        if progress.unsupported || done {
            return;
        }
        let requested_at = Instant::now();
        let changes = match self.source.changes(context, cursor.as_ref()).await {
            Ok(changes) => changes,
            Err(error) => {
                tracing::debug!(kind = %error.kind(), "cannot poll the change feed");
                let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
                progress.unsupported = error.kind() == ErrorKind::Unsupported;
                return;
            }
        };
        // No await from here on: otherwise changes would be lost if the caller drops the future.
        let first = cursor.replace(changes.next).is_none();
        if changes.everything {
            metadata_cache.invalidate_all();
        }
        for path in &changes.paths {
            metadata_cache.invalidate(path, InvalidationScope::Item);
        }
        for path in &changes.moved {
            metadata_cache.invalidate(path, InvalidationScope::Tree);
        }
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if first || changes.everything {
            progress.covered_from = Some(Instant::now());
        }
        progress.covered_until = Some(requested_at);
    }
}
