//! Bodies that fault rules have a hand in: slow, cut, wrong.

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

/// How long a piece of a slow body takes.
const TICK: Duration = Duration::from_millis(20);

/// One way of a connection, which carries one piece of a slow body after another.
#[derive(Clone, Debug, Default)]
pub(crate) struct BandwidthCap(Arc<Mutex<Option<Instant>>>);

impl BandwidthCap {
    /// When a piece that takes so long is through.
    fn book(&self, takes: Duration) -> Instant {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let through = free.map_or(now, |free| free.max(now)) + takes;
        *free = Some(through);
        through
    }
}

/// How fast a body moves.
#[derive(Debug)]
enum Pace {
    Free,
    /// Bytes a second of a lane.
    Rate(u64, BandwidthCap),
    Drops(Drip),
}

/// How a body ends before its time.
#[derive(Debug)]
enum Cut {
    /// With an error.
    Broken,
    /// With the connection.
    Reset(CancellationToken),
}

/// A body, and what is done to it.
pub(super) struct FaultyBody {
    body: Body,
    /// How long it is, where that is known.
    length: Option<u64>,
    pace: Pace,
    cut: Option<(BodyPosition, Cut)>,
    spoil: Option<BodyPosition>,
    /// Bytes that were handed on.
    seen: u64,
    /// Bytes that wait to be.
    held: Bytes,
    /// Until when the next piece waits.
    wait: Option<Pin<Box<Sleep>>>,
    /// When what was handed on has been written, where the connection tells that.
    written: Option<FlushNotify>,
    /// What the cut waits for.
    before_cut: BeforeCut,
}

/// What a body that is cut still waits for.
#[derive(Debug)]
enum BeforeCut {
    /// Nothing yet.
    Unseen,
    /// Until what came before is written.
    Writing(Pin<Box<OwnedNotified>>),
    /// For nothing more.
    Written,
}

impl FaultyBody {
    /// A body to which nothing is done yet; `length`: how long it is, where a header says so.
    pub(super) fn new(body: Body, length: Option<u64>) -> Self {
        let length = length.or_else(|| body.size_hint().exact());
        Self {
            body,
            length,
            pace: Pace::Free,
            cut: None,
            spoil: None,
            seen: 0,
            held: Bytes::new(),
            wait: None,
            written: None,
            before_cut: BeforeCut::Unseen,
        }
    }

    /// As fast as a lane carries so many bytes a second.
    pub(super) fn at_rate(self, rate: u64, cap: BandwidthCap) -> Self {
        Self { pace: Pace::Rate(rate, cap), ..self }
    }

    /// In drops.
    pub(super) fn in_drops(self, drip: Drip) -> Self {
        Self { pace: Pace::Drops(drip), ..self }
    }

    /// Breaks off after so many bytes.
    pub(super) fn broken_after(self, bytes: u64) -> Self {
        Self { cut: Some((BodyPosition::Byte(bytes), Cut::Broken)), ..self }
    }

    /// Resets the connection there, at the end at the latest.
    pub(super) fn reset_at(self, position: BodyPosition, reset: CancellationToken) -> Self {
        Self { cut: Some((position, Cut::Reset(reset))), ..self }
    }

    /// Cut only when the connection has written what came before; one that writes nothing but this
    /// body until it ends.
    pub(super) fn written(self, flushes: FlushNotify) -> Self {
        Self { written: Some(flushes), ..self }
    }

    /// With another byte there.
    pub(super) fn spoilt_at(self, position: BodyPosition) -> Self {
        Self { spoil: Some(position), ..self }
    }

    /// Which byte a place is, when so many bytes lie ahead; a part is that of the whole body, or,
    /// where nobody knows how long that is, of what lies ahead.
    fn byte(&self, position: BodyPosition, ahead: usize) -> u64 {
        match position {
            BodyPosition::Byte(byte) => byte,
            BodyPosition::Part(part) => {
                let (from, of) = match self.length {
                    Some(length) => (0, length),
                    None => (self.seen, ahead as u64),
                };
                from + (part * of as f64) as u64
            }
        }
    }

    /// Takes in what comes next, and spoils it if its time has come.
    fn take_in(&mut self, data: Bytes) {
        if let Some(position) = self.spoil {
            let wrong = self.byte(position, data.len());
            let at = usize::try_from(wrong - self.seen.min(wrong)).unwrap_or(usize::MAX);
            if wrong >= self.seen && at < data.len() {
                self.spoil = None;
                let mut spoilt = data.to_vec();
                // Another letter, digit or sign, so that text stays text.
                spoilt[at] ^= 1;
                self.held = spoilt.into();
                return;
            }
        }
        self.held = data;
    }

    /// How much of what is held goes now: up to the cut, a piece at a time.
    fn next_piece(&mut self) -> usize {
        let mut piece = self.held.len();
        if let Some((position, _)) = self.cut {
            let cut = self.byte(position, piece);
            // From here on it is known.
            if let Some((position, _)) = &mut self.cut {
                *position = BodyPosition::Byte(cut);
            }
            piece = piece.min(usize::try_from(cut - self.seen.min(cut)).unwrap_or(usize::MAX));
        }
        let most = match &self.pace {
            Pace::Free => return piece,
            Pace::Rate(rate, _) => (*rate as f64 * TICK.as_secs_f64()) as u64,
            Pace::Drops(drip) => drip.bytes,
        };
        piece.min(usize::try_from(most.max(1)).unwrap_or(usize::MAX))
    }

    /// When a piece of that length goes; at once, unless the body is slow.
    fn book(&self, length: usize) -> Option<Instant> {
        match &self.pace {
            Pace::Free => None,
            Pace::Rate(rate, cap) => {
                Some(cap.book(Duration::from_secs_f64(length as f64 / *rate as f64)))
            }
            Pace::Drops(_) if self.seen == 0 => None,
            Pace::Drops(drip) => Some(Instant::now() + Duration::from_millis(drip.every)),
        }
    }

    /// The end before its time; what was handed on before is sent first.
    fn cut_off(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // The connection throws away what it has not written when a body fails, and writes when a
        // body has nothing for it.
        loop {
            match &mut self.before_cut {
                BeforeCut::Unseen => match &self.written {
                    Some(flushes) => {
                        self.before_cut = BeforeCut::Writing(Box::pin(flushes.next()));
                    }
                    None => {
                        self.before_cut = BeforeCut::Written;
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                },
                BeforeCut::Writing(written) => {
                    ready!(written.as_mut().poll(cx));
                    self.before_cut = BeforeCut::Written;
                }
                BeforeCut::Written => break,
            }
        }
        match &self.cut {
            Some((_, Cut::Reset(reset))) => {
                reset.cancel();
                // The connection's task drops this body together with the connection.
                Poll::Pending
            }
            _ => {
                let broken = std::io::Error::other("broken off by a fault rule");
                Poll::Ready(Some(Err(Error::new(broken))))
            }
        }
    }

    fn is_cut_here(&self) -> bool {
        matches!(self.cut, Some((BodyPosition::Byte(cut), _)) if cut <= self.seen)
    }
}

impl HttpBody for FaultyBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        loop {
            if this.is_cut_here() {
                return this.cut_off(cx);
            }
            if this.held.is_empty() {
                match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => this.take_in(data),
                        Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                    },
                    None if matches!(this.cut, Some((_, Cut::Reset(_)))) => {
                        return this.cut_off(cx);
                    }
                    end => return Poll::Ready(end),
                }
                if this.held.is_empty() {
                    continue;
                }
            }
            let piece = this.next_piece();
            if piece == 0 {
                continue;
            }
            match &mut this.wait {
                Some(wait) => ready!(wait.as_mut().poll(cx)),
                None => {
                    if let Some(at) = this.book(piece) {
                        this.wait = Some(Box::pin(tokio::time::sleep_until(at)));
                        continue;
                    }
                }
            }
            this.wait = None;
            this.seen += piece as u64;
            return Poll::Ready(Some(Ok(Frame::data(this.held.split_to(piece)))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.cut.is_none() && self.held.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.cut, self.body.size_hint().exact()) {
            (None, Some(rest)) => SizeHint::with_exact(self.held.len() as u64 + rest),
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

    /// What comes, and whether it ends well.
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
    async fn a_body_breaks_off_after_so_many_bytes_or_is_shorter() {
        // Whether more would come is not asked at the cut.
        for (cut, seen) in [(0, ""), (4, "abcd"), (5, "abcde")] {
            let faulty = FaultyBody::new(body(&["abc", "de"]), None).broken_after(cut);
            assert_eq!(all(faulty).await, (seen.to_owned(), false));
        }
        let longer = FaultyBody::new(body(&["abc", "de"]), None).broken_after(6);
        assert_eq!(all(longer).await, ("abcde".into(), true));
    }

    #[tokio::test]
    async fn one_byte_is_another_wherever_it_is() {
        for (position, length, text) in [
            (BodyPosition::Byte(4), None, "abcdd"),
            (BodyPosition::Part(0.99), Some(5), "abcdd"),
            (BodyPosition::Part(0.0), Some(5), "`bcde"),
            (BodyPosition::Part(0.99), None, "abbde"),
        ] {
            let faulty = FaultyBody::new(body(&["abc", "de"]), length).spoilt_at(position);
            assert_eq!(all(faulty).await, (text.to_owned(), true));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_bodies_take_the_time_that_was_told_and_share_their_lane() {
        let cap = BandwidthCap::default();
        let began = Instant::now();
        let rated = || FaultyBody::new(body(&["abcdefghij", "klmnopqrst"]), None);
        let both = tokio::join!(
            all(rated().at_rate(10, cap.clone())),
            all(rated().at_rate(10, cap.clone())),
        );
        assert_eq!(both.0, ("abcdefghijklmnopqrst".into(), true));
        let took = began.elapsed().as_secs_f64();
        assert!((3.99..4.2).contains(&took), "{took}");
        let began = Instant::now();
        let drops = Drip { bytes: 3, every: 100 };
        assert_eq!(all(rated().in_drops(drops)).await.0.len(), 20);
        // 3, 3, 3, 1 and again.
        let took = began.elapsed().as_millis();
        assert!((700..750).contains(&took), "{took}");
    }

    #[tokio::test]
    async fn a_reset_comes_where_it_was_told_and_at_the_end_at_the_latest() {
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

    /// Time passes only when nothing else can be done: the server has done all that it can before
    /// the client reads.
    #[tokio::test(start_paused = true)]
    async fn what_came_before_a_cut_is_written_however_late_it_is_read() {
        const FILE: &[u8] = &[7; 200_000];
        for (kept, cut) in [(1_000, 150_000), (100_000, 99_000), (64_000, 64_000)] {
            let (mut client, stream) = tokio::io::duplex(kept);
            let flushes = FlushNotify::default();
            let stream = FlushReporting { stream, flushes: flushes.clone() };
            let service = service_fn(move |_| {
                let body = FaultyBody::new(Body::from(FILE), None).written(flushes.clone());
                std::future::ready(Ok::<_, Infallible>(Response::new(body.broken_after(cut))))
            });
            let server = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let server = tokio::spawn(server);
            client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.expect("sent");
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.expect("an answer");
            assert_eq!(answer.iter().filter(|byte| **byte == 7).count() as u64, cut);
            assert!(server.await.expect("no panic").is_err());
        }
    }
}
