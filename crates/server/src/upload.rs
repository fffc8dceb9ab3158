//! What becomes of uploads whose client goes away, or which are refused.

use super::tree::{Stored, Tree};

/// Runs an upload in a task of its own: when its client goes away the body ends with an error, and
/// what was taken in is thrown away, instead of staying behind a future that was dropped. `None`: it
/// panicked.
pub(super) async fn detached<T: Send + 'static>(
    upload: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let ended = tokio::spawn(upload).await;
    ended.inspect_err(|error| tracing::error!(%error, "an upload ended without an answer")).ok()
}

/// Throws away what was taken in for nothing.
pub(super) async fn discard(tree: &Tree, stored: Stored) {
    if let Err(error) = tree.discard(stored).await {
        tracing::warn!(%error, "bytes of a refused upload stay until the next start");
    }
}
