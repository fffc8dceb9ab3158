//! Downloads: byte ranges, streams and content checks.

use std::{fmt, ops::Range, pin::Pin};

use async_trait::async_trait;
use futures::Stream;
use opendal::Buffer;

use super::{DownloadUrl, Item, Result};

/// The bytes of a file to read. Exhaustive, because a drive must handle each variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// The whole file.
    Full,
    /// From this offset to the end of the file.
    From(u64),
    /// From `start` to `end`, or to the end of a shorter file.
    Span(Range<u64>),
    /// The last bytes of the file: this number, or all of a shorter file.
    Last(u64),
}

/// A stream of bytes. `Sync`, because OpenDAL's bodies are.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Buffer>> + Send + Sync>>;

/// The bytes of a file while they arrive.
///
/// The stream has exactly the bytes of [`range`](Self::range), even if the cloud ignored the
/// requested range and sent the whole file.
#[non_exhaustive]
pub struct Download {
    /// Size of the whole file in bytes.
    pub total: u64,
    /// The range of [`bytes`](Self::bytes) within the file.
    pub range: Range<u64>,
    /// Etag of the file, comparable with [`Item::etag`]. `None` if the response does not name the
    /// version of the bytes.
    pub etag: Option<String>,
    /// The download URL that the drive used; the caller reuses it for further ranges.
    pub download_url: Option<DownloadUrl>,
    /// Current metadata of the file. `None` if the drive did not have to request it.
    pub item: Option<Box<Item>>,
    /// The bytes. The stream ends with an error if the response is shorter than promised.
    pub bytes: ByteStream,
    /// Compares the bytes with the hash that the cloud reports for the file. `None` if `range` is
    /// not the whole file, or if the cloud reports no hash.
    pub check: Option<Box<dyn ContentCheck>>,
}

impl Download {
    /// Returns the bytes of `range`, of a file of `total` bytes.
    pub fn new(total: u64, range: Range<u64>, bytes: ByteStream) -> Self {
        Self { total, range, etag: None, download_url: None, item: None, bytes, check: None }
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("total", &self.total)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// Compares the bytes of a whole file with its hash while they arrive.
#[async_trait]
pub trait ContentCheck: Send + Sync {
    /// Adds the next bytes of the file.
    fn update(&mut self, bytes: &Buffer);

    /// Compares the hash after the last byte.
    ///
    /// # Errors
    /// `Unexpected` if the bytes do not match the file's hash.
    async fn finish(self: Box<Self>) -> Result<()>;
}
