//! Configuration of the limiter, and the limits that a cloud reports.

use std::time::Duration;

/// Limits of concurrency and rate.
///
/// `RateLimit-Limit`, `-Remaining` and `-Reset` say how many units are left until when, and no more
/// are spent. After a refusal without these headers, the rate is the measured throughput until then
/// (a token bucket, weighted by cost), which recovers gradually; the concurrency is decreased, and
/// grows by one for each round of successful responses. After a refusal, and at the start of a new
/// window, one request is sent as a probe before the others.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RateLimitConfig {
    /// Maximum number of requests whose responses have not begun. Requests with cost 0 are not
    /// counted.
    pub max_concurrency: u32,
    /// Concurrency that refusals do not go below.
    pub min_concurrency: u32,
    /// Factor that a refusal applies to the concurrency; the rate keeps at least this fraction.
    /// From 0 to 1.
    pub decrease_factor: f64,
    /// Units that must have been served since the last pause before a refusal changes the rate.
    pub min_samples: f64,
    /// The rate recovers fully after this many multiples of the last pause.
    pub recovery_factor: f64,
    /// Size of the token bucket, as a span of time at the current rate.
    pub burst: Duration,
}

impl Default for RateLimitConfig {
    /// At most 128 requests, at least 2; factor 0.7; 50 units; three pauses; half a second.
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

    /// Sets the concurrency that refusals do not go below.
    #[must_use]
    pub fn with_min_concurrency(mut self, requests: u32) -> Self {
        self.min_concurrency = requests;
        self
    }

    /// Sets the factor that a refusal applies, from 0 to 1.
    #[must_use]
    pub fn with_decrease_factor(mut self, factor: f64) -> Self {
        self.decrease_factor = factor;
        self
    }

    /// Sets the units to be served before a refusal changes the rate.
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
pub struct RateLimitHeaders {
    /// Units of a window.
    pub limit: f64,
    /// Units that are left of the window.
    pub remaining: f64,
    /// Time until the next window.
    pub reset: Duration,
}
