//! Faults on demand: rules that make the server fail as clouds do.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::effects::{Bandwidth, Drip, Latency, Side, When, whole_milliseconds};
use crate::json::one_or_many;

/// A rule: which requests fail, when, how often, and how.
///
/// A rule *matches* a request by `operation`, `path` and `drive`, and counts its matches. It
/// *strikes* a match unless it is one of the first `skip`, not an `every`-th of the others, outside
/// of `from` and `until`, past `count` or `lasting`, or the dice say otherwise (`share`). Every
/// request is shown to every rule in the order in which they were added; the first one that strikes
/// is applied, alone.
///
/// ```
/// use std::time::Duration;
/// use drivedal_server::{Bandwidth, Fault, Latency, Side, When};
///
/// let ms = Duration::from_millis;
/// let rules = [
///     // Twice the cloud has no time for an upload …
///     Fault::on("live.files.put").times(2).status(503).header("Retry-After", "1"),
///     // … one download in ten breaks off after 1,000 bytes …
///     Fault::on("ticket.get").share(0.1).truncate(1000),
///     // … the answer to the third deletion is lost, although it has happened …
///     Fault::on("*.delete").skip(2).times(1).reset(When::After),
///     // … every fifth fragment ends in the middle, wherever that is …
///     Fault::on("graph.session.fragment").every(5).reset(When::During),
///     // … the second one finds its session gone …
///     Fault::on("live.bits.fragment").skip(1).times(1).lose_session(),
///     // … an access token is too old, one request in twenty …
///     Fault::on("amazon.*").share(0.05).expire(),
///     // … what was uploaded is not to be found for two seconds …
///     Fault::on("amazon.content.upload").invisible(ms(2000)),
///     // … and is told to have another hash than it has …
///     Fault::on("graph.content.put").times(1).wrong_hash(),
///     // … a byte is wrong …
///     Fault::on("ticket.get").times(1).corrupt(Side::Answer),
///     // … and for a minute the line is a bad one.
///     Fault::on("*").latency(Latency::lognormal(ms(80), 0.6)).lasting(ms(60_000)),
///     Fault::on("*").bandwidth(Bandwidth::both(100_000)).from(ms(60_000)),
/// ];
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let server = drivedal_server::Server::builder().start().await?;
/// server.control().add_faults(rules)?;
/// # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// As JSON, where every field may be left out, times are milliseconds, and what is misspelt is
/// refused:
///
/// ```json
/// {"operation": "live.files.put", "count": 2, "status": 503, "headers": {"Retry-After": "1"}}
/// {"operation": "*", "latency": {"lognormal": {"median": 80, "sigma": 0.6}}, "lasting": 60000}
/// {"operation": "graph.session.fragment", "every": 5, "reset": true, "when": "during"}
/// ```
///
/// # The same again
///
/// What a rule decides about its n-th match, and what it draws for it, depends on nothing but the
/// seed, the rule's place among those that were added with it, and n: other rules, other operations
/// and the order in which requests of different rules arrive change none of it. (What goes by the
/// clock, `from`, `until` and `lasting`, is the exception.) The seed is the server's
/// ([`Builder::fault_seed`](crate::Builder::fault_seed), `serve --fault-seed`), drawn where
/// nobody names one, or comes with the rules; adding rules tells it.
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
    /// How many matches pass before the first may be struck.
    #[serde(skip_serializing_if = "is_zero")]
    pub skip: u64,
    /// Only every n-th match after those that are skipped. `None`: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// How many requests are struck at most. `None`: no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Milliseconds after the rule was added before which nothing is struck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Milliseconds after the rule was added from which on nothing is struck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Milliseconds after its first strike from which on nothing is struck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasting: Option<u64>,
    /// Whether `status` and `reset` strike before the request has had its effect, after it, or (a
    /// reset) while bytes move.
    pub when: When,
    /// What passes before anything else happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// The status of the answer, 200 to 599.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Headers of that answer; without `status`, of the answer that there is anyhow.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Body of that answer. `None`: what the protocol says with this status, nothing below 400.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Whether the connection is reset instead of an answer.
    #[serde(skip_serializing_if = "is_false")]
    pub reset: bool,
    /// After how many bytes a reset during the effect comes; where there are fewer, after all of
    /// them. `None`: drawn, anywhere within.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// After how many bytes at most the answer's body breaks off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncate: Option<u64>,
    /// In whose body one byte, drawn, is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrupt: Option<Side>,
    /// How fast bytes move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// The answer's body in drops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drip: Option<Drip>,
    /// Whether the access token or the ticket of the request is taken for too old.
    #[serde(skip_serializing_if = "is_false")]
    pub expire: bool,
    /// Whether the upload session that the request is about is lost, for good, before the effect.
    #[serde(skip_serializing_if = "is_false")]
    pub lose_session: bool,
    /// For how many milliseconds items that the request made are neither found nor listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invisible: Option<u64>,
    /// Whether the hashes in the answer are wrong.
    #[serde(skip_serializing_if = "is_false")]
    pub wrong_hash: bool,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Fault {
    /// A rule for operations of that name, which may have `*` in it. It needs an effect.
    pub fn on(operation: impl Into<String>) -> Self {
        Self { operation: Some(operation.into()), ..Self::default() }
    }

    /// Rules from JSON: one, or a list of them, as `POST /_control/faults` takes them. An error
    /// says which of them is wrong, and how.
    pub fn from_json(text: &[u8]) -> Result<Vec<Self>, String> {
        one_or_many(text, "rule")
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

    /// Only every n-th match after those that are skipped.
    pub fn every(self, n: u64) -> Self {
        Self { every: Some(n), ..self }
    }

    /// Strikes that often at most.
    pub fn times(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }

    /// Not before so much time has passed since the rule was added.
    pub fn from(self, time: Duration) -> Self {
        Self { from: Some(whole_milliseconds(time)), ..self }
    }

    /// No longer when so much time has passed since the rule was added.
    pub fn until(self, time: Duration) -> Self {
        Self { until: Some(whole_milliseconds(time)), ..self }
    }

    /// No longer when so much time has passed since its first strike: an outage.
    pub fn lasting(self, time: Duration) -> Self {
        Self { lasting: Some(whole_milliseconds(time)), ..self }
    }

    /// Delays the request: by a [`Duration`], in whole milliseconds, or by what is drawn from a
    /// distribution.
    pub fn latency(self, latency: impl Into<Latency>) -> Self {
        Self { latency: Some(latency.into()), ..self }
    }

    /// Answers with this status, 200 to 599.
    pub fn status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Adds a header to that answer, or to the one that there is anyhow.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Gives that answer a body.
    pub fn body(self, body: impl Into<String>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    /// Resets the connection, before, during or after the effect.
    pub fn reset(self, when: When) -> Self {
        Self { reset: true, when, ..self }
    }

    /// Where a reset during the effect comes: after so many bytes of the request's body, or of the
    /// answer's where the request has none.
    pub fn at(self, bytes: u64) -> Self {
        Self { at: Some(bytes), ..self }
    }

    /// Answers with `status` only after the request has had its effect.
    pub fn after_the_effect(self) -> Self {
        Self { when: When::After, ..self }
    }

    /// Breaks the answer's body off after so many bytes.
    pub fn truncate(self, bytes: u64) -> Self {
        Self { truncate: Some(bytes), ..self }
    }

    /// Makes one byte another, somewhere in a body. What the client sent is wrong before the server
    /// looks at it.
    pub fn corrupt(self, side: Side) -> Self {
        Self { corrupt: Some(side), ..self }
    }

    /// Makes the line slow.
    pub fn bandwidth(self, bandwidth: Bandwidth) -> Self {
        Self { bandwidth: Some(bandwidth), ..self }
    }

    /// Sends the answer's body in drops of so many bytes, one every so often.
    pub fn drip(self, bytes: u64, every: Duration) -> Self {
        Self { drip: Some(Drip { bytes, every: whole_milliseconds(every) }), ..self }
    }

    /// Takes the access token or the ticket for too old, in the words of the protocol; this time,
    /// not for good.
    pub fn expire(self) -> Self {
        Self { expire: true, ..self }
    }

    /// Forgets the upload session that the request is about, and its bytes, for good: a Graph upload
    /// URL's, or a BITS session. What has none is not changed.
    pub fn lose_session(self) -> Self {
        Self { lose_session: true, ..self }
    }

    /// Items that come into being on the drive while the request is answered are neither found nor
    /// listed for so long: by none of the protocols, not by their tickets either. Their names are
    /// taken, and change feeds and searches tell of them, as in the clouds.
    pub fn invisible(self, time: Duration) -> Self {
        Self { invisible: Some(whole_milliseconds(time)), ..self }
    }

    /// Tells wrong hashes of files in the answer: Graph's `hashes`, Amazon's `md5`. SkyDrive tells
    /// none.
    pub fn wrong_hash(self) -> Self {
        Self { wrong_hash: true, ..self }
    }

    pub(super) fn matches(&self, operation: &str, path: &str, drive: Option<&str>) -> bool {
        self.operation.as_ref().is_none_or(|pattern| matches(pattern, operation))
            && self.path.as_ref().is_none_or(|pattern| matches(pattern, path))
            && self.drive.as_ref().is_none_or(|name| drive == Some(name))
    }
}

/// Whether a pattern, in which `*` stands for any run of characters, describes all of a text.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
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
        let ms = Duration::from_millis;
        for rule in [
            Fault::on("live.*")
                .path("/v5.0/me")
                .drive("anna")
                .share(0.25)
                .skip(1)
                .every(3)
                .times(2)
                .from(ms(1))
                .until(ms(2))
                .lasting(ms(3))
                .latency(ms(20))
                .status(503)
                .header("Retry-After", "1")
                .body("no")
                .after_the_effect()
                .truncate(1),
            Fault::on("*").latency(Latency::lognormal(ms(20), 0.5)).reset(When::During).at(7),
            Fault::on("*").corrupt(Side::Request).bandwidth(Bandwidth::up(9)).drip(1, ms(2)),
            Fault::on("*").expire().lose_session().invisible(ms(9)).wrong_hash(),
        ] {
            let text = serde_json::to_string(&rule).expect("plain data");
            assert_eq!(serde_json::from_str::<Fault>(&text).expect("its own text"), rule);
        }
        assert!(serde_json::from_str::<Fault>(r#"{"statis": 500}"#).is_err());
    }
}
