//! Checksums of blocks. Each 256 KiB of a blob has one, so that a range can be verified without the
//! rest of the blob.
//!
//! CRC-32 detects every error burst of up to 32 bits and misses one in four billion other errors. It
//! protects against disk errors, not against an attacker who can write to the data folder.

use std::{io, ops::Range};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};

/// Size of a block in bytes. The last block of a blob may be shorter.
pub(super) const BLOCK: u64 = 256 << 10;

/// Bytes of one checksum in [`Checks`].
const CHECK: usize = 4;

/// The checksums of consecutive blocks of a blob, in order: CRC-32, each as 4 bytes, big endian.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Checks(Vec<u8>);

impl Checks {
    /// Parses checksums as they were stored.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if the last checksum is incomplete.
    pub(super) fn parse(stored: Vec<u8>) -> io::Result<Self> {
        match stored.len().is_multiple_of(CHECK) {
            true => Ok(Self(stored)),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "damaged checksums")),
        }
    }

    /// Returns the bytes to store.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the checksum of a block; `None` beyond the last one.
    fn get(&self, block: usize) -> Option<u32> {
        let check = self.0.get(block * CHECK..(block + 1) * CHECK)?;
        check.try_into().ok().map(u32::from_be_bytes)
    }

    /// Appends the checksum of the next block.
    fn push(&mut self, checksum: u32) {
        self.0.extend_from_slice(&checksum.to_be_bytes());
    }
}

/// Computes the checksums of a blob's blocks from its bytes, in pieces of any size.
#[derive(Default)]
pub(super) struct Summer {
    checks: Checks,
    block: crc32fast::Hasher,
    filled: usize,
}

impl Summer {
    /// Adds the next bytes.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK as usize - self.filled));
            self.block.update(now);
            self.filled += now.len();
            bytes = rest;
            if self.filled == BLOCK as usize {
                self.end_block();
            }
        }
    }

    /// Returns the checksums of all bytes that were added.
    pub(super) fn finish(mut self) -> Checks {
        if self.filled > 0 {
            self.end_block();
        }
        self.checks
    }

    /// Appends the checksum of the current block, and begins the next one.
    fn end_block(&mut self) {
        self.checks.push(std::mem::take(&mut self.block).finalize());
        self.filled = 0;
    }
}

/// Returns the range of whole blocks that contain `range`, in a blob of `length` bytes. The ends of
/// both ranges are exclusive; `range` must be within the blob.
pub(super) fn touched(range: &Range<u64>, length: u64) -> Range<u64> {
    let start = range.start / BLOCK * BLOCK;
    start..range.end.div_ceil(BLOCK).saturating_mul(BLOCK).min(length)
}

/// Verifies whole blocks and yields the wanted bytes of them.
///
/// `bytes` yields the bytes of `blocks`, a range that [`touched`] returned. `checks` are the
/// checksums of the blob. A block is yielded only after its checksum matched.
///
/// # Errors
/// The stream ends with `InvalidData` at the first damaged block, with `UnexpectedEof` if `bytes`
/// ends early, and with the error of `bytes` otherwise.
pub(super) fn verified<S>(
    bytes: S,
    blocks: Range<u64>,
    wanted: Range<u64>,
    checks: Checks,
) -> impl Stream<Item = io::Result<Bytes>> + Send
where
    S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
{
    let state = Verifier { bytes, rest: Bytes::new(), at: blocks.start, end: blocks.end, checks };
    stream::unfold(Some(state), move |state| {
        let wanted = wanted.clone();
        async move {
            let mut state = state?;
            let at = state.at;
            match state.block().await {
                Ok(None) => None,
                Ok(Some(block)) => {
                    let from = wanted.start.saturating_sub(at).min(block.len() as u64);
                    let to = wanted.end.saturating_sub(at).min(block.len() as u64);
                    Some((Ok(block.slice(from as usize..to as usize)), Some(state)))
                }
                Err(error) => Some((Err(error), None)),
            }
        }
    })
}

struct Verifier<S> {
    bytes: S,
    /// Bytes that were read already and belong to the next block.
    rest: Bytes,
    at: u64,
    end: u64,
    checks: Checks,
}

impl<S: Stream<Item = io::Result<Bytes>> + Send + Unpin> Verifier<S> {
    /// Returns the next block, verified; `None` at the end.
    ///
    /// # Errors
    /// `InvalidData` if its checksum does not match, and `UnexpectedEof` if the blob is too short;
    /// otherwise the error of the stream.
    async fn block(&mut self) -> io::Result<Option<Bytes>> {
        if self.at >= self.end {
            return Ok(None);
        }
        let size = BLOCK.min(self.end - self.at) as usize;
        let block = self.take(size).await?;
        let number = self.at / BLOCK;
        let found = crc32fast::hash(&block);
        if self.checks.get(number as usize) != Some(found) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("block {number} is damaged: its checksum does not match"),
            ));
        }
        self.at += size as u64;
        Ok(Some(block))
    }

    /// Reads exactly `size` bytes.
    ///
    /// # Errors
    /// The error of the stream, or `UnexpectedEof` if it ends early.
    async fn take(&mut self, size: usize) -> io::Result<Bytes> {
        if self.rest.len() >= size {
            return Ok(self.rest.split_to(size));
        }
        let mut block = BytesMut::with_capacity(size);
        block.extend_from_slice(&std::mem::take(&mut self.rest));
        while block.len() < size {
            let Some(piece) = self.bytes.next().await else {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the blob is too short"));
            };
            let mut piece = piece?;
            block.extend_from_slice(&piece.split_to(piece.len().min(size - block.len())));
            self.rest = piece;
        }
        Ok(block.freeze())
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    fn blob(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 7 + i / 1_000) as u8).collect()
    }

    fn checks_of(bytes: &[u8]) -> Checks {
        let mut summer = Summer::default();
        bytes.chunks(10_007).for_each(|piece| summer.update(piece));
        summer.finish()
    }

    async fn read(bytes: &[u8], length: u64, wanted: Range<u64>) -> io::Result<Vec<u8>> {
        let checks = checks_of(&blob(length as usize));
        let blocks = touched(&wanted, length);
        let end = bytes.len().min(blocks.end as usize);
        let read = &bytes[blocks.start as usize..end];
        let pieces: Vec<_> = read.chunks(100_003).map(Bytes::copy_from_slice).map(Ok).collect();
        let read: Vec<Bytes> =
            verified(stream::iter(pieces), blocks, wanted, checks).try_collect().await?;
        Ok(read.concat())
    }

    #[tokio::test]
    async fn every_range_of_a_good_blob_is_read_and_no_range_with_a_damaged_block() {
        let length = 2 * BLOCK + 1_000;
        let good = blob(length as usize);
        let marks = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, length - 1, length];
        for damaged in [0, BLOCK, 2 * BLOCK + 999] {
            let mut bad = good.clone();
            bad[damaged as usize] ^= 1;
            for (start, end) in marks.iter().flat_map(|a| marks.map(|b| (*a, b))) {
                if start >= end {
                    continue;
                }
                let read_good = read(&good, length, start..end).await.expect("is good");
                assert!(read_good == good[start as usize..end as usize], "{start}..{end}");
                let touches = touched(&(start..end), length).contains(&damaged);
                assert_eq!(read(&bad, length, start..end).await.is_err(), touches);
            }
        }
        let cut = read(&good[..good.len() - 1], length, 0..length).await.expect_err("is cut");
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn stored_checksums_are_parsed_and_anything_else_is_refused() {
        let checks = checks_of(&blob(BLOCK as usize + 1));
        assert_eq!(checks.as_bytes().len(), 2 * CHECK);
        assert_eq!(Checks::parse(checks.as_bytes().to_owned()).expect("parses"), checks);
        for damaged in [&b"0"[..], b"01234"] {
            assert!(Checks::parse(damaged.to_owned()).is_err(), "{damaged:?}");
        }
    }
}
