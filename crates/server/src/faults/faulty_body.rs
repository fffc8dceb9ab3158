//! Response and request bodies with faults: slow, truncated, corrupted, or ended by a reset.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Error,
    body::{Body, HttpBody},
};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::{
    sync::futures::OwnedNotified,
    time::{Instant, Sleep},
};
use tokio_util::sync::CancellationToken;

use super::{decision::BodyPosition, effects::Drip, flush_notify::FlushNotify};

/// Duration of one piece of a body with limited bandwidth.
const TICK: Duration = Duration::from_millis(20);

/// The bandwidth of one direction of a connection. Bodies that share it are sent one piece at a time.
///
/// Holds the time at which the last reserved piece is through.
#[derive(Clone, Debug, Default)]
pub(crate) struct BandwidthCap(Arc<Mutex<Option<Instant>>>);

impl BandwidthCap {
    /// Reserves time for a piece. Returns when the piece is through.
    fn reserve(&self, duration: Duration) -> Instant {
        let mut busy_until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let through = busy_until.map_or(now, |until| until.max(now)) + duration;
        *busy_until = Some(through);
        through
    }
}

/// The speed of a body.
#[derive(Debug)]
enum Speed {
    Unlimited,
    /// Bytes per second, and the direction that carries them.
    Limited(u64, BandwidthCap),
    Drip(Drip),
}

/// The early end of a body.
#[derive(Debug)]
enum EarlyEnd {
    /// With an error.
    Error,
    /// With a reset of the connection.
    Reset(CancellationToken),
}

/// A body with faults.
pub(super) struct FaultyBody {
    body: Body,
    /// The length of the body in bytes, if it is known.
    length: Option<u64>,
    speed: Speed,
    /// Where and how the body ends early.
    end: Option<(BodyPosition, EarlyEnd)>,
    /// The byte to change.
    corrupt: Option<BodyPosition>,
    /// Number of bytes that were yielded.
    yielded: u64,
    /// Bytes that were received from `body` and not yielded yet.
    pending: Bytes,
    /// The delay of the next piece.
    delay: Option<Pin<Box<Sleep>>>,
    /// Reports when the yielded bytes are written, if the connection can.
    flushes: Option<FlushNotify>,
    /// Progress of the flush before an early end.
    flush: FlushState,
}

/// Progress of the flush before an early end.
#[derive(Debug)]
enum FlushState {
    NotStarted,
    Waiting(Pin<Box<OwnedNotified>>),
    Done,
}

impl FaultyBody {
    /// Wraps a body, without faults at first. `length` is the value of its `Content-Length` header.
    pub(super) fn new(body: Body, length: Option<u64>) -> Self {
        let length = length.or_else(|| body.size_hint().exact());
        Self {
            body,
            length,
            speed: Speed::Unlimited,
            end: None,
            corrupt: None,
            yielded: 0,
            pending: Bytes::new(),
            delay: None,
            flushes: None,
            flush: FlushState::NotStarted,
        }
    }

    /// Limits the rate to `rate` bytes per second, shared with the other bodies of `cap`.
    pub(super) fn limit_rate(self, rate: u64, cap: BandwidthCap) -> Self {
        Self { speed: Speed::Limited(rate, cap), ..self }
    }

    /// Yields the body in pieces with pauses.
    pub(super) fn drip(self, drip: Drip) -> Self {
        Self { speed: Speed::Drip(drip), ..self }
    }

    /// Ends the body with an error after this number of bytes. A shorter body is not changed.
    pub(super) fn truncate_at(self, bytes: u64) -> Self {
        Self { end: Some((BodyPosition::Byte(bytes), EarlyEnd::Error)), ..self }
    }

    /// Resets the connection at this position, or at the end of a shorter body.
    pub(super) fn reset_at(self, position: BodyPosition, reset: CancellationToken) -> Self {
        Self { end: Some((position, EarlyEnd::Reset(reset))), ..self }
    }

    /// Delays an early end until the connection has written the bytes before it. The connection must
    /// write nothing else until this body ends.
    pub(super) fn flush_before_end(self, flushes: FlushNotify) -> Self {
        Self { flushes: Some(flushes), ..self }
    }

    /// Changes the lowest bit of the byte at this position. A body that ends before it is not
    /// changed.
    pub(super) fn corrupt_at(self, position: BodyPosition) -> Self {
        Self { corrupt: Some(position), ..self }
    }

    /// Converts a position to the index of a byte, from 0. A share refers to the whole body; if its
    /// length is unknown, to the next `available` bytes.
    fn byte(&self, position: BodyPosition, available: usize) -> u64 {
        match position {
            BodyPosition::Byte(byte) => byte,
            BodyPosition::Part(part) => {
                let (start, length) = match self.length {
                    Some(length) => (0, length),
                    None => (self.yielded, available as u64),
                };
                start + (part * length as f64) as u64
            }
        }
    }

    /// Stores the next bytes of the body as pending, and corrupts them if the position is among them.
    fn set_pending(&mut self, data: Bytes) {
        if let Some(position) = self.corrupt {
            let wrong = self.byte(position, data.len());
            let at = usize::try_from(wrong - self.yielded.min(wrong)).unwrap_or(usize::MAX);
            if wrong >= self.yielded && at < data.len() {
                self.corrupt = None;
                let mut corrupted = data.to_vec();
                // Flips the lowest bit, so that text stays text.
                corrupted[at] ^= 1;
                self.pending = corrupted.into();
                return;
            }
        }
        self.pending = data;
    }

    /// Returns the length of the next piece of the pending bytes, limited by an early end and by the
    /// speed.
    fn next_piece(&mut self) -> usize {
        let mut piece = self.pending.len();
        if let Some((position, _)) = self.end {
            let end = self.byte(position, piece);
            // A share of the available bytes is resolved once: later calls see fewer bytes.
            if let Some((position, _)) = &mut self.end {
                *position = BodyPosition::Byte(end);
            }
            piece = piece.min(usize::try_from(end - self.yielded.min(end)).unwrap_or(usize::MAX));
        }
        let max = match &self.speed {
            Speed::Unlimited => return piece,
            Speed::Limited(rate, _) => (*rate as f64 * TICK.as_secs_f64()) as u64,
            Speed::Drip(drip) => drip.bytes,
        };
        piece.min(usize::try_from(max.max(1)).unwrap_or(usize::MAX))
    }

    /// Returns when a piece of `length` bytes may be yielded; `None`: at once. The time of the
    /// piece is reserved on a bandwidth that several bodies share.
    fn schedule(&self, length: usize) -> Option<Instant> {
        match &self.speed {
            Speed::Unlimited => None,
            Speed::Limited(rate, cap) => {
                Some(cap.reserve(Duration::from_secs_f64(length as f64 / *rate as f64)))
            }
            Speed::Drip(_) if self.yielded == 0 => None,
            Speed::Drip(drip) => Some(Instant::now() + Duration::from_millis(drip.every)),
        }
    }

    /// Ends the body early, after the yielded bytes were written: by an error, or by a reset of the
    /// connection, in which case it stays pending.
    fn poll_early_end(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // When a body fails, hyper discards the bytes that it has not written. It writes when a body
        // is pending.
        loop {
            match &mut self.flush {
                FlushState::NotStarted => match &self.flushes {
                    Some(flushes) => {
                        self.flush = FlushState::Waiting(Box::pin(flushes.next()));
                    }
                    None => {
                        self.flush = FlushState::Done;
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                },
                FlushState::Waiting(flushed) => {
                    ready!(flushed.as_mut().poll(cx));
                    self.flush = FlushState::Done;
                }
                FlushState::Done => break,
            }
        }
        match &self.end {
            Some((_, EarlyEnd::Reset(reset))) => {
                reset.cancel();
                // The connection's task drops this body when it sees the reset.
                Poll::Pending
            }
            _ => {
                let error = std::io::Error::other("a fault rule truncates the body");
                Poll::Ready(Some(Err(Error::new(error))))
            }
        }
    }

    /// Returns whether the position of an early end is reached.
    fn is_at_early_end(&self) -> bool {
        matches!(self.end, Some((BodyPosition::Byte(end), _)) if end <= self.yielded)
    }
}

impl HttpBody for FaultyBody {
    type Data = Bytes;
    type Error = Error;

    /// Returns the next piece of the body, when the rule's speed allows it, or its early end.
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        loop {
            if this.is_at_early_end() {
                return this.poll_early_end(cx);
            }
            if this.pending.is_empty() {
                match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => this.set_pending(data),
                        Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                    },
                    None if matches!(this.end, Some((_, EarlyEnd::Reset(_)))) => {
                        return this.poll_early_end(cx);
                    }
                    end => return Poll::Ready(end),
                }
                if this.pending.is_empty() {
                    continue;
                }
            }
            let piece = this.next_piece();
            if piece == 0 {
                continue;
            }
            match &mut this.delay {
                Some(delay) => ready!(delay.as_mut().poll(cx)),
                None => {
                    if let Some(at) = this.schedule(piece) {
                        this.delay = Some(Box::pin(tokio::time::sleep_until(at)));
                        continue;
                    }
                }
            }
            this.delay = None;
            this.yielded += piece as u64;
            return Poll::Ready(Some(Ok(Frame::data(this.pending.split_to(piece)))));
        }
    }

    /// Returns whether all bytes were yielded. A body with an early end ends by an error only.
    fn is_end_stream(&self) -> bool {
        self.end.is_none() && self.pending.is_empty() && self.body.is_end_stream()
    }

    /// Returns the exact number of remaining bytes if it is known and no early end is set.
    fn size_hint(&self) -> SizeHint {
        match (&self.end, self.body.size_hint().exact()) {
            (None, Some(rest)) => SizeHint::with_exact(self.pending.len() as u64 + rest),
            _ => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::response::Response;
    use http_body_util::BodyExt;
    use hyper::{server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::faults::FlushReporting;

    fn body(pieces: &[&'static str]) -> Body {
        let pieces: Vec<_> = pieces.iter().map(|text| Ok::<_, Error>(Bytes::from(*text))).collect();
        Body::from_stream(futures::stream::iter(pieces))
    }

    /// Returns the text of a body, and whether it ends without an error.
    async fn all(mut body: FaultyBody) -> (String, bool) {
        let mut text = String::new();
        loop {
            match body.frame().await {
                Some(Ok(frame)) => {
                    let data = frame.into_data().expect("no trailers");
                    text.push_str(std::str::from_utf8(&data).expect("text"));
                }
                end => return (text, end.is_none()),
            }
        }
    }

    #[tokio::test]
    async fn a_body_is_truncated_unless_it_is_shorter() {
        // At the end of the body, an error is reported as well.
        for (end, text) in [(0, ""), (4, "abcd"), (5, "abcde")] {
            let faulty = FaultyBody::new(body(&["abc", "de"]), None).truncate_at(end);
            assert_eq!(all(faulty).await, (text.to_owned(), false));
        }
        let longer = FaultyBody::new(body(&["abc", "de"]), None).truncate_at(6);
        assert_eq!(all(longer).await, ("abcde".into(), true));
    }

    #[tokio::test]
    async fn one_byte_is_changed_at_any_position() {
        for (position, length, text) in [
            (BodyPosition::Byte(4), None, "abcdd"),
            (BodyPosition::Part(0.99), Some(5), "abcdd"),
            (BodyPosition::Part(0.0), Some(5), "`bcde"),
            (BodyPosition::Part(0.99), None, "abbde"),
        ] {
            let faulty = FaultyBody::new(body(&["abc", "de"]), length).corrupt_at(position);
            assert_eq!(all(faulty).await, (text.to_owned(), true));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_bodies_take_the_configured_time_and_share_the_bandwidth() {
        let cap = BandwidthCap::default();
        let began = Instant::now();
        let rated = || FaultyBody::new(body(&["abcdefghij", "klmnopqrst"]), None);
        let both = tokio::join!(
            all(rated().limit_rate(10, cap.clone())),
            all(rated().limit_rate(10, cap.clone())),
        );
        assert_eq!(both.0, ("abcdefghijklmnopqrst".into(), true));
        let took = began.elapsed().as_secs_f64();
        assert!((3.99..4.2).contains(&took), "{took}");
        let began = Instant::now();
        let drip = Drip { bytes: 3, every: 100 };
        assert_eq!(all(rated().drip(drip)).await.0.len(), 20);
        // 3, 3, 3 and 1 bytes, for each of the two frames.
        let took = began.elapsed().as_millis();
        assert!((700..750).contains(&took), "{took}");
    }

    #[tokio::test]
    async fn a_reset_happens_at_its_position_or_at_the_end() {
        for (position, seen) in
            [(BodyPosition::Byte(2), 2), (BodyPosition::Byte(99), 5), (BodyPosition::Part(0.5), 1)]
        {
            let reset = CancellationToken::new();
            let mut faulty =
                FaultyBody::new(body(&["abc", "de"]), None).reset_at(position, reset.clone());
            let mut bytes = 0;
            tokio::select! {
                () = async {
                    while let Some(Ok(frame)) = faulty.frame().await {
                        bytes += frame.into_data().expect("no trailers").len();
                    }
                } => panic!("it ended"),
                () = reset.cancelled() => {}
            }
            assert_eq!(bytes, seen, "{position:?}");
        }
    }

    /// Paused time advances only when all tasks wait: the server has written all that it can before
    /// the client reads.
    #[tokio::test(start_paused = true)]
    async fn bytes_before_an_early_end_are_written_before_it() {
        const FILE: &[u8] = &[7; 200_000];
        for (kept, cut) in [(1_000, 150_000), (100_000, 99_000), (64_000, 64_000)] {
            let (mut client, stream) = tokio::io::duplex(kept);
            let flushes = FlushNotify::default();
            let stream = FlushReporting { stream, flushes: flushes.clone() };
            let service = service_fn(move |_| {
                let body =
                    FaultyBody::new(Body::from(FILE), None).flush_before_end(flushes.clone());
                std::future::ready(Ok::<_, Infallible>(Response::new(body.truncate_at(cut))))
            });
            let server = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let server = tokio::spawn(server);
            client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.expect("sent");
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut response = Vec::new();
            client.read_to_end(&mut response).await.expect("a response");
            assert_eq!(response.iter().filter(|byte| **byte == 7).count() as u64, cut);
            assert!(server.await.expect("no panic").is_err());
        }
    }
}
