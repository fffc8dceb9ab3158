//! A request and what became of it.

use std::{sync::Arc, time::Duration};

use http::{Method, Request, Version, response::Parts};
use jiff::Timestamp;
use opendal::{Buffer, raw::Operation};
use tokio::time::Instant;

use super::{LoggingLayer, TARGET, redact};
use crate::rate_limit::Attempt;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its answer is whole.
    Complete,
    /// There was no answer.
    Unanswered,
    /// The answer broke off.
    BrokenOff,
    /// Nobody wanted the answer, or the rest of it.
    GivenUp,
}

impl Ending {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Unanswered => "unanswered",
            Self::BrokenOff => "broken off",
            Self::GivenUp => "given up",
        }
    }
}

/// All that may be told of a request.
#[derive(Debug)]
pub(super) struct Exchange {
    pub service: Arc<str>,
    pub account: Arc<str>,
    pub operation: &'static str,
    pub template: &'static str,
    pub method: Method,
    /// Redacted.
    pub url: String,
    pub version: Version,
    /// Which time it was sent, from 1.
    pub attempt: u32,
    pub begun: Timestamp,
    pub status: Option<u16>,
    pub request_id: Option<String>,
    pub request_headers: Vec<(String, String)>,
    pub response_headers: Vec<(String, String)>,
    pub content_type: String,
    /// Bytes of its body.
    pub up: u64,
    /// Bytes of the answer's body that came.
    pub down: u64,
    /// Until the answer began.
    pub first_byte: Option<Duration>,
    pub total: Duration,
    pub ending: Ending,
}

impl Exchange {
    fn tell(&self) {
        tracing::debug!(
            target: TARGET,
            service = &*self.service,
            account = Some(&*self.account).filter(|name| !name.is_empty()),
            operation = self.operation,
            method = self.method.as_str(),
            url = self.url.as_str(),
            status = self.status,
            bytes_up = self.up,
            bytes_down = self.down,
            first_byte = self.first_byte.map(|time| time.as_secs_f64()),
            total = self.total.as_secs_f64(),
            attempt = self.attempt,
            request_id = self.request_id.as_deref(),
            ending = self.ending.as_str(),
        );
    }
}

/// A request under way. It is told of when it has ended, or is dropped.
pub(super) struct UnderWay {
    log: LoggingLayer,
    since: Instant,
    /// Bytes that the answer's body will have, where that was told.
    expected: Option<u64>,
    /// Taken when it is told.
    exchange: Option<Exchange>,
}

impl UnderWay {
    pub(super) fn begin(
        log: &LoggingLayer,
        service: &Arc<str>,
        account: &Arc<str>,
        request: &Request<Buffer>,
    ) -> Self {
        log.stats.sent();
        let headers = match log.har {
            Some(_) => redact::headers(request.headers()),
            None => Vec::new(),
        };
        let exchange = Exchange {
            service: Arc::clone(service),
            account: Arc::clone(account),
            operation: request
                .extensions()
                .get::<Operation>()
                .map_or("unknown", |operation| operation.into_static()),
            template: redact::template(request),
            method: request.method().clone(),
            url: redact::url(request),
            version: request.version(),
            attempt: request.extensions().get::<Attempt>().map_or(1, |attempt| attempt.0),
            begun: Timestamp::now(),
            status: None,
            request_id: None,
            request_headers: headers,
            response_headers: Vec::new(),
            content_type: String::new(),
            up: body_len(request),
            down: 0,
            first_byte: None,
            total: Duration::ZERO,
            ending: Ending::GivenUp,
        };
        Self { log: log.clone(), since: Instant::now(), expected: None, exchange: Some(exchange) }
    }

    /// The address as it may be told.
    pub(super) fn url(&self) -> &str {
        self.exchange.as_ref().map_or("", |exchange| &exchange.url)
    }

    /// The answer began.
    pub(super) fn answered(&mut self, parts: &Parts) {
        let Some(exchange) = &mut self.exchange else { return };
        let text = |name| parts.headers.get(name)?.to_str().ok();
        let has_body =
            exchange.method != Method::HEAD && !matches!(parts.status.as_u16(), 204 | 304);
        self.expected = match has_body {
            true => text("content-length").and_then(|length| length.parse().ok()),
            false => Some(0),
        };
        exchange.status = Some(parts.status.as_u16());
        exchange.version = parts.version;
        exchange.first_byte = Some(self.since.elapsed());
        exchange.request_id = redact::request_id(&parts.headers).map(str::to_owned);
        exchange.content_type = text("content-type").unwrap_or_default().to_owned();
        if self.log.har.is_some() {
            exchange.response_headers = redact::headers(&parts.headers);
        }
    }

    /// So many bytes of it came.
    pub(super) fn received(&mut self, bytes: usize) {
        if let Some(exchange) = &mut self.exchange {
            exchange.down += bytes as u64;
        }
    }

    /// It is told, unless it was.
    pub(super) fn end(&mut self, ending: Ending) {
        let Some(mut exchange) = self.exchange.take() else { return };
        exchange.ending = ending;
        exchange.total = self.since.elapsed();
        exchange.tell();
        self.log.stats.count(&exchange);
        if let Some(har) = &self.log.har {
            har.add(&exchange);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Some(exchange) = &self.exchange else { return };
        // Who knows the length does not ask for more.
        let whole = exchange.status.is_some() && self.expected == Some(exchange.down);
        self.end(if whole { Ending::Complete } else { Ending::GivenUp });
    }
}

/// Bytes of a request's body; it may be in a file.
fn body_len(request: &Request<Buffer>) -> u64 {
    #[cfg(feature = "drive")]
    if let Some(len) = crate::transport::len_in_file(request) {
        return len;
    }
    request.body().len() as u64
}
