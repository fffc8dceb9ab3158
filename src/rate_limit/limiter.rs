//! The limiter of one account.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Mutex as Queue, Notify};
use tokio::time::{Instant, sleep_until};

use super::{RateLimitConfig, RateLimitHeaders, scheduler::Scheduler};

/// Limits the requests of one account: pauses, concurrency and rate. Clones share their state.
#[derive(Clone, Default)]
pub struct AccountLimiter(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    /// Its holder sends next. The other requests wait in arrival order.
    queue: Queue<()>,
    /// Notified when a permit is released: another request may be admitted.
    released: Notify,
}

#[derive(Default)]
struct State {
    paused_until: Option<Instant>,
    /// Start of the last pause.
    paused_at: Option<Instant>,
    /// Consecutive refusals, without a success in between.
    refusals: u32,
    /// Retries sent beyond those that successes have earned.
    retries_spent: f64,
    scheduler: Scheduler,
}

impl AccountLimiter {
    /// Returns a limiter without a pause, and without a known rate.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pauses the account for `pause`, from now on. A pause that ends later is kept.
    pub fn pause(&self, pause: Duration) {
        let now = Instant::now();
        let mut state = self.state();
        // `Instant` overflows for an endless pause.
        let until = now.checked_add(pause).unwrap_or(now + FOREVER);
        state.paused_until = Some(state.paused_until.map_or(until, |known| known.max(until)));
        state.paused_at = Some(now);
    }

    /// Returns the rest of the current pause; `None` if there is no pause.
    pub fn paused_for(&self) -> Option<Duration> {
        let until = self.state().paused_until?;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// Waits for the end of the pause, also where it is extended meanwhile.
    ///
    /// # Errors
    /// Fails at once with the rest of the pause if it ends after `deadline`.
    pub async fn wait_open(&self, deadline: Instant) -> Result<(), Duration> {
        while let Some(left) = self.paused_for() {
            let until = Instant::now() + left;
            if until > deadline {
                return Err(left);
            }
            sleep_until(until).await;
        }
        Ok(())
    }

    /// Records that a request sent at `sent` was refused. Returns the number of consecutive
    /// refusals; concurrent requests that are refused together count once.
    pub fn record_refusal(&self, sent: Instant) -> u32 {
        let mut state = self.state();
        if state.refusals == 0 || state.paused_at.is_none_or(|closed| sent >= closed) {
            state.refusals = state.refusals.saturating_add(1);
        }
        state.refusals
    }

    /// Records a response that is no refusal. It earns `earned` retries.
    pub fn record_success(&self, earned: f64) {
        let mut state = self.state();
        state.refusals = 0;
        state.retries_spent = (state.retries_spent - earned).max(0.0);
    }

    /// Waits until a request of this cost may be sent, and for no pause longer than `max_delay`.
    ///
    /// # Errors
    /// Fails with the wait that would be too long, or with the time waited at `deadline`.
    pub async fn acquire(
        &self,
        cost: u32,
        config: &RateLimitConfig,
        max_delay: Duration,
        deadline: Instant,
    ) -> Result<Permit, Duration> {
        let since = Instant::now();
        let first = tokio::time::timeout_at(deadline, self.0.queue.lock()).await;
        let _first = first.map_err(|_| since.elapsed())?;
        loop {
            self.wait_open(deadline.min(Instant::now() + max_delay)).await?;
            let now = Instant::now();
            let admitted = self.state().scheduler.admit(now, f64::from(cost), config);
            match admitted {
                Ok(()) => {
                    let limiter = self.clone();
                    return Ok(Permit {
                        limiter,
                        cost: f64::from(cost),
                        config: *config,
                        ended: false,
                    });
                }
                Err(until) if now >= deadline => {
                    return Err(until.saturating_duration_since(since));
                }
                // A response may arrive first.
                Err(until) => {
                    let until = until.min(deadline);
                    let _ = tokio::time::timeout_at(until, self.0.released.notified()).await;
                }
            }
        }
    }

    /// Takes a retry from a budget of `reserve`. Returns whether there was one left.
    pub fn spend_retry(&self, reserve: f64) -> bool {
        let mut state = self.state();
        let there = state.retries_spent + 1.0 <= reserve;
        if there {
            state.retries_spent += 1.0;
        }
        there
    }
}

/// Permission to send one request, held until its response begins. A permit that is dropped counts
/// as a request without a response.
pub struct Permit {
    limiter: AccountLimiter,
    cost: f64,
    config: RateLimitConfig,
    ended: bool,
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("cost", &self.cost).finish_non_exhaustive()
    }
}

impl Permit {
    /// Records a response that is no refusal.
    pub fn record_success(mut self, headers: Option<RateLimitHeaders>) {
        self.ended = true;
        self.limiter.state().scheduler.answered(Instant::now(), self.cost, headers, &self.config);
    }

    /// Records that the request, sent at `sent`, was refused, and that the account pauses.
    pub fn record_refusal(
        mut self,
        sent: Instant,
        pause: Duration,
        headers: Option<RateLimitHeaders>,
    ) {
        self.ended = true;
        let now = Instant::now();
        self.limiter.state().scheduler.refused(now, sent, self.cost, pause, headers, &self.config);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.ended {
            self.limiter.state().scheduler.lost(self.cost);
        }
        self.limiter.0.released.notify_one();
    }
}

/// Longer than any caller waits, and still a valid `Instant`.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl fmt::Debug for AccountLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountLimiter")
            .field("paused_for", &self.paused_for())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_at_a_gate_waits_for_its_longest_pause() {
        let limiter = AccountLimiter::new();
        let begun = Instant::now();
        limiter.pause(seconds(5));
        limiter.pause(seconds(2));
        let waiting = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.wait_open(begun + seconds(60)).await }
        });
        tokio::time::sleep(seconds(1)).await;
        limiter.pause(seconds(7));
        assert_eq!(waiting.await.expect("no panic"), Ok(()));
        assert_eq!(begun.elapsed().as_secs(), 8);
        assert_eq!(limiter.paused_for(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_ends_too_late_is_told_at_once() {
        let limiter = AccountLimiter::new();
        limiter.pause(Duration::MAX);
        limiter.pause(seconds(120));
        let begun = Instant::now();
        assert!(
            limiter.wait_open(begun + seconds(60)).await.expect_err("too long") >= seconds(120)
        );
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
