//! The bytes of a stream that the cloud does not have yet.

use std::collections::VecDeque;

use opendal::Buffer;

use crate::drive::{Error, ErrorKind, Result};

/// Buffers a part of a stream. Bytes are pushed at its end, read at any position, and discarded from
/// its start. Positions are offsets in the whole stream.
#[derive(Default)]
pub(super) struct StreamBuffer {
    pieces: VecDeque<Buffer>,
    /// The position of the first buffered byte.
    start: u64,
    /// The number of buffered bytes.
    len: u64,
}

impl StreamBuffer {
    /// Returns the position of the first buffered byte.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Returns the position after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.start + self.len
    }

    /// Appends bytes.
    pub(super) fn push(&mut self, bytes: Buffer) {
        self.len += bytes.len() as u64;
        self.pieces.push_back(bytes);
    }

    /// Returns at most `size` bytes from the position `at` on.
    ///
    /// # Errors
    /// `Unexpected` if the byte at `at` has been discarded.
    pub(super) fn slice(&self, at: u64, size: u64) -> Result<Buffer> {
        let Some(mut skip) = at.checked_sub(self.start) else {
            return Err(Error::new(
                ErrorKind::Unexpected,
                format!("cannot send the bytes at {at} again: they are no longer in memory"),
            ));
        };
        let (mut remaining, mut slices) = (size, Vec::new());
        for piece in &self.pieces {
            let len = piece.len() as u64;
            if skip >= len {
                skip -= len;
                continue;
            }
            let end = len.min(skip.saturating_add(remaining));
            let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            slices.extend(piece.slice(index(skip)..index(end)));
            remaining -= end - skip;
            skip = 0;
            if remaining == 0 {
                break;
            }
        }
        Ok(Buffer::from(slices))
    }

    /// Discards all bytes before `at`.
    pub(super) fn discard_before(&mut self, at: u64) {
        while let Some(piece) = self.pieces.pop_front() {
            let (len, discarded) = (piece.len() as u64, at.saturating_sub(self.start));
            if discarded < len {
                let index = usize::try_from(discarded).unwrap_or(usize::MAX);
                self.pieces.push_front(piece.slice(index..));
                self.start += discarded;
                self.len -= discarded;
                return;
            }
            self.start += len;
            self.len -= len;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slices_have_the_pushed_bytes(
            pieces in prop::collection::vec(0usize..50, 1..20),
            cuts in prop::collection::vec((0u64..40, 0u64..30), 1..20),
        ) {
            let total: usize = pieces.iter().sum();
            let all: Vec<u8> = (0..total).map(|n| n as u8).collect();
            let (mut buffer, mut at) = (StreamBuffer::default(), 0);
            for len in pieces {
                buffer.push(Buffer::from(all[at..at + len].to_vec()));
                at += len;
            }
            let mut from = 0;
            for (forward, size) in cuts {
                from = (from + forward).min(total as u64);
                buffer.discard_before(from);
                let slice = buffer.slice(from, size).unwrap().to_vec();
                let end = (from + size).min(total as u64);
                prop_assert_eq!(&slice[..], &all[from as usize..end as usize]);
                prop_assert_eq!(buffer.end(), total as u64);
                prop_assert!(from == 0 || buffer.slice(from - 1, 1).is_err());
            }
        }
    }
}
