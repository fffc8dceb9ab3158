//! The configuration of the limiter, and the limits that a response reports.

use std::time::Duration;

/// Limits of concurrency and rate.
///
/// `RateLimit-Limit`, `-Remaining` and `-Reset` report how many units are left until the next
/// window; the limiter spends no more. After a rejection without these headers, the limiter reduces
/// the rate to the measured throughput (a token bucket, weighted by cost). The rate then recovers
/// gradually. A rejection also decreases the concurrency, which grows by one for each round of
/// successful responses. After a rejection, and at the start of a new window, the limiter sends one
/// request as a probe before the others.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RateLimitConfig {
    /// Maximum number of requests without a response so far. Requests with cost 0 do not count.
    pub max_concurrency: u32,
    /// Rejections do not decrease the concurrency below this number.
    pub min_concurrency: u32,
    /// A rejection multiplies the concurrency by this factor, from 0 to 1. The rate keeps at least
    /// this fraction.
    pub decrease_factor: f64,
    /// A rejection changes the rate only if at least this many units were served since the last
    /// pause.
    pub min_samples: f64,
    /// The rate recovers fully after this many multiples of the last pause.
    pub recovery_factor: f64,
    /// Size of the token bucket: the units that the current rate allows in this time.
    pub burst: Duration,
}

impl Default for RateLimitConfig {
    /// Concurrency from 2 to 128, factor 0.7, 50 samples, recovery after three pauses, a burst of
    /// half a second.
    fn default() -> Self {
        Self {
            max_concurrency: 128,
            min_concurrency: 2,
            decrease_factor: 0.7,
            min_samples: 50.0,
            recovery_factor: 3.0,
            burst: Duration::from_millis(500),
        }
    }
}

impl RateLimitConfig {
    /// Sets the maximum number of concurrent requests.
    #[must_use]
    pub fn with_max_concurrency(mut self, requests: u32) -> Self {
        self.max_concurrency = requests;
        self
    }

    /// Sets the number of concurrent requests below which rejections do not decrease the
    /// concurrency. 0 counts as 1; a value above the maximum counts as the maximum.
    #[must_use]
    pub fn with_min_concurrency(mut self, requests: u32) -> Self {
        self.min_concurrency = requests;
        self
    }

    /// Sets the factor of a rejection, from 0 to 1.
    #[must_use]
    pub fn with_decrease_factor(mut self, factor: f64) -> Self {
        self.decrease_factor = factor;
        self
    }

    /// Sets the units that must be served before a rejection changes the rate.
    #[must_use]
    pub fn with_min_samples(mut self, units: f64) -> Self {
        self.min_samples = units;
        self
    }

    /// Sets the multiples of the last pause after which the rate has recovered.
    #[must_use]
    pub fn with_recovery_factor(mut self, pauses: f64) -> Self {
        self.recovery_factor = pauses;
        self
    }

    /// Sets the size of the token bucket.
    #[must_use]
    pub fn with_burst(mut self, burst: Duration) -> Self {
        self.burst = burst;
        self
    }
}

/// The limit that a response reports (draft-ietf-httpapi-ratelimit-headers-03).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RateLimitHeaders {
    /// Units per window.
    pub limit: f64,
    /// Units that are left in the window.
    pub remaining: f64,
    /// Time until the next window.
    pub reset: Duration,
}

impl RateLimitHeaders {
    /// Returns a report of `remaining` of `limit` units, until a window that starts after `reset`.
    pub fn new(limit: f64, remaining: f64, reset: Duration) -> Self {
        Self { limit, remaining, reset }
    }
}
