//! Fault rules in force: which requests they strike, and how.

use std::{sync::Mutex, time::Duration};

use axum::http::{HeaderName, HeaderValue, StatusCode};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Serialize;

use super::faults::{Fault, When};

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

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(faults: &Faults, operation: &str) -> bool {
        faults.strike(operation, "/v5.0/me", Some("")).is_some()
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
}
