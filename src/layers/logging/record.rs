//! Record of one HTTP request, from its start to the end of its response.

use std::{sync::Arc, time::Duration};

use http::{Method, Request, Version, response::Parts};
use jiff::Timestamp;
use opendal::{Buffer, raw::Operation};
use tokio::time::Instant;

use super::{LoggingLayer, TARGET, redact};
use crate::rate_limit::{Attempt, RequestMeta};
#[cfg(feature = "drive")]
use crate::transport::redirect_origin;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The response was received completely.
    Complete,
    /// The request failed without a response.
    NoResponse,
    /// The response body failed before its end.
    Interrupted,
    /// The caller dropped the request or its response before the end.
    Cancelled,
}

impl Ending {
    /// Returns the word for the log and the HAR file.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::NoResponse => "no response",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Everything that the log may contain about a request.
#[derive(Debug)]
pub(super) struct HttpRecord {
    pub service: Arc<str>,
    pub account: Arc<str>,
    pub operation: &'static str,
    pub template: &'static str,
    pub method: Method,
    /// Redacted URL.
    pub url: String,
    /// The URL that sent the response after a redirect, redacted to its origin. `None` without a
    /// redirect.
    pub redirected_to: Option<String>,
    pub version: Version,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Cost in the cloud's units; 0 if the service declares none.
    pub cost: u32,
    pub started: Timestamp,
    pub status: Option<u16>,
    pub request_id: Option<String>,
    pub request_headers: Vec<(String, String)>,
    pub response_headers: Vec<(String, String)>,
    pub content_type: String,
    /// Length of the request body in bytes.
    pub up: u64,
    /// Number of received bytes of the response body.
    pub down: u64,
    /// Time until the response headers. `None` without a response.
    pub first_byte: Option<Duration>,
    pub total: Duration,
    pub ending: Ending,
}

impl HttpRecord {
    /// Emits the `tracing` event of this request.
    fn log(&self) {
        tracing::debug!(
            target: TARGET,
            service = &*self.service,
            account = Some(&*self.account).filter(|name| !name.is_empty()),
            operation = self.operation,
            method = self.method.as_str(),
            url = self.url.as_str(),
            redirected_to = self.redirected_to.as_deref(),
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

/// Active request. It is logged when it ends or is dropped.
pub(super) struct ActiveRequest {
    log: LoggingLayer,
    sent_at: Instant,
    /// Length of the response body in bytes. `None` if unknown.
    expected: Option<u64>,
    /// `None` after it was logged.
    record: Option<HttpRecord>,
}

impl ActiveRequest {
    /// Starts the record of a request that is about to be sent. `account` is the name of the
    /// service's account, which may be empty.
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
        let record = HttpRecord {
            service: Arc::clone(service),
            account: Arc::clone(account),
            operation: request
                .extensions()
                .get::<Operation>()
                .map_or("unknown", |operation| operation.into_static()),
            template: redact::template(request),
            method: request.method().clone(),
            url: redact::url(request),
            redirected_to: None,
            version: request.version(),
            attempt: request.extensions().get::<Attempt>().map_or(1, |attempt| attempt.0),
            cost: request.extensions().get::<RequestMeta>().map_or(0, |meta| meta.cost),
            started: Timestamp::now(),
            status: None,
            request_id: None,
            request_headers: headers,
            response_headers: Vec::new(),
            content_type: String::new(),
            up: body_len(request),
            down: 0,
            first_byte: None,
            total: Duration::ZERO,
            ending: Ending::Cancelled,
        };
        Self { log: log.clone(), sent_at: Instant::now(), expected: None, record: Some(record) }
    }

    /// Returns the redacted URL.
    pub(super) fn url(&self) -> &str {
        self.record.as_ref().map_or("", |record| &record.url)
    }

    /// Records the status and the headers of the response.
    pub(super) fn begin_response(&mut self, parts: &Parts) {
        let Some(record) = &mut self.record else { return };
        let text = |name| parts.headers.get(name)?.to_str().ok();
        let has_body = record.method != Method::HEAD && !matches!(parts.status.as_u16(), 204 | 304);
        self.expected = match has_body {
            true => text("content-length").and_then(|length| length.parse().ok()),
            false => Some(0),
        };
        record.status = Some(parts.status.as_u16());
        record.redirected_to = redirect_origin(parts).map(redact::redirect);
        record.version = parts.version;
        record.first_byte = Some(self.sent_at.elapsed());
        record.request_id = redact::request_id(&parts.headers).map(str::to_owned);
        record.content_type = text("content-type").unwrap_or_default().to_owned();
        if self.log.har.is_some() {
            record.response_headers = redact::headers(&parts.headers);
        }
    }

    /// Adds received bytes of the response body.
    pub(super) fn received(&mut self, bytes: usize) {
        if let Some(record) = &mut self.record {
            record.down += bytes as u64;
        }
    }

    /// Logs the request with this ending, unless it was logged before.
    pub(super) fn end(&mut self, ending: Ending) {
        let Some(mut record) = self.record.take() else { return };
        record.ending = ending;
        record.total = self.sent_at.elapsed();
        record.log();
        self.log.stats.count(&record);
        if let Some(har) = &self.log.har {
            har.add(&record);
        }
    }
}

impl Drop for ActiveRequest {
    /// Logs a request that was dropped: as complete if all bytes of the response had arrived,
    /// otherwise as cancelled.
    fn drop(&mut self) {
        let Some(record) = &self.record else { return };
        // A caller that knows the length does not read beyond it.
        let whole = record.status.is_some() && self.expected == Some(record.down);
        self.end(if whole { Ending::Complete } else { Ending::Cancelled });
    }
}

/// Returns `None`: only this crate's transport knows the origin after a redirect.
#[cfg(not(feature = "drive"))]
fn redirect_origin(_: &Parts) -> Option<&str> {
    None
}

/// Returns the length of the request body, which may be in a file.
fn body_len(request: &Request<Buffer>) -> u64 {
    #[cfg(feature = "drive")]
    if let Some(len) = crate::transport::len_in_file(request) {
        return len;
    }
    request.body().len() as u64
}
