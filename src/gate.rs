//! What the requests of an account have in common: the gate they wait at, and what travels with
//! each of them.
//!
//! A cloud that wants a pause wants it of the whole account, not of the request it happened to
//! tell: rclone and Microsoft's own guidance pause everything (onedrive-graph.md, A22). The account
//! is not known to an HTTP transport, so the request carries it, in a [`Mark`] among its extensions.
//! A drive has one [`Gate`]; whoever learns that the cloud wants a pause closes it, also from
//! inside an answer that holds others (`$batch`).

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Where the requests of one account wait while its cloud wants none. Clones are the same gate.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    closed_until: Option<Instant>,
    /// When it was closed last.
    #[cfg(feature = "layers")]
    closed_at: Option<Instant>,
    /// How many times in a row requests were refused, without a good answer between.
    #[cfg(feature = "layers")]
    refusals: u32,
    /// Repeats that were made beyond what answers have earned.
    #[cfg(feature = "layers")]
    spent: f64,
}

impl Gate {
    /// An open gate.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes it for that long, from now on. A pause that ends later stays.
    pub fn close(&self, pause: Duration) {
        let now = Instant::now();
        let mut state = self.state();
        // A pause without end would be an instant that no clock has.
        let until = now.checked_add(pause).unwrap_or(now + FOREVER);
        state.closed_until = Some(state.closed_until.map_or(until, |known| known.max(until)));
        #[cfg(feature = "layers")]
        {
            state.closed_at = Some(now);
        }
    }

    /// How long it stays closed; `None`: it is open.
    pub fn closed_for(&self) -> Option<Duration> {
        let until = self.state().closed_until?;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// Waits until it is open; a pause that is made longer meanwhile is waited for to its new end.
    /// Gives up at once when a pause ends after `deadline`.
    ///
    /// # Errors
    /// The pause that is too long.
    pub async fn passed(&self, deadline: Instant) -> Result<(), Duration> {
        while let Some(left) = self.closed_for() {
            let until = Instant::now() + left;
            if until > deadline {
                return Err(left);
            }
            sleep_until(until).await;
        }
        Ok(())
    }

    /// A request that was sent at `sent` was refused: how many times in a row that has happened.
    /// Requests that were under way together are refused together, and count once.
    #[cfg(feature = "layers")]
    pub(crate) fn refused(&self, sent: Instant) -> u32 {
        let mut state = self.state();
        if state.refusals == 0 || state.closed_at.is_none_or(|closed| sent >= closed) {
            state.refusals = state.refusals.saturating_add(1);
        }
        state.refusals
    }

    /// A request was answered and not refused: `earned` repeats more may be made.
    #[cfg(feature = "layers")]
    pub(crate) fn answered(&self, earned: f64) {
        let mut state = self.state();
        state.refusals = 0;
        state.spent = (state.spent - earned).max(0.0);
    }

    /// Takes a repeat from a budget of `reserve`; whether there was one.
    #[cfg(feature = "layers")]
    pub(crate) fn spend(&self, reserve: f64) -> bool {
        let mut state = self.state();
        let there = state.spent + 1.0 <= reserve;
        if there {
            state.spent += 1.0;
        }
        there
    }
}

/// Longer than anybody waits, and an instant that clocks have.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("closed_for", &self.closed_for()).finish_non_exhaustive()
    }
}

/// What a service says of one of its requests; an extension of the request.
///
/// Without one a layer goes by method, headers and host.
#[derive(Clone, Debug, Default)]
pub struct Mark {
    /// The account's; `None`: by service and host.
    pub gate: Option<Gate>,
    /// Whether it passes while the gate is closed: requests for tokens, which clouds count apart.
    pub passes: bool,
    /// When it may be sent again; `None`: by its method.
    pub repeat: Option<Repeat>,
}

/// When a request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Whatever has become of it: twice is as good as once.
    Always,
    /// When it is sure that it has had no effect: the cloud refused it, or was not reached.
    IfRefused,
    /// Never.
    Never,
}

/// On an answer that a layer got in vain more than once, or is not to repeat any more: an extension
/// of the response. Whoever makes an error of the answer makes one that is not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// How many times the request was sent.
    pub attempts: u32,
    /// Time since it was sent first.
    pub elapsed: Duration,
    /// The pause that the cloud wants and nobody waits for.
    pub pause: Option<Duration>,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = if self.attempts == 1 { "time" } else { "times" };
        write!(f, "tried {} {times} in {:.1} s", self.attempts, self.elapsed.as_secs_f64())?;
        match self.pause {
            Some(pause) => write!(f, ", the cloud wants a pause of {:.0} s", pause.as_secs_f64()),
            None => Ok(()),
        }
    }
}

/// Which time a request is sent, from 1; an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_at_a_gate_waits_for_its_longest_pause() {
        let gate = Gate::new();
        let begun = Instant::now();
        gate.close(seconds(5));
        gate.close(seconds(2));
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.passed(begun + seconds(60)).await }
        });
        tokio::time::sleep(seconds(1)).await;
        gate.close(seconds(7));
        assert_eq!(waiting.await.expect("no panic"), Ok(()));
        assert_eq!(begun.elapsed().as_secs(), 8);
        assert_eq!(gate.closed_for(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_ends_too_late_is_told_at_once() {
        let gate = Gate::new();
        gate.close(Duration::MAX);
        gate.close(seconds(120));
        let begun = Instant::now();
        assert!(gate.passed(begun + seconds(60)).await.expect_err("too long") >= seconds(120));
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
