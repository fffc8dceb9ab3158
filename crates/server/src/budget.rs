//! How much an account may ask for in a window of time.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Deserialize, Serialize};

/// From which share of the budget on Graph tells how much is left
/// (onedrive-graph#rate-limit-headers).
const TELLS_FROM: f64 = 0.8;

/// From how long a window on times are told in whole seconds, as clouds do. A shorter one is a
/// cloud's minute run faster, where a whole second would be much of it.
const WHOLE_SECONDS_FROM: Duration = Duration::from_secs(30);

/// How much each account may ask for in a window of time, which begins with the first request after
/// the one before has ended.
///
/// Graph's requests cost resource units as the cloud publishes them
/// (onedrive-graph#resource-units): 1 for an item, its bytes, or a change feed from a token on; 2
/// for several items, and for every change; 5 for permissions; nothing for URLs that need no token,
/// nor for a batch beside its requests. What is beyond is answered with 429 and `Retry-After`, and
/// from 80 % on every answer tells `RateLimit-Limit`, `-Remaining` and `-Reset`. The other
/// protocols' requests cost 1 each, and what is beyond is answered in their words: 420 with
/// `Retry-After` in Live Connect (live-connect#error-throttled), 429 without a word of when in
/// Amazon's (amazon-drive#error-rate). Sign-in and tickets are free. What was refused counts too.
///
/// ```
/// use std::time::Duration;
/// use drivedal_server::Budget;
///
/// // What Graph allows an app for a small tenant …
/// let real = Budget::new(1250, Duration::from_secs(60));
/// // … and the same ten times as fast.
/// let fast = Budget::new(12_500, Duration::from_secs(60));
/// ```
///
/// As JSON: `{"units": 1250, "window": 60000}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Budget {
    /// Units of a window, at least 1.
    pub units: u32,
    /// Its length in milliseconds, at least 1.
    pub window: u64,
}

impl Budget {
    /// So many units in that time.
    pub fn new(units: u32, window: Duration) -> Self {
        Self { units, window: u64::try_from(window.as_millis()).unwrap_or(u64::MAX) }
    }

    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        match (self.units, self.window) {
            (0, _) => Err("a budget must have at least one unit"),
            (_, 0) => Err("a budget's window must be at least a millisecond long"),
            // An instant must be found that far ahead.
            (_, window) if window > 1000 * 3600 * 24 * 365 => {
                Err("a budget's window must not be longer than a year")
            }
            _ => Ok(()),
        }
    }

    fn window(&self) -> Duration {
        Duration::from_millis(self.window)
    }

    /// A span of time as answers tell it: never too short.
    fn told(&self, time: Duration) -> String {
        match self.window() >= WHOLE_SECONDS_FROM {
            true => time.as_secs_f64().ceil().to_string(),
            false => format!("{:.3}", (time.as_secs_f64() * 1000.0).ceil() / 1000.0),
        }
    }
}

/// The budget in force, and what accounts have used of it.
#[derive(Debug, Default)]
pub(crate) struct Budgets(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    budget: Option<Budget>,
    used: HashMap<String, Used>,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    units: u64,
    ends: Instant,
}

/// A request that was counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    budget: Budget,
    /// With this one.
    used: u64,
    left: Duration,
}

impl Budgets {
    pub(crate) fn new(budget: Option<Budget>) -> Self {
        Self(Mutex::new(State { budget, used: HashMap::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn budget(&self) -> Option<Budget> {
        self.state().budget
    }

    /// Puts a budget in force, or none; nothing of it is used.
    pub(crate) fn set(&self, budget: Option<Budget>) {
        *self.state() = State { budget, used: HashMap::new() };
    }

    /// Nothing is used.
    pub(crate) fn clear(&self) {
        self.state().used.clear();
    }

    /// Charges a request to an account; `None` without a budget.
    pub(crate) fn charge(&self, account: &str, cost: u32) -> Option<Charge> {
        self.charge_at(account, cost, Instant::now())
    }

    fn charge_at(&self, account: &str, cost: u32, now: Instant) -> Option<Charge> {
        let mut state = self.state();
        let budget = state.budget?;
        let anew = Used { units: 0, ends: now + budget.window() };
        let used = state.used.entry(account.to_owned()).or_insert(anew);
        if used.ends <= now {
            *used = anew;
        }
        used.units = used.units.saturating_add(cost.into());
        Some(Charge { budget, used: used.units, left: used.ends - now })
    }
}

impl Charge {
    /// Whether the request is beyond the budget.
    pub(crate) fn is_beyond(&self) -> bool {
        self.used > u64::from(self.budget.units)
    }

    /// Sets `Retry-After` to the end of the window.
    pub(crate) fn set_retry_after(&self, headers: &mut HeaderMap) {
        insert(headers, header::RETRY_AFTER, self.budget.told(self.left));
    }

    /// Sets `RateLimit-*` headers, once little of the budget is left.
    pub(crate) fn announce(&self, headers: &mut HeaderMap) {
        let units = u64::from(self.budget.units);
        if (self.used as f64) < TELLS_FROM * units as f64 {
            return;
        }
        let told = [
            ("ratelimit-limit", units.to_string()),
            ("ratelimit-remaining", units.saturating_sub(self.used).to_string()),
            ("ratelimit-reset", self.budget.told(self.left)),
        ];
        for (name, value) in told {
            insert(headers, HeaderName::from_static(name), value);
        }
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_counted_by_account_until_the_window_ends() {
        let budgets = Budgets::new(Some(Budget::new(10, Duration::from_secs(6))));
        let now = Instant::now();
        let charge =
            |account, cost, at| budgets.charge_at(account, cost, now + at).expect("a budget");
        let second = Duration::from_secs(1);
        assert!(!charge("a", 8, Duration::ZERO).is_beyond());
        assert!(!charge("a", 2, second).is_beyond());
        let beyond = charge("a", 1, 2 * second);
        assert!(beyond.is_beyond() && beyond.left == 4 * second);
        assert_eq!(charge("b", 1, 2 * second).used, 1);
        assert_eq!(charge("a", 1, 6 * second).used, 1);
        budgets.set(None);
        assert!(budgets.charge_at("a", 100, now).is_none());
    }

    #[test]
    fn a_time_is_told_in_whole_seconds_unless_the_window_is_short() {
        let time = Duration::from_micros(1_234_100);
        assert_eq!(Budget::new(1, Duration::from_secs(60)).told(time), "2");
        assert_eq!(Budget::new(1, Duration::from_secs(6)).told(time), "1.235");
    }

    #[test]
    fn a_budget_of_nothing_is_refused() {
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
