//! The bytes of files: storing, reading, auditing.

use std::ops::Range;

use super::super::{
    Tree, contents, failure,
    ingest::{self, ROW_MAX},
    media, read_tx,
};
use crate::tree::{Audit, Bytestream, Content, Result, Stored, hash::ContentHasher};

impl Tree {
    /// Stores a body of at most `max` bytes and hashes it, without changing any tree. The bytes are
    /// removed again when the returned value is dropped unused, when the body fails and when the
    /// call is cancelled.
    ///
    /// # Errors
    /// [`TreeError::Body`](crate::tree::TreeError::Body) if the body fails, and of kind
    /// `FileTooLarge` if it has more than `max` bytes; `NoRoom` if the disk is full; `Storage` if
    /// the bytes cannot be written.
    pub async fn store(&self, body: Bytestream, max: u64) -> Result<Stored> {
        let taken = ingest::ingest(
            &self.blobs,
            &self.disk_space,
            body,
            max,
            Some(ContentHasher::default()),
            ROW_MAX,
        )
        .await?;
        let media = media::from_ingested(&self.blobs, &taken).await;
        let hashes = taken.hasher.unwrap_or_default().finish();
        Ok(Stored { size: taken.size, hashes, media, at: taken.at })
    }

    /// Returns a range of stored bytes as a stream. The end of the range is exclusive; a range
    /// beyond the end of the bytes is cut.
    ///
    /// # Errors
    /// [`TreeError::Storage`](crate::tree::TreeError::Storage) if the bytes cannot be read. The
    /// stream fails at damaged bytes.
    pub async fn open_stored(&self, stored: &Stored, range: Range<u64>) -> Result<Bytestream> {
        media::open_stored(&self.blobs, stored, range).await
    }

    /// Removes stored bytes, and waits until they are removed.
    ///
    /// # Errors
    /// Never: a failed removal is logged, and repeated at the next start.
    pub async fn discard(&self, stored: Stored) -> Result<()> {
        drop(stored);
        self.blobs.finish_removals().await;
        Ok(())
    }

    /// Returns a range of a content's bytes as a stream. The end of the range is exclusive; a range
    /// beyond the end is cut. The stream is complete even if the content is removed meanwhile.
    ///
    /// # Errors
    /// [`TreeError::Changed`](crate::tree::TreeError::Changed) if the content no longer exists: the
    /// item has to be looked up again. `Storage` if its first bytes cannot be read; later bytes
    /// fail the stream.
    pub async fn open_content(&self, content: &Content, range: Range<u64>) -> Result<Bytestream> {
        contents::open(&self.db, &self.blobs, content, range).await
    }

    /// Compares the blobs that exist with those that rows name. It stats every blob.
    ///
    /// # Errors
    /// [`TreeError::Storage`](crate::tree::TreeError::Storage) if the database or the blobs cannot
    /// be read.
    pub async fn audit(&self) -> Result<Audit> {
        // Before the blobs: a blob that is stored meanwhile must not count as missing.
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
