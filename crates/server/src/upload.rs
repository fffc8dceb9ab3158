//! Uploads whose client disconnects, or that are rejected.

use crate::tree::{Stored, Tree};

/// Runs an upload in its own task. When the client disconnects, the request's body ends with an
/// error and the upload discards its bytes; a dropped future would leave them behind. `None` if the
/// task panicked; an upload that fails is `Some` with its error.
pub(super) async fn detached<T: Send + 'static>(
    upload: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let result = tokio::spawn(upload).await;
    result.inspect_err(|error| tracing::error!(%error, "the task of an upload failed")).ok()
}

/// Discards the stored bytes of a rejected upload. A failure is logged.
pub(super) async fn discard(tree: &Tree, stored: Stored) {
    if let Err(error) = tree.discard(stored).await {
        tracing::warn!(%error, "cannot discard the bytes of a rejected upload before the next start");
    }
}
