//! Upload sessions by BITS.
//!
//! BITS differs from the contract in three points:
//! * It has no packet for the state of a session. The drive sends the first byte of the file again:
//!   the cloud rejects it with the expected offset, or accepts it if it has received nothing yet.
//! * It overwrites any file of the name (live-connect#bits-overwrites). A file that must not
//!   replace another one is uploaded under a temporary name and then renamed, so that the cloud
//!   decides at that moment whether the name is in use.
//! * A session ends with Close-Session. If that response is lost, the drive recognizes the file by
//!   its size, by its time, which is the cloud's, and by its last bytes.

use futures::TryStreamExt;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use opendal::Buffer;
use serde::{Deserialize, Serialize};

use super::{
    client::BitsTarget,
    item::{id_of, is_folder_id, reject_conditions},
    list, names,
    options::ObjectProperties,
    state::LiveDrive,
};
use crate::drive::{
    Body, ByteRange, Context, DownloadRequest, Drive, Error, ErrorKind, IfExists, Item, ItemId,
    ItemKind, ItemRef, Result, Secret, SessionProgress, Target, UploadSession, WriteOptions,
};

/// Number of a file's last bytes that are compared to recognize the file.
const TAIL: usize = 64 << 10;

/// The content of [`UploadSession::state`], as JSON. Journals store it.
#[derive(Debug, Deserialize, Serialize)]
struct SessionState {
    /// Id of the folder.
    folder: String,
    /// Name of the file.
    name: String,
    /// Temporary name of the upload. `None` if it has its own name from the start.
    staged: Option<String>,
    /// When the session was opened, by the cloud's clock.
    opened: Option<Timestamp>,
    /// First byte of the file. `None` until it was sent.
    first: Option<u8>,
    /// Number and hash of the last bytes of the file. `None` until they were sent.
    tail: Option<(u64, u64)>,
}

impl SessionState {
    /// Reads the state of a session.
    ///
    /// # Errors
    /// `InvalidInput` if the session belongs to another service.
    fn parse(session: &UploadSession) -> Result<Self> {
        serde_json::from_str(&session.state).map_err(|_| foreign_session())
    }

    /// Writes the state into a session.
    fn store(&self, session: &mut UploadSession) {
        session.state = serde_json::to_string(self).expect("text and numbers can be encoded");
    }

    /// Stores the first byte and the hash of the last bytes, if `bytes` at `offset` contain them.
    /// `total` is the size of the file in bytes.
    fn record(&mut self, total: u64, offset: u64, bytes: &Buffer) {
        if offset == 0 {
            self.first = bytes.slice(..bytes.len().min(1)).to_vec().first().copied();
        }
        let len = bytes.len() as u64;
        if offset + len == total {
            // Shorter than `TAIL` if the last fragment is.
            let tail = bytes.len().min(TAIL);
            self.tail = Some((tail as u64, hash(&bytes.slice(bytes.len() - tail..))));
        }
    }
}

/// Returns the `InvalidInput` error for a session of another service.
fn foreign_session() -> Error {
    Error::new(ErrorKind::InvalidInput, "the upload session does not belong to this service")
}

/// Returns the FNV-1a hash of the bytes. It must not change, because journals contain its results.
fn hash(bytes: &Buffer) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ bytes.len() as u64;
    for byte in bytes.clone().flatten() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

/// Encodes URL and id of a session as [`UploadSession::url`]; both are secret.
fn to_url(target: &BitsTarget, id: &Secret) -> Secret {
    format!("{}\n{}", target.to_text(), id.expose()).into()
}

/// Decodes URL and id of a session from [`UploadSession::url`].
///
/// # Errors
/// `InvalidInput` if the session belongs to another service.
fn from_url(session: &UploadSession) -> Result<(BitsTarget, Secret)> {
    let (target, id) = session.url.expose().split_once('\n').ok_or_else(foreign_session)?;
    Ok((BitsTarget::from_text(target).ok_or_else(foreign_session)?, id.into()))
}

/// Opens a session for a file of `total` bytes.
///
/// # Errors
/// `AlreadyExists` if the name is in use and must not be replaced, `IsAFolder` if a folder has the
/// name and may be replaced, `NotFound` if the folder does not exist, `InvalidInput` if it is a
/// file or the cloud rejects the name, `Unsupported` for conditions, for a name that the cloud
/// chooses and for a reference by path, and [request errors](crate::drive::Error#request-errors).
pub(super) async fn open(
    drive: &LiveDrive,
    cx: &Context,
    to: &Target,
    total: u64,
    options: &WriteOptions,
) -> Result<UploadSession> {
    reject_conditions(&options.conditions)?;
    let folder = id_of(&to.folder)?;
    if to.occupant.as_ref().is_some_and(is_folder_id) {
        return Err(is_a_folder());
    }
    let staged = match options.if_exists {
        IfExists::Replace => None,
        IfExists::Fail => {
            if let Some(occupant) = list::find(drive, cx, folder, &to.name).await? {
                return Err(Error::new(ErrorKind::AlreadyExists, "the name is in use")
                    .with_existing(occupant.id));
            }
            Some(names::temporary(&to.name))
        }
        IfExists::Rename => {
            return Err(Error::unsupported("a name that the cloud chooses, for a large file"));
        }
    };
    let folder_id = drive.real_id(cx, folder).await?;
    let target = BitsTarget::new(&folder_id, staged.as_ref().unwrap_or(&to.name))?;
    let opened = match drive.client.bits_create(cx, &target).await {
        // One of the reasons is a folder with the name (live-connect#bits-error-invalid-argument).
        Err(error) if error.kind() == ErrorKind::InvalidInput && staged.is_none() => {
            return Err(match list::find(drive, cx, folder, &to.name).await {
                Ok(Some(occupant)) if occupant.is_folder() => is_a_folder(),
                _ => error,
            });
        }
        opened => opened?,
    };
    let state = SessionState {
        folder: folder.as_str().to_owned(),
        name: to.name.clone(),
        staged,
        opened: opened.opened,
        first: None,
        tail: None,
    };
    let mut session = UploadSession::new(to_url(&target, &opened.id), total, String::new());
    state.store(&mut session);
    Ok(session)
}

/// Returns the `IsAFolder` error for a name that a folder has.
fn is_a_folder() -> Error {
    Error::new(ErrorKind::IsAFolder, "a folder has the name")
}

/// Sends the bytes at `offset`, and records them in the session first.
///
/// # Errors
/// `NotFound` if the session does not exist any more, `InvalidInput` if it belongs to another
/// service, `QuotaExceeded` if the drive is full, and [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn send(
    drive: &LiveDrive,
    cx: &Context,
    session: &mut UploadSession,
    offset: u64,
    bytes: Buffer,
) -> Result<SessionProgress> {
    let (target, id) = from_url(session)?;
    // Before the request, because its response may be lost.
    acknowledge(session, offset, &bytes)?;
    let (total, body) = (session.total, Body::Memory(bytes));
    let ack = drive.client.bits_fragment(cx, &target, &id, offset, total, body).await?;
    Ok(progress(ack.next, total))
}

/// Returns the progress of a file of `total` bytes whose next expected byte is `next`.
fn progress(next: u64, total: u64) -> SessionProgress {
    if next == total { SessionProgress::Complete } else { SessionProgress::Next(next) }
}

/// Records bytes in the session that are sent, or that the cloud has received.
///
/// # Errors
/// `InvalidInput` if the session does not belong to this service.
pub(super) fn acknowledge(session: &mut UploadSession, offset: u64, bytes: &Buffer) -> Result<()> {
    let mut state = SessionState::parse(session)?;
    state.record(session.total, offset, bytes);
    state.store(session);
    Ok(())
}

/// Returns the offset that the cloud expects, or the file of a session that is already closed.
/// Sends no request before the first fragment: the offset is 0.
///
/// # Errors
/// `NotFound` if neither the session nor the file exists; `InvalidInput` if the session belongs to
/// another service; `AlreadyExists` if the session is closed and the name of its file is in use
/// now; [request errors](crate::drive::Error#request-errors).
pub(super) async fn status(
    drive: &LiveDrive,
    cx: &Context,
    session: &UploadSession,
) -> Result<SessionProgress> {
    let (state, (target, id)) = (SessionState::parse(session)?, from_url(session)?);
    let Some(first) = state.first else { return Ok(SessionProgress::Next(0)) };
    let probe = Body::Memory(Buffer::from(vec![first]));
    match drive.client.bits_fragment(cx, &target, &id, 0, session.total, probe).await {
        Ok(ack) => Ok(progress(ack.next, session.total)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match find_closed(drive, cx, &state, session.total).await? {
                Some(item) => Ok(SessionProgress::Done(Box::new(item))),
                None => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// Closes a session whose bytes are all sent, and returns the file.
///
/// # Errors
/// `NotFound` if neither the session nor the file exists, `AlreadyExists` if the name of a file
/// that must not replace another one is in use now, `InvalidInput` if the session belongs to
/// another service, and [request errors](crate::drive::Error#request-errors), among them
/// `QuotaExceeded`.
pub(super) async fn commit(
    drive: &LiveDrive,
    cx: &Context,
    session: &UploadSession,
) -> Result<Item> {
    let (state, (target, id)) = (SessionState::parse(session)?, from_url(session)?);
    match drive.client.bits_close(cx, &target, &id).await {
        Ok(file) => unstage(drive, cx, &state, ItemId::from(file)).await,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            find_closed(drive, cx, &state, session.total).await?.ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// Renames the file `id` from its temporary name, if it has one. The returned item has no size,
/// because the response to Close-Session has none.
///
/// # Errors
/// `AlreadyExists` if the name is in use, and the file is then deleted; [request
/// errors](crate::drive::Error#request-errors).
async fn unstage(
    drive: &LiveDrive,
    cx: &Context,
    state: &SessionState,
    id: ItemId,
) -> Result<Item> {
    let folder = ItemId::from(state.folder.as_str());
    if state.staged.is_some() {
        let properties = ObjectProperties::with_name(&state.name);
        if let Err(error) = drive.client.update(cx, id.as_str(), &properties).await {
            if error.kind() == ErrorKind::AlreadyExists {
                // The user does not know the file under its temporary name.
                let _ = drive.client.delete(cx, id.as_str()).await;
            }
            return Err(error);
        }
    }
    Ok(Item { parents: vec![folder], ..Item::new(id, state.name.clone(), ItemKind::File) })
}

/// Returns the file of a closed session: the one with the session's name or temporary name, if it
/// has the size `total` in bytes, the same last bytes, and a time at or after the session's start,
/// in whole seconds. Returns `None` if no such file exists, or if the last fragment was never sent.
///
/// # Errors
/// Those of [`list::find`], of the download of the last bytes, and of [`unstage`].
async fn find_closed(
    drive: &LiveDrive,
    cx: &Context,
    state: &SessionState,
    total: u64,
) -> Result<Option<Item>> {
    let (Some(tail), Some(opened)) = (state.tail, state.opened) else { return Ok(None) };
    let folder = ItemId::from(state.folder.as_str());
    // Times of objects are whole seconds.
    let second = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor);
    let opened = opened.round(second).unwrap_or(opened);
    let is_candidate = |item: &Item| {
        item.kind == ItemKind::File
            && item.size == Some(total)
            && item.modified.is_some_and(|modified| modified >= opened)
    };
    if let Some(staged) = &state.staged
        && let Some(item) = list::find(drive, cx, &folder, staged).await?.filter(is_candidate)
        && has_tail(drive, cx, &item, tail).await?
    {
        return unstage(drive, cx, state, item.id).await.map(Some);
    }
    match list::find(drive, cx, &folder, &state.name).await?.filter(is_candidate) {
        Some(item) if has_tail(drive, cx, &item, tail).await? => Ok(Some(item)),
        _ => Ok(None),
    }
}

/// Returns whether the last `len` bytes of a file have the hash `expected`, as [`hash`] computes
/// it.
///
/// # Errors
/// Those of [`download`](super::download::download), at its start or in its stream.
async fn has_tail(
    drive: &LiveDrive,
    cx: &Context,
    item: &Item,
    (len, expected): (u64, u64),
) -> Result<bool> {
    let file = ItemRef::from_id(&item.id);
    let request = DownloadRequest::new(&file).with_known(item).with_range(ByteRange::Last(len));
    let download = drive.download(cx, request).await?;
    let chunks: Vec<Buffer> = download.bytes.try_collect().await?;
    Ok(hash(&chunks.into_iter().flatten().collect()) == expected)
}

/// Cancels a session. A missing session is no error; its file under a temporary name is deleted.
///
/// # Errors
/// `InvalidInput` if the session belongs to another service; [request
/// errors](crate::drive::Error#request-errors); `NotFound` if the temporary file or its folder is
/// deleted meanwhile.
pub(super) async fn cancel(drive: &LiveDrive, cx: &Context, session: &UploadSession) -> Result<()> {
    let (state, (target, id)) = (SessionState::parse(session)?, from_url(session)?);
    match drive.client.bits_cancel(cx, &target, &id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let Some(staged) = &state.staged else { return Ok(()) };
            // The session was closed, but the file was not renamed.
            match list::find(drive, cx, &ItemId::from(state.folder.as_str()), staged).await? {
                Some(item) => drive.client.delete(cx, item.id.as_str()).await,
                None => Ok(()),
            }
        }
        result => result,
    }
}
