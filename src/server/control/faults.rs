//! Faults on demand: rules that make the server fail as clouds do.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use axum::http::{HeaderName, HeaderValue, StatusCode};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use crate::server::app;

/// A rule: which requests fail, how often, and how.
///
/// A request is shown to the rules in the order in which they were added; the first one that
/// strikes is applied, and the others do not see it. A rule strikes a request that matches
/// `operation`, `path` and `drive`, unless it is one of the first `skip` matches, `count` requests
/// were struck already, or the dice say otherwise (`share`).
///
/// ```
/// use std::time::Duration;
/// use drivedal::server::{Fault, When};
///
/// // Twice the cloud has no time for an upload …
/// Fault::on("live.files.put").times(2).status(503).header("Retry-After", "1");
/// // … one download in ten breaks off after 1,000 bytes …
/// Fault::on("ticket.get").share(0.1).truncate(1000);
/// // … and the answer to the third deletion is lost, although it has happened.
/// Fault::on("*.delete").skip(2).times(1).reset(When::After);
/// ```
///
/// As JSON, where every field may be left out:
///
/// ```json
/// {"operation": "live.files.put", "count": 2, "status": 503, "headers": {"Retry-After": "1"}}
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Fault {
    /// The operation's name, as in `live.files.put`; `*` stands for any run of characters. `None`:
    /// every operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The path as it was sent, percent-encoded, without the query; `*` as in `operation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The account's name, so that tests on drives of their own do not meet; the default account's
    /// is empty. `None`: every account, and requests of nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drive: Option<String>,
    /// How likely a match is struck, 0 to 1. `None`: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// How many matches pass before the first is struck.
    pub skip: u64,
    /// How many requests are struck at most. `None`: no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Whether `status` and `reset` strike before the request has had its effect, or after.
    pub when: When,
    /// Milliseconds that pass before anything else happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<u64>,
    /// The status of the answer, 400 to 599.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Headers of that answer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Body of that answer. `None`: what the protocol says with this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Whether the connection is reset instead of an answer.
    pub reset: bool,
    /// After how many bytes at most the answer's body breaks off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncate: Option<u64>,
}

/// Whether a request has had its effect when a fault strikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Not yet: nothing has happened on the drive.
    #[default]
    Before,
    /// It has; only the answer is lost.
    After,
}

impl Fault {
    /// A rule for operations of that name, which may have `*` in it. It needs an effect.
    pub fn on(operation: impl Into<String>) -> Self {
        Self { operation: Some(operation.into()), ..Self::default() }
    }

    /// Only for this path, percent-encoded as it is sent, without the query; may have `*` in it.
    pub fn path(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    /// Only for this account.
    pub fn drive(self, name: impl Into<String>) -> Self {
        Self { drive: Some(name.into()), ..self }
    }

    /// Only this share of the matches, 0 to 1.
    pub fn share(self, share: f64) -> Self {
        Self { share: Some(share), ..self }
    }

    /// Lets the first matches pass.
    pub fn skip(self, matches: u64) -> Self {
        Self { skip: matches, ..self }
    }

    /// Strikes that often at most.
    pub fn times(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }

    /// Delays the request, by whole milliseconds.
    pub fn latency(self, latency: Duration) -> Self {
        Self { latency: Some(latency.as_millis().try_into().unwrap_or(u64::MAX)), ..self }
    }

    /// Answers with this status, 400 to 599.
    pub fn status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Adds a header to that answer.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Gives that answer a body.
    pub fn body(self, body: impl Into<String>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    /// Resets the connection, before or after the effect.
    pub fn reset(self, when: When) -> Self {
        Self { reset: true, when, ..self }
    }

    /// Answers with `status` only after the request has had its effect.
    pub fn after_the_effect(self) -> Self {
        Self { when: When::After, ..self }
    }

    /// Breaks the answer's body off after so many bytes.
    pub fn truncate(self, bytes: u64) -> Self {
        Self { truncate: Some(bytes), ..self }
    }

    /// What is wrong with it.
    fn check(&self) -> Result<(), &'static str> {
        if !(self.reset
            || self.status.is_some()
            || self.latency.is_some()
            || self.truncate.is_some())
        {
            return Err("it has no effect: give it status, latency, reset or truncate");
        }
        if self.reset && (self.status.is_some() || self.truncate.is_some()) {
            return Err(
                "a connection that is reset has no answer: reset goes without status and truncate",
            );
        }
        if self.status.is_some_and(|status| !(400..=599).contains(&status)) {
            return Err("status must be 400 to 599");
        }
        if self.status.is_none() && (self.body.is_some() || !self.headers.is_empty()) {
            return Err("headers and body are those of an answer with status");
        }
        for (name, value) in &self.headers {
            if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
                return Err("a header's name or value has characters that none may have");
            }
        }
        if self.share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err("share must be 0 to 1");
        }
        if let Some(pattern) = &self.operation
            && !app::is_operation(|name| matches(pattern, name))
        {
            return Err("no operation is called that");
        }
        Ok(())
    }

    fn matches(&self, operation: &str, path: &str, drive: Option<&str>) -> bool {
        self.operation.as_ref().is_none_or(|pattern| matches(pattern, operation))
            && self.path.as_ref().is_none_or(|pattern| matches(pattern, path))
            && self.drive.as_ref().is_none_or(|name| drive == Some(name))
    }
}

/// A rule that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fault rule {number}: {reason}")]
pub struct FaultError {
    /// Which of those that were added together, from 1.
    pub number: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// A rule in force, and what it has done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActiveFault {
    /// The rule.
    #[serde(flatten)]
    pub rule: Fault,
    /// How many requests matched it.
    pub matched: u64,
    /// How many of them it struck.
    pub struck: u64,
}

/// A fault that strikes one request.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct Strike {
    pub latency: Duration,
    pub when: When,
    pub failure: Option<Failure>,
    pub reset: bool,
    pub truncate: Option<u64>,
}

/// An answer that a rule asks for.
#[derive(Clone, Debug)]
pub(in crate::server) struct Failure {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Option<String>,
}

impl Strike {
    fn of(rule: &Fault) -> Self {
        let failure = rule.status.and_then(|status| StatusCode::from_u16(status).ok());
        Self {
            latency: Duration::from_millis(rule.latency.unwrap_or(0)),
            when: rule.when,
            failure: failure.map(|status| Failure {
                status,
                headers: rule
                    .headers
                    .iter()
                    .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
                    .collect(),
                body: rule.body.clone(),
            }),
            reset: rule.reset,
            truncate: rule.truncate,
        }
    }

    /// What it does, for the log.
    pub(in crate::server) fn told(&self) -> String {
        let mut told = Vec::new();
        if !self.latency.is_zero() {
            told.push(format!("latency {} ms", self.latency.as_millis()));
        }
        let when = match self.when {
            When::Before => "before",
            When::After => "after",
        };
        if let Some(failure) = &self.failure {
            told.push(format!("status {} {when} the effect", failure.status.as_u16()));
        }
        if self.reset {
            told.push(format!("reset {when} the effect"));
        }
        if let Some(bytes) = self.truncate {
            told.push(format!("truncated at {bytes} bytes"));
        }
        told.join(", ")
    }
}

#[derive(Debug)]
struct Rule {
    active: ActiveFault,
    /// A dice of its own, so that what one rule draws does not depend on the others.
    dice: StdRng,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(in crate::server) struct Faults(Mutex<Vec<Rule>>);

impl Faults {
    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Adds rules, all or none; the seed of their dice.
    pub(super) fn add(&self, rules: Vec<Fault>, seed: Option<u64>) -> Result<u64, FaultError> {
        for (at, rule) in rules.iter().enumerate() {
            rule.check().map_err(|reason| FaultError { number: at + 1, reason })?;
        }
        // No more bits than JSON's numbers keep everywhere.
        let seed = seed.unwrap_or_else(|| rand::rng().random_range(0..1 << 53));
        let rules = rules.into_iter().enumerate().map(|(at, rule)| Rule {
            active: ActiveFault { rule, matched: 0, struck: 0 },
            dice: StdRng::seed_from_u64(seed.wrapping_add(at as u64)),
        });
        self.rules().extend(rules);
        Ok(seed)
    }

    pub(super) fn active(&self) -> Vec<ActiveFault> {
        self.rules().iter().map(|rule| rule.active.clone()).collect()
    }

    pub(super) fn clear(&self) {
        self.rules().clear();
    }

    /// What strikes a request.
    pub(in crate::server) fn strike(
        &self,
        operation: &str,
        path: &str,
        drive: Option<&str>,
    ) -> Option<Strike> {
        self.rules().iter_mut().find_map(|Rule { active, dice }| {
            let ActiveFault { rule, matched, struck } = active;
            if !rule.matches(operation, path, drive) {
                return None;
            }
            *matched += 1;
            let strikes = *matched > rule.skip
                && rule.count.is_none_or(|count| *struck < count)
                && rule.share.is_none_or(|share| dice.random_bool(share));
            strikes.then(|| {
                *struck += 1;
                Strike::of(rule)
            })
        })
    }
}

/// Whether a pattern, in which `*` stands for any run of characters, describes all of a text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(faults: &Faults, operation: &str) -> bool {
        faults.strike(operation, "/v5.0/me", Some("")).is_some()
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text) in [
            ("live.files.put", "live.files.put"),
            ("live.*", "live.files.put"),
            ("*", ""),
            ("*.put", "live.files.put"),
            ("l*v*t", "live.files.put"),
            ("a*b*b", "abbb"),
            ("", ""),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("live.files", "live.files.put"), ("*.put", "live.put.x"), ("a*a", "a"), ("", "a")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_rule_lets_the_first_matches_pass_and_strikes_no_more_than_counted() {
        let faults = Faults::default();
        let rule = Fault::on("live.files.put").skip(1).times(2).status(503);
        faults.add(vec![rule], None).expect("a good rule");
        let struck: Vec<bool> = (0..5).map(|_| struck(&faults, "live.files.put")).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert_eq!((faults.active()[0].matched, faults.active()[0].struck), (5, 2));
    }

    #[test]
    fn the_first_rule_that_strikes_hides_the_request_from_the_next() {
        let faults = Faults::default();
        let first = Fault::on("live.*").times(1).status(500);
        let second = Fault::on("live.files.put").times(1).reset(When::Before);
        faults.add(vec![first, second], None).expect("good rules");
        let strikes: Vec<bool> = (0..2)
            .filter_map(|_| faults.strike("live.files.put", "/", None))
            .map(|strike| strike.reset)
            .collect();
        assert_eq!(strikes, [false, true]);
    }

    #[test]
    fn operation_path_and_drive_must_all_match() {
        let rule = Fault::on("live.files.*").path("/v5.0/*/a%20b").drive("anna").status(500);
        assert!(rule.matches("live.files.put", "/v5.0/x/files/a%20b", Some("anna")));
        assert!(!rule.matches("live.item.get", "/v5.0/x/files/a%20b", Some("anna")));
        assert!(!rule.matches("live.files.put", "/v5.0/x/files/a", Some("anna")));
        assert!(!rule.matches("live.files.put", "/v5.0/x/files/a%20b", Some("")));
        assert!(!rule.matches("live.files.put", "/v5.0/x/files/a%20b", None));
    }

    #[test]
    fn the_same_seed_draws_the_same_lots() {
        let draw = |seed| {
            let faults = Faults::default();
            let told = faults.add(vec![Fault::on("*").share(0.5).status(500)], seed);
            let lots: Vec<bool> = (0..64).map(|_| struck(&faults, "live.item.get")).collect();
            (told.expect("a good rule"), lots)
        };
        let (seed, lots) = draw(None);
        assert_eq!(draw(Some(seed)).1, lots);
        assert_ne!(draw(Some(seed.wrapping_add(1))).1, lots);
        assert!(lots.contains(&true) && lots.contains(&false));
    }

    #[test]
    fn rules_that_can_do_nothing_are_refused_and_none_of_their_company_is_kept() {
        let faults = Faults::default();
        let good = Fault::on("live.item.get").status(500);
        for bad in [
            Fault::on("live.item.get"),
            Fault::on("live.item.got").status(500),
            Fault::on("live.item.get").status(200),
            Fault::on("live.item.get").status(500).share(1.5),
            Fault::on("live.item.get").status(500).share(f64::NAN),
            Fault::on("live.item.get").status(500).header("a b", "c"),
            Fault::on("live.item.get").status(500).header("a", "c\n"),
            Fault::on("live.item.get").status(500).reset(When::After),
            Fault::on("live.item.get").latency(Duration::from_millis(1)).body("x"),
        ] {
            let error = faults.add(vec![good.clone(), bad.clone()], None);
            assert_eq!(error.map_err(|error| error.number), Err(2), "{bad:?}");
        }
        assert_eq!(faults.active(), []);
    }

    #[test]
    fn a_rule_reads_back_as_it_was_written() {
        let rule = Fault::on("live.*")
            .path("/v5.0/me")
            .drive("anna")
            .share(0.25)
            .skip(1)
            .times(2)
            .latency(Duration::from_millis(20))
            .status(503)
            .header("Retry-After", "1")
            .body("no")
            .after_the_effect()
            .truncate(1);
        let text = serde_json::to_string(&rule).expect("plain data");
        assert_eq!(serde_json::from_str::<Fault>(&text).expect("its own text"), rule);
        assert!(serde_json::from_str::<Fault>(r#"{"statis": 500}"#).is_err());
    }
}
