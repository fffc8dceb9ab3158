//! The bytes of files: on their way, taken in, kept.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use futures::Stream;

use super::{Media, sql};

/// A stream of bytes in or out.
pub type Bytestream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// Every hash that one of the protocols shows.
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

/// A file's bytes, as they are kept. Shared by versions and copies.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// Its number in the server.
    pub no: i64,
    /// Bytes.
    pub size: u64,
    /// What they hash to.
    pub hashes: Hashes,
    /// What they say of themselves, if they are a photo, sound or a film.
    pub media: Option<Arc<Media>>,
}

/// Bytes that were taken in and are not yet part of a tree.
#[derive(Debug)]
pub struct Stored {
    /// How many.
    pub size: u64,
    /// What they hash to.
    pub hashes: Hashes,
    /// What they say of themselves; see [`Content::media`].
    pub media: Option<Arc<Media>>,
    /// Where they are; the storage's own.
    pub(super) at: sql::Place,
}

/// The blobs there are, beside those that contents and open upload sessions are made of. While bytes
/// are written, removed or taken in, some are on their way between the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Audit {
    /// Blobs there are.
    pub blobs: u64,
    /// Those of them that nothing names: left by a crash, until they are removed.
    pub orphans: u64,
    /// Blobs that are named and do not exist.
    pub missing: u64,
    /// Blobs that are named and have another size than their database says: cut off, or written over.
    pub damaged: u64,
}
