//! What is wrong with a fault rule.

use axum::http::{HeaderName, HeaderValue};

use super::{
    effects::When,
    rule::{Fault, matches},
};

impl Fault {
    /// Refuses a rule that has no effect, contradicts itself, or matches none of the operations.
    pub(super) fn check(&self, operations: &[&str]) -> Result<(), &'static str> {
        self.check_choice(operations)?;
        self.check_answer()?;
        self.check_bodies()
    }

    fn is_a_failure(&self) -> bool {
        self.reset || self.status.is_some()
    }

    /// Whether bytes, or what they mean, are changed on their way.
    fn changes_bytes(&self) -> bool {
        self.truncate.is_some()
            || self.corrupt.is_some()
            || self.bandwidth.is_some()
            || self.drip.is_some()
            || self.wrong_hash
    }

    /// Which requests, and when.
    fn check_choice(&self, operations: &[&str]) -> Result<(), &'static str> {
        if self.share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err("share must be 0 to 1");
        }
        if self.every == Some(0) {
            return Err("every must be at least 1");
        }
        if self.until.is_some_and(|until| until <= self.from.unwrap_or(0)) {
            return Err("until must be later than from");
        }
        if let Some(pattern) = &self.operation
            && !operations.iter().any(|name| matches(pattern, name))
        {
            return Err("no operation is called that");
        }
        Ok(())
    }

    /// What is answered, if anything is.
    fn check_answer(&self) -> Result<(), &'static str> {
        let state = self.expire || self.lose_session || self.invisible.is_some();
        let delays = self.latency.is_some() || !self.headers.is_empty();
        if !(self.is_a_failure() || self.changes_bytes() || state || delays) {
            return Err("it has no effect: give it status, headers, latency, reset, truncate, \
                        corrupt, bandwidth, drip, expire, lose_session, invisible or wrong_hash");
        }
        let answer = self.status.is_some()
            || !self.headers.is_empty()
            || self.truncate.is_some()
            || self.drip.is_some()
            || self.wrong_hash;
        if self.reset && answer {
            return Err("a connection that is reset has no answer: reset goes without status, \
                        headers, truncate, drip and wrong_hash");
        }
        if self.is_a_failure() && self.when == When::Before && (state || self.wrong_hash) {
            return Err("what fails before the effect has none: expire, lose_session, invisible \
                        and wrong_hash want when to be after, or neither status nor reset");
        }
        if self.status.is_some() && (self.when == When::During || self.wrong_hash) {
            return Err("status is answered before or after the effect, and has no hashes");
        }
        if self.status.is_some_and(|status| !(200..=599).contains(&status)) {
            return Err("status must be 200 to 599");
        }
        if self.status.is_none() && self.body.is_some() {
            return Err("body is that of an answer with status");
        }
        for (name, value) in &self.headers {
            if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
                return Err("a header's name or value has characters that none may have");
            }
        }
        Ok(())
    }

    /// How bytes move.
    fn check_bodies(&self) -> Result<(), &'static str> {
        if self.when == When::During && !self.reset {
            return Err("only a reset comes during the effect");
        }
        if self.at.is_some() && !(self.reset && self.when == When::During) {
            return Err("at says where a reset during the effect comes");
        }
        if self.latency.is_some_and(|latency| !latency.is_sound()) {
            return Err(
                "latency must be of finite figures that are not negative, least not above \
                        most, a fixed one at most 600000",
            );
        }
        if self.bandwidth.is_some_and(|bandwidth| !bandwidth.is_sound()) {
            return Err("bandwidth must be at least 1 byte a second, up, down or both");
        }
        if self.drip.is_some_and(|drip| drip.bytes == 0) {
            return Err("a drip has at least 1 byte");
        }
        Ok(())
    }
}
