//! Limits of responses that are read into memory.

use std::time::Duration;

use opendal::raw::Operation;

/// Limits of a response that is read into memory: its size, and the time from its first byte to its
/// last.
///
/// The time limit protects callers from a server that sends a byte now and then, without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseLimit {
    /// Maximum size in bytes.
    pub bytes: u64,
    /// Maximum time from the first byte to the last.
    pub time: Duration,
}

impl ResponseLimit {
    /// The response of a token endpoint: two tokens of a few KiB each.
    pub const TOKENS: Self = Self::new(256 << 10, 30);
    /// The metadata of one item, or another single object: a few KiB.
    pub const ITEM: Self = Self::new(4 << 20, 60);
    /// One page of a listing: 1,000 items are about 1 MiB.
    pub const PAGE: Self = Self::new(32 << 20, 180);
    /// A whole folder, in a cloud without pages: 100,000 items are about 100 MiB.
    pub const FOLDER: Self = Self::new(256 << 20, 600);
    /// The body of an error response. Bytes beyond the limit are not read.
    pub const ERROR: Self = Self::new(64 << 10, 15);

    /// Returns a limit of a size in bytes and a time in seconds.
    pub const fn new(bytes: u64, seconds: u64) -> Self {
        Self { bytes, time: Duration::from_secs(seconds) }
    }

    /// Returns the default limit for the requests of an operation.
    pub fn for_operation(operation: Operation) -> Self {
        match operation {
            Operation::List => Self::PAGE,
            _ => Self::ITEM,
        }
    }
}
