//! The active fault rules, and the requests that they apply to.

use std::{
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Serialize;

use super::{check::InvalidFault, decision::FaultDecision, rule::Fault};

/// Bits of a seed: JSON numbers are exact up to 53 bits in every client.
const SEED_BITS: u32 = 53;

/// An invalid rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot add fault rule {number}: {reason}")]
pub struct FaultError {
    /// Its position among the rules that were added together, from 1.
    pub number: usize,
    /// The reason.
    pub reason: InvalidFault,
}

/// An active rule, and its counters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActiveFault {
    /// The rule.
    #[serde(flatten)]
    pub rule: Fault,
    /// The seed of the rules that were added together.
    pub seed: u64,
    /// Number of requests that the rule matched.
    pub matched: u64,
    /// Number of requests that the rule applied to.
    pub struck: u64,
}

#[derive(Debug)]
struct RuleState {
    active: ActiveFault,
    /// Position among the rules that were added together.
    position: u64,
    added: Instant,
    first_applied: Option<Instant>,
}

impl RuleState {
    /// Counts a match at the time `now`. Returns the random numbers of its decision if the rule
    /// applies to the match; `None` if it does not.
    fn count_match(&mut self, now: Instant) -> Option<StdRng> {
        let ActiveFault { rule, seed, matched, struck } = &mut self.active;
        *matched += 1;
        // Each match has its own random numbers. So a match does not depend on how many numbers
        // earlier ones drew, and other rules and requests cannot interfere.
        let mut rng = StdRng::seed_from_u64(mix([*seed, self.position, *matched]));
        let is_drawn = rule.share.is_none_or(|share| rng.random_bool(share));
        let nth = matched.saturating_sub(rule.skip);
        let is_nth = nth > 0 && nth.is_multiple_of(rule.every.unwrap_or(1));
        let ms = |time: Option<u64>| time.map(Duration::from_millis);
        let age = now.duration_since(self.added);
        let is_within = ms(rule.from).is_none_or(|from| age >= from)
            && ms(rule.until).is_none_or(|until| age < until);
        let is_lasting = match (self.first_applied, ms(rule.lasting)) {
            (Some(first), Some(lasting)) => now.duration_since(first) < lasting,
            _ => true,
        };
        let is_below_count = rule.count.is_none_or(|count| *struck < count);
        (is_nth && is_drawn && is_within && is_lasting && is_below_count).then_some(rng)
    }
}

/// Hashes several numbers into one, each bit of which depends on all bits of all of them
/// (SplitMix64).
fn mix<const N: usize>(numbers: [u64; N]) -> u64 {
    numbers.into_iter().fold(0, |state, number| {
        let mut mix = (state ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix = (mix ^ mix >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mix = (mix ^ mix >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mix ^ mix >> 31
    })
}

#[derive(Debug, Default)]
struct Rules {
    rules: Vec<RuleState>,
    /// How often rules were added without a seed.
    unseeded: u64,
}

/// The active rules of a server.
#[derive(Debug)]
pub(crate) struct FaultEngine {
    /// The base of the seeds of rules that are added without one.
    seed: u64,
    /// The names of the operations that a rule can match.
    operations: Vec<&'static str>,
    rules: Mutex<Rules>,
}

impl FaultEngine {
    /// Creates an engine without rules. `seed` is random if `None`; `operations` are the names that a
    /// rule can match.
    pub(crate) fn new(seed: Option<u64>, operations: Vec<&'static str>) -> Self {
        let seed = seed.unwrap_or_else(|| rand::rng().random_range(0..1 << SEED_BITS));
        Self { seed, operations, rules: Mutex::default() }
    }

    /// Locks the rules.
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Returns the base of the seeds of rules that are added without one.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Adds rules behind the active ones, and returns their seed: `seed`, or the next number of the
    /// engine's own sequence.
    ///
    /// # Errors
    /// `FaultError` with the number, from 1, of the first invalid rule. None of the rules is added
    /// then.
    pub(crate) fn add(&self, rules: Vec<Fault>, seed: Option<u64>) -> Result<u64, FaultError> {
        for (at, rule) in rules.iter().enumerate() {
            rule.check(&self.operations).map_err(|reason| FaultError { number: at + 1, reason })?;
        }
        let mut active = self.rules();
        let seed = seed.unwrap_or_else(|| {
            active.unseeded += 1;
            // The first seed is the server's: in most tests, one number then repeats the whole run.
            self.seed.wrapping_add(active.unseeded - 1) & ((1 << SEED_BITS) - 1)
        });
        let added = Instant::now();
        let rules = rules.into_iter().zip(0..).map(|(rule, position)| RuleState {
            active: ActiveFault { rule, seed, matched: 0, struck: 0 },
            position,
            added,
            first_applied: None,
        });
        active.rules.extend(rules);
        tracing::info!(seed, rules = active.rules.len(), "fault rules in force");
        Ok(seed)
    }

    /// Returns the active rules with their counters, in the order in which they were added.
    pub(crate) fn active(&self) -> Vec<ActiveFault> {
        self.rules().rules.iter().map(|rule| rule.active.clone()).collect()
    }

    /// Returns the active rules that are limited to an account, with their counters.
    pub(crate) fn active_on(&self, account: &str) -> Vec<ActiveFault> {
        let mut active = self.active();
        active.retain(|active| active.rule.drive.as_deref() == Some(account));
        active
    }

    /// Removes the rules that are limited to an account.
    pub(crate) fn clear_account(&self, account: &str) {
        self.rules().rules.retain(|rule| rule.active.rule.drive.as_deref() != Some(account));
    }

    /// Removes all rules.
    pub(crate) fn clear(&self) {
        self.rules().rules.clear();
    }

    /// Removes all rules, and restarts the sequence of seeds.
    pub(crate) fn reset(&self) {
        *self.rules() = Rules::default();
    }

    /// Returns the effects on a request; `None` if no rule applies. `operation` is its name; `path`
    /// is percent-encoded as sent, without the query; `drive` is the name of the request's account,
    /// if it is known. Every rule that matches the request counts it.
    pub(crate) fn decide(
        &self,
        operation: &str,
        path: &str,
        drive: Option<&str>,
    ) -> Option<FaultDecision> {
        let (now, mut decision) = (Instant::now(), None);
        for rule in &mut self.rules().rules {
            if !rule.active.rule.matches(operation, path, drive) {
                continue;
            }
            let Some(mut rng) = rule.count_match(now) else { continue };
            if decision.is_none() {
                rule.active.struck += 1;
                rule.first_applied.get_or_insert(now);
                decision = Some(FaultDecision::draw(&rule.active.rule, &mut rng));
            }
        }
        decision
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::effects::{Bandwidth, Latency, When},
        *,
    };

    fn engine(seed: Option<u64>) -> FaultEngine {
        FaultEngine::new(seed, vec!["live.item.get", "live.files.put"])
    }

    fn applies(faults: &FaultEngine, operation: &str) -> bool {
        faults.decide(operation, "/v5.0/me", Some("")).is_some()
    }

    #[test]
    fn a_rule_skips_matches_and_applies_at_most_count_times() {
        let faults = engine(None);
        let rule = Fault::on("live.files.put").skip(1).times(2).status(503);
        faults.add(vec![rule], None).expect("a good rule");
        let struck: Vec<bool> = (0..5).map(|_| applies(&faults, "live.files.put")).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert_eq!((faults.active()[0].matched, faults.active()[0].struck), (5, 2));
    }

    #[test]
    fn only_the_first_rule_that_applies_is_carried_out() {
        let faults = engine(None);
        let first = Fault::on("live.*").times(1).status(500);
        let second = Fault::on("live.files.put").times(1).reset(When::Before);
        faults.add(vec![first, second], None).expect("good rules");
        let resets: Vec<bool> = (0..2)
            .filter_map(|_| faults.decide("live.files.put", "/", None))
            .map(|decision| decision.reset)
            .collect();
        assert_eq!(resets, [false, true]);
    }

    #[test]
    fn the_same_seed_makes_the_same_decisions() {
        let draw = |seed| {
            let faults = engine(None);
            let added = faults.add(vec![Fault::on("*").share(0.5).status(500)], seed);
            let decisions: Vec<bool> = (0..64).map(|_| applies(&faults, "live.item.get")).collect();
            (added.expect("a good rule"), decisions)
        };
        let (seed, decisions) = draw(None);
        assert_eq!(draw(Some(seed)).1, decisions);
        assert_ne!(draw(Some(seed.wrapping_add(1))).1, decisions);
        assert!(decisions.contains(&true) && decisions.contains(&false));
    }

    #[test]
    fn the_decisions_of_a_rule_do_not_depend_on_other_rules_and_requests() {
        let share = || Fault::on("live.item.get").share(0.5).status(500);
        let decisions = |others: bool| {
            let faults = engine(Some(7));
            // It never applies, but draws random numbers.
            let other = Fault::on("live.*").share(0.5).times(0).status(503);
            let latency = Latency::exponential(Duration::from_millis(3));
            let other = if others { other.latency(latency) } else { other };
            faults.add(vec![other, share()], None).expect("good rules");
            (0..64)
                .map(|nth| {
                    if others && nth % 3 == 0 {
                        applies(&faults, "live.files.put");
                    }
                    applies(&faults, "live.item.get")
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(decisions(false), decisions(true));
    }

    #[test]
    fn a_rule_applies_to_every_nth_match_after_the_skipped_ones() {
        let faults = engine(None);
        faults.add(vec![Fault::on("*").skip(1).every(3).status(500)], None).expect("a good rule");
        let struck: Vec<usize> = (1..12).filter(|_| applies(&faults, "live.item.get")).collect();
        assert_eq!(struck, [4, 7, 10]);
        let faults = engine(None);
        faults.add(vec![Fault::on("*").skip(u64::MAX).status(500)], None).expect("a good rule");
        assert!(!applies(&faults, "live.item.get"), "that many matches never happen");
    }

    #[test]
    fn each_addition_has_its_own_seed_and_a_reset_restarts_the_sequence() {
        let faults = engine(Some(5));
        let add = || faults.add(vec![Fault::on("*").status(500)], None).expect("a good rule");
        assert_eq!([add(), add()], [5, 6]);
        faults.reset();
        assert_eq!((add(), faults.active().len()), (5, 1));
    }

    #[test]
    fn an_invalid_rule_is_rejected_with_all_rules_added_together() {
        let faults = engine(None);
        let ms = Duration::from_millis;
        let good = Fault::on("live.item.get").status(500);
        for bad in [
            Fault::on("live.item.get"),
            Fault::on("live.item.got").status(500),
            Fault::on("live.item.get").status(199),
            Fault::on("live.item.get").status(600),
            Fault::on("live.item.get").status(500).every(0),
            Fault::on("live.item.get").status(500).from(ms(5)).until(ms(5)),
            Fault::on("live.item.get").status(500).at(5),
            Fault::on("live.item.get").status(500).expire(),
            Fault::on("live.item.get").reset(When::After).truncate(1),
            Fault::on("live.item.get").reset(When::Before).invisible(ms(1)),
            Fault::on("live.item.get").bandwidth(Bandwidth::up(0)),
            Fault::on("live.item.get").drip(0, ms(1)),
            Fault::on("live.item.get").latency(Latency::uniform(ms(2), ms(1))),
            Fault::on("live.item.get").latency(Latency::exponential(ms(2))).body("x"),
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
