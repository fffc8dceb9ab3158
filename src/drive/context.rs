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

/// The operator's context of one operation, with the observers of its caller.
///
/// A drive sends each request through it, so that the operator's layers apply. Drives that use
/// HTTP create a [`transport::Client`](crate::transport::Client) from it. A drive never stores a
/// context across operations, because layers replace its transport and executor.
#[derive(Clone)]
pub struct Context {
    operation: OperationContext,
    /// Number of requests sent through this context and its clones. `None` if the caller does not
    /// count them.
    requests: Option<Arc<AtomicU64>>,
    progress: Option<UploadProgress>,
    guard: Option<SourceGuard>,
}

impl From<&OperationContext> for Context {
    /// Returns the context of an operation whose caller observes nothing.
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

    /// Starts a task that continues if the caller drops its future.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.operation.executor().clone().into_inner().execute(Box::pin(task));
    }

    /// Runs work in its own task and returns its result. The task continues if the caller drops
    /// the returned future.
    ///
    /// # Errors
    /// Those of the task; `Unexpected` if the executor dropped it.
    pub async fn spawn_and_wait<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (done, result) = oneshot::channel();
        self.spawn(async move {
            // The caller may have dropped the receiver.
            let _ = done.send(task.await);
        });
        result.await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Unexpected,
                "cannot complete the operation: the executor dropped its task",
            ))
        })
    }

    /// Adds one to the number of requests. [`transport::Client`](crate::transport::Client) calls it
    /// for each of its requests; other clients must call it themselves.
    pub fn count_request(&self) {
        if let Some(requests) = &self.requests {
            requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the observer of uploads in one request, or `None` if the caller has none.
    pub fn upload_progress(&self) -> Option<&UploadProgress> {
        self.progress.as_ref()
    }

    /// Returns a context that counts its requests, and the counter. A retry by a layer is not
    /// counted.
    pub(crate) fn with_request_count(self) -> (Self, Arc<AtomicU64>) {
        let requests = Arc::<AtomicU64>::default();
        (Self { requests: Some(Arc::clone(&requests)), ..self }, requests)
    }

    /// Sets the observer of uploads in one request; `None` removes it.
    pub(crate) fn with_progress(self, progress: Option<UploadProgress>) -> Self {
        Self { progress, ..self }
    }

    /// Sets the guard of the file that is sent: each request that sends it is aborted if the file
    /// changes during the request.
    pub(crate) fn with_source_guard(self, guard: SourceGuard) -> Self {
        Self { guard: Some(guard), ..self }
    }

    /// Returns the guard of the file that is sent, or `None` if it must not be checked.
    pub(crate) fn source_guard(&self) -> Option<&SourceGuard> {
        self.guard.as_ref()
    }
}

/// Observer of an upload in one request. It receives the number of bytes that have been read from
/// the file. The number restarts at zero if the request is repeated.
#[derive(Clone)]
pub struct UploadProgress(Arc<dyn Fn(u64) + Send + Sync>);

impl UploadProgress {
    /// Returns an observer that calls `report`, on a thread that may block.
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

/// Checks whether the file of an upload has changed since the request began.
///
/// The transport calls it before it reads the first bytes and before it sends the last ones, on a
/// thread that may block. If the file has changed, the transport aborts the request: the server
/// never receives all bytes of a mixture of two versions.
#[derive(Clone)]
pub(crate) struct SourceGuard(Arc<dyn Fn(bool) -> bool + Send + Sync>);

impl SourceGuard {
    /// Returns a guard that calls `is_unchanged`, with whether all bytes have been read. It returns
    /// whether the file is unchanged.
    pub(crate) fn new(is_unchanged: impl Fn(bool) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_unchanged))
    }

    /// Returns whether the file is unchanged. `all_read` is whether all its bytes have been read.
    pub(crate) fn is_unchanged(&self, all_read: bool) -> bool {
        (self.0)(all_read)
    }
}
