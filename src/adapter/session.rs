//! A file in fragments: opened, sent, resumed, opened anew, committed; once for all drives that
//! have upload sessions.
//!
//! After a failure the cloud is asked where it wants to go on, since only it knows what has
//! arrived. A session that it knows no more is opened anew where the bytes can still be read from
//! the start: collected ones and files, of a caller's stream only as long as nothing has arrived.
//! Repeating is not done here: a temporary failure is told to the caller, and he decides.

use std::time::Instant;

use opendal::Buffer;

use super::{
    index::Folder,
    pace::Pace,
    source::Source,
    upload::{Stop, Upload},
};
use crate::drive::{Error, ErrorKind, Item, Result, SessionLimits, SessionProgress, UploadSession};

/// How often a lost session of one file is opened anew.
const REOPENED_MAX: u32 = 3;

/// How many answers in a row may bring nothing forward.
const STALLED_MAX: u32 = 3;

/// How many bytes may wait while a fragment is on its way; less than a fragment, where those are
/// large, costs no time, and memory is what it saves.
pub(super) const WAITING_MAX: u64 = 32 << 20;

/// How much of a file is read at once to be told to a session as arrived, in bytes.
const TOLD: u64 = 4 << 20;

/// What is told of a session whenever it has changed, with how many bytes the cloud has.
type Told<'a> = &'a mut (dyn FnMut(&UploadSession, u64) + Send);

/// A file on its way in fragments.
pub(super) struct Fragments<'a> {
    total: u64,
    source: Source,
    pace: Pace,
    told: Option<Told<'a>>,
    session: Option<UploadSession>,
    folder: Option<Folder>,
    reopened: u32,
    /// Answers in a row that brought nothing forward.
    stalled: u32,
}

impl<'a> Fragments<'a> {
    /// A file of `total` bytes.
    pub(super) fn new(limits: SessionLimits, total: u64, source: Source) -> Self {
        Self {
            total,
            source,
            pace: Pace::new(limits),
            told: None,
            session: None,
            folder: None,
            reopened: 0,
            stalled: 0,
        }
    }

    /// Tells of every change of the session.
    pub(super) fn telling(self, told: Told<'a>) -> Self {
        Self { told: Some(told), ..self }
    }

    /// Opens a session and sends all.
    pub(super) async fn send(self, upload: &mut Upload) -> Result<Item, Stop> {
        self.go_on(upload, SessionProgress::Next(0)).await
    }

    /// Goes on with a session of which was known that the cloud had `known` bytes; with where it
    /// turned out to stand, 0 if it was lost.
    pub(super) async fn resume(
        mut self,
        upload: &mut Upload,
        mut session: UploadSession,
        known: u64,
    ) -> Result<(Item, u64), Stop> {
        let progress = self.taken_up(upload, &mut session, known).await?;
        let (progress, at) = match progress {
            None => (SessionProgress::Next(0), 0),
            Some(SessionProgress::Next(at)) => (SessionProgress::Next(at), at),
            Some(progress) => (progress, self.total),
        };
        if at > 0 {
            upload.open = Some(session.clone());
            self.session = Some(session);
        }
        Ok((self.go_on(upload, progress).await?, at))
    }

    /// Where a session of before stands; `None`: it is lost, and its file is not there.
    async fn taken_up(
        &mut self,
        upload: &Upload,
        session: &mut UploadSession,
        known: u64,
    ) -> Result<Option<SessionProgress>, Stop> {
        let (drive, cx) = (&upload.core.drive, &upload.cx);
        if known == 0 {
            // The first answer may have been lost with the process: a drive that asks by a byte of
            // the file has it now.
            tell_arrived(upload, &self.source, session, 0, 1).await?;
        }
        match drive.session_status(cx, session).await {
            Ok(SessionProgress::Next(at)) => {
                tell_arrived(upload, &self.source, session, known, at).await?;
                Ok(Some(SessionProgress::Next(at)))
            }
            Ok(SessionProgress::Complete) => {
                tell_arrived(upload, &self.source, session, known, self.total).await?;
                Ok(Some(SessionProgress::Complete))
            }
            Ok(SessionProgress::Done(item)) => Ok(Some(SessionProgress::Done(item))),
            // Its end may have come when nobody listened any more: whether the file that is there is
            // this one, the session can tell when it knows all of its bytes.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                tell_arrived(upload, &self.source, session, known, self.total).await?;
                match drive.session_status(cx, session).await {
                    Ok(SessionProgress::Done(item)) => Ok(Some(SessionProgress::Done(item))),
                    Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
                    _ => Ok(None),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn go_on(
        mut self,
        upload: &mut Upload,
        mut progress: SessionProgress,
    ) -> Result<Item, Stop> {
        let (mut at, mut furthest) = (0, self.total);
        loop {
            let stepped = match progress {
                SessionProgress::Done(item) => return self.done(upload, *item, ()).await,
                SessionProgress::Complete => match self.commit(upload).await {
                    Err(Stop::Failed(error)) if error.kind() == ErrorKind::NotFound => Err(error),
                    ended => return ended,
                },
                SessionProgress::Next(next) => {
                    if next > furthest && self.source.is_whole() {
                        self.catch_up(upload, furthest, next).await?;
                        furthest = next;
                    }
                    self.check_next(next, furthest)?;
                    self.stalled = if next > at { 0 } else { self.stalled + 1 };
                    if self.stalled > STALLED_MAX {
                        return Err(goes_nowhere(next).into());
                    }
                    at = next;
                    self.source.arrived(at);
                    self.tell(at);
                    let sent = self.fragment(upload, at).await?;
                    furthest = at.saturating_add(sent.0);
                    sent.1
                }
            };
            progress = match stepped {
                Ok(progress) => progress,
                Err(lost) => {
                    self.reopen(lost)?;
                    upload.open = None;
                    at = 0;
                    SessionProgress::Next(0)
                }
            };
        }
    }

    /// The cloud has more than was known: bytes of before, whose answer nobody got.
    async fn catch_up(&mut self, upload: &Upload, from: u64, to: u64) -> Result<()> {
        let Some(mut session) = self.session.take() else { return Ok(()) };
        let told = tell_arrived(upload, &self.source, &mut session, from, to.min(self.total)).await;
        self.session = Some(session);
        told
    }

    /// Whether the cloud can be given what it wants next.
    fn check_next(&self, next: u64, sent: u64) -> Result<()> {
        let problem = if next >= self.total {
            format!("the cloud has all bytes and wants to go on at byte {next}")
        } else if next > sent {
            format!("the cloud wants to go on at byte {next}, {sent} were sent")
        } else if !self.source.reaches(next) {
            format!("the cloud wants to go on at byte {next}, before what is still held")
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Unexpected, problem))
    }

    fn reopen(&mut self, lost: Error) -> Result<()> {
        if !self.source.reaches(0) {
            return Err(lost.with_kind(ErrorKind::Unexpected).with_note(
                "the upload session is lost, and the bytes that it had are not held any longer: \
                 the file has to be written again",
            ));
        }
        self.reopened += 1;
        if self.reopened > REOPENED_MAX {
            return Err(lost
                .with_kind(ErrorKind::Unexpected)
                .with_note("the cloud loses one upload session after the other"));
        }
        (self.session, self.stalled) = (None, 0);
        Ok(())
    }

    /// Sends one fragment: how many bytes, and what came of it; inside, an error is a lost session.
    async fn fragment(
        &mut self,
        upload: &mut Upload,
        at: u64,
    ) -> Result<(u64, Result<SessionProgress>), Stop> {
        let size = self.pace.size();
        if let Some(link) = &upload.link {
            link.allow(size.min(WAITING_MAX));
        }
        self.source.fill(upload, at, size, self.total).await?;
        let bytes = self.source.fragment(at, size).await?;
        let len = bytes.len() as u64;
        self.source.read_ahead(at + len, size.min(WAITING_MAX), &upload.core.ahead);
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.open(upload).await?,
        };
        let progress = self.attempt(upload, &mut session, at, bytes).await;
        self.session = Some(session);
        match progress {
            Err(Stop::Failed(error)) if error.kind() == ErrorKind::NotFound => {
                Ok((len, Err(error)))
            }
            Err(stop) => Err(stop),
            Ok(progress) => Ok((len, Ok(progress))),
        }
    }

    async fn open(&mut self, upload: &mut Upload) -> Result<UploadSession, Stop> {
        let (this, total) = (&*upload, self.total);
        let (session, folder) = this
            .attempt(|| {
                this.at_target(|target| async move {
                    this.core.drive.open_session(&this.cx, &target, total, &this.options).await
                })
            })
            .await?;
        upload.open = Some(session.clone());
        self.folder = Some(folder);
        if let Some(told) = &mut self.told {
            told(&session, 0);
        }
        Ok(session)
    }

    /// Sends the bytes at `at`. After a failure it is the cloud that says what has become of them.
    async fn attempt(
        &mut self,
        upload: &mut Upload,
        session: &mut UploadSession,
        at: u64,
        bytes: Buffer,
    ) -> Result<SessionProgress, Stop> {
        let len = bytes.len() as u64;
        upload.check_wanted()?;
        upload.sent += len;
        let begun = Instant::now();
        let sent = upload.core.drive.send_fragment(&upload.cx, session, at, bytes.clone()).await;
        let refused = match sent {
            Ok(progress) => {
                self.pace.took(len, begun.elapsed());
                return Ok(progress);
            }
            Err(error) if error.is_temporary() => {
                self.pace.lost();
                self.stalled = 0;
                upload.pause(error).await?;
                None
            }
            Err(error) if error.kind() == ErrorKind::RangeNotSatisfied => Some(error),
            Err(error) if error.status() == Some(413) && self.pace.too_large() => {
                self.stalled = 0;
                return Ok(SessionProgress::Next(at));
            }
            Err(error) => return Err(upload.conditional(error).into()),
        };
        upload.check_wanted()?;
        let (drive, cx) = (&upload.core.drive, &upload.cx);
        let (asked, wanted) = (&*session, &*upload);
        let progress = wanted
            .attempt(|| async {
                match wanted.check_wanted() {
                    Ok(()) => drive.session_status(cx, asked).await,
                    Err(_) => Err(Error::new(ErrorKind::Unexpected, "the write was given up")),
                }
            })
            .await?;
        let arrived = match (&progress, refused) {
            (SessionProgress::Next(next), Some(refused)) if *next == at => {
                return Err(refused.into());
            }
            (SessionProgress::Next(next), _) => next.saturating_sub(at).min(len),
            (SessionProgress::Complete, _) => len,
            (SessionProgress::Done(_), _) => 0,
        };
        if arrived > 0 {
            let bytes = bytes.slice(..usize::try_from(arrived).unwrap_or(usize::MAX));
            drive.acknowledge(session, at, bytes).await?;
        }
        Ok(progress)
    }

    async fn commit(&mut self, upload: &mut Upload) -> Result<Item, Stop> {
        self.tell(self.total);
        let Some(session) = self.session.clone() else {
            return Err(Error::new(ErrorKind::Unexpected, "no session to be committed").into());
        };
        let this = &*upload;
        let (item, turn) = this
            .attempt(|| async {
                let turn = this.core.turn_to_write(&this.path).await;
                let item = this.core.drive.commit_session(&this.cx, &session).await;
                Ok((item.map_err(|error| this.conditional(error))?, turn))
            })
            .await?;
        self.done(upload, item, turn).await
    }

    async fn done(
        &mut self,
        upload: &mut Upload,
        item: Item,
        turn: impl Sized,
    ) -> Result<Item, Stop> {
        upload.open = None;
        let folder = self.folder.clone().or_else(|| upload.folder_of(&item));
        upload.arrived(item, folder, self.total, turn).await
    }

    fn tell(&mut self, at: u64) {
        if let (Some(told), Some(session)) = (&mut self.told, &self.session) {
            told(session, at);
        }
    }
}

/// Tells a session of bytes that have arrived.
async fn tell_arrived(
    upload: &Upload,
    source: &Source,
    session: &mut UploadSession,
    from: u64,
    to: u64,
) -> Result<()> {
    let mut at = from;
    while at < to {
        let bytes = source.bytes(at, TOLD.min(to - at)).await?;
        let len = bytes.len() as u64;
        upload.core.drive.acknowledge(session, at, bytes).await?;
        at += len.max(1);
    }
    Ok(())
}

fn goes_nowhere(at: u64) -> Error {
    Error::new(
        ErrorKind::Unexpected,
        format!("the cloud takes fragments and still wants to go on at byte {at}"),
    )
}
