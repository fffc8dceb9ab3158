//! Receives bodies: hashes them and stores them in memory, for a row, or in a blob, with bounded
//! memory.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, future};
use tokio::{sync::mpsc, task};

use super::{
    super::{Bytestream, Result, TreeError, hash::ContentHasher},
    disk_space::DiskSpace,
    failure::storage,
};
use crate::{
    blobs::{Blob, BlobWriter, Blobs},
    media::HEAD_SIZE,
};

/// The largest content that is stored in its row, in bytes. To create a file for a smaller one would
/// cost more than to write its bytes.
pub(super) const ROW_MAX: usize = 16 << 10;

/// Bytes that are hashed and written at a time. Up to four such pieces of a body are in memory.
const PIECE: usize = 512 << 10;

/// Space in bytes that the disk must have beside a piece: the transaction of a new file writes some
/// fifty pages of the database, of 4 KiB, to its write-ahead log.
const DATABASE_RESERVE: u64 = 256 << 10;

/// A body that was received.
pub(super) struct Ingested {
    pub size: u64,
    /// The hashes of all bytes so far; `None` if the caller passed none.
    pub hasher: Option<ContentHasher>,
    /// The first bytes, at most [`HEAD_SIZE`].
    pub head: Bytes,
    pub at: Place,
}

/// The location of received bytes.
#[derive(Debug)]
pub(in super::super) enum Place {
    /// In memory, to be stored in the row.
    Row(Bytes),
    /// In a blob.
    Blob(Blob),
}

/// Receives a body of at most `max` bytes. With more than `row_max` bytes it becomes a blob, else
/// it stays in memory for a row. `hasher` is continued with the bytes; `None` computes no hashes.
/// Nothing is left if the call fails or its future is dropped.
///
/// # Errors
/// `TreeError::Body` if the body fails, and of kind `FileTooLarge` if it is longer than `max`;
/// `TreeError::Storage` if the blob cannot be written, and `TreeError::NoRoom` if the disk is full.
pub(super) async fn ingest(
    blobs: &Arc<Blobs>,
    disk_space: &DiskSpace,
    body: Bytestream,
    max: u64,
    hasher: Option<ContentHasher>,
    row_max: usize,
) -> Result<Ingested> {
    let mut source = ResizedPieces { body, left_over: Bytes::new(), taken: 0, max };
    let head = source.piece(BytesMut::new(), row_max + 1).await?;
    if head.len() <= row_max {
        let hasher = hasher.map(|hasher| hashed(hasher, &head));
        let at = Place::Row(head.clone());
        return Ok(Ingested { size: source.taken, hasher, head: first(&head), at });
    }
    let begins = first(&head);
    let (full, pieces) = mpsc::channel(1);
    let writing = tokio::spawn(write(blobs.clone(), disk_space.clone(), pieces, hasher));
    let gathered = gather(&mut source, head, full).await;
    // Also after a failure: the task must have dropped its blob when this returns.
    let written = writing.await.map_err(storage)?;
    gathered?;
    let (hasher, blob) = written?;
    Ok(Ingested { size: source.taken, hasher, head: begins, at: Place::Blob(blob) })
}

/// Copies the first bytes. A slice would keep all of them in memory.
fn first(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(&bytes[..bytes.len().min(HEAD_SIZE)])
}

/// A message from the reader of a body to the task that writes the blob. A channel that closes
/// without [`Next::End`] means that the body is incomplete.
enum Next {
    Piece(Bytes),
    End,
}

/// Cuts the rest of a body into pieces and sends them to the task that writes the blob. `head` is
/// the beginning of the body, which was read already.
///
/// # Errors
/// `TreeError::Body` if the body ends early, and of kind `FileTooLarge` if it is longer than its
/// maximum. A task that stopped is no error: it returns its own.
async fn gather(source: &mut ResizedPieces, head: Bytes, full: mpsc::Sender<Next>) -> Result<()> {
    let mut piece = source.piece(BytesMut::from(head), PIECE).await?;
    while !piece.is_empty() {
        if full.send(Next::Piece(piece)).await.is_err() {
            // The task failed, and returns its own error.
            return Ok(());
        }
        piece = source.piece(BytesMut::new(), PIECE).await?;
    }
    let _ = full.send(Next::End).await;
    Ok(())
}

/// Writes a blob from the pieces of a body. Returns the hasher with all bytes, `None` if none was
/// passed.
///
/// It runs in a task, so that a caller that drops its future does not interrupt the creation of a
/// file: the file exists before it is removed.
///
/// # Errors
/// `TreeError::Storage` if the blob cannot be written or the body is incomplete, and
/// `TreeError::NoRoom` if the disk is full. The blob is removed then.
async fn write(
    blobs: Arc<Blobs>,
    disk_space: DiskSpace,
    mut pieces: mpsc::Receiver<Next>,
    mut hasher: Option<ContentHasher>,
) -> Result<(Option<ContentHasher>, Blob)> {
    let mut writer = blobs.writer().await.map_err(storage)?;
    match write_pieces(&mut writer, &disk_space, &mut pieces, &mut hasher).await {
        Ok(()) => Ok((hasher, writer.finish().await.map_err(storage)?)),
        Err(error) => {
            writer.abort().await;
            Err(error)
        }
    }
}

/// Hashes and writes all pieces up to the end of the body. Purges the recycle bins if the disk has
/// no space for a piece.
///
/// # Errors
/// `TreeError::Storage` if a write fails or the body is incomplete, and `TreeError::NoRoom` if the
/// disk is full.
async fn write_pieces(
    writer: &mut BlobWriter,
    disk_space: &DiskSpace,
    pieces: &mut mpsc::Receiver<Next>,
    hasher: &mut Option<ContentHasher>,
) -> Result<()> {
    loop {
        match pieces.recv().await {
            Some(Next::Piece(piece)) => {
                disk_space.ensure(piece.len() as u64 + DATABASE_RESERVE).await;
                let hashing = hash(hasher.take(), piece.clone());
                let (hashed, written) = future::join(hashing, writer.write(piece)).await;
                written.map_err(storage)?;
                *hasher = hashed?;
            }
            Some(Next::End) => return Ok(()),
            None => return Err(storage("the body is incomplete")),
        }
    }
}

/// Returns the hasher after the bytes.
fn hashed(mut hasher: ContentHasher, bytes: &[u8]) -> ContentHasher {
    hasher.update(bytes);
    hasher
}

/// Adds a piece to the hasher, on a thread for blocking work. `None` stays `None`.
///
/// # Errors
/// `TreeError::Storage` if the thread fails.
async fn hash(hasher: Option<ContentHasher>, piece: Bytes) -> Result<Option<ContentHasher>> {
    let Some(hasher) = hasher else { return Ok(None) };
    task::spawn_blocking(move || Some(hashed(hasher, &piece))).await.map_err(storage)
}

/// A body that is cut into pieces of another size.
struct ResizedPieces {
    body: Bytestream,
    left_over: Bytes,
    taken: u64,
    max: u64,
}

impl ResizedPieces {
    /// Extends `start` to `size` bytes from the body. The result is shorter only at the end of the
    /// body.
    ///
    /// # Errors
    /// `TreeError::Body` if the body ends early, and of kind `FileTooLarge` if it is longer than
    /// its maximum.
    async fn piece(&mut self, mut start: BytesMut, size: usize) -> Result<Bytes> {
        loop {
            let missing = size - start.len();
            if start.is_empty() && self.left_over.len() >= missing {
                return Ok(self.left_over.split_to(missing));
            }
            let some = self.left_over.split_to(missing.min(self.left_over.len()));
            start.extend_from_slice(&some);
            if start.len() == size || !self.more().await? {
                return Ok(start.freeze());
            }
        }
    }

    /// Reads the next bytes into `left_over`. Returns false at the end of the body.
    ///
    /// # Errors
    /// `TreeError::Body` if the body fails, and of kind `FileTooLarge` if it is longer than its
    /// maximum.
    async fn more(&mut self) -> Result<bool> {
        while let Some(bytes) = self.body.next().await {
            let bytes = bytes.map_err(TreeError::Body)?;
            self.taken += bytes.len() as u64;
            if self.taken > self.max {
                return Err(TreeError::Body(std::io::Error::new(
                    std::io::ErrorKind::FileTooLarge,
                    format!("more than {} bytes", self.max),
                )));
            }
            if !bytes.is_empty() {
                self.left_over = bytes;
                return Ok(true);
            }
        }
        Ok(false)
    }
}
