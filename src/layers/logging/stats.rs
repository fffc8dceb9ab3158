//! HTTP statistics by operation: counters and latencies.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::record::{Ending, HttpRecord};

/// Statistics of HTTP requests. Clones share their counters.
#[derive(Clone, Default)]
pub struct HttpStats(Arc<Inner>);

/// The counters that clones share.
#[derive(Default)]
struct Inner {
    sent: AtomicU64,
    ended: Mutex<BTreeMap<HttpOperation, HttpTotals>>,
}

/// Key of the statistics: the purpose of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpOperation {
    /// OpenDAL scheme of the service.
    pub service: Arc<str>,
    /// OpenDAL operation; `unknown` if the service does not declare it.
    pub operation: &'static str,
    /// Form of the request without values; empty if the service does not declare it.
    pub template: &'static str,
}

/// Totals of the requests that have ended.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct HttpTotals {
    /// Number of requests, each attempt counted.
    pub requests: u64,
    /// Number of requests that were a second or later attempt.
    pub repeats: u64,
    /// Number of responses with status 420, 429 or 509.
    pub throttled: u64,
    /// Number of responses with another status from 400.
    pub failed: u64,
    /// Number of requests without a response, or with an interrupted one.
    pub interrupted: u64,
    /// Number of requests that were dropped before their end.
    pub cancelled: u64,
    /// Number of requests that the transport sent to another origin because of a redirect. They are not
    /// in `requests`.
    pub redirects: u64,
    /// Sum of the costs in the cloud's units ([`RequestMeta::cost`](crate::rate_limit::RequestMeta)).
    /// A request of a service that declares no cost adds nothing.
    pub cost: u64,
    /// Total length of the request bodies in bytes.
    pub bytes_up: u64,
    /// Number of received bytes of the response bodies.
    pub bytes_down: u64,
    /// Time until the response headers, of requests with a response.
    pub first_byte: Latencies,
    /// Time until the end of the response.
    pub total: Latencies,
}

impl HttpStats {
    /// Locks the totals of the ended requests. A poisoned lock is used as it is.
    fn ended(&self) -> MutexGuard<'_, BTreeMap<HttpOperation, HttpTotals>> {
        self.0.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of requests that were sent, including active ones. Redirects that the
    /// transport follows internally are not counted.
    pub fn requests(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// Returns the totals by operation.
    pub fn snapshot(&self) -> BTreeMap<HttpOperation, HttpTotals> {
        self.ended().clone()
    }

    /// Returns the totals of all operations.
    pub fn total(&self) -> HttpTotals {
        let mut total = HttpTotals::default();
        for totals in self.ended().values() {
            total.merge(totals);
        }
        total
    }

    /// Adds the totals of other statistics, by operation.
    pub fn merge(&self, others: &BTreeMap<HttpOperation, HttpTotals>) {
        let mut ended = self.ended();
        for (operation, totals) in others {
            self.0.sent.fetch_add(totals.requests, Ordering::Relaxed);
            ended.entry(operation.clone()).or_default().merge(totals);
        }
    }

    /// Counts a request that is sent.
    pub(super) fn sent(&self) {
        self.0.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds an ended request to the totals of its operation.
    pub(super) fn count(&self, record: &HttpRecord) {
        let operation = HttpOperation {
            service: Arc::clone(&record.service),
            operation: record.operation,
            template: record.template,
        };
        self.ended().entry(operation).or_default().count(record);
    }
}

impl fmt::Debug for HttpStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpStats").field("requests", &self.requests()).finish_non_exhaustive()
    }
}

impl HttpTotals {
    /// Adds other totals.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.repeats += other.repeats;
        self.throttled += other.throttled;
        self.failed += other.failed;
        self.interrupted += other.interrupted;
        self.cancelled += other.cancelled;
        self.redirects += other.redirects;
        self.cost += other.cost;
        self.bytes_up += other.bytes_up;
        self.bytes_down += other.bytes_down;
        self.first_byte.merge(&other.first_byte);
        self.total.merge(&other.total);
    }

    /// Adds an ended request.
    fn count(&mut self, record: &HttpRecord) {
        self.requests += 1;
        self.repeats += u64::from(record.attempt > 1);
        match record.status {
            Some(420 | 429 | 509) => self.throttled += 1,
            Some(400..) => self.failed += 1,
            _ => {}
        }
        match record.ending {
            Ending::Complete => {}
            Ending::NoResponse | Ending::Interrupted => self.interrupted += 1,
            Ending::Cancelled => self.cancelled += 1,
        }
        self.redirects += u64::from(record.redirected_to.is_some());
        self.cost += u64::from(record.cost);
        self.bytes_up += record.up;
        self.bytes_down += record.down;
        if let Some(first_byte) = record.first_byte {
            self.first_byte.record(first_byte);
        }
        self.total.record(record.total);
    }
}

/// Number of significant bits of a duration in microseconds that select its bucket. A percentile is
/// at most a sixteenth too large.
const BUCKET_BITS: u32 = 4;

/// Histogram of durations. Buckets grow with the duration, from 1 µs to the maximum of a `u64`: at
/// most 976 buckets of 8 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Up to the last bucket that is not empty.
    buckets: Vec<u64>,
    count: u64,
    sum: Duration,
    max: Duration,
}

impl Latencies {
    /// Adds a duration.
    pub fn record(&mut self, time: Duration) {
        let bucket = bucket(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(time);
        self.max = self.max.max(time);
    }

    /// Adds the durations of another histogram.
    pub fn merge(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += more;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// Returns the number of durations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the mean. `None` if the histogram is empty.
    pub fn mean(&self) -> Option<Duration> {
        (self.count > 0).then(|| self.sum.div_f64(self.count as f64))
    }

    /// Returns the maximum. Zero if the histogram is empty.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Returns the duration that a share (0 to 1) of all durations does not exceed. It is at most a
    /// sixteenth too large. `None` if the histogram is empty.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let wanted = (share.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(Duration::from_micros(upper_bound(bucket)).min(self.max))
    }
}

/// Returns the bucket of a duration in microseconds. Small numbers have one bucket each; larger
/// ones share a bucket if their highest bits are equal.
fn bucket(micros: u64) -> usize {
    let shift = (u64::BITS - micros.leading_zeros()).saturating_sub(BUCKET_BITS + 1);
    ((shift as usize) << BUCKET_BITS) + (micros >> shift) as usize
}

/// Returns the largest number of microseconds in a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let shift = (bucket >> BUCKET_BITS).saturating_sub(1);
    let top = (bucket - (shift << BUCKET_BITS)) as u64;
    (top << shift) | ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(times: &[u64]) -> Latencies {
        let mut latencies = Latencies::default();
        times.iter().for_each(|micros| latencies.record(Duration::from_micros(*micros)));
        latencies
    }

    proptest! {
        #[test]
        fn a_percentile_is_at_most_a_sixteenth_too_large(
            mut times in prop::collection::vec(0_u64..1 << 40, 1..200), share in 0.0..=1.0_f64,
        ) {
            let told = of(&times).percentile(share).expect("there are some").as_micros() as u64;
            times.sort_unstable();
            let at = ((share * times.len() as f64).ceil() as usize).clamp(1, times.len());
            let exact = times[at - 1];
            prop_assert!(exact <= told && told <= exact + exact / 16, "{exact} {told}");
        }

        #[test]
        fn merged_histograms_equal_one_histogram_of_all_durations(
            some in prop::collection::vec(any::<u64>(), 0..50),
            more in prop::collection::vec(0_u64..100, 0..50),
        ) {
            let mut merged = of(&some);
            merged.merge(&of(&more));
            prop_assert_eq!(merged, of(&[some, more].concat()));
        }
    }

    #[test]
    fn an_empty_histogram_has_no_percentile_and_the_maximum_has_a_bucket() {
        assert_eq!(Latencies::default().percentile(0.5), None);
        assert_eq!(Latencies::default().mean(), None);
        assert_eq!(of(&[u64::MAX]).buckets.len(), 976);
        assert_eq!(upper_bound(bucket(u64::MAX)), u64::MAX);
        assert_eq!(of(&[1, 3]).mean(), Some(Duration::from_micros(2)));
    }
}
