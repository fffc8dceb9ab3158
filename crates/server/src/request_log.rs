//! What was asked of the server, to assert on: counters and the request log.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Maximum number of requests in the log. Older ones are dropped; their numbers are not reused.
pub const MAX_LOGGED: usize = 10_000;

/// Maximum memory of the requests in the log, in bytes: URLs can be long.
pub const MAX_LOGGED_BYTES: usize = 16 << 20;

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
    pub fn count(&self, operation: &str) -> u64 {
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
    done: VecDeque<Arc<RequestRecord>>,
    /// Memory of those in `done`.
    bytes: usize,
}

impl RequestRecord {
    /// Memory that it takes, in bytes.
    fn memory(&self) -> usize {
        let texts = [Some(&self.method), Some(&self.path), Some(&self.operation)];
        let texts = texts.into_iter().chain([self.drive.as_ref(), self.fault.as_ref()]);
        size_of::<Self>() + texts.flatten().map(String::capacity).sum::<usize>()
    }
}

/// Counters and log.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    inner: Mutex<Inner>,
    /// Notified of every request that is done.
    #[cfg(test)]
    recorded: tokio::sync::Notify,
}

impl RequestLog {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Counts a request that arrived. Returns its number.
    fn arrived(&self, operation: &'static str) -> u64 {
        let mut inner = self.inner();
        inner.arrived += 1;
        *inner.operations.entry(operation).or_default() += 1;
        inner.arrived
    }

    /// Logs a request that is done.
    fn done(&self, record: RequestRecord) {
        let mut inner = self.inner();
        inner.bytes += record.memory();
        inner.done.push_back(Arc::new(record));
        #[cfg(test)]
        self.recorded.notify_waiters();
        while inner.done.len() > MAX_LOGGED || inner.bytes > MAX_LOGGED_BYTES {
            let Some(oldest) = inner.done.pop_front() else { return };
            inner.bytes -= oldest.memory();
        }
    }

    pub(crate) fn counters(&self) -> Counters {
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

    /// The requests that are remembered, the oldest first. Shared: a reader needs no memory for them.
    pub(crate) fn requests(&self) -> Vec<Arc<RequestRecord>> {
        self.inner().done.iter().cloned().collect()
    }

    /// Waits until the requests that are done satisfy a condition.
    #[cfg(test)]
    pub(crate) async fn until(&self, holds: impl Fn(&[Arc<RequestRecord>]) -> bool) {
        loop {
            let mut recorded = std::pin::pin!(self.recorded.notified());
            // From here on no request is missed.
            recorded.as_mut().enable();
            if holds(&self.requests()) {
                return;
            }
            recorded.await;
        }
    }

    pub(crate) fn reset(&self) {
        *self.inner() = Inner::default();
    }
}

/// A request in progress. It is logged when its response has been handed out whole, or when its
/// client is gone.
#[derive(Debug)]
pub(crate) struct LogEntry {
    log: Arc<RequestLog>,
    since: Instant,
    received: Arc<AtomicU64>,
    /// Taken when it is logged.
    record: Option<RequestRecord>,
}

impl LogEntry {
    /// Counts a request that arrived. `path`: path and query without secrets.
    pub(crate) fn new(
        log: &Arc<RequestLog>,
        operation: &'static str,
        drive: Option<String>,
        method: &Method,
        path: String,
    ) -> Self {
        let record = RequestRecord {
            number: log.arrived(operation),
            time: Timestamp::now(),
            method: method.to_string(),
            path,
            operation: operation.to_owned(),
            drive,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            duration: 0.0,
            fault: None,
        };
        let (log, record) = (Arc::clone(log), Some(record));
        Self { log, since: Instant::now(), received: Arc::default(), record }
    }

    /// Notes what a fault rule does to the request; nothing if the text is empty.
    pub(crate) fn fault(mut self, fault: String) -> Self {
        if let Some(record) = &mut self.record {
            record.fault = Some(fault).filter(|fault| !fault.is_empty());
        }
        self
    }

    /// Returns the counter of the bytes of its body.
    pub(crate) fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// Notes the status of its response.
    pub(crate) fn status(&mut self, status: StatusCode) {
        if let Some(record) = &mut self.record {
            record.status = Some(status.as_u16());
        }
    }

    /// Counts bytes of its response that were handed out.
    pub(crate) fn sent(&mut self, bytes: u64) {
        if let Some(record) = &mut self.record {
            record.bytes_out += bytes;
        }
    }

    /// Logs it.
    pub(crate) fn finish(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.bytes_in = self.received.load(Ordering::Relaxed);
            record.duration = self.since.elapsed().as_secs_f64() * 1000.0;
            self.log.done(record);
        }
    }
}

impl Drop for LogEntry {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64, path: usize) -> RequestRecord {
        RequestRecord {
            number,
            time: Timestamp::UNIX_EPOCH,
            method: "GET".into(),
            path: "x".repeat(path),
            operation: "elsewhere".into(),
            drive: None,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            duration: 0.0,
            fault: None,
        }
    }

    #[test]
    fn the_log_is_bounded_in_requests_and_in_bytes() {
        let log = RequestLog::default();
        let numbers = || {
            let requests = log.requests();
            (requests.len(), requests.first().map(|first| first.number))
        };
        let count = MAX_LOGGED as u64 + 5;
        (0..count).for_each(|number| log.done(record(number, 10)));
        assert_eq!(numbers(), (MAX_LOGGED, Some(5)));
        (0..1_000).for_each(|number| log.done(record(number, 60_000)));
        let memory: usize = log.requests().iter().map(|record| record.memory()).sum();
        assert!(memory <= MAX_LOGGED_BYTES && memory > MAX_LOGGED_BYTES - 70_000, "{memory}");
        assert_eq!(log.requests().last().map(|last| last.number), Some(999));
        // One that is too large by itself does not stay, and leaves room for the next.
        log.done(record(1_000, MAX_LOGGED_BYTES));
        assert_eq!(numbers(), (0, None));
        log.done(record(1_001, 10));
        assert_eq!(numbers(), (1, Some(1_001)));
    }
}
