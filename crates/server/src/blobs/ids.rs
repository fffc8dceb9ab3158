//! Ids that are never used twice.

use std::sync::atomic::{AtomicI64, Ordering};

/// Low bits of a blob's number, which count within a run.
const COUNTER_BITS: u32 = 32;

/// Allocates ids that are never used twice. The high bits are the run of the server, the low bits a
/// counter.
#[derive(Debug)]
pub(crate) struct IdAllocator {
    run: i64,
    next: AtomicI64,
}

impl IdAllocator {
    /// Creates the allocator of a run, given its number.
    pub(crate) fn new(run: i64) -> Self {
        Self { run, next: AtomicI64::new(run << COUNTER_BITS) }
    }

    /// Returns an id that was never returned before.
    pub(crate) fn allocate(&self) -> i64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns whether an id belongs to this run.
    pub(crate) fn is_from_this_run(&self, id: i64) -> bool {
        id >> COUNTER_BITS == self.run
    }
}
