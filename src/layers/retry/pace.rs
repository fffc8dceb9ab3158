//! How fast an account is asked: what it may cost, and how many requests at a time.

use std::time::Duration;

use tokio::time::Instant;

/// How fast an account is asked. A value: change the fields you want otherwise.
///
/// Three things are listened to. `RateLimit-Limit`, `-Remaining` and `-Reset` say what is left until
/// when, and no more is spent. Where a cloud refuses without them, what it took until then is the
/// rate from then on (a token bucket, weighed by what requests cost), which grows again by and by;
/// and fewer requests are sent at a time, one more for each round of good answers. After a refusal,
/// and after a limit's window has ended, one request goes ahead of all others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// The most requests at a time whose answers have not begun; what costs nothing is not counted.
    pub together: u32,
    /// The fewest that refusals leave of them.
    pub least_together: u32,
    /// What a refusal leaves of them, and at least of the rate: 0 to 1.
    pub left_by_refusal: f64,
    /// What must have been answered since the last pause for a refusal to tell of a rate, in units;
    /// after fewer the pause is all.
    pub evidence: f64,
    /// In how many times the pause that a refusal brought the rate is what it was before.
    pub recovery: f64,
    /// Units that may be spent at once after a rest, as a span of time at the rate.
    pub burst: Duration,
}

impl Default for Pace {
    /// 128 at a time, at least 2; half of them and 70 % of the rate left by a refusal; 50 units;
    /// three pauses; half a second.
    fn default() -> Self {
        Self {
            together: 128,
            least_together: 2,
            left_by_refusal: 0.7,
            evidence: 50.0,
            recovery: 3.0,
            burst: Duration::from_millis(500),
        }
    }
}

/// What an answer says of a limit (draft-ietf-httpapi-ratelimit-headers-03).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Told {
    /// Units of a window.
    pub limit: f64,
    /// Units that are left of it.
    pub remaining: f64,
    /// Until the next window.
    pub reset: Duration,
}

/// Nothing is known of a request that went ahead for that long: others follow.
const AHEAD: Duration = Duration::from_secs(1);

/// The slowest rate, in units a second.
const SLOWEST: f64 = 0.2;

/// Where an account's requests wait for their turn. It knows no clock: it is told.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    /// Requests whose answers have not begun, and what they cost.
    under_way: u32,
    cost: f64,
    /// The most at a time; `None`: as many as allowed.
    together: Option<f64>,
    bucket: Option<Bucket>,
    window: Option<Window>,
    /// Since the last pause: when the first request was sent, and what has been answered.
    since: Option<Instant>,
    answered: f64,
    refused: Option<Instant>,
    ahead: Ahead,
}

#[derive(Debug)]
struct Bucket {
    /// Units a second, and how many more each second.
    rate: f64,
    growth: f64,
    /// May be negative: what costs more than fits is owed.
    units: f64,
    filled: Instant,
}

#[derive(Debug)]
struct Window {
    limit: f64,
    /// What may still be sent.
    left: f64,
    /// The least that an answer said.
    lowest: f64,
    ends: Instant,
}

/// Whether a request goes ahead of the others.
#[derive(Clone, Copy, Debug, Default)]
enum Ahead {
    #[default]
    No,
    /// The next one does.
    Next,
    /// It has been sent then.
    Sent(Instant),
}

impl Bucket {
    fn fill(&mut self, now: Instant, pace: &Pace) {
        let time = now.saturating_duration_since(self.filled).as_secs_f64();
        let full = (self.rate * pace.burst.as_secs_f64()).max(1.0);
        // A rate that is not used up tells nothing of whether more is allowed.
        if self.units < full {
            self.rate += self.growth * time;
        }
        self.units = (self.units + self.rate * time).min(full);
        self.filled = now;
    }
}

impl Pacer {
    /// Lets a request of that cost go.
    ///
    /// # Errors
    /// Not yet: until then, or until another request is answered.
    pub(crate) fn admit(&mut self, now: Instant, cost: f64, pace: &Pace) -> Result<(), Instant> {
        if self.window.as_ref().is_some_and(|window| window.ends <= now) {
            self.window = None;
            self.ahead = Ahead::Next;
        }
        match self.ahead {
            Ahead::Sent(sent) if now < sent + AHEAD => return Err(sent + AHEAD),
            Ahead::Sent(_) => self.ahead = Ahead::No,
            _ => {}
        }
        let together = self.together.map_or(pace.together, |together| together as u32);
        if self.under_way >= together.clamp(1, pace.together.max(1)) {
            return Err(now + AHEAD);
        }
        // What costs more than a whole window goes when nothing of it is used.
        if let Some(window) = &self.window
            && window.left < cost.min(window.limit)
        {
            return Err(window.ends);
        }
        if let Some(bucket) = &mut self.bucket {
            bucket.fill(now, pace);
            if bucket.units <= 0.0 {
                let wait = Duration::from_secs_f64((1.0 - bucket.units) / bucket.rate);
                return Err(now + wait);
            }
            bucket.units -= cost;
        }
        if let Some(window) = &mut self.window {
            window.left -= cost;
        }
        if let Ahead::Next = self.ahead {
            self.ahead = Ahead::Sent(now);
        }
        self.since.get_or_insert(now);
        self.under_way += 1;
        self.cost += cost;
        Ok(())
    }

    fn done(&mut self, cost: f64) {
        self.under_way = self.under_way.saturating_sub(1);
        self.cost = (self.cost - cost).max(0.0);
    }

    /// It was answered, and not refused.
    pub(crate) fn answered(&mut self, now: Instant, cost: f64, told: Option<Told>, pace: &Pace) {
        self.done(cost);
        self.answered += cost;
        self.ahead = Ahead::No;
        if let Some(together) = &mut self.together {
            *together = (*together + 1.0 / *together).min(f64::from(pace.together));
        }
        if let Some(told) = told {
            self.hear(now, cost, told);
        }
    }

    /// It was refused, and the account pauses.
    pub(crate) fn refused(
        &mut self,
        now: Instant,
        sent: Instant,
        cost: f64,
        pause: Duration,
        told: Option<Told>,
        pace: &Pace,
    ) {
        self.done(cost);
        // Those that were under way together were refused together.
        if self.refused.is_none_or(|refused| sent >= refused) {
            self.slow_down(now, pause, told.is_some(), pace);
            self.refused = Some(now);
        }
        self.ahead = Ahead::Next;
        if let Some(told) = told {
            self.hear(now, cost, told);
        }
    }

    /// Nothing is known of what became of it.
    pub(crate) fn lost(&mut self, cost: f64) {
        self.done(cost);
        if let Ahead::Sent(_) = self.ahead {
            self.ahead = Ahead::Next;
        }
    }

    fn slow_down(&mut self, now: Instant, pause: Duration, limit_is_told: bool, pace: &Pace) {
        let together = self.together.unwrap_or(f64::from(pace.together.min(self.under_way + 1)));
        let least = f64::from(pace.least_together.max(1));
        self.together = Some((together * pace.left_by_refusal.clamp(0.0, 1.0)).max(least));
        let since = self.since.take();
        let answered = std::mem::take(&mut self.answered);
        let Some(since) = since.filter(|_| !limit_is_told && answered >= pace.evidence) else {
            return;
        };
        let time = now.saturating_duration_since(since).as_secs_f64();
        // What it took in that time, and in the pause that it wants for it.
        let measured = answered / (time + pause.as_secs_f64()).max(0.001);
        let before = self.bucket.as_ref().map_or(answered / time.max(0.001), |bucket| bucket.rate);
        let kept = self.bucket.as_ref().map_or(0.0, |bucket| bucket.rate * pace.left_by_refusal);
        let rate = measured.max(kept).min(before).max(SLOWEST);
        let recovery = (pause.as_secs_f64() * pace.recovery).max(0.001);
        let growth = ((before - rate) / recovery).max(rate / 1000.0);
        self.bucket = Some(Bucket { rate, growth, units: 0.0, filled: now + pause });
    }

    fn hear(&mut self, now: Instant, cost: f64, told: Told) {
        let ends = now + told.reset.min(Duration::from_secs(24 * 3600));
        // What is under way may or may not be counted already: taken off until it is answered.
        let left = told.remaining - self.cost;
        match &mut self.window {
            // The same window: more than an earlier answer said means an older one, which was
            // counted in that.
            Some(window)
                if now < window.ends
                    && told.limit == window.limit
                    && told.remaining < window.lowest + window.limit / 10.0 =>
            {
                window.ends = window.ends.min(ends);
                if told.remaining <= window.lowest {
                    window.lowest = told.remaining;
                    window.left = left;
                } else {
                    window.left += cost;
                }
            }
            window => {
                *window = Some(Window { limit: told.limit, left, lowest: told.remaining, ends });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cloud with a fixed window, and how it fares with a pacer whose requests take no time but
    /// `latency` each.
    struct Cloud {
        limit: f64,
        window: Duration,
        latency: Duration,
        tells: bool,
        /// What it names as the pause is rounded up to whole seconds.
        rounds: bool,
    }

    #[derive(Debug, Default)]
    struct Fared {
        served: f64,
        refused: u32,
        sent: u32,
    }

    fn run(cloud: &Cloud, pace: &Pace, cost: f64, whole: Duration) -> Fared {
        let begun = Instant::now();
        let (mut pacer, mut now, mut fared) = (Pacer::default(), begun, Fared::default());
        let mut under_way: std::collections::VecDeque<Instant> = Default::default();
        let (mut used, mut number) = (0.0, 0);
        let mut paused = begun;
        while now < begun + whole {
            // The next thing that happens: an answer, or a turn.
            let turn = match under_way.len() >= 16 || now < paused {
                true => Err(paused.max(now)),
                false => pacer.admit(now, cost, pace),
            };
            if turn.is_ok() {
                under_way.push_back(now);
                fared.sent += 1;
                continue;
            }
            let answer = under_way.front().map(|sent| *sent + cloud.latency);
            now = match (answer, turn) {
                (Some(answer), Err(until)) if until <= now => answer,
                (Some(answer), Err(until)) => answer.min(until),
                (None, Err(until)) => until.max(now + Duration::from_micros(1)),
                (_, Ok(())) => unreachable!("taken above"),
            };
            if answer != Some(now) {
                continue;
            }
            let sent = under_way.pop_front().expect("there is one");
            let window = (now - begun).as_micros() / cloud.window.as_micros();
            if window != number {
                (number, used) = (window, 0.0);
            }
            let end = begun + cloud.window * (number as u32 + 1);
            let mut reset = end - now;
            if cloud.rounds {
                reset = Duration::from_secs(reset.as_secs_f64().ceil() as u64);
            }
            used += cost;
            let told = (cloud.tells && used >= cloud.limit * 0.8).then_some(Told {
                limit: cloud.limit,
                remaining: (cloud.limit - used).max(0.0),
                reset,
            });
            if used > cloud.limit {
                fared.refused += 1;
                paused = paused.max(now + reset);
                pacer.refused(now, sent, cost, reset, told, pace);
            } else {
                fared.served += cost;
                pacer.answered(now, cost, told, pace);
            }
        }
        fared
    }

    fn cloud() -> Cloud {
        Cloud {
            limit: 1250.0,
            window: Duration::from_secs(60),
            latency: Duration::from_millis(50),
            tells: true,
            rounds: false,
        }
    }

    #[test]
    fn a_limit_that_is_told_is_used_up_and_never_passed() {
        for rounds in [false, true] {
            for cost in [1.0, 2.0, 5.0] {
                let cloud = Cloud { rounds, ..cloud() };
                let fared = run(&cloud, &Pace::default(), cost, Duration::from_secs(600));
                assert!(fared.served >= 0.98 * 12_500.0, "{fared:?}");
                assert!(fared.refused == 0, "{fared:?}");
            }
        }
    }

    #[test]
    fn a_limit_that_only_refusals_tell_of_is_found() {
        let cloud = Cloud { tells: false, ..cloud() };
        let fared = run(&cloud, &Pace::default(), 2.0, Duration::from_secs(1800));
        assert!(fared.served >= 0.9 * 37_500.0, "{fared:?}");
        assert!(fared.refused * 50 < fared.sent, "{fared:?}");
    }

    #[test]
    fn a_few_refusals_without_evidence_slow_nothing_but_how_many_go_at_a_time() {
        let pace = Pace { together: 8, ..Pace::default() };
        let now = Instant::now();
        let mut pacer = Pacer::default();
        let all = |pacer: &mut Pacer, now| {
            std::iter::from_fn(|| pacer.admit(now, 1.0, &pace).ok()).count()
        };
        assert_eq!(all(&mut pacer, now), 8);
        for _ in 0..8 {
            pacer.refused(now, now - Duration::from_secs(1), 1.0, Duration::ZERO, None, &pace);
        }
        // One goes ahead of all others; the others when it is answered.
        assert_eq!(all(&mut pacer, now), 1);
        pacer.answered(now, 1.0, None, &pace);
        assert_eq!(all(&mut pacer, now), 5);
        // Or when nothing is known of it for too long.
        pacer.refused(now, now, 1.0, Duration::ZERO, None, &pace);
        (0..4).for_each(|_| pacer.lost(1.0));
        assert_eq!(all(&mut pacer, now), 1);
        assert!(all(&mut pacer, now + AHEAD) > 1);
    }

    #[test]
    fn an_answer_that_was_overtaken_is_not_counted_twice() {
        let pace = Pace::default();
        let now = Instant::now();
        let mut pacer = Pacer::default();
        (0..3).for_each(|_| pacer.admit(now, 10.0, &pace).expect("a turn"));
        let told =
            |remaining| Some(Told { limit: 100.0, remaining, reset: Duration::from_secs(9) });
        pacer.answered(now, 10.0, told(10.0), &pace);
        assert!(pacer.admit(now, 10.0, &pace).is_err(), "two may be uncounted");
        pacer.answered(now, 10.0, told(15.0), &pace);
        assert!(pacer.admit(now, 10.0, &pace).is_err(), "one may be uncounted");
        pacer.answered(now, 10.0, told(19.0), &pace);
        pacer.admit(now, 10.0, &pace).expect("all were counted in what the first said");
        assert_eq!(pacer.admit(now, 10.0, &pace), Err(now + Duration::from_secs(9)));
        let later = now + Duration::from_secs(9);
        pacer.admit(later, 10.0, &pace).expect("a new window");
    }
}
