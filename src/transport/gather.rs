//! Requests that a service sends together, such as those of a `$batch`.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use http::{Request, Response};
use opendal::{Buffer, HttpBody, HttpTransporter, Result};

/// Sends several requests in one. Each request keeps its own response, so the layers above the
/// transport treat it like any other: retry, logging, rate limit.
#[async_trait]
pub(crate) trait RequestGatherer: Send + Sync {
    /// Sends a request, alone or together with others, and returns its response. `transport` sends
    /// requests over the connection of this request.
    ///
    /// # Errors
    /// Those of `transport`, if the request or the one that contains it gets no response.
    async fn send(
        &self,
        request: Request<Buffer>,
        transport: HttpTransporter,
    ) -> Result<Response<HttpBody>>;
}

/// Extension of a request that may be sent together with others. This crate's
/// [`Transport`](super::Transport) passes the request to the gatherer; other transports send it
/// alone.
#[derive(Clone)]
pub(crate) struct Gather(Arc<dyn RequestGatherer>);

impl Gather {
    /// Returns the extension for requests of this gatherer.
    pub(crate) fn new(gatherer: Arc<dyn RequestGatherer>) -> Self {
        Self(gatherer)
    }

    /// Sends a request through the gatherer, without this extension.
    ///
    /// # Errors
    /// Those of [`RequestGatherer::send`].
    pub(super) async fn send(
        &self,
        mut request: Request<Buffer>,
        transport: HttpTransporter,
    ) -> Result<Response<HttpBody>> {
        request.extensions_mut().remove::<Self>();
        self.0.send(request, transport).await
    }
}

impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").finish_non_exhaustive()
    }
}
