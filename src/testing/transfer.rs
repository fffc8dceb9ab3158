//! Downloads and uploads of a [`MemoryDrive`].

use std::ops::Range;

use futures::stream;
use opendal::Buffer;

use super::{
    memory_drive::MemoryDrive,
    script::{ActiveCall, Verb},
    stored_session::StoredSession,
    tree::{MemoryTree, NewFile},
};
use crate::drive::{
    ByteRange, ByteStream, Context, Download, DownloadRequest, DownloadUrl, Error, ErrorKind, Item,
    Result, SessionLimits, SessionProgress, Target, UploadSession, WriteOptions,
};

/// The number of bytes in a piece of a download.
const PIECE: usize = 16 << 10;

impl MemoryDrive {
    /// Performs [`Drive::download`](crate::drive::Drive::download).
    ///
    /// # Errors
    /// * `NotFound` if the file does not exist; `InvalidInput` for a path if the drive is addressed
    ///   by id.
    /// * `IsAFolder` for a folder.
    /// * `ConditionNotMatch` if a condition does not hold.
    /// * `RangeNotSatisfied` if the range starts after the end of the file.
    /// * The planned error of [`Verb::Download`] or [`Verb::DownloadUrl`].
    pub(super) async fn open_download(
        &self,
        cx: &Context,
        request: DownloadRequest<'_>,
    ) -> Result<Download> {
        let label = |tree: &MemoryTree| self.label(tree, request.file);
        let call = self.begin(cx, Verb::Download, label).await?;
        let is_known = |url: &DownloadUrl| self.key_in_url("content", url.url.expose()).is_some();
        let known_url = request.known.and_then(|known| known.download_url.as_ref());
        let needs_url = self.capabilities.download_urls && !known_url.is_some_and(is_known);
        if needs_url {
            self.call(cx, Verb::DownloadUrl, label, |_| Ok(())).await?;
            // Lets other tasks run, as a request would.
            tokio::task::yield_now().await;
        }
        let result = self.content_of(&request, needs_url, &call);
        call.end(result).await
    }

    /// Returns the bytes of a file, after the drive has a download URL.
    ///
    /// # Errors
    /// Those of [`open_download`](Self::open_download), except the planned ones. A planned error
    /// that breaks off the body is the last element of its stream.
    fn content_of(
        &self,
        request: &DownloadRequest<'_>,
        has_new_url: bool,
        call: &ActiveCall<'_>,
    ) -> Result<Download> {
        let tree = self.shared.tree();
        let key = self.key(&tree, request.file)?;
        self.check_item(&tree, key, request.conditions)?;
        let node = tree.node(key)?;
        let Some(bytes) = &node.bytes else {
            return Err(Error::new(
                ErrorKind::IsAFolder,
                format!("cannot read {:?}: it is a folder", node.name),
            ));
        };
        let range = resolve_range(&request.range, bytes.len() as u64)?;
        let part = bytes.slice(range.start as usize..range.end as usize);
        let mut item = self.metadata(&tree, key)?;
        item.download_url = Some(DownloadUrl::new(self.url("content", key)));
        let mut download =
            Download::new(bytes.len() as u64, range, pieces(&part, call.break_off(part.len())));
        download.etag.clone_from(&item.etag);
        download.download_url.clone_from(&item.download_url);
        download.item = has_new_url.then(|| Box::new(item));
        Ok(download)
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// `NotFound` or `NotAFolder` for the folder; those of [`MemoryTree::check_put`].
    pub(super) fn write_file(
        &self,
        target: &Target,
        bytes: Buffer,
        options: &WriteOptions,
    ) -> Result<Item> {
        let mut tree = self.shared.tree();
        let key = tree.transaction(|tree| {
            let folder = self.write_folder(tree, &target.folder)?;
            let WriteOptions { if_exists, conditions, modified } = options;
            tree.put(NewFile {
                folder,
                name: &target.name,
                bytes,
                if_exists: *if_exists,
                conditions,
                modified: modified.filter(|_| self.capabilities.set_modified),
            })
        })?;
        self.upload_response(&tree, key)
    }

    /// Returns the limits of this client's upload sessions.
    ///
    /// # Errors
    /// `Unsupported` if it has no upload sessions.
    pub(super) fn session_limits(&self) -> Result<SessionLimits> {
        self.capabilities.session.ok_or_else(|| Error::unsupported("upload sessions"))
    }

    /// Returns the key of a session of this drive, which may have been discarded.
    ///
    /// # Errors
    /// `InvalidInput` if another drive opened it; `Unsupported` if this client has no sessions.
    pub(super) fn session_key(&self, session: &UploadSession) -> Result<u64> {
        self.session_limits()?;
        self.key_in_url("session", session.url.expose()).ok_or_else(|| {
            let text = "cannot use the upload session: another drive opened it";
            Error::new(ErrorKind::InvalidInput, text)
        })
    }

    /// Opens an upload session.
    ///
    /// # Errors
    /// `InvalidInput` if `total` exceeds `max_file_size`; those of [`MemoryTree::check_put`] if the
    /// folder exists, and otherwise `NotFound`, but not in a drive that is addressed by path: the
    /// folder is created with the file.
    pub(super) fn create_session(
        &self,
        tree: &mut MemoryTree,
        target: &Target,
        total: u64,
        options: &WriteOptions,
    ) -> Result<UploadSession> {
        if total > self.capabilities.max_file_size {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("cannot upload {total} bytes: the file is too large for this drive"),
            ));
        }
        // The folder is created with the file. If it exists, the target is checked now.
        match self.key(tree, &target.folder) {
            Ok(folder) => {
                let (if_exists, conditions) = (options.if_exists, &options.conditions);
                tree.check_put(folder, &target.name, if_exists, conditions)?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound && self.capabilities.paths => {}
            Err(error) => return Err(error),
        }
        let path = self.target_label(tree, target);
        let key = tree.next_key();
        let session = StoredSession {
            folder: target.folder.clone(),
            name: target.name.clone(),
            path,
            total,
            received: Vec::new(),
            if_exists: options.if_exists,
            conditions: options.conditions.clone(),
            modified: options.modified.filter(|_| self.capabilities.set_modified),
            file: None,
        };
        tree.sessions.insert(key, session);
        Ok(UploadSession::new(self.url("session", key), total, ""))
    }

    /// Stores a fragment, and creates the file with the last one.
    ///
    /// # Errors
    /// `NotFound` if the session is discarded, cancelled or has ended; those of
    /// [`StoredSession::check_fragment`]. The last fragment, without explicit commit: those of
    /// [`write_file`](Self::write_file). The planned error.
    pub(super) fn store_fragment(
        &self,
        key: u64,
        offset: u64,
        bytes: &Buffer,
        call: &ActiveCall<'_>,
    ) -> Result<SessionProgress> {
        let limits = self.session_limits()?;
        let mut tree = self.shared.tree();
        let session = tree.open_session(key)?;
        session.check_fragment(offset, bytes.len() as u64, &limits)?;
        if let Some((stored, error)) = call.break_off(bytes.len()) {
            // A cloud stores whole units only.
            let unit = usize::try_from(limits.alignment).unwrap_or(usize::MAX).max(1);
            session.received.push(bytes.slice(..stored / unit * unit));
            return Err(error);
        }
        let end = offset + bytes.len() as u64;
        let is_last = end == session.total;
        if is_last && !self.options.explicit_commit {
            let write_folder = |tree: &mut MemoryTree, folder: &_| self.write_folder(tree, folder);
            let file = tree.commit(key, Some(bytes), write_folder)?;
            return Ok(SessionProgress::Done(Box::new(self.upload_response(&tree, file)?)));
        }
        session.received.push(bytes.clone());
        Ok(if is_last { SessionProgress::Complete } else { SessionProgress::Next(end) })
    }
}

/// Returns the bytes of a range (end exclusive), of a file of `len` bytes. The end is cut off at
/// `len`; the last bytes of a shorter file are the whole file.
///
/// # Errors
/// `RangeNotSatisfied` if a `Span` starts at `len` or after it, or a `From` starts after it. `From`
/// at `len` returns no bytes.
fn resolve_range(range: &ByteRange, len: u64) -> Result<Range<u64>> {
    match range {
        ByteRange::Full => Ok(0..len),
        ByteRange::Last(count) => Ok(len.saturating_sub(*count)..len),
        ByteRange::From(start) if *start <= len => Ok(*start..len),
        ByteRange::Span(span) if span.start < len => {
            Ok(span.start..span.end.clamp(span.start, len))
        }
        ByteRange::From(_) | ByteRange::Span(_) => Err(Error::new(
            ErrorKind::RangeNotSatisfied,
            format!("cannot read from there: the file has {len} bytes"),
        )),
    }
}

/// Returns a stream of bytes, which breaks off after a number of bytes if there is an error.
fn pieces(bytes: &Buffer, break_off: Option<(usize, Error)>) -> ByteStream {
    let (len, error) = break_off.map_or((bytes.len(), None), |(len, error)| (len, Some(error)));
    let starts = (0..len).step_by(PIECE);
    let pieces: Vec<_> =
        starts.map(|start| Ok(bytes.slice(start..len.min(start + PIECE)))).collect();
    Box::pin(stream::iter(pieces.into_iter().chain(error.map(Err))))
}
