//! Reads media facts, such as the size of a picture, from contents.

use std::{io, ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures::{TryStreamExt, stream};

use super::{
    super::{Bytestream, Content, Media, Result, Stored},
    contents,
    db::Db,
    failure::storage,
    ingest::{Ingested, Place},
};
use crate::{
    blobs::Blobs,
    media::{self, Fetch, HEAD_SIZE},
};

/// Reads the media facts of bytes that were just received; `None` if they have none.
pub(super) async fn from_ingested(blobs: &Arc<Blobs>, taken: &Ingested) -> Option<Arc<Media>> {
    if !media::is_media(&taken.head) {
        return None;
    }
    let fetch = match &taken.at {
        Place::Row(bytes) => Fetch::from_bytes(bytes.clone()),
        Place::Blob(blob) => {
            let (blobs, number) = (Arc::clone(blobs), blob.number());
            let (size, checks) = (taken.size, blob.checks().clone());
            Fetch::new(move |range| {
                let (blobs, checks) = (Arc::clone(&blobs), checks.clone());
                async move { collected(blobs.read_verified(number, size, range, checks).await?).await }
            })
        }
    };
    media::read_media(&taken.head, taken.size, fetch).await.map(Arc::new)
}

/// Reads the media facts of a content that was received in fragments; `None` if it has none or cannot
/// be read.
pub(super) async fn from_content(
    db: &Arc<Db>,
    blobs: &Arc<Blobs>,
    content: &Content,
) -> Option<Arc<Media>> {
    let head = fetched(db, blobs, content, 0..content.size.min(HEAD_SIZE as u64)).await.ok()?;
    if !media::is_media(&head) {
        return None;
    }
    let (db, blobs, whole) = (Arc::clone(db), Arc::clone(blobs), content.clone());
    let fetch = Fetch::new(move |range| {
        let (db, blobs, whole) = (Arc::clone(&db), Arc::clone(&blobs), whole.clone());
        async move { fetched(&db, &blobs, &whole, range).await }
    });
    media::read_media(&head, content.size, fetch).await.map(Arc::new)
}

/// Reads a range of a content into memory. The caller limits the range.
///
/// # Errors
/// `Other` if the first bytes are missing, damaged or unreadable; the error of the stream for later
/// bytes.
async fn fetched(
    db: &Db,
    blobs: &Arc<Blobs>,
    content: &Content,
    range: Range<u64>,
) -> io::Result<Bytes> {
    let bytes = contents::open(db, blobs, content, range).await.map_err(io::Error::other)?;
    collected(bytes).await
}

/// Collects a stream into one buffer.
///
/// # Errors
/// The first error of the stream.
async fn collected(bytes: impl futures::Stream<Item = io::Result<Bytes>>) -> io::Result<Bytes> {
    let add = |mut all: BytesMut, piece: Bytes| async move {
        all.extend_from_slice(&piece);
        Ok(all)
    };
    Ok(bytes.try_fold(BytesMut::new(), add).await?.freeze())
}

/// Returns a range of stored bytes that do not belong to an item. A range beyond the end is cut.
///
/// # Errors
/// `TreeError::Storage` if the blob cannot be read or is damaged.
pub(super) async fn open_stored(
    blobs: &Blobs,
    stored: &Stored,
    range: Range<u64>,
) -> Result<Bytestream> {
    let range = range.start.min(stored.size)..range.end.min(stored.size);
    match &stored.at {
        Place::Row(bytes) => {
            let part = bytes.slice(range.start as usize..range.end as usize);
            Ok(Box::pin(stream::iter([Ok(part)])))
        }
        Place::Blob(blob) => {
            let checks = blob.checks().clone();
            let read = blobs.read_verified(blob.number(), stored.size, range, checks).await;
            read.map_err(storage)
        }
    }
}
