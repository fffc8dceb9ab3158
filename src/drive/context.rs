//! The context of one operation.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::channel::oneshot;
use opendal::OperationContext;

use super::{Error, ErrorKind, Result};

/// The operator's context for one operation, and the observers of its caller.
///
/// A drive sends its requests through it, so that the operator's layers apply: over HTTP with
/// [`transport::Client`](crate::transport::Client). A drive never stores a context, because layers
/// replace the transport and the executor.
#[derive(Clone)]
pub struct Context {
    operation: OperationContext,
    /// Number of requests sent on this context and its clones, if the caller counts them.
    requests: Option<Arc<AtomicU64>>,
    progress: Option<UploadProgress>,
    guard: Option<SourceGuard>,
}

impl From<&OperationContext> for Context {
    fn from(operation: &OperationContext) -> Self {
        Self { operation: operation.clone(), requests: None, progress: None, guard: None }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl Context {
    /// Returns OpenDAL's context of the operation: its transport and executor, with all layers.
    pub fn operation(&self) -> &OperationContext {
        &self.operation
    }

    /// Runs a task that continues when the caller's future is dropped.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.operation.executor().clone().into_inner().execute(Box::pin(task));
    }

    /// Runs a task in the background and waits for its result. The task continues when the
    /// returned future is dropped.
    ///
    /// # Errors
    /// Those of the task, or `Unexpected` if the executor dropped it.
    pub async fn finish<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (done, result) = oneshot::channel();
        self.spawn(async move {
            // The receiver may be gone; the work is done all the same.
            let _ = done.send(task.await);
        });
        result.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Unexpected, "the executor dropped a task that was under way"))
        })
    }

    /// Counts a request that a drive sends. [`transport::Client`](crate::transport::Client) does it
    /// for each of its requests.
    pub fn count_request(&self) {
        if let Some(requests) = &self.requests {
            requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the observer of the bytes that a request sends from a file.
    pub fn upload_progress(&self) -> Option<&UploadProgress> {
        self.progress.as_ref()
    }

    /// Counts the requests of the returned context. A retry by a layer is not counted.
    pub(crate) fn counting(self) -> (Self, Arc<AtomicU64>) {
        let requests = Arc::<AtomicU64>::default();
        (Self { requests: Some(Arc::clone(&requests)), ..self }, requests)
    }

    /// Reports the bytes of files that are sent in one request to `progress`.
    pub(crate) fn with_progress(self, progress: Option<UploadProgress>) -> Self {
        Self { progress, ..self }
    }

    /// Aborts a request with a file if the file is changed meanwhile.
    pub(crate) fn with_guard(self, guard: SourceGuard) -> Self {
        Self { guard: Some(guard), ..self }
    }

    pub(crate) fn guard(&self) -> Option<&SourceGuard> {
        self.guard.as_ref()
    }
}

/// Observer of an upload in one request: called with the number of bytes of the file that have been
/// read so far, from the beginning again if the request is repeated.
#[derive(Clone)]
pub struct UploadProgress(Arc<dyn Fn(u64) + Send + Sync>);

impl UploadProgress {
    /// Calls `report`, on a thread that may block.
    pub fn new(report: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }

    /// Reports that the first `read` bytes have been read.
    pub fn report(&self, read: u64) {
        (self.0)(read);
    }
}

impl fmt::Debug for UploadProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadProgress").finish_non_exhaustive()
    }
}

/// Decides whether a file is still the one whose request was begun. Called before its first bytes
/// are read and before its last ones are sent, on a thread that may block. If it returns false, the
/// request is aborted: the server never gets all bytes of a file that was changed meanwhile.
#[derive(Clone)]
pub(crate) struct SourceGuard(Arc<dyn Fn(bool) -> bool + Send + Sync>);

impl SourceGuard {
    /// `is_same` returns whether the file is unchanged; its argument is whether all bytes have been
    /// read.
    pub(crate) fn new(is_same: impl Fn(bool) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_same))
    }

    /// Returns whether the file is unchanged.
    pub(crate) fn is_same(&self, all_read: bool) -> bool {
        (self.0)(all_read)
    }
}
