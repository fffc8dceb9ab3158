//! Counters of the cache.

use std::{
    ops::Add,
    sync::atomic::{AtomicU64, Ordering},
};

use super::store::BlockLocation;

/// Hits and misses of a cache. The numbers never decrease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Calls of `stat` and `list` that were served from memory.
    pub metadata_hits: u64,
    /// Calls of `stat` and `list` that were forwarded to the service.
    pub metadata_misses: u64,
    /// Blocks that were read from memory.
    pub blocks_from_memory: u64,
    /// Blocks that were read from the cache folder.
    pub blocks_from_disk: u64,
    /// Blocks that were read from the second tier.
    pub blocks_from_tier: u64,
    /// Blocks that were fetched from the service.
    pub blocks_fetched: u64,
}

impl Add for CacheStats {
    type Output = Self;

    /// Returns the sums of both counters.
    fn add(self, other: Self) -> Self {
        Self {
            metadata_hits: self.metadata_hits + other.metadata_hits,
            metadata_misses: self.metadata_misses + other.metadata_misses,
            blocks_from_memory: self.blocks_from_memory + other.blocks_from_memory,
            blocks_from_disk: self.blocks_from_disk + other.blocks_from_disk,
            blocks_from_tier: self.blocks_from_tier + other.blocks_from_tier,
            blocks_fetched: self.blocks_fetched + other.blocks_fetched,
        }
    }
}

/// Atomic counters behind [`CacheStats`].
#[derive(Debug, Default)]
pub(super) struct CacheCounters {
    hits: AtomicU64,
    misses: AtomicU64,
    memory: AtomicU64,
    disk: AtomicU64,
    tier: AtomicU64,
    fetched: AtomicU64,
}

impl CacheCounters {
    /// Counts a `stat` or listing, as a hit or a miss.
    pub(super) fn record_metadata(&self, hit: bool) {
        if hit { &self.hits } else { &self.misses }.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a block that was found in the cache.
    pub(super) fn record_block(&self, location: BlockLocation) {
        let counter = match location {
            BlockLocation::Memory => &self.memory,
            BlockLocation::Disk => &self.disk,
            BlockLocation::Tier => &self.tier,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a block that was fetched from the service.
    pub(super) fn record_fetch(&self) {
        self.fetched.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the current numbers.
    pub(super) fn stats(&self) -> CacheStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStats {
            metadata_hits: read(&self.hits),
            metadata_misses: read(&self.misses),
            blocks_from_memory: read(&self.memory),
            blocks_from_disk: read(&self.disk),
            blocks_from_tier: read(&self.tier),
            blocks_fetched: read(&self.fetched),
        }
    }
}
