//! What a retry tells of its doings.

use std::time::{Duration, Instant};

/// Sees what a [`RetryLayer`](super::RetryLayer) does. Called from within requests: it must not
/// block.
pub trait Observer: Send + Sync {
    /// Something was done.
    fn event(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync> Observer for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}

/// Something that was done. No field has a URL, a query or a header in it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// It is tried again.
    Repeated {
        /// Method, host and the request's template, or the operation.
        what: &'a str,
        /// Why, in a few words: a status, an error's kind.
        why: &'a str,
        /// Which try has failed, from 1.
        attempt: u32,
        /// How long is waited before the next.
        after: Duration,
    },
    /// A request waits before it is sent, or sent again. Emitted once for each wait whose length is
    /// known: a back-off, or a pause of the account.
    Waiting {
        /// The host that it goes to, with its port where the URL has one.
        host: &'a str,
        /// Why, in a few words: a status, `cannot connect: …`, a pause of the account.
        reason: &'a str,
        /// Time since the request was first to be sent.
        elapsed: Duration,
        /// When the wait ends. It may be prolonged by another event.
        until: Instant,
    },
    /// All requests of an account wait.
    Paused {
        /// Service and name.
        account: &'a str,
        /// Why.
        why: &'a str,
        /// For how long.
        pause: Duration,
    },
    /// It is not tried again.
    GaveUp {
        /// Method, host and the request's template, or the operation.
        what: &'a str,
        /// Why it failed.
        why: &'a str,
        /// How many times it was tried.
        attempts: u32,
        /// How long that took.
        elapsed: Duration,
    },
}

impl Event<'_> {
    /// Tells the log.
    pub(super) fn log(&self) {
        match *self {
            Self::Repeated { what, why, attempt, after } => {
                let after = after.as_secs_f64();
                tracing::info!(what, why, attempt, after, "tried again");
            }
            // Logged as the reason of the wait: `Repeated` or `Paused`.
            Self::Waiting { .. } => {}
            Self::Paused { account, why, pause } => {
                let pause = pause.as_secs_f64();
                tracing::info!(account, why, pause, "the cloud wants a pause");
            }
            Self::GaveUp { what, why, attempts, elapsed } => {
                let elapsed = elapsed.as_secs_f64();
                tracing::info!(what, why, attempts, elapsed, "not tried again");
            }
        }
    }
}
