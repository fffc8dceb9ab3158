//! The bytes of files: taken in, read, counted.

use std::ops::Range;

use super::super::{
    Tree, contents, failure,
    ingest::{self, ROW_MAX},
    media, read_tx,
};
use crate::tree::{Audit, Bytestream, Content, Result, Stored, hash::Hasher};

impl Tree {
    /// Takes a body in and hashes it; nothing of a tree changes. At most `max` bytes:
    /// beyond, [`TreeError::Body`] of kind `FileTooLarge`, and nothing stays. Neither does when the
    /// body fails, the call is dropped half-way, or what it gave is dropped unused.
    pub async fn store(&self, body: Bytestream, max: u64) -> Result<Stored> {
        let taken =
            ingest::ingest(&self.blobs, &self.room, body, max, Some(Hasher::default()), ROW_MAX)
                .await?;
        let media = media::of_taken(&self.blobs, &taken).await;
        let hashes = taken.hasher.unwrap_or_default().finish();
        Ok(Stored { size: taken.size, hashes, media, at: taken.at })
    }

    /// Bytes that were taken in and are not yet part of a tree, a range of them, streamed.
    pub async fn open_stored(&self, stored: &Stored, range: Range<u64>) -> Result<Bytestream> {
        media::open_stored(&self.blobs, stored, range).await
    }

    /// Forgets bytes that were taken in but not used, and waits until they are gone.
    pub async fn discard(&self, stored: Stored) -> Result<()> {
        drop(stored);
        self.blobs.settle().await;
        Ok(())
    }

    /// The bytes of a content, a range of them, streamed. They come whole even if the content goes
    /// while they are read; one that is gone before is [`TreeError::Changed`]: look at the item
    /// again.
    pub async fn open_content(&self, content: &Content, range: Range<u64>) -> Result<Bytestream> {
        contents::open(&self.db, &self.blobs, content, range).await
    }

    /// Compares the blobs there are with those that are named. It takes a look at every blob.
    pub async fn audit(&self) -> Result<Audit> {
        // First those that are named: what is taken in meanwhile is then not missing.
        let mut named = read_tx!(self, |sql| contents::blobs(sql))?;
        let found = self.blobs.sizes().await.map_err(failure::storage)?;
        let mut audit = Audit { blobs: found.len() as u64, ..Audit::default() };
        for (blob, size) in found {
            match named.remove(&blob) {
                None => audit.orphans += 1,
                Some(expected) if expected != size => audit.damaged += 1,
                Some(_) => {}
            }
        }
        audit.missing = named.len() as u64;
        Ok(audit)
    }
}
