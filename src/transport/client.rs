//! Sends requests through the operator's transport and reads the responses.

use std::fmt;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use http::{HeaderMap, Request, StatusCode, header};
use opendal::{Buffer, HttpBody, HttpRedirect, raw::oio::ReadStream};
use serde::de::DeserializeOwned;

use super::{
    connection::Connection,
    error,
    extension_probe::supports_extensions,
    file::{BodySource, CHUNK},
    http_transport::Redirected,
    request::{ApiRequest, announce_empty_body},
    response_limit::ResponseLimit,
};
use crate::{
    drive::{ByteStream, Context, Error, ErrorKind, Result, Retry},
    rate_limit::Exhausted,
};

/// Size in bytes of the largest file that is read into memory for a transport that cannot stream
/// it.
const FOREIGN_FILE_MAX: u64 = 64 << 20;

/// Sends the requests of one operation through the operator's transport, so that its layers apply:
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
    /// `None`: the connections of the operator's transport.
    connection: Option<&'c Connection>,
}

impl<'c> Client<'c> {
    /// Returns a client for the requests of this context.
    pub fn new(cx: &'c Context) -> Self {
        Self { cx, connection: None }
    }

    /// Sends the requests over a connection with its own options. `None`: the connections of the
    /// operator's transport.
    #[must_use]
    pub fn with_connection(self, connection: Option<&'c Connection>) -> Self {
        Self { connection, ..self }
    }

    /// Sends a request and reads the whole response, whatever its status.
    ///
    /// # Errors
    /// `Unexpected` if no response arrives, or if the response is incomplete or exceeds its limit;
    /// `InvalidInput` if the request was built with a text that is not a URL, or with a character
    /// that a header cannot have.
    pub async fn send(self, request: ApiRequest) -> Result<ApiResponse> {
        self.fetch(request).await?.read().await
    }

    /// Sends a request and returns the response with its body as a stream, whatever its status.
    ///
    /// # Errors
    /// Those of [`send`](Self::send). `Unsupported` if the body is a large file, or the client has
    /// a [connection](Self::with_connection), and the operator's transport is not that of this
    /// crate.
    pub async fn fetch(self, request: ApiRequest) -> Result<StreamResponse> {
        let (operation, limit) = (request.label(), request.response_limit());
        let mut request = request.into_request().map_err(|e| e.with_operation(&operation))?;
        if let Some(source) = request.extensions_mut().remove::<BodySource>() {
            let added = self.add_file_body(&mut request, source).await;
            added.map_err(|e| e.with_operation(&operation))?;
        }
        let transport = self.cx.operation().http_transport();
        if let Some(connection) = self.connection {
            if !supports_extensions(transport).await {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "cannot use ca_cert, proxy or a timeout: the operator's HTTP transport does not \
                     support them (use drivedal::http_transport(), which drivedal::register() \
                     installs)",
                ));
            }
            request.extensions_mut().insert(connection.clone());
        }
        self.cx.count_request();
        let response = transport
            .fetch(request)
            .await
            .map_err(|error| error::from_transport(&error).with_operation(&operation))?;
        let (parts, body) = response.into_parts();
        // This crate's transport sets the first extension, OpenDAL's transports the second.
        let redirected = parts.extensions.get::<Redirected>().is_some()
            || parts.extensions.get::<HttpRedirect>().is_some();
        let exhausted = parts.extensions.get::<Exhausted>().copied();
        let (status, headers) = (parts.status, parts.headers);
        Ok(StreamResponse { operation, status, headers, redirected, exhausted, limit, body })
    }

    /// Adds a body in a file to a request, in a form that the transport can send.
    ///
    /// Another transport ignores a body in a file and would send an empty one, which would truncate
    /// the user's file in the cloud. Such a transport receives the file's bytes in memory.
    ///
    /// # Errors
    /// `Unsupported` for a file larger than [`FOREIGN_FILE_MAX`]; `Unexpected` if the file cannot
    /// be read.
    async fn add_file_body(
        &self,
        request: &mut Request<Buffer>,
        mut source: BodySource,
    ) -> Result<()> {
        source.guard = self.cx.source_guard().cloned();
        if supports_extensions(self.cx.operation().http_transport()).await {
            source.progress = self.cx.upload_progress().cloned();
            request.extensions_mut().insert(source);
            return Ok(());
        }
        let len = source.file_len;
        if len > FOREIGN_FILE_MAX {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "cannot send {len} bytes in one request: the operator's HTTP transport cannot \
                     stream a file (use drivedal::http_transport(), which drivedal::register() \
                     installs)"
                ),
            ));
        }
        let mut pieces = Vec::new();
        let mut stream = Box::pin(source.stream());
        while let Some(piece) = stream.next().await {
            pieces.push(piece.map_err(|source| {
                Error::new(ErrorKind::Unexpected, format!("cannot read the file to send: {source}"))
                    .with_source(source)
            })?);
        }
        *request.body_mut() = Buffer::from(pieces);
        announce_empty_body(request);
        Ok(())
    }
}

/// A response whose body has not been read.
#[non_exhaustive]
pub struct StreamResponse {
    /// [`ApiRequest::label`], for errors.
    operation: String,
    /// Status of the response.
    pub status: StatusCode,
    /// Headers of the response.
    pub headers: HeaderMap,
    /// Whether the transport followed a redirect to another URL.
    pub redirected: bool,
    /// A layer has exhausted its retries for the request.
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
    /// Returns the name of the request for errors.
    pub(super) fn operation(&self) -> &str {
        &self.operation
    }

    /// Returns the body as a stream whose errors are free of secrets.
    pub fn into_stream(self) -> ByteStream {
        let operation = self.operation;
        Box::pin(stream::unfold(Some(self.body), move |body| {
            let operation = operation.clone();
            async move {
                let mut body = body?;
                match body.read().await {
                    Ok(bytes) if bytes.is_empty() => None,
                    Ok(bytes) => Some((Ok(bytes), Some(body))),
                    Err(error) => {
                        Some((Err(error::from_transport(&error).with_operation(operation)), None))
                    }
                }
            }
        }))
    }

    /// Reads the whole body, within the limit of the request. The body of an error response is
    /// truncated to [`ResponseLimit::ERROR`] without an error.
    ///
    /// # Errors
    /// `Unexpected` if the body is incomplete or exceeds the limit.
    pub async fn read(self) -> Result<ApiResponse> {
        let (status, headers, operation, redirected) =
            (self.status, self.headers.clone(), self.operation.clone(), self.redirected);
        let (exhausted, failed) = (self.exhausted, !self.status.is_success());
        let limit = if failed { ResponseLimit::ERROR } else { self.limit };
        let mut collected = BodyBuffer::default();
        let mut stream = self.into_stream();
        let reading = async {
            while let Some(piece) = stream.next().await {
                collected.push(piece?);
                if collected.len > limit.bytes {
                    return Ok(ReadEnd::TooLarge);
                }
            }
            Ok(ReadEnd::Complete)
        };
        let end = match tokio::time::timeout(limit.time, reading).await {
            Ok(end) => end?,
            Err(_) => ReadEnd::TooSlow,
        };
        let problem = match end {
            ReadEnd::TooLarge if !failed => {
                let text =
                    format!("cannot read the response: it is larger than {} bytes", limit.bytes);
                Some(Error::new(ErrorKind::Unexpected, text))
            }
            ReadEnd::TooSlow if !failed => {
                let text = format!(
                    "cannot read the response: it is not complete after {} s",
                    limit.time.as_secs()
                );
                let error = Error::new(ErrorKind::Unexpected, text);
                Some(error.with_retry(Retry::Again { after: None }))
            }
            ReadEnd::Complete | ReadEnd::TooLarge | ReadEnd::TooSlow => None,
        };
        if let Some(problem) = problem {
            return Err(problem.with_operation(operation));
        }
        let body = collected.into_buffer();
        Ok(ApiResponse { operation, status, headers, redirected, exhausted, body })
    }
}

/// How the reading of a body ended.
enum ReadEnd {
    Complete,
    TooLarge,
    TooSlow,
}

/// Collects a body in memory. It copies small pieces into large chunks, because the server chooses
/// their size, and each piece has an overhead.
#[derive(Default)]
struct BodyBuffer {
    pieces: Vec<Bytes>,
    last: BytesMut,
    len: u64,
}

impl BodyBuffer {
    /// Appends a piece of the body.
    fn push(&mut self, piece: Buffer) {
        self.len += piece.len() as u64;
        for bytes in piece {
            self.last.extend_from_slice(&bytes);
            if self.last.len() >= CHUNK {
                self.pieces.push(self.last.split().freeze());
            }
        }
    }

    /// Returns the body so far.
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
    /// [`ApiRequest::label`], for errors.
    operation: String,
    /// Status of the response.
    pub status: StatusCode,
    /// Headers of the response.
    pub headers: HeaderMap,
    /// Whether the transport followed a redirect to another URL.
    pub redirected: bool,
    /// A layer has exhausted its retries for the request.
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
    /// `Unexpected` with the type and position of the mismatch. The message contains no value of
    /// the body, which may be a download URL.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_reader(self.body.clone()).map_err(|error| {
            let problem = error::redact_quoted(&error.to_string());
            Error::new(ErrorKind::Unexpected, format!("cannot decode the response: {problem}"))
                .with_status(self.status.as_u16())
                .with_operation(&self.operation)
        })
    }

    /// Returns the value of a header. `None` if it is missing or not text.
    pub fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the error for this response. The status determines its kind and whether a retry may
    /// help. `message` is the cloud's own text; it must be free of secrets.
    pub fn failure(&self, message: impl Into<String>) -> Error {
        let error =
            error::from_status(self.status, &self.headers, message).with_operation(&self.operation);
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

    /// A transport whose responses have one byte per second, without end.
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
    async fn an_endless_slow_response_reaches_its_time_limit() {
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
        // The body of an error response is optional.
        let reply = Client::new(&cx(StatusCode::NOT_FOUND)).send(call(Operation::Stat)).await;
        assert_eq!(reply.expect("a status").status, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn each_kind_of_request_has_its_size_limit() {
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
