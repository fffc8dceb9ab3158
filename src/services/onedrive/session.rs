//! Upload of a file in fragments (onedrive-graph#upload-session).

mod state;

use base64::{Engine, prelude::BASE64_STANDARD};
use opendal::Buffer;

use self::state::{SessionState, extend_hash};
use super::{
    AccountKind, QuickXor,
    address::Address,
    client::{FragmentOutcome, SHAREPOINT_TOKEN_REQUIRED},
    conflict, download,
    error::has_code,
    model::{
        ConflictBehavior, DriveItem, FileSystemInfo, UploadSessionResource, UploadableProperties,
    },
    state::GraphDrive,
    upload::{UploadDestination, verified_item},
    verify::SentContent,
};
use crate::drive::{
    Body, Conditions, Context, Error, ErrorKind, HashKind, Item, ItemRef, Result, SessionProgress,
    Target, UploadSession, WriteOptions,
};

/// Statuses of a session that no longer exists, or whose URL is no longer authenticated
/// (onedrive-graph#session-fragment-errors, onedrive-graph#session-token-expiry).
const SESSION_LOST: [u16; 3] = [401, 404, 410];

/// Opens a session for a file of `total` bytes.
///
/// # Errors
/// * `InvalidInput` for an empty file.
/// * `AlreadyExists` if the name is in use and must not be replaced; `IsAFolder` if a folder has
///   it; `Conflict` if a notebook has it, or a file that the cloud does not replace.
/// * `ConditionNotMatch` if an etag does not match, or if no file exists whose etag could match.
/// * `NotAFolder` if a file is in the path; `DriveNotFound` if the drive does not exist.
/// * `SessionsUnavailable` if an earlier session needed a token for SharePoint, which the account does
///   not have.
/// * `Unexpected` if the response has no URL; [request errors](crate::drive::Error#request-errors),
///   among them `QuotaExceeded`.
pub(super) async fn open(
    drive: &GraphDrive,
    cx: &Context,
    target: &Target,
    total: u64,
    options: &WriteOptions,
) -> Result<UploadSession> {
    if total == 0 {
        let text = "cannot open an upload session: the file is empty";
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    if let Some(refusal) = drive.client.sharepoint_refusal() {
        return Err(refusal.with_kind(ErrorKind::SessionsUnavailable));
    }
    let destination = UploadDestination::new(drive, cx, target, options).await?;
    let UploadDestination { address, behavior, conditions, .. } = &destination;
    let properties = UploadableProperties {
        conflict_behavior: *behavior,
        file_size: total,
        file_system_info: options.modified.map(|modified| FileSystemInfo {
            created_date_time: None,
            last_modified_date_time: Some(modified),
        }),
    };
    let deferred = drive.defer_commit;
    let client = &drive.client;
    let created = client.create_upload_session(cx, address, &properties, deferred, conditions);
    let created = match created.await {
        Ok(created) => created,
        Err(error) => return Err(destination.explain(drive, cx, error).await),
    };
    let Some(url) = created.upload_url else {
        return Err(Error::new(
            ErrorKind::Unexpected,
            "cannot open an upload session: the response has no URL for the fragments",
        ));
    };
    let replaces = *behavior == ConflictBehavior::Replace;
    let (base, path) = match destination.file {
        ItemRef::Path { base, path } => (base.to_string(), path.to_string()),
        ItemRef::Item { id, .. } => (id.to_string(), String::new()),
    };
    let state = SessionState {
        base,
        path,
        replaces,
        deferred,
        modified: options.modified,
        hash: Some(QuickXor::new().state()),
        file_hash: None,
    };
    let mut session =
        UploadSession { url, total, expires: created.expiration_date_time, state: String::new() };
    state.save(&mut session);
    Ok(session)
}

/// Sends the fragment at `offset`, and updates the session.
///
/// # Errors
/// `NotFound` if the session does not exist any more, `RangeNotSatisfied` if the session expects
/// other bytes, `InvalidInput` if the session belongs to another service. `Unexpected` if the bytes
/// cannot be hashed. The last fragment can also fail with `AlreadyExists`, `IsAFolder`, `Conflict`
/// or `ConditionNotMatch`, as in [`open`], and with `Unexpected` if the cloud has other content.
/// `SessionsUnavailable` if the session needs a token for SharePoint, and the account has none that
/// can write.
/// [Request errors](crate::drive::Error#request-errors), among them `QuotaExceeded`.
pub(super) async fn send(
    drive: &GraphDrive,
    cx: &Context,
    session: &mut UploadSession,
    offset: u64,
    bytes: Buffer,
) -> Result<SessionProgress> {
    let mut state = SessionState::parse(session)?;
    let sent_before = state.file_hash.is_some();
    let end = offset.saturating_add(bytes.len() as u64);
    let body = Body::Memory(bytes.clone());
    let put = drive.client.put_fragment(cx, &session.url, offset, session.total, body);
    let (outcome, hash) = futures::join!(put, extend_hash(state.hash(), offset, &bytes));
    let hash = hash?;
    let is_last = end == session.total;
    if is_last {
        // The state must say so even if the response is lost: the file may exist.
        state.file_hash = hash.as_ref().map(QuickXor::to_base64);
        state.save(session);
    }
    match outcome {
        Ok(FragmentOutcome::Complete(wire)) => {
            let upload = OpenUpload { drive, cx, session, state: &state };
            upload.verify(*wire, hash).await.map(done)
        }
        Ok(FragmentOutcome::Incomplete(status)) => {
            if status.expiration_date_time.is_some() {
                session.expires = status.expiration_date_time;
            }
            let next = match progress(&status, end) {
                SessionProgress::Next(next) => next,
                _ => end,
            };
            state.hash = match next {
                next if next == end => hash,
                next if next < end => {
                    let taken = usize::try_from(next.saturating_sub(offset)).unwrap_or_default();
                    extend_hash(state.hash(), offset, &bytes.slice(..taken)).await?
                }
                _ => None,
            }
            .map(|hash| hash.state());
            state.save(session);
            Ok(if is_last && next == end {
                SessionProgress::Complete
            } else {
                SessionProgress::Next(next)
            })
        }
        Err(error) if error.kind() == ErrorKind::RangeNotSatisfied => Err(error),
        Err(error)
            if offset == 0
                && error.status() == Some(403)
                && drive.client.uses_sharepoint_token() =>
        {
            let note = "the access token for SharePoint may lack the permission AllSites.Write \
                        (Sites.ReadWrite.All without a user)";
            Err(error.with_note(note).with_kind(ErrorKind::SessionsUnavailable))
        }
        Err(error) => {
            let upload = OpenUpload { drive, cx, session, state: &state };
            if is_last
                && error.kind() == ErrorKind::AlreadyExists
                && let Some(item) = upload.resolve_late_conflict(sent_before).await
            {
                return Ok(done(item));
            }
            Err(upload.explain(error).await)
        }
    }
}

/// Records bytes that the cloud has received although the response was lost.
///
/// # Errors
/// `InvalidInput` if the session belongs to another service.
pub(super) async fn acknowledge(
    session: &mut UploadSession,
    offset: u64,
    bytes: &Buffer,
) -> Result<()> {
    let mut state = SessionState::parse(session)?;
    state.acknowledge(session.total, offset, bytes).await?;
    state.save(session);
    Ok(())
}

/// Requests the progress of a session. If the session does not exist any more because its file is
/// complete, the result is that file.
///
/// # Errors
/// `NotFound` if the session does not exist any more, `InvalidInput` if it belongs to another
/// service, `SessionsUnavailable` if it needs a token for SharePoint, which the account does not have;
/// [request errors](crate::drive::Error#request-errors).
pub(super) async fn status(
    drive: &GraphDrive,
    cx: &Context,
    session: &UploadSession,
) -> Result<SessionProgress> {
    let state = SessionState::parse(session)?;
    let upload = OpenUpload { drive, cx, session, state: &state };
    match drive.client.upload_status(cx, &session.url).await {
        Ok(status) => Ok(progress(&status, 0)),
        Err(error) => upload.completed_or(error).await.map(done),
    }
}

/// Creates the file of a session that has all bytes. If the session does not exist any more because
/// its file is complete, the result is that file.
///
/// # Errors
/// `NotFound` if the session does not exist any more; `InvalidInput` if it belongs to another
/// service; `AlreadyExists`, `IsAFolder` or `Conflict` if the name is in use, as in [`open`];
/// `Unexpected` if the cloud has other content; [request
/// errors](crate::drive::Error#request-errors), among them `QuotaExceeded`.
pub(super) async fn commit(
    drive: &GraphDrive,
    cx: &Context,
    session: &UploadSession,
) -> Result<Item> {
    let state = SessionState::parse(session)?;
    let upload = OpenUpload { drive, cx, session, state: &state };
    match upload.commit().await {
        Ok(wire) => upload.verify(wire, state.hash()).await,
        Err(error) => upload.completed_or(error).await,
    }
}

/// Deletes a session. Succeeds if the session does not exist: the status is 401, 404 or 410.
///
/// # Errors
/// [Request errors](crate::drive::Error#request-errors). The session of another service is not
/// detected: its URL is used.
pub(super) async fn cancel(
    drive: &GraphDrive,
    cx: &Context,
    session: &UploadSession,
) -> Result<()> {
    match drive.client.cancel_upload(cx, &session.url).await {
        Err(error) if error.status().is_some_and(|status| SESSION_LOST.contains(&status)) => Ok(()),
        cancelled => cancelled,
    }
}

/// Returns the progress of a session whose file exists.
fn done(item: Item) -> SessionProgress {
    SessionProgress::Done(Box::new(item))
}

/// Returns the progress that a response describes. `fallback` is the offset in bytes to continue at
/// if the missing ranges cannot be parsed.
fn progress(status: &UploadSessionResource, fallback: u64) -> SessionProgress {
    match (status.next_offset(), status.next_expected_ranges.is_empty()) {
        (Some(next), _) => SessionProgress::Next(next),
        (None, true) => SessionProgress::Complete,
        (None, false) => SessionProgress::Next(fallback),
    }
}

/// A session and its state, for requests about the resulting file.
struct OpenUpload<'a> {
    drive: &'a GraphDrive,
    cx: &'a Context,
    session: &'a UploadSession,
    state: &'a SessionState,
}

impl OpenUpload<'_> {
    /// Returns the address of the file.
    ///
    /// # Errors
    /// Those of [`GraphDrive::address`].
    async fn address(&self) -> Result<Address> {
        self.state.address(self.drive, self.cx).await
    }

    /// Compares the file of a response with the sent content. `hash` is compared if it covers the
    /// whole file.
    ///
    /// # Errors
    /// `Unexpected` if the cloud has other content; those of [`address`](Self::address).
    async fn verify(&self, wire: DriveItem, hash: Option<QuickXor>) -> Result<Item> {
        let address = self.address().await?;
        let size = self.session.total;
        let hash = hash.filter(|hash| hash.len() == size).map(|hash| hash.finish());
        let sent = SentContent { name: self.state.name(), size, hash };
        verified_item(self.drive, &address, wire, sent)
    }

    /// Sends the request that creates the file.
    ///
    /// Business and SharePoint accounts commit the session itself. Personal accounts create a file
    /// with the session as its source (onedrive-graph#session-defer-commit). That request is also
    /// the one that replaces a file of the same name (onedrive-graph#session-late-conflict).
    ///
    /// # Errors
    /// Those of [`Client::commit_upload`](super::Client::commit_upload) and
    /// [`Client::commit_upload_as`](super::Client::commit_upload_as).
    async fn commit(&self) -> Result<DriveItem> {
        let Self { drive, cx, session, state } = self;
        if state.deferred && drive.kind.is_some_and(AccountKind::is_personal) {
            return self.commit_by_source().await;
        }
        match drive.client.commit_upload(cx, &session.url).await {
            Err(error) if matches!(error.status(), Some(400 | 405 | 501)) && state.deferred => {
                self.commit_by_source().await
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists && state.replaces => {
                self.commit_by_source().await.map_err(|_| error)
            }
            committed => committed,
        }
    }

    /// Creates the file with the session as its source.
    ///
    /// # Errors
    /// Those of [`Client::commit_upload_as`](super::Client::commit_upload_as) and
    /// [`address`](Self::address).
    async fn commit_by_source(&self) -> Result<DriveItem> {
        let Self { drive, cx, session, state } = self;
        let address = self.address().await?;
        let behavior = state.behavior();
        drive.client.commit_upload_as(cx, &address, state.name(), behavior, &session.url).await
    }

    /// Returns the file of a session whose last fragment was rejected because the name is in use.
    /// `None` if the error stands.
    ///
    /// The file may be that of an earlier attempt whose response was lost; `sent_before` says that
    /// one was sent. Otherwise a commit can replace it, because the session keeps the bytes
    /// (onedrive-graph#session-late-conflict).
    async fn resolve_late_conflict(&self, sent_before: bool) -> Option<Item> {
        if sent_before && let Some(item) = self.find_completed().await {
            return Some(item);
        }
        if !self.state.replaces {
            return None;
        }
        let wire = self.commit_by_source().await.ok()?;
        self.verify(wire, self.state.hash()).await.ok()
    }

    /// Returns the completed file if `error` is that of a lost session whose file exists, as
    /// [`find_completed`](Self::find_completed) recognizes it.
    ///
    /// # Errors
    /// Otherwise `error`, with the kind of [`explain`](Self::explain).
    async fn completed_or(&self, error: Error) -> Result<Item> {
        let error = self.explain(error).await;
        match error.kind() {
            // A session ends with its file; the response that said so may have been lost.
            ErrorKind::NotFound => self.find_completed().await.ok_or(error),
            _ => Err(error),
        }
    }

    /// Requests the file of a session whose last fragment was sent. `None` if the item at its path
    /// has another size, hash or modification time (in whole seconds), if the last fragment was not
    /// sent or the hash is unknown, and if the request fails.
    async fn find_completed(&self) -> Option<Item> {
        let file_hash = self.state.file_hash.as_ref()?;
        let address = self.address().await.ok()?;
        let item =
            download::get_item(self.drive, self.cx, &address, Conditions::NONE).await.ok()?;
        let same = item.size == Some(self.session.total)
            && item.hashes.iter().any(|(kind, hash)| {
                *kind == HashKind::QuickXor && BASE64_STANDARD.encode(hash) == *file_hash
            })
            && self.state.modified.is_none_or(|modified| {
                item.modified.is_some_and(|time| time.as_second() == modified.as_second())
            });
        same.then_some(item)
    }

    /// Refines the error of a request to the session: `NotFound` for a lost session,
    /// `SessionsUnavailable` for a missing token, and for a name in use the kind of the existing item.
    async fn explain(&self, error: Error) -> Error {
        if has_code(&error, SHAREPOINT_TOKEN_REQUIRED) {
            return error.with_kind(ErrorKind::SessionsUnavailable);
        }
        match (error.kind(), error.status()) {
            (_, Some(status)) if SESSION_LOST.contains(&status) => {
                error.with_kind(ErrorKind::NotFound)
            }
            (ErrorKind::AlreadyExists, _) => match self.address().await {
                Ok(address) => {
                    let behavior = self.state.behavior();
                    conflict::name_in_use(self.drive, self.cx, &address, behavior, error).await
                }
                Err(_) => error,
            },
            _ => error,
        }
    }
}
