//! Detects requests that make no progress.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::time::{Instant, sleep_until};

/// Measures the time since the last progress of a request. Clones share their state.
#[derive(Clone)]
pub(super) struct StallTimer {
    /// Time of the last progress, and the time until the next one must happen.
    last: Arc<Mutex<(Instant, Duration)>>,
    /// Longest time between two pieces of the request's body.
    idle: Duration,
}

impl StallTimer {
    /// Starts a timer. The first piece of the body must be sent within `idle`.
    pub(super) fn new(idle: Duration) -> Self {
        Self { last: Arc::new(Mutex::new((Instant::now(), idle))), idle }
    }

    /// Records progress. The next one must happen within `limit`.
    fn restart(&self, limit: Duration) {
        *self.last.lock().expect("no code panics with this lock") = (Instant::now(), limit);
    }

    /// Records that the whole body was sent. The response must begin within `first_byte`.
    pub(super) fn body_sent(&self, first_byte: Duration) {
        self.restart(first_byte);
    }

    /// Returns `body`, which has `len` bytes, as a stream that restarts the timer with each piece.
    /// After the last one, the response must begin within `first_byte`.
    ///
    /// # Errors
    /// The stream has those of `body`.
    pub(super) fn track<S>(
        &self,
        body: S,
        len: u64,
        first_byte: Duration,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<S>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Sync,
    {
        let (timer, mut left) = (self.clone(), len);
        body.inspect(move |piece| {
            left = left.saturating_sub(piece.as_ref().map_or(0, |piece| piece.len() as u64));
            match left {
                0 => timer.body_sent(first_byte),
                _ => timer.restart(timer.idle),
            }
        })
    }

    /// Completes when the request has made no progress within its timeout. Returns that time.
    pub(super) async fn stalled(&self) -> Duration {
        loop {
            let (since, limit) = *self.last.lock().expect("no code panics with this lock");
            if since.elapsed() >= limit {
                return limit;
            }
            sleep_until(since + limit).await;
        }
    }
}
