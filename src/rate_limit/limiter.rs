//! The rate limiter of one account.

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

/// The parts that clones share.
#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    /// The holder of this lock sends next. Other requests wait in order of arrival.
    queue: Queue<()>,
    /// Notified when a permit is released, because the scheduler may then admit another request.
    released: Notify,
}

/// The pause, the retry budget and the scheduler of the account.
#[derive(Default)]
struct State {
    /// End of the last pause. `None` before the first one.
    paused_until: Option<Instant>,
    /// Start of the last pause. `None` before the first one.
    paused_at: Option<Instant>,
    /// Number of consecutive rejections.
    refusals: u32,
    /// Number of retries beyond those that successful requests have earned.
    retries_spent: f64,
    scheduler: Scheduler,
}

impl AccountLimiter {
    /// Returns a limiter without a pause or a rate limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Locks the state. A poisoned lock is used as it is.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pauses the account for `pause` from now on. An earlier pause that ends later stays in effect.
    pub fn pause(&self, pause: Duration) {
        let now = Instant::now();
        let mut state = self.state();
        // `Instant` overflows for a very long pause.
        let until = now.checked_add(pause).unwrap_or(now + FOREVER);
        state.paused_until = Some(state.paused_until.map_or(until, |known| known.max(until)));
        state.paused_at = Some(now);
    }

    /// Returns the rest of the current pause. `None` if the account is not paused.
    pub fn paused_for(&self) -> Option<Duration> {
        let until = self.state().paused_until?;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// Waits for the end of the pause, including extensions.
    ///
    /// # Errors
    /// Fails immediately with the rest of the pause if it ends after `deadline`.
    pub async fn wait_open(&self, deadline: Instant) -> Result<(), DelayTooLong> {
        while let Some(left) = self.paused_for() {
            let until = Instant::now() + left;
            if until > deadline {
                return Err(DelayTooLong(left));
            }
            sleep_until(until).await;
        }
        Ok(())
    }

    /// Records the rejection of a request that was sent at `sent`. Returns the number of consecutive
    /// rejections. Concurrent requests that are rejected together count once.
    pub fn record_refusal(&self, sent: Instant) -> u32 {
        let mut state = self.state();
        if state.refusals == 0 || state.paused_at.is_none_or(|paused| sent >= paused) {
            state.refusals = state.refusals.saturating_add(1);
        }
        state.refusals
    }

    /// Records a response that is not a rejection. It adds `earned` retries to the budget, which
    /// may be a fraction.
    pub fn record_success(&self, earned: f64) {
        let mut state = self.state();
        state.refusals = 0;
        state.retries_spent = (state.retries_spent - earned).max(0.0);
    }

    /// Waits until a request may be sent: until the pause is over, the requests before it are sent,
    /// and the scheduler admits it. `cost` is in the cloud's units.
    ///
    /// # Errors
    /// Fails with the rest of the pause if it is longer than `max_delay` or ends after `deadline`,
    /// and with the necessary delay if the request cannot be sent before `deadline`.
    pub async fn acquire(
        &self,
        cost: u32,
        config: &RateLimitConfig,
        max_delay: Duration,
        deadline: Instant,
    ) -> Result<Permit, DelayTooLong> {
        let since = Instant::now();
        let turn = tokio::time::timeout_at(deadline, self.0.queue.lock()).await;
        let _turn = turn.map_err(|_| DelayTooLong(since.elapsed()))?;
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
                    return Err(DelayTooLong(until.saturating_duration_since(since)));
                }
                // A response may arrive earlier and release its permit.
                Err(until) => {
                    let until = until.min(deadline);
                    let _ = tokio::time::timeout_at(until, self.0.released.notified()).await;
                }
            }
        }
    }

    /// Takes one retry from the budget, which has `reserve` retries in advance. Returns whether one
    /// was left.
    pub fn spend_retry(&self, reserve: f64) -> bool {
        let mut state = self.state();
        let is_left = state.retries_spent + 1.0 <= reserve;
        if is_left {
            state.retries_spent += 1.0;
        }
        is_left
    }
}

/// The delay until a request may be sent, which is longer than its caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayTooLong(pub Duration);

impl fmt::Display for DelayTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request may only be sent after {:.0} s", self.0.as_secs_f64())
    }
}

impl std::error::Error for DelayTooLong {}

/// Permission to send one request, held until its response begins. A dropped permit counts as a
/// request without a response.
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
    /// Records a response that is not a rejection, and the limits that it reports.
    pub fn record_success(mut self, headers: Option<RateLimitHeaders>) {
        self.ended = true;
        self.limiter.state().scheduler.record_success(
            Instant::now(),
            self.cost,
            headers,
            &self.config,
        );
    }

    /// Records the rejection of the request, which was sent at `sent`, and the pause that follows.
    pub fn record_refusal(
        mut self,
        sent: Instant,
        pause: Duration,
        headers: Option<RateLimitHeaders>,
    ) {
        self.ended = true;
        let now = Instant::now();
        self.limiter.state().scheduler.record_refusal(
            now,
            sent,
            self.cost,
            pause,
            headers,
            &self.config,
        );
    }
}

impl Drop for Permit {
    /// Counts a permit without a result as a request without a response, and wakes the next
    /// request.
    fn drop(&mut self) {
        if !self.ended {
            self.limiter.state().scheduler.record_lost(self.cost);
        }
        self.limiter.0.released.notify_one();
    }
}

/// Longer than any caller waits; an `Instant` this far in the future is still valid.
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
    async fn a_waiting_request_waits_for_the_longest_pause() {
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
    async fn a_pause_that_ends_after_the_deadline_is_an_immediate_error() {
        let limiter = AccountLimiter::new();
        limiter.pause(Duration::MAX);
        limiter.pause(seconds(120));
        let begun = Instant::now();
        assert!(
            limiter.wait_open(begun + seconds(60)).await.expect_err("too long").0 >= seconds(120)
        );
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
