//! Bodies of requests and responses that are counted, logged and held to a minimum rate.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Error,
    body::{Body, HttpBody},
    http::{StatusCode, header, request::Parts},
    response::Response,
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep_until};

use crate::{
    limits::{Allowance, MinRate},
    request_log::LogEntry,
    responses::text,
};

/// Maximum number of bytes of an unread body that are discarded before the connection is closed.
const MAX_DRAIN: u64 = 256 << 20;

/// Maximum time for which an unread body is discarded.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// [`MAX_DRAIN`] for a request beyond the server's limit.
const MAX_DRAIN_IF_BUSY: u64 = 1 << 20;

/// [`DRAIN_TIMEOUT`] for a request beyond the server's limit.
const DRAIN_TIMEOUT_IF_BUSY: Duration = Duration::from_secs(2);

/// Response extension: the HTTP/1.1 connection is closed after the response.
#[derive(Clone, Copy, Debug)]
pub(super) struct CloseConnection;

/// Request extension: whether the body arrived more slowly than the minimum rate.
#[derive(Clone, Debug, Default)]
pub(super) struct SlowBodyFlag(Arc<AtomicBool>);

impl SlowBodyFlag {
    /// Returns 408 if the body was too slow, else `response`.
    pub(super) fn replace_response(&self, response: Response) -> Response {
        if !self.0.load(Ordering::Relaxed) {
            return response;
        }
        let message = "cannot read the request's body: it arrived too slowly";
        let mut response = text(StatusCode::REQUEST_TIMEOUT, message);
        response.extensions_mut().insert(CloseConnection);
        response
    }
}

/// A request's body that fails if the client sends it more slowly than a minimum rate. Only the time
/// that the server spends waiting for it counts.
pub(super) struct MinRateBody {
    body: Body,
    allowance: Allowance,
    timer: Option<Pin<Box<Sleep>>>,
    slow: SlowBodyFlag,
}

impl MinRateBody {
    /// Wraps a body. `slow` is set when it fails.
    pub(super) fn new(body: Body, rate: MinRate, slow: SlowBodyFlag) -> Self {
        Self { body, allowance: Allowance::new(rate), timer: None, slow }
    }
}

impl HttpBody for MinRateBody {
    type Data = Bytes;
    type Error = Error;

    /// Returns the next frame of the body. Fails with `TimedOut`, and sets the flag, once the
    /// client is slower than the minimum rate.
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            this.allowance.progress(data.map_or(0, Bytes::len) as u64);
            this.timer = None;
            return Poll::Ready(frame);
        }
        this.allowance.wait();
        let Some(deadline) = this.allowance.deadline() else { return Poll::Pending };
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(timer.as_mut().poll(cx));
        this.slow.0.store(true, Ordering::Relaxed);
        let error = std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            "the request's body arrives more slowly than the minimum rate",
        );
        Poll::Ready(Some(Err(Error::new(error))))
    }

    /// Delegates to the body.
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Delegates to the body.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request's body whose bytes are counted.
///
/// When it is dropped, the unread rest is received and discarded within limits. Otherwise a client
/// that is still sending would see a reset connection instead of the error response.
pub(super) struct CountedBody {
    body: Body,
    count: Arc<AtomicU64>,
    /// Whether an unread rest is discarded.
    drain: bool,
    /// Maximum bytes and time of discarding.
    limit: (u64, Duration),
}

impl CountedBody {
    /// Wraps the body of `request`; `count` is the counter of its bytes.
    pub(super) fn new(body: Body, count: Arc<AtomicU64>, request: &Parts) -> Self {
        // A client that waits for `100 Continue` has sent nothing yet.
        let drain = !request.headers.contains_key(header::EXPECT);
        Self { body, count, drain, limit: (MAX_DRAIN, DRAIN_TIMEOUT) }
    }

    /// Discards the body of a request beyond the server's limit. Only little is read, so that
    /// rejecting the request is cheap.
    pub(super) fn refuse(mut self) {
        self.limit = (MAX_DRAIN_IF_BUSY, DRAIN_TIMEOUT_IF_BUSY);
    }
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = Error;

    /// Returns the next frame of the body, and counts its bytes.
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.count.fetch_add(data.len() as u64, Ordering::Relaxed);
                }
            }
            Some(Err(_)) | None => this.drain = false,
        }
        Poll::Ready(frame)
    }

    /// Delegates to the body.
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Delegates to the body.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for CountedBody {
    /// Starts a task that discards the unread rest, unless the body has ended or failed.
    fn drop(&mut self) {
        if !self.drain || self.body.is_end_stream() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let body = std::mem::take(&mut self.body);
            runtime.spawn(drain(body, Arc::clone(&self.count), self.limit));
        }
    }
}

/// Receives and discards a body, up to a number of bytes and for a maximum time. `count` is the
/// counter of the received bytes.
async fn drain(mut body: Body, count: Arc<AtomicU64>, (bytes, time): (u64, Duration)) {
    let all = async {
        let mut left = bytes;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            count.fetch_add(length, Ordering::Relaxed);
            let Some(rest) = left.checked_sub(length) else { return };
            left = rest;
        }
    };
    // Beyond a limit the rest is dropped, which closes the connection.
    let _ = tokio::time::timeout(time, all).await;
}

/// A response's body. The request is logged when the last byte is passed to the connection.
pub(super) struct LoggedBody {
    body: Body,
    /// Number of remaining bytes, if it is known.
    left: Option<u64>,
    entry: LogEntry,
}

impl LoggedBody {
    /// Wraps a body. `length` is the value of its `Content-Length` header.
    pub(super) fn new(body: Body, length: Option<u64>, entry: LogEntry) -> Self {
        let left = length.or_else(|| body.size_hint().exact());
        let mut logged = Self { body, left, entry };
        logged.finish_at_end();
        logged
    }

    /// Logs the request if the body has ended.
    fn finish_at_end(&mut self) {
        if self.left == Some(0) || self.body.is_end_stream() {
            self.entry.finish();
        }
    }
}

impl HttpBody for LoggedBody {
    type Data = Bytes;
    type Error = Error;

    /// Returns the next frame of the body, and counts its bytes. The request is logged at the end
    /// of the body or at an error.
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                this.entry.sent(length);
                this.left = this.left.map(|left| left.saturating_sub(length));
                this.finish_at_end();
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "a response broke off");
                this.entry.finish();
            }
            None => this.entry.finish(),
        }
        Poll::Ready(frame)
    }

    /// Delegates to the body.
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Delegates to the body.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
