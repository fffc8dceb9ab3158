//! What happens to every request, whatever its protocol: it is counted, logged, delayed, struck by
//! fault rules, and handed to its front end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::{StatusCode, header, request::Parts},
    response::Response,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    accept::busy,
    account::Refusal,
    app::{App, Exchange, front_end, text},
    bodies::{Received, Sent, TooSlow},
    control::{RequestRecord, Strike, When, within_budget},
    faulty::Lane,
    flushes::Flushes,
    limits::Overloaded,
    origin::Origin,
    secret_urls,
};

/// The connection that a request came by.
#[derive(Clone, Debug, Default)]
pub(super) struct Link {
    /// Cancelled: the connection is to be reset, without another byte.
    pub reset: CancellationToken,
    /// What the client sends.
    pub up: Lane,
    /// What the server sends.
    pub down: Lane,
    /// When all of it has been written, where the connection tells that of one answer.
    pub flushes: Option<Flushes>,
}

/// What a request is called that is no protocol's.
const ELSEWHERE: &str = "elsewhere";

/// Answers a request.
pub(super) async fn exchange(
    app: &Arc<App>,
    link: &Link,
    origin: Origin,
    request: Request,
) -> Response {
    answer(app, link, origin, request, app.settings.latency).await
}

/// Answers a request that came as a part of another, which has made the way already.
pub(super) async fn part(
    app: &Arc<App>,
    link: &Link,
    origin: Origin,
    request: Request,
) -> Response {
    let link = Link { flushes: None, ..link.clone() };
    answer(app, &link, origin, request, Duration::ZERO).await
}

async fn answer(
    app: &Arc<App>,
    link: &Link,
    origin: Origin,
    request: Request,
    latency: Duration,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let front_end = front_end(path);
    let grant = app.grant(&parts);
    // A ticket says whose it is, whoever's token comes with it.
    let drive = front_end
        .and_then(|front_end| front_end.drive(app, &parts))
        .or_else(|| grant.as_ref().ok().map(|grant| grant.account.clone()));
    let operation = front_end.map_or(ELSEWHERE, |front_end| front_end.operation(&parts));
    let overloaded = parts.extensions.get::<Overloaded>().is_some();
    if overloaded {
        let entry = Entry::new(app, operation, drive, &parts, &Strike::default());
        Received::new(body, entry.received(), &parts).refuse();
        return entry.answer(busy(front_end));
    }
    let too_slow = parts.extensions.get::<TooSlow>().cloned().unwrap_or_default();
    let strike = app.control.faults.strike(operation, path, drive.as_deref()).unwrap_or_default();
    let entry = Entry::new(app, operation, drive.clone(), &parts, &strike);

    let latency = latency + strike.latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let (body, reset_on_request) = strike.request_body(body, &parts, link);
    let body = Body::new(Received::new(body, entry.received(), &parts));
    if strike.resets(When::Before) {
        return reset(link, entry).await;
    }
    if let Some(answer) = strike.answer(When::Before, front_end) {
        return entry.answer(strike.answered(answer, front_end, link, false).await);
    }
    strike.lose_session(app, front_end, &parts).await;
    let watch = strike.watch(app, drive.as_deref()).await;
    let grant = grant.and_then(|grant| match strike.expire {
        true => Err(Refusal::Expired),
        false => Ok(grant),
    });
    let exchange = Exchange { origin, grant, expired: strike.expire, link: link.clone() };
    let request = Request::from_parts(parts, body);
    let mut response = match front_end {
        Some(front_end) => within_budget(app, front_end, operation, exchange, request).await,
        None => nothing_here(),
    };
    response = too_slow.instead_of(response);
    if let Some(watch) = watch {
        watch.hide(app).await;
    }
    let reset_on_answer = strike.resets(When::During) && !reset_on_request;
    if strike.resets(When::After) || reset_on_answer && response.body().is_end_stream() {
        return reset(link, entry).await;
    }
    if let Some(answer) = strike.answer(When::After, front_end) {
        response = answer;
    }
    entry.answer(strike.answered(response, front_end, link, reset_on_answer).await)
}

/// Ends the connection; the request with it.
async fn reset(link: &Link, entry: Entry) -> Response {
    drop(entry);
    link.reset.cancel();
    // The connection's task drops this future together with the connection.
    std::future::pending().await
}

fn nothing_here() -> Response {
    text(
        StatusCode::NOT_FOUND,
        "Nothing is served at this path. Live Connect is under /v5.0/ (BITS uploads under \
         /items/ and /users/), Microsoft Graph under \
         /v1.0/, Amazon Cloud Drive under /drive/v1/ and /cdproxy/, sign-in at \
         /oauth20_authorize.srf, /oauth20_token.srf and /common/oauth2/v2.0/token, control under \
         /_control/.",
    )
}

/// A request under way. It goes into the log when its answer has been handed out whole, or when
/// nobody wants it any more.
#[derive(Debug)]
pub(super) struct Entry {
    app: Arc<App>,
    since: Instant,
    received: Arc<AtomicU64>,
    /// Taken when it goes into the log.
    record: Option<RequestRecord>,
}

impl Entry {
    /// Counts a request that arrived.
    fn new(
        app: &Arc<App>,
        operation: &'static str,
        drive: Option<String>,
        request: &Parts,
        strike: &Strike,
    ) -> Self {
        let record = RequestRecord {
            number: app.control.log.arrived(operation),
            time: Timestamp::now(),
            method: request.method.to_string(),
            path: secret_urls::redacted(&request.uri),
            operation: operation.to_owned(),
            drive,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            duration: 0.0,
            fault: Some(strike.told()).filter(|told| !told.is_empty()),
        };
        Self {
            app: Arc::clone(app),
            since: Instant::now(),
            received: Arc::default(),
            record: Some(record),
        }
    }

    /// Where the bytes of its body are counted.
    fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// Its answer, watched until its last byte has been handed out.
    fn answer(mut self, response: Response) -> Response {
        if let Some(record) = &mut self.record {
            record.status = Some(response.status().as_u16());
        }
        let length = response
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        response.map(|body| Body::new(Sent::new(body, length, self)))
    }

    /// So many bytes of its answer were handed out.
    pub(super) fn sent(&mut self, bytes: u64) {
        if let Some(record) = &mut self.record {
            record.bytes_out += bytes;
        }
    }

    /// It is done.
    pub(super) fn finish(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.bytes_in = self.received.load(Ordering::Relaxed);
            record.duration = self.since.elapsed().as_secs_f64() * 1000.0;
            self.app.control.log.done(record);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.finish();
    }
}
