//! What was asked of the server, to assert on: counters and the request log.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many requests the log remembers; older ones are forgotten, their numbers are not given again.
pub const REMEMBERED: usize = 10_000;

/// How many requests came, and for what. Control requests are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// All of them.
    pub total: u64,
    /// By the operation's name, as in `live.files.put`; operations that nobody asked for are missing.
    pub operations: BTreeMap<String, u64>,
}

impl Counters {
    /// How many requests there were for an operation.
    pub fn of(&self, operation: &str) -> u64 {
        self.operations.get(operation).copied().unwrap_or(0)
    }
}

/// One request that was answered, or given up by its client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Which request it was since the start or the last reset, from 1, in the order of arrival.
    /// The log is in the order of completion.
    pub number: u64,
    /// When it arrived.
    pub time: Timestamp,
    /// Its method, as it was sent.
    pub method: String,
    /// Its path and query, as they were sent, tokens and tickets taken out.
    pub path: String,
    /// What it was for, as in `live.files.put`.
    pub operation: String,
    /// The account's name; the default account's is empty. `None`: it was not let in.
    pub drive: Option<String>,
    /// The status of the answer. `None`: there was none, by a fault rule or because the client
    /// went away.
    pub status: Option<u16>,
    /// Bytes of its body that were received.
    pub bytes_in: u64,
    /// Bytes of the answer's body that were handed out to be sent.
    pub bytes_out: u64,
    /// Milliseconds from its arrival to the last byte of its answer.
    pub duration: f64,
    /// What a fault rule did to it.
    pub fault: Option<String>,
}

#[derive(Debug, Default)]
struct Inner {
    arrived: u64,
    operations: BTreeMap<&'static str, u64>,
    done: VecDeque<RequestRecord>,
}

/// Counters and log.
#[derive(Debug, Default)]
pub(in crate::server) struct Log(Mutex<Inner>);

impl Log {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Counts a request that arrived; its number.
    pub(in crate::server) fn arrived(&self, operation: &'static str) -> u64 {
        let mut inner = self.inner();
        inner.arrived += 1;
        *inner.operations.entry(operation).or_default() += 1;
        inner.arrived
    }

    /// Remembers a request that is done.
    pub(in crate::server) fn done(&self, record: RequestRecord) {
        let mut inner = self.inner();
        if inner.done.len() == REMEMBERED {
            inner.done.pop_front();
        }
        inner.done.push_back(record);
    }

    pub(super) fn counters(&self) -> Counters {
        let inner = self.inner();
        Counters {
            total: inner.arrived,
            operations: inner
                .operations
                .iter()
                .map(|(&name, &count)| (name.to_owned(), count))
                .collect(),
        }
    }

    pub(super) fn requests(&self) -> Vec<RequestRecord> {
        self.inner().done.iter().cloned().collect()
    }

    pub(super) fn reset(&self) {
        *self.inner() = Inner::default();
    }
}
