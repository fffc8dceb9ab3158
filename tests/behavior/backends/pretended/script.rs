//! What goes wrong, and when; and what was called.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use drivedal::drive::{Error, ErrorKind, Result, Retry};
use tokio::time::sleep;

/// What a call meets.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Fails, and nothing has happened; trying again helps.
    Before,
    /// Everything has happened, but the answer is lost; trying again helps.
    After,
    /// A fragment or a download stops half-way; trying again helps.
    Halfway,
    /// Takes this long.
    Slow(Duration),
}

/// Troubles to come, and the calls that were.
#[derive(Debug, Default)]
pub struct Script {
    troubles: Mutex<VecDeque<(&'static str, Trouble)>>,
    calls: Mutex<Vec<&'static str>>,
}

impl Script {
    /// The next call of that verb that has no trouble yet meets this one.
    pub fn plan(&self, verb: &'static str, trouble: Trouble) {
        self.troubles.lock().expect("no panic while it is held").push_back((verb, trouble));
    }

    /// Whether everything planned has happened.
    pub fn is_empty(&self) -> bool {
        self.troubles.lock().expect("no panic while it is held").is_empty()
    }

    /// Plans nothing any more.
    pub fn forget(&self) {
        self.troubles.lock().expect("no panic while it is held").clear();
    }

    /// How often a verb was called.
    pub fn calls(&self, verb: &str) -> usize {
        let calls = self.calls.lock().expect("no panic while it is held");
        calls.iter().filter(|call| **call == verb).count()
    }

    /// A call begins: what it meets. Waits if it is slow.
    pub(super) async fn meets(&self, verb: &'static str) -> Result<Option<Trouble>> {
        self.calls.lock().expect("no panic while it is held").push(verb);
        let trouble = {
            let mut troubles = self.troubles.lock().expect("no panic while it is held");
            let at = troubles.iter().position(|(planned, _)| *planned == verb);
            at.and_then(|at| troubles.remove(at))
        };
        match trouble {
            Some((_, Trouble::Before)) => Err(temporary(verb)),
            Some((_, Trouble::Slow(pause))) => {
                sleep(pause).await;
                Ok(None)
            }
            Some((_, trouble)) => Ok(Some(trouble)),
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
