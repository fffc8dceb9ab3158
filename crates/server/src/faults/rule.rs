//! Fault rules: the requests that a rule applies to, and its builder methods.

use std::{collections::BTreeMap, time::Duration};

use super::effects::{Bandwidth, Drip, Effect, Latency, Side, When, whole_milliseconds};
use crate::json::{JsonError, one_or_many};

/// A fault rule: the requests that fail, when, how often, and how.
///
/// A rule *matches* a request by `operation`, `path` and `drive`, and counts its matches. It *applies*
/// to a match if all of its other conditions hold: the match is not one of the first `skip`; of the
/// rest it is the `every`-th; it is within `from` and `until`; neither `count` nor `lasting` is
/// exceeded; and the random draw of `share` succeeds.
///
/// Every rule sees every request, in the order in which the rules were added. Only the effects of the
/// first rule that applies are carried out.
///
/// ```
/// use std::time::Duration;
/// use drivedal_server::{Bandwidth, Fault, Latency, Side, When};
///
/// let ms = Duration::from_millis;
/// let rules = [
///     // Two uploads fail with 503.
///     Fault::on("live.files.put").times(2).status(503).header("Retry-After", "1"),
///     // One download in ten breaks off after 1,000 bytes.
///     Fault::on("ticket.get").share(0.1).truncate(1000),
///     // The response to the third deletion is lost, although the item is deleted.
///     Fault::on("*.delete").skip(2).times(1).reset(When::After),
///     // Every fifth fragment breaks off at a random byte.
///     Fault::on("graph.session.fragment").every(5).reset(When::During),
///     // The upload session of the second fragment does not exist any more.
///     Fault::on("live.bits.fragment").skip(1).times(1).lose_session(),
///     // One request in twenty has an expired access token.
///     Fault::on("amazon.*").share(0.05).expire(),
///     // Uploaded files are not found for two seconds.
///     Fault::on("amazon.content.upload").invisible(ms(2000)),
///     // The response to an upload has a wrong hash.
///     Fault::on("graph.content.put").times(1).wrong_hash(),
///     // One download has a wrong byte.
///     Fault::on("ticket.get").times(1).corrupt(Side::Answer),
///     // The network is slow for a minute.
///     Fault::on("*").latency(Latency::lognormal(ms(80), 0.6)).lasting(ms(60_000)),
///     Fault::on("*").bandwidth(Bandwidth::both(100_000)).from(ms(60_000)),
/// ];
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let server = drivedal_server::Server::builder().start().await?;
/// server.control().add_faults(rules)?;
/// # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// As JSON, every member is optional, times are in milliseconds, and unknown members are rejected:
///
/// ```json
/// {"operation": "live.files.put", "count": 2, "status": 503, "headers": {"Retry-After": "1"}}
/// {"operation": "*", "latency": {"lognormal": {"median": 80, "sigma": 0.6}}, "lasting": 60000}
/// {"operation": "graph.session.fragment", "every": 5, "reset": true, "when": "during"}
/// ```
///
/// # Repeatable runs
///
/// The decision about a rule's n-th match and the random numbers that it draws depend only on the
/// seed, the rule's position among the rules that were added together, and n. Other rules, other
/// operations and the order of requests have no influence. (`from`, `until` and `lasting` depend on
/// the clock.)
///
/// The seed is that of the server ([`Builder::fault_seed`](crate::Builder::fault_seed),
/// `serve --fault-seed`; random by default), or is given together with the rules. Adding rules
/// returns it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fault {
    /// The operation's name, such as `live.files.put`; `*` matches any run of characters. `None`:
    /// every operation.
    pub(super) operation: Option<String>,
    /// The path as it was sent, percent-encoded, without the query; `*` as in `operation`.
    pub(super) path: Option<String>,
    /// The account's name; the default account's is empty. Tests with drives of their own use it to
    /// stay independent. `None`: every account, and requests without one.
    pub(super) drive: Option<String>,
    /// The probability with which the rule applies to a match, 0 to 1. `None`: always.
    pub(super) share: Option<f64>,
    /// Number of matches before the first one that the rule may apply to.
    pub(super) skip: u64,
    /// Applies only to every n-th match after the skipped ones. `None`: to all of them.
    pub(super) every: Option<u64>,
    /// Maximum number of requests that the rule applies to. `None`: unlimited.
    pub(super) count: Option<u64>,
    /// Applies from this time on, in milliseconds after the rule was added.
    pub(super) from: Option<u64>,
    /// Applies until this time, in milliseconds after the rule was added.
    pub(super) until: Option<u64>,
    /// Applies for this long after the first request that it applied to, in milliseconds.
    pub(super) lasting: Option<u64>,
    /// Whether `status` and `reset` happen before or after the request takes effect, or (`reset`
    /// only) while bytes are transferred.
    pub(super) when: When,
    /// At most one of each kind, in the order of the variants.
    pub(super) effects: Vec<Effect>,
}

impl Fault {
    /// Creates a rule for an operation, such as `live.files.put`. `*` in the name matches any run
    /// of characters, also an empty one; letters must have the same case. A rule without an effect
    /// is rejected when it is added.
    pub fn on(operation: impl Into<String>) -> Self {
        Self { operation: Some(operation.into()), ..Self::default() }
    }

    /// Adds an effect, in place of an earlier one of its kind.
    fn with_effect(mut self, effect: Effect) -> Self {
        let rank = effect.rank();
        match self.effects.binary_search_by_key(&rank, Effect::rank) {
            Ok(at) => self.effects[at] = effect,
            Err(at) => self.effects.insert(at, effect),
        }
        self
    }

    /// Returns the response headers that the rule sets; `None` if it sets none.
    fn headers(&self) -> Option<&BTreeMap<String, String>> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Headers(headers) => Some(headers),
            _ => None,
        })
    }

    /// Parses a rule or a list of rules from JSON, as the body of `POST /_control/faults`.
    ///
    /// # Errors
    /// [`JsonError`] if the text is not JSON, or with the number, from 1, of the first rule with an
    /// unknown member or one of the wrong type. Whether the rules are consistent is checked when
    /// they are added.
    pub fn from_json(text: &[u8]) -> Result<Vec<Self>, JsonError> {
        one_or_many(text, "rule")
    }

    /// Matches only this path: percent-encoded as sent, without the query. It may contain `*`.
    pub fn path(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    /// Matches only requests of this account. The default account's name is empty.
    pub fn drive(self, name: impl Into<String>) -> Self {
        Self { drive: Some(name.into()), ..self }
    }

    /// Limits a rule without a drive to an account. Another rule is not changed.
    pub(crate) fn limited_to(self, account: &str) -> Self {
        match self.drive {
            Some(_) => self,
            None => self.drive(account),
        }
    }

    /// Applies to this share of the matches, 0 to 1 inclusive, chosen at random.
    pub fn share(self, share: f64) -> Self {
        Self { share: Some(share), ..self }
    }

    /// Skips the first matches: the rule applies from the match after this number on.
    pub fn skip(self, matches: u64) -> Self {
        Self { skip: matches, ..self }
    }

    /// Applies only to every n-th match after the skipped ones; `n` is at least 1.
    pub fn every(self, n: u64) -> Self {
        Self { every: Some(n), ..self }
    }

    /// Applies to at most this number of requests; with 0 to none.
    pub fn times(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }

    /// Applies only from this time on, inclusive, counted from when the rule is added, in whole
    /// milliseconds.
    pub fn from(self, time: Duration) -> Self {
        Self { from: Some(whole_milliseconds(time)), ..self }
    }

    /// Applies only before this time, exclusive, counted from when the rule is added, in whole
    /// milliseconds.
    pub fn until(self, time: Duration) -> Self {
        Self { until: Some(whole_milliseconds(time)), ..self }
    }

    /// Applies only for this long after the first request that it applies to, as an outage does.
    pub fn lasting(self, time: Duration) -> Self {
        Self { lasting: Some(whole_milliseconds(time)), ..self }
    }

    /// Delays the request: by a [`Duration`], in whole milliseconds, or by a delay drawn from a
    /// distribution.
    pub fn latency(self, latency: impl Into<Latency>) -> Self {
        self.with_effect(Effect::Latency(latency.into()))
    }

    /// Responds with this status, 200 to 599.
    pub fn status(self, status: u16) -> Self {
        self.with_effect(Effect::Status(status))
    }

    /// Sets a header of that response; without a status, of the normal response.
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let mut headers = self.headers().cloned().unwrap_or_default();
        headers.insert(name.into(), value.into());
        self.with_effect(Effect::Headers(headers))
    }

    /// Sets the body of that response. Without it the protocol's error body is sent.
    pub fn body(self, body: impl Into<String>) -> Self {
        self.with_effect(Effect::Body(body.into()))
    }

    /// Resets the connection before, during or after the effect.
    pub fn reset(self, when: When) -> Self {
        Self { when, ..self }.with_effect(Effect::Reset)
    }

    /// Sets the number of bytes before a reset during the effect: in the request's body, or in the
    /// response's body if the request has none. A shorter body is reset at its end.
    pub fn at(self, bytes: u64) -> Self {
        self.with_effect(Effect::ResetAt(bytes))
    }

    /// Sends the `status` after the request has taken effect.
    pub fn after_the_effect(self) -> Self {
        Self { when: When::After, ..self }
    }

    /// Breaks the response's body off after this number of bytes, although `Content-Length` has the
    /// whole length. A shorter body is complete.
    pub fn truncate(self, bytes: u64) -> Self {
        self.with_effect(Effect::Truncate(bytes))
    }

    /// Changes one byte, at a random position, in the body of the request or of the response. The
    /// server processes the changed request.
    pub fn corrupt(self, side: Side) -> Self {
        self.with_effect(Effect::Corrupt(side))
    }

    /// Limits the bandwidth of the request's connection, in place of an earlier limit of this rule.
    pub fn bandwidth(self, bandwidth: Bandwidth) -> Self {
        self.with_effect(Effect::Bandwidth(bandwidth))
    }

    /// Sends the response's body in pieces of `bytes` bytes, at least 1, with pauses of `every`
    /// between them, in whole milliseconds.
    pub fn drip(self, bytes: u64, every: Duration) -> Self {
        self.with_effect(Effect::Drip(Drip { bytes, every: whole_milliseconds(every) }))
    }

    /// Handles the request's access token or download URL as expired. Later requests with the same
    /// token are not affected.
    pub fn expire(self) -> Self {
        self.with_effect(Effect::Expire)
    }

    /// Cancels the upload session that the request belongs to, and discards its bytes: that of a
    /// Graph upload URL, or a BITS session. Other requests are not affected.
    pub fn lose_session(self) -> Self {
        self.with_effect(Effect::LoseSession)
    }

    /// Hides items that the request creates: for this time, in whole milliseconds, no protocol and
    /// no download URL finds or lists them. Their names are taken, and change feeds and searches
    /// report them, as in the clouds.
    pub fn invisible(self, time: Duration) -> Self {
        self.with_effect(Effect::Invisible(whole_milliseconds(time)))
    }

    /// Replaces hashes of files in the response by wrong ones: Graph's `hashes`, Amazon's `md5`.
    /// SkyDrive has none.
    pub fn wrong_hash(self) -> Self {
        self.with_effect(Effect::WrongHash)
    }

    /// Returns whether the rule matches a request, by operation, path and account. `path` is
    /// percent-encoded as sent, without the query. `drive` is the account's name; with `None` only
    /// a rule for all accounts matches.
    pub(super) fn matches(&self, operation: &str, path: &str, drive: Option<&str>) -> bool {
        self.operation.as_ref().is_none_or(|pattern| matches(pattern, operation))
            && self.path.as_ref().is_none_or(|pattern| matches(pattern, path))
            && self.drive.as_ref().is_none_or(|name| drive == Some(name))
    }
}

/// Returns whether a pattern matches all of a text, with its case; `*` in the pattern matches any
/// run of characters, also an empty one.
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
    fn a_star_matches_any_run_of_characters() {
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
    fn a_rule_survives_json() {
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
