//! HTTP log: one event for each request, statistics, and a HAR file for the network panel of a
//! browser.
//!
//! ```
//! use drivedal::layers::{HttpStats, LoggingLayer, RetryLayer};
//! use opendal::{Operator, services::Memory};
//!
//! # fn main() -> opendal::Result<()> {
//! let stats = HttpStats::default();
//! let operator = Operator::new(Memory::default())?
//!     .layer(LoggingLayer::new().with_stats(&stats))
//!     .layer(RetryLayer::default());
//! // … work …
//! let total = stats.total();
//! println!("{} requests, median {:?}", total.requests, total.total.percentile(0.5));
//! # let _ = operator;
//! # Ok(())
//! # }
//! ```
//!
//! Each event has the target `drivedal::wire` and the level DEBUG. It is emitted when the response
//! body ends or the response is dropped. Fields: `service`, `account`, `operation`, `method`,
//! `url`, `redirected_to`, `status`, `bytes_up`, `bytes_down`, `first_byte` and `total` in seconds, `attempt`,
//! `request_id`, `ending`. `redirected_to` is the origin that sent the response, if the transport
//! followed a redirect of the cloud.
//!
//! # No secrets
//!
//! The log contains nothing that grants access. The path of a URL is logged only if a header signs
//! the request, because then the URL alone grants no access. For all other requests (download URLs,
//! upload sessions, signed URLs) the log has the host and the
//! [`ServiceOperation`](opendal::raw::ServiceOperation) only. Values of query parameters and
//! headers are logged only if their names are known to be harmless. Of bodies, only the length is
//! logged.
//!
//! The layer applies the same rules to the errors of the inner transport, and to the URL that
//! OpenDAL's services add to their errors. It therefore also keeps signed URLs out of the errors of
//! other services.
//!
//! Apply this layer before the retry layer, so that each attempt is one event.

mod errors;
mod har;
mod record;
mod redact;
mod stats;
#[cfg(all(test, feature = "drive"))]
mod tests;
mod transport;

use std::{fmt, sync::Arc};

use opendal::{
    HttpTransporter, OperationContext,
    raw::{Layer, Service, Servicer},
};

use self::transport::LoggingTransport;
pub use self::{
    har::HarFile,
    stats::{HttpOperation, HttpStats, HttpTotals, Latencies},
};

/// Target of the events, for filters such as `drivedal::wire=debug`.
pub const TARGET: &str = "drivedal::wire";

/// Logs every HTTP request. Clones share their statistics and HAR file.
#[derive(Clone, Default)]
pub struct LoggingLayer {
    stats: HttpStats,
    har: Option<HarFile>,
}

impl LoggingLayer {
    /// Creates a layer with separate statistics and without a HAR file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the requests to `stats`, which other layers may share.
    pub fn with_stats(self, stats: &HttpStats) -> Self {
        Self { stats: stats.clone(), ..self }
    }

    /// Also writes every request to `file`.
    pub fn with_har(self, file: &HarFile) -> Self {
        Self { har: Some(file.clone()), ..self }
    }

    /// Returns the statistics of this layer.
    pub fn stats(&self) -> &HttpStats {
        &self.stats
    }
}

impl fmt::Debug for LoggingLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggingLayer").field("har", &self.har).finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Layer for LoggingLayer {
    /// Returns the service unchanged: the layer works at the HTTP transport.
    fn apply_service(&self, service: Servicer) -> Servicer {
        service
    }

    /// Wraps the HTTP transport, so that each request is logged with the name of the service and
    /// its account.
    fn apply_context(&self, service: Servicer, inner: OperationContext) -> OperationContext {
        let info = Service::info(&service);
        let transport = LoggingTransport {
            inner: inner.http_transport().clone(),
            log: self.clone(),
            service: Arc::from(info.scheme()),
            account: Arc::from(&*info.name()),
        };
        inner.with_http_transport(HttpTransporter::new(transport))
    }
}
