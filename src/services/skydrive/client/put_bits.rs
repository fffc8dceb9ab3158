//! The upload of a whole file by BITS, for users of the unbiased client.

use std::pin::Pin;

use futures::{AsyncRead, AsyncReadExt, StreamExt};
use opendal::Buffer;

use super::{
    Client,
    bits::{BITS_FRAGMENT, BITS_FRAGMENT_MAX, BitsTarget},
};
use crate::drive::{Body, ByteStream, Context, Error, ErrorKind, Result, Secret};

/// Content of a file for [`put_bits`](Client::put_bits), with its size.
pub struct BitsSource(PartSource);

/// The forms of a [`BitsSource`].
enum PartSource {
    Body(Body),
    Stream { total: u64, bytes: ByteStream, buffered: Buffer },
    Reader { total: u64, reader: Pin<Box<dyn AsyncRead + Send + Sync>> },
}

impl BitsSource {
    /// Creates a source from bytes in memory or in a file. They can be read again, so that an upload
    /// can continue at any offset.
    pub fn from_body(body: Body) -> Self {
        Self(PartSource::Body(body))
    }

    /// Creates a source from a stream, for a file of `total` bytes. With
    /// [`resume`](BitsOptions::resume) the stream contains only the missing bytes.
    pub fn from_stream(total: u64, bytes: ByteStream) -> Self {
        Self(PartSource::Stream { total, bytes, buffered: Buffer::new() })
    }

    /// Creates a source from a reader, for a file of `total` bytes. With
    /// [`resume`](BitsOptions::resume) the reader contains only the missing bytes.
    pub fn from_reader(total: u64, reader: impl AsyncRead + Send + Sync + 'static) -> Self {
        Self(PartSource::Reader { total, reader: Box::pin(reader) })
    }

    /// Returns the size of the whole file in bytes.
    fn total(&self) -> u64 {
        match &self.0 {
            PartSource::Body(body) => body.len(),
            PartSource::Stream { total, .. } | PartSource::Reader { total, .. } => *total,
        }
    }

    /// Returns whether the bytes can be read repeatedly and at any offset.
    fn is_seekable(&self) -> bool {
        matches!(self.0, PartSource::Body(_))
    }

    /// Reads exactly `len` bytes at `offset`. A source that is not seekable must be at that offset
    /// already.
    ///
    /// # Errors
    /// `InvalidInput` if the source ends early; `Unexpected` if a reader or a file cannot be read;
    /// the error of a stream.
    async fn read(&mut self, offset: u64, len: u64) -> Result<Buffer> {
        let too_short = || {
            Error::new(ErrorKind::InvalidInput, "the source has fewer bytes than its declared size")
        };
        match &mut self.0 {
            PartSource::Body(body) => crate::adapter::slice(body, offset, len).await,
            PartSource::Stream { bytes, buffered, .. } => {
                let wanted = usize::try_from(len).map_err(|_| too_short())?;
                let mut chunks = Vec::new();
                chunks.extend(std::mem::take(buffered));
                let mut available: usize = chunks.iter().map(|chunk| chunk.len()).sum();
                while available < wanted {
                    let chunk = bytes.next().await.ok_or_else(too_short)??;
                    available += chunk.len();
                    chunks.extend(chunk);
                }
                let all = Buffer::from(chunks);
                *buffered = all.slice(wanted..);
                Ok(all.slice(..wanted))
            }
            PartSource::Reader { reader, .. } => {
                let mut bytes = vec![0; usize::try_from(len).map_err(|_| too_short())?];
                reader.read_exact(&mut bytes).await.map_err(|source| {
                    let text = format!("cannot read the source: {source}");
                    Error::new(ErrorKind::Unexpected, text).with_source(source)
                })?;
                Ok(Buffer::from(bytes))
            }
        }
    }
}

/// Maximum number of consecutive fragments without progress.
const STALLED_MAX: u32 = 10;

/// Options of [`put_bits`](Client::put_bits).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct BitsOptions {
    /// Size of a fragment in bytes, at most [`BITS_FRAGMENT_MAX`]. `None` for [`BITS_FRAGMENT`].
    pub fragment: Option<u64>,
    /// The interrupted upload to resume. `None` for a new upload.
    pub resume: Option<BitsProgress>,
}

impl BitsOptions {
    /// Creates options with fragments of `fragment` bytes.
    pub fn with_fragment(fragment: u64) -> Self {
        Self { fragment: Some(fragment), ..Self::default() }
    }
}

/// Progress of an upload; also the state to resume it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BitsProgress {
    /// URL of the file.
    pub target: BitsTarget,
    /// Id of the session. It is enough to send fragments.
    pub session: Secret,
    /// Number of bytes that the cloud has received.
    pub received: u64,
    /// Size of the file in bytes.
    pub total: u64,
}

impl BitsProgress {
    /// Creates the progress of an open session, from the values of an earlier one.
    pub fn new(target: BitsTarget, session: Secret, received: u64, total: u64) -> Self {
        Self { target, session, received, total }
    }
}

impl Client {
    /// Writes the file `name` in a folder by BITS, in several requests, and returns its id. The file
    /// has at most [`BITS_FILE_MAX`](super::BITS_FILE_MAX) bytes; `folder` is a real id. An existing
    /// file is overwritten. The caller must check the size of the file, which no response contains.
    ///
    /// `progress` is called after the session was opened and after each fragment. Nothing is retried:
    /// after an error, pass the last progress as [`BitsOptions::resume`].
    ///
    /// # Errors
    /// `NotFound` if the session does not exist any more; start a new upload. `RangeNotSatisfied`
    /// if the cloud expects bytes that the source cannot return again. `InvalidInput` if `resume`
    /// belongs to another file, or the source is too short. Otherwise `NotFound`,
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn put_bits(
        &self,
        cx: &Context,
        folder: &str,
        name: &str,
        mut source: BitsSource,
        options: BitsOptions,
        progress: &mut (dyn FnMut(&BitsProgress) + Send),
    ) -> Result<String> {
        let total = source.total();
        let fragment = options.fragment.unwrap_or(BITS_FRAGMENT).clamp(1, BITS_FRAGMENT_MAX);
        let target = BitsTarget::new(folder, name)?;
        let mut state = match options.resume {
            Some(state) if state.target != target || state.total != total => {
                let text = "cannot resume the upload: it is of another file";
                return Err(Error::new(ErrorKind::InvalidInput, text));
            }
            Some(state) => state,
            None => {
                let session = self.bits_create(cx, &target).await?.id;
                BitsProgress::new(target, session, 0, total)
            }
        };
        progress(&state);
        let (mut furthest, mut stalled) = (state.received, 0);
        while state.received < total {
            self.send_next_fragment(cx, &mut source, &mut state, fragment).await?;
            if state.received > total {
                return Err(unexpected_offset(state.received, total));
            }
            stalled = if state.received > furthest { 0 } else { stalled + 1 };
            if stalled > STALLED_MAX {
                return Err(unexpected_offset(state.received, furthest));
            }
            furthest = furthest.max(state.received);
            progress(&state);
        }
        self.bits_close(cx, &state.target, &state.session).await
    }

    /// Sends at most `fragment` bytes at `state.received`, and updates it.
    ///
    /// The cloud may accept only a part of them. The rest is sent at once if the source is not
    /// seekable, because it cannot return the bytes again.
    ///
    /// # Errors
    /// `RangeNotSatisfied` if the cloud expects bytes that the source cannot return again; those of
    /// reading the source and of [`bits_fragment`](Self::bits_fragment).
    async fn send_next_fragment(
        &self,
        cx: &Context,
        source: &mut BitsSource,
        state: &mut BitsProgress,
        fragment: u64,
    ) -> Result<()> {
        let (mut offset, total) = (state.received, state.total);
        let mut bytes = source.read(offset, fragment.min(total - offset)).await?;
        let end = offset + bytes.len() as u64;
        loop {
            let body = Body::Memory(bytes.clone());
            let (target, session) = (&state.target, &state.session);
            let ack = self.bits_fragment(cx, target, session, offset, total, body).await?;
            state.received = ack.next;
            if ack.next == end || source.is_seekable() && ack.next != offset {
                return Ok(());
            }
            if !(offset + 1..end).contains(&ack.next) {
                return Err(unexpected_offset(ack.next, offset));
            }
            bytes = bytes.slice(usize::try_from(ack.next - offset).unwrap_or(usize::MAX)..);
            offset = ack.next;
        }
    }
}

/// Returns the `RangeNotSatisfied` error for a cloud that expects the byte `expected` while the
/// source is at the byte `offset`.
fn unexpected_offset(expected: u64, offset: u64) -> Error {
    let text = format!(
        "cannot continue the upload: the cloud expects byte {expected}, the source is at byte \
         {offset}"
    );
    Error::new(ErrorKind::RangeNotSatisfied, text)
}
