//! The effects of fault rules on one request.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use rand::{Rng, rngs::StdRng};

use super::{
    effects::{Bandwidth, Drip, Effect, Side, When},
    rule::Fault,
};

/// A position in a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum BodyPosition {
    /// After this number of bytes.
    Byte(u64),
    /// After this share of all bytes, 0 to 1.
    Part(f64),
}

/// The effects of a rule on one request. The default has none.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultDecision {
    /// The delay of the request.
    pub latency: Duration,
    /// When `injected` and `reset` happen.
    pub when: When,
    /// The response to send in place of the normal one.
    pub injected: Option<InjectedResponse>,
    /// Headers to set in the normal response.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether the connection is reset.
    pub reset: bool,
    /// Where a reset during the effect happens; `None` for other resets.
    pub at: Option<BodyPosition>,
    /// Number of bytes after which the response's body breaks off.
    pub truncate: Option<u64>,
    /// The body and position of a wrong byte.
    pub corrupt: Option<(Side, BodyPosition)>,
    pub bandwidth: Bandwidth,
    pub drip: Option<Drip>,
    /// Whether credentials count as expired.
    pub expire: bool,
    /// Whether the upload session is cancelled.
    pub lose_session: bool,
    /// How long new items are hidden.
    pub invisible: Option<Duration>,
    /// Whether hashes in the response are wrong.
    pub wrong_hash: bool,
}

/// A response that a rule sends in place of the normal one.
#[derive(Clone, Debug)]
pub(crate) struct InjectedResponse {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// `None`: the protocol's error body.
    pub body: Option<String>,
}

impl FaultDecision {
    /// Decides the effects of a rule on a request, with random numbers from `rng`.
    pub(super) fn draw(rule: &Fault, rng: &mut StdRng) -> Self {
        let mut anywhere = || BodyPosition::Part(rng.random());
        // Drawn even if not needed, so that a change of one effect does not change the numbers that
        // the others draw.
        let (reset_at, corrupt_at) = (anywhere(), anywhere());
        let mut decision = Self { when: rule.when, ..Self::default() };
        let (mut headers, mut body) = (Vec::new(), None);
        let mut status = None;
        for effect in &rule.effects {
            match effect {
                Effect::Latency(latency) => decision.latency = latency.draw(rng),
                Effect::Status(code) => status = StatusCode::from_u16(*code).ok(),
                Effect::Headers(all) => {
                    let parsed = |(name, value): (&String, &String)| {
                        Some((name.parse().ok()?, value.parse().ok()?))
                    };
                    headers = all.iter().filter_map(parsed).collect();
                }
                Effect::Body(text) => body = Some(text.clone()),
                Effect::Reset => {
                    decision.reset = true;
                    decision.at = (rule.when == When::During).then_some(reset_at);
                }
                Effect::ResetAt(bytes) => {
                    decision.at = decision.at.map(|_| BodyPosition::Byte(*bytes));
                }
                Effect::Truncate(bytes) => decision.truncate = Some(*bytes),
                Effect::Corrupt(side) => decision.corrupt = Some((*side, corrupt_at)),
                Effect::Bandwidth(bandwidth) => decision.bandwidth = *bandwidth,
                Effect::Drip(drip) => decision.drip = Some(*drip),
                Effect::Expire => decision.expire = true,
                Effect::LoseSession => decision.lose_session = true,
                Effect::Invisible(time) => decision.invisible = Some(Duration::from_millis(*time)),
                Effect::WrongHash => decision.wrong_hash = true,
            }
        }
        match status {
            Some(status) => decision.injected = Some(InjectedResponse { status, headers, body }),
            None => decision.headers = headers,
        }
        decision
    }

    /// Describes the effects for the request log; empty if there are none.
    pub(crate) fn describe(&self) -> String {
        let mut effects = Vec::new();
        if !self.latency.is_zero() {
            effects.push(format!("latency {} ms", self.latency.as_millis()));
        }
        let when = match self.when {
            When::Before => "before",
            When::During => "during",
            When::After => "after",
        };
        if let Some(injected) = &self.injected {
            effects.push(format!("status {} {when} the effect", injected.status.as_u16()));
        }
        for (name, _) in &self.headers {
            effects.push(format!("header {name}"));
        }
        if self.reset {
            effects.push(format!("reset {when} the effect"));
        }
        if let Some(bytes) = self.truncate {
            effects.push(format!("truncated at {bytes} bytes"));
        }
        if let Some((side, _)) = self.corrupt {
            effects.push(match side {
                Side::Request => "a wrong byte in the request".into(),
                Side::Answer => "a wrong byte in the answer".into(),
            });
        }
        for (bytes, direction) in [(self.bandwidth.up, "up"), (self.bandwidth.down, "down")] {
            effects.extend(bytes.map(|bytes| format!("{bytes} bytes a second {direction}")));
        }
        if let Some(Drip { bytes, every }) = self.drip {
            effects.push(format!("{bytes} bytes every {every} ms"));
        }
        if let Some(time) = self.invisible {
            effects.push(format!("invisible for {} ms", time.as_millis()));
        }
        for (applies, text) in [
            (self.expire, "expired"),
            (self.lose_session, "session lost"),
            (self.wrong_hash, "wrong hash"),
        ] {
            effects.extend(applies.then(|| text.to_owned()));
        }
        effects.join(", ")
    }
}
