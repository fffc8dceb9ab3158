//! What is wrong with a fault rule.

use axum::http::{HeaderName, HeaderValue};

use super::{
    effects::{Effect, When},
    rule::{Fault, matches},
};

impl Fault {
    /// Refuses a rule that has no effect, contradicts itself, or matches none of the operations.
    pub(super) fn check(&self, operations: &[&str]) -> Result<(), &'static str> {
        self.check_choice(operations)?;
        self.check_answer()?;
        self.check_bodies()
    }

    fn has(&self, is: impl Fn(&Effect) -> bool) -> bool {
        self.effects.iter().any(is)
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

    /// The response, if there is one.
    fn check_answer(&self) -> Result<(), &'static str> {
        use Effect as E;
        let resets = self.has(|effect| matches!(effect, E::Reset));
        let has_status = self.has(|effect| matches!(effect, E::Status(_)));
        let wrong_hash = self.has(|effect| matches!(effect, E::WrongHash));
        let changes_state =
            self.has(|effect| matches!(effect, E::Expire | E::LoseSession | E::Invisible(_)));
        if self.effects.iter().all(|effect| matches!(effect, E::Body(_) | E::ResetAt(_))) {
            return Err("it has no effect: give it status, headers, latency, reset, truncate, \
                        corrupt, bandwidth, drip, expire, lose_session, invisible or wrong_hash");
        }
        let needs_response = |effect: &E| {
            matches!(
                effect,
                E::Status(_) | E::Headers(_) | E::Truncate(_) | E::Drip(_) | E::WrongHash
            )
        };
        if resets && self.has(needs_response) {
            return Err("a connection that is reset has no answer: reset goes without status, \
                        headers, truncate, drip and wrong_hash");
        }
        let fails_before = (resets || has_status) && self.when == When::Before;
        if fails_before && (changes_state || wrong_hash) {
            return Err("what fails before the effect has none: expire, lose_session, invisible \
                        and wrong_hash want when to be after, or neither status nor reset");
        }
        if has_status && (self.when == When::During || wrong_hash) {
            return Err("status is answered before or after the effect, and has no hashes");
        }
        if self.has(|effect| matches!(effect, E::Status(status) if !(200..=599).contains(status))) {
            return Err("status must be 200 to 599");
        }
        if !has_status && self.has(|effect| matches!(effect, E::Body(_))) {
            return Err("body is that of an answer with status");
        }
        let malformed = |(name, value): (&String, &String)| {
            HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err()
        };
        if self.has(|effect| matches!(effect, E::Headers(all) if all.iter().any(malformed))) {
            return Err("a header's name or value has characters that none may have");
        }
        Ok(())
    }

    /// How bytes move.
    fn check_bodies(&self) -> Result<(), &'static str> {
        use Effect as E;
        let resets_during =
            self.when == When::During && self.has(|effect| matches!(effect, E::Reset));
        if self.when == When::During && !resets_during {
            return Err("only a reset comes during the effect");
        }
        if self.has(|effect| matches!(effect, E::ResetAt(_))) && !resets_during {
            return Err("at says where a reset during the effect comes");
        }
        if self.has(|effect| matches!(effect, E::Latency(latency) if !latency.is_sound())) {
            return Err(
                "latency must be of finite figures that are not negative, least not above \
                        most, a fixed one at most 600000",
            );
        }
        if self.has(|effect| matches!(effect, E::Bandwidth(bandwidth) if !bandwidth.is_sound())) {
            return Err("bandwidth must be at least 1 byte a second, up, down or both");
        }
        if self.has(|effect| matches!(effect, E::Drip(drip) if drip.bytes == 0)) {
            return Err("a drip has at least 1 byte");
        }
        Ok(())
    }
}
