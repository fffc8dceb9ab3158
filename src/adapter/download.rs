//! The downloads of one file: the first one, and those that continue after an interruption.
//!
//! Concurrent reads of a file share its download URL: one of them requests the URL, the others wait
//! for it.

use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use jiff::Timestamp;
use tokio::sync::OwnedMutexGuard;

use super::{
    conditions::TimeConditions,
    content_version::ContentVersion,
    error::is_a_folder,
    path::{Path, ResolvedPath},
    state::AdapterState,
};
use crate::drive::{
    ByteRange, Conditions, Context, Download, DownloadRequest, Error, ErrorKind, Item, ItemKind,
    Result,
};

/// A file that is being read.
#[derive(Debug)]
pub(super) struct RemoteFile {
    pub(super) state: Arc<AdapterState>,
    pub(super) cx: Context,
    /// A path with the name `.` or `..` is an error of the first download.
    pub(super) path: Result<Path>,
    pub(super) conditions: Conditions,
    /// Checked on the item before the first download.
    pub(super) times: TimeConditions,
    /// The version to read; `None` for the current one.
    pub(super) version: Option<String>,
}

impl RemoteFile {
    /// Starts the download of a range, and returns the version that it belongs to.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `IsAFolder`; `RangeNotSatisfied` if the range starts
    /// after the end; `ConditionNotMatch` if `if_match` differs from the etag or `if_none_match`
    /// equals it; `Unexpected` if the size of the file differs from that of its item; [request
    /// errors](crate::drive::Error#request-errors).
    pub(super) async fn download(&self, range: ByteRange) -> Result<(Download, ContentVersion)> {
        let (state, cx) = (&self.state, &self.cx);
        let path = self.path.as_ref().map_err(Clone::clone)?;
        let path = &*self.state.existing_path(&self.cx, path).await?;
        if let Some(version) = &self.version {
            return self.download_version(path, version, range).await;
        }
        if !self.times.is_empty() {
            return self.download_at_time(path, range).await;
        }
        let (mut resolved, url_lock) = self.resolve(path).await?;
        // Taken after the path is resolved, because the download returns more properties of the item
        // and has to replace the index entry.
        let mut requested_at = Instant::now();
        let download = match self.request(&resolved, range.clone()).await {
            Err(error) if error.kind() == ErrorKind::NotFound && resolved.from_cache => {
                state.invalidate(&resolved);
                resolved = state.resolve_uncached(cx, path).await?;
                requested_at = Instant::now();
                self.request(&resolved, range).await?
            }
            result => result?,
        };
        self.update_index(&resolved, &download, requested_at);
        drop(url_lock);
        self.check_size(&resolved, &download).await?;
        let version = ContentVersion::from_download(&resolved, &download);
        Ok((download, version))
    }

    /// Starts the download of a range of a version, which never changes.
    ///
    /// # Errors
    /// `NotFound` if the file or the version does not exist; `IsAFolder`; `RangeNotSatisfied` if the
    /// range starts after the end; [request errors](crate::drive::Error#request-errors).
    async fn download_version(
        &self,
        path: &Path,
        version: &str,
        range: ByteRange,
    ) -> Result<(Download, ContentVersion)> {
        let (state, cx) = (&self.state, &self.cx);
        let resolved = state.resolve(cx, path, state.settings.index_ttl).await?;
        let download = state.drive.download_version(cx, &resolved.item_ref, version, range).await?;
        let etag = Some(version.to_owned());
        let content = ContentVersion { total: download.total, item: None, etag };
        Ok((download, content))
    }

    /// Starts the download of a range if the conditions on the modification time hold. The bytes are
    /// those of the item that was checked.
    ///
    /// # Errors
    /// `ConditionNotMatch` if a condition does not hold or the file is replaced meanwhile; otherwise
    /// those of [`download`](Self::download).
    async fn download_at_time(
        &self,
        path: &Path,
        range: ByteRange,
    ) -> Result<(Download, ContentVersion)> {
        let (state, cx) = (&self.state, &self.cx);
        let (resolved, item) = state.request_item(cx, path, &self.conditions).await?;
        self.times.check(&item)?;
        let conditions = Conditions { if_match: item.etag.clone(), if_none_match: None };
        let request = DownloadRequest::new(&resolved.item_ref)
            .with_known(&item)
            .with_range(range)
            .with_conditions(&conditions);
        let download = state.drive.download(cx, request).await?;
        let version = ContentVersion::from_download(&resolved, &download);
        Ok((download, version))
    }

    /// Resolves the path of the file. Also returns a lock if this read has to request the download
    /// URL and others may wait for it.
    ///
    /// # Errors
    /// Those of [`AdapterState::resolve`].
    async fn resolve(&self, path: &Path) -> Result<(ResolvedPath, Option<OwnedMutexGuard<()>>)> {
        let state = &self.state;
        let has_url =
            |resolved: &ResolvedPath| resolved.item.as_deref().is_some_and(has_valid_download_url);
        let mut url_lock = None;
        if self.shares_download_url() {
            if let Some(cached) = state.resolve_cached(path).filter(has_url) {
                return Ok((cached, None));
            }
            url_lock = Some(state.lock_download_url(path).await);
        }
        let resolved = state.resolve(&self.cx, path, state.settings.index_ttl).await?;
        // The previous holder of the lock, or the lookup of the path, may have got a URL.
        let url_lock = url_lock.filter(|_| !has_url(&resolved));
        Ok((resolved, url_lock))
    }

    /// Starts the download of `range`, the remaining bytes of a file, after the first download of
    /// `version` was interrupted.
    ///
    /// # Errors
    /// `ConditionNotMatch` if the file has another version now or the cloud returns another range;
    /// [request errors](crate::drive::Error#request-errors), among them `NotFound` if the file no
    /// longer exists.
    pub(super) async fn resume(
        &self,
        version: &ContentVersion,
        range: Range<u64>,
    ) -> Result<Download> {
        let (state, cx) = (&self.state, &self.cx);
        let path = self.path.as_ref().map_err(Clone::clone)?;
        let path = &*self.state.existing_path(&self.cx, path).await?;
        let span = ByteRange::Span(range.clone());
        let download = if let Some(id) = &self.version {
            self.download_version(path, id, span).await?.0
        } else if let Some(expected) = &version.item {
            let (resolved, item) = state.request_item(cx, path, &self.conditions).await?;
            expected.check(&item)?;
            let requested_at = Instant::now();
            let request = DownloadRequest::new(&resolved.item_ref)
                .with_known(&item)
                .with_range(span)
                .with_conditions(&self.conditions);
            let download = state.drive.download(cx, request).await?;
            self.update_index(&resolved, &download, requested_at);
            download
        } else {
            let resolved = state.resolve(cx, path, state.settings.index_ttl).await?;
            let if_match = version.etag.clone();
            let conditions = Conditions { if_match, ..self.conditions.clone() };
            let request = DownloadRequest::new(&resolved.item_ref)
                .with_known(resolved.item.as_deref())
                .with_range(span)
                .with_conditions(&conditions);
            state.drive.download(cx, request).await?
        };
        version.check_total(download.total)?;
        match download.range == range {
            true => Ok(download),
            false => Err(Error::new(
                ErrorKind::ConditionNotMatch,
                format!(
                    "cannot continue reading: bytes {}..{} were requested, {}..{} received",
                    range.start, range.end, download.range.start, download.range.end
                ),
            )),
        }
    }

    /// Returns whether reads are compared with the size and the hash of the file.
    pub(super) fn is_checked(&self) -> bool {
        self.state.checked_reads.load(Ordering::Relaxed)
    }

    /// Compares the size of the file, according to the download, with that of its item. The item
    /// may be older than the download, so it is requested again before the sizes count as
    /// different. Does nothing if reads are not checked.
    ///
    /// # Errors
    /// `Unexpected` if the sizes differ and the cloud does not rewrite such files; [request
    /// errors](crate::drive::Error#request-errors).
    async fn check_size(&self, resolved: &ResolvedPath, download: &Download) -> Result<()> {
        let known = download.item.as_deref().or(resolved.item.as_deref());
        let differs = |item: &Item| item.size.is_some_and(|size| size != download.total);
        if !known.is_some_and(differs) || !self.is_checked() {
            return Ok(());
        }
        let item = self.state.drive.item(&self.cx, &resolved.item_ref, Conditions::NONE).await?;
        let Some(size) = item.size.filter(|_| differs(&item)) else { return Ok(()) };
        let total = download.total;
        if self.state.drive.may_rewrite_content(&item) {
            let name = item.name;
            tracing::warn!(name, size, total, "reading a file that the cloud has rewritten");
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unexpected,
            format!("cannot read the file: its item has {size} bytes, its download {total}"),
        ))
    }

    /// Returns whether the next read can use the download URL of this one.
    fn shares_download_url(&self) -> bool {
        let has_index = !self.state.settings.index_ttl.is_zero();
        self.state.capabilities().download_urls && has_index && &self.conditions == Conditions::NONE
    }

    /// Starts the download of a range of a resolved file, with one request.
    ///
    /// # Errors
    /// `IsAFolder`, or `Unsupported` for an item that is neither a file nor a folder, if the kind
    /// of the item is known; otherwise [request errors](crate::drive::Error#request-errors), as in
    /// [`download`](Self::download).
    async fn request(&self, resolved: &ResolvedPath, range: ByteRange) -> Result<Download> {
        let known = resolved.item.as_deref();
        if let Some(item) = known {
            match item.kind {
                ItemKind::File => {}
                ItemKind::Folder => return Err(is_a_folder("read", &item.name)),
                ItemKind::Opaque => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        format!("cannot read {:?}: it is neither a file nor a folder", item.name),
                    ));
                }
            }
        }
        let request = DownloadRequest::new(&resolved.item_ref)
            .with_known(known)
            .with_range(range)
            .with_conditions(&self.conditions);
        self.state.drive.download(&self.cx, request).await
    }

    /// Updates the index with the item or the download URL that a download returned, for the next
    /// read of the file. `requested_at` is the time at which the download was requested.
    fn update_index(&self, resolved: &ResolvedPath, download: &Download, requested_at: Instant) {
        let Some((folder, folded)) = &resolved.entry else { return };
        if let Some(item) = &download.item {
            let item = Arc::new(Item::clone(item));
            self.state.index.insert(folder, folded.clone(), item, requested_at);
            return;
        }
        let (Some(url), Some(item)) = (&download.download_url, &resolved.item) else { return };
        if item.download_url.as_ref().is_some_and(|known| known.url == url.url) {
            return;
        }
        let item = Item { download_url: Some(url.clone()), ..Item::clone(item) };
        self.state.index.update(folder, folded, Arc::new(item));
    }
}

/// Returns whether the item has a download URL that has not expired.
fn has_valid_download_url(item: &Item) -> bool {
    let is_valid = |expires| expires > Timestamp::now();
    item.download_url.as_ref().is_some_and(|url| url.expires.is_none_or(is_valid))
}
