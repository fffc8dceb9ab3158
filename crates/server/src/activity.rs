//! The activity of a connection, which decides when it is closed: idle, slow, or in use.

use std::{
    collections::HashMap,
    io::{IoSlice, Result},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Error,
    body::{Body, HttpBody},
    http::Version,
};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::limits::{Allowance, Limits};

/// Maximum time until a retired connection without a request is closed.
const RETIREMENT: Duration = Duration::from_secs(5);

/// The activity of one connection. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: Arc<Limits>,
    state: Mutex<ConnectionState>,
    /// Cancelled: the connection must close as soon as it has no request in progress.
    retired: CancellationToken,
}

#[derive(Debug)]
struct ConnectionState {
    /// Requests in progress by number, with the time that the client may leave their responses unread.
    requests: HashMap<u64, Allowance>,
    /// The number of the next request.
    next: u64,
    /// Since when the connection has no request.
    quiet_since: Instant,
    /// When the first byte of a request's head arrived.
    head_since: Option<Instant>,
    /// Whether the protocol is HTTP/2, where bytes arrive between requests too.
    http2: bool,
    /// Whether no byte has arrived yet.
    fresh: bool,
    /// The time that the client may leave bytes in the socket's buffer.
    write: Allowance,
    retired_at: Option<Instant>,
}

impl Activity {
    /// Creates the state of a new connection, which has no request.
    pub(super) fn new(limits: Arc<Limits>) -> Self {
        let state = ConnectionState {
            requests: HashMap::new(),
            next: 0,
            quiet_since: Instant::now(),
            head_since: None,
            http2: false,
            fresh: true,
            write: Allowance::new(limits.response),
            retired_at: None,
        };
        Self(Arc::new(Shared {
            limits,
            state: Mutex::new(state),
            retired: CancellationToken::new(),
        }))
    }

    /// Locks the state.
    fn state(&self) -> MutexGuard<'_, ConnectionState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns since when the connection has no request. `None`: it has one, or it is retired.
    pub(super) fn quiet_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.requests.is_empty() && state.retired_at.is_none()).then_some(state.quiet_since)
    }

    /// Closes the connection as soon as it has no request in progress.
    pub(super) fn retire(&self) {
        self.state().retired_at.get_or_insert_with(Instant::now);
        self.0.retired.cancel();
    }

    /// Completes when the connection is retired.
    pub(super) async fn retired(&self) {
        self.0.retired.cancelled().await;
    }

    /// Returns whether no byte has arrived yet.
    pub(super) fn is_fresh(&self) -> bool {
        let state = self.state();
        state.fresh && state.requests.is_empty()
    }

    /// Counts a request in progress until the returned guard is dropped. `permit` is its share of the
    /// server's limit, which the guard holds.
    pub(super) fn begin(
        &self,
        version: Version,
        permit: Option<OwnedSemaphorePermit>,
    ) -> InProgress {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.requests.insert(number, Allowance::new(self.0.limits.response));
        state.head_since = None;
        state.http2 |= version >= Version::HTTP_2;
        drop(state);
        InProgress { activity: self.clone(), number, _permit: permit }
    }

    /// Completes when the client has been idle or slow for longer than the connection's limits
    /// allow. Returns the reason.
    pub(super) async fn expired(&self) -> &'static str {
        loop {
            let (next, reason) = self.deadline();
            let now = Instant::now();
            if next <= now {
                return reason;
            }
            // A deadline that is set meanwhile is later than this.
            sleep_until(next.min(now + self.0.limits.shortest())).await;
        }
    }

    /// Returns when the connection is to be closed unless its client makes progress, and the
    /// reason.
    fn deadline(&self) -> (Instant, &'static str) {
        let (limits, state) = (&self.0.limits, self.state());
        let idle = state.requests.is_empty();
        let reads = state.requests.values().filter_map(Allowance::deadline);
        let slow = reads.chain(state.write.deadline()).map(|at| (at, "a response is not read"));
        let head = state.head_since.map(|since| (since + limits.head, "a request's head is slow"));
        let retired = state.retired_at.map(|at| (at + RETIREMENT, "another client waits"));
        let quiet = [Some((state.quiet_since + limits.idle, "it is idle")), head, retired];
        let quiet = quiet.into_iter().flatten().filter(|_| idle);
        let none = (Instant::now() + limits.shortest(), "");
        slow.chain(quiet).min_by_key(|(at, _)| *at).unwrap_or(none)
    }
}

/// A request in progress, from its head until the last byte of its response is passed to the
/// connection.
pub(super) struct InProgress {
    activity: Activity,
    number: u64,
    _permit: Option<OwnedSemaphorePermit>,
}

impl InProgress {
    /// Updates the allowance of the request. Returns the result of `act`; `None` if the request has
    /// ended.
    fn update_allowance<T>(&self, act: impl FnOnce(&mut Allowance) -> T) -> Option<T> {
        self.activity.state().requests.get_mut(&self.number).map(act)
    }
}

impl Drop for InProgress {
    /// Ends the request. The last one begins the connection's idle time.
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.requests.remove(&self.number);
        if state.requests.is_empty() {
            state.quiet_since = Instant::now();
        }
    }
}

/// A response's body that keeps its request in progress until it ends. The time between a frame and
/// the request for the next one counts as the client's.
pub(super) struct TrackedBody {
    body: Body,
    /// Number of bytes in the last frame.
    frame: u64,
    request: InProgress,
}

impl TrackedBody {
    /// Wraps the response's body of a request in progress.
    pub(super) fn new(body: Body, request: InProgress) -> Self {
        Self { body, frame: 0, request }
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = Error;

    /// Returns the next frame of the body. The call shows that the client took the last one, which
    /// is credited to its allowance.
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let last = std::mem::take(&mut this.frame);
        this.request.update_allowance(|allowance| allowance.progress(last));
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            this.frame = frame.data_ref().map_or(0, Bytes::len) as u64;
            this.request.update_allowance(Allowance::wait);
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

/// A stream that records when bytes arrive, and when the client does not read any.
pub(super) struct WatchedStream<S> {
    pub stream: S,
    pub activity: Activity,
}

impl<S> WatchedStream<S> {
    /// Records the result of a write, and returns it: written bytes are credited to the client, and
    /// pending ones let it wait.
    fn record_write(&self, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        let write = &mut self.activity.state().write;
        match &written {
            Poll::Ready(bytes) => write.progress(*bytes.as_ref().unwrap_or(&0) as u64),
            Poll::Pending => write.wait(),
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    /// Reads from the stream. The first byte begins the time limit for a request's head.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            let mut state = this.activity.state();
            state.fresh = false;
            if state.requests.is_empty() && !state.http2 {
                state.head_since.get_or_insert_with(Instant::now);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    /// Writes to the stream, and records the result.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.record_write(written)
    }

    /// Flushes the stream. While it is pending, the client is waited for.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        let write = &mut this.activity.state().write;
        match &flushed {
            Poll::Ready(_) => write.progress(0),
            Poll::Pending => write.wait(),
        }
        flushed
    }

    /// Delegates to the stream.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    /// Writes to the stream, and records the result.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bytes);
        this.record_write(written)
    }

    /// Delegates to the stream.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
