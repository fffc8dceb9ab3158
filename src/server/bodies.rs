//! Bodies that are watched on their way in and out.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Error,
    body::{Body, HttpBody},
    http::{header, request::Parts},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

use super::observe::Entry;

/// How much of a body that nobody wants is taken in before the connection is given up.
const DRAINED: u64 = 256 << 20;

/// For how long.
const DRAINING: Duration = Duration::from_secs(30);

/// A request's body: counts what arrives. What nobody read is taken in and thrown away, so that a
/// client that is still sending gets to read the refusal instead of a reset connection.
pub(super) struct Received {
    body: Body,
    count: Arc<AtomicU64>,
    drain: bool,
}

impl Received {
    pub(super) fn new(body: Body, count: Arc<AtomicU64>, request: &Parts) -> Self {
        // A client that waits for `100 Continue` has not begun to send.
        let drain = !request.headers.contains_key(header::EXPECT);
        Self { body, count, drain }
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
            runtime.spawn(drain(std::mem::take(&mut self.body), Arc::clone(&self.count)));
        }
    }
}

async fn drain(mut body: Body, count: Arc<AtomicU64>) {
    let all = async {
        let mut left = DRAINED;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            count.fetch_add(length, Ordering::Relaxed);
            let Some(rest) = left.checked_sub(length) else { return };
            left = rest;
        }
    };
    // Too slow or too long: dropping the rest ends the connection.
    let _ = tokio::time::timeout(DRAINING, all).await;
}

/// An answer's body: the request is done when its last byte was handed out.
pub(super) struct Sent {
    body: Body,
    /// How many bytes are still to come, where that is known.
    left: Option<u64>,
    entry: Entry,
}

impl Sent {
    /// `length`: how long the body will be, where a header says it.
    pub(super) fn new(body: Body, length: Option<u64>, entry: Entry) -> Self {
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
