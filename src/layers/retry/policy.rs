//! How often, how long and with what care is tried again.

use std::time::Duration;

use crate::rate_limit::RateLimitConfig;

/// How a cloud wants to be tried again. A value: change the fields you want otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How many times a request, or an operation that makes it anew, is tried at most; 1: once.
    pub attempts: u32,
    /// The wait where the cloud names none.
    pub backoff: Backoff,
    /// The pause of the whole account where the cloud refuses and names none; `None`: by
    /// `backoff`, as often as it has refused in a row.
    pub unnamed_pause: Option<Duration>,
    /// The longest single wait; where the cloud wants a longer one the request fails, and says so.
    pub longest_wait: Duration,
    /// The longest that a request or an operation takes with all its tries, waits included.
    pub longest_total: Duration,
    /// How many repeats an account may make beyond what its answers earn; `None`: no limit.
    /// Refusals that name their pause cost nothing.
    pub budget: Option<Budget>,
    /// Whether a host that cannot be connected to (refused, name unknown, no route, TLS) is tried
    /// again although it has never responded to this layer. A host that has responded before is
    /// always tried again: it may be restarting. `false` suits a person who waits: a wrong host name
    /// is reported at once.
    pub retry_first_contact: bool,
    /// How fast the account is asked; `None`: as fast as the callers ask, but for pauses.
    pub rate_limit: Option<RateLimitConfig>,
}

/// Exponential, with full jitter: before the n-th repeat, anything from nothing to
/// `first · 2ⁿ⁻¹`, at most `longest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait before the first repeat.
    pub first: Duration,
    /// The longest of all.
    pub longest: Duration,
}

/// A budget of repeats, so that a cloud that is down is not asked as many times more as there are
/// attempts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Repeats that may be made while nothing is answered well.
    pub reserve: f64,
    /// Repeats that each good answer earns.
    pub earned: f64,
}

impl Default for Policy {
    /// 5 tries; 0.5 s, doubled up to 30 s; no wait beyond a minute, nothing beyond five; 100 repeats
    /// and one more for every two good answers; the pace that the cloud's answers teach.
    fn default() -> Self {
        Self {
            attempts: 5,
            backoff: Backoff {
                first: Duration::from_millis(500),
                longest: Duration::from_secs(30),
            },
            unnamed_pause: None,
            longest_wait: Duration::from_secs(60),
            longest_total: Duration::from_secs(300),
            budget: Some(Budget { reserve: 100.0, earned: 0.5 }),
            retry_first_contact: true,
            rate_limit: Some(RateLimitConfig::default()),
        }
    }
}

impl Policy {
    /// Microsoft Graph: pauses of 120 s are usual there, an hour has been seen
    /// (onedrive-graph#retry-after); 5 minutes are waited for. More than 16 requests at a time had
    /// clients blocked.
    pub fn graph() -> Self {
        Self {
            rate_limit: Some(RateLimitConfig::default().with_max_concurrency(16)),
            attempts: 8,
            longest_wait: Duration::from_secs(300),
            longest_total: Duration::from_secs(900),
            ..Self::default()
        }
    }

    /// Live Connect: where 420 names no pause, clients waited 10 s (live-connect#error-throttled).
    pub fn live_connect() -> Self {
        Self { attempts: 8, unnamed_pause: Some(Duration::from_secs(10)), ..Self::default() }
    }

    /// Amazon Cloud Drive: its published practice, as acdcli's `BackOffRequest` has it: up to
    /// 2 s at first, doubled up to 256 s (amazon-drive#acdcli-backoff).
    pub fn amazon() -> Self {
        Self {
            attempts: 9,
            backoff: Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(256) },
            longest_wait: Duration::from_secs(256),
            longest_total: Duration::from_secs(900),
            ..Self::default()
        }
    }

    /// The policy for a service by OpenDAL's name of it.
    pub fn of_service(scheme: &str) -> Self {
        match scheme {
            "onedrive" => Self::graph(),
            "skydrive" => Self::live_connect(),
            "amazon-drive" => Self::amazon(),
            _ => Self::default(),
        }
    }

    /// The wait before the n-th repeat, from 1, as the dice (0 to 1) say.
    pub fn wait(&self, repeat: u32, dice: f64) -> Duration {
        let doubled = 2_f64.powi(repeat.saturating_sub(1).min(63) as i32);
        let longest = self.backoff.longest.as_secs_f64();
        let most = (self.backoff.first.as_secs_f64() * doubled).min(longest);
        Duration::from_secs_f64(most * dice.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_the_dice_say_how_much_of_them() {
        let policy = Policy::amazon();
        let waits: Vec<_> =
            [1, 2, 3, 7, 8, 9, u32::MAX].map(|repeat| policy.wait(repeat, 1.0).as_secs()).to_vec();
        assert_eq!(waits, [2, 4, 8, 128, 256, 256, 256]);
        assert_eq!(policy.wait(3, 0.25), Duration::from_secs(2));
        assert_eq!(policy.wait(3, 0.0), Duration::ZERO);
    }
}
