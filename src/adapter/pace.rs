//! How large the next fragment is.
//!
//! A fragment is a time, not a number: on a slow line no call may outlast its caller's patience
//! (OpenDAL's `TimeoutLayer` has 10 s), on a fast one every request is a cost.

use std::time::Duration;

use crate::drive::SessionLimits;

/// What a fragment is to take (drive-trait.md, finding 2).
const AIM: Duration = Duration::from_secs(3);

/// No fragment is made smaller than this on a slow line, in bytes.
const SMALLEST: u64 = 256 << 10;

/// The size of fragments, learnt from those that went before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    limits: SessionLimits,
    size: u64,
}

impl Pace {
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self { limits, size: limits.default_fragment }
    }

    /// Bytes of the next fragment.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// A fragment took that long: the next one takes about [`AIM`], and is at most twice as large.
    pub(super) fn took(&mut self, bytes: u64, time: Duration) {
        // The last fragment of a file says more about the distance than about the line.
        if bytes < self.size {
            return;
        }
        let seconds = time.as_secs_f64().max(1e-6);
        let wanted = bytes as f64 * AIM.as_secs_f64() / seconds;
        self.set((wanted as u64).min(self.size.saturating_mul(2)));
    }

    /// A fragment was lost on the way: less would have been lost with a smaller one.
    pub(super) fn lost(&mut self) {
        self.set(self.size / 2);
    }

    /// A fragment was too large; whether a smaller one is possible.
    pub(super) fn too_large(&mut self) -> bool {
        let before = self.size;
        self.set(self.size / 2);
        self.size < before
    }

    fn set(&mut self, size: u64) {
        let SessionLimits { alignment, default_fragment, max_fragment, .. } = self.limits;
        let alignment = alignment.max(1);
        let floor = SMALLEST.next_multiple_of(alignment).min(default_fragment);
        self.size =
            (size.clamp(floor, max_fragment.max(floor)) / alignment * alignment).max(alignment);
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

    /// How many fragments a file takes on a line of so many bytes a second, and the longest time
    /// of one after the first.
    fn fragments(mut left: u64, speed: f64) -> (u32, f64) {
        let (mut pace, mut count, mut longest) = (Pace::new(LIMITS), 0, 0.0_f64);
        while left > 0 {
            let bytes = pace.size().min(left);
            let time = bytes as f64 / speed;
            if count > 0 {
                longest = longest.max(time);
            }
            pace.took(bytes, Duration::from_secs_f64(time));
            left -= bytes;
            count += 1;
        }
        (count, longest)
    }

    #[test]
    fn a_gibibyte_takes_nineteen_fragments_on_a_fast_line() {
        assert_eq!(fragments(1 << 30, 1e9).0, 19);
    }

    #[test]
    fn no_fragment_but_the_first_outlasts_the_aim_on_a_slow_line() {
        for speed in [2e5, 1e6, 5e6, 2e7] {
            let (_, longest) = fragments(100 << 20, speed);
            assert!(longest <= 3.001, "{longest} s at {speed} bytes a second");
        }
    }

    proptest! {
        #[test]
        fn fragments_are_whole_units_within_the_limits(
            steps in prop::collection::vec((0u8..3, 1u64..100_000), 0..40),
        ) {
            let mut pace = Pace::new(LIMITS);
            for (step, milliseconds) in steps {
                match step {
                    0 => pace.lost(),
                    1 => drop(pace.too_large()),
                    _ => pace.took(pace.size(), Duration::from_millis(milliseconds)),
                }
                prop_assert!(pace.size().is_multiple_of(UNIT));
                prop_assert!((UNIT..=LIMITS.max_fragment).contains(&pace.size()));
            }
        }
    }
}
