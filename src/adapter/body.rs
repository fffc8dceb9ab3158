//! The bytes of a file that is sent in fragments.

use std::{fs::File, io, sync::Arc};

use opendal::Buffer;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinHandle, spawn_blocking},
};

use super::{
    channel::{Aborted, UploadChannel},
    file_snapshot::FileSnapshot,
    spool::{self, Spool},
    stream_buffer::StreamBuffer,
    upload::UploadError,
};
use crate::drive::{Body, Error, Result};

/// The bytes of a file that is sent in fragments.
pub(super) enum UploadBody {
    /// Received from a writer. Bytes are discarded once the cloud has them.
    Stream {
        buffer: StreamBuffer,
        /// The writer has closed the channel.
        ended: bool,
    },
    /// Complete, so any bytes can be read repeatedly.
    Whole {
        body: Body,
        /// Present for a local file of the caller, which may change during the upload.
        snapshot: Option<FileSnapshot>,
        read_ahead: Option<ReadAhead>,
    },
}

/// A fragment, or the beginning of one, that is read while the previous fragment is sent.
pub(super) struct ReadAhead {
    at: u64,
    len: u64,
    /// Returns the bytes with the permit to hold them in memory.
    task: JoinHandle<io::Result<(Buffer, OwnedSemaphorePermit)>>,
}

impl ReadAhead {
    /// Waits until the bytes are read, and returns at most `max` bytes from the position `at` in
    /// the file on. Returns no bytes if `at` is outside the part that was read ahead.
    ///
    /// # Errors
    /// The system's error if the file cannot be read; `Other` if the reading task panics.
    async fn bytes(self, at: u64, max: u64) -> io::Result<Buffer> {
        let Some(skip) = at.checked_sub(self.at).filter(|skip| *skip < self.len) else {
            return Ok(Buffer::new());
        };
        let (bytes, _) = self.task.await.unwrap_or_else(|panic| Err(io::Error::other(panic)))?;
        let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes.slice(index(skip)..index(skip.saturating_add(max))))
    }
}

impl UploadBody {
    /// Creates the body of a writer, without bytes.
    pub(super) fn stream() -> Self {
        Self::Stream { buffer: StreamBuffer::default(), ended: false }
    }

    /// Creates the body of a file whose bytes were collected.
    pub(super) fn from_collected(body: Body) -> Self {
        Self::Whole { body, snapshot: None, read_ahead: None }
    }

    /// Creates the body of a local file in the state of `snapshot`.
    pub(super) fn from_file(file: Arc<File>, snapshot: FileSnapshot) -> Self {
        let body = Body::File { file, len: snapshot.len() };
        Self::Whole { body, snapshot: Some(snapshot), read_ahead: None }
    }

    /// Receives the bytes up to the position `until` from the writer. If `until` is not before
    /// `total`, also waits until the writer closes the channel. Returns the size of the file once
    /// the channel is closed, and `None` before. Does nothing for a complete body.
    ///
    /// # Errors
    /// [`Aborted`] if the writer aborts the upload.
    pub(super) async fn receive(
        &mut self,
        channel: &UploadChannel,
        until: u64,
        total: u64,
    ) -> Result<Option<u64>, Aborted> {
        let Self::Stream { buffer, ended } = self else { return Ok(None) };
        while !*ended && (buffer.end() < until || until >= total) {
            match channel.receive().await? {
                Some(bytes) => buffer.push(bytes),
                None => *ended = true,
            }
        }
        Ok(ended.then(|| buffer.end()))
    }

    /// Returns at most `size` bytes from the position `at` in the file on.
    ///
    /// # Errors
    /// `Unexpected` if the bytes were discarded or cannot be read, and `Conflict` if a local file
    /// has become shorter.
    pub(super) async fn bytes(&self, at: u64, size: u64) -> Result<Buffer> {
        match self {
            Self::Stream { buffer, .. } => buffer.slice(at, size),
            Self::Whole { body, snapshot, .. } => {
                let len = size.min(body.len().saturating_sub(at));
                let read = spool::read(body, at, len).await;
                read.map_err(|error| read_error(snapshot.as_ref(), error))
            }
        }
    }

    /// Like [`bytes`](Self::bytes), but uses the bytes that were read ahead. If the bytes are the
    /// last ones of a local file, first checks that the file is unchanged.
    ///
    /// # Errors
    /// Those of [`bytes`](Self::bytes), and `Conflict` if a local file was changed.
    pub(super) async fn fragment(&mut self, at: u64, size: u64) -> Result<Buffer> {
        let mut bytes = Buffer::new();
        if let Self::Whole { snapshot, read_ahead, .. } = self
            && let Some(read_ahead) = read_ahead.take()
        {
            let read = read_ahead.bytes(at, size).await;
            bytes = read.map_err(|error| read_error(snapshot.as_ref(), error))?;
        }
        let len = bytes.len() as u64;
        if len < size {
            let rest = self.bytes(at + len, size - len).await?;
            bytes = Iterator::chain(bytes, rest).collect();
        }
        if let Self::Whole { body, snapshot: Some(snapshot), .. } = self
            && at + bytes.len() as u64 == body.len()
        {
            snapshot.check()?;
        }
        Ok(bytes)
    }

    /// Starts to read at most `size` bytes from the position `at` on in the background. Does
    /// nothing if the bytes are not in a file, or if no permit is available: a permit limits the
    /// memory of all uploads.
    pub(super) fn start_read_ahead(&mut self, at: u64, size: u64, permits: &Arc<Semaphore>) {
        let Self::Whole { body: body @ Body::File { .. }, read_ahead, .. } = self else { return };
        let len = size.min(body.len().saturating_sub(at));
        if len == 0 {
            return;
        }
        let Ok(permit) = Arc::clone(permits).try_acquire_owned() else { return };
        let body = body.clone();
        let task = spawn_blocking(move || Ok((spool::read_blocking(&body, at, len)?, permit)));
        *read_ahead = Some(ReadAhead { at, len, task });
    }

    /// Discards the bytes before the position `at`, because the cloud has them. Does nothing for a
    /// complete body.
    pub(super) fn discard_before(&mut self, at: u64) {
        if let Self::Stream { buffer, .. } = self {
            buffer.discard_before(at);
        }
    }

    /// Returns the whole body, to be sent in one request, and the snapshot of a local file of the
    /// caller. Receives the remaining bytes of a stream, none of which may have been discarded, until
    /// the writer closes the channel; `channel` is `None` if the upload has no writer.
    ///
    /// # Errors
    /// `Unexpected` if bytes were discarded, or if the temporary file for a stream cannot be created
    /// or written; [`Aborted`] if the writer aborts the upload.
    pub(super) async fn into_whole(
        self,
        channel: Option<&UploadChannel>,
        total: u64,
    ) -> Result<(Body, Option<FileSnapshot>), UploadError> {
        let (buffer, ended) = match self {
            Self::Whole { body, snapshot, .. } => return Ok((body, snapshot)),
            Self::Stream { buffer, ended } => (buffer, ended),
        };
        let mut spool = Spool::new(Some(total))?;
        spool.push(buffer.slice(0, buffer.end())?).await?;
        drop(buffer);
        if let (Some(channel), false) = (channel, ended) {
            while let Some(bytes) = channel.receive().await? {
                spool.push(bytes).await?;
            }
        }
        Ok((spool.into_body().await?, None))
    }

    /// Returns whether all bytes can be read at any time.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Whole { .. })
    }

    /// Returns whether the bytes from the position `at` on can still be read.
    pub(super) fn is_available_from(&self, at: u64) -> bool {
        match self {
            Self::Stream { buffer, .. } => at >= buffer.start(),
            Self::Whole { .. } => true,
        }
    }
}

/// Converts an error of reading the body. `snapshot` is that of the caller's local file; without
/// one, the bytes are in the spool's temporary file.
fn read_error(snapshot: Option<&FileSnapshot>, error: io::Error) -> Error {
    match snapshot {
        Some(snapshot) => snapshot.read_error(error),
        None => spool::temporary_file_error(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::ErrorKind;

    /// Returns a file with these bytes, and the body of it.
    fn file(bytes: &[u8]) -> (tempfile::NamedTempFile, UploadBody) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let opened = Arc::new(file.reopen().unwrap());
        let snapshot = FileSnapshot::take(&opened, Some(file.path())).unwrap();
        (file, UploadBody::from_file(opened, snapshot))
    }

    async fn wait_for_read_ahead(body: &UploadBody) {
        let UploadBody::Whole { read_ahead: Some(ahead), .. } = body else {
            panic!("nothing is being read")
        };
        while !ahead.task.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_fragment_uses_the_bytes_read_ahead_and_reads_the_missing_ones() {
        let permits = Arc::new(Semaphore::new(1));
        for (at, size, expected) in
            [(4, 4, "4567"), (4, 2, "45"), (6, 4, "6789"), (4, 6, "456789"), (0, 6, "012345")]
        {
            let (_file, mut body) = file(b"0123456789");
            body.start_read_ahead(4, 4, &permits);
            wait_for_read_ahead(&body).await;
            assert_eq!(body.fragment(at, size).await.unwrap().to_vec(), expected.as_bytes());
            assert_eq!(permits.available_permits(), 1, "{at}+{size}");
        }
        let (file, mut body) = file(b"0123456789");
        body.start_read_ahead(4, 4, &permits);
        wait_for_read_ahead(&body).await;
        // Bytes in memory are not read again.
        std::fs::write(file.path(), "").unwrap();
        assert_eq!(body.fragment(4, 4).await.unwrap().to_vec(), b"4567");
        let error = body.fragment(8, 2).await.unwrap_err();
        let path = file.path().display().to_string();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains(&path), "{error}");
    }

    #[tokio::test]
    async fn only_one_file_is_read_ahead_and_nothing_after_its_end() {
        let permits = Arc::new(Semaphore::new(1));
        let ((_one, mut first), (_other, mut second)) = (file(b"0123"), file(b"0123"));
        first.start_read_ahead(4, 4, &permits);
        assert_eq!(permits.available_permits(), 1);
        first.start_read_ahead(0, 8, &permits);
        second.start_read_ahead(0, 4, &permits);
        assert!(matches!(&second, UploadBody::Whole { read_ahead: None, .. }));
        assert_eq!(second.fragment(0, 4).await.unwrap().to_vec(), b"0123");
        assert_eq!(first.fragment(0, 4).await.unwrap().to_vec(), b"0123");
        second.start_read_ahead(0, 4, &permits);
        assert!(matches!(&second, UploadBody::Whole { read_ahead: Some(_), .. }));
    }
}
