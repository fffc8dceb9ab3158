//! Bytes on their way in and out.

use std::{fmt, fs::File, ops::Range, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::Stream;
use jiff::Timestamp;
use opendal::Buffer;

use super::{Conditions, DownloadUrl, IfExists, Item, Result, Secret};

/// Which bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// All.
    Full,
    /// From this offset to the end.
    From(u64),
    /// These.
    Span(Range<u64>),
    /// The last so many; all of a file that has fewer.
    Last(u64),
}

/// A stream of bytes; `Sync` because OpenDAL's bodies are.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Buffer>> + Send + Sync>>;

/// Bytes of a file on their way: exactly `range`, also where the cloud ignored what was asked.
#[non_exhaustive]
pub struct Download {
    /// Size of the whole file.
    pub total: u64,
    /// What `bytes` are of it.
    pub range: Range<u64>,
    /// The file's etag, comparable with [`Item::etag`]; `None` where only the blob host knows one.
    pub etag: Option<String>,
    /// The download URL that worked, for the next range.
    pub download_url: Option<DownloadUrl>,
    /// The file's item, if the drive had to ask for it on the way.
    pub item: Option<Box<Item>>,
    /// The bytes. Ends with an error if there are fewer than promised.
    pub bytes: ByteStream,
    /// Compares the bytes with the hash that the cloud has of the file. Present if `range` is the
    /// whole file and the cloud has told a hash.
    pub check: Option<Box<dyn ContentCheck>>,
}

impl Download {
    /// The bytes of `range`, of a file of `total` bytes.
    pub fn new(total: u64, range: Range<u64>, bytes: ByteStream) -> Self {
        Self { total, range, etag: None, download_url: None, item: None, bytes, check: None }
    }
}

/// Compares the bytes of a whole file with what the cloud says of them, while they arrive.
#[async_trait]
pub trait ContentCheck: Send + Sync {
    /// Takes in the next bytes of the file.
    fn update(&mut self, bytes: &Buffer);

    /// Compares, after the last byte.
    ///
    /// # Errors
    /// `Unexpected` if the bytes are not the file.
    async fn finish(self: Box<Self>) -> Result<()>;
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("total", &self.total)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// Bytes of known length that can be read again from the start, so that a request can be repeated.
#[derive(Clone, Debug)]
pub enum Body {
    /// In memory.
    Memory(Buffer),
    /// The first `len` bytes of a file, read while they are sent.
    File {
        /// Read at offsets; its position is never moved.
        file: Arc<File>,
        /// How many bytes of it.
        len: u64,
    },
}

impl Body {
    /// How many bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(buffer) => buffer.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a file is written.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WriteOptions {
    /// What happens when the name is taken.
    pub if_exists: IfExists,
    /// Compared with what is there now.
    pub conditions: Conditions,
    /// The user's modification time; kept where [`sets_modified`](super::Capabilities::sets_modified).
    pub modified: Option<Timestamp>,
}

/// What a cloud wants of its upload sessions. Sizes in bytes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SessionLimits {
    /// Files from this size on go by session.
    pub min_size: u64,
    /// Every fragment but the last is a multiple of this.
    pub alignment: u64,
    /// The fragment to begin with.
    pub default_fragment: u64,
    /// The largest fragment.
    pub max_fragment: u64,
}

impl SessionLimits {
    /// Sessions for files from `min_size` bytes on, with fragments of one size.
    pub fn new(min_size: u64, fragment: u64) -> Self {
        Self { min_size, alignment: 1, default_fragment: fragment, max_fragment: fragment }
    }
}

/// A large upload under way. Plain data: a journal can keep it and another process go on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UploadSession {
    /// Where fragments go; pre-authenticated in some clouds.
    pub url: Secret,
    /// Size of the whole file.
    pub total: u64,
    /// When the cloud forgets it, where it says so.
    pub expires: Option<Timestamp>,
    /// What else the drive needs to go on.
    pub state: String,
}

impl UploadSession {
    /// A session for a file of `total` bytes, without expiry.
    pub fn new(url: impl Into<Secret>, total: u64, state: impl Into<String>) -> Self {
        Self { url: url.into(), total, expires: None, state: state.into() }
    }
}

/// How an upload session stands.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress {
    /// Continue at this byte; it may be an earlier one.
    Next(u64),
    /// All bytes are there: commit.
    Complete,
    /// The file exists.
    Done(Box<Item>),
}

/// A copy the cloud is working on; plain data.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CopyJob {
    /// Whom to ask.
    pub url: Secret,
    /// What else the drive needs to ask.
    pub state: String,
}

impl CopyJob {
    /// A copy that is asked about at `url`.
    pub fn new(url: impl Into<Secret>, state: impl Into<String>) -> Self {
        Self { url: url.into(), state: state.into() }
    }
}

/// How a copy stands.
#[derive(Debug)]
#[non_exhaustive]
pub enum CopyStatus {
    /// Not ready.
    Running {
        /// To ask with.
        job: CopyJob,
        /// How long the cloud wants not to be asked.
        ask_in: Duration,
    },
    /// The new item, where the cloud described it.
    Done(Option<Box<Item>>),
}
