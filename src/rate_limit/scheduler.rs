//! Decides when the next request of an account may be sent: by concurrency, rate and rate-limit
//! windows. It has no clock: callers pass the time.

use std::time::Duration;

use tokio::time::Instant;

use super::{RateLimitConfig, RateLimitHeaders};

/// How long a probe may stay without a response before other requests follow.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Minimum rate, in units a second.
const MIN_RATE: f64 = 0.2;

/// Admits the requests of an account.
#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    /// Requests without a response so far, and the sum of their costs.
    under_way: u32,
    cost: f64,
    /// Current concurrency limit; `None`: the configured maximum.
    concurrency: Option<f64>,
    bucket: Option<Bucket>,
    window: Option<Window>,
    /// Since the last pause: when the first request was sent, and the units that were served.
    since: Option<Instant>,
    answered: f64,
    refused: Option<Instant>,
    probe: Probe,
}

#[derive(Debug)]
struct Bucket {
    /// Units a second, and the growth of this rate each second.
    rate: f64,
    growth: f64,
    /// Negative after a request that costs more than the bucket holds.
    units: f64,
    filled: Instant,
}

#[derive(Debug)]
struct Window {
    limit: f64,
    /// Units that may still be sent.
    left: f64,
    /// Lowest remainder that a response reported.
    lowest: f64,
    ends: Instant,
}

/// A single request that is sent before the others after a refusal or at a new window.
#[derive(Clone, Copy, Debug, Default)]
enum Probe {
    #[default]
    No,
    /// The next request is the probe.
    Next,
    /// The probe was sent at this time.
    Sent(Instant),
}

impl Bucket {
    fn fill(&mut self, now: Instant, config: &RateLimitConfig) {
        let time = now.saturating_duration_since(self.filled).as_secs_f64();
        let full = (self.rate * config.burst.as_secs_f64()).max(1.0);
        // A rate that is not used up does not show whether more is allowed.
        if self.units < full {
            self.rate += self.growth * time;
        }
        self.units = (self.units + self.rate * time).min(full);
        self.filled = now;
    }
}

impl Scheduler {
    /// Admits a request of this cost.
    ///
    /// # Errors
    /// Fails with the time to try again at; a response to another request may come first.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        cost: f64,
        config: &RateLimitConfig,
    ) -> Result<(), Instant> {
        if self.window.as_ref().is_some_and(|window| window.ends <= now) {
            self.window = None;
            self.probe = Probe::Next;
        }
        match self.probe {
            Probe::Sent(sent) if now < sent + PROBE_TIMEOUT => return Err(sent + PROBE_TIMEOUT),
            Probe::Sent(_) => self.probe = Probe::No,
            _ => {}
        }
        let concurrency =
            self.concurrency.map_or(config.max_concurrency, |concurrency| concurrency as u32);
        if self.under_way >= concurrency.clamp(1, config.max_concurrency.max(1)) {
            return Err(now + PROBE_TIMEOUT);
        }
        // A request that costs more than a whole window is sent when the window is unused.
        if let Some(window) = &self.window
            && window.left < cost.min(window.limit)
        {
            return Err(window.ends);
        }
        if let Some(bucket) = &mut self.bucket {
            bucket.fill(now, config);
            if bucket.units <= 0.0 {
                let wait = Duration::from_secs_f64((1.0 - bucket.units) / bucket.rate);
                return Err(now + wait);
            }
            bucket.units -= cost;
        }
        if let Some(window) = &mut self.window {
            window.left -= cost;
        }
        if let Probe::Next = self.probe {
            self.probe = Probe::Sent(now);
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

    /// Records a response that is no refusal.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        cost: f64,
        headers: Option<RateLimitHeaders>,
        config: &RateLimitConfig,
    ) {
        self.done(cost);
        self.answered += cost;
        self.probe = Probe::No;
        if let Some(concurrency) = &mut self.concurrency {
            *concurrency =
                (*concurrency + 1.0 / *concurrency).min(f64::from(config.max_concurrency));
        }
        if let Some(headers) = headers {
            self.apply_headers(now, cost, headers);
        }
    }

    /// Records a refusal, and that the account pauses.
    pub(crate) fn refused(
        &mut self,
        now: Instant,
        sent: Instant,
        cost: f64,
        pause: Duration,
        headers: Option<RateLimitHeaders>,
        config: &RateLimitConfig,
    ) {
        self.done(cost);
        // Concurrent requests that are refused together count once.
        if self.refused.is_none_or(|refused| sent >= refused) {
            self.slow_down(now, pause, headers.is_some(), config);
            self.refused = Some(now);
        }
        self.probe = Probe::Next;
        if let Some(headers) = headers {
            self.apply_headers(now, cost, headers);
        }
    }

    /// Records that a request got no response.
    pub(crate) fn lost(&mut self, cost: f64) {
        self.done(cost);
        if let Probe::Sent(_) = self.probe {
            self.probe = Probe::Next;
        }
    }

    fn slow_down(
        &mut self,
        now: Instant,
        pause: Duration,
        has_headers: bool,
        config: &RateLimitConfig,
    ) {
        let concurrency =
            self.concurrency.unwrap_or(f64::from(config.max_concurrency.min(self.under_way + 1)));
        let least = f64::from(config.min_concurrency.max(1));
        self.concurrency = Some((concurrency * config.decrease_factor.clamp(0.0, 1.0)).max(least));
        let since = self.since.take();
        let answered = std::mem::take(&mut self.answered);
        let Some(since) = since.filter(|_| !has_headers && answered >= config.min_samples) else {
            return;
        };
        let time = now.saturating_duration_since(since).as_secs_f64();
        // Units served in this time, and in the pause that the cloud wants for them.
        let measured = answered / (time + pause.as_secs_f64()).max(0.001);
        let before = self.bucket.as_ref().map_or(answered / time.max(0.001), |bucket| bucket.rate);
        let kept = self.bucket.as_ref().map_or(0.0, |bucket| bucket.rate * config.decrease_factor);
        let rate = measured.max(kept).min(before).max(MIN_RATE);
        let recovery = (pause.as_secs_f64() * config.recovery_factor).max(0.001);
        let growth = ((before - rate) / recovery).max(rate / 1000.0);
        self.bucket = Some(Bucket { rate, growth, units: 0.0, filled: now + pause });
    }

    fn apply_headers(&mut self, now: Instant, cost: f64, headers: RateLimitHeaders) {
        let ends = now + headers.reset.min(Duration::from_secs(24 * 3600));
        // Requests in flight may be counted already: they are subtracted until they respond.
        let left = headers.remaining - self.cost;
        match &mut self.window {
            // The same window: a higher remainder than before is of an older response, whose
            // request the lower one has counted.
            Some(window)
                if now < window.ends
                    && headers.limit == window.limit
                    && headers.remaining < window.lowest + window.limit / 10.0 =>
            {
                window.ends = window.ends.min(ends);
                if headers.remaining <= window.lowest {
                    window.lowest = headers.remaining;
                    window.left = left;
                } else {
                    window.left += cost;
                }
            }
            window => {
                *window =
                    Some(Window { limit: headers.limit, left, lowest: headers.remaining, ends });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cloud with a fixed window, and how it fares with a scheduler whose requests take no time but
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

    fn run(cloud: &Cloud, config: &RateLimitConfig, cost: f64, whole: Duration) -> Fared {
        let begun = Instant::now();
        let (mut scheduler, mut now, mut fared) = (Scheduler::default(), begun, Fared::default());
        let mut under_way: std::collections::VecDeque<Instant> = Default::default();
        let (mut used, mut number) = (0.0, 0);
        let mut paused = begun;
        while now < begun + whole {
            // The next thing that happens: an answer, or a turn.
            let turn = match under_way.len() >= 16 || now < paused {
                true => Err(paused.max(now)),
                false => scheduler.admit(now, cost, config),
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
            let headers = (cloud.tells && used >= cloud.limit * 0.8).then_some(RateLimitHeaders {
                limit: cloud.limit,
                remaining: (cloud.limit - used).max(0.0),
                reset,
            });
            if used > cloud.limit {
                fared.refused += 1;
                paused = paused.max(now + reset);
                scheduler.refused(now, sent, cost, reset, headers, config);
            } else {
                fared.served += cost;
                scheduler.answered(now, cost, headers, config);
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
                let fared =
                    run(&cloud, &RateLimitConfig::default(), cost, Duration::from_secs(600));
                assert!(fared.served >= 0.98 * 12_500.0, "{fared:?}");
                assert!(fared.refused == 0, "{fared:?}");
            }
        }
    }

    #[test]
    fn a_limit_that_only_refusals_tell_of_is_found() {
        let cloud = Cloud { tells: false, ..cloud() };
        let fared = run(&cloud, &RateLimitConfig::default(), 2.0, Duration::from_secs(1800));
        assert!(fared.served >= 0.9 * 37_500.0, "{fared:?}");
        assert!(fared.refused * 50 < fared.sent, "{fared:?}");
    }

    #[test]
    fn a_few_refusals_without_evidence_slow_nothing_but_how_many_go_at_a_time() {
        let config = RateLimitConfig { max_concurrency: 8, ..RateLimitConfig::default() };
        let now = Instant::now();
        let mut scheduler = Scheduler::default();
        let all = |scheduler: &mut Scheduler, now| {
            std::iter::from_fn(|| scheduler.admit(now, 1.0, &config).ok()).count()
        };
        assert_eq!(all(&mut scheduler, now), 8);
        for _ in 0..8 {
            scheduler.refused(
                now,
                now - Duration::from_secs(1),
                1.0,
                Duration::ZERO,
                None,
                &config,
            );
        }
        // One goes ahead of all others; the others when it is answered.
        assert_eq!(all(&mut scheduler, now), 1);
        scheduler.answered(now, 1.0, None, &config);
        assert_eq!(all(&mut scheduler, now), 5);
        // Or when nothing is known of it for too long.
        scheduler.refused(now, now, 1.0, Duration::ZERO, None, &config);
        (0..4).for_each(|_| scheduler.lost(1.0));
        assert_eq!(all(&mut scheduler, now), 1);
        assert!(all(&mut scheduler, now + PROBE_TIMEOUT) > 1);
    }

    #[test]
    fn an_answer_that_was_overtaken_is_not_counted_twice() {
        let config = RateLimitConfig::default();
        let now = Instant::now();
        let mut scheduler = Scheduler::default();
        (0..3).for_each(|_| scheduler.admit(now, 10.0, &config).expect("a turn"));
        let headers = |remaining| {
            Some(RateLimitHeaders { limit: 100.0, remaining, reset: Duration::from_secs(9) })
        };
        scheduler.answered(now, 10.0, headers(10.0), &config);
        assert!(scheduler.admit(now, 10.0, &config).is_err(), "two may be uncounted");
        scheduler.answered(now, 10.0, headers(15.0), &config);
        assert!(scheduler.admit(now, 10.0, &config).is_err(), "one may be uncounted");
        scheduler.answered(now, 10.0, headers(19.0), &config);
        scheduler.admit(now, 10.0, &config).expect("all were counted in what the first said");
        assert_eq!(scheduler.admit(now, 10.0, &config), Err(now + Duration::from_secs(9)));
        let later = now + Duration::from_secs(9);
        scheduler.admit(later, 10.0, &config).expect("a new window");
    }
}
