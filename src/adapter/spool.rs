//! Bytes that must be complete before the first of them can leave.
//!
//! A cloud wants a file's length before its first byte; a caller may not know it, or the file goes
//! in one request. Few bytes stay in memory as they came; from [`SPILL`] on they are in a temporary
//! file without a name (in `TMPDIR`), read by position while they are sent.

use std::{
    fs::File,
    io::{self, Write},
    sync::Arc,
};

use opendal::Buffer;
use tokio::task::spawn_blocking;

use crate::drive::{Body, Error, ErrorKind, Result};

/// From how many bytes on they are not kept in memory.
pub(super) const SPILL: u64 = 2 << 20;

/// How many bytes are written to the file at once.
const BATCH: u64 = 1 << 20;

#[derive(Default)]
pub(super) struct Spool {
    len: u64,
    /// Not yet in the file.
    held: Vec<Buffer>,
    held_len: u64,
    file: Option<Arc<File>>,
}

impl Spool {
    /// For so many bytes: goes to a file at once when they are many.
    pub(super) fn new(expected: Option<u64>) -> Result<Self> {
        let mut spool = Self::default();
        if expected.is_some_and(|bytes| bytes > SPILL) {
            spool.file = Some(temporary_file()?);
        }
        Ok(spool)
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Takes bytes in.
    ///
    /// # Errors
    /// `Unexpected` when the temporary file cannot be written, a full disk for instance.
    pub(super) async fn push(&mut self, bytes: Buffer) -> Result<()> {
        self.len += bytes.len() as u64;
        self.held_len += bytes.len() as u64;
        self.held.push(bytes);
        if self.file.is_none() {
            // A single buffer is in memory anyway: a copy of it on disk would save nothing.
            if self.len <= SPILL || self.held.len() == 1 {
                return Ok(());
            }
            self.file = Some(temporary_file()?);
        }
        if self.held_len >= BATCH { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<()> {
        let (Some(file), false) = (&self.file, self.held.is_empty()) else { return Ok(()) };
        let (file, held) = (Arc::clone(file), std::mem::take(&mut self.held));
        self.held_len = 0;
        let written = spawn_blocking(move || {
            for bytes in held.into_iter().flatten() {
                (&*file).write_all(&bytes)?;
            }
            Ok(())
        });
        written.await.unwrap_or_else(|died| Err(io::Error::other(died))).map_err(failed)
    }

    /// All bytes, to be sent.
    pub(super) async fn into_body(mut self) -> Result<Body> {
        self.flush().await?;
        Ok(match self.file {
            Some(file) => Body::File { file, len: self.len },
            None => Body::Memory(self.held.into_iter().flatten().collect()),
        })
    }
}

fn temporary_file() -> Result<Arc<File>> {
    tempfile::tempfile().map(Arc::new).map_err(failed)
}

/// The temporary file could not be made, written or read.
pub(super) fn failed(source: io::Error) -> Error {
    let folder = std::env::temp_dir();
    Error::new(
        ErrorKind::Unexpected,
        format!(
            "the temporary file in {} that collects the bytes to be sent: {source}",
            folder.display()
        ),
    )
}

/// Bytes of a body from an offset on.
///
/// # Errors
/// `Unexpected` when the file cannot be read.
pub(crate) async fn slice(body: &Body, offset: u64, len: u64) -> Result<Buffer> {
    read(body, offset, len).await.map_err(|error| {
        Error::new(ErrorKind::Unexpected, format!("reading the file to be sent: {error}"))
    })
}

/// The same, with the system's own error.
pub(super) async fn read(body: &Body, offset: u64, len: u64) -> io::Result<Buffer> {
    if let Body::Memory(_) = body {
        return read_now(body, offset, len);
    }
    let body = body.clone();
    let read = spawn_blocking(move || read_now(&body, offset, len));
    read.await.unwrap_or_else(|died| Err(io::Error::other(died)))
}

/// The same, on a thread that may wait for the disk.
pub(super) fn read_now(body: &Body, offset: u64, len: u64) -> io::Result<Buffer> {
    match body {
        Body::Memory(bytes) => {
            let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
            Ok(bytes.slice(at(offset)..at(offset + len)))
        }
        Body::File { file, .. } => {
            let mut bytes = room_for(usize::try_from(len).map_err(io::Error::other)?);
            crate::transport::read_exact_at(file, &mut bytes, offset)?;
            Ok(Buffer::from(bytes))
        }
    }
}

/// Zeros. Where there are many, the allocator gets the memory from the system for them alone, and
/// gives it back when they are gone: glibc keeps up to 32 MiB in each of a process's arenas. What is
/// asked for beyond `len` is never touched, and so is not there.
fn room_for(len: usize) -> Vec<u8> {
    const MANY: usize = 1 << 20;
    const ALONE: usize = 33 << 20;
    let mut zeros = vec![0; if len < MANY { len } else { len.max(ALONE) }];
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
