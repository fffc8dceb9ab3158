//! How much an account may ask for in a window of time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use serde::{Deserialize, Serialize};

use crate::app::{App, Exchange, FrontEnd};

/// From which share of the budget on Graph tells how much is left (onedrive-graph.md, A22).
const TELLS_FROM: f64 = 0.8;

/// From how long a window on times are told in whole seconds, as clouds do. A shorter one is a
/// cloud's minute run faster, where a whole second would be much of it.
const WHOLE_SECONDS_FROM: Duration = Duration::from_secs(30);

/// How much each account may ask for in a window of time, which begins with the first request after
/// the one before has ended.
///
/// Graph's requests cost resource units as the cloud publishes them (onedrive-graph.md, A22): 1 for
/// an item, its bytes, or a change feed from a token on; 2 for several items, and for every change;
/// 5 for permissions; nothing for URLs that need no token, nor for a batch beside its requests. What is beyond is answered with 429 and
/// `Retry-After`, and from 80 % on every answer tells `RateLimit-Limit`, `-Remaining` and `-Reset`.
/// The other protocols' requests cost 1 each, and what is beyond is answered in their words: 420
/// with `Retry-After` in Live Connect (live-connect.md, errors), 429 without a word of when in
/// Amazon's (amazon-drive.md, C.5). Sign-in and tickets are free. What was refused counts too.
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
struct Charge {
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

    pub(super) fn budget(&self) -> Option<Budget> {
        self.state().budget
    }

    /// Puts a budget in force, or none; nothing of it is used.
    pub(super) fn set(&self, budget: Option<Budget>) {
        *self.state() = State { budget, used: HashMap::new() };
    }

    /// Nothing is used.
    pub(super) fn clear(&self) {
        self.state().used.clear();
    }

    fn charge(&self, account: &str, cost: u32, now: Instant) -> Option<Charge> {
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
    fn is_beyond(&self) -> bool {
        self.used > u64::from(self.budget.units)
    }

    fn refusal(&self, words: &Words, front_end: &dyn FrontEnd) -> Response {
        let mut response = front_end.failure(words.status);
        if words.says_when {
            insert(response.headers_mut(), header::RETRY_AFTER, self.budget.told(self.left));
        }
        response
    }

    /// What is left, once little is.
    fn tell(&self, headers: &mut HeaderMap) {
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

/// How a protocol says that it is enough.
struct Words {
    status: StatusCode,
    /// By `Retry-After`.
    says_when: bool,
    /// By `RateLimit-*`.
    says_what_is_left: bool,
}

impl Words {
    fn of(operation: &str) -> Self {
        // 420 is no status that everybody knows.
        let live = StatusCode::from_u16(420).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
        let many = StatusCode::TOO_MANY_REQUESTS;
        match operation.split('.').next() {
            Some("live") => Self { status: live, says_when: true, says_what_is_left: false },
            Some("graph") => Self { status: many, says_when: true, says_what_is_left: true },
            _ => Self { status: many, says_when: false, says_what_is_left: false },
        }
    }
}

/// What a request costs, in units; see [`Budget`].
fn cost(operation: &str, request: &Parts) -> u32 {
    let Some((protocol, what)) = operation.split_once('.') else { return 0 };
    match (protocol, what) {
        ("live", _) => 1,
        ("amazon", "token" | "signin") => 0,
        ("amazon", _) => 1,
        (
            "graph",
            "session.fragment" | "session.status" | "session.cancel" | "session.commit"
            | "copy.status" | "link.get" | "batch",
        ) => 0,
        ("graph", "permissions" | "link.create") => 5,
        ("graph", _) if expands_permissions(request) => 5,
        ("graph", "delta.list") if has_token(request) => 1,
        ("graph", what) => match what.rsplit('.').next() {
            // One item, or one drive, site, user.
            Some("get" | "unknown") => 1,
            _ => 2,
        },
        _ => 0,
    }
}

fn expands_permissions(request: &Parts) -> bool {
    let query = request.uri.query().unwrap_or_default();
    query.contains("expand=") && query.contains("permissions")
}

fn has_token(request: &Parts) -> bool {
    let (path, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
    path.contains("delta(token=") || query.split('&').any(|one| one.starts_with("token="))
}

/// Has a front end answer a request, if its account's budget allows it.
pub(crate) async fn within_budget(
    app: &Arc<App>,
    front_end: &'static dyn FrontEnd,
    operation: &'static str,
    exchange: Exchange,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let cost = cost(operation, &parts);
    let account = match cost {
        0 => None,
        _ => front_end
            .drive(app, &parts)
            .or_else(|| exchange.grant.as_ref().ok().map(|grant| grant.account.clone())),
    };
    let budgets = &app.control.budgets;
    let charge = account.and_then(|account| budgets.charge(&account, cost, Instant::now()));
    let request = Request::from_parts(parts, body);
    let Some(charge) = charge else { return front_end.answer(app, exchange, request).await };
    let words = Words::of(operation);
    let mut response = match charge.is_beyond() {
        true => charge.refusal(&words, front_end),
        false => front_end.answer(app, exchange, request).await,
    };
    if words.says_what_is_left {
        charge.tell(response.headers_mut());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost_of(operation: &str, uri: &str) -> u32 {
        let request = Request::get(uri).body(axum::body::Body::empty()).expect("a request");
        cost(operation, &request.into_parts().0)
    }

    #[test]
    fn a_request_costs_what_the_cloud_publishes() {
        for (operation, uri, units) in [
            ("graph.item.get", "/v1.0/me/drive/root", 1),
            ("graph.content.get", "/v1.0/me/drive/items/1/content", 1),
            ("graph.item.get", "/v1.0/me/drive/root?$expand=permissions", 5),
            ("graph.children.list", "/v1.0/me/drive/root/children", 2),
            ("graph.delta.list", "/v1.0/me/drive/root/delta", 2),
            ("graph.delta.list", "/v1.0/me/drive/root/delta?$top=5&token=x", 1),
            ("graph.delta.list", "/v1.0/me/drive/root/delta(token='x')", 1),
            ("graph.content.put", "/v1.0/me/drive/root:/a:/content", 2),
            ("graph.session.create", "/v1.0/me/drive/root:/a:/createUploadSession", 2),
            ("graph.session.fragment", "/rup/x", 0),
            ("graph.permissions", "/v1.0/me/drive/items/1/permissions", 5),
            ("live.files.put", "/v5.0/me/skydrive/files/a", 1),
            ("amazon.node.list", "/drive/v1/nodes", 1),
            ("amazon.token", "/auth/o2/token", 0),
            ("ticket.get", "/s1px", 0),
            ("entra.token", "/common/oauth2/v2.0/token", 0),
            ("elsewhere", "/", 0),
        ] {
            assert_eq!(cost_of(operation, uri), units, "{operation} {uri}");
        }
    }

    #[test]
    fn what_is_used_is_counted_by_account_until_the_window_ends() {
        let budgets = Budgets::new(Some(Budget::new(10, Duration::from_secs(6))));
        let now = Instant::now();
        let charge = |account, cost, at| budgets.charge(account, cost, now + at).expect("a budget");
        let second = Duration::from_secs(1);
        assert!(!charge("a", 8, Duration::ZERO).is_beyond());
        assert!(!charge("a", 2, second).is_beyond());
        let beyond = charge("a", 1, 2 * second);
        assert!(beyond.is_beyond() && beyond.left == 4 * second);
        assert_eq!(charge("b", 1, 2 * second).used, 1);
        assert_eq!(charge("a", 1, 6 * second).used, 1);
        budgets.set(None);
        assert!(budgets.charge("a", 100, now).is_none());
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
