//! A blob and its writer: a blob that no row names is removed.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{Blobs, path_of};
use crate::blocks::{Checks, Summer};

/// Owns a complete blob. A blob whose owner is dropped without [`keep`](Self::keep) is removed.
pub(crate) struct Blob {
    pub(super) number: i64,
    pub(super) kept: bool,
    pub(super) checks: Checks,
    pub(super) blobs: Arc<Blobs>,
}

impl fmt::Debug for Blob {
    /// Shows the path only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({})", path_of(self.number))
    }
}

impl Blob {
    /// Returns the number of the blob.
    pub(crate) fn number(&self) -> i64 {
        self.number
    }

    /// Returns the checksums of its blocks.
    pub(crate) fn checks(&self) -> &Checks {
        &self.checks
    }

    /// Keeps the blob: a database row names it, or may name it.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Blob {
    /// Queues the removal of the blob, unless it is kept.
    fn drop(&mut self) {
        if !self.kept {
            self.blobs.remove([self.number]);
        }
    }
}

/// A blob that is being written. Dropped before [`finish`](Self::finish), it is removed.
pub(crate) struct BlobWriter {
    pub(super) writer: opendal::Writer,
    pub(super) sums: Summer,
    pub(super) blob: Blob,
}

impl BlobWriter {
    /// Appends bytes to the blob.
    ///
    /// # Errors
    /// `opendal::Error` if the operator cannot write them.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> opendal::Result<()> {
        self.sums.update(&bytes);
        self.writer.write(bytes).await.map_err(|error| self.blob.blobs.with_root(error))
    }

    /// Completes the blob. The file of a blob in a folder is synced; its name too with
    /// [`Durability::Full`].
    ///
    /// # Errors
    /// `opendal::Error` if the operator cannot write the rest, or a file or folder cannot be
    /// synced.
    ///
    /// [`Durability::Full`]: crate::Durability::Full
    pub(crate) async fn finish(mut self) -> opendal::Result<Blob> {
        if let Err(error) = self.writer.close().await {
            let error = self.blob.blobs.with_root(error);
            self.abort().await;
            return Err(error);
        }
        self.blob.blobs.sync(self.blob.number).await?;
        self.blob.checks = self.sums.finish();
        Ok(self.blob)
    }

    /// Discards the blob. An object store would keep the parts of an upload that is not aborted.
    pub(crate) async fn abort(mut self) {
        if self.blob.blobs.is_remote
            && let Err(error) = self.writer.abort().await
            && error.kind() != opendal::ErrorKind::Unsupported
        {
            tracing::warn!(blob = ?self.blob, %error, "cannot abort the upload of a blob");
        }
    }
}
