//! Retry policy: number of attempts, delays and retry budget, with presets for each cloud.

use std::time::Duration;

use crate::rate_limit::RateLimitConfig;

/// Policy of a [`RetryLayer`](super::RetryLayer). All fields are public: start from a preset and
/// change single fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Maximum number of attempts of a request, or of an operation that repeats it. 1 disables
    /// retries.
    pub max_attempts: u32,
    /// Delay between attempts if the cloud does not request one.
    pub backoff: Backoff,
    /// Pause of the whole account after a refusal that does not specify one. `None`: computed from
    /// `backoff` and the number of consecutive refusals.
    pub default_pause: Option<Duration>,
    /// Maximum single delay. If the cloud requests a longer one, the request fails at once and the
    /// error states the requested pause.
    pub max_delay: Duration,
    /// Maximum total time of a request or an operation, including delays.
    pub max_elapsed: Duration,
    /// Retry budget of an account. `None`: unlimited. Retries after a refusal that specifies its
    /// pause are free.
    pub budget: Option<RetryBudget>,
    /// Whether to retry if a host cannot be connected to (refused, unknown name, no route, TLS) and
    /// has never responded to this layer. A host that has responded before is always retried,
    /// because it may be restarting. Interactive programs set `false`, so that a mistyped host name
    /// is reported at once.
    pub retry_first_contact: bool,
    /// Rate limit of an account. `None`: no limit except the pauses that the cloud requests.
    pub rate_limit: Option<RateLimitConfig>,
}

/// Exponential back-off with full jitter. The delay before the n-th retry is random, between zero
/// and `initial · 2ⁿ⁻¹`, and at most `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the delay before the first retry.
    pub initial: Duration,
    /// Upper bound of all delays.
    pub max: Duration,
}

/// Budget of retries. It bounds the extra load on a cloud that is down, independently of the number
/// of attempts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    /// Number of retries that are available without any successful response.
    pub reserve: f64,
    /// Number of retries that each successful response adds.
    pub earned_per_success: f64,
}

impl Default for Policy {
    /// 5 attempts; delays from 0.5 s, doubled up to 30 s; no single delay over a minute and no
    /// request over five; 100 retries plus one for every two successful responses; an adaptive rate
    /// limit.
    fn default() -> Self {
        Self {
            max_attempts: 5,
            backoff: Backoff { initial: Duration::from_millis(500), max: Duration::from_secs(30) },
            default_pause: None,
            max_delay: Duration::from_secs(60),
            max_elapsed: Duration::from_secs(300),
            budget: Some(RetryBudget { reserve: 100.0, earned_per_success: 0.5 }),
            retry_first_contact: true,
            rate_limit: Some(RateLimitConfig::default()),
        }
    }
}

impl Policy {
    /// Policy for Microsoft Graph. Pauses of 120 s are usual and pauses of an hour have been
    /// observed (onedrive-graph#retry-after), so that delays of up to 5 minutes are accepted.
    /// Clients with more than 16 concurrent requests have been blocked.
    pub fn graph() -> Self {
        Self {
            rate_limit: Some(RateLimitConfig::default().with_max_concurrency(16)),
            max_attempts: 8,
            max_delay: Duration::from_secs(300),
            max_elapsed: Duration::from_secs(900),
            ..Self::default()
        }
    }

    /// Policy for Live Connect. If a 420 response specifies no pause, clients waited 10 s
    /// (live-connect#error-throttled).
    pub fn live_connect() -> Self {
        Self { max_attempts: 8, default_pause: Some(Duration::from_secs(10)), ..Self::default() }
    }

    /// Policy for Amazon Cloud Drive. It follows the published practice, as in acdcli's
    /// `BackOffRequest`: up to 2 s at first, doubled up to 256 s (amazon-drive#acdcli-backoff).
    pub fn amazon() -> Self {
        Self {
            max_attempts: 9,
            backoff: Backoff { initial: Duration::from_secs(2), max: Duration::from_secs(256) },
            max_delay: Duration::from_secs(256),
            max_elapsed: Duration::from_secs(900),
            ..Self::default()
        }
    }

    /// Returns the policy for a service by its OpenDAL scheme. Unknown schemes get the default
    /// policy.
    pub fn for_service(scheme: &str) -> Self {
        match scheme {
            "onedrive" => Self::graph(),
            "skydrive" => Self::live_connect(),
            "amazon-drive" => Self::amazon(),
            _ => Self::default(),
        }
    }

    /// Returns the delay before retry number `retry`, counted from 1. `random` is the jitter, from
    /// 0 to 1.
    pub fn delay(&self, retry: u32, random: f64) -> Duration {
        let doubled = 2_f64.powi(retry.saturating_sub(1).min(63) as i32);
        let longest = self.backoff.max.as_secs_f64();
        let bound = (self.backoff.initial.as_secs_f64() * doubled).min(longest);
        Duration::from_secs_f64(bound * random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum_and_are_scaled_by_the_jitter() {
        let policy = Policy::amazon();
        let waits: Vec<_> =
            [1, 2, 3, 7, 8, 9, u32::MAX].map(|retry| policy.delay(retry, 1.0).as_secs()).to_vec();
        assert_eq!(waits, [2, 4, 8, 128, 256, 256, 256]);
        assert_eq!(policy.delay(3, 0.25), Duration::from_secs(2));
        assert_eq!(policy.delay(3, 0.0), Duration::ZERO);
    }
}
