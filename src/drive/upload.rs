//! Uploads: bodies and upload sessions.

use std::{fs::File, sync::Arc};

use jiff::Timestamp;
use opendal::Buffer;

use super::{Item, Secret};

/// Bytes of known length that can be read again from the start, so that a request can be repeated.
/// Exhaustive, because a drive must handle each variant.
#[derive(Clone, Debug)]
pub enum Body {
    /// Bytes in memory.
    Memory(Buffer),
    /// The first `len` bytes of a file, read while they are sent.
    File {
        /// The file. It is read at offsets; its position never changes.
        file: Arc<File>,
        /// Number of bytes to send.
        len: u64,
    },
}

impl Body {
    /// Returns the number of bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(buffer) => buffer.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// Returns whether the body has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Limits of a cloud's upload sessions. Sizes are in bytes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SessionLimits {
    /// Smallest file that is sent by session.
    pub min_size: u64,
    /// The size of every fragment except the last is a multiple of this.
    pub alignment: u64,
    /// Size of the first fragment.
    pub default_fragment: u64,
    /// Size of the largest fragment.
    pub max_fragment: u64,
}

impl SessionLimits {
    /// Returns limits for files of at least `min_size` bytes, with fragments of one size.
    pub fn new(min_size: u64, fragment: u64) -> Self {
        Self { min_size, alignment: 1, default_fragment: fragment, max_fragment: fragment }
    }
}

/// An upload session. It is plain data: another process can store it and resume the upload.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UploadSession {
    /// URL that receives the fragments; pre-authenticated in some clouds.
    pub url: Secret,
    /// Size of the whole file in bytes.
    pub total: u64,
    /// When the cloud discards the session. `None` if the cloud does not report it.
    pub expires: Option<Timestamp>,
    /// State of the drive's own. Only the drive that opened the session can interpret it.
    pub state: String,
}

impl UploadSession {
    /// Returns a session for a file of `total` bytes, without expiry. `url` receives the fragments,
    /// and `state` is the drive's own.
    pub fn new(url: impl Into<Secret>, total: u64, state: impl Into<String>) -> Self {
        Self { url: url.into(), total, expires: None, state: state.into() }
    }
}

/// The progress of an upload session.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionProgress {
    /// The cloud expects the bytes from this offset on. The offset may be lower than before.
    Next(u64),
    /// The cloud has all bytes; the session must be committed.
    Complete,
    /// The cloud has created the file.
    Done(Box<Item>),
}
