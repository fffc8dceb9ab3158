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

#[cfg(feature = "layers")]
use tokio::sync::{Mutex as Turnstile, Notify};
use tokio::time::{Instant, sleep_until};

#[cfg(feature = "layers")]
use crate::layers::retry::{Pace, Pacer, Told};

/// Where the requests of one account wait while its cloud wants none. Clones are the same gate.
#[derive(Clone, Default)]
pub struct Gate(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    /// Whoever holds it is the next one that goes; the others wait in the order in which they came.
    #[cfg(feature = "layers")]
    turnstile: Turnstile<()>,
    /// A request was answered: another one may go.
    #[cfg(feature = "layers")]
    answered: Notify,
}

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
    #[cfg(feature = "layers")]
    pacer: Pacer,
}

impl Gate {
    /// An open gate.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Waits for a turn to send a request of that cost; for a pause no longer than `longest`.
    ///
    /// # Errors
    /// The wait that would be too long, or the one that was, where others go first.
    #[cfg(feature = "layers")]
    pub(crate) async fn turn(
        &self,
        cost: u32,
        pace: &Pace,
        longest: Duration,
        deadline: Instant,
    ) -> Result<Turn, Duration> {
        let since = Instant::now();
        let first = tokio::time::timeout_at(deadline, self.0.turnstile.lock()).await;
        let _first = first.map_err(|_| since.elapsed())?;
        loop {
            self.passed(deadline.min(Instant::now() + longest)).await?;
            let now = Instant::now();
            let admitted = self.state().pacer.admit(now, f64::from(cost), pace);
            match admitted {
                Ok(()) => {
                    let gate = self.clone();
                    return Ok(Turn { gate, cost: f64::from(cost), pace: *pace, ended: false });
                }
                Err(until) if now >= deadline => {
                    return Err(until.saturating_duration_since(since));
                }
                // An answer may come first.
                Err(until) => {
                    let until = until.min(deadline);
                    let _ = tokio::time::timeout_at(until, self.0.answered.notified()).await;
                }
            }
        }
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

/// A request that has had its turn, until its answer begins.
#[cfg(feature = "layers")]
pub(crate) struct Turn {
    gate: Gate,
    cost: f64,
    pace: Pace,
    ended: bool,
}

#[cfg(feature = "layers")]
impl Turn {
    /// It was answered, and not refused.
    pub(crate) fn answered(mut self, told: Option<Told>) {
        self.ended = true;
        self.gate.state().pacer.answered(Instant::now(), self.cost, told, &self.pace);
    }

    /// It was sent at `sent` and refused; the account pauses.
    pub(crate) fn refused(mut self, sent: Instant, pause: Duration, told: Option<Told>) {
        self.ended = true;
        let now = Instant::now();
        self.gate.state().pacer.refused(now, sent, self.cost, pause, told, &self.pace);
    }
}

#[cfg(feature = "layers")]
impl Drop for Turn {
    fn drop(&mut self) {
        if !self.ended {
            self.gate.state().pacer.lost(self.cost);
        }
        self.gate.0.answered.notify_one();
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
#[derive(Clone, Debug)]
pub struct Mark {
    /// The account's; `None`: by service and host.
    pub gate: Option<Gate>,
    /// Whether it passes while the gate is closed: requests for tokens, which clouds count apart.
    pub passes: bool,
    /// When it may be sent again; `None`: by its method.
    pub repeat: Option<Repeat>,
    /// What it costs of what the cloud allows the account, in the cloud's units (Graph: resource
    /// units, onedrive-graph.md, A22; elsewhere requests). 0: it is not counted, and does not wait
    /// for a turn.
    pub cost: u32,
}

impl Default for Mark {
    /// A request of a service that says nothing of it, which costs 1.
    fn default() -> Self {
        Self { gate: None, passes: false, repeat: None, cost: 1 }
    }
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
