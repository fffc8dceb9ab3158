//! Bytes in: the task that owns an upload.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use opendal::Buffer;

use super::{
    announce::Announced,
    core::Core,
    index::Folder,
    metadata,
    path::Path,
    spool::{self, Spool},
    write::{Link, too_large},
};
use crate::drive::{
    Body, Conditions, Context, Error, ErrorKind, IfExists, Item, Place, Progress, Result,
    SessionLimits, Target, UploadSession, WriteOptions,
};

/// One file on its way to the cloud.
pub(super) struct Upload {
    core: Arc<Core>,
    cx: Context,
    path: Path,
    options: WriteOptions,
    announced: Announced,
    link: Arc<Link>,
    /// The session that must be cancelled if the upload does not come to its end.
    open: Option<UploadSession>,
}

/// Why an upload ended early.
enum Stop {
    /// Nobody wants it any more.
    Unwanted,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Upload {
    pub(super) fn new(
        core: Arc<Core>,
        cx: Context,
        path: Path,
        options: WriteOptions,
        announced: Announced,
        link: Arc<Link>,
    ) -> Self {
        Self { core, cx, path, options, announced, link, open: None }
    }

    pub(super) async fn run(mut self) {
        let result = self.upload().await;
        if result.is_err()
            && let Some(session) = self.open.take()
        {
            // The cloud forgets it by itself after a while.
            let _ = self.core.drive.cancel_session(&self.cx, &session).await;
        }
        match result {
            Ok((item, bytes)) => {
                let keeps_times = self.core.capabilities().sets_modified;
                self.link.done(metadata::of_written(&item, bytes, keeps_times));
            }
            Err(Stop::Failed(error)) => self.link.failed(error),
            Err(Stop::Unwanted) => {}
        }
        self.link.end();
    }

    async fn upload(&mut self) -> Result<(Item, u64), Stop> {
        let limits = self.core.capabilities().session;
        match (limits, self.announced.size) {
            (Some(limits), Some(total)) if self.wants_session(limits, total) => {
                let item = self.send_as_it_comes(limits, total).await?;
                Ok((item, total))
            }
            _ => {
                let body = self.collect().await?;
                let total = body.len();
                let item = match limits.filter(|limits| self.wants_session(*limits, total)) {
                    Some(limits) => self.send_collected(limits, &body).await?,
                    None => self.send_at_once(body).await?,
                };
                Ok((item, total))
            }
        }
    }

    fn wants_session(&self, limits: SessionLimits, total: u64) -> bool {
        let capabilities = self.core.capabilities();
        // A time can only be given with a session where the cloud keeps times at all.
        let keeps_time = capabilities.sets_modified && self.options.modified.is_some();
        total > 0 && (total >= limits.from || total > capabilities.single_max || keeps_time)
    }

    /// The next bytes the caller gave; `None` when there are no more.
    async fn next(&self) -> Result<Option<Buffer>, Stop> {
        loop {
            let woken = self.link.to_task.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if !self.link.wanted() {
                return Err(Stop::Unwanted);
            }
            {
                let mut shared = self.link.lock();
                if let Some(bytes) = shared.queue.pop_front() {
                    shared.queued -= bytes.len() as u64;
                    drop(shared);
                    self.link.taken();
                    return Ok(Some(bytes));
                }
                if shared.finished {
                    return Ok(None);
                }
            }
            woken.await;
        }
    }

    /// Does something until it works, is refused for good, or is not wanted any more. Only the
    /// caller repeats: between two attempts the task is parked.
    async fn attempt<T, F>(&self, mut what: impl FnMut() -> F) -> Result<T, Stop>
    where
        F: Future<Output = Result<T>>,
    {
        loop {
            match what().await {
                Err(error) if error.is_temporary() => {
                    if !self.link.park(error).await {
                        return Err(Stop::Unwanted);
                    }
                }
                result => return Ok(result?),
            }
        }
    }

    /// All bytes of a file that goes in one request, or whose length is not known.
    async fn collect(&self) -> Result<Body, Stop> {
        let mut spool = Spool::new(self.announced.size)?;
        let most = self.core.capabilities().total_max;
        while let Some(bytes) = self.next().await? {
            spool.push(bytes).await?;
            if spool.len() > most {
                return Err(too_large(spool.len(), most).into());
            }
        }
        self.check_announced(spool.len())?;
        Ok(spool.into_body().await?)
    }

    fn check_announced(&self, written: u64) -> Result<()> {
        match self.announced.size {
            Some(announced) if announced != written => Err(Error::new(
                ErrorKind::Invalid,
                format!("{announced} bytes were announced, and {written} were written"),
            )),
            _ => Ok(()),
        }
    }

    async fn send_at_once(&self, body: Body) -> Result<Item, Stop> {
        let (len, most) = (body.len(), self.core.capabilities().single_max);
        if len > most {
            return Err(too_large(len, most).into());
        }
        let asked = Instant::now();
        let ((item, turn), folder) = self
            .attempt(|| {
                self.at_target(|target| {
                    let body = body.clone();
                    async move {
                        let turn = self.core.turn_to_write(&self.path).await;
                        let options = &self.options;
                        let item = self.core.drive.upload(&self.cx, &target, body, options).await?;
                        Ok((item, turn))
                    }
                })
            })
            .await?;
        self.arrived(item, folder, len, asked, turn).await
    }

    /// What the cloud says of a file that its answer told no size of. The first look comes before
    /// another writer of ours may write to the same path; later ones do not hold him up.
    async fn look_at(&self, item: &Item, turn: impl Sized) -> Result<Item, Stop> {
        let (place, conditions) = (Place::of(&item.id), Conditions::default());
        let look = || self.core.drive.item(&self.cx, &place, &conditions);
        match look().await {
            Err(error) if error.is_temporary() => {
                drop(turn);
                match self.link.park(error).await {
                    true => self.attempt(look).await,
                    false => Err(Stop::Unwanted),
                }
            }
            looked => Ok(looked?),
        }
    }

    /// Runs a request on the target; once more if a folder on the way turned out to be stale.
    async fn at_target<T, F>(&self, request: impl Fn(Target) -> F) -> Result<(T, Folder)>
    where
        F: Future<Output = Result<T>>,
    {
        let (target, folder) = self.core.target(&self.cx, &self.path).await?;
        match request(target).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.core.forget_way(self.path.names());
                let (target, folder) = self.core.target(&self.cx, &self.path).await?;
                Ok((request(target).await?, folder))
            }
            Err(error) => {
                if let Some((_, name)) = self.path.split() {
                    self.core.index.doubt(&folder, &self.core.fold(name));
                }
                Err(self.conditional(error))
            }
            Ok(value) => Ok((value, folder)),
        }
    }

    /// A name that is taken is a condition of the caller's that does not hold, if he made it one.
    fn conditional(&self, error: Error) -> Error {
        match (error.kind(), self.options.if_exists) {
            (ErrorKind::Exists, IfExists::Fail) => error.with_kind(ErrorKind::Condition),
            _ => error,
        }
    }

    /// The cloud has it: remembered, and checked by size if its answer did not tell one. Where it
    /// did, the drive has compared it and knows what to make of a difference. `turn` is held until
    /// the first look. An item without size is one that the
    /// caller wants to check.
    async fn arrived(
        &self,
        mut item: Item,
        folder: Folder,
        len: u64,
        asked: Instant,
        turn: impl Sized,
    ) -> Result<Item, Stop> {
        if item.size.is_none() && !self.announced.deferred_check {
            item = self.look_at(&item, turn).await?;
            if let Some(size) = item.size.filter(|size| *size != len) {
                return Err(Error::new(
                    ErrorKind::Unexpected,
                    format!("{len} bytes were sent, the cloud has {size}"),
                )
                .into());
            }
        }
        let known = Arc::new(Item { size: item.size.or(Some(len)), ..item.clone() });
        self.core.index.set(&folder, self.core.fold(&item.name), known, asked);
        Ok(item)
    }

    /// A file whose length is known: fragments leave while the caller writes.
    async fn send_as_it_comes(&mut self, limits: SessionLimits, total: u64) -> Result<Item, Stop> {
        let mut fragment = Fragment::default();
        let (mut offset, mut ended) = (0, false);
        let asked = Instant::now();
        let mut target = None;
        loop {
            while !ended && fragment.len < limits.usual {
                match self.next().await? {
                    Some(bytes) => fragment.push(bytes),
                    None => ended = true,
                }
            }
            if ended {
                self.check_announced(offset + fragment.len)?;
            }
            let (session, folder) = match &mut target {
                Some(opened) => opened,
                none => none.insert(self.open(total).await?),
            };
            let bytes = fragment.take(limits.usual);
            match self.send(session, offset, bytes).await? {
                Progress::Next(next) if next >= total => return Err(wants_more(next)),
                Progress::Next(next) => offset = next,
                Progress::Complete => {
                    let item = self.commit(session).await?;
                    let folder = folder.clone();
                    return self.session_done(item, folder, total, asked).await;
                }
                Progress::Done(item) => {
                    let folder = folder.clone();
                    return self.session_done(*item, folder, total, asked).await;
                }
            }
        }
    }

    async fn commit(&self, session: &UploadSession) -> Result<Item, Stop> {
        self.attempt(|| self.core.drive.commit_session(&self.cx, session)).await
    }

    /// A file whose bytes were collected first.
    async fn send_collected(&mut self, limits: SessionLimits, body: &Body) -> Result<Item, Stop> {
        let (total, asked) = (body.len(), Instant::now());
        let (mut session, folder) = self.open(total).await?;
        let mut offset = 0;
        loop {
            let bytes = spool::slice(body, offset, limits.usual.min(total - offset)).await?;
            match self.send(&mut session, offset, bytes).await? {
                Progress::Next(next) if next >= total => return Err(wants_more(next)),
                Progress::Next(next) => offset = next,
                Progress::Complete => {
                    let item = self.commit(&session).await?;
                    return self.session_done(item, folder, total, asked).await;
                }
                Progress::Done(item) => {
                    return self.session_done(*item, folder, total, asked).await;
                }
            }
        }
    }

    async fn open(&mut self, total: u64) -> Result<(UploadSession, Folder), Stop> {
        let this = &*self;
        let (session, folder) = this
            .attempt(|| {
                this.at_target(|target| async move {
                    this.core.drive.open_session(&this.cx, &target, total, &this.options).await
                })
            })
            .await?;
        self.open = Some(session.clone());
        Ok((session, folder))
    }

    async fn session_done(
        &mut self,
        item: Item,
        folder: Folder,
        total: u64,
        asked: Instant,
    ) -> Result<Item, Stop> {
        self.open = None;
        self.arrived(item, folder, total, asked, ()).await
    }

    /// Sends the bytes at `offset` until the cloud has all of them.
    async fn send(
        &self,
        session: &mut UploadSession,
        offset: u64,
        bytes: Buffer,
    ) -> Result<Progress, Stop> {
        let (drive, cx) = (&self.core.drive, &self.cx);
        let (mut at, end) = (offset, offset + bytes.len() as u64);
        let mut failed = false;
        loop {
            if !self.link.wanted() {
                return Err(Stop::Unwanted);
            }
            let step = async {
                if failed {
                    // What of the failed attempt has arrived, only the cloud knows.
                    match drive.session_status(cx, session).await? {
                        Progress::Next(next) if next < end => at = next,
                        other => return Ok(other),
                    }
                }
                let from = usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX);
                if at < offset || from > bytes.len() {
                    return Err(Error::new(
                        ErrorKind::Unexpected,
                        format!("the cloud wants to go on at byte {at}, outside of what is held"),
                    ));
                }
                drive.send_fragment(cx, session, at, bytes.slice(from..)).await
            };
            match step.await {
                Ok(Progress::Next(next)) if next < end => (at, failed) = (next, false),
                Ok(Progress::Next(next)) if next > end => {
                    return Err(Error::new(
                        ErrorKind::Unexpected,
                        format!("the cloud wants to go on at byte {next}, {end} were sent"),
                    )
                    .into());
                }
                Ok(progress) => return Ok(progress),
                Err(error) if error.is_temporary() => {
                    if !self.link.park(error).await {
                        return Err(Stop::Unwanted);
                    }
                    failed = true;
                }
                Err(error) => return Err(self.conditional(error).into()),
            }
        }
    }
}

fn wants_more(at: u64) -> Stop {
    Stop::Failed(Error::new(
        ErrorKind::Unexpected,
        format!("the cloud has all bytes and wants to go on at byte {at}"),
    ))
}

/// Bytes that wait to be sent together.
#[derive(Default)]
struct Fragment {
    pieces: VecDeque<Buffer>,
    len: u64,
}

impl Fragment {
    fn push(&mut self, bytes: Buffer) {
        self.len += bytes.len() as u64;
        self.pieces.push_back(bytes);
    }

    /// The first `most` bytes, or all.
    fn take(&mut self, most: u64) -> Buffer {
        let mut taken = Vec::new();
        let mut room = most;
        while let Some(piece) = self.pieces.pop_front() {
            let len = piece.len() as u64;
            if len <= room {
                room -= len;
                self.len -= len;
                taken.extend(piece);
                continue;
            }
            let cut = usize::try_from(room).unwrap_or(usize::MAX);
            taken.extend(piece.slice(..cut));
            self.len -= room;
            if cut < piece.len() {
                self.pieces.push_front(piece.slice(cut..));
            }
            break;
        }
        Buffer::from(taken)
    }
}
