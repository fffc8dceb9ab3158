//! Retry layer that honours the pauses and rate limits of the cloud.
//!
//! ```
//! use drivedal::layers::{Policy, RetryLayer};
//! use opendal::{Operator, services::Memory};
//!
//! # fn main() -> opendal::Result<()> {
//! let operator = Operator::new(Memory::default())?.layer(RetryLayer::new(Policy::graph()));
//! # let _ = operator;
//! # Ok(())
//! # }
//! ```
//!
//! The layer works at two levels.
//!
//! * The transport retries a *request* if that is safe: by its method, because the response says
//!   that nothing was done (429, 420, 509, 503 with `Retry-After`), or because the service has
//!   marked the request with [`RequestMeta`](crate::rate_limit::RequestMeta). A requested pause
//!   (`Retry-After` in seconds or as a date, `RateLimit-Reset`, `Wait X seconds` in the response
//!   body) holds for all requests of the account. For services of other crates, service, name and
//!   host identify the account.
//! * The service wrapper retries an *operation* if its request could not be retried or its response
//!   was interrupted. A reader resumes at the next byte. An error that is still temporary after all
//!   attempts becomes persistent. OpenDAL's own `RetryLayer`, above or below, therefore does not
//!   multiply the attempts: a request whose attempts are exhausted is not sent again within the
//!   same operation.
//!
//! The layer also limits the request rate of each account
//! ([`RateLimitConfig`](crate::rate_limit::RateLimitConfig)). It honours the headers
//! `RateLimit-Limit`, `-Remaining` and `-Reset`, weighted by the cost of each request
//! ([`RequestMeta::cost`](crate::rate_limit::RequestMeta::cost)). Without these headers it adapts
//! rate and concurrency to the refusals. Requests of one account are sent in their order of
//! arrival.
//!
//! Use it instead of OpenDAL's `RetryLayer`. OpenDAL's `TimeoutLayer` cancels an operation after 10
//! s, even if the cloud has requested a longer pause. The HTTP client in
//! [`transport`](crate::transport) has its own timeouts and does not need that layer.
#![cfg_attr(not(feature = "drive"), doc = "\n[`transport`]: crate")]

mod bodies;
mod decision;
mod event;
mod failed_requests;
mod policy;
mod service;
mod state;
#[cfg(all(test, feature = "drive"))]
mod tests;
mod transport;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use opendal::{
    HttpTransporter, OperationContext,
    raw::{Layer, Service, Servicer},
};

pub use self::{
    event::{RetryEvent, RetryObserver},
    policy::{Backoff, Policy, RetryBudget},
};
use self::{service::RetryService, transport::RetryTransport};
use crate::rate_limit::AccountLimiter;

/// Maximum number of limiters for services that bring none. Beyond it, limiters without a pause are
/// dropped.
const LIMITERS_MAX: usize = 1024;

/// Maximum number of remembered hosts that have responded. Beyond it, all of them are dropped.
const HOSTS_MAX: usize = 1024;

/// Retries requests and operations according to a [`Policy`]. Clones share the state of each
/// account, and the set of hosts that have responded.
#[derive(Clone)]
pub struct RetryLayer {
    shared: RetryShared,
}

/// State that the transport and the service wrapper share. OpenDAL applies a layer repeatedly, so
/// everything that must persist is behind an `Arc`.
#[derive(Clone)]
struct RetryShared {
    policy: Arc<Policy>,
    observer: Option<Arc<dyn RetryObserver>>,
    rng: Arc<dyn Fn() -> f64 + Send + Sync>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    limiters: Arc<Mutex<HashMap<String, AccountLimiter>>>,
    /// Hosts that have responded to a request.
    responsive_hosts: Arc<Mutex<HashSet<String>>>,
}

impl RetryLayer {
    /// Creates a layer with this policy.
    pub fn new(policy: Policy) -> Self {
        Self {
            shared: RetryShared {
                policy: Arc::new(policy),
                observer: None,
                rng: Arc::new(fastrand::f64),
                clock: Arc::new(Timestamp::now),
                limiters: Arc::default(),
                responsive_hosts: Arc::default(),
            },
        }
    }

    /// Reports each retry event to `observer`, in addition to the log.
    pub fn with_observer(mut self, observer: impl RetryObserver + 'static) -> Self {
        self.shared.observer = Some(Arc::new(observer));
        self
    }

    /// Replaces the random number generator for jitter. `rng` must return numbers from 0 to 1.
    pub fn with_rng(mut self, rng: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        self.shared.rng = Arc::new(rng);
        self
    }

    /// Replaces the clock that converts a `Retry-After` date into a duration, if the response has
    /// no `Date` header. Delays themselves use tokio's clock.
    pub fn with_clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.shared.clock = Arc::new(clock);
        self
    }
}

impl Default for RetryLayer {
    fn default() -> Self {
        Self::new(Policy::default())
    }
}

impl fmt::Debug for RetryLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer").field("policy", &self.shared.policy).finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Layer for RetryLayer {
    /// Wraps a service, so that its operations are retried.
    fn apply_service(&self, service: Servicer) -> Servicer {
        Arc::new(RetryService::new(service, self.shared.clone()))
    }

    /// Wraps the HTTP transport, so that requests are retried and limited.
    fn apply_context(&self, service: Servicer, inner: OperationContext) -> OperationContext {
        let info = Service::info(&service);
        let account = format!("{} {}", info.scheme(), info.name());
        let inner_transport = inner.http_transport().clone();
        let transport = RetryTransport::new(inner_transport, self.shared.clone(), account);
        inner.with_http_transport(HttpTransporter::new(transport))
    }
}

impl RetryShared {
    /// Returns the limiter for `key` (service, name and host), creating it on first use.
    fn limiter(&self, key: String) -> AccountLimiter {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        if limiters.len() >= LIMITERS_MAX && !limiters.contains_key(&key) {
            limiters.retain(|_, limiter| limiter.paused_for().is_some());
        }
        limiters.entry(key).or_default().clone()
    }

    /// Remembers that a host has responded. `host` is the text that
    /// [`is_responsive`](Self::is_responsive) gets; it is compared literally.
    fn record_responsive(&self, host: &str) {
        let mut responsive_hosts =
            self.responsive_hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if responsive_hosts.contains(host) {
            return;
        }
        if responsive_hosts.len() >= HOSTS_MAX {
            responsive_hosts.clear();
        }
        responsive_hosts.insert(host.to_owned());
    }

    /// Returns whether [`record_responsive`](Self::record_responsive) was called with this host.
    fn is_responsive(&self, host: &str) -> bool {
        self.responsive_hosts.lock().unwrap_or_else(PoisonError::into_inner).contains(host)
    }

    /// Logs an event and passes it to the observer.
    fn emit(&self, event: RetryEvent<'_>) {
        event.log();
        if let Some(observer) = &self.observer {
            observer.event(&event);
        }
    }
}
