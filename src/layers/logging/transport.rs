//! Transport wrapper of the logging layer.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::Stream;
use http::{Request, Response};
use opendal::{Buffer, HttpBody, HttpTransport, HttpTransporter, Result};

use super::{
    LoggingLayer, errors,
    record::{ActiveRequest, Ending},
};

/// Transport that records each request.
pub(super) struct LoggingTransport {
    pub(super) inner: HttpTransporter,
    pub(super) log: LoggingLayer,
    pub(super) service: Arc<str>,
    pub(super) account: Arc<str>,
}

impl HttpTransport for LoggingTransport {
    /// Sends the request and records it, until its response ends or is dropped. Requests with
    /// another scheme than HTTP are internal and not recorded.
    ///
    /// # Errors
    /// Those of the inner transport, without text that may contain a URL.
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        // Other schemes are internal, such as the probe of our own transport: nothing is sent.
        if !matches!(request.uri().scheme_str(), Some("http" | "https")) {
            return self.inner.fetch(request).await;
        }
        let mut active = ActiveRequest::begin(&self.log, &self.service, &self.account, &request);
        let response = match self.inner.fetch(request).await {
            Ok(response) => response,
            Err(error) => {
                active.end(Ending::NoResponse);
                return Err(errors::sanitize(&error));
            }
        };
        let (mut parts, body) = response.into_parts();
        active.begin_response(&parts);
        errors::redact_uri(&mut parts, active.url());
        let body = body.map_inner(|inner| Box::new(RecordedBody { inner, active }));
        Ok(Response::from_parts(parts, body))
    }
}

/// Response body whose bytes are counted.
struct RecordedBody {
    inner: Box<dyn Stream<Item = Result<Buffer>> + Send + Sync + Unpin>,
    active: ActiveRequest,
}

impl Stream for RecordedBody {
    type Item = Result<Buffer>;

    /// Returns the next bytes and counts them. Records the end of the body and its errors, which
    /// lose text that may contain a URL.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.inner).poll_next(cx);
        polled.map(|piece| match piece {
            Some(Ok(bytes)) => {
                self.active.received(bytes.len());
                Some(Ok(bytes))
            }
            Some(Err(error)) => {
                self.active.end(Ending::Interrupted);
                Some(Err(errors::sanitize(&error)))
            }
            None => {
                self.active.end(Ending::Complete);
                None
            }
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}
