//! What fault rules do to one request.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use rand::{Rng, rngs::StdRng};

use super::{
    effects::{Bandwidth, Drip, Effect, Side, When},
    rule::Fault,
};

/// A place in a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum BodyPosition {
    /// After so many bytes.
    Byte(u64),
    /// After this part of all bytes, 0 to 1.
    Part(f64),
}

/// A fault that strikes one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultDecision {
    pub latency: Duration,
    pub when: When,
    pub failure: Option<InjectedResponse>,
    /// Of the answer that there is anyhow.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub reset: bool,
    /// Where a reset during the effect comes.
    pub at: Option<BodyPosition>,
    pub truncate: Option<u64>,
    pub corrupt: Option<(Side, BodyPosition)>,
    pub bandwidth: Bandwidth,
    pub drip: Option<Drip>,
    pub expire: bool,
    pub lose_session: bool,
    pub invisible: Option<Duration>,
    pub wrong_hash: bool,
}

/// An answer that a rule asks for.
#[derive(Clone, Debug)]
pub(crate) struct InjectedResponse {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Option<String>,
}

impl FaultDecision {
    /// Decides what a rule does to a request, by its dice.
    pub(super) fn of(rule: &Fault, dice: &mut StdRng) -> Self {
        let mut anywhere = || BodyPosition::Part(dice.random());
        // Drawn whether it is wanted or not, so that a rule changed in one thing draws the same
        // for the others.
        let (reset_at, corrupt_at) = (anywhere(), anywhere());
        let mut decision = Self { when: rule.when, ..Self::default() };
        let (mut headers, mut body) = (Vec::new(), None);
        let mut status = None;
        for effect in &rule.effects {
            match effect {
                Effect::Latency(latency) => decision.latency = latency.draw(dice),
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
            Some(status) => decision.failure = Some(InjectedResponse { status, headers, body }),
            None => decision.headers = headers,
        }
        decision
    }

    /// What it does, for the log.
    pub(crate) fn told(&self) -> String {
        let mut told = Vec::new();
        if !self.latency.is_zero() {
            told.push(format!("latency {} ms", self.latency.as_millis()));
        }
        let when = match self.when {
            When::Before => "before",
            When::During => "during",
            When::After => "after",
        };
        if let Some(failure) = &self.failure {
            told.push(format!("status {} {when} the effect", failure.status.as_u16()));
        }
        for (name, _) in &self.headers {
            told.push(format!("header {name}"));
        }
        if self.reset {
            told.push(format!("reset {when} the effect"));
        }
        if let Some(bytes) = self.truncate {
            told.push(format!("truncated at {bytes} bytes"));
        }
        if let Some((side, _)) = self.corrupt {
            told.push(match side {
                Side::Request => "a wrong byte in the request".into(),
                Side::Answer => "a wrong byte in the answer".into(),
            });
        }
        for (bytes, way) in [(self.bandwidth.up, "up"), (self.bandwidth.down, "down")] {
            told.extend(bytes.map(|bytes| format!("{bytes} bytes a second {way}")));
        }
        if let Some(Drip { bytes, every }) = self.drip {
            told.push(format!("{bytes} bytes every {every} ms"));
        }
        if let Some(time) = self.invisible {
            told.push(format!("invisible for {} ms", time.as_millis()));
        }
        for (done, what) in [
            (self.expire, "expired"),
            (self.lose_session, "session lost"),
            (self.wrong_hash, "wrong hash"),
        ] {
            told.extend(done.then(|| what.to_owned()));
        }
        told.join(", ")
    }
}
