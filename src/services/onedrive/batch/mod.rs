//! Gathers concurrent requests into `POST /$batch`, at most 20 in one (onedrive-graph#batch).
//!
//! A batch saves round trips. It works below the layers: each request has its own retries, its own
//! share of the rate limit and its own error, as if it had been sent alone.
//!
//! * A request that has no company is sent alone and at once.
//! * While requests are concurrent, each waits for others: until [`MAX_REQUESTS`] wait, or the
//!   first of them has waited for [`MAX_WAIT`] or half a round trip, whichever is shorter.
//! * An endpoint that refuses batches, such as a gateway, gets the requests one by one. So does one
//!   whose responses to batches cannot be read.

#[cfg(test)]
mod tests;
mod wire;

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::future::join_all;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, response};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransporter, Result};
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, timeout},
};

use crate::transport::{Gather, RequestGatherer, ResponseLimit};

/// Maximum number of requests in a batch (onedrive-graph#batch-limits).
pub(super) const MAX_REQUESTS: usize = 20;

/// Maximum size in bytes of a request's body in a batch, so that a whole batch is far below the 4 MB
/// of onedrive-graph#batch-payload-limit.
const MAX_BODY: usize = 64 << 10;

/// Maximum time that a request waits for others.
const MAX_WAIT: Duration = Duration::from_millis(10);

/// Below this time, tasks that are ready run instead of a timer, which is no more exact.
const TIMER_RESOLUTION: Duration = Duration::from_millis(1);

/// Number of times that ready tasks run before a batch is sent without a timer.
const YIELDS: usize = 8;

/// Maximum number of batches and single requests at a time. More than 16 requests at a time get a
/// client blocked (onedrive-graph#concurrency-limit).
const MAX_CONCURRENCY: usize = 16;

/// Time after which an endpoint that refused a batch gets a batch again.
const REFUSAL_LASTS: Duration = Duration::from_secs(600);

/// Limit of a batch's response: twenty pages of a listing are about 20 MiB.
const RESPONSE_LIMIT: ResponseLimit = ResponseLimit::new(64 << 20, 180);

/// Gathers the requests of one drive. Clones share their state.
#[derive(Clone)]
pub(super) struct BatchGatherer(Arc<Inner>);

/// The parts that clones share.
struct Inner {
    /// Base URL without trailing slash, such as `https://graph.microsoft.com/v1.0`.
    endpoint: Arc<str>,
    /// Headers of the user's configuration, for the batches themselves.
    headers: Arc<HeaderMap>,
    state: Mutex<State>,
    /// A permit for each batch, and for each request that is sent alone.
    slots: Semaphore,
}

/// The requests that wait, and what is known about the traffic.
#[derive(Default)]
struct State {
    waiting: Vec<WaitingRequest>,
    /// Number of the batch that [`waiting`](Self::waiting) will be. A timer flushes only its own.
    number: u64,
    /// Number of requests without a response.
    in_flight: usize,
    /// Whether the last requests had company.
    is_busy: bool,
    /// Time of the last response's first byte after its request; `None` before the first response.
    round_trip: Option<Duration>,
    /// No batches are sent until then.
    refused_until: Option<Instant>,
}

/// A request that waits for its batch.
struct WaitingRequest {
    request: Request<Buffer>,
    transport: HttpTransporter,
    reply: oneshot::Sender<Result<Response<HttpBody>>>,
}

/// How a request is sent.
enum Admission {
    /// At once and alone.
    Alone(Box<Request<Buffer>>),
    /// In a batch, whose response this receives.
    Waits(oneshot::Receiver<Result<Response<HttpBody>>>),
}

impl BatchGatherer {
    /// Returns a gatherer for the API at `endpoint`, a URL without trailing slash. Batches have these
    /// additional headers.
    pub(super) fn new(endpoint: Arc<str>, headers: Arc<HeaderMap>) -> Self {
        let (state, slots) = (Mutex::default(), Semaphore::new(MAX_CONCURRENCY));
        Self(Arc::new(Inner { endpoint, headers, state, slots }))
    }

    /// Returns the extension of requests that may be gathered.
    pub(super) fn extension(&self) -> Gather {
        Gather::new(Arc::new(self.clone()))
    }

    /// Locks the state. A poisoned lock is used as it is.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a request can be part of a batch: it is for the endpoint, and its body is
    /// empty or JSON.
    fn can_gather(&self, request: &Request<Buffer>) -> bool {
        let json = HeaderValue::from_static("application/json");
        let has_json = request.headers().get(header::CONTENT_TYPE) == Some(&json);
        wire::relative_url(&self.0.endpoint, request.uri()).is_some()
            && (request.body().is_empty() || (has_json && request.body().len() <= MAX_BODY))
    }

    /// Decides how a request is sent, and starts the timer of a new batch.
    fn admit(&self, request: Request<Buffer>, transport: &HttpTransporter) -> Admission {
        let can_gather = self.can_gather(&request);
        let mut state = self.state();
        // Callers that were cancelled, maybe with their runtime and the timer of their batch.
        state.waiting.retain(|waiting| !waiting.reply.is_closed());
        let has_company = state.in_flight > 0 || !state.waiting.is_empty();
        state.in_flight += 1;
        let is_refused = state.refused_until.is_some_and(|until| Instant::now() < until);
        if is_refused || !can_gather || !(has_company || state.is_busy) {
            return Admission::Alone(Box::new(request));
        }
        state.is_busy = true;
        let (reply, receiver) = oneshot::channel();
        let first = state.waiting.first().map(|first| &first.request);
        if first.is_some_and(|first| !wire::share_a_batch(first, &request)) {
            self.flush(&mut state);
        }
        state.waiting.push(WaitingRequest { request, transport: transport.clone(), reply });
        match state.waiting.len() {
            MAX_REQUESTS => self.flush(&mut state),
            1 => self.start_timer(&state),
            _ => {}
        }
        Admission::Waits(receiver)
    }

    /// Flushes the batch that begins now after its time to wait.
    fn start_timer(&self, state: &State) {
        let (gatherer, number) = (self.clone(), state.number);
        let wait = state.round_trip.map_or(MAX_WAIT, |trip| MAX_WAIT.min(trip / 2));
        let batch = OpenBatch { gatherer, number };
        tokio::spawn(async move {
            if wait >= TIMER_RESOLUTION {
                tokio::time::sleep(wait).await;
            } else {
                for _ in 0..YIELDS {
                    tokio::task::yield_now().await;
                }
            }
            batch.flush();
        });
    }

    /// Sends the waiting requests in a new task: their callers may be cancelled one by one.
    fn flush(&self, state: &mut State) {
        state.number += 1;
        let mut waiting = mem::take(&mut state.waiting);
        waiting.retain(|waiting| !waiting.reply.is_closed());
        let gatherer = self.clone();
        tokio::spawn(async move {
            match waiting.len() {
                0 => {}
                1 => gatherer.send_each(waiting).await,
                _ => gatherer.send_batch(waiting).await,
            }
        });
    }

    /// Sends requests one by one, several at a time.
    async fn send_each(&self, waiting: Vec<WaitingRequest>) {
        join_all(waiting.into_iter().map(
            |WaitingRequest { request, transport, reply }| async move {
                // A cancelled caller does not receive it.
                let _ = reply.send(self.send_alone(request, &transport).await);
            },
        ))
        .await;
    }

    /// Sends a request alone.
    ///
    /// # Errors
    /// Those of `transport`.
    async fn send_alone(
        &self,
        request: Request<Buffer>,
        transport: &HttpTransporter,
    ) -> Result<Response<HttpBody>> {
        let _slot = self.0.slots.acquire().await;
        let sent = Instant::now();
        let response = transport.fetch(request).await;
        self.state().round_trip = Some(sent.elapsed());
        response
    }

    /// Sends requests in one batch, and each of them alone if the endpoint refuses the batch.
    async fn send_batch(&self, waiting: Vec<WaitingRequest>) {
        let (parts, body) = match self.fetch_batch(&waiting).await {
            Ok(response) => response,
            Err(error) => {
                let error = Arc::new(error);
                for one in waiting {
                    let _ = one.reply.send(Err(wire::copy_of(&error)));
                }
                return;
            }
        };
        match (parts.status, body) {
            (status, _) if is_refusal(status) => {
                self.state().refused_until = Some(Instant::now() + REFUSAL_LASTS);
                self.send_each(waiting).await;
            }
            // A gateway may refuse only batches this way. A rejected token is rejected again.
            (StatusCode::UNAUTHORIZED, _) => self.send_each(waiting).await,
            // The account's limit, or a failure of the cloud: it concerns each of the requests.
            (status, Some(body)) if status.is_client_error() || status.is_server_error() => {
                for one in waiting {
                    let _ = one.reply.send(Ok(wire::whole_response(&parts, &body)));
                }
            }
            (status, body) => {
                let body = body.filter(|_| status == StatusCode::OK);
                self.distribute(wire::decode(body.as_ref(), waiting.len()), waiting).await;
            }
        }
    }

    /// Gives each request its response. If one is missing, batches are not used for a while. A `GET`
    /// without a response is sent alone; other requests may have had an effect.
    async fn distribute(&self, mut responses: wire::BatchResponses, waiting: Vec<WaitingRequest>) {
        let mut unanswered = Vec::new();
        for (at, one) in waiting.into_iter().enumerate() {
            match responses.take(at) {
                Err(_) if one.request.method() == Method::GET => unanswered.push(one),
                response => {
                    let _ = one.reply.send(response);
                }
            }
        }
        if responses.lacks_some() {
            self.state().refused_until = Some(Instant::now() + REFUSAL_LASTS);
        }
        self.send_each(unanswered).await;
    }

    /// Sends a batch and reads its response. Its body is `None` if it is larger than
    /// [`RESPONSE_LIMIT`].
    ///
    /// # Errors
    /// Those of the transport; `Unexpected` if the response is too slow.
    async fn fetch_batch(
        &self,
        waiting: &[WaitingRequest],
    ) -> Result<(response::Parts, Option<Buffer>)> {
        let requests = waiting.iter().map(|waiting| &waiting.request);
        let batch = wire::encode(&self.0.endpoint, &self.0.headers, requests)?;
        let transport = &waiting[0].transport;
        let _slot = self.0.slots.acquire().await;
        let sent = Instant::now();
        let response = transport.fetch(batch).await?;
        self.state().round_trip = Some(sent.elapsed());
        let (parts, body) = response.into_parts();
        let body =
            timeout(RESPONSE_LIMIT.time, read_within_limit(body)).await.map_err(|_| {
                let text = "cannot read the response of a batch: it takes too long";
                Error::new(ErrorKind::Unexpected, text).set_temporary()
            })??;
        Ok((parts, body))
    }
}

/// The batch whose timer runs. If the timer ends with its runtime, the requests are dropped: their
/// callers receive an error, and later requests begin a batch with a timer of their own.
struct OpenBatch {
    gatherer: BatchGatherer,
    /// The number of the batch.
    number: u64,
}

impl OpenBatch {
    /// Sends the batch, unless it was sent because it was full.
    fn flush(&self) {
        let mut state = self.gatherer.state();
        if state.number == self.number {
            state.is_busy = state.waiting.len() > 1;
            self.gatherer.flush(&mut state);
        }
    }
}

impl Drop for OpenBatch {
    fn drop(&mut self) {
        let mut state = self.gatherer.state();
        if state.number == self.number {
            state.number += 1;
            state.waiting.clear();
        }
    }
}

#[async_trait]
impl RequestGatherer for BatchGatherer {
    /// Sends a request alone or in a batch, and returns its response.
    ///
    /// # Errors
    /// Those of `transport`. `Unexpected` and temporary if a batch was sent and its response does
    /// not contain that of the request: the request may have had an effect.
    async fn send(
        &self,
        request: Request<Buffer>,
        transport: HttpTransporter,
    ) -> Result<Response<HttpBody>> {
        let admission = self.admit(request, &transport);
        let _in_flight = InFlight(self);
        match admission {
            Admission::Alone(request) => self.send_alone(*request, &transport).await,
            Admission::Waits(receiver) => receiver.await.unwrap_or_else(|_| {
                let text = "cannot send the request: its batch was dropped with the runtime";
                Err(Error::new(ErrorKind::Unexpected, text))
            }),
        }
    }
}

/// Counts a request as in flight until it is dropped.
struct InFlight<'g>(&'g BatchGatherer);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}

impl fmt::Debug for BatchGatherer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchGatherer").finish_non_exhaustive()
    }
}

/// Returns whether the status of a batch's response means that the endpoint does not take batches,
/// or not this one. Nothing of it was executed (onedrive-graph#batch-limits).
fn is_refusal(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 403..=406 | 410 | 411 | 413..=415 | 501)
}

/// Reads a body of at most [`RESPONSE_LIMIT`] bytes. Returns `None` if it is larger.
///
/// # Errors
/// Those of the body.
async fn read_within_limit(mut body: HttpBody) -> Result<Option<Buffer>> {
    let (mut pieces, mut len) = (Vec::new(), 0);
    loop {
        let piece = opendal::raw::oio::ReadStream::read(&mut body).await?;
        if piece.is_empty() {
            return Ok(Some(pieces.into_iter().flatten().collect()));
        }
        len += piece.len() as u64;
        if len > RESPONSE_LIMIT.bytes {
            return Ok(None);
        }
        pieces.push(piece);
    }
}
