//! Sends requests over the operator's transport, and reads the responses.

use std::fmt;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, StatusCode, header};
use opendal::{Buffer, HttpBody, HttpRedirect, raw::oio::ReadStream};
use serde::de::DeserializeOwned;

use super::{
    error,
    file::BodySource,
    http_transport::{CHUNK, Redirected, understands_files},
    limit::ResponseLimit,
    request::ApiRequest,
};
use crate::{
    drive::{ByteStream, Context, Error, ErrorKind, Result, Retry},
    rate_limit::Exhausted,
};

/// The most of a file that is read into memory for a transport that cannot stream it, in bytes.
const FOREIGN_FILE_MAX: u64 = 64 << 20;

/// Sends the requests of one operation over the operator's transport, so that its layers apply:
/// retry, logging, rate limit.
///
/// ```
/// use drivedal::{
///     drive::{Context, Result},
///     transport::{ApiRequest, Client},
/// };
/// use http::Method;
/// use opendal::raw::Operation;
///
/// async fn size(cx: &Context) -> Result<u64> {
///     let request =
///         ApiRequest::new(Operation::Stat, Method::GET, "https://files.example/size", "size");
///     let response = Client::new(cx).send(request).await?;
///     match response.status.is_success() {
///         true => response.json(),
///         false => Err(response.failure("cannot read the size")),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Client<'c> {
    cx: &'c Context,
}

impl<'c> Client<'c> {
    /// Returns a client for the requests of this context.
    pub fn new(cx: &'c Context) -> Self {
        Self { cx }
    }

    /// Sends a request and reads the whole response, whatever its status.
    ///
    /// # Errors
    /// `Unexpected` if there is no response, or it breaks off (temporary), or exceeds its limit.
    pub async fn send(self, call: ApiRequest) -> Result<ApiResponse> {
        self.fetch(call).await?.read().await
    }

    /// Sends a request and returns the response with its body as a stream, whatever its status.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn fetch(self, call: ApiRequest) -> Result<StreamResponse> {
        let (operation, limit) = (call.label(), call.response_limit());
        let call = self.with_sendable_body(call).await.map_err(|e| e.with_operation(&operation))?;
        let mut request = call.into_request().map_err(|e| e.with_operation(&operation))?;
        if let Some(source) = request.extensions_mut().get_mut::<BodySource>() {
            source.progress = self.cx.upload_progress().cloned();
            source.guard = self.cx.source_guard().cloned();
        }
        self.cx.count_request();
        let transport = self.cx.operation().http_transport();
        let response = transport
            .fetch(request)
            .await
            .map_err(|error| error::rebuilt(&error).with_operation(&operation))?;
        let (parts, body) = response.into_parts();
        // Ours says it in one way, OpenDAL's transports in another.
        let redirected = parts.extensions.get::<Redirected>().is_some()
            || parts.extensions.get::<HttpRedirect>().is_some();
        let exhausted = parts.extensions.get::<Exhausted>().copied();
        let (status, headers) = (parts.status, parts.headers);
        Ok(StreamResponse { operation, status, headers, redirected, exhausted, limit, body })
    }

    /// Another transport than ours would send an empty body where a file was meant, and so empty
    /// the user's file in the cloud: it is asked first.
    async fn with_sendable_body(&self, call: ApiRequest) -> Result<ApiRequest> {
        let Some(mut source) = call.file() else { return Ok(call) };
        source.guard = self.cx.source_guard().cloned();
        if understands_files(self.cx.operation().http_transport()).await {
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

/// A response whose body has not been read.
#[non_exhaustive]
pub struct StreamResponse {
    operation: String,
    /// Status of the response.
    pub status: StatusCode,
    /// Headers of the response.
    pub headers: HeaderMap,
    /// Whether the transport followed a redirect.
    pub(crate) redirected: bool,
    exhausted: Option<Exhausted>,
    limit: ResponseLimit,
    body: HttpBody,
}

impl fmt::Debug for StreamResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers and bodies may hold tokens and download URLs.
        f.debug_struct("StreamResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

impl StreamResponse {
    /// How errors call the request.
    pub(super) fn operation(&self) -> &str {
        &self.operation
    }

    /// Returns the body as a stream whose errors are free of secrets.
    pub fn into_stream(self) -> ByteStream {
        Box::pin(self.into_pieces())
    }

    fn into_pieces(self) -> impl Stream<Item = Result<Buffer>> + Send + Sync {
        let operation = self.operation;
        stream::unfold(Some(self.body), move |body| {
            let operation = operation.clone();
            async move {
                let mut body = body?;
                match body.read().await {
                    Ok(bytes) if bytes.is_empty() => None,
                    Ok(bytes) => Some((Ok(bytes), Some(body))),
                    Err(error) => {
                        Some((Err(error::rebuilt(&error).with_operation(operation)), None))
                    }
                }
            }
        })
    }

    /// Reads the whole response, within the limit of its request. Of a failure's body only the
    /// beginning is read: the status says enough.
    ///
    /// # Errors
    /// `Unexpected` if the body breaks off, or exceeds the limit.
    pub async fn read(self) -> Result<ApiResponse> {
        let (status, headers, operation, redirected) =
            (self.status, self.headers.clone(), self.operation.clone(), self.redirected);
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
            return Err(problem.with_operation(operation));
        }
        let body = collected.into_buffer();
        Ok(ApiResponse { operation, status, headers, redirected, exhausted, body })
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
            if self.last.len() >= CHUNK {
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

/// A response with its whole body.
#[non_exhaustive]
pub struct ApiResponse {
    operation: String,
    /// Status of the response.
    pub status: StatusCode,
    /// Headers of the response.
    pub headers: HeaderMap,
    /// Whether the transport followed a redirect.
    pub(crate) redirected: bool,
    /// A layer has tried the request again, in vain.
    exhausted: Option<Exhausted>,
    /// The body.
    pub body: Buffer,
}

impl fmt::Debug for ApiResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

impl ApiResponse {
    /// Decodes the body as JSON.
    ///
    /// # Errors
    /// `Unexpected` with the type and position of the mismatch. The message has no value of the
    /// body, which may hold download URLs.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_reader(self.body.clone()).map_err(|error| {
            let problem = error::redact_quoted(&error.to_string());
            Error::new(ErrorKind::Unexpected, format!("the answer was not understood: {problem}"))
                .with_status(self.status.as_u16())
                .with_operation(&self.operation)
        })
    }

    /// Returns the value of a header, if it is text.
    pub fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the error that this response stands for. Its kind, and whether a retry may help,
    /// follow from the status; `message` is the cloud's own text, without secrets.
    pub fn failure(&self, message: impl Into<String>) -> Error {
        let error =
            error::of_status(self.status, &self.headers, message).with_operation(&self.operation);
        match self.exhausted {
            Some(exhausted) => error.with_note(&exhausted.to_string()).with_retry(Retry::Exhausted),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Method, Request, Response};
    use opendal::{HttpTransport, HttpTransporter, OperationContext, raw::Operation};
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

    fn call(operation: Operation) -> ApiRequest {
        ApiRequest::new(operation, Method::GET, "http://h/x", "{x}")
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_sends_a_byte_now_and_then_is_not_waited_for_without_end() {
        let cx = |status| {
            let transport = HttpTransporter::new(Dripping(status));
            Context::from(&OperationContext::new().with_http_transport(transport))
        };
        let begun = Instant::now();
        let slow = cx(StatusCode::OK);
        let reply = Client::new(&slow).send(call(Operation::Stat));
        let reply = tokio::time::timeout(Duration::from_secs(24 * 3600), reply).await;
        let error = reply.expect("an end").expect_err("an error");
        assert!(
            error.is_temporary() && error.to_string().contains("not complete after"),
            "{error}"
        );
        assert_eq!(begun.elapsed(), ResponseLimit::ITEM.time);
        // The status of a failure is worth more than its words.
        let reply = Client::new(&cx(StatusCode::NOT_FOUND)).send(call(Operation::Stat)).await;
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
        let error =
            Client::new(&cx).send(call(Operation::Stat)).await.expect_err("too large for an item");
        assert!(error.to_string().contains("larger than 4194304 bytes"), "{error}");
        let page = Client::new(&cx).send(call(Operation::List)).await.expect("a page");
        assert_eq!(page.body.len(), large.len());
        let transport = Scripted::by(move |_| answer(404, &*large));
        let reply =
            Client::new(&transport.context()).send(call(Operation::Stat)).await.expect("a status");
        assert_eq!(reply.failure("x").kind(), ErrorKind::NotFound);
        assert!(reply.body.len() <= 2 * CHUNK, "{}", reply.body.len());
    }
}
