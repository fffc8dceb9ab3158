//! The channel between a writer and the task that owns its upload.
//!
//! The writer sends bytes, and the task sends back its status. The channel is bounded by bytes: the
//! writer waits while the queue is at its capacity. All state is the value of one
//! [`watch`] channel, so each side waits for a state instead of a message. A wait changes the state
//! only when it ends: dropping its future has no effect, and repeating it is safe.
//!
//! The writer and the task may end independently:
//!
//! * The task *suspends* itself after a temporary failure. The writer's next call returns the error,
//!   and the call after that resumes the task.
//! * The writer *abandons* the upload if it is aborted or dropped. The task then cancels the upload.
//! * A write that did not end with `Ok` is a *lost write*: closing the channel then fails.

use std::collections::VecDeque;

use opendal::{Buffer, Metadata};
use tokio::sync::watch;

use super::error::upload_aborted;
use crate::drive::{Error, ErrorKind, Result};

/// The initial capacity of a channel in bytes. It is also the capacity for drives without upload
/// sessions.
const DEFAULT_CAPACITY: u64 = 1 << 20;

/// The maximum capacity in bytes. While a fragment is sent, the queue may hold the next one. For
/// large fragments a smaller queue costs no time and saves memory.
pub(super) const MAX_CAPACITY: u64 = 32 << 20;

/// The writer has abandoned the upload, or the upload has failed.
#[derive(Debug)]
pub(super) struct Aborted;

/// A channel for the bytes of one upload and for its status. Writer and task share it.
pub(super) struct UploadChannel(watch::Sender<ChannelState>);

struct ChannelState {
    /// The bytes that the writer has sent and the task has not received.
    queue: VecDeque<Buffer>,
    /// The number of bytes in `queue`.
    queued: u64,
    /// The writer may send while `queued` is less than this.
    capacity: u64,
    /// The writer will send no more bytes.
    closed: bool,
    /// A write has begun and has not ended with `Ok`.
    lost_write: bool,
    /// The writer was aborted or dropped.
    abandoned: bool,
    status: UploadStatus,
    /// The task has ended. If the upload was not successful, the task has cancelled it.
    ended: bool,
}

/// The progress of the task, as the writer sees it.
enum UploadStatus {
    Running,
    /// The task waits for the writer. The error is `None` once the writer has returned it.
    Suspended(Option<Error>),
    Failed(Error),
    Done(Metadata),
}

impl ChannelState {
    /// Returns whether the task has to stop: the writer abandoned the upload, or the upload has
    /// failed.
    fn is_aborted(&self) -> bool {
        self.abandoned || matches!(self.status, UploadStatus::Failed(_))
    }

    /// Returns the error that a call of the writer has to return now, or `None` if the call may
    /// continue. The error of a suspended task is returned once, a permanent error each time.
    fn take_error(&mut self) -> Option<Error> {
        match &mut self.status {
            UploadStatus::Failed(error) => return Some(error.clone()),
            UploadStatus::Suspended(error) if error.is_some() => return error.take(),
            UploadStatus::Running | UploadStatus::Suspended(_) | UploadStatus::Done(_) => {}
        }
        self.abandoned.then(upload_aborted)
    }

    /// Ends the upload with a permanent error, unless it has ended already.
    fn fail(&mut self, error: Error) {
        if !matches!(self.status, UploadStatus::Failed(_) | UploadStatus::Done(_)) {
            self.status = UploadStatus::Failed(error);
        }
    }
}

impl UploadChannel {
    /// Creates a channel for an upload that has not started.
    pub(super) fn new() -> Self {
        let state = ChannelState {
            queue: VecDeque::new(),
            queued: 0,
            capacity: DEFAULT_CAPACITY,
            closed: false,
            lost_write: false,
            abandoned: false,
            status: UploadStatus::Running,
            ended: false,
        };
        Self(watch::Sender::new(state))
    }

    /// Applies `step` to the state now and after each change, until it returns a value. `step` must
    /// not change the state if it returns `None`.
    async fn wait<T>(&self, mut step: impl FnMut(&mut ChannelState) -> Option<T>) -> T {
        let mut changes = self.0.subscribe();
        loop {
            let mut value = None;
            self.0.send_if_modified(|state| {
                value = step(state);
                value.is_some()
            });
            if let Some(value) = value {
                return value;
            }
            // An error would mean that the sender was dropped, and `self` owns the sender.
            let _ = changes.changed().await;
        }
    }

    /// Sets the maximum number of queued bytes. One buffer may exceed it.
    pub(super) fn set_capacity(&self, bytes: u64) {
        self.0.send_modify(|state| state.capacity = bytes);
    }

    /// Ends the upload with an error. The task cancels it, and all later calls of the writer return
    /// the error.
    pub(super) fn fail(&self, error: Error) {
        self.0.send_modify(|state| state.fail(error));
    }
}

/// The writer's side.
impl UploadChannel {
    /// Resumes a suspended task, if the writer has returned the task's error.
    pub(super) fn resume(&self) {
        self.0.send_if_modified(|state| {
            let is_reported = matches!(state.status, UploadStatus::Suspended(None));
            if is_reported {
                state.status = UploadStatus::Running;
            }
            is_reported
        });
    }

    /// Sends bytes, and waits while the queue is at its capacity.
    ///
    /// # Errors
    /// The error of the upload if it has failed or is suspended, and `Unexpected` if the channel is
    /// closed or abandoned. After an error, or if the future is dropped, none of the bytes are sent
    /// and [`close`](Self::close) will fail.
    pub(super) async fn send(&self, bytes: Buffer) -> Result<()> {
        let mut is_closed = false;
        self.0.send_if_modified(|state| {
            is_closed = state.closed;
            state.lost_write |= !is_closed;
            false
        });
        if is_closed {
            return Err(Error::new(ErrorKind::Unexpected, "cannot write: the writer is closed"));
        }
        let len = bytes.len() as u64;
        let mut bytes = Some(bytes);
        self.wait(|state| {
            if let Some(error) = state.take_error() {
                return Some(Err(error));
            }
            if state.queued >= state.capacity {
                return None;
            }
            state.queue.extend(bytes.take());
            state.queued += len;
            state.lost_write = false;
            Some(Ok(()))
        })
        .await
    }

    /// Declares that no more bytes will be sent, and waits for the end of the upload. Returns the
    /// metadata of the written file. May be called again, after success too.
    ///
    /// # Errors
    /// The error of the upload if it has failed or is suspended, and `Unexpected` after a lost write
    /// or if the upload is abandoned.
    pub(super) async fn close(&self) -> Result<Metadata> {
        self.0.send_modify(|state| match state.lost_write {
            true => state.fail(Error::new(
                ErrorKind::Unexpected,
                "cannot close the file: bytes of a failed write are missing, \
                 so the upload is cancelled",
            )),
            false => state.closed = true,
        });
        self.wait(|state| match (state.take_error(), &state.status) {
            (Some(error), _) => Some(Err(error)),
            (None, UploadStatus::Done(metadata)) => Some(Ok(metadata.clone())),
            (None, _) => None,
        })
        .await
    }

    /// Abandons the upload, unless it is done.
    pub(super) fn abandon(&self) {
        self.0.send_modify(|state| {
            state.abandoned |= !matches!(state.status, UploadStatus::Done(_));
        });
    }

    /// Abandons an upload whose task was never started.
    pub(super) fn abandon_unstarted(&self) {
        self.0.send_modify(|state| (state.abandoned, state.ended) = (true, true));
    }

    /// Waits until the task has ended, and has cancelled the upload if it was not successful.
    pub(super) async fn ended(&self) {
        self.wait(|state| state.ended.then_some(())).await;
    }
}

/// The task's side.
impl UploadChannel {
    /// Waits for the next bytes. Returns `None` when the writer has closed the channel and all bytes
    /// are received.
    ///
    /// # Errors
    /// [`Aborted`] if the upload was abandoned or has failed.
    pub(super) async fn receive(&self) -> Result<Option<Buffer>, Aborted> {
        self.wait(|state| {
            if state.is_aborted() {
                return Some(Err(Aborted));
            }
            match state.queue.pop_front() {
                Some(bytes) => {
                    state.queued -= bytes.len() as u64;
                    Some(Ok(Some(bytes)))
                }
                None => state.closed.then_some(Ok(None)),
            }
        })
        .await
    }

    /// Checks that the upload should continue.
    ///
    /// # Errors
    /// [`Aborted`] if the upload was abandoned or has failed.
    pub(super) fn check(&self) -> Result<(), Aborted> {
        if self.0.borrow().is_aborted() { Err(Aborted) } else { Ok(()) }
    }

    /// Suspends the task with a temporary error, until the writer resumes it.
    ///
    /// # Errors
    /// [`Aborted`] if the upload is abandoned or fails meanwhile.
    pub(super) async fn suspend(&self, error: Error) -> Result<(), Aborted> {
        self.0.send_modify(|state| {
            if matches!(state.status, UploadStatus::Running) {
                state.status = UploadStatus::Suspended(Some(error));
            }
        });
        self.wait(|state| match state.status {
            _ if state.is_aborted() => Some(Err(Aborted)),
            UploadStatus::Running => Some(Ok(())),
            _ => None,
        })
        .await
    }

    /// Reports that the file was written.
    pub(super) fn complete(&self, metadata: Metadata) {
        self.0.send_modify(|state| {
            if !matches!(state.status, UploadStatus::Failed(_)) {
                state.status = UploadStatus::Done(metadata);
            }
        });
    }

    /// Reports that the task has ended.
    pub(super) fn end(&self) {
        self.0.send_modify(|state| state.ended = true);
    }
}
