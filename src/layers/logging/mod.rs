//! A log of the wire: one event for every request, figures, and a file for a browser's network
//! panel.
//!
//! ```
//! use drivedal::layers::{LoggingLayer, RetryLayer, WireStats};
//! use opendal::{Operator, services::Memory};
//!
//! # fn main() -> opendal::Result<()> {
//! let stats = WireStats::default();
//! let operator = Operator::new(Memory::default())?
//!     .layer(LoggingLayer::new().counting_into(&stats))
//!     .layer(RetryLayer::default());
//! // … work …
//! let total = stats.total();
//! println!("{} requests, half of them in {:?}", total.requests, total.total.percentile(0.5));
//! # let _ = operator;
//! # Ok(())
//! # }
//! ```
//!
//! The event is `drivedal::wire` at level DEBUG, told when the answer's body has ended or nobody
//! wants it any more: `service`, `account`, `operation`, `method`, `url`, `status`, `bytes_up`,
//! `bytes_down`, `first_byte` and `total` in seconds, `attempt`, `request_id`, `ending`.
//!
//! # No secrets
//!
//! Nothing that gives access is told. A path is shown only of a request that is signed by a header,
//! for then the address alone opens nothing; of any other request (tickets, upload sessions, signed
//! URLs) it is host and [`ServiceOperation`](opendal::raw::ServiceOperation). Of a query, values are
//! shown whose names are known to be harmless; of headers likewise; of bodies their lengths. The
//! errors of the transport below, and the address that OpenDAL's services put into theirs, are
//! rebuilt by the same rule, so the layer keeps tickets out of other services' errors too.
//!
//! It goes inside of the retry, so that each try is an event.

mod errors;
mod exchange;
mod har;
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

use self::transport::Recording;
pub use self::{
    har::HarFile,
    stats::{Latencies, WireFigures, WireOperation, WireStats},
};

/// What the events are called: for filters, as `drivedal::wire=debug`.
pub const TARGET: &str = "drivedal::wire";

/// Tells of every request. Clones tell the same log.
#[derive(Clone, Default)]
pub struct LoggingLayer {
    stats: WireStats,
    har: Option<HarFile>,
}

impl LoggingLayer {
    /// Tells events, and counts into figures of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts into these figures, which others may count into as well.
    pub fn counting_into(self, stats: &WireStats) -> Self {
        Self { stats: stats.clone(), ..self }
    }

    /// Writes every request into that file too.
    pub fn with_har(self, file: &HarFile) -> Self {
        Self { har: Some(file.clone()), ..self }
    }

    /// The figures it counts into.
    pub fn stats(&self) -> &WireStats {
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
    fn apply_service(&self, service: Servicer) -> Servicer {
        service
    }

    fn apply_context(&self, service: Servicer, inner: OperationContext) -> OperationContext {
        let info = Service::info(&service);
        let transport = Recording {
            inner: inner.http_transport().clone(),
            log: self.clone(),
            service: Arc::from(info.scheme()),
            account: Arc::from(&*info.name()),
        };
        inner.with_http_transport(HttpTransporter::new(transport))
    }
}
