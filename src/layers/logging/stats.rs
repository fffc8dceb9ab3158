//! Counters and latencies, by operation.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::exchange::{Ending, Exchange};

/// Figures of the requests that were sent. Clones count together.
#[derive(Clone, Default)]
pub struct WireStats(Arc<Inner>);

#[derive(Default)]
struct Inner {
    sent: AtomicU64,
    ended: Mutex<BTreeMap<WireOperation, WireFigures>>,
}

/// What requests were for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireOperation {
    /// OpenDAL's name of the service.
    pub service: Arc<str>,
    /// OpenDAL's name of the operation; `unknown` where the service does not tell it.
    pub operation: &'static str,
    /// The request's form without values, where the service tells it.
    pub template: &'static str,
}

/// Figures of requests that have ended.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct WireFigures {
    /// How many there were.
    pub requests: u64,
    /// How many of them were repeats of an earlier one.
    pub repeats: u64,
    /// How many were answered with 420, 429 or 509.
    pub refused: u64,
    /// How many were answered with another status from 400 on.
    pub failed: u64,
    /// How many were not answered, or not to the end.
    pub broken: u64,
    /// How many nobody waited for to the end.
    pub given_up: u64,
    /// Bytes of their bodies.
    pub bytes_up: u64,
    /// Bytes of the answers' bodies.
    pub bytes_down: u64,
    /// Until the answer began, of those that were answered.
    pub first_byte: Latencies,
    /// Until the end of the answer.
    pub total: Latencies,
}

impl WireStats {
    fn ended(&self) -> MutexGuard<'_, BTreeMap<WireOperation, WireFigures>> {
        self.0.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests were sent so far, those under way included. Redirects that a transport
    /// follows by itself are not seen.
    pub fn requests(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// Everything that has ended so far.
    pub fn snapshot(&self) -> BTreeMap<WireOperation, WireFigures> {
        self.ended().clone()
    }

    /// All operations together.
    pub fn total(&self) -> WireFigures {
        let mut total = WireFigures::default();
        for figures in self.ended().values() {
            total.merge(figures);
        }
        total
    }

    /// Adds what others have counted.
    pub fn merge(&self, others: &BTreeMap<WireOperation, WireFigures>) {
        let mut ended = self.ended();
        for (operation, figures) in others {
            self.0.sent.fetch_add(figures.requests, Ordering::Relaxed);
            ended.entry(operation.clone()).or_default().merge(figures);
        }
    }

    pub(super) fn sent(&self) {
        self.0.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self, exchange: &Exchange) {
        let operation = WireOperation {
            service: Arc::clone(&exchange.service),
            operation: exchange.operation,
            template: exchange.template,
        };
        self.ended().entry(operation).or_default().count(exchange);
    }
}

impl fmt::Debug for WireStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireStats").field("requests", &self.requests()).finish_non_exhaustive()
    }
}

impl WireFigures {
    /// Adds those of other requests.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.repeats += other.repeats;
        self.refused += other.refused;
        self.failed += other.failed;
        self.broken += other.broken;
        self.given_up += other.given_up;
        self.bytes_up += other.bytes_up;
        self.bytes_down += other.bytes_down;
        self.first_byte.merge(&other.first_byte);
        self.total.merge(&other.total);
    }

    fn count(&mut self, exchange: &Exchange) {
        self.requests += 1;
        self.repeats += u64::from(exchange.attempt > 1);
        match exchange.status {
            Some(420 | 429 | 509) => self.refused += 1,
            Some(400..) => self.failed += 1,
            _ => {}
        }
        match exchange.ending {
            Ending::Complete => {}
            Ending::Unanswered | Ending::BrokenOff => self.broken += 1,
            Ending::GivenUp => self.given_up += 1,
        }
        self.bytes_up += exchange.up;
        self.bytes_down += exchange.down;
        if let Some(first_byte) = exchange.first_byte {
            self.first_byte.record(first_byte);
        }
        self.total.record(exchange.total);
    }
}

/// How many bits of a time, in microseconds, tell its bucket: a percentile is at most a sixteenth
/// too large.
const BITS: u32 = 4;

/// Times, counted in buckets that grow with them: 1 µs to the longest there are, in at most 976
/// buckets of 8 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Up to the last bucket with something in it.
    buckets: Vec<u64>,
    count: u64,
    sum: Duration,
    longest: Duration,
}

impl Latencies {
    /// Counts a time.
    pub fn record(&mut self, time: Duration) {
        let bucket = bucket(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(time);
        self.longest = self.longest.max(time);
    }

    /// Adds other times.
    pub fn merge(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += more;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.longest = self.longest.max(other.longest);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; `None` if there are none.
    pub fn mean(&self) -> Option<Duration> {
        (self.count > 0).then(|| self.sum.div_f64(self.count as f64))
    }

    /// The longest; zero if there are none.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// The time that this share of them (0 to 1) did not exceed, at most a sixteenth too large;
    /// `None` if there are none.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let wanted = (share.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(Duration::from_micros(last_of(bucket)).min(self.longest))
    }
}

/// Small numbers have a bucket each; of others the highest bits tell it.
fn bucket(micros: u64) -> usize {
    let shift = (u64::BITS - micros.leading_zeros()).saturating_sub(BITS + 1);
    ((shift as usize) << BITS) + (micros >> shift) as usize
}

/// The largest number of a bucket.
fn last_of(bucket: usize) -> u64 {
    let shift = (bucket >> BITS).saturating_sub(1);
    let top = (bucket - (shift << BITS)) as u64;
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
        fn a_percentile_is_never_too_small_and_at_most_a_sixteenth_too_large(
            mut times in prop::collection::vec(0_u64..1 << 40, 1..200), share in 0.0..=1.0_f64,
        ) {
            let told = of(&times).percentile(share).expect("there are some").as_micros() as u64;
            times.sort_unstable();
            let at = ((share * times.len() as f64).ceil() as usize).clamp(1, times.len());
            let exact = times[at - 1];
            prop_assert!(exact <= told && told <= exact + exact / 16, "{exact} {told}");
        }

        #[test]
        fn times_that_are_merged_are_as_if_counted_together(
            some in prop::collection::vec(any::<u64>(), 0..50),
            more in prop::collection::vec(0_u64..100, 0..50),
        ) {
            let mut merged = of(&some);
            merged.merge(&of(&more));
            prop_assert_eq!(merged, of(&[some, more].concat()));
        }
    }

    #[test]
    fn no_times_have_no_percentile_and_the_longest_time_has_a_bucket() {
        assert_eq!(Latencies::default().percentile(0.5), None);
        assert_eq!(Latencies::default().mean(), None);
        assert_eq!(of(&[u64::MAX]).buckets.len(), 976);
        assert_eq!(last_of(bucket(u64::MAX)), u64::MAX);
        assert_eq!(of(&[1, 3]).mean(), Some(Duration::from_micros(2)));
    }
}
