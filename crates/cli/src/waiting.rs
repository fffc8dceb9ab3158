//! Messages about long waits for a cloud.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use drivedal::layers::retry::{RetryEvent, RetryObserver};
use jiff::{SignedDuration, Timestamp};

use crate::{
    output::Output,
    units::{self, HumanDuration},
};

/// A request waits this long before a message is printed.
const QUIET_PERIOD: Duration = Duration::from_secs(5);

/// Minimum time between two messages about one remote.
const MIN_INTERVAL: Duration = Duration::from_secs(30);

/// Prints a message when a request of a remote has waited for [`QUIET_PERIOD`] and the wait
/// continues. Clones share the time of the last message.
#[derive(Clone)]
pub(crate) struct WaitNotifier {
    remote: String,
    output: Arc<Output>,
    /// Earliest time of the next message.
    next: Arc<Mutex<Instant>>,
}

impl WaitNotifier {
    /// Creates the notifier of a remote, given the remote's name for messages.
    pub(crate) fn new(remote: &str, output: &Arc<Output>) -> Self {
        Self {
            remote: remote.to_owned(),
            output: Arc::clone(output),
            next: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// Prints a message at the end of [`QUIET_PERIOD`], unless the wait ends before that at
    /// `until`. The message contains the request's `host` and the `reason` of the wait; `elapsed`
    /// is the time since the first attempt of the request.
    pub(crate) fn announce(&self, host: &str, reason: &str, elapsed: Duration, until: Instant) {
        let now = Instant::now();
        let from = now + QUIET_PERIOD.saturating_sub(elapsed);
        if self.output.is_quiet() || from >= until {
            return;
        }
        let message = WaitMessage {
            remote: self.remote.clone(),
            host: host.to_owned(),
            reason: reason.to_owned(),
            until,
        };
        let (next, output) = (Arc::clone(&self.next), Arc::clone(&self.output));
        // Another request of the remote may have printed the message meanwhile.
        let print = move || {
            let now = Instant::now();
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            if now >= *next {
                *next = now + MIN_INTERVAL;
                output.notice(message);
            }
        };
        if from <= now {
            return print();
        }
        // Without a runtime no request is waiting.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep_until(from.into()).await;
                print();
            });
        }
    }
}

impl fmt::Debug for WaitNotifier {
    /// Shows the remote only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitNotifier").field("remote", &self.remote).finish_non_exhaustive()
    }
}

impl RetryObserver for WaitNotifier {
    /// Announces waits. Other events are ignored.
    fn event(&self, event: &RetryEvent<'_>) {
        if let RetryEvent::Waiting { host, reason, elapsed, until } = *event {
            self.announce(host, reason, elapsed, until);
        }
    }
}

struct WaitMessage {
    remote: String,
    host: String,
    reason: String,
    until: Instant,
}

impl fmt::Display for WaitMessage {
    /// Writes the host, the reason, and the time of the next attempt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { remote, host, reason, until } = self;
        let left = until.saturating_duration_since(Instant::now());
        let at = SignedDuration::try_from(left)
            .ok()
            .and_then(|left| Timestamp::now().checked_add(left).ok());
        write!(f, "{remote}: waiting for {host} ({reason})")?;
        if let Some(at) = at {
            write!(f, ", next attempt at {} (in {})", units::seconds(at), HumanDuration(left))?;
        }
        Ok(())
    }
}
