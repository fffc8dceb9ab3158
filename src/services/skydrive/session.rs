//! A file in fragments, as the adapter wants it: BITS in the words of an upload session.
//!
//! BITS has no packet that asks how a session stands, replaces whatever has the name, and forgets a
//! session with its Close. So
//! * where it stands is asked by offering the first byte of the file once more, which the cloud
//!   refuses with the place where it wants to go on, or takes if it has nothing yet;
//! * a file that is not to replace another one goes under a name that nobody has, and is then given
//!   its own: the cloud decides at that moment whether the name is taken;
//! * a file whose Close was answered to nobody is known by its size, by the cloud's time, and by its
//!   last bytes.

use futures::TryStreamExt;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use opendal::Buffer;
use serde::{Deserialize, Serialize};

use super::{
    client::BitsTarget,
    drive::{LiveDrive, id_of, unconditional},
    item::is_folder_id,
    list, names,
    options::Properties,
};
use crate::drive::{
    Body, ByteRange, Context, DownloadRequest, Drive, Error, ErrorKind, IfExists, Item, ItemId,
    ItemKind, ItemRef, Result, Secret, SessionProgress, Target, UploadSession, WriteOptions,
};

/// How many of a file's last bytes are compared.
const TAIL: usize = 64 << 10;

/// What must be known to go on, kept in [`UploadSession::state`].
#[derive(Debug, Deserialize, Serialize)]
struct State {
    folder: String,
    name: String,
    /// The name under which it goes, if that is not its own.
    staged: Option<String>,
    /// When the session was opened, by the cloud's clock.
    opened: Option<Timestamp>,
    /// The file's first byte, once it has been sent.
    first: Option<u8>,
    /// The file's last bytes, once they have been sent: how many, and their hash.
    tail: Option<(u64, u64)>,
}

impl State {
    fn of(session: &UploadSession) -> Result<Self> {
        serde_json::from_str(&session.state).map_err(|_| not_ours())
    }

    fn keep(&self, session: &mut UploadSession) {
        session.state = serde_json::to_string(self).expect("text and numbers are always JSON");
    }

    fn note(&mut self, total: u64, offset: u64, bytes: &Buffer) {
        if offset == 0 {
            self.first = bytes.slice(..bytes.len().min(1)).to_vec().first().copied();
        }
        let len = bytes.len() as u64;
        // Where the last fragment is shorter than that, less is compared.
        if offset + len == total {
            let tail = bytes.len().min(TAIL);
            self.tail = Some((tail as u64, hash(&bytes.slice(bytes.len() - tail..))));
        }
    }
}

fn not_ours() -> Error {
    Error::new(ErrorKind::InvalidInput, "the upload session is not one of this service's")
}

/// FNV-1a: the same in every version of this software, since journals keep it.
fn hash(bytes: &Buffer) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ bytes.len() as u64;
    for byte in bytes.clone().flatten() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

/// Target and id of a session, out of where it keeps its secrets.
fn address(session: &UploadSession) -> Result<(BitsTarget, Secret)> {
    let (target, id) = session.url.expose().split_once('\n').ok_or_else(not_ours)?;
    Ok((BitsTarget::from_text(target).ok_or_else(not_ours)?, id.into()))
}

pub(super) async fn open(
    drive: &LiveDrive,
    cx: &Context,
    to: &Target,
    total: u64,
    options: &WriteOptions,
) -> Result<UploadSession> {
    unconditional(&options.conditions)?;
    let folder = id_of(&to.folder)?;
    if to.occupant.as_ref().is_some_and(is_folder_id) {
        return Err(is_a_folder());
    }
    let staged = match options.if_exists {
        IfExists::Replace => None,
        IfExists::Fail => {
            if let Some(there) = there(drive, cx, folder, &to.name).await? {
                return Err(taken().with_existing(there.id));
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
        // Among other things: a folder has the name.
        Err(error) if error.kind() == ErrorKind::InvalidInput && staged.is_none() => {
            return Err(match there(drive, cx, folder, &to.name).await {
                Ok(Some(there)) if there.is_folder() => is_a_folder(),
                _ => error,
            });
        }
        opened => opened?,
    };
    let state = State {
        folder: folder.as_str().to_owned(),
        name: to.name.clone(),
        staged,
        opened: opened.time,
        first: None,
        tail: None,
    };
    let url = format!("{}\n{}", target.to_text(), opened.session.expose());
    let mut session = UploadSession { url: url.into(), total, expires: None, state: String::new() };
    state.keep(&mut session);
    Ok(session)
}

fn is_a_folder() -> Error {
    Error::new(ErrorKind::IsAFolder, "a folder has that name")
}

fn taken() -> Error {
    Error::new(ErrorKind::AlreadyExists, "the name is taken")
}

/// What has a name in a folder.
async fn there(
    drive: &LiveDrive,
    cx: &Context,
    folder: &ItemId,
    name: &str,
) -> Result<Option<Item>> {
    let wanted = names::fold(name);
    let items = list::whole(drive, cx, folder).await?;
    Ok(items.into_iter().find(|item| names::fold(&item.name) == wanted))
}

pub(super) async fn send(
    drive: &LiveDrive,
    cx: &Context,
    session: &mut UploadSession,
    offset: u64,
    bytes: Buffer,
) -> Result<SessionProgress> {
    let (target, id) = address(session)?;
    acknowledge(session, offset, &bytes)?;
    let (total, body) = (session.total, Body::Memory(bytes));
    let sent = drive.client.bits_fragment(cx, &target, &id, offset, total, body).await?;
    Ok(progress(sent.next, total))
}

fn progress(next: u64, total: u64) -> SessionProgress {
    if next == total { SessionProgress::Complete } else { SessionProgress::Next(next) }
}

/// What is kept of the bytes is kept before they leave: the answer may be lost.
pub(super) fn acknowledge(session: &mut UploadSession, offset: u64, bytes: &Buffer) -> Result<()> {
    let mut state = State::of(session)?;
    state.note(session.total, offset, bytes);
    state.keep(session);
    Ok(())
}

pub(super) async fn status(
    drive: &LiveDrive,
    cx: &Context,
    session: &UploadSession,
) -> Result<SessionProgress> {
    let (state, (target, id)) = (State::of(session)?, address(session)?);
    let Some(first) = state.first else { return Ok(SessionProgress::Next(0)) };
    let probe = Body::Memory(Buffer::from(vec![first]));
    match drive.client.bits_fragment(cx, &target, &id, 0, session.total, probe).await {
        Ok(sent) => Ok(progress(sent.next, session.total)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match finished(drive, cx, &state, session.total).await? {
                Some(item) => Ok(SessionProgress::Done(Box::new(item))),
                None => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

pub(super) async fn commit(
    drive: &LiveDrive,
    cx: &Context,
    session: &UploadSession,
) -> Result<Item> {
    let (state, (target, id)) = (State::of(session)?, address(session)?);
    match drive.client.bits_close(cx, &target, &id).await {
        Ok(file) => settled(drive, cx, &state, ItemId::from(file)).await,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            finished(drive, cx, &state, session.total).await?.ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// The file under its own name. The answer to Close tells no size, so neither does this.
async fn settled(drive: &LiveDrive, cx: &Context, state: &State, id: ItemId) -> Result<Item> {
    let folder = ItemId::from(state.folder.as_str());
    if state.staged.is_some() {
        let properties = Properties { name: Some(&state.name), ..Properties::default() };
        if let Err(error) = drive.client.update(cx, id.as_str(), &properties).await {
            if error.kind() == ErrorKind::AlreadyExists {
                // Nobody will look for it under the name that it has.
                let _ = drive.client.delete(cx, id.as_str()).await;
            }
            return Err(error);
        }
    }
    let parents = vec![folder];
    Ok(Item { parents, ..Item::new(id, state.name.clone(), ItemKind::File) })
}

/// The file of a session that is over, if it is there.
async fn finished(
    drive: &LiveDrive,
    cx: &Context,
    state: &State,
    total: u64,
) -> Result<Option<Item>> {
    let (Some(tail), Some(opened)) = (state.tail, state.opened) else { return Ok(None) };
    let folder = ItemId::from(state.folder.as_str());
    // The cloud tells whole seconds.
    let whole = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor);
    let opened = opened.round(whole).unwrap_or(opened);
    let is_it = |item: &Item| {
        item.kind == ItemKind::File
            && item.size == Some(total)
            && item.modified.is_some_and(|modified| modified >= opened)
    };
    if let Some(staged) = &state.staged
        && let Some(item) = there(drive, cx, &folder, staged).await?.filter(is_it)
        && ends_so(drive, cx, &item, tail).await?
    {
        return settled(drive, cx, state, item.id).await.map(Some);
    }
    match there(drive, cx, &folder, &state.name).await?.filter(is_it) {
        Some(item) if ends_so(drive, cx, &item, tail).await? => Ok(Some(item)),
        _ => Ok(None),
    }
}

/// Whether a file's last bytes are those that were sent.
async fn ends_so(
    drive: &LiveDrive,
    cx: &Context,
    item: &Item,
    (len, wanted): (u64, u64),
) -> Result<bool> {
    let (range, place) = (ByteRange::Last(len), ItemRef::from_id(&item.id));
    let read =
        drive.download(cx, DownloadRequest::new(&place).with_known(item).with_range(range)).await?;
    let pieces: Vec<Buffer> = read.bytes.try_collect().await?;
    Ok(hash(&pieces.into_iter().flatten().collect()) == wanted)
}

pub(super) async fn cancel(drive: &LiveDrive, cx: &Context, session: &UploadSession) -> Result<()> {
    let (state, (target, id)) = (State::of(session)?, address(session)?);
    match drive.client.bits_cancel(cx, &target, &id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let Some(staged) = &state.staged else { return Ok(()) };
            // It was closed, and not given its own name any more.
            match there(drive, cx, &ItemId::from(state.folder.as_str()), staged).await? {
                Some(item) => drive.client.delete(cx, item.id.as_str()).await,
                None => Ok(()),
            }
        }
        cancelled => cancelled,
    }
}
