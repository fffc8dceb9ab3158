//! Keys of the cached blocks, and their format on disk.

use std::{
    hash::{BuildHasher, Hash, Hasher},
    io::{Read, Write},
    sync::Arc,
};

use bytes::Bytes;
use foyer::{Code, DefaultHasher};

/// Maximum length of a block that is read from disk, in bytes.
pub(super) const MAX_BLOCK_SIZE: u64 = 8 << 20;

/// Maximum length of a key that is read from disk (path and etag), in bytes.
const MAX_KEY_LEN: usize = 1 << 20;

/// Key of a file version: account, path, etag, length and block size. Another version has another
/// key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileKey {
    text: Box<str>,
    hash: u64,
    pub(super) length: u64,
}

impl FileKey {
    /// Creates the key of a version of a file. `identity` is that of the service, `path` the path
    /// of the operator as it was requested (letter case counts), `etag` the etag with its quotes,
    /// `length` the size of the file and `block_size` that of a block, in bytes.
    pub(super) fn new(
        identity: &str,
        path: &str,
        etag: &str,
        length: u64,
        block_size: u64,
    ) -> Self {
        FileKey::from_text(
            format!("{length}\n{block_size}\n{identity}\n{path}\n{etag}").into(),
            length,
        )
    }

    /// Creates a key from its text and the size of the file in bytes.
    fn from_text(text: Box<str>, length: u64) -> Self {
        let hash = DefaultHasher::default().hash_one(&*text);
        Self { text, hash, length }
    }

    /// Returns the whole key as text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Key of a block.
#[derive(Clone, Debug)]
pub(super) struct BlockKey {
    pub(super) file: Arc<FileKey>,
    pub(super) index: u64,
}

impl PartialEq for BlockKey {
    /// Returns whether both are the same block of the same version of a file.
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
            && (Arc::ptr_eq(&self.file, &other.file) || self.file == other.file)
    }
}

impl Eq for BlockKey {}

impl Hash for BlockKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.file.hash);
        state.write_u64(self.index);
    }
}

impl Code for BlockKey {
    /// Writes the index, the length and the text of the key.
    ///
    /// # Errors
    /// Those of the writer.
    fn encode(&self, writer: &mut impl Write) -> foyer::Result<()> {
        (self.index, self.file.length).0.encode(writer)?;
        self.file.length.encode(writer)?;
        Bytes::copy_from_slice(self.file.text.as_bytes()).encode(writer)
    }

    /// Reads a key that [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// `OutOfRange` for a text over [`MAX_KEY_LEN`], `Parse` if it is not UTF-8, and those of the
    /// reader: a block with such a key is damaged.
    fn decode(reader: &mut impl Read) -> foyer::Result<Self> {
        let (index, length) = (u64::decode(reader)?, u64::decode(reader)?);
        let text = String::from_utf8(read_sized(reader, MAX_KEY_LEN)?).map_err(|error| {
            foyer::Error::new(foyer::ErrorKind::Parse, "key").with_source(error)
        })?;
        Ok(Self { file: Arc::new(FileKey::from_text(text.into(), length)), index })
    }

    fn estimated_size(&self) -> usize {
        3 * size_of::<u64>() + self.file.text.len()
    }
}

/// Reads a length and that many bytes.
///
/// # Errors
/// `OutOfRange` if the length exceeds `max`, which is a sign of damage; those of the reader.
pub(super) fn read_sized(reader: &mut impl Read, max: usize) -> foyer::Result<Vec<u8>> {
    let length = usize::decode(reader)?;
    if length > max {
        return Err(foyer::Error::new(
            foyer::ErrorKind::OutOfRange,
            "the length exceeds the maximum",
        ));
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).map_err(foyer::Error::io_error)?;
    Ok(bytes)
}
