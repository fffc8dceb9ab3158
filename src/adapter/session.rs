//! Sending a file in fragments: the sequence of requests of an upload session, for all drives that
//! have them.
//!
//! After a failure, the uploader requests the next position that the cloud expects, because only
//! the cloud knows which bytes it has. If the cloud has lost the session, a new one is opened,
//! provided that the bytes can still be read from the start. This holds for collected bytes and for
//! files; for a stream only until the first bytes have been discarded. There are no retries here: a
//! temporary failure is reported to the caller, and the caller decides.
//!
//! If the account may not use the drive's sessions, the file is sent in one request, if it is small
//! enough and its bytes can still be read from the start.

use std::time::Instant;

use opendal::Buffer;

use super::{
    body::UploadBody,
    channel::MAX_CAPACITY,
    error::{as_condition, upload_aborted},
    file::send_file_at_once,
    fragment_size::FragmentSizer,
    index::FolderKey,
    upload::{Upload, UploadError},
};
use crate::drive::{
    Body, Error, ErrorKind, Item, Result, SessionLimits, SessionProgress, UploadSession,
};

/// The maximum number of sessions that are opened for one file to replace lost ones.
const REOPENED_MAX: u32 = 3;

/// The maximum number of consecutive responses that do not advance the position.
const STALLED_MAX: u32 = 3;

/// The number of bytes that are read at a time to acknowledge them to a session.
const ACKNOWLEDGE_SIZE: u64 = 4 << 20;

/// Called after each change of the session, with the number of bytes that the cloud has.
type OnProgress<'a> = &'a mut (dyn FnMut(&UploadSession, u64) + Send);

/// Sends one file in fragments.
pub(super) struct FragmentUploader<'a> {
    /// The size of the file in bytes.
    total: u64,
    body: UploadBody,
    sizer: FragmentSizer,
    on_progress: Option<OnProgress<'a>>,
    session: Option<UploadSession>,
    /// The folder of the file; `None` if the session was opened by an earlier process.
    folder: Option<FolderKey>,
    /// The number of sessions opened to replace lost ones.
    reopened: u32,
    /// The number of consecutive responses that did not advance the position.
    stalled: u32,
}

impl<'a> FragmentUploader<'a> {
    /// Creates an uploader for a file of `total` bytes.
    pub(super) fn new(limits: SessionLimits, total: u64, body: UploadBody) -> Self {
        Self {
            total,
            body,
            sizer: FragmentSizer::new(limits),
            on_progress: None,
            session: None,
            folder: None,
            reopened: 0,
            stalled: 0,
        }
    }

    /// Sets the observer of the session.
    pub(super) fn on_progress(self, on_progress: OnProgress<'a>) -> Self {
        Self { on_progress: Some(on_progress), ..self }
    }

    /// Opens a session, sends all bytes, and returns the item of the file.
    ///
    /// # Errors
    /// [`UploadError::Aborted`] if the writer ends the upload. Otherwise `Failed`, without a writer
    /// also with temporary errors:
    ///
    /// * `ConditionNotMatch` if the target exists and must not; `IsAFolder` if a folder has the
    ///   name; those of [`AdapterState::target`](super::state::AdapterState::target).
    /// * `InvalidInput` if the writer wrote another number of bytes than announced.
    /// * `Conflict` if a local file was changed.
    /// * `RangeNotSatisfied` if the cloud rejects a fragment but still expects it.
    /// * `Unexpected` if the cloud expects bytes that were never sent or are no longer available,
    ///   makes no progress, loses [`REOPENED_MAX`] sessions, or has another size of the file.
    /// * `SessionsUnavailable` if the account may not use sessions, and the file cannot be sent in one
    ///   request.
    /// * [Request errors](crate::drive::Error#request-errors), among them `QuotaExceeded`.
    pub(super) async fn send(mut self, upload: &mut Upload) -> Result<Item, UploadError> {
        match self.run(upload, SessionProgress::Next(0)).await {
            Err(UploadError::Failed(error)) if is_session_refusal(&error) => {
                self.send_at_once(upload, error).await
            }
            sent => sent,
        }
    }

    /// Continues an existing session, of which the caller knows that the cloud has `known` bytes.
    /// Returns the item of the file and the position at which the upload continued: 0 if the
    /// session was lost and a new one was opened, or if the file was sent in one request.
    ///
    /// # Errors
    /// Those of [`send`](Self::send); `InvalidInput` if another drive opened the session;
    /// `Unexpected` if the local file cannot be read.
    pub(super) async fn resume(
        mut self,
        upload: &mut Upload,
        mut session: UploadSession,
        known: u64,
    ) -> Result<(Item, u64), UploadError> {
        let progress = match self.request_progress(upload, &mut session, known).await {
            Err(UploadError::Failed(error)) if is_session_refusal(&error) => {
                return Ok((self.send_at_once(upload, error).await?, 0));
            }
            progress => progress?,
        };
        let (progress, position) = match progress {
            None => (SessionProgress::Next(0), 0),
            Some(SessionProgress::Next(next)) => (SessionProgress::Next(next), next),
            Some(progress) => (progress, self.total),
        };
        if position > 0 {
            upload.open_session = Some(session.clone());
            self.session = Some(session);
        }
        match self.run(upload, progress).await {
            Err(UploadError::Failed(error)) if is_session_refusal(&error) => {
                Ok((self.send_at_once(upload, error).await?, 0))
            }
            sent => Ok((sent?, position)),
        }
    }

    /// Sends the file in one request, because the account may not use sessions. `refusal` is the
    /// drive's error.
    ///
    /// # Errors
    /// `refusal` if the file is too large for one request or its first bytes were discarded; those of
    /// [`Upload::send_at_once`]; `Conflict` if a local file is changed meanwhile; `InvalidInput` if
    /// the writer writes another number of bytes than announced; `Aborted` if it ends the upload.
    async fn send_at_once(self, upload: &mut Upload, refusal: Error) -> Result<Item, UploadError> {
        let max = upload.state.capabilities().max_single_upload;
        if self.total > max {
            let note = format!("a file of more than {max} bytes can be uploaded in no other way");
            return Err(refusal.with_note(&note).into());
        }
        if !self.body.is_available_from(0) {
            let note = "the first bytes are no longer in memory: write the file again";
            return Err(refusal.with_note(note).into());
        }
        let channel = upload.channel.clone();
        let (body, snapshot) = self.body.into_whole(channel.as_deref(), self.total).await?;
        upload.check_announced(body.len())?;
        // The cloud discards the session after some time: cancelling it needs the same permission.
        upload.open_session = None;
        upload.bytes_sent = 0;
        match (body, snapshot) {
            (Body::File { file, .. }, Some(snapshot)) => {
                send_file_at_once(upload, file, snapshot).await
            }
            (body, _) => upload.send_at_once(body).await,
        }
    }

    /// Requests the progress of a session that an earlier process opened. `known` is the number of
    /// bytes that the cloud had, as far as the earlier process knew. Returns `None` if the session
    /// is lost and its file does not exist.
    ///
    /// # Errors
    /// `InvalidInput` if another drive opened the session; `Unexpected` or `Conflict` if the local
    /// file cannot be read or is shorter; [request errors](crate::drive::Error#request-errors).
    async fn request_progress(
        &mut self,
        upload: &Upload,
        session: &mut UploadSession,
        known: u64,
    ) -> Result<Option<SessionProgress>, UploadError> {
        let (drive, cx) = (&upload.state.drive, &upload.cx);
        if known == 0 {
            // The response to the first fragment may be lost. A drive that identifies a session by
            // the first byte of the file needs this byte.
            acknowledge(upload, &self.body, session, 0, 1).await?;
        }
        match drive.session_status(cx, session).await {
            Ok(SessionProgress::Next(next)) => {
                acknowledge(upload, &self.body, session, known, next).await?;
                Ok(Some(SessionProgress::Next(next)))
            }
            Ok(SessionProgress::Complete) => {
                acknowledge(upload, &self.body, session, known, self.total).await?;
                Ok(Some(SessionProgress::Complete))
            }
            Ok(SessionProgress::Done(item)) => Ok(Some(SessionProgress::Done(item))),
            // The upload may have ended after the earlier process did. With all bytes acknowledged,
            // the drive can decide whether the existing file is this one.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                acknowledge(upload, &self.body, session, known, self.total).await?;
                match drive.session_status(cx, session).await {
                    Ok(SessionProgress::Done(item)) => Ok(Some(SessionProgress::Done(item))),
                    Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
                    _ => Ok(None),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Follows the session to its end, starting with `progress`. Opens a new session for a lost
    /// one, and returns the verified item of the file.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    async fn run(
        &mut self,
        upload: &mut Upload,
        mut progress: SessionProgress,
    ) -> Result<Item, UploadError> {
        // The position of the last fragment, and the end of all bytes sent or known to the cloud.
        let (mut position, mut sent) = (0, self.total);
        loop {
            let result = match progress {
                SessionProgress::Done(item) => return self.finish(upload, *item, ()).await,
                SessionProgress::Complete => match self.commit(upload).await {
                    Err(UploadError::Failed(error)) if error.kind() == ErrorKind::NotFound => {
                        Err(error)
                    }
                    result => return result,
                },
                SessionProgress::Next(next) => {
                    if next > sent && self.body.is_whole() {
                        self.acknowledge_range(upload, sent, next).await?;
                        sent = next;
                    }
                    self.check_next(next, sent)?;
                    self.stalled = if next > position { 0 } else { self.stalled + 1 };
                    if self.stalled > STALLED_MAX {
                        return Err(stalled(next).into());
                    }
                    position = next;
                    self.body.discard_before(position);
                    self.report(position);
                    let (len, result) = self.send_fragment(upload, position).await?;
                    sent = position.saturating_add(len);
                    result
                }
            };
            progress = match result {
                Ok(progress) => progress,
                Err(lost) => {
                    self.reset_session(lost)?;
                    upload.open_session = None;
                    position = 0;
                    SessionProgress::Next(0)
                }
            };
        }
    }

    /// Acknowledges the bytes in `from..to` (end exclusive, at most the size of the file), which an
    /// earlier process sent and whose response was lost. Does nothing without a session.
    ///
    /// # Errors
    /// Those of [`acknowledge`].
    async fn acknowledge_range(&mut self, upload: &Upload, from: u64, to: u64) -> Result<()> {
        let Some(mut session) = self.session.take() else { return Ok(()) };
        let to = to.min(self.total);
        let acknowledged = acknowledge(upload, &self.body, &mut session, from, to).await;
        self.session = Some(session);
        acknowledged
    }

    /// Checks that the bytes that the cloud expects next exist and can be read. `next` is their
    /// position, and `sent` the end of all bytes sent so far.
    ///
    /// # Errors
    /// `Unexpected` if they do not exist, were not sent in sequence, or were discarded.
    fn check_next(&self, next: u64, sent: u64) -> Result<()> {
        let reason = if next >= self.total {
            format!("the cloud has all {} bytes but expects byte {next}", self.total)
        } else if next > sent {
            format!("the cloud expects byte {next}, but only {sent} bytes were sent")
        } else if !self.body.is_available_from(next) {
            format!("the cloud expects byte {next}, which is no longer in memory")
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Unexpected, format!("cannot continue the upload: {reason}")))
    }

    /// Prepares for a new session after the error `lost` of the current one.
    ///
    /// # Errors
    /// `Unexpected`, with the text of `lost`, if the first bytes are no longer in memory or
    /// [`REOPENED_MAX`] sessions were lost.
    fn reset_session(&mut self, lost: Error) -> Result<()> {
        if !self.body.is_available_from(0) {
            return Err(lost.with_kind(ErrorKind::Unexpected).with_note(
                "the upload session is lost and its bytes are no longer in memory: \
                 write the file again",
            ));
        }
        self.reopened += 1;
        if self.reopened > REOPENED_MAX {
            return Err(lost
                .with_kind(ErrorKind::Unexpected)
                .with_note("the cloud has lost several upload sessions of this file"));
        }
        (self.session, self.stalled) = (None, 0);
        Ok(())
    }

    /// Sends the fragment at `position`, and opens the session before the first one. Returns its
    /// length and the result: the inner error means that the session is lost.
    ///
    /// # Errors
    /// `InvalidInput` if the writer wrote another number of bytes than announced; `Conflict` if a
    /// local file was changed; `Aborted`; permanent errors of the requests, and any error if the
    /// upload has no writer.
    async fn send_fragment(
        &mut self,
        upload: &mut Upload,
        position: u64,
    ) -> Result<(u64, Result<SessionProgress>), UploadError> {
        let size = self.sizer.size();
        if let Some(channel) = &upload.channel {
            channel.set_capacity(size.min(MAX_CAPACITY));
            let until = position.saturating_add(size);
            if let Some(written) = self.body.receive(channel, until, self.total).await? {
                upload.check_announced(written)?;
            }
        }
        let bytes = self.body.fragment(position, size).await?;
        let len = bytes.len() as u64;
        let permits = &upload.state.read_ahead_permits;
        self.body.start_read_ahead(position + len, size.min(MAX_CAPACITY), permits);
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.open(upload).await?,
        };
        let progress = self.attempt(upload, &mut session, position, bytes).await;
        self.session = Some(session);
        match progress {
            Err(UploadError::Failed(error)) if error.kind() == ErrorKind::NotFound => {
                Ok((len, Err(error)))
            }
            Err(error) => Err(error),
            Ok(progress) => Ok((len, Ok(progress))),
        }
    }

    /// Opens a session for the file. Creates missing parent folders.
    ///
    /// # Errors
    /// Those of [`Upload::with_target`] for
    /// [`Drive::open_session`](crate::drive::Drive::open_session), such as `ConditionNotMatch` if
    /// the target exists and must not, and `IsAFolder`; `Aborted` if the writer ends the upload.
    async fn open(&mut self, upload: &mut Upload) -> Result<UploadSession, UploadError> {
        let (this, total) = (&*upload, self.total);
        let (session, folder) = this
            .attempt(|| {
                this.with_target(|target| async move {
                    this.state.drive.open_session(&this.cx, &target, total, &this.options).await
                })
            })
            .await?;
        upload.open_session = Some(session.clone());
        self.folder = Some(folder);
        if let Some(on_progress) = &mut self.on_progress {
            on_progress(&session, 0);
        }
        Ok(session)
    }

    /// Sends the bytes at `position` once. After a failure, requests the progress of the session
    /// and returns it.
    ///
    /// # Errors
    /// `NotFound` if the session is lost; `ConditionNotMatch` if the target exists and must not;
    /// other permanent errors of the requests; `Aborted`; any error if the upload has no writer.
    async fn attempt(
        &mut self,
        upload: &mut Upload,
        session: &mut UploadSession,
        position: u64,
        bytes: Buffer,
    ) -> Result<SessionProgress, UploadError> {
        let len = bytes.len() as u64;
        upload.check_aborted()?;
        upload.bytes_sent += len;
        let started = Instant::now();
        let drive = &upload.state.drive;
        let sent = drive.send_fragment(&upload.cx, session, position, bytes.clone()).await;
        let rejected = match sent {
            Ok(progress) => {
                self.sizer.record_sent(len, started.elapsed());
                return Ok(progress);
            }
            Err(error) if error.is_temporary() => {
                self.sizer.record_failure();
                self.stalled = 0;
                upload.suspend(error).await?;
                None
            }
            Err(error) if error.kind() == ErrorKind::RangeNotSatisfied => Some(error),
            Err(error) if error.status() == Some(413) && self.sizer.shrink() => {
                self.stalled = 0;
                return Ok(SessionProgress::Next(position));
            }
            Err(error) => return Err(as_condition(error, upload.options.if_exists).into()),
        };
        upload.check_aborted()?;
        let (upload, current) = (&*upload, &*session);
        let progress = upload
            .attempt(|| async {
                match upload.check_aborted() {
                    Ok(()) => upload.state.drive.session_status(&upload.cx, current).await,
                    Err(_) => Err(upload_aborted()),
                }
            })
            .await?;
        let accepted = match (&progress, rejected) {
            // The cloud expects the bytes that it has just rejected.
            (SessionProgress::Next(next), Some(rejected)) if *next == position => {
                return Err(rejected.into());
            }
            (SessionProgress::Next(next), _) => next.saturating_sub(position).min(len),
            (SessionProgress::Complete, _) => len,
            (SessionProgress::Done(_), _) => 0,
        };
        if accepted > 0 {
            let bytes = bytes.slice(..usize::try_from(accepted).unwrap_or(usize::MAX));
            upload.state.drive.acknowledge(session, position, bytes).await?;
        }
        Ok(progress)
    }

    /// Creates the file of a complete session, and verifies it.
    ///
    /// # Errors
    /// `ConditionNotMatch` if the target exists and must not; `NotFound` if the session is lost;
    /// those of [`finish`](Self::finish).
    async fn commit(&mut self, upload: &mut Upload) -> Result<Item, UploadError> {
        self.report(self.total);
        let Some(session) = self.session.clone() else {
            let text = "cannot commit the upload: it has no session";
            return Err(Error::new(ErrorKind::Unexpected, text).into());
        };
        let this = &*upload;
        let (item, write_lock) = this
            .attempt(|| async {
                let write_lock = this.state.lock_write(&this.path).await;
                let item = this.state.drive.commit_session(&this.cx, &session).await;
                let item = item.map_err(|error| as_condition(error, this.options.if_exists))?;
                Ok((item, write_lock))
            })
            .await?;
        self.finish(upload, item, write_lock).await
    }

    /// Verifies the written file, and returns its item. `write_lock` is held until its size is
    /// known.
    ///
    /// # Errors
    /// Those of [`Upload::verify`]: `Unexpected` if the size differs, `NotFound` if the file is
    /// deleted meanwhile, and [request errors](crate::drive::Error#request-errors) for the item.
    async fn finish(
        &mut self,
        upload: &mut Upload,
        item: Item,
        write_lock: impl Sized,
    ) -> Result<Item, UploadError> {
        upload.open_session = None;
        let folder = self.folder.clone().or_else(|| upload.folder_of(&item));
        upload.verify(item, folder, self.total, write_lock).await
    }

    /// Reports to the observer that the cloud has the bytes before `position`.
    fn report(&mut self, position: u64) {
        if let (Some(on_progress), Some(session)) = (&mut self.on_progress, &self.session) {
            on_progress(session, position);
        }
    }
}

/// Returns whether an error means that the account may not use the drive's upload sessions.
fn is_session_refusal(error: &Error) -> bool {
    error.kind() == ErrorKind::SessionsUnavailable
}

/// Reads the bytes in `from..to` of the body (end exclusive) and reports to `session` that the
/// cloud has them.
///
/// # Errors
/// Those of [`UploadBody::bytes`]: `Unexpected` and `Conflict`. Those of
/// [`Drive::acknowledge`](crate::drive::Drive::acknowledge): `InvalidInput` if another drive opened
/// the session.
async fn acknowledge(
    upload: &Upload,
    body: &UploadBody,
    session: &mut UploadSession,
    from: u64,
    to: u64,
) -> Result<()> {
    let mut at = from;
    while at < to {
        let bytes = body.bytes(at, ACKNOWLEDGE_SIZE.min(to - at)).await?;
        let len = bytes.len() as u64;
        upload.state.drive.acknowledge(session, at, bytes).await?;
        at += len.max(1);
    }
    Ok(())
}

/// Returns the `Unexpected` error for a cloud that accepts fragments without progress at
/// `position`.
fn stalled(position: u64) -> Error {
    Error::new(
        ErrorKind::Unexpected,
        format!(
            "cannot continue the upload: the cloud accepts fragments but still expects \
             byte {position}"
        ),
    )
}
