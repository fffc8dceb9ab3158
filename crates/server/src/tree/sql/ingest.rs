//! Taking a body in: hashed on the way, with bounded memory, to the row or to a blob.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, future};
use tokio::{sync::mpsc, task};

use super::{
    super::{Bytestream, Result, TreeError, hash::Hasher},
    failure::storage,
    room::Room,
};
use crate::{
    blobs::{Blob, Blobs},
    media::HEAD_SIZE,
};

/// The largest content that is kept in its row, in bytes: below, a file's creation costs more than
/// its bytes (drive-trait.md, "Facts by subject" 6).
pub(super) const ROW_MAX: usize = 16 << 10;

/// Bytes that are hashed and written at a time. Up to four of them are in memory for each body.
const PIECE: usize = 512 << 10;

/// A body that was taken in.
pub(super) struct Ingested {
    pub size: u64,
    /// The hashes under way, if they were wanted.
    pub hasher: Option<Hasher>,
    /// The first bytes.
    pub head: Bytes,
    pub at: Place,
}

/// Where taken-in bytes are.
#[derive(Debug)]
pub(in super::super) enum Place {
    /// Few enough to be kept in the row.
    Row(Bytes),
    /// In a blob.
    Blob(Blob),
}

/// Takes a body of at most `max` bytes in, to a blob if it has more than `row_max`. When it fails
/// or is dropped, nothing stays.
pub(super) async fn ingest(
    blobs: &Arc<Blobs>,
    room: &Room,
    body: Bytestream,
    max: u64,
    hasher: Option<Hasher>,
    row_max: usize,
) -> Result<Ingested> {
    let mut source = Source { body, left_over: Bytes::new(), taken: 0, max };
    let head = source.piece(BytesMut::new(), row_max + 1).await?;
    if head.len() <= row_max {
        let hasher = hasher.map(|hasher| hashed(hasher, &head));
        let at = Place::Row(head.clone());
        return Ok(Ingested { size: source.taken, hasher, head: first(&head), at });
    }
    let begins = first(&head);
    let (full, pieces) = mpsc::channel(1);
    let writing = tokio::spawn(write(blobs.clone(), room.clone(), pieces, hasher));
    let gathered = gather(&mut source, head, full).await;
    // Also after a failure: when this returns, the blob is on its way out.
    let written = writing.await.map_err(storage)?;
    gathered?;
    let (hasher, blob) = written?;
    Ok(Ingested { size: source.taken, hasher, head: begins, at: Place::Blob(blob) })
}

/// A copy, so that the rest is not kept for it.
fn first(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(&bytes[..bytes.len().min(HEAD_SIZE)])
}

/// What the one who reads the body says to the one who writes the blob. If the end does not come,
/// the body broke off.
enum Next {
    Piece(Bytes),
    End,
}

async fn gather(source: &mut Source, head: Bytes, full: mpsc::Sender<Next>) -> Result<()> {
    let mut piece = source.piece(BytesMut::from(head), PIECE).await?;
    while !piece.is_empty() {
        if full.send(Next::Piece(piece)).await.is_err() {
            // The other side failed, and says why.
            return Ok(());
        }
        piece = source.piece(BytesMut::new(), PIECE).await?;
    }
    let _ = full.send(Next::End).await;
    Ok(())
}

/// Writes a blob, in a task of its own: a file that is being made when the caller goes away is
/// there before it is removed, not after.
async fn write(
    blobs: Arc<Blobs>,
    room: Room,
    mut pieces: mpsc::Receiver<Next>,
    mut hasher: Option<Hasher>,
) -> Result<(Option<Hasher>, Blob)> {
    let mut writer = blobs.writer().await.map_err(storage)?;
    loop {
        match pieces.recv().await {
            Some(Next::Piece(piece)) => {
                room.ensure(piece.len() as u64).await;
                let (after, written) =
                    future::join(hash(hasher, piece.clone()), writer.write(piece)).await;
                written.map_err(storage)?;
                hasher = after?;
            }
            Some(Next::End) => return Ok((hasher, writer.finish().await.map_err(storage)?)),
            None => return Err(storage("the body broke off")),
        }
    }
}

fn hashed(mut hasher: Hasher, bytes: &[u8]) -> Hasher {
    hasher.update(bytes);
    hasher
}

/// Hashes a piece where it does not keep others waiting.
async fn hash(hasher: Option<Hasher>, piece: Bytes) -> Result<Option<Hasher>> {
    let Some(hasher) = hasher else { return Ok(None) };
    task::spawn_blocking(move || Some(hashed(hasher, &piece))).await.map_err(storage)
}

/// A body, cut anew.
struct Source {
    body: Bytestream,
    left_over: Bytes,
    taken: u64,
    max: u64,
}

impl Source {
    /// Bytes to make `start` up to `size`; fewer only at the body's end.
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
