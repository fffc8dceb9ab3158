//! Writing a file: the caller's side of an upload.
//!
//! A task on the operator's executor owns the upload (`upload_task`(super::upload_task)). The
//! writer passes the bytes to it through an [`UploadChannel`]. So a call that is dropped, by a
//! timeout or by Ctrl-C, loses nothing, and a repeated call does nothing twice. The contract:
//!
//! 1. `write`: `Ok` means that the writer has accepted all of the bytes. After an error, or if the
//!    call is dropped, it has accepted none of them.
//! 2. A temporary error is returned once and suspends the task with all its state. The next call,
//!    usually a retry, resumes the task. The adapter itself never retries.
//! 3. Any other error is permanent: all later calls except `abort` return it.
//! 4. `close` can be dropped (the work continues), repeated (it waits again), and repeated after
//!    success (it returns the same metadata).
//! 5. `abort` can be called at any time and repeatedly. It returns when the upload is cancelled, or
//!    after [`ABORT_MAX`]. Dropping the writer without `close` cancels the upload in the
//!    background.
//! 6. The last fragment is sent when `close` is called: a file that was not closed does not exist.
//! 7. A `write` that began and did not end with `Ok` is a lost write: `close` then fails and
//!    cancels the upload. Otherwise a caller that continues after a failed write would get `Ok` for
//!    a shorter file.

use std::{sync::Arc, time::Duration};

use opendal::{
    Buffer, Metadata,
    raw::{OpWrite, oio},
};
use tokio::time::timeout;

use super::{
    announce::Announced,
    channel::{MAX_CAPACITY, UploadChannel},
    error::{size_mismatch, to_opendal, too_large},
    state::{AdapterState, if_exists},
    upload::Upload,
    upload_task,
};
use crate::drive::{Conditions, Context, Result, WriteOptions};

/// The maximum time that `abort` waits for the cancellation of an upload.
const ABORT_MAX: Duration = Duration::from_secs(5);

/// A file that is being written.
pub struct DriveWriter {
    channel: Arc<UploadChannel>,
    cx: Context,
    /// The upload, until the first call starts its task: creating a writer has no effect.
    upload: Option<Upload>,
    /// The announced size in bytes.
    announced: Option<u64>,
    /// The number of bytes that `write` has accepted.
    accepted: u64,
}

impl DriveWriter {
    /// Creates a writer for a path. Sends no request.
    ///
    /// # Errors
    /// `InvalidInput` for a path with the name `.` or `..`, for user metadata that no
    /// [`Announce`](crate::Announce) creates, and for an announced size above the drive's
    /// `max_file_size`.
    pub(super) fn new(
        state: Arc<AdapterState>,
        cx: Context,
        path: &str,
        args: &OpWrite,
    ) -> Result<Self> {
        let announced = Announced::parse(args)?;
        let path = state.path(path)?;
        let Announced { size, modified, .. } = announced;
        let max_file_size = state.capabilities().max_file_size;
        if let Some(size) = size.filter(|size| *size > max_file_size) {
            return Err(too_large(size, max_file_size));
        }
        let options = WriteOptions {
            if_exists: if_exists(args.if_not_exists()),
            conditions: Conditions {
                if_match: args.if_match().map(str::to_owned),
                if_none_match: None,
            },
            modified,
        };
        let channel = Arc::new(UploadChannel::new());
        if let Some(limits) = state.capabilities().session {
            channel.set_capacity(limits.default_fragment.min(MAX_CAPACITY));
        }
        let shared = Some(Arc::clone(&channel));
        let upload = Upload::new(state, cx.clone(), path, options, announced, shared);
        Ok(Self { channel, cx, upload: Some(upload), announced: size, accepted: 0 })
    }

    /// Starts the task, or resumes it if it is suspended.
    fn start(&mut self) {
        if let Some(upload) = self.upload.take() {
            self.cx.spawn(upload_task::run(upload, Arc::clone(&self.channel)));
        }
        self.channel.resume();
    }
}

impl oio::Write for DriveWriter {
    /// Passes bytes to the upload, and waits while its queue is full. The first call starts the
    /// upload.
    ///
    /// # Errors
    /// `Unsupported` if more bytes than announced are written; `Unexpected` after `close`; the
    /// error of the upload if it has failed or is suspended. See the contract in the module's
    /// documentation.
    async fn write(&mut self, bytes: Buffer) -> opendal::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.start();
        let size = self.accepted + bytes.len() as u64;
        if let Some(announced) = self.announced.filter(|announced| size > *announced) {
            let error = size_mismatch(announced, size);
            self.channel.fail(error.clone());
            return Err(to_opendal(error));
        }
        self.channel.send(bytes).await.map_err(to_opendal)?;
        self.accepted = size;
        Ok(())
    }

    /// Waits until the file is written and verified, and returns its metadata. May be repeated.
    ///
    /// # Errors
    /// The error of the upload (`upload_task`), once if it is temporary and each time otherwise:
    /// among others `ConditionNotMatch` if the target exists and must not, `IsADirectory` if it is
    /// a folder, `Unsupported` if another number of bytes was announced or the cloud rejects the
    /// name, and `Unexpected` if the drive is full. `Unexpected` after a lost write.
    async fn close(&mut self) -> opendal::Result<Metadata> {
        self.start();
        self.channel.close().await.map_err(to_opendal)
    }

    /// Cancels the upload, and waits at most `ABORT_MAX` for it. Never fails.
    async fn abort(&mut self) -> opendal::Result<()> {
        if self.upload.take().is_some() {
            self.channel.abandon_unstarted();
            return Ok(());
        }
        self.channel.abandon();
        // After the timeout the task continues to cancel the upload.
        let _ = timeout(ABORT_MAX, self.channel.ended()).await;
        Ok(())
    }
}

impl Drop for DriveWriter {
    /// Cancels the upload in the background, unless it is complete.
    fn drop(&mut self) {
        self.channel.abandon();
    }
}
