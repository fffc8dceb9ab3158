//! Uploads of local files, which another process can continue.

use std::{
    fs::File,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;
use opendal::Operator;

use super::{
    DriveHandle,
    announce::Announced,
    body::UploadBody,
    error::{to_opendal, too_large, upload_aborted},
    file_snapshot::FileSnapshot,
    saved_upload::SavedUpload,
    session::FragmentUploader,
    state::{AdapterState, if_exists},
    upload::{Upload, UploadError},
};
use crate::drive::{
    Body, Conditions, Context, Error, ErrorKind, Item, Result, UploadProgress, UploadSession,
    WriteOptions,
};

/// Options of [`DriveHandle::upload_file`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FileUpload {
    /// The path of the local file, for error messages.
    pub local_path: Option<PathBuf>,
    /// Fail with `ConditionNotMatch` if the target exists.
    pub if_not_exists: bool,
    /// The modification time to store. Drives that cannot store one ignore it.
    pub modified: Option<Timestamp>,
    /// The caller compares sizes itself if [`UploadedFile::item`] has no size: see
    /// [`Announce::deferred_check`](crate::Announce::deferred_check).
    pub deferred_check: bool,
    /// The observer of a file that is sent in one request. The progress of a file in fragments is
    /// reported by `on_saved`.
    pub progress: Option<UploadProgress>,
}

impl FileUpload {
    /// Returns the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the path of the local file for error messages.
    #[must_use]
    pub fn with_local_path(self, path: impl Into<PathBuf>) -> Self {
        Self { local_path: Some(path.into()), ..self }
    }

    /// Sets whether the upload fails if the target exists.
    #[must_use]
    pub fn with_if_not_exists(self, if_not_exists: bool) -> Self {
        Self { if_not_exists, ..self }
    }

    /// Sets the modification time to store.
    #[must_use]
    pub fn with_modified(self, modified: impl Into<Option<Timestamp>>) -> Self {
        Self { modified: modified.into(), ..self }
    }

    /// Sets whether the caller compares sizes itself.
    #[must_use]
    pub fn with_deferred_check(self, deferred_check: bool) -> Self {
        Self { deferred_check, ..self }
    }

    /// Sets the observer of a file that is sent in one request.
    #[must_use]
    pub fn with_progress(self, progress: impl Into<Option<UploadProgress>>) -> Self {
        Self { progress: progress.into(), ..self }
    }
}

/// The result of [`DriveHandle::upload_file`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UploadedFile {
    /// The item of the file. It has no size only if the check was left to the caller.
    pub item: Item,
    /// The size of the file in bytes.
    pub size: u64,
    /// The number of bytes sent by this call.
    pub sent: u64,
    /// The number of bytes among [`sent`](Self::sent) that had been sent before, by this call or by
    /// the one that it continued.
    pub sent_again: u64,
    /// The number of bytes that the cloud had when this call continued an upload; `None` if the
    /// call started from the beginning.
    pub resumed_at: Option<u64>,
    /// The number of requests that this call sent, token requests included. Retries by a layer are
    /// not counted.
    pub requests: u64,
}

impl DriveHandle {
    /// Uploads a local file: in one request, or in fragments if it is large and the drive has
    /// upload sessions. Creates missing parent folders and verifies the result, as every write
    /// does.
    ///
    /// The call does not retry: the first failure ends it. The cloud keeps the bytes that it has
    /// until the session [expires](SavedUpload::expires). A later call with the last value that was
    /// passed to `on_saved` continues from there, also after the future was dropped or the process
    /// ended. `on_saved` is called when a session is opened and after each fragment, and never for
    /// a file that is sent in one request. If the local file of `resume` has another size or
    /// modification time now, or if its session has expired, the upload starts from the beginning.
    ///
    /// A caller that retries needs a loop:
    ///
    /// ```no_run
    /// # use drivedal::adapter::{DriveHandle, FileUpload};
    /// # async fn example(handle: DriveHandle, operator: opendal::Operator) -> opendal::Result<()> {
    /// let mut saved = None;
    /// loop {
    ///     let file = std::fs::File::open("film.mkv").expect("the file exists");
    ///     let (resume, options) = (saved.clone(), FileUpload::new());
    ///     let mut save = |upload: &_| saved = Some(Clone::clone(upload));
    ///     let sent = handle.upload_file(&operator, "film.mkv", file, &options, resume, &mut save);
    ///     match sent.await {
    ///         Err(error) if error.is_temporary() => continue,
    ///         result => break result.map(drop),
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// * `ConditionNotMatch` if the target exists and must not.
    /// * `IsADirectory` if it is a folder or `path` is the operator's root; `NotADirectory` if a
    ///   file is in the path.
    /// * `Unsupported` for a path with the name `.` or `..`, a name that the cloud rejects, a file
    ///   that exceeds `max_file_size` or, without upload sessions, `max_single_upload`, and a
    ///   `resume` of another path or of another drive.
    /// * `Conflict` if the file is changed during the upload: the request is aborted before its
    ///   last bytes, so the drive keeps its previous file.
    /// * `Unexpected` if the local file cannot be read, or the written file has another size.
    /// * [Request errors](crate::drive::Error#request-errors); a full drive is `Unexpected`.
    ///
    /// After an error that a retry cannot fix, such as an existing target, the session is
    /// cancelled.
    pub async fn upload_file(
        &self,
        operator: &Operator,
        path: &str,
        file: File,
        options: &FileUpload,
        resume: Option<SavedUpload>,
        on_saved: &mut (dyn FnMut(&SavedUpload) + Send),
    ) -> opendal::Result<UploadedFile> {
        let cx = Self::context(operator);
        let sent = send(self.state(), cx, path, Arc::new(file), options, resume, on_saved).await;
        sent.map_err(|error| to_opendal(error).with_context("path", path))
    }

    /// Cancels an unfinished upload: the cloud discards its bytes. Succeeds if the cloud has
    /// already discarded them.
    ///
    /// # Errors
    /// `Unsupported` if another drive opened the session, or if this one has no sessions; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn cancel_upload(
        &self,
        operator: &Operator,
        upload: &SavedUpload,
    ) -> opendal::Result<()> {
        let cx = Self::context(operator);
        self.drive().cancel_session(&cx, &upload.session).await.map_err(to_opendal)
    }
}

/// Uploads a local file: [`upload_file`](DriveHandle::upload_file) with the drive's error type.
///
/// # Errors
/// Those of [`upload_file`](DriveHandle::upload_file).
async fn send(
    state: &Arc<AdapterState>,
    cx: Context,
    path: &str,
    file: Arc<File>,
    options: &FileUpload,
    resume: Option<SavedUpload>,
    on_saved: &mut (dyn FnMut(&SavedUpload) + Send),
) -> Result<UploadedFile> {
    let snapshot = FileSnapshot::take_settled(&file, options.local_path.as_deref()).await?;
    let size = snapshot.len();
    let max_file_size = state.capabilities().max_file_size;
    if size > max_file_size {
        return Err(too_large(size, max_file_size));
    }
    let modified = Timestamp::try_from(snapshot.modified()).ok();
    let (cx, requests) = cx.with_progress(options.progress.clone()).with_request_count();
    let mut upload = new_upload(state, cx, path, size, options)?;
    let resume = match resume {
        Some(saved) => resumable(&mut upload, saved, path, size, modified).await?,
        None => None,
    };
    let mut on_progress = |session: &UploadSession, arrived: u64| {
        let (path, session) = (path.to_owned(), session.clone());
        on_saved(&SavedUpload { path, modified, arrived, session });
    };
    let limits = state.capabilities().session;
    let sent = match limits.filter(|limits| upload.needs_session(*limits, size)) {
        Some(limits) => {
            let body = UploadBody::from_file(file, snapshot);
            let fragments = FragmentUploader::new(limits, size, body).on_progress(&mut on_progress);
            match resume {
                Some(saved) => fragments.resume(&mut upload, saved.session, saved.arrived).await,
                None => fragments.send(&mut upload).await.map(|item| (item, 0)),
            }
        }
        None => send_file_at_once(&mut upload, file, snapshot).await.map(|item| (item, 0)),
    };
    match sent {
        Ok((item, resumed_at)) => Ok(UploadedFile {
            item,
            size,
            sent: upload.bytes_sent,
            sent_again: upload.bytes_sent.saturating_sub(size.saturating_sub(resumed_at)),
            resumed_at: Some(resumed_at).filter(|at| *at > 0),
            requests: requests.load(Ordering::Relaxed),
        }),
        Err(UploadError::Aborted) => Err(upload_aborted()),
        Err(UploadError::Failed(error)) => {
            if !is_resumable(&error) {
                upload.cancel().await;
            }
            Err(error)
        }
    }
}

/// Returns a saved upload if it can be continued with the local file as it is now: with the size
/// `size` in bytes and the modification time `modified`. Otherwise cancels its session and returns
/// `None`.
///
/// # Errors
/// `InvalidInput` if it is an upload to another path than `path`.
async fn resumable(
    upload: &mut Upload,
    saved: SavedUpload,
    path: &str,
    size: u64,
    modified: Option<Timestamp>,
) -> Result<Option<SavedUpload>> {
    if saved.path != path {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("cannot continue an upload to {:?} at {path:?}", saved.path),
        ));
    }
    if saved.session.total == size && saved.modified == modified {
        return Ok(Some(saved));
    }
    upload.open_session = Some(saved.session);
    upload.cancel().await;
    Ok(None)
}

/// Sends the file in one request, which is aborted if the file is changed meanwhile.
///
/// # Errors
/// `Conflict` if the file is changed while it is sent; those of [`Upload::send_at_once`], such as
/// `InvalidInput` if it exceeds `max_single_upload`.
pub(super) async fn send_file_at_once(
    upload: &mut Upload,
    file: Arc<File>,
    snapshot: FileSnapshot,
) -> Result<Item, UploadError> {
    let len = snapshot.len();
    upload.bytes_sent = len;
    let snapshot = Arc::new(snapshot);
    let read_all: Arc<AtomicBool> = Arc::default();
    upload.cx = upload.cx.clone().with_source_guard(snapshot.guard(&read_all));
    let sent = upload.send_at_once(Body::File { file, len }).await;
    // A change after the last byte was read does not affect the uploaded file.
    if read_all.load(Ordering::Relaxed) {
        return sent;
    }
    match (sent, snapshot.check()) {
        (sent, Ok(())) => sent,
        // A drive that does not send through our transport does not abort the request.
        (Ok(_), Err(changed)) => {
            Err(changed.with_note("the drive may have a mixture of both versions").into())
        }
        // The change is the reason why the request was aborted.
        (Err(_), Err(changed)) => {
            Err(changed.with_note("the drive keeps its previous file").into())
        }
    }
}

/// Creates the upload of a local file of `size` bytes to the operator path `path`. Sends no
/// request.
///
/// # Errors
/// `InvalidInput` for a path with the name `.` or `..`.
fn new_upload(
    state: &Arc<AdapterState>,
    cx: Context,
    path: &str,
    size: u64,
    options: &FileUpload,
) -> Result<Upload> {
    let write = WriteOptions {
        if_exists: if_exists(options.if_not_exists),
        conditions: Conditions::default(),
        modified: options.modified,
    };
    let announced = Announced {
        size: Some(size),
        modified: options.modified,
        deferred_check: options.deferred_check,
    };
    Ok(Upload::new(Arc::clone(state), cx, state.path(path)?, write, announced, None))
}

/// Returns whether the session is kept after the error, because the upload can continue: the error
/// is temporary, or of the kind `PermissionDenied`, `RateLimited`, `QuotaExceeded` or `Unexpected`.
fn is_resumable(error: &Error) -> bool {
    use ErrorKind::{PermissionDenied, QuotaExceeded, RateLimited, Unexpected};
    let kind = error.kind();
    error.is_temporary()
        || matches!(kind, PermissionDenied | RateLimited | QuotaExceeded | Unexpected)
}
