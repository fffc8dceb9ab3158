//! The size of the next fragment of an upload.
//!
//! A fragment should take a certain time, not have a certain size. On a slow connection no call may
//! exceed the caller's timeout (10 s in OpenDAL's `TimeoutLayer`). On a fast connection each
//! additional request costs time.

use std::time::Duration;

use crate::drive::SessionLimits;

/// The time that sending one fragment should take.
const TARGET_TIME: Duration = Duration::from_secs(3);

/// The minimum size of a fragment on a slow connection, in bytes.
const MIN_SIZE: u64 = 256 << 10;

/// Chooses the size of each fragment by the time that the previous ones took.
///
/// Sizes are in bytes, multiples of the drive's alignment, and within its limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct FragmentSizer {
    limits: SessionLimits,
    size: u64,
}

impl FragmentSizer {
    /// Starts with the drive's default size.
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self { limits, size: limits.default_fragment }
    }

    /// Returns the size of the next fragment in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Adapts the size to a fragment of `bytes` bytes that was sent in `time`: the next one should
    /// take [`TARGET_TIME`]. The size at most doubles.
    pub(super) fn record_sent(&mut self, bytes: u64, time: Duration) {
        // The time of a short last fragment is mostly latency.
        if bytes < self.size {
            return;
        }
        let seconds = time.as_secs_f64().max(1e-6);
        let wanted = bytes as f64 * TARGET_TIME.as_secs_f64() / seconds;
        self.set((wanted as u64).min(self.size.saturating_mul(2)));
    }

    /// Halves the size after a failed request: a smaller fragment loses fewer bytes.
    pub(super) fn record_failure(&mut self) {
        self.set(self.size / 2);
    }

    /// Halves the size because the cloud rejected the fragment for its size (413). Returns whether
    /// the size has changed; it does not once it is at its minimum.
    pub(super) fn shrink(&mut self) -> bool {
        let before = self.size;
        self.set(self.size / 2);
        self.size < before
    }

    /// Sets the size to `size` bytes, limited to the minimum and the drive's maximum and rounded
    /// down to a multiple of the alignment; at least one such multiple.
    fn set(&mut self, size: u64) {
        let SessionLimits { alignment, default_fragment, max_fragment, .. } = self.limits;
        let alignment = alignment.max(1);
        let min = MIN_SIZE.next_multiple_of(alignment).min(default_fragment);
        self.size = (size.clamp(min, max_fragment.max(min)) / alignment * alignment).max(alignment);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNIT: u64 = 320 << 10;
    const LIMITS: SessionLimits = SessionLimits {
        min_size: 32 * UNIT,
        alignment: UNIT,
        default_fragment: 32 * UNIT,
        max_fragment: 191 * UNIT,
    };

    /// Returns the number of fragments of a file at `speed` bytes per second, and the longest time
    /// in seconds of a fragment after the first.
    fn fragments(mut left: u64, speed: f64) -> (u32, f64) {
        let (mut sizer, mut count, mut longest) = (FragmentSizer::new(LIMITS), 0, 0.0_f64);
        while left > 0 {
            let bytes = sizer.size().min(left);
            let time = bytes as f64 / speed;
            if count > 0 {
                longest = longest.max(time);
            }
            sizer.record_sent(bytes, Duration::from_secs_f64(time));
            left -= bytes;
            count += 1;
        }
        (count, longest)
    }

    #[test]
    fn a_gibibyte_takes_nineteen_fragments_on_a_fast_connection() {
        assert_eq!(fragments(1 << 30, 1e9).0, 19);
    }

    #[test]
    fn only_the_first_fragment_exceeds_the_target_time_on_a_slow_connection() {
        for speed in [2e5, 1e6, 5e6, 2e7] {
            let (_, longest) = fragments(100 << 20, speed);
            assert!(longest <= 3.001, "{longest} s at {speed} bytes per second");
        }
    }

    proptest! {
        #[test]
        fn sizes_are_aligned_and_within_the_limits(
            steps in prop::collection::vec((0u8..3, 1u64..100_000), 0..40),
        ) {
            let mut sizer = FragmentSizer::new(LIMITS);
            for (step, milliseconds) in steps {
                match step {
                    0 => sizer.record_failure(),
                    1 => drop(sizer.shrink()),
                    _ => sizer.record_sent(sizer.size(), Duration::from_millis(milliseconds)),
                }
                prop_assert!(sizer.size().is_multiple_of(UNIT));
                prop_assert!((UNIT..=LIMITS.max_fragment).contains(&sizer.size()));
            }
        }
    }
}
