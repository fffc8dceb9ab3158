//! The layer on the transport.

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
    exchange::{Ending, UnderWay},
};

/// A transport that tells.
pub(super) struct Recording {
    pub(super) inner: HttpTransporter,
    pub(super) log: LoggingLayer,
    pub(super) service: Arc<str>,
    pub(super) account: Arc<str>,
}

impl HttpTransport for Recording {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        // What a transport answers by itself, as our own a probe, is no request.
        if !matches!(request.uri().scheme_str(), Some("http" | "https")) {
            return self.inner.fetch(request).await;
        }
        let mut under_way = UnderWay::begin(&self.log, &self.service, &self.account, &request);
        let answer = match self.inner.fetch(request).await {
            Ok(answer) => answer,
            Err(error) => {
                under_way.end(Ending::Unanswered);
                return Err(errors::rebuilt(&error));
            }
        };
        let (mut parts, body) = answer.into_parts();
        under_way.answered(&parts);
        errors::redact_address(&mut parts, under_way.url());
        let body = body.map_inner(|inner| Box::new(Watched { inner, under_way }));
        Ok(Response::from_parts(parts, body))
    }
}

/// A body whose bytes are counted.
struct Watched {
    inner: Box<dyn Stream<Item = Result<Buffer>> + Send + Sync + Unpin>,
    under_way: UnderWay,
}

impl Stream for Watched {
    type Item = Result<Buffer>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.inner).poll_next(cx);
        polled.map(|piece| match piece {
            Some(Ok(bytes)) => {
                self.under_way.received(bytes.len());
                Some(Ok(bytes))
            }
            Some(Err(error)) => {
                self.under_way.end(Ending::BrokenOff);
                Some(Err(errors::rebuilt(&error)))
            }
            None => {
                self.under_way.end(Ending::Complete);
                None
            }
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}
