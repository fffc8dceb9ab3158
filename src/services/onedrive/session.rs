//! A file in fragments (onedrive-graph#upload-session).

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use opendal::Buffer;
use serde::{Deserialize, Serialize};

use super::{
    AccountKind, QuickXor,
    address::{Address, Side},
    client::Fragment,
    conflict,
    drive::GraphDrive,
    model::{self, ConflictBehavior, DriveItem, FileSystemInfo, UploadableProperties},
    upload::{UploadDestination, arrived},
    verify::{self, SentContent},
};
use crate::drive::{
    Body, Context, Error, ErrorKind, HashKind, Item, ItemId, ItemRef, Result, SessionProgress,
    Target, UploadSession, WriteOptions,
};

/// What a host of upload sessions answers when it knows the session no more, or its own
/// authentication in the URL has expired (onedrive-graph#session-fragment-errors,
/// onedrive-graph#session-token-expiry).
const LOST: [u16; 3] = [401, 404, 410];

/// What must be known to go on, kept in [`UploadSession::state`].
#[derive(Debug, Deserialize, Serialize)]
struct State {
    /// Where the file is to be.
    anchor: String,
    path: String,
    replaces: bool,
    /// The last fragment does not make the file.
    #[serde(default)]
    deferred: bool,
    modified: Option<Timestamp>,
    /// The hash of what the cloud has; `None` once that is not known.
    hash: Option<String>,
    /// The hash of the whole file, once its last fragment has left.
    whole: Option<String>,
}

impl State {
    fn of(session: &UploadSession) -> Result<Self> {
        serde_json::from_str(&session.state).map_err(|_| {
            Error::new(ErrorKind::InvalidInput, "the upload session is not one of this service's")
        })
    }

    fn keep(&self, session: &mut UploadSession) {
        session.state = serde_json::to_string(self).expect("text and numbers are always JSON");
    }

    fn hash(&self) -> Option<QuickXor> {
        QuickXor::resume(self.hash.as_deref()?)
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    fn behavior(&self) -> ConflictBehavior {
        match self.replaces {
            true => ConflictBehavior::Replace,
            false => ConflictBehavior::Fail,
        }
    }

    /// Notes bytes that the cloud has; the hash of the whole file too, if they are the last.
    async fn arrived(&mut self, total: u64, offset: u64, bytes: &Buffer) -> Result<()> {
        let hash = with(self.hash(), offset, bytes).await?;
        if offset.saturating_add(bytes.len() as u64) == total {
            self.whole = hash.as_ref().map(QuickXor::to_base64);
        }
        self.hash = hash.map(|hash| hash.state());
        Ok(())
    }

    async fn at(&self, drive: &GraphDrive, cx: &Context) -> Result<Address> {
        let place = ItemRef::Path {
            base: ItemId::from(self.anchor.as_str()),
            path: self.path.as_str().into(),
        };
        drive.at(cx, &place, Side::Contents).await
    }
}

pub(super) async fn open(
    drive: &GraphDrive,
    cx: &Context,
    to: &Target,
    total: u64,
    options: &WriteOptions,
) -> Result<UploadSession> {
    if total == 0 {
        return Err(Error::new(ErrorKind::InvalidInput, "an empty file has no upload session"));
    }
    let aim = UploadDestination::at(drive, cx, to, options).await?;
    let item = UploadableProperties {
        conflict_behavior: aim.behavior,
        file_size: total,
        file_system_info: options.modified.map(|modified| FileSystemInfo {
            created_date_time: None,
            last_modified_date_time: Some(modified),
        }),
    };
    let defer = drive.defer_commit;
    let opened =
        drive.client.create_upload_session(cx, &aim.at, &item, defer, &aim.conditions).await;
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => return Err(aim.refused(drive, cx, error).await),
    };
    let Some(url) = opened.upload_url else {
        return Err(Error::new(
            ErrorKind::Unexpected,
            "the answer does not tell where the fragments are to be sent",
        ));
    };
    let (anchor, path) = match aim.place {
        ItemRef::Path { base, path } => (base.to_string(), path.to_string()),
        ItemRef::Item { id, .. } => (id.to_string(), String::new()),
    };
    let state = State {
        anchor,
        path,
        replaces: aim.behavior == ConflictBehavior::Replace,
        deferred: defer,
        modified: options.modified,
        hash: Some(QuickXor::new().state()),
        whole: None,
    };
    let mut session =
        UploadSession { url, total, expires: opened.expiration_date_time, state: String::new() };
    state.keep(&mut session);
    Ok(session)
}

pub(super) async fn send(
    drive: &GraphDrive,
    cx: &Context,
    session: &mut UploadSession,
    offset: u64,
    bytes: Buffer,
) -> Result<SessionProgress> {
    let mut state = State::of(session)?;
    let left_before = state.whole.is_some();
    let end = offset.saturating_add(bytes.len() as u64);
    let put = drive.client.put_fragment(
        cx,
        &session.url,
        offset,
        session.total,
        Body::Memory(bytes.clone()),
    );
    let (sent, hash) = futures::join!(put, with(state.hash(), offset, &bytes));
    let hash = hash?;
    if end == session.total {
        // Before the answer is looked at: it may have been lost, and the file be there.
        state.whole = hash.as_ref().map(QuickXor::to_base64);
        state.keep(session);
    }
    match sent {
        Ok(Fragment::Done(wire)) => {
            let at = state.at(drive, cx).await?;
            let sent = SentContent {
                name: state.name(),
                bytes: session.total,
                hash: hash.map(|hash| hash.finish()),
            };
            Ok(SessionProgress::Done(Box::new(arrived(drive, cx, &at, *wire, sent).await?)))
        }
        Ok(Fragment::More(more)) => {
            if more.expiration_date_time.is_some() {
                session.expires = more.expiration_date_time;
            }
            let next = match progress(&more, end) {
                SessionProgress::Next(next) => next,
                _ => end,
            };
            let complete = next == end && end == session.total;
            state.hash = match next {
                next if next == end => hash,
                next if next < end => {
                    let taken = usize::try_from(next.saturating_sub(offset)).unwrap_or_default();
                    with(state.hash(), offset, &bytes.slice(..taken)).await?
                }
                _ => None,
            }
            .map(|hash| hash.state());
            state.keep(session);
            Ok(if complete { SessionProgress::Complete } else { SessionProgress::Next(next) })
        }
        Err(error) if error.kind() == ErrorKind::RangeNotSatisfied => Err(error),
        Err(error) => {
            let item = match end == session.total && is_taken(&error) {
                true => rescued(drive, cx, session, &state, left_before).await,
                false => None,
            };
            match item {
                Some(item) => Ok(SessionProgress::Done(Box::new(item))),
                None => Err(refused(drive, cx, &state, error).await),
            }
        }
    }
}

/// A name that is taken, but not by an upload that is still under way.
fn is_taken(error: &Error) -> bool {
    error.kind() == ErrorKind::AlreadyExists
        && !error.message().contains("currently being uploaded")
}

/// The file of a session whose name was taken when its last byte came: that of an earlier attempt,
/// whose answer was lost; or, since the cloud keeps the bytes, a second try to replace what is there
/// (onedrive-graph#session-late-conflict).
async fn rescued(
    drive: &GraphDrive,
    cx: &Context,
    session: &UploadSession,
    state: &State,
    left_before: bool,
) -> Option<Item> {
    if let (true, Some(whole)) = (left_before, &state.whole)
        && let Some(item) = finished(drive, cx, session, state, whole).await
    {
        return Some(item);
    }
    if !state.replaces {
        return None;
    }
    let wire = committed_as(drive, cx, session, state).await.ok()?;
    done(drive, cx, session, state, wire).await.ok()
}

async fn committed_as(
    drive: &GraphDrive,
    cx: &Context,
    session: &UploadSession,
    state: &State,
) -> Result<DriveItem> {
    let at = state.at(drive, cx).await?;
    let behavior = state.behavior();
    drive.client.commit_upload_as(cx, &at, state.name(), behavior, &session.url).await
}

pub(super) async fn acknowledge(
    session: &mut UploadSession,
    offset: u64,
    bytes: &Buffer,
) -> Result<()> {
    let mut state = State::of(session)?;
    state.arrived(session.total, offset, bytes).await?;
    state.keep(session);
    Ok(())
}

/// The hash with the bytes from `offset` on, of which it may have seen some; `None` if some are
/// missing before them.
async fn with(hash: Option<QuickXor>, offset: u64, bytes: &Buffer) -> Result<Option<QuickXor>> {
    let Some(hash) = hash else { return Ok(None) };
    let Some(seen) = hash.len().checked_sub(offset) else { return Ok(None) };
    match usize::try_from(seen) {
        Ok(seen) if seen < bytes.len() => {
            verify::hash_on(hash, bytes.slice(seen..)).await.map(Some)
        }
        _ => Ok(Some(hash)),
    }
}

/// What a session's answer says; `sent`: the end of what it was sent.
fn progress(answer: &model::UploadSession, sent: u64) -> SessionProgress {
    match (answer.next(), answer.next_expected_ranges.is_empty()) {
        (Some(next), _) => SessionProgress::Next(next),
        (None, true) => SessionProgress::Complete,
        // A range that cannot be read says at least that something is missing.
        (None, false) => SessionProgress::Next(sent),
    }
}

async fn refused(drive: &GraphDrive, cx: &Context, state: &State, error: Error) -> Error {
    match (error.kind(), error.status()) {
        (_, Some(status)) if LOST.contains(&status) => error.with_kind(ErrorKind::NotFound),
        (ErrorKind::AlreadyExists, _) => match state.at(drive, cx).await {
            Ok(at) => conflict::taken(drive, cx, &at, state.behavior(), error).await,
            Err(_) => error,
        },
        _ => error,
    }
}

pub(super) async fn status(
    drive: &GraphDrive,
    cx: &Context,
    session: &UploadSession,
) -> Result<SessionProgress> {
    let state = State::of(session)?;
    match drive.client.upload_status(cx, &session.url).await {
        Ok(answer) => Ok(progress(&answer, 0)),
        Err(error) => {
            let error = refused(drive, cx, &state, error).await;
            match (error.kind(), &state.whole) {
                // A session is gone when its file is there, and the answer that said so was lost.
                (ErrorKind::NotFound, Some(whole)) => {
                    match finished(drive, cx, session, &state, whole).await {
                        Some(item) => Ok(SessionProgress::Done(Box::new(item))),
                        None => Err(error),
                    }
                }
                _ => Err(error),
            }
        }
    }
}

/// The file of a session whose last fragment has left, if it is there with these very bytes and the
/// time they were sent with.
async fn finished(
    drive: &GraphDrive,
    cx: &Context,
    session: &UploadSession,
    state: &State,
    whole: &str,
) -> Option<Item> {
    let at = state.at(drive, cx).await.ok()?;
    let item = super::download::look(drive, cx, &at, &Default::default()).await.ok()?;
    let same = item.size == Some(session.total)
        && item.hashes.iter().any(|(kind, hash)| {
            *kind == HashKind::QuickXor && BASE64_STANDARD.encode(hash) == whole
        })
        && state.modified.is_none_or(|wanted| {
            item.modified.is_some_and(|time| time.as_second() == wanted.as_second())
        });
    same.then_some(item)
}

pub(super) async fn commit(
    drive: &GraphDrive,
    cx: &Context,
    session: &UploadSession,
) -> Result<Item> {
    let state = State::of(session)?;
    match committed(drive, cx, session, &state).await {
        Ok(wire) => done(drive, cx, session, &state, wire).await,
        Err(error) => {
            let error = refused(drive, cx, &state, error).await;
            match (error.kind(), &state.whole) {
                (ErrorKind::NotFound, Some(whole)) => {
                    finished(drive, cx, session, &state, whole).await.ok_or(error)
                }
                _ => Err(error),
            }
        }
    }
}

/// Business and SharePoint have a request of the session's own for it, personal accounts the source
/// of a new file (onedrive-graph#session-defer-commit, onedrive-graph#session-late-conflict); so it
/// is with a name that is taken, whose file is to be replaced.
async fn committed(
    drive: &GraphDrive,
    cx: &Context,
    session: &UploadSession,
    state: &State,
) -> Result<DriveItem> {
    if state.deferred && drive.kind.is_some_and(AccountKind::is_personal) {
        return committed_as(drive, cx, session, state).await;
    }
    match drive.client.commit_upload(cx, &session.url).await {
        Err(error) if matches!(error.status(), Some(400 | 405 | 501)) && state.deferred => {
            committed_as(drive, cx, session, state).await
        }
        Err(error) if is_taken(&error) && state.replaces => {
            committed_as(drive, cx, session, state).await.map_err(|_| error)
        }
        committed => committed,
    }
}

async fn done(
    drive: &GraphDrive,
    cx: &Context,
    session: &UploadSession,
    state: &State,
    wire: DriveItem,
) -> Result<Item> {
    let at = state.at(drive, cx).await?;
    let hash = state.hash().filter(|hash| hash.len() == session.total).map(|hash| hash.finish());
    arrived(drive, cx, &at, wire, SentContent { name: state.name(), bytes: session.total, hash })
        .await
}

pub(super) async fn cancel(
    drive: &GraphDrive,
    cx: &Context,
    session: &UploadSession,
) -> Result<()> {
    match drive.client.cancel_upload(cx, &session.url).await {
        Err(error) if error.status().is_some_and(|status| LOST.contains(&status)) => Ok(()),
        cancelled => cancelled,
    }
}
