//! The bytes of files: streamed, stored, and their hashes.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use futures::Stream;

use super::{Media, sql};

/// A stream of a file's bytes, from a client or to one.
pub type Bytestream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// All hashes that a protocol shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hashes {
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-1.
    pub sha1: [u8; 20],
    /// SHA-256.
    pub sha256: [u8; 32],
    /// OneDrive's quickXorHash.
    pub quick_xor: [u8; 20],
}

/// The stored bytes of a file. Versions and copies share them.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// The number of the content in the server.
    pub no: i64,
    /// Size in bytes.
    pub size: u64,
    /// Hashes of the bytes.
    pub hashes: Hashes,
    /// Metadata of a photo, audio file or video; `None` for other files.
    pub media: Option<Arc<Media>>,
}

/// Bytes that are stored and do not belong to an item yet.
#[derive(Debug)]
pub struct Stored {
    /// Size in bytes.
    pub size: u64,
    /// Hashes of the bytes.
    pub hashes: Hashes,
    /// Metadata; see [`Content::media`].
    pub media: Option<Arc<Media>>,
    /// Where the storage has the bytes.
    pub(super) at: sql::Place,
}

/// A comparison of the stored blobs with those that contents and open upload sessions refer to. While
/// bytes are written or removed, the numbers may differ for a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Audit {
    /// Number of stored blobs.
    pub blobs: u64,
    /// Stored blobs that nothing refers to. A crash leaves them; the next start removes them.
    pub orphans: u64,
    /// Blobs that are referred to and do not exist.
    pub missing: u64,
    /// Blobs that are referred to and have another size than the database says.
    pub damaged: u64,
}
