//! Budgets: the resource units that an account may use per time window.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Deserialize, Serialize};

/// The used share of a budget from which on Graph sends `RateLimit-*` headers
/// (onedrive-graph#rate-limit-headers).
const HEADERS_FROM_SHARE: f64 = 0.8;

/// The shortest window whose times are sent in whole seconds, as the clouds do. A shorter window
/// simulates the cloud's minute at higher speed, where rounding to seconds would distort it.
const WHOLE_SECONDS_FROM: Duration = Duration::from_secs(30);

/// The resource units that each account may use per time window. A window starts with the first
/// request after the previous window has ended.
///
/// Requests to Graph cost the units that Microsoft publishes (onedrive-graph#resource-units): 1 for
/// an item, its bytes, or a change feed from a token on; 2 for several items and for a full change
/// feed; 5 for permissions; 0 for URLs that need no token, and for a batch besides its requests.
/// Requests beyond the budget receive 429 and `Retry-After`. From 80 % on, every response has
/// `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`.
///
/// Requests of the other protocols cost 1 each. Beyond the budget, Live Connect responds with 420 and
/// `Retry-After` (live-connect#error-throttled), Amazon with 429 and no hint
/// (amazon-drive#error-rate). Sign-in and download URLs are free. Rejected requests count too.
///
/// ```
/// use std::time::Duration;
/// use drivedal_server::Budget;
///
/// // The limit of Graph for an app and a small tenant.
/// let real = Budget::new(1250, Duration::from_secs(60));
/// // Ten times as much.
/// let fast = Budget::new(12_500, Duration::from_secs(60));
/// ```
///
/// As JSON: `{"units": 1250, "window": 60000}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Budget {
    /// Units per window, at least 1.
    pub units: u32,
    /// Length of a window in milliseconds, at least 1 and at most a year.
    pub window: u64,
}

/// The reason why a [`Budget`] is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// The budget has no units.
    #[error("units must be at least 1")]
    NoUnits,
    /// The window has no length.
    #[error("window must be at least 1 millisecond")]
    NoWindow,
    /// The window is longer than a year.
    #[error("window must be at most a year")]
    WindowTooLong,
}

impl Budget {
    /// Creates a budget of `units` resource units per `window`. Zero is rejected when the budget is
    /// set.
    pub fn new(units: u32, window: Duration) -> Self {
        Self { units, window: u64::try_from(window.as_millis()).unwrap_or(u64::MAX) }
    }

    /// Checks that the budget can be enforced.
    ///
    /// # Errors
    /// `BudgetError::NoUnits` and `NoWindow` for zero, and `WindowTooLong` for more than a thousand
    /// years.
    pub(crate) fn check(&self) -> Result<(), BudgetError> {
        match (self.units, self.window) {
            (0, _) => Err(BudgetError::NoUnits),
            (_, 0) => Err(BudgetError::NoWindow),
            // The end of the window must be representable as an `Instant`.
            (_, window) if window > 1000 * 3600 * 24 * 365 => Err(BudgetError::WindowTooLong),
            _ => Ok(()),
        }
    }

    /// Returns the length of the window.
    fn window(&self) -> Duration {
        Duration::from_millis(self.window)
    }

    /// Formats a time for a header, in seconds. It is rounded up, so that no client retries too early.
    fn format_seconds(&self, time: Duration) -> String {
        match self.window() >= WHOLE_SECONDS_FROM {
            true => time.as_secs_f64().ceil().to_string(),
            false => format!("{:.3}", (time.as_secs_f64() * 1000.0).ceil() / 1000.0),
        }
    }
}

/// The active budget, and the units that accounts have used.
#[derive(Debug, Default)]
pub(crate) struct Budgets(Mutex<BudgetState>);

#[derive(Debug, Default)]
struct BudgetState {
    budget: Option<Budget>,
    /// By account name.
    used: HashMap<String, BudgetUsage>,
}

/// The units that an account has used in its window.
#[derive(Clone, Copy, Debug)]
struct BudgetUsage {
    units: u64,
    /// The end of the window.
    ends: Instant,
}

/// A request that was charged to a budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    budget: Budget,
    /// Units that the account has used, including this request.
    used: u64,
    /// Time until the window ends.
    left: Duration,
}

impl Budgets {
    /// Creates the state of a budget; `None`: unlimited.
    pub(crate) fn new(budget: Option<Budget>) -> Self {
        Self(Mutex::new(BudgetState { budget, used: HashMap::new() }))
    }

    /// Locks the state.
    fn state(&self) -> MutexGuard<'_, BudgetState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the active budget; `None` if requests are unlimited.
    pub(crate) fn budget(&self) -> Option<Budget> {
        self.state().budget
    }

    /// Replaces the budget. No units of the new one are used.
    pub(crate) fn set(&self, budget: Option<Budget>) {
        *self.state() = BudgetState { budget, used: HashMap::new() };
    }

    /// Resets the used units of all accounts.
    pub(crate) fn clear(&self) {
        self.state().used.clear();
    }

    /// Resets the used units of an account.
    pub(crate) fn clear_account(&self, account: &str) {
        self.state().used.remove(account);
    }

    /// Charges the cost of a request, in resource units, to an account at the time `now`. A
    /// rejected request is charged too. A window that has ended is replaced. Returns `None` without
    /// a budget.
    pub(crate) fn charge(&self, account: &str, cost: u32, now: Instant) -> Option<Charge> {
        let mut state = self.state();
        let budget = state.budget?;
        let new = BudgetUsage { units: 0, ends: now + budget.window() };
        let used = state.used.entry(account.to_owned()).or_insert(new);
        if used.ends <= now {
            *used = new;
        }
        used.units = used.units.saturating_add(cost.into());
        Some(Charge { budget, used: used.units, left: used.ends - now })
    }
}

impl Charge {
    /// Returns whether the used units, including this request's, are more than those of the budget.
    /// Exactly the budget is allowed.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.used > u64::from(self.budget.units)
    }

    /// Sets `Retry-After` to the end of the window.
    pub(crate) fn set_retry_after(&self, headers: &mut HeaderMap) {
        insert(headers, header::RETRY_AFTER, self.budget.format_seconds(self.left));
    }

    /// Sets the `RateLimit-*` headers if most of the budget is used.
    pub(crate) fn set_rate_limit_headers(&self, headers: &mut HeaderMap) {
        let units = u64::from(self.budget.units);
        if (self.used as f64) < HEADERS_FROM_SHARE * units as f64 {
            return;
        }
        let values = [
            ("ratelimit-limit", units.to_string()),
            ("ratelimit-remaining", units.saturating_sub(self.used).to_string()),
            ("ratelimit-reset", self.budget.format_seconds(self.left)),
        ];
        for (name, value) in values {
            insert(headers, HeaderName::from_static(name), value);
        }
    }
}

/// Sets a header, unless the value is invalid.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_counted_per_account_until_the_window_ends() {
        let budgets = Budgets::new(Some(Budget::new(10, Duration::from_secs(6))));
        let now = Instant::now();
        let charge = |account, cost, at| budgets.charge(account, cost, now + at).expect("a budget");
        let second = Duration::from_secs(1);
        assert!(!charge("a", 8, Duration::ZERO).is_exceeded());
        assert!(!charge("a", 2, second).is_exceeded());
        let beyond = charge("a", 1, 2 * second);
        assert!(beyond.is_exceeded() && beyond.left == 4 * second);
        assert_eq!(charge("b", 1, 2 * second).used, 1);
        assert_eq!(charge("a", 1, 6 * second).used, 1);
        budgets.set(None);
        assert!(budgets.charge("a", 100, now).is_none());
    }

    #[test]
    fn times_are_whole_seconds_unless_the_window_is_short() {
        let time = Duration::from_micros(1_234_100);
        assert_eq!(Budget::new(1, Duration::from_secs(60)).format_seconds(time), "2");
        assert_eq!(Budget::new(1, Duration::from_secs(6)).format_seconds(time), "1.235");
    }

    #[test]
    fn invalid_budgets_are_rejected() {
        let second = Duration::from_secs(1);
        assert!(Budget::new(1, second).check().is_ok());
        for bad in
            [Budget::new(0, second), Budget::new(1, Duration::ZERO), Budget::new(1, Duration::MAX)]
        {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<Budget>(r#"{"units": 1, "windows": 5}"#).is_err());
    }
}
