//! Rejects invalid fault rules.

use axum::http::{HeaderName, HeaderValue};

use super::{
    effects::{Effect, When},
    rule::{Fault, matches},
};

/// The reason why a fault rule is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFault {
    /// `share` is not a probability.
    #[error("share must be 0 to 1")]
    Share,
    /// `every` is zero.
    #[error("every must be at least 1")]
    Every,
    /// `until` is not later than `from`.
    #[error("until must be later than from")]
    Until,
    /// The pattern matches no operation of the server.
    #[error("no operation matches its name (the documentation of drivedal-server lists them)")]
    Operation,
    /// The rule has no effect.
    #[error(
        "it has no effect (give it status, headers, latency, reset, truncate, corrupt, bandwidth, \
         drip, expire, lose_session, invisible or wrong_hash)"
    )]
    NoEffect,
    /// A reset leaves no response for the other effects.
    #[error(
        "a reset sends no response: it cannot be combined with status, headers, truncate, drip and \
         wrong_hash"
    )]
    ResetWithResponse,
    /// The request fails before the effect that another effect needs.
    #[error(
        "expire, lose_session, invisible and wrong_hash need the request to take effect: set when to \
         after, or remove status and reset"
    )]
    FailsBeforeEffect,
    /// `status` together with `when: during` or `wrong_hash`.
    #[error("status is sent before or after the effect, and its response has no hashes")]
    StatusCombination,
    /// The status is out of range.
    #[error("status must be 200 to 599")]
    Status,
    /// `body` without `status`.
    #[error("body needs a status")]
    BodyWithoutStatus,
    /// A malformed header.
    #[error("a header's name or value contains an invalid character")]
    Header,
    /// `when: during` without a reset.
    #[error("only a reset can happen during the effect")]
    DuringWithoutReset,
    /// `at` without a reset during the effect.
    #[error("at needs a reset during the effect")]
    AtWithoutReset,
    /// Invalid parameters of a latency.
    #[error(
        "the numbers of a latency must be finite and not negative, least at most most, and a fixed \
         latency at most 600000"
    )]
    Latency,
    /// A bandwidth of zero, or of no direction.
    #[error("bandwidth must be at least 1 byte per second, for up, down or both")]
    Bandwidth,
    /// Pieces without bytes.
    #[error("a drip must have at least 1 byte")]
    Drip,
}

impl Fault {
    /// Checks that a rule has an effect, is consistent, and matches an operation. `operations` are
    /// the names of all operations.
    ///
    /// # Errors
    /// The first reason why it is invalid, as of the conditions, the effects on the response and
    /// the effects on the bodies, in this order.
    pub(super) fn check(&self, operations: &[&str]) -> Result<(), InvalidFault> {
        self.check_conditions(operations)?;
        self.check_response()?;
        self.check_bodies()
    }

    /// Returns whether an effect satisfies a predicate.
    fn has(&self, is: impl Fn(&Effect) -> bool) -> bool {
        self.effects.iter().any(is)
    }

    /// Checks the conditions under which the rule applies. `operations` are the names of all
    /// operations.
    ///
    /// # Errors
    /// `InvalidFault::Share` for a share outside of 0 to 1, `Every` for zero, `Until` unless it is
    /// later than `from`, or `Operation` for a pattern that matches no operation.
    fn check_conditions(&self, operations: &[&str]) -> Result<(), InvalidFault> {
        if self.share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err(InvalidFault::Share);
        }
        if self.every == Some(0) {
            return Err(InvalidFault::Every);
        }
        if self.until.is_some_and(|until| until <= self.from.unwrap_or(0)) {
            return Err(InvalidFault::Until);
        }
        if let Some(pattern) = &self.operation
            && !operations.iter().any(|name| matches(pattern, name))
        {
            return Err(InvalidFault::Operation);
        }
        Ok(())
    }

    /// Checks the effects on the response, and their combinations.
    ///
    /// # Errors
    /// The first that applies of `InvalidFault::NoEffect`, `ResetWithResponse`,
    /// `FailsBeforeEffect`, `StatusCombination`, `Status` outside of 200 to 599,
    /// `BodyWithoutStatus` and `Header`.
    fn check_response(&self) -> Result<(), InvalidFault> {
        use Effect as E;
        let resets = self.has(|effect| matches!(effect, E::Reset));
        let has_status = self.has(|effect| matches!(effect, E::Status(_)));
        let wrong_hash = self.has(|effect| matches!(effect, E::WrongHash));
        let changes_state =
            self.has(|effect| matches!(effect, E::Expire | E::LoseSession | E::Invisible(_)));
        if self.effects.iter().all(|effect| matches!(effect, E::Body(_) | E::ResetAt(_))) {
            return Err(InvalidFault::NoEffect);
        }
        let needs_response = |effect: &E| {
            matches!(
                effect,
                E::Status(_) | E::Headers(_) | E::Truncate(_) | E::Drip(_) | E::WrongHash
            )
        };
        if resets && self.has(needs_response) {
            return Err(InvalidFault::ResetWithResponse);
        }
        let fails_before = (resets || has_status) && self.when == When::Before;
        if fails_before && (changes_state || wrong_hash) {
            return Err(InvalidFault::FailsBeforeEffect);
        }
        if has_status && (self.when == When::During || wrong_hash) {
            return Err(InvalidFault::StatusCombination);
        }
        if self.has(|effect| matches!(effect, E::Status(status) if !(200..=599).contains(status))) {
            return Err(InvalidFault::Status);
        }
        if !has_status && self.has(|effect| matches!(effect, E::Body(_))) {
            return Err(InvalidFault::BodyWithoutStatus);
        }
        let malformed = |(name, value): (&String, &String)| {
            HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err()
        };
        if self.has(|effect| matches!(effect, E::Headers(all) if all.iter().any(malformed))) {
            return Err(InvalidFault::Header);
        }
        Ok(())
    }

    /// Checks the effects on the transfer of bytes.
    ///
    /// # Errors
    /// The first that applies of `InvalidFault::DuringWithoutReset`, `AtWithoutReset`, `Latency`,
    /// `Bandwidth` and `Drip`.
    fn check_bodies(&self) -> Result<(), InvalidFault> {
        use Effect as E;
        let resets_during =
            self.when == When::During && self.has(|effect| matches!(effect, E::Reset));
        if self.when == When::During && !resets_during {
            return Err(InvalidFault::DuringWithoutReset);
        }
        if self.has(|effect| matches!(effect, E::ResetAt(_))) && !resets_during {
            return Err(InvalidFault::AtWithoutReset);
        }
        if self.has(|effect| matches!(effect, E::Latency(latency) if !latency.is_valid())) {
            return Err(InvalidFault::Latency);
        }
        if self.has(|effect| matches!(effect, E::Bandwidth(bandwidth) if !bandwidth.is_valid())) {
            return Err(InvalidFault::Bandwidth);
        }
        if self.has(|effect| matches!(effect, E::Drip(drip) if drip.bytes == 0)) {
            return Err(InvalidFault::Drip);
        }
        Ok(())
    }
}
