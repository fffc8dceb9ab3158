//! A retry that listens to the cloud.
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
//! It works in two places.
//!
//! * On the transport it repeats a *request*: where that is safe by its method, where the cloud
//!   said that it did nothing (429, 420, 509, 503 with `Retry-After`), or where the service marked
//!   it ([`RequestMeta`](crate::rate_limit::RequestMeta)). A pause that the cloud wants (`Retry-After` in seconds or as
//!   a date, `RateLimit-Reset`, `Wait X seconds` in the answer) holds for all requests of that
//!   account. Requests of services that are not drivedal's are taken to be one account by service,
//!   name and host.
//! * Around the service it repeats an *operation* whose request could not be repeated, or whose
//!   answer broke off: a reader goes on at the byte it had reached. What is still temporary after
//!   all tries becomes persistent, so that OpenDAL's own `RetryLayer`, above or below, does not
//!   multiply them: a request that was tried in vain is not sent again within the same operation.
//!
//! Between the pauses it keeps a [`RateLimitConfig`](crate::rate_limit::RateLimitConfig): what the account may spend is known from
//! `RateLimit-Limit`, `-Remaining` and `-Reset`, or learnt from refusals; each request is weighed by
//! what it costs ([`RequestMeta::cost`](crate::rate_limit::RequestMeta::cost)), and waits for its turn in the order in
//! which it came.
//!
//! It takes the place of OpenDAL's `RetryLayer`. A pause longer than the 10 s that OpenDAL's
//! `TimeoutLayer` allows looks like a time-out to it; with [`transport`](crate::transport), which
//! has time-outs of its own, that layer is not needed.
#![cfg_attr(not(feature = "drive"), doc = "\n[`transport`]: crate")]

mod bodies;
mod event;
mod policy;
mod service;
#[cfg(all(test, feature = "drive"))]
mod tests;
mod transport;
mod tries;
mod verdict;
mod watch;

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
    event::{Event, Observer},
    policy::{Backoff, Budget, Policy},
};
use self::{service::Retrying, transport::Repeating};
use crate::rate_limit::AccountLimiter;

/// The most limiters of services that bring none of their own; beyond it, open ones are forgotten.
const LIMITERS_MAX: usize = 1024;

/// The most hosts that are remembered to respond; beyond it they are all forgotten.
const HOSTS_MAX: usize = 1024;

/// Retries as a [`Policy`] says. Clones share the state of each account, and the set of hosts that
/// have responded.
#[derive(Clone)]
pub struct RetryLayer {
    core: Core,
}

/// What every half of the layer works with; layers are replayed, so all that lasts is shared.
#[derive(Clone)]
struct Core {
    policy: Arc<Policy>,
    observer: Option<Arc<dyn Observer>>,
    dice: Arc<dyn Fn() -> f64 + Send + Sync>,
    date: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    limiters: Arc<Mutex<HashMap<String, AccountLimiter>>>,
    /// Hosts that have responded to a request.
    reached: Arc<Mutex<HashSet<String>>>,
}

impl RetryLayer {
    /// Retries as that policy says.
    pub fn new(policy: Policy) -> Self {
        Self {
            core: Core {
                policy: Arc::new(policy),
                observer: None,
                dice: Arc::new(fastrand::f64),
                date: Arc::new(Timestamp::now),
                limiters: Arc::default(),
                reached: Arc::default(),
            },
        }
    }

    /// Tells everything it does; the log is told besides.
    pub fn observed_by(mut self, observer: impl Observer + 'static) -> Self {
        self.core.observer = Some(Arc::new(observer));
        self
    }

    /// Throws these dice instead of its own: numbers from 0 to 1.
    pub fn with_dice(mut self, dice: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        self.core.dice = Arc::new(dice);
        self
    }

    /// Reads the date of this clock where a cloud names a date and does not tell its own; spans of
    /// time are tokio's.
    pub fn with_date(mut self, date: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.core.date = Arc::new(date);
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
        f.debug_struct("RetryLayer").field("policy", &self.core.policy).finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Layer for RetryLayer {
    fn apply_service(&self, service: Servicer) -> Servicer {
        Arc::new(Retrying::new(service, self.core.clone()))
    }

    fn apply_context(&self, service: Servicer, inner: OperationContext) -> OperationContext {
        let info = Service::info(&service);
        let account = format!("{} {}", info.scheme(), info.name());
        let inner_transport = inner.http_transport().clone();
        let transport = Repeating::new(inner_transport, self.core.clone(), account);
        inner.with_http_transport(HttpTransporter::new(transport))
    }
}

impl Core {
    /// The limiter of a service's host.
    fn limiter(&self, key: String) -> AccountLimiter {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        if limiters.len() >= LIMITERS_MAX && !limiters.contains_key(&key) {
            limiters.retain(|_, limiter| limiter.paused_for().is_some());
        }
        limiters.entry(key).or_default().clone()
    }

    /// Remembers that a host responds.
    fn note_reached(&self, host: &str) {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if reached.contains(host) {
            return;
        }
        if reached.len() >= HOSTS_MAX {
            reached.clear();
        }
        reached.insert(host.to_owned());
    }

    fn has_reached(&self, host: &str) -> bool {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).contains(host)
    }

    fn tell(&self, event: Event<'_>) {
        event.log();
        if let Some(observer) = &self.observer {
            observer.event(&event);
        }
    }
}
