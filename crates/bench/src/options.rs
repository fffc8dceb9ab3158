//! The sizes of the work.

use crate::Work;

/// The sizes of the work, and the number of rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BenchOptions {
    pub(crate) rounds: usize,
    pub(crate) files: usize,
    pub(crate) file_size: u64,
    pub(crate) large_size: u64,
    pub(crate) ranges: usize,
    pub(crate) range_size: u64,
    pub(crate) concurrency: usize,
    pub(crate) works: Vec<Work>,
}

impl Default for BenchOptions {
    /// Five rounds of all works: 100 files of 4 KiB, a file of 32 MiB, 50 ranges of 64 KiB, eight
    /// operations at a time.
    fn default() -> Self {
        Self {
            rounds: 5,
            files: 100,
            file_size: 4 << 10,
            large_size: 32 << 20,
            ranges: 50,
            range_size: 64 << 10,
            concurrency: 8,
            works: Work::ALL.to_vec(),
        }
    }
}

impl BenchOptions {
    /// Sets the number of measured rounds; at least 1.
    #[must_use]
    pub fn rounds(self, rounds: usize) -> Self {
        Self { rounds: rounds.max(1), ..self }
    }

    /// Sets the number of small files; at least 1.
    #[must_use]
    pub fn files(self, files: usize) -> Self {
        Self { files: files.max(1), ..self }
    }

    /// Sets the size of a small file in bytes.
    #[must_use]
    pub fn file_size(self, bytes: u64) -> Self {
        Self { file_size: bytes, ..self }
    }

    /// Sets the size of the large file in bytes; at least 1.
    #[must_use]
    pub fn large_size(self, bytes: u64) -> Self {
        Self { large_size: bytes.max(1), ..self }
    }

    /// Sets the number of ranges that are read of the large file; at least 1.
    #[must_use]
    pub fn ranges(self, ranges: usize) -> Self {
        Self { ranges: ranges.max(1), ..self }
    }

    /// Sets the size of a range in bytes; at least 1.
    #[must_use]
    pub fn range_size(self, bytes: u64) -> Self {
        Self { range_size: bytes.max(1), ..self }
    }

    /// Sets the number of operations at a time on small files and ranges; at least 1.
    #[must_use]
    pub fn concurrency(self, operations: usize) -> Self {
        Self { concurrency: operations.max(1), ..self }
    }

    /// Measures only these works.
    #[must_use]
    pub fn works(self, works: &[Work]) -> Self {
        // In the order of `Work::ALL`: some works need the files of earlier ones.
        let works = Work::ALL.into_iter().filter(|work| works.contains(work)).collect();
        Self { works, ..self }
    }

    /// Returns the smaller options of the round before the measured ones.
    pub(crate) fn for_warm_up(&self) -> Self {
        Self {
            files: self.files.min(16),
            large_size: self.large_size.min(4 << 20),
            ranges: self.ranges.min(8),
            ..self.clone()
        }
    }
}
