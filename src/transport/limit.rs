//! Bounds of responses that are read as a whole.

use std::time::Duration;

use opendal::raw::Operation;

/// The most that a response may take: of memory, and of time from its first byte to its last.
///
/// A server that sends a byte now and then, or without end, must not hold a caller for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseLimit {
    /// In bytes.
    pub bytes: u64,
    /// From the first byte to the last.
    pub time: Duration,
}

impl ResponseLimit {
    /// Tokens: two of some KiB each.
    pub const TOKENS: Self = Self::new(256 << 10, 30);
    /// One item, or what else a request for one thing gets: some KiB.
    pub const ITEM: Self = Self::new(4 << 20, 60);
    /// A page: 1,000 items are about 1 MiB.
    pub const PAGE: Self = Self::new(32 << 20, 180);
    /// A whole folder of a cloud that does not page: 100,000 items are about 100 MiB.
    pub const FOLDER: Self = Self::new(256 << 20, 600);
    /// What explains a failure. Anything beyond is not read.
    pub const ERROR: Self = Self::new(64 << 10, 15);

    /// Limits the bytes of the response, and the seconds from its first byte to its last.
    pub const fn new(bytes: u64, seconds: u64) -> Self {
        Self { bytes, time: Duration::from_secs(seconds) }
    }

    /// Returns the usual limit of an operation's requests.
    pub fn for_operation(operation: Operation) -> Self {
        match operation {
            Operation::List => Self::PAGE,
            _ => Self::ITEM,
        }
    }
}
