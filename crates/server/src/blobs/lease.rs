//! Readers of contents: the blobs of a deleted content are removed after its last reader.

use std::sync::{Arc, PoisonError};

use super::Blobs;

/// A content that is being read.
#[derive(Default)]
pub(super) struct ContentUse {
    pub(super) readers: usize,
    /// Blobs to remove after the last reader.
    pub(super) pending_delete: Vec<i64>,
}

/// Keeps the blobs of a content while it is read.
pub(crate) struct ReadLease {
    pub(super) content: i64,
    pub(super) blobs: Arc<Blobs>,
}

impl Drop for ReadLease {
    /// Ends the reading. After the last reader of a deleted content, its blobs are removed.
    fn drop(&mut self) {
        let mut in_use = self.blobs.contents_in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(content_use) = in_use.get_mut(&self.content) else { return };
        content_use.readers -= 1;
        if content_use.readers == 0 {
            let ended = in_use.remove(&self.content).unwrap_or_default();
            self.blobs.remove(ended.pending_delete);
        }
    }
}
