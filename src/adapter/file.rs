//! A file of the user's own, sent so that another process can go on with it.

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
use serde::{Deserialize, Serialize};

use super::{
    DriveHandle,
    announce::Announced,
    core::Core,
    error::to_opendal,
    session::Fragments,
    source::{Source, Stamp},
    upload::{Stop, Upload},
    write::too_large,
};
use crate::drive::{
    Body, Conditions, Context, Error, ErrorKind, IfExists, Item, Result, UploadProgress,
    UploadSession, WriteOptions,
};

/// How [`DriveHandle::upload_file`] writes.
#[derive(Clone, Debug, Default)]
pub struct FileUpload {
    /// What the local file is called in errors.
    pub local: Option<PathBuf>,
    /// Fail, with `ConditionNotMatch`, if the name is taken.
    pub if_not_exists: bool,
    /// The modification time to be kept, by drives that keep one.
    pub modified: Option<Timestamp>,
    /// The caller compares sizes himself where [`UploadedFile::item`] tells none: see
    /// [`Announce::deferred_check`](crate::Announce::deferred_check).
    pub deferred_check: bool,
    /// Told how far a file is that goes in one request; of fragments `on_saved` tells.
    pub progress: Option<UploadProgress>,
}

/// A file that has arrived.
#[derive(Clone, Debug)]
pub struct UploadedFile {
    /// The file as the cloud has it. Without a size only if its check was left to the caller.
    pub item: Item,
    /// Its bytes.
    pub size: u64,
    /// Bytes sent by this call.
    pub sent: u64,
    /// Bytes among them that had been sent before, by this call or the one it went on from.
    pub sent_again: u64,
    /// How many bytes the cloud had when this call went on with an upload; `None`: it began anew.
    pub resumed_at: Option<u64>,
    /// Requests sent by this call, token requests among them; what layers repeat counts once.
    pub requests: u64,
}

/// A large upload under way, as a journal keeps it: what
/// [`upload_file`](DriveHandle::upload_file) needs to go on, in another process too.
#[derive(Clone, Debug)]
pub struct SavedUpload {
    path: String,
    /// When the local file was last changed.
    stamp: Option<Timestamp>,
    arrived: u64,
    session: UploadSession,
}

impl SavedUpload {
    /// The path it was begun for.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Size of the whole file, in bytes.
    pub fn size(&self) -> u64 {
        self.session.total
    }

    /// How many of its first bytes the cloud has, as far as its answers have come.
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// When the cloud forgets it, where it says so.
    pub fn expires(&self) -> Option<Timestamp> {
        self.session.expires
    }

    /// The same upload, where the server that it goes to is by now elsewhere: `before` and `now` are
    /// the beginnings of its URLs. What does not begin so stays as it is.
    #[must_use]
    pub fn at_server(mut self, before: &str, now: &str) -> Self {
        if let Some(rest) = self.session.url.expose().strip_prefix(before) {
            self.session.url = format!("{now}{rest}").into();
        }
        self
    }

    /// As one line of text. **It has secrets in it**: with some clouds whoever reads it can write
    /// this file. For a file that only its owner can read.
    pub fn to_json(&self) -> String {
        let kept = Kept {
            path: self.path.clone(),
            stamp: self.stamp,
            arrived: self.arrived,
            url: self.session.url.expose().to_owned(),
            total: self.session.total,
            expires: self.session.expires,
            state: self.session.state.clone(),
        };
        serde_json::to_string(&kept).expect("text and numbers are always JSON")
    }

    /// What [`to_json`](Self::to_json) has written.
    ///
    /// # Errors
    /// `Unexpected` for anything else, without repeating it.
    pub fn from_json(text: &str) -> opendal::Result<Self> {
        let kept: Kept = serde_json::from_str(text).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            opendal::Error::new(
                opendal::ErrorKind::Unexpected,
                format!("not a saved upload, see {place}"),
            )
        })?;
        Ok(Self {
            path: kept.path,
            stamp: kept.stamp,
            arrived: kept.arrived,
            session: UploadSession {
                url: kept.url.into(),
                total: kept.total,
                expires: kept.expires,
                state: kept.state,
            },
        })
    }
}

#[derive(Deserialize, Serialize)]
struct Kept {
    path: String,
    stamp: Option<Timestamp>,
    arrived: u64,
    url: String,
    total: u64,
    expires: Option<Timestamp>,
    state: String,
}

impl DriveHandle {
    /// Sends a local file to a path: in one request, or in fragments if it is large and the drive
    /// has upload sessions. Folders on the way are made. Checked at the end as every write is.
    ///
    /// Nothing is repeated: the first failure ends it. What has arrived by then stays with the
    /// cloud until its session [expires](SavedUpload::expires), and a call with what `on_saved` was
    /// given last goes on from there; so it does after the future was dropped or the process died.
    /// `on_saved` is called when a session is opened and after each fragment, but not for files that
    /// go in one request. A `resume` whose local file has another size or time of change by now, or
    /// whose session the cloud knows no more, begins anew. While a fragment is on its way the next
    /// one is read. So trying again is a loop:
    ///
    /// ```no_run
    /// # use drivedal::adapter::{DriveHandle, FileUpload};
    /// # async fn example(handle: DriveHandle, operator: opendal::Operator) -> opendal::Result<()> {
    /// let mut saved = None;
    /// loop {
    ///     let file = std::fs::File::open("film.mkv").expect("it is there");
    ///     let (resume, options) = (saved.clone(), FileUpload::default());
    ///     let mut keep = |upload: &_| saved = Some(Clone::clone(upload));
    ///     let sent = handle.upload_file(&operator, "film.mkv", file, &options, resume, &mut keep);
    ///     match sent.await {
    ///         Err(error) if error.is_temporary() => continue,
    ///         ended => break ended.map(drop),
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of the requests. One that trying again cannot help (a taken name, a changed local file)
    /// has cancelled the session. `Conflict` for a file that is changed while it is sent: the cloud
    /// keeps what it had, because the request is broken off before its last bytes.
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
        let sent = send(self.core(), cx, path, Arc::new(file), options, resume, on_saved).await;
        sent.map_err(|error| to_opendal(error).with_context("path", path))
    }

    /// Gives an upload up and has the cloud forget what it has of it. Fine if it is gone.
    ///
    /// # Errors
    /// Those of the request.
    pub async fn cancel_upload(
        &self,
        operator: &Operator,
        upload: &SavedUpload,
    ) -> opendal::Result<()> {
        let cx = Self::context(operator);
        self.drive().cancel_session(&cx, &upload.session).await.map_err(to_opendal)
    }
}

async fn send(
    core: &Arc<Core>,
    cx: Context,
    path: &str,
    file: Arc<File>,
    options: &FileUpload,
    resume: Option<SavedUpload>,
    on_saved: &mut (dyn FnMut(&SavedUpload) + Send),
) -> Result<UploadedFile> {
    let stamp = Stamp::settled(&file, options.local.as_deref()).await?;
    let size = stamp.len();
    let max_file_size = core.capabilities().max_file_size;
    if size > max_file_size {
        return Err(too_large(size, max_file_size));
    }
    let changed = Timestamp::try_from(stamp.modified()).ok();
    let (cx, requests) = cx.with_progress(options.progress.clone()).with_request_count();
    let mut upload = upload_of(core, cx, path, size, options)?;
    let resume = match resume {
        Some(saved) if saved.path != path => {
            let text = format!("an upload to {:?} cannot go on at {path:?}", saved.path);
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        Some(saved) if saved.session.total != size || saved.stamp != changed => {
            upload.open = Some(saved.session);
            upload.cancel().await;
            None
        }
        saved => saved,
    };
    let mut told = |session: &UploadSession, arrived: u64| {
        let (path, session) = (path.to_owned(), session.clone());
        on_saved(&SavedUpload { path, stamp: changed, arrived, session });
    };
    let limits = core.capabilities().session;
    let sent = match (resume, limits.filter(|limits| upload.wants_session(*limits, size))) {
        (Some(saved), Some(limits)) => {
            let source = Source::of_file(file, stamp);
            let fragments = Fragments::new(limits, size, source).telling(&mut told);
            fragments.resume(&mut upload, saved.session, saved.arrived).await
        }
        (None, Some(limits)) => {
            let source = Source::of_file(file, stamp);
            let fragments = Fragments::new(limits, size, source).telling(&mut told);
            fragments.send(&mut upload).await.map(|item| (item, 0))
        }
        (_, None) => {
            upload.sent = size;
            let stamp = Arc::new(stamp);
            let read_all: Arc<AtomicBool> = Arc::default();
            upload.cx = upload.cx.with_source_guard(stamp.guard(&read_all));
            let sent = upload.send_at_once(Body::File { file, len: size }).await;
            let unchanged = stamp.check();
            match (sent, unchanged) {
                (Ok(item), Ok(())) => Ok((item, 0)),
                (Ok(item), Err(_)) if read_all.load(Ordering::Relaxed) => Ok((item, 0)),
                // A drive that does not send through our transport is not broken off.
                (Ok(_), Err(changed)) => {
                    Err(changed.with_note("the drive may have a mixture of both versions").into())
                }
                (Err(stop), Err(_)) if read_all.load(Ordering::Relaxed) => Err(stop),
                // Why the request was broken off, rather than how that looked.
                (Err(_), Err(changed)) => {
                    Err(changed.with_note("the drive keeps what it had").into())
                }
                (Err(stop), Ok(())) => Err(stop),
            }
        }
    };
    match sent {
        Ok((item, resumed_at)) => Ok(UploadedFile {
            item,
            size,
            sent: upload.sent,
            sent_again: upload.sent.saturating_sub(size.saturating_sub(resumed_at)),
            resumed_at: Some(resumed_at).filter(|at| *at > 0),
            requests: requests.load(Ordering::Relaxed),
        }),
        Err(Stop::Unwanted) => Err(Error::new(ErrorKind::Unexpected, "the upload was given up")),
        Err(Stop::Failed(error)) => {
            if !may_go_on(&error) {
                upload.cancel().await;
            }
            Err(error)
        }
    }
}

fn upload_of(
    core: &Arc<Core>,
    cx: Context,
    path: &str,
    size: u64,
    options: &FileUpload,
) -> Result<Upload> {
    let write = WriteOptions {
        if_exists: if options.if_not_exists { IfExists::Fail } else { IfExists::Replace },
        conditions: Conditions::default(),
        modified: options.modified,
    };
    let announced = Announced {
        size: Some(size),
        modified: options.modified,
        deferred_check: options.deferred_check,
    };
    Ok(Upload::new(Arc::clone(core), cx, core.path(path)?, write, announced, None))
}

/// Whether an upload that failed so can be gone on with: now, or once there is a new token, a line,
/// or room.
fn may_go_on(error: &Error) -> bool {
    use ErrorKind::{PermissionDenied, QuotaExceeded, RateLimited, Unexpected};
    error.is_temporary()
        || matches!(error.kind(), PermissionDenied | RateLimited | QuotaExceeded | Unexpected)
}
