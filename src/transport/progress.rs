//! Whether a request moves on.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::time::{Instant, sleep_until};

/// When a request must have moved on.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<(Instant, Duration)>>, Duration);

impl Progress {
    pub(super) fn new(idle: Duration) -> Self {
        Self(Arc::new(Mutex::new((Instant::now(), idle))), idle)
    }

    fn expect_within(&self, limit: Duration) {
        *self.0.lock().expect("no panic while it is held") = (Instant::now(), limit);
    }

    /// The answer is what comes next.
    pub(super) fn sent_all(&self, first_byte: Duration) {
        self.expect_within(first_byte);
    }

    /// A body of `len` bytes, each piece of which is progress.
    pub(super) fn watch<S>(
        &self,
        body: S,
        len: u64,
        first_byte: Duration,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<S>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Sync,
    {
        let (progress, mut left) = (self.clone(), len);
        body.inspect(move |piece| {
            left = left.saturating_sub(piece.as_ref().map_or(0, |piece| piece.len() as u64));
            match left {
                0 => progress.sent_all(first_byte),
                _ => progress.expect_within(progress.1),
            }
        })
    }

    /// Returns when nothing moved for too long: how long.
    pub(super) async fn stalled(&self) -> Duration {
        loop {
            let (since, limit) = *self.0.lock().expect("no panic while it is held");
            if since.elapsed() >= limit {
                return limit;
            }
            sleep_until(since + limit).await;
        }
    }
}
