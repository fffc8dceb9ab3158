//! Events of the retry layer, for observers and the log.

use std::time::{Duration, Instant};

/// Receives the events of a [`RetryLayer`](super::RetryLayer). The layer calls it while it
/// processes requests, so that it must not block.
pub trait RetryObserver: Send + Sync {
    /// Handles one event.
    fn event(&self, event: &RetryEvent<'_>);
}

impl<F: Fn(&RetryEvent<'_>) + Send + Sync> RetryObserver for F {
    /// Calls the function.
    fn event(&self, event: &RetryEvent<'_>) {
        self(event);
    }
}

/// Event of the retry layer. No field contains a URL, a query or a header.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum RetryEvent<'a> {
    /// A request or an operation will be retried.
    Retrying {
        /// Method, host and template of the request, or the name of the operation.
        call: &'a str,
        /// Short reason, such as a status or the kind of an error.
        reason: &'a str,
        /// Number of the failed attempt, from 1.
        attempt: u32,
        /// Delay before the next attempt.
        delay: Duration,
    },
    /// A request waits before its first or next attempt. Emitted once for each wait of known
    /// length: a back-off, or a pause of the account.
    Waiting {
        /// Host of the request, with the port if the URL has one.
        host: &'a str,
        /// Short reason, such as a status, `cannot connect: …` or a pause of the account.
        reason: &'a str,
        /// Time since the request was submitted.
        elapsed: Duration,
        /// End of the wait. A later event may extend it.
        until: Instant,
    },
    /// All requests of an account are paused.
    Paused {
        /// Service and name of the account.
        account: &'a str,
        /// Short reason, such as a status.
        reason: &'a str,
        /// Length of the pause.
        pause: Duration,
    },
    /// A request or an operation failed and will not be retried.
    GaveUp {
        /// Method, host and template of the request, or the name of the operation.
        call: &'a str,
        /// Short reason of the last failure.
        reason: &'a str,
        /// Number of attempts.
        attempts: u32,
        /// Total time of all attempts, including delays.
        elapsed: Duration,
    },
}

impl RetryEvent<'_> {
    /// Writes the event to the log.
    pub(super) fn log(&self) {
        match *self {
            Self::Retrying { call, reason, attempt, delay } => {
                let delay = delay.as_secs_f64();
                tracing::info!(call, reason, attempt, delay, "retrying");
            }
            // Its reason is logged as `Retrying` or `Paused`.
            Self::Waiting { .. } => {}
            Self::Paused { account, reason, pause } => {
                let pause = pause.as_secs_f64();
                tracing::info!(account, reason, pause, "the account is paused");
            }
            Self::GaveUp { call, reason, attempts, elapsed } => {
                let elapsed = elapsed.as_secs_f64();
                tracing::info!(call, reason, attempts, elapsed, "gave up");
            }
        }
    }
}
