//! The upload of one file: its target, its options, the attempts of each request, and the check of
//! the result.
//!
//! A writer's upload has an [`UploadChannel`], and a temporary failure suspends it. The upload of a
//! local file ([`file`](super::file)) has none, and the first failure ends it. Sending a file in
//! fragments is the job of [`session`](super::session).

use std::{sync::Arc, time::Instant};

use super::{
    announce::Announced,
    channel::{Aborted, UploadChannel},
    error::{as_condition, size_mismatch, too_large},
    index::FolderKey,
    path::Path,
    state::AdapterState,
};
use crate::drive::{
    Body, Conditions, Context, Error, ErrorKind, Item, ItemRef, Result, SessionLimits, Target,
    UploadSession, WriteOptions,
};

/// The upload of one file.
pub(super) struct Upload {
    pub(super) state: Arc<AdapterState>,
    pub(super) cx: Context,
    pub(super) path: Path,
    pub(super) options: WriteOptions,
    pub(super) announced: Announced,
    /// The channel to the writer; `None` if the first failure ends the upload.
    pub(super) channel: Option<Arc<UploadChannel>>,
    /// The session that has to be cancelled if the upload fails.
    pub(super) open_session: Option<UploadSession>,
    /// The number of bytes sent, including bytes that were sent more than once.
    pub(super) bytes_sent: u64,
}

/// The reason why an upload ended without a file.
#[derive(Debug)]
pub(super) enum UploadError {
    /// The caller has aborted it, or has got its error already.
    Aborted,
    Failed(Error),
}

impl From<Error> for UploadError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Aborted> for UploadError {
    fn from(_: Aborted) -> Self {
        Self::Aborted
    }
}

impl Upload {
    /// Creates an upload to `path`. Sends no request. `channel` leads to the writer; without one,
    /// the first failure ends the upload.
    pub(super) fn new(
        state: Arc<AdapterState>,
        cx: Context,
        path: Path,
        options: WriteOptions,
        announced: Announced,
        channel: Option<Arc<UploadChannel>>,
    ) -> Self {
        Self { state, cx, path, options, announced, channel, open_session: None, bytes_sent: 0 }
    }

    /// Cancels the open session, if any. A failure is ignored: the session then expires.
    pub(super) async fn cancel(&mut self) {
        if let Some(session) = self.open_session.take() {
            let _ = self.state.drive.cancel_session(&self.cx, &session).await;
        }
    }

    /// Returns whether a file of `total` bytes needs an upload session: it has at least `min_size`
    /// bytes, exceeds `max_single_upload`, or gets a modification time. `false` for an empty file.
    pub(super) fn needs_session(&self, limits: SessionLimits, total: u64) -> bool {
        let capabilities = self.state.capabilities();
        // Clouds accept a modification time only when a session is opened.
        let sets_modified = capabilities.set_modified && self.options.modified.is_some();
        let is_large = total >= limits.min_size || total > capabilities.max_single_upload;
        total > 0 && (is_large || sets_modified)
    }

    /// Checks that the caller has not aborted the upload.
    ///
    /// # Errors
    /// [`UploadError::Aborted`] if the writer has aborted it or was dropped.
    pub(super) fn check_aborted(&self) -> Result<(), UploadError> {
        match &self.channel {
            Some(channel) => Ok(channel.check()?),
            None => Ok(()),
        }
    }

    /// Checks the number of bytes in the file against the announced one.
    ///
    /// # Errors
    /// `InvalidInput` if they differ.
    pub(super) fn check_announced(&self, written: u64) -> Result<()> {
        match self.announced.size {
            Some(announced) if announced != written => Err(size_mismatch(announced, written)),
            _ => Ok(()),
        }
    }

    /// Reports a temporary error to the writer, and waits until the writer resumes the upload.
    ///
    /// # Errors
    /// The error itself if the upload has no writer; [`UploadError::Aborted`] if the writer ends
    /// the upload.
    pub(super) async fn suspend(&self, error: Error) -> Result<(), UploadError> {
        match &self.channel {
            None => Err(error.into()),
            Some(channel) => Ok(channel.suspend(error).await?),
        }
    }

    /// Sends a request until it succeeds, fails permanently, or the upload is aborted. Suspends the
    /// upload between two attempts, so that only the caller retries.
    ///
    /// # Errors
    /// The permanent error of the request; any error if the upload has no writer;
    /// [`UploadError::Aborted`] if the writer ends the upload.
    pub(super) async fn attempt<T, F>(
        &self,
        mut request: impl FnMut() -> F,
    ) -> Result<T, UploadError>
    where
        F: Future<Output = Result<T>>,
    {
        loop {
            match request().await {
                Err(error) if error.is_temporary() => self.suspend(error).await?,
                result => return Ok(result?),
            }
        }
    }

    /// Sends the whole file in one request.
    ///
    /// # Errors
    /// `InvalidInput` if the body exceeds `max_single_upload`; those of
    /// [`with_target`](Self::with_target) for [`Drive::upload`](crate::drive::Drive::upload), and
    /// of [`verify`](Self::verify). All as `Failed`; `Aborted` if the writer ends the upload.
    pub(super) async fn send_at_once(&self, body: Body) -> Result<Item, UploadError> {
        let (len, max) = (body.len(), self.state.capabilities().max_single_upload);
        if len > max {
            return Err(too_large(len, max).into());
        }
        let ((item, write_lock), folder) = self
            .attempt(|| {
                self.with_target(|target| {
                    let body = body.clone();
                    async move {
                        let write_lock = self.state.lock_write(&self.path).await;
                        let options = &self.options;
                        let item =
                            self.state.drive.upload(&self.cx, &target, body, options).await?;
                        Ok((item, write_lock))
                    }
                })
            })
            .await?;
        self.verify(item, Some(folder), len, write_lock).await
    }

    /// Calls `request` with the target of the upload, and returns its result and the index key of
    /// the folder. Creates missing parent folders. Calls `request` once more if it fails with
    /// `NotFound`, because an id from the index may be that of a folder that is elsewhere now.
    ///
    /// # Errors
    /// Those of `request`, with `ConditionNotMatch` in place of `AlreadyExists` for a target that
    /// must not exist; those of [`AdapterState::target`].
    pub(super) async fn with_target<T, F>(
        &self,
        request: impl Fn(Target) -> F,
    ) -> Result<(T, FolderKey)>
    where
        F: Future<Output = Result<T>>,
    {
        let path = &*self.state.existing_path(&self.cx, &self.path).await?;
        let (target, folder) = self.state.target(&self.cx, path).await?;
        match request(target).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.state.invalidate_path(path.names());
                let (target, folder) = self.state.target(&self.cx, path).await?;
                Ok((request(target).await?, folder))
            }
            Err(error) => {
                if let Some((_, name)) = path.split() {
                    self.state.index.invalidate(&folder, &self.state.fold(name));
                }
                Err(as_condition(error, self.options.if_exists))
            }
            Ok(value) => Ok((value, folder)),
        }
    }

    /// Returns the key of the folder that contains a written file, if the upload did not resolve
    /// its path itself: its session was opened by an earlier process. Returns `None` if the cloud
    /// did not report the parent.
    pub(super) fn folder_of(&self, item: &Item) -> Option<FolderKey> {
        if self.state.capabilities().paths {
            let (parents, _) = self.path.split()?;
            return Some(self.state.path_key(parents));
        }
        item.parents.first().map(|parent| FolderKey::Id(parent.clone()))
    }

    /// Verifies a written file and inserts it into the index.
    ///
    /// If the response to the upload has no size, requests the item and compares its size with
    /// `len`, unless the caller has deferred the check; the returned item then has no size. If the
    /// response has a size, the drive has compared it already. `write_lock` is held until the first
    /// response, so that another writer of this process cannot replace the file before.
    ///
    /// # Errors
    /// `Unexpected` if the sizes differ; `NotFound` if the file is deleted meanwhile; [request
    /// errors](crate::drive::Error#request-errors). All as `Failed`; `Aborted` if the writer ends
    /// the upload.
    pub(super) async fn verify(
        &self,
        mut item: Item,
        folder: Option<FolderKey>,
        len: u64,
        write_lock: impl Sized,
    ) -> Result<Item, UploadError> {
        if item.size.is_none() && !self.announced.deferred_check {
            item = self.request_item(&item, write_lock).await?;
            if let Some(size) = item.size.filter(|size| *size != len) {
                return Err(Error::new(
                    ErrorKind::Unexpected,
                    format!("cannot verify the file: {len} bytes were sent, the cloud has {size}"),
                )
                .into());
            }
        }
        let known = Arc::new(Item { size: item.size.or(Some(len)), ..item.clone() });
        if let Some(folder) = folder {
            self.state.index.insert(&folder, self.state.fold(&item.name), known, Instant::now());
        }
        Ok(item)
    }

    /// Requests an item. Releases `write_lock` after the first attempt, so that a suspended upload
    /// does not block other writers.
    ///
    /// # Errors
    /// The permanent errors of the request; any error if the upload has no writer;
    /// [`UploadError::Aborted`].
    async fn request_item(&self, item: &Item, write_lock: impl Sized) -> Result<Item, UploadError> {
        let (item_ref, conditions) = (ItemRef::from_id(&item.id), Conditions::default());
        let request = || self.state.drive.item(&self.cx, &item_ref, &conditions);
        match request().await {
            Err(error) if error.is_temporary() => {
                drop(write_lock);
                self.suspend(error).await?;
                self.attempt(request).await
            }
            result => Ok(result?),
        }
    }
}
