//! Attempts of one operation.

use opendal::{Error, Result};
use tokio::time::{Instant, sleep};

use super::{
    RetryShared,
    event::RetryEvent,
    failed_requests::{FailedRequests, RunningCall},
};
use crate::rate_limit::Exhausted;

/// Counts the attempts of one operation, and waits between them.
pub(super) struct RetryState {
    shared: RetryShared,
    failed_requests: FailedRequests,
    /// Name of the operation, for events.
    call: &'static str,
    started: Instant,
    attempts: u32,
    _call: RunningCall,
}

impl RetryState {
    /// Starts an operation with the name `call` for events. Requests that failed in earlier calls
    /// of the same body may be sent again.
    pub(super) fn new(
        shared: &RetryShared,
        failed_requests: &FailedRequests,
        call: &'static str,
    ) -> Self {
        Self {
            shared: shared.clone(),
            failed_requests: failed_requests.clone(),
            call,
            started: Instant::now(),
            attempts: 0,
            _call: failed_requests.begin_call(),
        }
    }

    /// Counts the failed attempt, and waits for the delay before the next one.
    ///
    /// # Errors
    /// Returns `error` if it is permanent or the attempts are exhausted. It is not temporary any
    /// more.
    pub(super) async fn wait_or_fail(&mut self, error: Error) -> Result<()> {
        if !error.is_temporary() {
            return Err(error);
        }
        self.attempts += 1;
        let policy = &self.shared.policy;
        let wait = policy.delay(self.attempts, (self.shared.rng)());
        // Log the kind only: the message of a foreign service may contain a URL.
        let (call, reason) = (self.call, &*format!("{} error", error.kind()));
        if self.failed_requests.any()
            || self.attempts >= policy.max_attempts
            || self.started.elapsed() + wait > policy.max_elapsed
        {
            let (attempts, elapsed) = (self.attempts, self.started.elapsed());
            self.shared.emit(RetryEvent::GaveUp { call, reason, attempts, elapsed });
            let exhausted = Exhausted { attempts, elapsed, pause: None };
            // The transport adds the attempts of a request to its error. This context is about the
            // operation.
            return Err(error.with_context("operation", exhausted).set_persistent());
        }
        self.shared.emit(RetryEvent::Retrying {
            call,
            reason,
            attempt: self.attempts,
            delay: wait,
        });
        let until = (Instant::now() + wait).into_std();
        let (host, elapsed) = (&*self.failed_requests.last_host(), self.started.elapsed());
        self.shared.emit(RetryEvent::Waiting { host, reason, elapsed, until });
        sleep(wait).await;
        Ok(())
    }
}

/// Repeats a call until it succeeds or its [`RetryState`] returns an error.
macro_rules! retry {
    ($state:expr, $call:expr) => {{
        let mut state = $state;
        loop {
            match $call.await {
                Ok(done) => break Ok(done),
                Err(error) => state.wait_or_fail(error).await?,
            }
        }
    }};
}
pub(super) use retry;
