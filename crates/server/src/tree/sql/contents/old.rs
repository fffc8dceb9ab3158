//! Contents of version 1, whose segments have no checksums: verified by the hash of the whole.

use std::{io, sync::Arc};

use futures::{TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::{
    super::{
        super::{Bytestream, Content, Result},
        db::Db,
        failure::storage,
        row::signed,
        writer::Tx,
    },
    BytesLocation, check_cover, locate,
};
use crate::{
    blobs::Blobs,
    blocks::{Checks, Summer},
};

/// Held while a content gets checksums, which reads all its bytes: two requests for ranges of one file
/// must not both do so.
static ADDING: Mutex<()> = Mutex::const_new(());

/// Returns the error of bytes that do not have their hash.
fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is damaged: its hash does not match")
}

/// Streams a whole content. The last piece is yielded only if all bytes have the hash.
pub(super) fn verified(bytes: Bytestream, sha256: [u8; 32]) -> Bytestream {
    struct State {
        bytes: Bytestream,
        hash: Sha256,
        pending: Option<bytes::Bytes>,
    }
    let state = State { bytes, hash: Sha256::new(), pending: None };
    Box::pin(stream::try_unfold(Some(state), move |state| async move {
        let Some(mut state) = state else { return Ok(None) };
        loop {
            match state.bytes.try_next().await? {
                Some(piece) => {
                    state.hash.update(&piece);
                    if let Some(before) = state.pending.replace(piece) {
                        return Ok(Some((before, Some(state))));
                    }
                }
                None if state.hash.finalize()[..] != sha256 => return Err(damaged()),
                None => return Ok(state.pending.map(|last| (last, None))),
            }
        }
    }))
}

/// Verifies a whole content by its hash, and adds checksums to its segments. A failure to write them,
/// on a full disk, is only logged: the content was verified.
///
/// # Errors
/// `TreeError::Storage` if the content is damaged or cannot be read.
pub(in super::super) async fn add_checks(
    db: &Db,
    blobs: &Arc<Blobs>,
    content: &Content,
) -> Result<()> {
    let _alone = ADDING.lock().await;
    let whole = 0..content.size;
    let BytesLocation::Blobs(segments) = locate(db, content.no, &whole).await? else {
        return Ok(());
    };
    if segments.iter().all(|segment| segment.checks.is_some()) {
        return Ok(());
    }
    check_cover(content.no, &segments, &whole)?;
    let (mut hash, mut found) = (Sha256::new(), Vec::new());
    for segment in segments {
        let (start, length) = (segment.range.start, segment.range.end - segment.range.start);
        let mut sums = Summer::default();
        let mut bytes = segment.read(blobs, 0..length).await.map_err(storage)?;
        while let Some(piece) = bytes.try_next().await.map_err(storage)? {
            hash.update(&piece);
            sums.update(&piece);
        }
        found.push((start, sums.finish()));
    }
    if hash.finalize()[..] != content.hashes.sha256 {
        return Err(storage(damaged()));
    }
    let no = content.no;
    let added = db.write(move |tx| Box::pin(store_checks(tx, no, found))).await;
    if let Err(error) = added {
        tracing::warn!(%error, content = no, "cannot add checksums");
    }
    Ok(())
}

/// Stores the checksums of a content's segments. `found` has the start of each segment in the
/// content and its checksums.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn store_checks(tx: &mut Tx, content: i64, found: Vec<(u64, Checks)>) -> Result<()> {
    for (start, checks) in found {
        sqlx::query("UPDATE segment SET checks = $3 WHERE content = $1 AND start = $2")
            .bind(content)
            .bind(signed(start))
            .bind(checks.as_bytes().to_owned())
            .execute(tx.sql())
            .await?;
    }
    Ok(())
}
