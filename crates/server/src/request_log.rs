//! Counters and the log of requests, for assertions in tests.

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

/// Maximum memory of the requests in the log, in bytes. URLs can be long.
pub const MAX_LOGGED_BYTES: usize = 16 << 20;

/// Number of requests since the start or the last reset. Control requests are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// All requests.
    pub total: u64,
    /// Requests that are completed: the response was passed to the connection, or the client
    /// disconnected.
    #[serde(default)]
    pub completed: u64,
    /// Received bytes of the bodies of completed requests.
    #[serde(default)]
    pub bytes_in: u64,
    /// Sent bytes of the bodies of their responses.
    #[serde(default)]
    pub bytes_out: u64,
    /// Requests by operation, such as `live.files.put`. Operations without requests are missing.
    pub operations: BTreeMap<String, u64>,
}

impl Counters {
    /// Returns the number of requests of an operation.
    pub fn count(&self, operation: &str) -> u64 {
        self.operations.get(operation).copied().unwrap_or(0)
    }
}

/// A request whose response was sent, or whose client disconnected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Number of the request since the start or the last reset, from 1, in the order of arrival. The
    /// log is in the order of completion.
    pub number: u64,
    /// When the request arrived.
    pub time: Timestamp,
    /// The method as sent.
    pub method: String,
    /// Path and query as sent, with tokens and download URLs redacted.
    pub path: String,
    /// The operation, such as `live.files.put`.
    pub operation: String,
    /// The account's name; the default account's is empty. `None`: the request was not authorized.
    pub drive: Option<String>,
    /// The status of the response. `None`: there was none, because of a fault rule or because the
    /// client disconnected.
    pub status: Option<u16>,
    /// Number of bytes of the request's body that were received.
    pub bytes_in: u64,
    /// Number of bytes of the response's body that were passed to the connection.
    pub bytes_out: u64,
    /// Milliseconds from the request's arrival to the last byte of its response.
    pub duration: f64,
    /// The effects of a fault rule, if one applied.
    pub fault: Option<String>,
}

#[derive(Debug, Default)]
struct LogState {
    /// Number of resets. Requests that arrived before the last one are neither counted nor logged.
    resets: u64,
    /// Number of requests that arrived.
    arrived: u64,
    operations: BTreeMap<&'static str, u64>,
    completed: CompletedRequests,
    accounts: BTreeMap<String, AccountCounters>,
    records: VecDeque<Arc<RequestRecord>>,
    /// Memory of `records`, in bytes.
    bytes: usize,
}

/// Counters of one account.
#[derive(Debug, Default)]
struct AccountCounters {
    operations: BTreeMap<&'static str, u64>,
    completed: CompletedRequests,
}

/// Counters of completed requests.
#[derive(Clone, Copy, Debug, Default)]
struct CompletedRequests {
    count: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl CompletedRequests {
    /// Adds a completed request.
    fn add(&mut self, record: &RequestRecord) {
        self.count += 1;
        self.bytes_in += record.bytes_in;
        self.bytes_out += record.bytes_out;
    }
}

impl Counters {
    /// Returns the counters of these requests; `total` is the number of all that arrived.
    fn new(
        total: u64,
        operations: &BTreeMap<&'static str, u64>,
        completed: CompletedRequests,
    ) -> Self {
        Self {
            total,
            completed: completed.count,
            bytes_in: completed.bytes_in,
            bytes_out: completed.bytes_out,
            operations: operations.iter().map(|(&name, &count)| (name.to_owned(), count)).collect(),
        }
    }
}

impl RequestRecord {
    /// Returns the memory that the record takes, in bytes.
    fn memory(&self) -> usize {
        let texts = [Some(&self.method), Some(&self.path), Some(&self.operation)];
        let texts = texts.into_iter().chain([self.drive.as_ref(), self.fault.as_ref()]);
        size_of::<Self>() + texts.flatten().map(String::capacity).sum::<usize>()
    }
}

/// The counters and the log of a server.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    state: Mutex<LogState>,
    /// Notified when a request is logged.
    #[cfg(test)]
    recorded: tokio::sync::Notify,
}

impl RequestLog {
    /// Locks the counters and the log.
    fn state(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Counts a request of an account that arrived; `None` if the account is unknown. Returns its
    /// number, and the number of resets before it.
    fn count_arrival(&self, operation: &'static str, account: Option<&str>) -> (u64, u64) {
        let mut state = self.state();
        if let Some(account) = account {
            let counters = state.accounts.entry(account.to_owned()).or_default();
            *counters.operations.entry(operation).or_default() += 1;
        }
        state.arrived += 1;
        *state.operations.entry(operation).or_default() += 1;
        (state.arrived, state.resets)
    }

    /// Logs a request that arrived after this number of resets, and drops the oldest ones beyond the
    /// limits. A request that arrived before the last reset is ignored.
    fn push(&self, record: RequestRecord, resets: u64) {
        let mut state = self.state();
        if state.resets != resets {
            return;
        }
        state.completed.add(&record);
        // After a reset, a request that arrived before it is not counted for the account.
        if let Some(account) = &record.drive
            && let Some(counters) = state.accounts.get_mut(account)
        {
            counters.completed.add(&record);
        }
        state.bytes += record.memory();
        state.records.push_back(Arc::new(record));
        #[cfg(test)]
        self.recorded.notify_waiters();
        while state.records.len() > MAX_LOGGED || state.bytes > MAX_LOGGED_BYTES {
            let Some(oldest) = state.records.pop_front() else { return };
            state.bytes -= oldest.memory();
        }
    }

    /// Returns the counters.
    pub(crate) fn counters(&self) -> Counters {
        let state = self.state();
        Counters::new(state.arrived, &state.operations, state.completed)
    }

    /// Returns the counters of an account.
    pub(crate) fn counters_of(&self, account: &str) -> Counters {
        let state = self.state();
        let Some(AccountCounters { operations, completed }) = state.accounts.get(account) else {
            return Counters::default();
        };
        Counters::new(operations.values().sum(), operations, *completed)
    }

    /// Resets the counters of an account, and removes its requests from the log. The counters of all
    /// requests remain.
    pub(crate) fn reset_account(&self, account: &str) {
        let mut state = self.state();
        state.accounts.remove(account);
        state.records.retain(|record| record.drive.as_deref() != Some(account));
        state.bytes = state.records.iter().map(|record| record.memory()).sum();
    }

    /// Returns the logged requests, oldest first. They are shared with the log, not copied.
    pub(crate) fn requests(&self) -> Vec<Arc<RequestRecord>> {
        self.state().records.iter().cloned().collect()
    }

    /// Waits until the logged requests satisfy a condition.
    #[cfg(test)]
    pub(crate) async fn until(&self, holds: impl Fn(&[Arc<RequestRecord>]) -> bool) {
        loop {
            let mut recorded = std::pin::pin!(self.recorded.notified());
            // Enabled before the check, so that no request between them is missed.
            recorded.as_mut().enable();
            if holds(&self.requests()) {
                return;
            }
            recorded.await;
        }
    }

    /// Clears counters and log.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        *state = LogState { resets: state.resets + 1, ..LogState::default() };
    }
}

/// A request in progress. It is logged when its response has been passed to the connection, or when
/// its client disconnects.
#[derive(Debug)]
pub(crate) struct LogEntry {
    log: Arc<RequestLog>,
    since: Instant,
    /// Number of bytes of the request's body.
    received: Arc<AtomicU64>,
    /// Number of resets of the log before the request.
    resets: u64,
    /// `None` once it is logged.
    record: Option<RequestRecord>,
}

impl LogEntry {
    /// Counts a request that arrived. `drive` is the name of its account, if it is known yet;
    /// `path` is its path and query without secrets.
    pub(crate) fn new(
        log: &Arc<RequestLog>,
        operation: &'static str,
        drive: Option<String>,
        method: &Method,
        path: String,
    ) -> Self {
        let (number, resets) = log.count_arrival(operation, drive.as_deref());
        let record = RequestRecord {
            number,
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
        Self { log, since: Instant::now(), received: Arc::default(), resets, record }
    }

    /// Sets the effects of a fault rule. An empty text means none.
    pub(crate) fn fault(mut self, fault: String) -> Self {
        if let Some(record) = &mut self.record {
            record.fault = Some(fault).filter(|fault| !fault.is_empty());
        }
        self
    }

    /// Returns the counter of the bytes of the request's body.
    pub(crate) fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// Sets the status of the response.
    pub(crate) fn status(&mut self, status: StatusCode) {
        if let Some(record) = &mut self.record {
            record.status = Some(status.as_u16());
        }
    }

    /// Counts bytes of the response.
    pub(crate) fn sent(&mut self, bytes: u64) {
        if let Some(record) = &mut self.record {
            record.bytes_out += bytes;
        }
    }

    /// Logs the request. Later calls do nothing.
    pub(crate) fn finish(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.bytes_in = self.received.load(Ordering::Relaxed);
            record.duration = self.since.elapsed().as_secs_f64() * 1000.0;
            self.log.push(record, self.resets);
        }
    }
}

impl Drop for LogEntry {
    /// Logs the request, unless it is logged already.
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
        (0..count).for_each(|number| log.push(record(number, 10), 0));
        assert_eq!(numbers(), (MAX_LOGGED, Some(5)));
        (0..1_000).for_each(|number| log.push(record(number, 60_000), 0));
        let memory: usize = log.requests().iter().map(|record| record.memory()).sum();
        assert!(memory <= MAX_LOGGED_BYTES && memory > MAX_LOGGED_BYTES - 70_000, "{memory}");
        assert_eq!(log.requests().last().map(|last| last.number), Some(999));
        // A record beyond the limit is not kept, and does not affect the next one.
        log.push(record(1_000, MAX_LOGGED_BYTES), 0);
        assert_eq!(numbers(), (0, None));
        log.push(record(1_001, 10), 0);
        assert_eq!(numbers(), (1, Some(1_001)));
    }

    #[test]
    fn bytes_are_counted_at_the_end_and_not_after_a_reset() {
        let log = RequestLog::default();
        let (number, resets) = log.count_arrival("graph.item.get", Some("anna"));
        let ended = || RequestRecord {
            drive: Some("anna".into()),
            bytes_in: 3,
            bytes_out: 5,
            ..record(number, 10)
        };
        assert_eq!((log.counters().total, log.counters().completed), (1, 0));
        log.push(ended(), resets);
        for counters in [log.counters(), log.counters_of("anna")] {
            let Counters { total, completed, bytes_in, bytes_out, .. } = counters;
            assert_eq!((total, completed, bytes_in, bytes_out), (1, 1, 3, 5));
        }
        log.reset();
        log.push(ended(), resets);
        assert_eq!((log.counters(), log.requests().len()), (Counters::default(), 0));
    }
}
