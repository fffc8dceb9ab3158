//! Storage for the bytes of a file that must be complete before the upload can start.
//!
//! A cloud needs the length of a file before its first byte. The caller may not know the length, or
//! the file is sent in one request that a retry must be able to repeat. Up to [`SPILL`] bytes stay in
//! memory. More bytes are written to an unnamed temporary file (in `TMPDIR`), which is read at
//! offsets while it is sent.

use std::{
    fs::File,
    io::{self, Write},
    sync::Arc,
};

use opendal::Buffer;
use tokio::task::spawn_blocking;

use crate::drive::{Body, Error, ErrorKind, Result};

/// The maximum number of bytes in memory.
pub(super) const SPILL: u64 = 2 << 20;

/// The number of bytes that are written to the temporary file at a time.
const BATCH: u64 = 1 << 20;

/// Collects the bytes of a file.
#[derive(Default)]
pub(super) struct Spool {
    len: u64,
    /// The bytes that are not in the file yet.
    pending: Vec<Buffer>,
    /// The number of bytes in `pending`.
    pending_len: u64,
    /// `None` as long as all bytes are in memory.
    file: Option<Arc<File>>,
}

impl Spool {
    /// Creates a spool for `expected` bytes, or for an unknown number. If more than [`SPILL`] are
    /// expected, the temporary file is created at once.
    ///
    /// # Errors
    /// `Unexpected` if the temporary file cannot be created.
    pub(super) fn new(expected: Option<u64>) -> Result<Self> {
        let mut spool = Self::default();
        if expected.is_some_and(|bytes| bytes > SPILL) {
            spool.file = Some(temporary_file()?);
        }
        Ok(spool)
    }

    /// Returns the number of bytes so far.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// `Unexpected` if the temporary file cannot be written, for example because the disk is full.
    pub(super) async fn push(&mut self, bytes: Buffer) -> Result<()> {
        self.len += bytes.len() as u64;
        self.pending_len += bytes.len() as u64;
        self.pending.push(bytes);
        if self.file.is_none() {
            // A single buffer is in memory already: a copy on disk would save nothing.
            if self.len <= SPILL || self.pending.len() == 1 {
                return Ok(());
            }
            self.file = Some(temporary_file()?);
        }
        if self.pending_len >= BATCH { self.flush().await } else { Ok(()) }
    }

    /// Writes the pending bytes to the temporary file, if there is one.
    ///
    /// # Errors
    /// `Unexpected` if it cannot be written, for example because the disk is full.
    async fn flush(&mut self) -> Result<()> {
        let (Some(file), false) = (&self.file, self.pending.is_empty()) else { return Ok(()) };
        let (file, pending) = (Arc::clone(file), std::mem::take(&mut self.pending));
        self.pending_len = 0;
        let written = spawn_blocking(move || {
            for bytes in pending.into_iter().flatten() {
                (&*file).write_all(&bytes)?;
            }
            Ok(())
        });
        let written = written.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        written.map_err(temporary_file_error)
    }

    /// Returns all bytes as the body of an upload.
    ///
    /// # Errors
    /// `Unexpected` if the temporary file cannot be written.
    pub(super) async fn into_body(mut self) -> Result<Body> {
        self.flush().await?;
        Ok(match self.file {
            Some(file) => Body::File { file, len: self.len },
            None => Body::Memory(self.pending.into_iter().flatten().collect()),
        })
    }
}

/// Creates an unnamed temporary file in `TMPDIR`.
///
/// # Errors
/// `Unexpected` if it cannot be created.
fn temporary_file() -> Result<Arc<File>> {
    tempfile::tempfile().map(Arc::new).map_err(temporary_file_error)
}

/// Converts an error of creating, writing or reading the temporary file to `Unexpected`, with the
/// folder.
pub(super) fn temporary_file_error(source: io::Error) -> Error {
    let folder = std::env::temp_dir();
    Error::new(
        ErrorKind::Unexpected,
        format!(
            "cannot use the temporary file for the upload in {}: {source}; \
             TMPDIR selects another folder",
            folder.display()
        ),
    )
}

/// Returns `len` bytes of a body from `offset` on. A body in memory that is shorter returns fewer
/// bytes.
///
/// # Errors
/// `Unexpected` if the file cannot be read or is shorter.
#[cfg(any(test, feature = "services-skydrive", feature = "testing"))]
pub(crate) async fn slice(body: &Body, offset: u64, len: u64) -> Result<Buffer> {
    read(body, offset, len).await.map_err(|error| {
        Error::new(ErrorKind::Unexpected, format!("cannot read the file to be sent: {error}"))
    })
}

/// Like [`slice`], but returns the system's error.
///
/// # Errors
/// The system's error if the file cannot be read, `UnexpectedEof` if it is shorter.
pub(super) async fn read(body: &Body, offset: u64, len: u64) -> io::Result<Buffer> {
    if let Body::Memory(_) = body {
        return read_blocking(body, offset, len);
    }
    let body = body.clone();
    let read = spawn_blocking(move || read_blocking(&body, offset, len));
    read.await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

/// Like [`read`], on the calling thread, which must be allowed to block.
///
/// # Errors
/// Those of [`read`].
pub(super) fn read_blocking(body: &Body, offset: u64, len: u64) -> io::Result<Buffer> {
    match body {
        Body::Memory(bytes) => {
            let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
            Ok(bytes.slice(at(offset)..at(offset + len)))
        }
        Body::File { file, .. } => {
            let mut bytes = zeroed(usize::try_from(len).map_err(io::Error::other)?);
            crate::transport::read_exact_at(file, &mut bytes, offset)?;
            Ok(Buffer::from(bytes))
        }
    }
}

/// Returns `len` zero bytes.
///
/// A large buffer gets more capacity than it needs. The allocator then maps it separately and
/// returns it to the system when it is freed; glibc would otherwise retain up to 32 MiB in each of
/// a process's arenas. The additional pages are never touched, so they occupy no memory.
fn zeroed(len: usize) -> Vec<u8> {
    const LARGE: usize = 1 << 20;
    const MAPPED_SEPARATELY: usize = 33 << 20;
    let mut zeros = vec![0; if len < LARGE { len } else { len.max(MAPPED_SEPARATELY) }];
    zeros.truncate(len);
    zeros
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_split_of_the_bytes_gives_the_same_body(
            cuts in prop::collection::vec(0usize..3_000_000, 0..6),
            announced: bool,
        ) {
            let bytes: Vec<u8> = (0..2_600_000u32).map(|n| (n % 251) as u8).collect();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut spool = Spool::new(announced.then_some(bytes.len() as u64)).unwrap();
                for pair in cuts.windows(2) {
                    spool.push(Buffer::from(bytes[pair[0]..pair[1]].to_vec())).await.unwrap();
                }
                assert_eq!(spool.len(), bytes.len() as u64);
                let body = spool.into_body().await.unwrap();
                assert_eq!(body.len(), bytes.len() as u64);
                let all = slice(&body, 0, body.len()).await.unwrap();
                assert_eq!(all.to_vec(), bytes);
                let middle = slice(&body, 1_000_000, 70_000).await.unwrap();
                assert_eq!(middle.to_vec(), bytes[1_000_000..1_070_000]);
            });
        }
    }
}
