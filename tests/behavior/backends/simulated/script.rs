//! Planned failures of a simulated cloud, and a log of its calls.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use drivedal::drive::{Error, ErrorKind, Result, Retry};
use tokio::time::sleep;

/// Failure of one call.
#[derive(Clone, Debug)]
pub enum PlannedFailure {
    /// The call fails without an effect; a retry helps.
    Before,
    /// The call has its effect but its response is lost; a retry helps.
    After,
    /// A fragment or a download stops half-way; a retry helps.
    Halfway,
    /// The call takes this long.
    Slow(Duration),
}

/// Planned failures, and the calls so far.
#[derive(Debug, Default)]
pub struct Script {
    failures: Mutex<VecDeque<(&'static str, PlannedFailure)>>,
    calls: Mutex<Vec<&'static str>>,
}

impl Script {
    /// Plans a failure for the next call of this verb that has none yet.
    pub fn plan(&self, verb: &'static str, failures: PlannedFailure) {
        self.failures.lock().expect("no panic while it is held").push_back((verb, failures));
    }

    /// Returns whether all planned failures have occurred.
    pub fn is_empty(&self) -> bool {
        self.failures.lock().expect("no panic while it is held").is_empty()
    }

    /// Removes all planned failures.
    pub fn forget(&self) {
        self.failures.lock().expect("no panic while it is held").clear();
    }

    /// Returns the number of calls of a verb.
    pub fn calls(&self, verb: &str) -> usize {
        let calls = self.calls.lock().expect("no panic while it is held");
        calls.iter().filter(|call| **call == verb).count()
    }

    /// Records a call and returns its failure. Waits if the call is slow.
    pub(super) async fn next_failure(&self, verb: &'static str) -> Result<Option<PlannedFailure>> {
        self.calls.lock().expect("no panic while it is held").push(verb);
        let failures = {
            let mut failures = self.failures.lock().expect("no panic while it is held");
            let at = failures.iter().position(|(planned, _)| *planned == verb);
            at.and_then(|at| failures.remove(at))
        };
        match failures {
            Some((_, PlannedFailure::Before)) => Err(temporary(verb)),
            Some((_, PlannedFailure::Slow(pause))) => {
                sleep(pause).await;
                Ok(None)
            }
            Some((_, failures)) => Ok(Some(failures)),
            None => Ok(None),
        }
    }
}

pub(super) fn temporary(verb: &str) -> Error {
    Error::new(ErrorKind::Unexpected, "planned, try again")
        .with_status(503)
        .with_operation(verb)
        .with_retry(Retry::Again { after: None })
}
