//! An upload session and its bytes.

use jiff::Timestamp;
use opendal::Buffer;

use crate::drive::{Conditions, Error, ErrorKind, IfExists, ItemRef, Result, SessionLimits};

/// An upload session and the bytes that the drive has.
#[derive(Debug)]
pub(super) struct StoredSession {
    pub(super) folder: ItemRef,
    pub(super) name: String,
    /// Path of the file when the session was opened, for the log.
    pub(super) path: String,
    /// Size of the whole file in bytes.
    pub(super) total: u64,
    pub(super) received: Vec<Buffer>,
    pub(super) if_exists: IfExists,
    pub(super) conditions: Conditions,
    pub(super) modified: Option<Timestamp>,
    /// Key of the file that the session has created. `None` before the commit.
    pub(super) file: Option<u64>,
}

impl StoredSession {
    /// Returns the number of bytes that the drive has.
    pub(super) fn received_len(&self) -> u64 {
        self.received.iter().map(|bytes| bytes.len() as u64).sum()
    }

    /// Checks offset and length of a fragment.
    ///
    /// # Errors
    /// `RangeNotSatisfied` if another offset is expected. `InvalidInput` if the fragment is empty
    /// although the file is not, exceeds `max_fragment` or the size of the file, or is not a
    /// multiple of the alignment and not the last one.
    pub(super) fn check_fragment(
        &self,
        offset: u64,
        len: u64,
        limits: &SessionLimits,
    ) -> Result<()> {
        let expected = self.received_len();
        if offset != expected {
            return Err(Error::new(
                ErrorKind::RangeNotSatisfied,
                format!("cannot store the fragment at {offset}: the next offset is {expected}"),
            ));
        }
        let end = offset.saturating_add(len);
        let reason = if end > self.total {
            "it exceeds the size of the file"
        } else if len == 0 && self.total > 0 {
            "it is empty"
        } else if len > limits.max_fragment {
            "it is larger than the largest fragment"
        } else if end < self.total && !len.is_multiple_of(limits.alignment.max(1)) {
            "its length is not a multiple of the alignment"
        } else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::InvalidInput,
            format!("cannot store the fragment of {len} bytes at {offset}: {reason}"),
        ))
    }

    /// Removes the last `count` bytes that the drive has.
    pub(super) fn lose_bytes(&mut self, count: u64) {
        let left = self.received_len().saturating_sub(count);
        let all: Buffer = std::mem::take(&mut self.received).into_iter().flatten().collect();
        self.received = vec![all.slice(..usize::try_from(left).unwrap_or(usize::MAX))];
    }
}
