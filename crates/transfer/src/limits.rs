//! Limits of a run: concurrency, bandwidth, and the rate of operations.

use std::{num::NonZeroUsize, sync::Mutex, sync::PoisonError, time::Duration};

use tokio::time::{Instant, sleep_until};

/// Limits of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunLimits {
    /// The number of files that are transferred at the same time. 4 by default.
    pub transfers: NonZeroUsize,
    /// The number of folders that are listed, and of files that are deleted, at the same time.
    /// 8 by default.
    pub checkers: NonZeroUsize,
    /// The number of bytes per second, of all transfers together. `None` if unlimited.
    pub bandwidth: Option<u64>,
    /// The number of operations per second, of both sides together. An operation may need several
    /// requests. `None` if unlimited.
    pub operations: Option<f64>,
    /// The smallest file, in bytes, that is read in parallel ranges. 32 MiB by default.
    pub parallel_from: u64,
    /// The number of parallel ranges of one file. 8 by default.
    pub parallel_ranges: NonZeroUsize,
    /// The length of a range in bytes. 8 MiB by default. A parallel read holds this many bytes for
    /// each range in memory.
    pub range_size: NonZeroUsize,
}

impl Default for RunLimits {
    fn default() -> Self {
        let number = |value| NonZeroUsize::new(value).unwrap_or(NonZeroUsize::MIN);
        Self {
            transfers: number(4),
            checkers: number(8),
            bandwidth: None,
            operations: None,
            parallel_from: 32 << 20,
            parallel_ranges: number(8),
            range_size: number(8 << 20),
        }
    }
}

/// Spaces events so that their rate stays below a limit.
#[derive(Debug)]
pub(crate) struct RateGate {
    /// The number of units per second. `None` if unlimited.
    rate: Option<f64>,
    /// The time at which the next unit may be used.
    next: Mutex<Option<Instant>>,
}

impl RateGate {
    /// Returns a gate for `rate` units per second. Rates that are not positive mean no limit.
    pub(crate) fn new(rate: Option<f64>) -> Self {
        Self { rate: rate.filter(|rate| *rate > 0.0), next: Mutex::new(None) }
    }

    /// Waits until `units` may be used.
    pub(crate) async fn pass(&self, units: u64) {
        let Some(rate) = self.rate else { return };
        let start = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let start = next.map_or(now, |next| next.max(now));
            *next = Some(start + Duration::from_secs_f64(units as f64 / rate));
            start
        };
        sleep_until(start).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_gate_keeps_the_rate_and_no_rate_means_no_wait() {
        let start = Instant::now();
        let gate = RateGate::new(Some(100.0));
        for _ in 0..5 {
            gate.pass(50).await;
        }
        // The first may pass at once, each later one after half a second.
        assert_eq!(start.elapsed().as_millis(), 2_000);
        RateGate::new(None).pass(u64::MAX).await;
        assert_eq!(start.elapsed().as_millis(), 2_000);
    }
}
