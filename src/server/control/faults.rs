//! Faults on demand: rules that make the server fail as clouds do.

use std::{collections::BTreeMap, time::Duration};

use axum::http::{HeaderName, HeaderValue};
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
    pub(super) fn check(&self) -> Result<(), &'static str> {
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

    pub(super) fn matches(&self, operation: &str, path: &str, drive: Option<&str>) -> bool {
        self.operation.as_ref().is_none_or(|pattern| matches(pattern, operation))
            && self.path.as_ref().is_none_or(|pattern| matches(pattern, path))
            && self.drive.as_ref().is_none_or(|name| drive == Some(name))
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
    fn operation_path_and_drive_must_all_match() {
        let rule = Fault::on("live.files.*").path("/v5.0/*/a%20b").drive("anna").status(500);
        assert!(rule.matches("live.files.put", "/v5.0/x/files/a%20b", Some("anna")));
        assert!(!rule.matches("live.item.get", "/v5.0/x/files/a%20b", Some("anna")));
        assert!(!rule.matches("live.files.put", "/v5.0/x/files/a", Some("anna")));
        assert!(!rule.matches("live.files.put", "/v5.0/x/files/a%20b", Some("")));
        assert!(!rule.matches("live.files.put", "/v5.0/x/files/a%20b", None));
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
