//! Bytes in: the caller's half of a write.
//!
//! OpenDAL's writer is a hand-over. A task on the operator's executor owns the upload
//! ([`upload`](super::upload)); the two halves share a [`Link`]. So a call that is dropped, by a
//! time-out or by Ctrl-C, loses nothing, and one that is repeated does nothing twice:
//!
//! 1. `write`: `Ok` means that the writer has all of the bytes; an error, or a dropped call, that
//!    it has none of them.
//! 2. A temporary error is told once and parks the task with all it has; the next call, usually a
//!    repetition, sets it going again. The adapter never repeats by itself.
//! 3. Any other error stays: every later call but `abort` fails with it.
//! 4. `close` can be dropped (the work goes on), repeated (it waits again), and repeated after
//!    success (the same answer).
//! 5. `abort` can come at any time, more than once, and returns when the upload is cancelled, or
//!    after [`ABORT_MAX`]. Dropping the writer without `close` cancels it in the background.
//! 6. The last fragment leaves when `close` is called: what was not closed is not there.
//! 7. A `write` that began and did not end in `Ok` leaves a debt: `close` then fails and cancels.
//!    Without that, a caller who goes on after a failed write would get `Ok` for a shorter file.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use opendal::{
    Buffer, Metadata,
    raw::{OpWrite, oio},
};
use tokio::{sync::Notify, time::timeout};

use super::{
    announce::{Announce, Announced},
    core::Core,
    error::to_opendal,
    session::WAITING_MAX,
    upload::Upload,
};
use crate::drive::{Conditions, Context, Error, ErrorKind, IfExists, Result, WriteOptions};

/// How long `abort` waits for the cloud to forget an upload.
const ABORT_MAX: Duration = Duration::from_secs(5);

/// How many bytes may wait for the task where the drive has no upload sessions.
const QUEUE: u64 = 1 << 20;

/// A file being written.
pub struct DriveWriter {
    link: Arc<Link>,
    cx: Context,
    /// Starts with the first call: a writer that was only made has done nothing.
    upload: Option<Upload>,
    announced: Option<u64>,
    taken: u64,
}

impl DriveWriter {
    /// # Errors
    /// `Invalid` for a path or user metadata that no drive takes.
    pub(super) fn new(core: Arc<Core>, cx: Context, path: &str, args: &OpWrite) -> Result<Self> {
        let announced = Announce::of(args)?;
        let path = core.path(path)?;
        let Announced { size, modified, .. } = announced;
        let max_file_size = core.capabilities().max_file_size;
        if let Some(size) = size.filter(|size| *size > max_file_size) {
            return Err(too_large(size, max_file_size));
        }
        let options = WriteOptions {
            if_exists: if args.if_not_exists() { IfExists::Fail } else { IfExists::Replace },
            conditions: Conditions {
                if_match: args.if_match().map(str::to_owned),
                if_none_match: None,
            },
            modified,
        };
        let link = Arc::new(Link::default());
        if let Some(limits) = core.capabilities().session {
            link.allow(limits.default_fragment.min(WAITING_MAX));
        }
        let upload =
            Upload::new(core, cx.clone(), path, options, announced, Some(Arc::clone(&link)));
        Ok(Self { link, cx, upload: Some(upload), announced: size, taken: 0 })
    }

    fn start(&mut self) {
        if let Some(upload) = self.upload.take() {
            self.cx.spawn(upload.run());
        }
        self.link.go_on();
    }
}

pub(super) fn too_large(size: u64, most: u64) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("a file of {size} bytes: this drive takes {most} bytes at most"),
    )
}

impl oio::Write for DriveWriter {
    async fn write(&mut self, bs: Buffer) -> opendal::Result<()> {
        if bs.is_empty() {
            return Ok(());
        }
        self.start();
        let size = self.taken + bs.len() as u64;
        if let Some(announced) = self.announced.filter(|announced| size > *announced) {
            let error = Error::new(
                ErrorKind::InvalidInput,
                format!("{announced} bytes were announced, and {size} are being written"),
            );
            self.link.fail(error.clone());
            return Err(to_opendal(error));
        }
        {
            let mut shared = self.link.lock();
            if shared.finished {
                return Err(opendal::Error::new(
                    opendal::ErrorKind::Unexpected,
                    "the writer was closed already",
                ));
            }
            shared.debt = true;
        }
        self.link
            .wait(|shared| {
                if shared.queued >= shared.room.unwrap_or(QUEUE) {
                    return None;
                }
                shared.queued += bs.len() as u64;
                shared.queue.push_back(bs.clone());
                shared.debt = false;
                Some(())
            })
            .await
            .map_err(to_opendal)?;
        self.taken = size;
        self.link.to_task.notify_one();
        Ok(())
    }

    async fn close(&mut self) -> opendal::Result<Metadata> {
        self.start();
        {
            let mut shared = self.link.lock();
            if shared.debt {
                drop(shared);
                self.link.fail(Error::new(
                    ErrorKind::Unexpected,
                    "bytes of a write that failed are missing: the upload is cancelled",
                ));
            } else {
                shared.finished = true;
                drop(shared);
                self.link.to_task.notify_one();
            }
        }
        self.link
            .wait(|shared| match &shared.status {
                Status::Done(metadata) => Some(metadata.clone()),
                _ => None,
            })
            .await
            .map_err(to_opendal)
    }

    async fn abort(&mut self) -> opendal::Result<()> {
        if self.upload.take().is_some() {
            // Nothing has begun; nothing will.
            let mut shared = self.link.lock();
            shared.ended = true;
            shared.gone = true;
            return Ok(());
        }
        self.link.leave();
        // Not waited for any longer, the task cancels all the same.
        let _ = timeout(ABORT_MAX, self.link.ended()).await;
        Ok(())
    }
}

impl Drop for DriveWriter {
    fn drop(&mut self) {
        self.link.leave();
    }
}

/// What the two halves share.
#[derive(Default)]
pub(super) struct Link {
    shared: Mutex<Shared>,
    /// Bytes came, the caller finished or left, or a parked task is to go on.
    pub(super) to_task: Notify,
    /// Room in the queue, or another status.
    to_caller: Notify,
}

#[derive(Default)]
pub(super) struct Shared {
    pub(super) queue: VecDeque<Buffer>,
    pub(super) queued: u64,
    /// How many bytes may wait; `None`: few.
    room: Option<u64>,
    /// No bytes will come.
    pub(super) finished: bool,
    /// The caller is not interested any more.
    pub(super) gone: bool,
    debt: bool,
    status: Status,
    /// The task has ended, and cancelled what it had begun if it was not done.
    ended: bool,
}

#[derive(Default)]
enum Status {
    #[default]
    Running,
    /// Waiting for the caller; the error was not told yet if there is one.
    Parked(Option<Error>),
    Failed(Error),
    Done(Metadata),
}

impl Link {
    /// Every change under this lock is complete in itself, so a panic elsewhere leaves it whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a parked task going, if its error was told.
    fn go_on(&self) {
        let mut shared = self.lock();
        if matches!(shared.status, Status::Parked(None)) {
            shared.status = Status::Running;
            drop(shared);
            self.to_task.notify_one();
        }
    }

    /// Waits for something under the lock, or for the error that prevents it. Changes nothing
    /// before it is ready, so it can be dropped.
    async fn wait<T>(&self, mut ready: impl FnMut(&mut Shared) -> Option<T>) -> Result<T> {
        loop {
            let woken = self.to_caller.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            {
                let mut shared = self.lock();
                match &mut shared.status {
                    Status::Failed(error) => return Err(error.clone()),
                    Status::Parked(error) => {
                        if let Some(error) = error.take() {
                            return Err(error);
                        }
                    }
                    Status::Running | Status::Done(_) => {}
                }
                if shared.gone {
                    return Err(Error::new(ErrorKind::Unexpected, "the write was aborted"));
                }
                if let Some(value) = ready(&mut shared) {
                    return Ok(value);
                }
            }
            woken.await;
        }
    }

    /// Fails for good; the task cancels what it has begun.
    fn fail(&self, error: Error) {
        let mut shared = self.lock();
        if !matches!(shared.status, Status::Failed(_) | Status::Done(_)) {
            shared.status = Status::Failed(error);
        }
        drop(shared);
        self.to_task.notify_one();
    }

    fn leave(&self) {
        let mut shared = self.lock();
        if !matches!(shared.status, Status::Done(_)) {
            shared.gone = true;
        }
        drop(shared);
        self.to_task.notify_one();
    }

    async fn ended(&self) {
        loop {
            let woken = self.to_caller.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if self.lock().ended {
                return;
            }
            woken.await;
        }
    }

    // The task's side.

    /// So many bytes may wait from now on.
    pub(super) fn allow(&self, bytes: u64) {
        self.lock().room = Some(bytes);
        self.to_caller.notify_waiters();
    }

    /// There is room in the queue.
    pub(super) fn taken(&self) {
        self.to_caller.notify_waiters();
    }

    /// Whether the upload is still wanted.
    pub(super) fn wanted(&self) -> bool {
        let shared = self.lock();
        !shared.gone && !matches!(shared.status, Status::Failed(_))
    }

    /// Parks with an error until the caller calls again; whether to go on.
    pub(super) async fn park(&self, error: Error) -> bool {
        {
            let mut shared = self.lock();
            if matches!(shared.status, Status::Running) {
                shared.status = Status::Parked(Some(error));
            }
        }
        self.to_caller.notify_waiters();
        loop {
            let woken = self.to_task.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            {
                let shared = self.lock();
                if shared.gone || matches!(shared.status, Status::Failed(_)) {
                    return false;
                }
                if matches!(shared.status, Status::Running) {
                    return true;
                }
            }
            woken.await;
        }
    }

    /// The upload has failed for good.
    pub(super) fn failed(&self, error: Error) {
        self.fail(error);
        self.to_caller.notify_waiters();
    }

    /// The file is there.
    pub(super) fn done(&self, metadata: Metadata) {
        let mut shared = self.lock();
        if !matches!(shared.status, Status::Failed(_)) {
            shared.status = Status::Done(metadata);
        }
        drop(shared);
        self.to_caller.notify_waiters();
    }

    /// Nothing of the upload is under way any more.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.to_caller.notify_waiters();
    }
}
