//! A whole upload by BITS, for users of the unbiased client.

use std::pin::Pin;

use futures::{AsyncRead, AsyncReadExt, StreamExt};
use opendal::Buffer;

use super::{
    Client,
    bits::{BITS_FRAGMENT, BITS_FRAGMENT_MAX, BitsTarget},
};
use crate::drive::{Body, ByteStream, Context, Error, ErrorKind, Result, Secret};

/// Where the bytes of [`put_bits`](Client::put_bits) come from, and how many there are.
pub struct BitsSource(Source);

enum Source {
    Body(Body),
    Stream { total: u64, bytes: ByteStream, left_over: Buffer },
    Reader { total: u64, reader: Pin<Box<dyn AsyncRead + Send + Sync>> },
}

impl BitsSource {
    /// Bytes in memory or in a file: they can be read again, so an upload goes on wherever the
    /// cloud wants.
    pub fn body(body: Body) -> Self {
        Self(Source::Body(body))
    }

    /// A stream of `total` bytes. After [`resume`](BitsOptions::resume), of those that are missing.
    pub fn stream(total: u64, bytes: ByteStream) -> Self {
        Self(Source::Stream { total, bytes, left_over: Buffer::new() })
    }

    /// What a reader gives, `total` bytes. After [`resume`](BitsOptions::resume), those that are
    /// missing.
    pub fn reader(total: u64, reader: impl AsyncRead + Send + Sync + 'static) -> Self {
        Self(Source::Reader { total, reader: Box::pin(reader) })
    }

    fn total(&self) -> u64 {
        match &self.0 {
            Source::Body(body) => body.len(),
            Source::Stream { total, .. } | Source::Reader { total, .. } => *total,
        }
    }

    fn reads_anywhere(&self) -> bool {
        matches!(self.0, Source::Body(_))
    }

    /// The next `len` bytes, which are those at `at`.
    async fn bytes(&mut self, at: u64, len: u64) -> Result<Buffer> {
        let short =
            || Error::new(ErrorKind::InvalidInput, "the source has fewer bytes than it said");
        match &mut self.0 {
            Source::Body(body) => crate::adapter::slice(body, at, len).await,
            Source::Stream { bytes, left_over, .. } => {
                let wanted = usize::try_from(len).map_err(|_| short())?;
                let mut pieces = Vec::new();
                pieces.extend(std::mem::take(left_over));
                let mut have: usize = pieces.iter().map(|piece| piece.len()).sum();
                while have < wanted {
                    let piece = bytes.next().await.ok_or_else(short)??;
                    have += piece.len();
                    pieces.extend(piece);
                }
                let all = Buffer::from(pieces);
                *left_over = all.slice(wanted..);
                Ok(all.slice(..wanted))
            }
            Source::Reader { reader, .. } => {
                let mut bytes = vec![0; usize::try_from(len).map_err(|_| short())?];
                reader.read_exact(&mut bytes).await.map_err(|source| {
                    Error::new(ErrorKind::Unexpected, format!("the source: {source}"))
                        .with_source(source)
                })?;
                Ok(Buffer::from(bytes))
            }
        }
    }
}

/// How many fragments in a row may leave the upload where it has been before.
const STALLED_MAX: u32 = 10;

/// How [`put_bits`](Client::put_bits) sends.
#[derive(Clone, Debug, Default)]
pub struct BitsOptions {
    /// Bytes of a fragment; `None`: [`BITS_FRAGMENT`]. At most [`BITS_FRAGMENT_MAX`].
    pub fragment: Option<u64>,
    /// Goes on with an upload that broke off.
    pub resume: Option<BitsProgress>,
}

/// How an upload stands; what is needed to go on with it.
#[derive(Clone, Debug)]
pub struct BitsProgress {
    /// Where the file goes.
    pub target: BitsTarget,
    /// The session's id. Whoever has it can add to the file.
    pub session: Secret,
    /// Bytes that the cloud has.
    pub received: u64,
    /// Bytes of the whole file.
    pub total: u64,
}

impl Client {
    /// Writes the file `name` in a folder by BITS: up to [`BITS_FILE_MAX`](super::BITS_FILE_MAX)
    /// bytes, in fragments. The folder is named by its real id. A file of that name is replaced. The
    /// new file's id; whether it is whole only a look tells.
    ///
    /// `progress` is told when the session is open and after each fragment. Nothing is repeated:
    /// after a failure, what it was told last goes on as [`BitsOptions::resume`].
    ///
    /// # Errors
    /// `NotFound`: the session is lost, and the upload has to begin anew. `Range` if the cloud wants
    /// bytes that the source has given already. And those of the requests.
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
        let mut at = match options.resume {
            Some(before) if before.target != target || before.total != total => {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    "the upload to go on with is of another file",
                ));
            }
            Some(before) => before,
            None => {
                let session = self.bits_create(cx, &target).await?.session;
                BitsProgress { target, session, received: 0, total }
            }
        };
        progress(&at);
        let (mut furthest, mut stalled) = (at.received, 0);
        while at.received < total {
            let offset = at.received;
            let mut bytes = source.bytes(offset, fragment.min(total - offset)).await?;
            let end = offset + bytes.len() as u64;
            // Of bytes that cannot be read again, the cloud may want those that it has not got yet.
            let mut from = offset;
            loop {
                let body = Body::Memory(bytes.clone());
                let sent =
                    self.bits_fragment(cx, &at.target, &at.session, from, total, body).await?;
                at.received = sent.next;
                let inside = (from + 1..end).contains(&sent.next);
                if sent.next == end || source.reads_anywhere() && sent.next != from {
                    break;
                }
                if !inside {
                    return Err(wants_others(sent.next, from));
                }
                bytes = bytes.slice(usize::try_from(sent.next - from).unwrap_or(usize::MAX)..);
                from = sent.next;
            }
            if at.received > total {
                return Err(wants_others(at.received, total));
            }
            stalled = if at.received > furthest { 0 } else { stalled + 1 };
            if stalled > STALLED_MAX {
                return Err(wants_others(at.received, furthest));
            }
            furthest = furthest.max(at.received);
            progress(&at);
        }
        self.bits_close(cx, &at.target, &at.session).await
    }
}

fn wants_others(next: u64, at: u64) -> Error {
    let text = format!("the cloud wants to go on at byte {next}, and the source is at byte {at}");
    Error::new(ErrorKind::RangeNotSatisfied, text)
}
