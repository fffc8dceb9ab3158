//! Limits of connections and requests, and the time that the server waits for a client.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Maximum number of requests in progress, whatever the file limit allows. It bounds memory.
const MAX_REQUESTS: usize = 4096;

/// Number of open files besides connections and contents: the database, locks, logs, runtime.
const RESERVED_FILES: u64 = 64;

/// Number of open files per request: its socket, and the blob that it reads or writes.
const FILES_PER_REQUEST: u64 = 2;

/// Maximum number of connections beyond those with a request in progress.
const MAX_SPARE: usize = 64;

/// Maximum number of requests in progress if the system does not report its file limit.
const DEFAULT_REQUESTS: usize = 1024;

/// Maximum time for a request's head, from its first byte, and for a TLS handshake.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum time that a connection may be idle. Longer than the 90 seconds after which common clients
/// close an idle connection, so that the client closes it and no request is lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a connection must have been idle before it is closed in favour of another client.
const SETTLE: Duration = Duration::from_millis(100);

/// Minimum rate of a request's body and of a response, in bytes per second.
const MIN_RATE: u64 = 1024;

/// How long a request's body may stall. As in common proxies.
const REQUEST_BODY_GRACE: Duration = Duration::from_secs(60);

/// How long a client may leave a response unread. Longer than for a request's body, because a
/// socket's send buffer may hold megabytes that a slow client has yet to read.
const RESPONSE_GRACE: Duration = Duration::from_secs(120);

/// Value of `Retry-After`, in seconds, in the refusal of a request beyond the limit.
pub(super) const RETRY_AFTER: u64 = 2;

/// Minimum interval between two warnings about refused requests.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// The limits of a server. Only the number of requests is variable; tests set shorter times.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Maximum number of requests in progress, including HTTP/2 streams. Further ones receive 503.
    pub requests: usize,
    /// Number of connections that are accepted beyond `requests`, so that a 503 can be sent.
    pub spare: usize,
    /// Maximum time for a request's head.
    pub head: Duration,
    /// Maximum time that a connection may be idle.
    pub idle: Duration,
    /// How long a connection must have been idle before it is closed in favour of another client.
    pub settle: Duration,
    /// Minimum rate of a request's body.
    pub request_body: MinRate,
    /// Minimum rate at which a client must read a response.
    pub response: MinRate,
}

impl Limits {
    /// Returns the limits that the process's file limit allows, after raising that limit as far as
    /// the server can use it and the system permits it.
    pub(super) fn from_system() -> Self {
        Self::for_files(file_limit())
    }

    /// Returns the limits for a maximum number of open files; `None`: unknown.
    fn for_files(files: Option<u64>) -> Self {
        let (requests, spare) = match files {
            None => (DEFAULT_REQUESTS, MAX_SPARE),
            Some(files) => {
                let spare = usize::try_from(files / 16).unwrap_or(MAX_SPARE).clamp(4, MAX_SPARE);
                let free = files.saturating_sub(RESERVED_FILES + spare as u64);
                let requests = usize::try_from(free / FILES_PER_REQUEST).unwrap_or(MAX_REQUESTS);
                (requests.clamp(8, MAX_REQUESTS), spare)
            }
        };
        Self {
            requests,
            spare,
            head: HEAD_TIMEOUT,
            idle: IDLE_TIMEOUT,
            settle: SETTLE,
            request_body: MinRate { grace: REQUEST_BODY_GRACE, rate: MIN_RATE },
            response: MinRate { grace: RESPONSE_GRACE, rate: MIN_RATE },
        }
    }

    /// Returns the maximum number of connections.
    pub(super) fn connections(&self) -> usize {
        self.requests + self.spare
    }

    /// Returns the shortest of the time limits.
    pub(super) fn shortest(&self) -> Duration {
        self.head.min(self.idle).min(self.response.grace)
    }
}

/// Raises the soft limit of open files and returns it; `None` if it is unknown or unlimited.
#[cfg(unix)]
fn file_limit() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let usable = MAX_REQUESTS as u64 * FILES_PER_REQUEST + MAX_SPARE as u64 + RESERVED_FILES;
    let mut limit = getrlimit(Resource::Nofile);
    let current = limit.current?;
    let raised = limit.maximum.map_or(usable, |maximum| maximum.min(usable));
    if current >= raised {
        return Some(current);
    }
    limit.current = Some(raised);
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => Some(raised),
        Err(error) => {
            tracing::debug!(%error, current, raised, "cannot raise the limit of open files");
            Some(current)
        }
    }
}

/// Returns `None`: other systems have no such limit.
#[cfg(not(unix))]
fn file_limit() -> Option<u64> {
    None
}

/// A minimum rate with a grace period. A peer may stall for `grace` in total; every byte earns back
/// its transfer time at `rate`, up to `grace`.
#[derive(Clone, Copy, Debug)]
pub(super) struct MinRate {
    /// How long a peer may stall.
    pub grace: Duration,
    /// Bytes per second.
    pub rate: u64,
}

/// The remaining time that a peer may stall under a [`MinRate`]. Only time in which the server waits
/// for the peer counts.
#[derive(Debug)]
pub(super) struct Allowance {
    rate: MinRate,
    left: Duration,
    waiting: Option<Instant>,
}

impl Allowance {
    /// Creates the full allowance of a rate.
    pub(super) fn new(rate: MinRate) -> Self {
        Self { rate, left: rate.grace, waiting: None }
    }

    /// Starts to wait for the peer, unless it is waited for already.
    pub(super) fn wait(&mut self) {
        self.waiting.get_or_insert_with(Instant::now);
    }

    /// Ends the wait: the peer sent or received `bytes` bytes.
    pub(super) fn progress(&mut self, bytes: u64) {
        if let Some(since) = self.waiting.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        let earned = Duration::from_secs_f64(bytes as f64 / self.rate.rate.max(1) as f64);
        self.left = self.left.saturating_add(earned).min(self.rate.grace);
    }

    /// Returns the time at which the peer becomes too slow unless it makes progress; `None` while
    /// it is not waited for.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.map(|since| since + self.left)
    }
}

/// Counts the requests in progress.
#[derive(Debug)]
pub(super) struct Load {
    free: Arc<Semaphore>,
    warned: Mutex<Option<Instant>>,
}

impl Load {
    /// Creates the counter for a server's limits.
    pub(super) fn new(limits: &Limits) -> Self {
        Self { free: Arc::new(Semaphore::new(limits.requests)), warned: Mutex::default() }
    }

    /// Returns a permit for one more request; `None` if the limit is reached.
    pub(super) fn admit(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok();
        if permit.is_none() {
            self.warn();
        }
        permit
    }

    /// Logs that requests are rejected, at most once per interval.
    fn warn(&self) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|at| at.elapsed() >= WARNING_INTERVAL) {
            *warned = Some(Instant::now());
            tracing::warn!("the limit of requests in progress is reached: some receive 503");
        }
    }
}

/// Request extension: the request is beyond the limit and must be rejected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overloaded;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_connections_fit_the_file_limit() {
        for files in [256, 1024, 4096, 20_000, 1 << 40] {
            let limits = Limits::for_files(Some(files));
            let used = limits.requests as u64 * FILES_PER_REQUEST + limits.spare as u64;
            assert!(used + RESERVED_FILES <= files, "{files}: {limits:?}");
            assert!(limits.requests >= 64, "{files}: {limits:?}");
        }
        assert_eq!(Limits::for_files(Some(1 << 40)).requests, MAX_REQUESTS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_at_the_minimum_rate_is_never_too_slow_and_a_slower_one_is() {
        let rate = MinRate { grace: Duration::from_secs(10), rate: 100 };
        for (bytes, is_too_slow) in [(100, false), (50, true)] {
            let mut allowance = Allowance::new(rate);
            // A fast beginning earns no more than the grace period.
            allowance.progress(1_000_000);
            let mut too_slow = false;
            for _ in 0..100 {
                allowance.wait();
                tokio::time::advance(Duration::from_secs(1)).await;
                too_slow |= allowance.deadline().is_some_and(|at| at <= Instant::now());
                allowance.progress(bytes);
                assert_eq!(allowance.deadline(), None);
            }
            assert_eq!(too_slow, is_too_slow, "{bytes} bytes per second");
        }
    }
}
