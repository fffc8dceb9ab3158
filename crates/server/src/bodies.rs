//! Bodies that are watched on their way in and out.

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

use super::{
    limits::{Allowance, MinRate},
    request_log::LogEntry,
    responses::text,
};

/// How much of a body that nobody wants is taken in before the connection is given up.
const DRAINED: u64 = 256 << 20;

/// For how long.
const DRAINING: Duration = Duration::from_secs(30);

/// The same for a request that is refused because there are too many.
const DRAINED_IF_BUSY: u64 = 1 << 20;

/// The same for a request that is refused because there are too many.
const DRAINING_IF_BUSY: Duration = Duration::from_secs(2);

/// Marks a response, among its extensions, after which an HTTP/1.1 connection is closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndsConnection;

/// Whether a request's body arrived more slowly than the minimum rate. Among the request's
/// extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct TooSlow(Arc<AtomicBool>);

impl TooSlow {
    /// Returns 408 in place of a response if the body was too slow.
    pub(super) fn instead_of(&self, response: Response) -> Response {
        if !self.0.load(Ordering::Relaxed) {
            return response;
        }
        let message = "The request's body arrived too slowly.";
        let mut response = text(StatusCode::REQUEST_TIMEOUT, message);
        response.extensions_mut().insert(EndsConnection);
        response
    }
}

/// A request's body that fails when the client sends it more slowly than a minimum rate. Only the
/// time in which the body is waited for counts.
pub(super) struct Paced {
    body: Body,
    allowance: Allowance,
    timer: Option<Pin<Box<Sleep>>>,
    too_slow: TooSlow,
}

impl Paced {
    pub(super) fn new(body: Body, rate: MinRate, too_slow: TooSlow) -> Self {
        Self { body, allowance: Allowance::new(rate), timer: None, too_slow }
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = Error;

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
        this.too_slow.0.store(true, Ordering::Relaxed);
        let error = std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            "the request's body arrives more slowly than the minimum rate",
        );
        Poll::Ready(Some(Err(Error::new(error))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request's body: counts what arrives. What nobody read is taken in and thrown away, so that a
/// client that is still sending gets to read the refusal instead of a reset connection.
pub(super) struct Received {
    body: Body,
    count: Arc<AtomicU64>,
    drain: bool,
    limit: (u64, Duration),
}

impl Received {
    pub(super) fn new(body: Body, count: Arc<AtomicU64>, request: &Parts) -> Self {
        // A client that waits for `100 Continue` has not begun to send.
        let drain = !request.headers.contains_key(header::EXPECT);
        Self { body, count, drain, limit: (DRAINED, DRAINING) }
    }

    /// Discards the body of a request that is refused because there are too many. Little is read,
    /// so that the refusal costs little.
    pub(super) fn refuse(mut self) {
        self.limit = (DRAINED_IF_BUSY, DRAINING_IF_BUSY);
    }
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = Error;

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

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Received {
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
    // Too slow or too long: dropping the rest ends the connection.
    let _ = tokio::time::timeout(time, all).await;
}

/// An answer's body: the request is done when its last byte was handed out.
pub(super) struct Sent {
    body: Body,
    /// How many bytes are still to come, where that is known.
    left: Option<u64>,
    entry: LogEntry,
}

impl Sent {
    /// `length`: how long the body will be, where a header says it.
    pub(super) fn new(body: Body, length: Option<u64>, entry: LogEntry) -> Self {
        let left = length.or_else(|| body.size_hint().exact());
        let mut sent = Self { body, left, entry };
        sent.finish_at_end();
        sent
    }

    fn finish_at_end(&mut self) {
        if self.left == Some(0) || self.body.is_end_stream() {
            self.entry.finish();
        }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Error;

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
                tracing::debug!(%error, "an answer broke off");
                this.entry.finish();
            }
            None => this.entry.finish(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
