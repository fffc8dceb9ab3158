//! Bytes in: one file on its way to the cloud.
//!
//! A writer's upload is a task that owns it and talks with its caller by a [`Link`]; a file's
//! ([`file`](super::file)) is its caller's own, and ends with the first failure. Files in fragments
//! are in [`session`](super::session).

use std::sync::Arc;

use opendal::Buffer;

use super::{
    announce::Announced,
    core::Core,
    index::Folder,
    metadata,
    path::Path,
    session::Fragments,
    source::{Held, Source},
    spool::Spool,
    write::{Link, too_large},
};
use crate::drive::{
    Body, Conditions, Context, Error, ErrorKind, IfExists, Item, ItemRef, Result, SessionLimits,
    Target, UploadSession, WriteOptions,
};

/// One file on its way to the cloud.
pub(super) struct Upload {
    pub(super) core: Arc<Core>,
    pub(super) cx: Context,
    pub(super) path: Path,
    pub(super) options: WriteOptions,
    pub(super) announced: Announced,
    /// To the writer whose upload it is; `None`: the first failure ends it.
    pub(super) link: Option<Arc<Link>>,
    /// The session that must be cancelled if the upload does not come to its end.
    pub(super) open: Option<UploadSession>,
    /// Bytes that were sent, those among them that were sent before.
    pub(super) sent: u64,
}

/// Why an upload ended early.
#[derive(Debug)]
pub(super) enum Stop {
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
        link: Option<Arc<Link>>,
    ) -> Self {
        Self { core, cx, path, options, announced, link, open: None, sent: 0 }
    }

    /// Does a writer's upload to its end.
    pub(super) async fn run(mut self) {
        let Some(link) = self.link.clone() else { return };
        let result = self.upload(&link).await;
        if result.is_err() {
            self.cancel().await;
        }
        match result {
            Ok((item, bytes)) => {
                let keeps_times = self.core.capabilities().set_modified;
                link.done(metadata::of_written(&item, bytes, keeps_times));
            }
            Err(Stop::Failed(error)) => link.failed(error),
            Err(Stop::Unwanted) => {}
        }
        link.end();
    }

    /// Has the cloud forget what has begun.
    pub(super) async fn cancel(&mut self) {
        if let Some(session) = self.open.take() {
            // The cloud forgets it by itself after a while.
            let _ = self.core.drive.cancel_session(&self.cx, &session).await;
        }
    }

    async fn upload(&mut self, link: &Link) -> Result<(Item, u64), Stop> {
        let limits = self.core.capabilities().session;
        match (limits, self.announced.size) {
            (Some(limits), Some(total)) if self.wants_session(limits, total) => {
                let source = Source::Held(Held::default());
                let item = Fragments::new(limits, total, source).send(self).await?;
                Ok((item, total))
            }
            _ => {
                let body = self.collect(link).await?;
                let total = body.len();
                let item = match limits.filter(|limits| self.wants_session(*limits, total)) {
                    Some(limits) => {
                        Fragments::new(limits, total, Source::of(body)).send(self).await?
                    }
                    None => self.send_at_once(body).await?,
                };
                Ok((item, total))
            }
        }
    }

    /// Whether a file of that size goes by a session.
    pub(super) fn wants_session(&self, limits: SessionLimits, total: u64) -> bool {
        let capabilities = self.core.capabilities();
        // A time can only be given with a session where the cloud keeps times at all.
        let keeps_time = capabilities.set_modified && self.options.modified.is_some();
        total > 0
            && (total >= limits.min_size || total > capabilities.max_single_upload || keeps_time)
    }

    /// Whether there is still somebody who wants it.
    pub(super) fn check_wanted(&self) -> Result<(), Stop> {
        match self.link.as_ref().is_none_or(|link| link.wanted()) {
            true => Ok(()),
            false => Err(Stop::Unwanted),
        }
    }

    /// Tells the caller of a temporary failure, and waits until he wants to go on.
    pub(super) async fn pause(&self, error: Error) -> Result<(), Stop> {
        match &self.link {
            None => Err(error.into()),
            Some(link) => match link.park(error).await {
                true => Ok(()),
                false => Err(Stop::Unwanted),
            },
        }
    }

    /// Does something until it works, is refused for good, or is not wanted any more. Only the
    /// caller repeats: between two attempts the task is parked.
    pub(super) async fn attempt<T, F>(&self, mut what: impl FnMut() -> F) -> Result<T, Stop>
    where
        F: Future<Output = Result<T>>,
    {
        loop {
            match what().await {
                Err(error) if error.is_temporary() => self.pause(error).await?,
                result => return Ok(result?),
            }
        }
    }

    /// All bytes of a file that goes in one request, or whose length is not known.
    async fn collect(&self, link: &Link) -> Result<Body, Stop> {
        let mut spool = Spool::new(self.announced.size)?;
        let most = self.core.capabilities().max_file_size;
        while let Some(bytes) = next(link).await? {
            spool.push(bytes).await?;
            if spool.len() > most {
                return Err(too_large(spool.len(), most).into());
            }
        }
        self.check_announced(spool.len())?;
        Ok(spool.into_body().await?)
    }

    pub(super) fn check_announced(&self, written: u64) -> Result<()> {
        match self.announced.size {
            Some(announced) if announced != written => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{announced} bytes were announced, and {written} were written"),
            )),
            _ => Ok(()),
        }
    }

    pub(super) async fn send_at_once(&self, body: Body) -> Result<Item, Stop> {
        let (len, most) = (body.len(), self.core.capabilities().max_single_upload);
        if len > most {
            return Err(too_large(len, most).into());
        }
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
        self.arrived(item, Some(folder), len, turn).await
    }

    /// What the cloud says of a file that its answer told no size of. The first look comes before
    /// another writer of ours may write to the same path; later ones do not hold him up.
    async fn look_at(&self, item: &Item, turn: impl Sized) -> Result<Item, Stop> {
        let (place, conditions) = (ItemRef::from_id(&item.id), Conditions::default());
        let look = || self.core.drive.item(&self.cx, &place, &conditions);
        match look().await {
            Err(error) if error.is_temporary() => {
                drop(turn);
                self.pause(error).await?;
                self.attempt(look).await
            }
            looked => Ok(looked?),
        }
    }

    /// Runs a request on the target; once more if a folder on the way turned out to be stale.
    pub(super) async fn at_target<T, F>(&self, request: impl Fn(Target) -> F) -> Result<(T, Folder)>
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
    pub(super) fn conditional(&self, error: Error) -> Error {
        match (error.kind(), self.options.if_exists) {
            (ErrorKind::AlreadyExists, IfExists::Fail) => {
                error.with_kind(ErrorKind::ConditionNotMatch)
            }
            _ => error,
        }
    }

    /// The folder that a file is in whose session was opened elsewhere.
    pub(super) fn folder_of(&self, item: &Item) -> Option<Folder> {
        if self.core.capabilities().paths {
            let (parents, _) = self.path.split()?;
            return Some(self.core.path_folder(parents));
        }
        item.parents.first().map(|parent| Folder::Id(parent.clone()))
    }

    /// The cloud has it: remembered, and checked by size if its answer did not tell one. Where it
    /// did, the drive has compared it and knows what to make of a difference. `turn` is held until
    /// the first look. An item without size is one that the
    /// caller wants to check.
    pub(super) async fn arrived(
        &self,
        mut item: Item,
        folder: Option<Folder>,
        len: u64,
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
        if let Some(folder) = folder {
            self.core.index.made(&folder, self.core.fold(&item.name), known);
        }
        Ok(item)
    }
}

/// The next bytes that the caller gave; `None` when there are no more.
pub(super) async fn next(link: &Link) -> Result<Option<Buffer>, Stop> {
    loop {
        let woken = link.to_task.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        if !link.wanted() {
            return Err(Stop::Unwanted);
        }
        {
            let mut shared = link.lock();
            if let Some(bytes) = shared.queue.pop_front() {
                shared.queued -= bytes.len() as u64;
                drop(shared);
                link.taken();
                return Ok(Some(bytes));
            }
            if shared.finished {
                return Ok(None);
            }
        }
        woken.await;
    }
}
