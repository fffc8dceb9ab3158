//! What the operator lends for one operation, and how requests go out on it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, channel::oneshot, stream};
use http::{HeaderMap, StatusCode, header};
use opendal::{
    Buffer, Execute, HttpBody, HttpRedirect, HttpTransporter, OperationContext,
    raw::oio::ReadStream,
};
use serde::de::DeserializeOwned;

use super::{
    call::Call,
    error,
    file::{BodySource, Guard, Leaving},
    http_transport::{PIECE, Redirected, understands_files},
    limit::ResponseLimit,
};
use crate::{
    drive::{ByteStream, Error, ErrorKind, Result, Retry},
    rate_limit::Exhausted,
};

/// The most of a file that is read into memory for a transport that cannot stream it, in bytes.
const FOREIGN_FILE_MAX: u64 = 64 << 20;

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
    /// Breaks off requests whose file is changed while it is sent.
    guard: Option<Guard>,
}

impl From<&OperationContext> for Context {
    fn from(lent: &OperationContext) -> Self {
        Self {
            transport: lent.http_transport().clone(),
            executor: lent.executor().clone().into_inner(),
            requests: None,
            leaving: None,
            guard: None,
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

    /// The same, on which a request with a file breaks off if the file is changed meanwhile.
    pub(crate) fn guarding(self, guard: Guard) -> Self {
        Self { guard: Some(guard), ..self }
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
        let (attempted, limit) = (call.label(), call.response_limit());
        let call = self.with_sendable_body(call).await.map_err(|e| e.attempted(&attempted))?;
        let mut request = call.into_request().map_err(|e| e.attempted(&attempted))?;
        if let Some(source) = request.extensions_mut().get_mut::<BodySource>() {
            source.leaving.clone_from(&self.leaving);
            source.guard.clone_from(&self.guard);
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
        Ok(Incoming { attempted, status, headers, redirected, exhausted, limit, body })
    }

    /// Another transport than ours would send an empty body where a file was meant, and so empty
    /// the user's file in the cloud: it is asked first.
    async fn with_sendable_body(&self, call: Call) -> Result<Call> {
        let Some(mut source) = call.file() else { return Ok(call) };
        source.guard.clone_from(&self.guard);
        if understands_files(&self.transport).await {
            return Ok(call);
        }
        let len = source.file_len;
        if len > FOREIGN_FILE_MAX {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "{len} bytes in one request: the operator's HTTP transport cannot send a file \
                     from disk; use drivedal::http_transport() (drivedal::register() installs it)"
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
    limit: ResponseLimit,
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

    /// Reads the whole response, within the limit of its request. Of a failure's body only the
    /// beginning is read: the status says enough.
    ///
    /// # Errors
    /// `Unexpected` if the body breaks off, or exceeds the limit.
    pub(crate) async fn read(self) -> Result<Reply> {
        let (status, headers, attempted, redirected) =
            (self.status, self.headers.clone(), self.attempted.clone(), self.redirected);
        let (exhausted, failed) = (self.exhausted, !self.status.is_success());
        let limit = if failed { ResponseLimit::ERROR } else { self.limit };
        let mut collected = Collected::default();
        let mut stream = Box::pin(self.into_pieces());
        let reading = async {
            while let Some(piece) = stream.next().await {
                collected.push(piece?);
                if collected.len > limit.bytes {
                    return Ok(End::TooLarge);
                }
            }
            Ok(End::Complete)
        };
        let end = match tokio::time::timeout(limit.time, reading).await {
            Ok(end) => end?,
            Err(_) => End::TooSlow,
        };
        let problem = match end {
            End::TooLarge if !failed => {
                let text = format!("the response is larger than {} bytes", limit.bytes);
                Some(Error::new(ErrorKind::Unexpected, text))
            }
            End::TooSlow if !failed => {
                let text = format!("the response is not complete after {} s", limit.time.as_secs());
                let error = Error::new(ErrorKind::Unexpected, text);
                Some(error.with_retry(Retry::Again { after: None }))
            }
            End::Complete | End::TooLarge | End::TooSlow => None,
        };
        if let Some(problem) = problem {
            return Err(problem.attempted(attempted));
        }
        let body = collected.into_buffer();
        Ok(Reply { attempted, status, headers, redirected, exhausted, body })
    }
}

/// How the reading of a response ended.
enum End {
    Complete,
    TooLarge,
    TooSlow,
}

/// A body that is read as a whole. Its pieces are copied into large ones: a server chooses how small
/// they are, and each would cost more than its bytes.
#[derive(Default)]
struct Collected {
    pieces: Vec<Bytes>,
    last: BytesMut,
    len: u64,
}

impl Collected {
    fn push(&mut self, piece: Buffer) {
        self.len += piece.len() as u64;
        for bytes in piece {
            self.last.extend_from_slice(&bytes);
            if self.last.len() >= PIECE {
                self.pieces.push(self.last.split().freeze());
            }
        }
    }

    fn into_buffer(mut self) -> Buffer {
        if !self.last.is_empty() {
            self.pieces.push(self.last.freeze());
        }
        Buffer::from(self.pieces)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Method, Request, Response};
    use opendal::{HttpTransport, raw::Operation};
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::transport::scripted::{Scripted, answer};

    /// A server that sends a byte each second, without end.
    struct Dripping(StatusCode);

    impl HttpTransport for Dripping {
        async fn fetch(&self, _: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
            let drops = stream::unfold((), |()| async {
                sleep(Duration::from_secs(1)).await;
                Some((Ok(Buffer::from("x")), ()))
            });
            let mut response = Response::new(HttpBody::new(Box::pin(drops), None));
            *response.status_mut() = self.0;
            Ok(response)
        }
    }

    fn call(operation: Operation) -> Call {
        Call::new(operation, Method::GET, "http://h/x", "{x}")
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_sends_a_byte_now_and_then_is_not_waited_for_without_end() {
        let cx = |status| {
            let transport = HttpTransporter::new(Dripping(status));
            Context::from(&OperationContext::new().with_http_transport(transport))
        };
        let begun = Instant::now();
        let slow = cx(StatusCode::OK);
        let reply = slow.send(call(Operation::Stat));
        let reply = tokio::time::timeout(Duration::from_secs(24 * 3600), reply).await;
        let error = reply.expect("an end").err().expect("an error");
        assert!(
            error.is_temporary() && error.to_string().contains("not complete after"),
            "{error}"
        );
        assert_eq!(begun.elapsed(), ResponseLimit::ITEM.time);
        // The status of a failure is worth more than its words.
        let reply = cx(StatusCode::NOT_FOUND).send(call(Operation::Stat)).await;
        assert_eq!(reply.expect("a status").status, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn each_kind_of_request_has_its_limit_and_of_a_failure_the_beginning_is_enough() {
        let large = vec![b' '; (4 << 20) + 1];
        let transport = Scripted::by({
            let large = large.clone();
            move |_| answer(200, &*large)
        });
        let cx = transport.context();
        let error = cx.send(call(Operation::Stat)).await.err().expect("too large for an item");
        assert!(error.to_string().contains("larger than 4194304 bytes"), "{error}");
        let page = cx.send(call(Operation::List)).await.expect("a page");
        assert_eq!(page.body.len(), large.len());
        let transport = Scripted::by(move |_| answer(404, &*large));
        let reply = transport.context().send(call(Operation::Stat)).await.expect("a status");
        assert_eq!(reply.failure("x").kind(), ErrorKind::NotFound);
        assert!(reply.body.len() <= 2 * PIECE, "{}", reply.body.len());
    }
}
