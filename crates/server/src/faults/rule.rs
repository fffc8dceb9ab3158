//! Faults on demand: rules that make the server fail as clouds do.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    effects::{Bandwidth, Drip, Effect, Latency, Side, When, whole_milliseconds},
    wire::RuleJson,
};
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
#[serde(from = "RuleJson", into = "RuleJson")]
pub struct Fault {
    /// The operation's name, as in `live.files.put`; `*` stands for any run of characters. `None`:
    /// every operation.
    pub(super) operation: Option<String>,
    /// The path as it was sent, percent-encoded, without the query; `*` as in `operation`.
    pub(super) path: Option<String>,
    /// The account's name, so that tests on drives of their own do not meet; the default account's
    /// is empty. `None`: every account, and requests of nobody.
    pub(super) drive: Option<String>,
    /// How likely a match is struck, 0 to 1. `None`: always.
    pub(super) share: Option<f64>,
    /// How many matches pass before the first may be struck.
    pub(super) skip: u64,
    /// Only every n-th match after those that are skipped. `None`: all of them.
    pub(super) every: Option<u64>,
    /// How many requests are struck at most. `None`: no end.
    pub(super) count: Option<u64>,
    /// Milliseconds after the rule was added before which nothing is struck.
    pub(super) from: Option<u64>,
    /// Milliseconds after the rule was added from which on nothing is struck.
    pub(super) until: Option<u64>,
    /// Milliseconds after its first strike from which on nothing is struck.
    pub(super) lasting: Option<u64>,
    /// Whether `status` and `reset` strike before the request has had its effect, after it, or (a
    /// reset) while bytes move.
    pub(super) when: When,
    /// At most one of each sort, in the order of the variants.
    pub(super) effects: Vec<Effect>,
}

impl Fault {
    /// A rule for operations of that name, which may have `*` in it. It needs an effect.
    pub fn on(operation: impl Into<String>) -> Self {
        Self { operation: Some(operation.into()), ..Self::default() }
    }

    /// Adds an effect, in place of the one of its sort.
    fn with(mut self, effect: Effect) -> Self {
        let rank = effect.rank();
        match self.effects.binary_search_by_key(&rank, Effect::rank) {
            Ok(at) => self.effects[at] = effect,
            Err(at) => self.effects.insert(at, effect),
        }
        self
    }

    /// Returns the headers of the response.
    fn headers(&self) -> Option<&BTreeMap<String, String>> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Headers(headers) => Some(headers),
            _ => None,
        })
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
        self.with(Effect::Latency(latency.into()))
    }

    /// Answers with this status, 200 to 599.
    pub fn status(self, status: u16) -> Self {
        self.with(Effect::Status(status))
    }

    /// Adds a header to that answer, or to the one that there is anyhow.
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let mut headers = self.headers().cloned().unwrap_or_default();
        headers.insert(name.into(), value.into());
        self.with(Effect::Headers(headers))
    }

    /// Gives that answer a body.
    pub fn body(self, body: impl Into<String>) -> Self {
        self.with(Effect::Body(body.into()))
    }

    /// Resets the connection, before, during or after the effect.
    pub fn reset(self, when: When) -> Self {
        Self { when, ..self }.with(Effect::Reset)
    }

    /// Where a reset during the effect comes: after so many bytes of the request's body, or of the
    /// answer's where the request has none.
    pub fn at(self, bytes: u64) -> Self {
        self.with(Effect::ResetAt(bytes))
    }

    /// Answers with `status` only after the request has had its effect.
    pub fn after_the_effect(self) -> Self {
        Self { when: When::After, ..self }
    }

    /// Breaks the answer's body off after so many bytes.
    pub fn truncate(self, bytes: u64) -> Self {
        self.with(Effect::Truncate(bytes))
    }

    /// Makes one byte another, somewhere in a body. What the client sent is wrong before the server
    /// looks at it.
    pub fn corrupt(self, side: Side) -> Self {
        self.with(Effect::Corrupt(side))
    }

    /// Makes the line slow.
    pub fn bandwidth(self, bandwidth: Bandwidth) -> Self {
        self.with(Effect::Bandwidth(bandwidth))
    }

    /// Sends the answer's body in drops of so many bytes, one every so often.
    pub fn drip(self, bytes: u64, every: Duration) -> Self {
        self.with(Effect::Drip(Drip { bytes, every: whole_milliseconds(every) }))
    }

    /// Takes the access token or the ticket for too old, in the words of the protocol; this time,
    /// not for good.
    pub fn expire(self) -> Self {
        self.with(Effect::Expire)
    }

    /// Forgets the upload session that the request is about, and its bytes, for good: a Graph upload
    /// URL's, or a BITS session. What has none is not changed.
    pub fn lose_session(self) -> Self {
        self.with(Effect::LoseSession)
    }

    /// Items that come into being on the drive while the request is answered are neither found nor
    /// listed for so long: by none of the protocols, not by their tickets either. Their names are
    /// taken, and change feeds and searches tell of them, as in the clouds.
    pub fn invisible(self, time: Duration) -> Self {
        self.with(Effect::Invisible(whole_milliseconds(time)))
    }

    /// Tells wrong hashes of files in the answer: Graph's `hashes`, Amazon's `md5`. SkyDrive tells
    /// none.
    pub fn wrong_hash(self) -> Self {
        self.with(Effect::WrongHash)
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
