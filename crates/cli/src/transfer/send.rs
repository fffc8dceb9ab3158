//! Upload of one file through OpenDAL's writer.

use std::path::PathBuf;

use bytes::Bytes;
use drivedal::Announce;
use jiff::Timestamp;
use opendal::{Metadata, Writer};

use super::local::{LocalFile, blocking};
use crate::{
    failure::{Failure, Result},
    interrupt::Interrupt,
    progress::TransferTotals,
    remote::RemotePath,
};

/// Announced properties of a file, and how to write it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WriteParams {
    pub(crate) size: u64,
    pub(crate) modified: Option<Timestamp>,
    /// Fail with `Exists` if an item of that name exists.
    pub(crate) new_only: bool,
    /// The caller verifies sizes itself, with a listing.
    pub(crate) checked_later: bool,
}

/// Opens a writer for a remote file. Cloud drives get size and modification time in advance.
///
/// # Errors
/// `Usage` for a path that a file cannot have; the failure of the request ([`Failure::from`]).
pub(crate) async fn writer(to: &RemotePath, writing: WriteParams) -> Result<Writer> {
    let path = to.file_path()?;
    let mut opening = to.operator().writer_with(&path);
    if writing.new_only {
        opening = opening.if_not_exists(true);
    }
    if to.remote.supports_announce() {
        let mut announce = drivedal::announce().size(writing.size);
        if let Some(time) = writing.modified {
            announce = announce.modified(time);
        }
        if writing.checked_later {
            announce = announce.deferred_check();
        }
        opening = opening.user_metadata(announce);
    }
    opening.await.map_err(|error| Failure::from(error).doing("write").about(to))
}

/// Result of an upload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentFile {
    pub(crate) size: u64,
    /// The cloud did not return the size, so the caller must verify it.
    pub(crate) unchecked: bool,
}

/// Uploads a file. The upload is aborted after a failure.
///
/// # Errors
/// [`Failure::local`] if the file cannot be read; `Failed` if it changes meanwhile; the failure of
/// a request ([`Failure::from`]); `Interrupted` or `Terminated` after a signal.
pub(crate) async fn send(
    from: PathBuf,
    to: &RemotePath,
    params: WriteParams,
    totals: &TransferTotals,
    interrupt: &Interrupt,
) -> Result<SentFile> {
    let (source, first) = blocking(move || LocalFile::open(from)).await?;
    let (size, modified) = (source.size, source.modified);
    let opening = writer(to, WriteParams { size, modified, ..params });
    let mut writer = interrupt.cancellable(opening).await?;
    let sent = interrupt.cancellable(write_all(source, first, &mut writer, to, totals)).await;
    match sent {
        Ok(written) => Ok(SentFile { size, unchecked: Announce::left_to_check(&written) }),
        Err(failure) => {
            // The first failure is the one to report. A cloud that misses the abort discards the
            // upload later.
            let _ = writer.abort().await;
            Err(failure)
        }
    }
}

/// Writes a file to a writer, beginning with its first chunk, and closes the writer. Returns the
/// metadata of the remote file.
///
/// # Errors
/// [`Failure::local`] if the file cannot be read; `Failed` if it changes meanwhile; the failure of
/// a request ([`Failure::from`]).
async fn write_all(
    mut source: LocalFile,
    mut chunk: Bytes,
    writer: &mut Writer,
    to: &RemotePath,
    totals: &TransferTotals,
) -> Result<Metadata> {
    let failed = |error| Failure::from(error).doing("write").about(to);
    while !chunk.is_empty() {
        let len = chunk.len() as u64;
        writer.write(chunk).await.map_err(failed)?;
        totals.moved(len);
        (source, chunk) = source.next().await?;
    }
    writer.close().await.map_err(failed)
}
