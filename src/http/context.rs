//! What the operator lends for one operation, and how requests go out on it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ::http::{HeaderMap, StatusCode, header};
use futures::{Stream, StreamExt, channel::oneshot, stream};
use opendal::{
    Buffer, Execute, HttpBody, HttpRedirect, HttpTransporter, OperationContext,
    raw::oio::ReadStream,
};
use serde::de::DeserializeOwned;

use super::{
    call::Call,
    error,
    file::{BodySource, Leaving},
    transport::{Redirected, understands_files},
};
use crate::{
    drive::{ByteStream, Error, ErrorKind, Result, Retry},
    gate::Exhausted,
};

/// The most of a file that is read into memory for a transport that cannot stream it, in bytes.
const FOREIGN_FILE_MAX: u64 = 64 << 20;

/// The most of an answer that is read as a whole, in bytes: a page of 1,000 items is about 1 MiB,
/// a folder of 100,000 in a cloud that does not page about 100 MiB.
const ANSWER_MAX: u64 = 512 << 20;

/// Transport and executor that an operator lends for one operation: two `Arc`s. Never kept by a
/// drive, because layers replace both.
#[derive(Clone)]
pub struct Context {
    transport: HttpTransporter,
    executor: Arc<dyn Execute>,
    /// Requests sent on this context and its clones, where somebody counts them.
    requests: Option<Arc<AtomicU64>>,
    /// Told of the bytes of files that go in one request.
    leaving: Option<Leaving>,
}

impl From<&OperationContext> for Context {
    fn from(lent: &OperationContext) -> Self {
        Self {
            transport: lent.http_transport().clone(),
            executor: lent.executor().clone().into_inner(),
            requests: None,
            leaving: None,
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl Context {
    /// The same, with its requests counted; those of layers, which repeat below it, are not.
    pub(crate) fn counting(self) -> (Self, Arc<AtomicU64>) {
        let requests = Arc::<AtomicU64>::default();
        (Self { requests: Some(Arc::clone(&requests)), ..self }, requests)
    }

    /// The same, on which `leaving` is told of the bytes of files.
    pub(crate) fn telling(self, leaving: Option<Leaving>) -> Self {
        Self { leaving, ..self }
    }

    /// Runs a task that goes on when the caller's future is dropped.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.executor.execute(Box::pin(task));
    }

    /// Runs a task to its end whatever becomes of the caller, and waits for its result.
    ///
    /// # Errors
    /// The task's own, or `Unexpected` if the executor dropped it.
    pub async fn finish<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (done, result) = oneshot::channel();
        self.spawn(async move {
            // Nobody may be waiting any more; the work is done all the same.
            let _ = done.send(task.await);
        });
        result.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Unexpected, "the executor dropped a task that was under way"))
        })
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// `Unexpected`, to be tried again, when there was no answer or not all of it.
    pub(crate) async fn send(&self, call: Call) -> Result<Reply> {
        self.fetch(call).await?.read().await
    }

    /// Sends a request and gives the answer's body as a stream.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) async fn fetch(&self, call: Call) -> Result<Incoming> {
        let attempted = call.label();
        let call = self.with_sendable_body(call).await.map_err(|e| e.attempted(&attempted))?;
        let mut request = call.into_request().map_err(|e| e.attempted(&attempted))?;
        if let Some(source) = request.extensions_mut().get_mut::<BodySource>() {
            source.leaving.clone_from(&self.leaving);
        }
        if let Some(requests) = &self.requests {
            requests.fetch_add(1, Ordering::Relaxed);
        }
        let response = self
            .transport
            .fetch(request)
            .await
            .map_err(|error| error::rebuilt(&error).attempted(&attempted))?;
        let (parts, body) = response.into_parts();
        // Ours says it in one way, OpenDAL's transports in another.
        let redirected = parts.extensions.get::<Redirected>().is_some()
            || parts.extensions.get::<HttpRedirect>().is_some();
        let exhausted = parts.extensions.get::<Exhausted>().copied();
        let (status, headers) = (parts.status, parts.headers);
        Ok(Incoming { attempted, status, headers, redirected, exhausted, body })
    }

    /// Another transport than ours would send an empty body where a file was meant, and so empty
    /// the user's file in the cloud: it is asked first.
    async fn with_sendable_body(&self, call: Call) -> Result<Call> {
        let Some(source) = call.file() else { return Ok(call) };
        if understands_files(&self.transport).await {
            return Ok(call);
        }
        let len = source.file_len;
        if len > FOREIGN_FILE_MAX {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "{len} bytes in one request: the operator's HTTP transport cannot send a file \
                     from disk; use drivedal::transport() (drivedal::register() installs it)"
                ),
            ));
        }
        let mut pieces = Vec::new();
        let mut stream = Box::pin(source.stream());
        while let Some(piece) = stream.next().await {
            pieces.push(piece.map_err(|source| {
                Error::new(ErrorKind::Unexpected, "reading the file to be sent").with_source(source)
            })?);
        }
        Ok(call.with_buffer(Buffer::from(pieces)))
    }
}

/// An answer whose body is still to come.
pub(crate) struct Incoming {
    attempted: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The transport was sent on to another address and followed.
    pub(crate) redirected: bool,
    exhausted: Option<Exhausted>,
    body: HttpBody,
}

impl Incoming {
    /// How errors call the request.
    pub(super) fn attempted(&self) -> &str {
        &self.attempted
    }

    /// The body as a stream whose errors are ours.
    pub(crate) fn into_stream(self) -> ByteStream {
        Box::pin(self.into_pieces())
    }

    fn into_pieces(self) -> impl Stream<Item = Result<Buffer>> + Send + Sync {
        let attempted = self.attempted;
        stream::unfold(Some(self.body), move |body| {
            let attempted = attempted.clone();
            async move {
                let mut body = body?;
                match body.read().await {
                    Ok(bytes) if bytes.is_empty() => None,
                    Ok(bytes) => Some((Ok(bytes), Some(body))),
                    Err(error) => Some((Err(error::rebuilt(&error).attempted(attempted)), None)),
                }
            }
        })
    }

    /// The whole answer.
    pub(crate) async fn read(self) -> Result<Reply> {
        let (status, headers, attempted, redirected) =
            (self.status, self.headers.clone(), self.attempted.clone(), self.redirected);
        let exhausted = self.exhausted;
        let mut pieces = Vec::new();
        let mut len = 0;
        let mut stream = Box::pin(self.into_pieces());
        while let Some(piece) = stream.next().await {
            let piece = piece?;
            len += piece.len() as u64;
            if len > ANSWER_MAX {
                return Err(Error::new(
                    ErrorKind::Unexpected,
                    format!("the answer is larger than {ANSWER_MAX} bytes"),
                )
                .attempted(attempted));
            }
            pieces.extend(piece);
        }
        let body = Buffer::from(pieces);
        Ok(Reply { attempted, status, headers, redirected, exhausted, body })
    }
}

/// A whole answer.
pub(crate) struct Reply {
    attempted: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The transport was sent on to another address and followed.
    pub(crate) redirected: bool,
    /// A layer has tried the request again, in vain.
    exhausted: Option<Exhausted>,
    pub(crate) body: Buffer,
}

impl Reply {
    /// The body, decoded.
    ///
    /// # Errors
    /// `Unexpected` with what did not fit and where; not the body, which may hold tickets.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_reader(self.body.clone()).map_err(|error| {
            let problem = error::without_values(&error.to_string());
            Error::new(ErrorKind::Unexpected, format!("the answer was not understood: {problem}"))
                .with_status(self.status.as_u16())
                .attempted(&self.attempted)
        })
    }

    /// A header's text.
    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The failure this answer tells of: kind and whether to try again by the status; the cloud's
    /// own words and code are the caller's to add.
    pub(crate) fn failure(&self, message: impl Into<String>) -> Error {
        let error =
            error::of_status(self.status, &self.headers, message).attempted(&self.attempted);
        match self.exhausted {
            Some(exhausted) => error.also(&exhausted.to_string()).with_retry(Retry::Exhausted),
            None => error,
        }
    }
}
