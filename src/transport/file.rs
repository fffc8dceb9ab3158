//! Request bodies that are read from a file while they are sent.

use std::{fmt, fs::File, io, sync::Arc};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
#[cfg(feature = "layers")]
use http::Request;
#[cfg(feature = "layers")]
use opendal::Buffer;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::drive::{SourceGuard, UploadProgress};

/// Size in bytes of the chunks of a body that the transport passes to the connection.
pub(super) const CHUNK: usize = 256 << 10;

/// A request body in a file, with bytes before and after it. It is an extension of the request. A
/// clone of the request has it too, so a repeated request reads the file again.
#[derive(Clone)]
pub(super) struct BodySource {
    pub(super) file: Arc<File>,
    /// Number of bytes to send from the file.
    pub(super) file_len: u64,
    /// Bytes of the body before those of the file.
    pub(super) prefix: Bytes,
    /// Bytes of the body after those of the file.
    pub(super) suffix: Bytes,
    pub(super) observer: Option<BodyObserver>,
    pub(super) progress: Option<UploadProgress>,
    pub(super) guard: Option<SourceGuard>,
}

/// The file of a request changed during the request. Never temporary: a repeated request would send
/// a mixture of two versions.
#[derive(Debug)]
pub(super) struct SourceChanged;

impl SourceChanged {
    /// Returns whether this is the cause of a transport's error.
    pub(super) fn caused(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(error) = cause {
            // `io::Error::source` skips the error that it wraps.
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if inner.is_some_and(|inner| inner.is::<Self>()) {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

impl fmt::Display for SourceChanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the file was changed while it was being sent")
    }
}

impl std::error::Error for SourceChanged {}

/// Creates the observer of one attempt of a request. Called again if the request is repeated.
pub(crate) type BodyObserver = Arc<dyn Fn() -> Box<dyn Observer> + Send + Sync>;

/// Observes the bytes of a file while they are sent.
pub(crate) trait Observer: Send {
    /// Receives the next bytes, on a thread that may block.
    fn piece(&mut self, bytes: &[u8]);
    /// Receives the end of the file.
    fn end(self: Box<Self>);
}

impl BodySource {
    /// Returns the size of the whole body in bytes.
    pub(super) fn len(&self) -> u64 {
        self.prefix.len() as u64 + self.file_len + self.suffix.len() as u64
    }

    /// Returns the whole body as a stream. Each call reads the file from its start.
    ///
    /// # Errors
    /// The stream ends with the system's error, with `UnexpectedEof` if the file is shorter than
    /// [`file_len`](Self::file_len), or with [`SourceChanged`].
    pub(super) fn stream(&self) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<> {
        let once = |bytes: &Bytes| stream::iter((!bytes.is_empty()).then(|| Ok(bytes.clone())));
        let chunks = stream::unfold(FileReader::Start(self.clone()), FileReader::next);
        once(&self.prefix).chain(chunks).chain(once(&self.suffix))
    }
}

/// Returns the size in bytes of a request's body that is in a file. `None` if it is in memory.
#[cfg(feature = "layers")]
pub(crate) fn len_in_file(request: &Request<Buffer>) -> Option<u64> {
    request.extensions().get::<BodySource>().map(BodySource::len)
}

impl fmt::Debug for BodySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodySource").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Reads a file one chunk ahead: while a chunk is sent, a blocking task reads and observes the next
/// one.
///
/// Measured with 2 GiB from the page cache to a loopback socket on two cores: 3.3 GB/s instead of
/// 2.0 GB/s without read-ahead. With an MD5 observer 0.53 GB/s; MD5 alone reaches 0.65 GB/s.
enum FileReader {
    Start(BodySource),
    /// The next chunk is being read. `JoinHandle` makes the state `Sync`.
    Ahead(JoinHandle<io::Result<(Bytes, ReadPosition)>>),
    End,
}

/// The position of a [`FileReader`] in its file.
struct ReadPosition {
    file: Arc<File>,
    /// Offset of the next chunk.
    at: u64,
    len: u64,
    observer: Option<Box<dyn Observer>>,
    progress: Option<UploadProgress>,
    guard: Option<SourceGuard>,
}

impl FileReader {
    /// Returns the next chunk of the file and the reader after it; `None` at the end.
    ///
    /// # Errors
    /// The chunk is the system's error if the file cannot be read or is shorter, or
    /// [`SourceChanged`].
    async fn next(self) -> Option<(io::Result<Bytes>, Self)> {
        let reading = match self {
            Self::Start(BodySource { file, file_len: len, observer, progress, guard, .. }) => {
                let observer = observer.map(|create| create());
                ReadPosition { file, at: 0, len, observer, progress, guard }.read_ahead()
            }
            other => other,
        };
        let Self::Ahead(read) = reading else { return None };
        match read.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok((chunk, position)) => Some((Ok(chunk), position.read_ahead())),
            // The file is shorter than announced: the request must not appear complete.
            Err(error) => Some((Err(error), Self::End)),
        }
    }
}

impl ReadPosition {
    /// Checks with the guard, if there is one, that the file is unchanged. `all_read` is whether
    /// all its bytes have been read.
    ///
    /// # Errors
    /// [`SourceChanged`] if it has changed.
    fn check_unchanged(&self, all_read: bool) -> io::Result<()> {
        match &self.guard {
            Some(guard) if !guard.is_unchanged(all_read) => Err(io::Error::other(SourceChanged)),
            _ => Ok(()),
        }
    }

    /// Starts a task that reads the next chunk.
    fn read_ahead(mut self) -> FileReader {
        let want = usize::try_from(self.len - self.at).unwrap_or(CHUNK).min(CHUNK);
        if want == 0 {
            if let Some(observer) = self.observer {
                observer.end();
            }
            return FileReader::End;
        }
        FileReader::Ahead(spawn_blocking(move || {
            let mut chunk = vec![0; want];
            if self.at == 0 {
                self.check_unchanged(false)?;
            }
            read_exact_at(&self.file, &mut chunk, self.at)?;
            if self.at + want as u64 == self.len {
                self.check_unchanged(true)?;
            }
            if let Some(observer) = &mut self.observer {
                observer.piece(&chunk);
            }
            self.at += want as u64;
            if let Some(progress) = &self.progress {
                progress.report(self.at);
            }
            Ok((Bytes::from(chunk), self))
        }))
    }
}

/// Fills `buffer` from an offset of a file. The file's position does not change on Unix; on Windows
/// it changes.
///
/// # Errors
/// `UnexpectedEof` if the file ends before the buffer is full, or the operating system's error.
#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
}

/// Fills `buffer` from an offset of a file.
///
/// # Errors
/// `UnexpectedEof` if the file ends before the buffer is full, or the operating system's error.
#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut buffer: &mut [u8], mut at: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                buffer = &mut buffer[n..];
                at += n as u64;
            }
        }
    }
    Ok(())
}
