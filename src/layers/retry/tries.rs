//! The tries of one operation.

use opendal::{Error, Result};
use tokio::time::{Instant, sleep};

use super::{
    Core,
    event::Event,
    watch::{Running, Watch},
};
use crate::rate_limit::Exhausted;

/// Counts the tries of a call, and waits between them.
pub(super) struct Tries {
    core: Core,
    watch: Watch,
    what: &'static str,
    begun: Instant,
    attempts: u32,
    _running: Running,
}

impl Tries {
    pub(super) fn new(core: &Core, watch: &Watch, what: &'static str) -> Self {
        Self {
            core: core.clone(),
            watch: watch.clone(),
            what,
            begun: Instant::now(),
            attempts: 0,
            _running: watch.begin(),
        }
    }

    /// Waits for the next try.
    ///
    /// # Errors
    /// The one it was given, where trying again would not help or has not helped; then it is not
    /// temporary any more.
    pub(super) async fn again(&mut self, error: Error) -> Result<()> {
        if !error.is_temporary() {
            return Err(error);
        }
        self.attempts += 1;
        let policy = &self.core.policy;
        let wait = policy.wait(self.attempts, (self.core.dice)());
        // Its kind, not its text: that of a foreign service may have a URL in it.
        let (what, why) = (self.what, &*format!("{} error", error.kind()));
        if self.watch.any_in_vain()
            || self.attempts >= policy.attempts
            || self.begun.elapsed() + wait > policy.longest_total
        {
            let (attempts, elapsed) = (self.attempts, self.begun.elapsed());
            self.core.tell(Event::GaveUp { what, why, attempts, elapsed });
            let exhausted = Exhausted { attempts, elapsed, pause: None };
            // The transport has told of a request how often it was tried; this is of the operation.
            return Err(error.with_context("operation", exhausted).set_persistent());
        }
        self.core.tell(Event::Repeated { what, why, attempt: self.attempts, after: wait });
        let until = (Instant::now() + wait).into_std();
        let (host, elapsed) = (&*self.watch.host(), self.begun.elapsed());
        self.core.tell(Event::Waiting { host, reason: why, elapsed, until });
        sleep(wait).await;
        Ok(())
    }
}

/// Makes a call until it works or is not to be tried again.
macro_rules! until_it_works {
    ($tries:expr, $call:expr) => {{
        let mut tries = $tries;
        loop {
            match $call.await {
                Ok(done) => break Ok(done),
                Err(error) => tries.again(error).await?,
            }
        }
    }};
}
pub(super) use until_it_works;
