//! Blocking reads of a file whose bytes are fetched asynchronously, for parsers that read and seek.

use std::{
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Number of bytes that are fetched at a time.
const BLOCK: u64 = 64 << 10;

/// Maximum number of bytes that are read in total, so that no file makes its parser keep more. A file
/// whose metadata is behind them has none.
const MAX_READ: u64 = 64 << 20;

/// A function that fetches a range of a file's bytes.
pub(crate) struct Fetch(Box<dyn Fn(Range<u64>) -> BoxFuture<'static, io::Result<Bytes>> + Send>);

impl Fetch {
    /// Wraps a function that fetches a range of a file's bytes. The range's end is exclusive and
    /// within the file; the result must have all of the range.
    pub(crate) fn new<F>(fetch: impl Fn(Range<u64>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<Bytes>> + Send + 'static,
    {
        Self(Box::new(move |range| Box::pin(fetch(range))))
    }

    /// Creates a function that returns ranges of `bytes`.
    pub(crate) fn from_bytes(bytes: Bytes) -> Self {
        Self::new(move |range| {
            let (start, end) = (range.start as usize, range.end as usize);
            let part = bytes.slice(start.min(bytes.len())..end.min(bytes.len()));
            async move { Ok(part) }
        })
    }
}

/// A file that is read on a blocking thread.
pub(crate) struct Reading {
    fetch: Fetch,
    runtime: Handle,
    /// Size of the file in bytes.
    size: u64,
    /// The current position.
    at: u64,
    /// The last block, and its position in the file.
    block: Bytes,
    block_at: u64,
    /// Number of bytes that may still be read.
    left: u64,
    /// Cancelled: reads fail, because the result is not needed any more.
    cancelled: CancellationToken,
    /// Whether bytes could not be read. Parsers hide the reason of their failure.
    failed: Arc<AtomicBool>,
}

impl Reading {
    /// Creates a reader of a file of `size` bytes. Must be called within the runtime and used outside
    /// of its tasks.
    pub(crate) fn new(size: u64, fetch: Fetch) -> Self {
        let (block, runtime) = (Bytes::new(), Handle::current());
        let (cancelled, failed) = (CancellationToken::new(), Arc::default());
        Self { fetch, runtime, size, at: 0, block, block_at: 0, left: MAX_READ, cancelled, failed }
    }

    /// Returns a token that makes all reads fail when it is cancelled.
    pub(super) fn cancelled(&self) -> CancellationToken {
        self.cancelled.clone()
    }

    /// Returns a flag that is set when bytes could not be read or the reads were cancelled.
    pub(super) fn failed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.failed)
    }

    /// Returns the size of the file in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the rest of the block at the current position, which is fetched if necessary. The
    /// position must be before the end of the file.
    ///
    /// # Errors
    /// Those of the fetch; `UnexpectedEof` if it returns too few bytes; `Other` if reading was
    /// cancelled. All later reads fail too.
    fn current_block(&mut self) -> io::Result<Bytes> {
        let inside = self.block_at..self.block_at + self.block.len() as u64;
        if !inside.contains(&self.at) {
            let start = self.at - self.at % BLOCK;
            let end = (start + BLOCK).min(self.size);
            let fetched = self.runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = self.cancelled.cancelled() => Err(io::Error::other("cancelled")),
                    block = (self.fetch.0)(start..end) => block,
                }
            });
            let block = fetched.and_then(|block| match block.len() as u64 == end - start {
                true => Ok(block),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            });
            self.block = block.inspect_err(|_| self.failed.store(true, Ordering::Relaxed))?;
            self.block_at = start;
        }
        Ok(self.block.slice((self.at - self.block_at) as usize..))
    }
}

impl Read for Reading {
    /// Reads at most to the end of the current block, and fetches the block if necessary. Returns 0
    /// at the end of the file.
    ///
    /// # Errors
    /// `FileTooLarge` after [`MAX_READ`] bytes in total, and the error of the fetch.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("the first {MAX_READ} bytes contain no metadata"),
            ));
        }
        let bytes = self.current_block()?;
        let taken =
            bytes.len().min(buffer.len()).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        buffer[..taken].copy_from_slice(&bytes[..taken]);
        self.at += taken as u64;
        self.left -= taken as u64;
        Ok(taken)
    }
}

impl Seek for Reading {
    /// Moves the position, also beyond the end of the file. Nothing is fetched.
    ///
    /// # Errors
    /// `InvalidInput` for a position before the beginning.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_reads_like_a_file_up_to_its_limit() {
        let bytes: Bytes = (0..200_000_u32).map(|n| n as u8).collect::<Vec<_>>().into();
        let expected = bytes.clone();
        let mut reading = Reading::new(bytes.len() as u64, Fetch::from_bytes(bytes));
        tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            reading.read_to_end(&mut all).expect("bytes");
            assert_eq!(all, expected);
            reading.seek(SeekFrom::End(-3)).expect("a place");
            all.clear();
            reading.read_to_end(&mut all).expect("bytes");
            assert_eq!(all, expected[199_997..]);
            assert!(reading.seek(SeekFrom::Current(-1_000_000)).is_err());
            reading.left = 5;
            reading.seek(SeekFrom::Start(0)).expect("a place");
            assert!(reading.read_to_end(&mut all).is_err());
        })
        .await
        .expect("no panic");
    }
}
