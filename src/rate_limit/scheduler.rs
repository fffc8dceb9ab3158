//! Decides when the next request of an account may be sent, by concurrency, rate and rate-limit
//! window. The scheduler has no clock; its callers pass the current time.

use std::time::Duration;

use tokio::time::Instant;

use super::{RateLimitConfig, RateLimitHeaders};

/// Other requests follow a probe without a response after this time.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Minimum rate in units per second.
const MIN_RATE: f64 = 0.2;

/// Admits the requests of one account.
#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    /// Number of requests without a response so far.
    in_flight: u32,
    /// Sum of the costs of the requests in flight.
    in_flight_cost: f64,
    /// Current concurrency limit. `None` for the configured maximum.
    concurrency: Option<f64>,
    /// `None` before the first rejection without headers.
    bucket: Option<TokenBucket>,
    /// `None` while no response reports a window.
    window: Option<RateWindow>,
    /// Time of the first request since the last pause.
    measured_since: Option<Instant>,
    /// Units served since the last pause.
    served: f64,
    /// Time of the last rejection.
    last_refusal: Option<Instant>,
    probe: Probe,
}

/// Limits the rate after a rejection.
#[derive(Debug)]
struct TokenBucket {
    /// Units per second.
    rate: f64,
    /// Growth of the rate per second.
    growth: f64,
    /// Units in the bucket. Negative after a request that costs more than the bucket holds.
    units: f64,
    /// Time of the last refill.
    filled: Instant,
}

/// The rate-limit window that responses report.
#[derive(Debug)]
struct RateWindow {
    /// Units per window.
    limit: f64,
    /// Units that may still be spent.
    left: f64,
    /// Lowest remainder that a response reported.
    lowest: f64,
    /// End of the window.
    ends: Instant,
}

/// A single request that is sent before all others, after a rejection or in a new window.
#[derive(Clone, Copy, Debug, Default)]
enum Probe {
    #[default]
    No,
    /// The next request is the probe.
    Next,
    /// The probe was sent at this time.
    Sent(Instant),
}

impl TokenBucket {
    /// Adds the units that have accrued between the last refill and `now`.
    fn fill(&mut self, now: Instant, config: &RateLimitConfig) {
        let time = now.saturating_duration_since(self.filled).as_secs_f64();
        let full = (self.rate * config.burst.as_secs_f64()).max(1.0);
        // The rate grows only while it is fully used: otherwise nothing shows that more is allowed.
        if self.units < full {
            self.rate += self.growth * time;
        }
        self.units = (self.units + self.rate * time).min(full);
        self.filled = now;
    }
}

impl Scheduler {
    /// Admits a request that costs `cost` units. The caller reports its end with one of the
    /// `record` functions.
    ///
    /// # Errors
    /// Fails with the time of the next attempt. The caller should also try again when a response to
    /// another request arrives.
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
        if self.in_flight >= concurrency.clamp(1, config.max_concurrency.max(1)) {
            return Err(now + PROBE_TIMEOUT);
        }
        // A request that costs more than a whole window is admitted in an unused window.
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
        self.measured_since.get_or_insert(now);
        self.in_flight += 1;
        self.in_flight_cost += cost;
        Ok(())
    }

    /// Removes a request that costs `cost` units from those in flight.
    fn done(&mut self, cost: f64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.in_flight_cost = (self.in_flight_cost - cost).max(0.0);
    }

    /// Records a response that is not a rejection, for a request that costs `cost` units.
    pub(crate) fn record_success(
        &mut self,
        now: Instant,
        cost: f64,
        headers: Option<RateLimitHeaders>,
        config: &RateLimitConfig,
    ) {
        self.done(cost);
        self.served += cost;
        self.probe = Probe::No;
        if let Some(concurrency) = &mut self.concurrency {
            *concurrency =
                (*concurrency + 1.0 / *concurrency).min(f64::from(config.max_concurrency));
        }
        if let Some(headers) = headers {
            self.apply_headers(now, cost, headers);
        }
    }

    /// Records the rejection of a request that was sent at `sent` and costs `cost` units, and the
    /// pause that follows.
    pub(crate) fn record_refusal(
        &mut self,
        now: Instant,
        sent: Instant,
        cost: f64,
        pause: Duration,
        headers: Option<RateLimitHeaders>,
        config: &RateLimitConfig,
    ) {
        self.done(cost);
        // Concurrent requests that are rejected together count once.
        if self.last_refusal.is_none_or(|refused| sent >= refused) {
            self.slow_down(now, pause, headers.is_some(), config);
            self.last_refusal = Some(now);
        }
        self.probe = Probe::Next;
        if let Some(headers) = headers {
            self.apply_headers(now, cost, headers);
        }
    }

    /// Records a request without a response. It costs `cost` units.
    pub(crate) fn record_lost(&mut self, cost: f64) {
        self.done(cost);
        if let Probe::Sent(_) = self.probe {
            self.probe = Probe::Next;
        }
    }

    /// Decreases the concurrency and, unless the response has rate-limit headers, the rate after a
    /// rejection. `pause` is the pause that follows.
    fn slow_down(
        &mut self,
        now: Instant,
        pause: Duration,
        has_headers: bool,
        config: &RateLimitConfig,
    ) {
        let concurrency =
            self.concurrency.unwrap_or(f64::from(config.max_concurrency.min(self.in_flight + 1)));
        let least = f64::from(config.min_concurrency.max(1));
        self.concurrency = Some((concurrency * config.decrease_factor.clamp(0.0, 1.0)).max(least));
        let since = self.measured_since.take();
        let served = std::mem::take(&mut self.served);
        let Some(since) = since.filter(|_| !has_headers && served >= config.min_samples) else {
            return;
        };
        let time = now.saturating_duration_since(since).as_secs_f64();
        // The pause counts too: the cloud requests it for the units that were served.
        let measured = served / (time + pause.as_secs_f64()).max(0.001);
        let before = self.bucket.as_ref().map_or(served / time.max(0.001), |bucket| bucket.rate);
        let kept = self.bucket.as_ref().map_or(0.0, |bucket| bucket.rate * config.decrease_factor);
        let rate = measured.max(kept).min(before).max(MIN_RATE);
        let recovery = (pause.as_secs_f64() * config.recovery_factor).max(0.001);
        let growth = ((before - rate) / recovery).max(rate / 1000.0);
        self.bucket = Some(TokenBucket { rate, growth, units: 0.0, filled: now + pause });
    }

    /// Updates the window from the limits that the response to a request of `cost` units reports.
    fn apply_headers(&mut self, now: Instant, cost: f64, headers: RateLimitHeaders) {
        let ends = now + headers.reset.min(Duration::from_secs(24 * 3600));
        // The cloud may not have counted the requests in flight: they are subtracted until their
        // responses arrive.
        let left = headers.remaining - self.in_flight_cost;
        match &mut self.window {
            // The same window. A higher remainder than before is from an older response, whose
            // request the lower remainder includes.
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
                *window = Some(RateWindow {
                    limit: headers.limit,
                    left,
                    lowest: headers.remaining,
                    ends,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A simulated cloud with a fixed window. Its responses take `latency`.
    struct Cloud {
        limit: f64,
        window: Duration,
        latency: Duration,
        /// It reports its limits in headers.
        reports: bool,
        /// It rounds pauses up to whole seconds.
        rounds: bool,
    }

    /// The result of a simulation.
    #[derive(Debug, Default)]
    struct Simulation {
        served: f64,
        refused: u32,
        sent: u32,
    }

    fn run(cloud: &Cloud, config: &RateLimitConfig, cost: f64, whole: Duration) -> Simulation {
        let begun = Instant::now();
        let (mut scheduler, mut now, mut outcome) =
            (Scheduler::default(), begun, Simulation::default());
        let mut under_way: std::collections::VecDeque<Instant> = Default::default();
        let (mut used, mut number) = (0.0, 0);
        let mut paused = begun;
        while now < begun + whole {
            // The next event is a response or the admission of a request.
            let turn = match under_way.len() >= 16 || now < paused {
                true => Err(paused.max(now)),
                false => scheduler.admit(now, cost, config),
            };
            if turn.is_ok() {
                under_way.push_back(now);
                outcome.sent += 1;
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
            let headers =
                (cloud.reports && used >= cloud.limit * 0.8).then_some(RateLimitHeaders {
                    limit: cloud.limit,
                    remaining: (cloud.limit - used).max(0.0),
                    reset,
                });
            if used > cloud.limit {
                outcome.refused += 1;
                paused = paused.max(now + reset);
                scheduler.record_refusal(now, sent, cost, reset, headers, config);
            } else {
                outcome.served += cost;
                scheduler.record_success(now, cost, headers, config);
            }
        }
        outcome
    }

    fn cloud() -> Cloud {
        Cloud {
            limit: 1250.0,
            window: Duration::from_secs(60),
            latency: Duration::from_millis(50),
            reports: true,
            rounds: false,
        }
    }

    #[test]
    fn a_reported_limit_is_used_up_and_not_exceeded() {
        for rounds in [false, true] {
            for cost in [1.0, 2.0, 5.0] {
                let cloud = Cloud { rounds, ..cloud() };
                let outcome =
                    run(&cloud, &RateLimitConfig::default(), cost, Duration::from_secs(600));
                assert!(outcome.served >= 0.98 * 12_500.0, "{outcome:?}");
                assert!(outcome.refused == 0, "{outcome:?}");
            }
        }
    }

    #[test]
    fn a_limit_without_headers_is_found_from_rejections() {
        let cloud = Cloud { reports: false, ..cloud() };
        let outcome = run(&cloud, &RateLimitConfig::default(), 2.0, Duration::from_secs(1800));
        assert!(outcome.served >= 0.9 * 37_500.0, "{outcome:?}");
        assert!(outcome.refused * 50 < outcome.sent, "{outcome:?}");
    }

    #[test]
    fn a_few_rejections_decrease_only_the_concurrency() {
        let config = RateLimitConfig { max_concurrency: 8, ..RateLimitConfig::default() };
        let now = Instant::now();
        let mut scheduler = Scheduler::default();
        let all = |scheduler: &mut Scheduler, now| {
            std::iter::from_fn(|| scheduler.admit(now, 1.0, &config).ok()).count()
        };
        assert_eq!(all(&mut scheduler, now), 8);
        for _ in 0..8 {
            scheduler.record_refusal(
                now,
                now - Duration::from_secs(1),
                1.0,
                Duration::ZERO,
                None,
                &config,
            );
        }
        // A probe is sent before all others; the others follow after its response.
        assert_eq!(all(&mut scheduler, now), 1);
        scheduler.record_success(now, 1.0, None, &config);
        assert_eq!(all(&mut scheduler, now), 5);
        // They also follow when the probe has no response for too long.
        scheduler.record_refusal(now, now, 1.0, Duration::ZERO, None, &config);
        (0..4).for_each(|_| scheduler.record_lost(1.0));
        assert_eq!(all(&mut scheduler, now), 1);
        assert!(all(&mut scheduler, now + PROBE_TIMEOUT) > 1);
    }

    #[test]
    fn an_older_response_that_arrives_late_is_not_counted_twice() {
        let config = RateLimitConfig::default();
        let now = Instant::now();
        let mut scheduler = Scheduler::default();
        (0..3).for_each(|_| scheduler.admit(now, 10.0, &config).expect("a turn"));
        let headers = |remaining| {
            Some(RateLimitHeaders { limit: 100.0, remaining, reset: Duration::from_secs(9) })
        };
        scheduler.record_success(now, 10.0, headers(10.0), &config);
        assert!(scheduler.admit(now, 10.0, &config).is_err(), "two may be uncounted");
        scheduler.record_success(now, 10.0, headers(15.0), &config);
        assert!(scheduler.admit(now, 10.0, &config).is_err(), "one may be uncounted");
        scheduler.record_success(now, 10.0, headers(19.0), &config);
        scheduler.admit(now, 10.0, &config).expect("all were counted in what the first said");
        assert_eq!(scheduler.admit(now, 10.0, &config), Err(now + Duration::from_secs(9)));
        let later = now + Duration::from_secs(9);
        scheduler.admit(later, 10.0, &config).expect("a new window");
    }
}
