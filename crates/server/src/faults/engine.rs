//! Fault rules in force, and which requests they strike.

use std::{
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Serialize;

use super::{decision::FaultDecision, rule::Fault};

/// Bits of a seed: no more than JSON's numbers keep everywhere.
const SEED_BITS: u32 = 53;

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
    /// What the dice of those that were added together are thrown from.
    pub seed: u64,
    /// How many requests matched it.
    pub matched: u64,
    /// How many of them it struck.
    pub struck: u64,
}

#[derive(Debug)]
struct Rule {
    active: ActiveFault,
    /// Its place among those that were added with it.
    place: u64,
    added: Instant,
    first_struck: Option<Instant>,
}

impl Rule {
    /// Counts a match; the dice of its strike, if it wants to strike.
    fn matched(&mut self, now: Instant) -> Option<StdRng> {
        let ActiveFault { rule, seed, matched, struck } = &mut self.active;
        *matched += 1;
        // Dice of their own for every match, so that what one draws does not depend on how many
        // numbers others took, and other rules and requests cannot come between.
        let mut dice = StdRng::seed_from_u64(mixed([*seed, self.place, *matched]));
        let lucky = rule.share.is_none_or(|share| dice.random_bool(share));
        let turn = matched.saturating_sub(rule.skip);
        let turn = turn > 0 && turn.is_multiple_of(rule.every.unwrap_or(1));
        let ms = |time: Option<u64>| time.map(Duration::from_millis);
        let age = now.duration_since(self.added);
        let open = ms(rule.from).is_none_or(|from| age >= from)
            && ms(rule.until).is_none_or(|until| age < until);
        let lasts = match (self.first_struck, ms(rule.lasting)) {
            (Some(first), Some(lasting)) => now.duration_since(first) < lasting,
            _ => true,
        };
        let left = rule.count.is_none_or(|count| *struck < count);
        (turn && lucky && open && lasts && left).then_some(dice)
    }
}

/// One number of several, each bit of which depends on all bits of all of them (SplitMix64).
fn mixed<const N: usize>(numbers: [u64; N]) -> u64 {
    numbers.into_iter().fold(0, |state, number| {
        let mut mix = (state ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix = (mix ^ mix >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mix = (mix ^ mix >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mix ^ mix >> 31
    })
}

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<Rule>,
    /// How often rules were added without a seed of their own.
    unnamed: u64,
}

/// The rules in force.
#[derive(Debug)]
pub(crate) struct FaultEngine {
    /// What seeds are made of that nobody names.
    seed: u64,
    /// The names of operations that a rule may match.
    operations: Vec<&'static str>,
    inner: Mutex<Inner>,
}

impl FaultEngine {
    /// Creates an engine without rules. `seed`: drawn if not given; `operations`: the names that a
    /// rule may match.
    pub(crate) fn new(seed: Option<u64>, operations: Vec<&'static str>) -> Self {
        let seed = seed.unwrap_or_else(|| rand::rng().random_range(0..1 << SEED_BITS));
        Self { seed, operations, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Adds rules, all or none; the seed of their dice.
    pub(crate) fn add(&self, rules: Vec<Fault>, seed: Option<u64>) -> Result<u64, FaultError> {
        for (at, rule) in rules.iter().enumerate() {
            rule.check(&self.operations).map_err(|reason| FaultError { number: at + 1, reason })?;
        }
        let mut inner = self.inner();
        let seed = seed.unwrap_or_else(|| {
            inner.unnamed += 1;
            // The first is the server's own, so that one number tells all of a usual test.
            self.seed.wrapping_add(inner.unnamed - 1) & ((1 << SEED_BITS) - 1)
        });
        let added = Instant::now();
        let rules = rules.into_iter().zip(0..).map(|(rule, place)| Rule {
            active: ActiveFault { rule, seed, matched: 0, struck: 0 },
            place,
            added,
            first_struck: None,
        });
        inner.rules.extend(rules);
        tracing::info!(seed, rules = inner.rules.len(), "fault rules in force");
        Ok(seed)
    }

    pub(crate) fn active(&self) -> Vec<ActiveFault> {
        self.inner().rules.iter().map(|rule| rule.active.clone()).collect()
    }

    pub(crate) fn clear(&self) {
        self.inner().rules.clear();
    }

    /// As it was at the start.
    pub(crate) fn restart(&self) {
        *self.inner() = Inner::default();
    }

    /// What strikes a request. Every rule that it matches counts it.
    pub(crate) fn strike(
        &self,
        operation: &str,
        path: &str,
        drive: Option<&str>,
    ) -> Option<FaultDecision> {
        let (now, mut strike) = (Instant::now(), None);
        for rule in &mut self.inner().rules {
            if !rule.active.rule.matches(operation, path, drive) {
                continue;
            }
            let Some(mut dice) = rule.matched(now) else { continue };
            if strike.is_none() {
                rule.active.struck += 1;
                rule.first_struck.get_or_insert(now);
                strike = Some(FaultDecision::of(&rule.active.rule, &mut dice));
            }
        }
        strike
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

    fn struck(faults: &FaultEngine, operation: &str) -> bool {
        faults.strike(operation, "/v5.0/me", Some("")).is_some()
    }

    #[test]
    fn a_rule_lets_the_first_matches_pass_and_strikes_no_more_than_counted() {
        let faults = engine(None);
        let rule = Fault::on("live.files.put").skip(1).times(2).status(503);
        faults.add(vec![rule], None).expect("a good rule");
        let struck: Vec<bool> = (0..5).map(|_| struck(&faults, "live.files.put")).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert_eq!((faults.active()[0].matched, faults.active()[0].struck), (5, 2));
    }

    #[test]
    fn the_first_rule_that_strikes_hides_the_request_from_the_next() {
        let faults = engine(None);
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
            let faults = engine(None);
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
    fn what_a_rule_decides_does_not_depend_on_other_rules_and_requests() {
        let share = || Fault::on("live.item.get").share(0.5).status(500);
        let lots = |others: bool| {
            let faults = engine(Some(7));
            // It never hides what the other rule wants to strike, but draws its lots.
            let other = Fault::on("live.*").share(0.5).times(0).status(503);
            let latency = Latency::exponential(Duration::from_millis(3));
            let other = if others { other.latency(latency) } else { other };
            faults.add(vec![other, share()], None).expect("good rules");
            (0..64)
                .map(|nth| {
                    if others && nth % 3 == 0 {
                        struck(&faults, "live.files.put");
                    }
                    struck(&faults, "live.item.get")
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(lots(false), lots(true));
    }

    #[test]
    fn every_nth_match_after_the_skipped_ones_is_struck() {
        let faults = engine(None);
        faults.add(vec![Fault::on("*").skip(1).every(3).status(500)], None).expect("a good rule");
        let struck: Vec<usize> = (1..12).filter(|_| struck(&faults, "live.item.get")).collect();
        assert_eq!(struck, [4, 7, 10]);
        let faults = engine(None);
        faults.add(vec![Fault::on("*").skip(u64::MAX).status(500)], None).expect("a good rule");
        assert!(!self::struck(&faults, "live.item.get"), "nobody gets that far");
    }

    #[test]
    fn a_server_with_a_seed_gives_each_addition_its_own_and_begins_again_when_reset() {
        let faults = engine(Some(5));
        let add = || faults.add(vec![Fault::on("*").status(500)], None).expect("a good rule");
        assert_eq!([add(), add()], [5, 6]);
        faults.restart();
        assert_eq!((add(), faults.active().len()), (5, 1));
    }

    #[test]
    fn rules_that_can_do_nothing_are_refused_and_none_of_their_company_is_kept() {
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
