//! The bytes of files: pseudo-random, the same in every run, and computed without a copy of the file.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};

/// Number of bytes after which the bytes of a file repeat. It is a prime: no block size divides it, so
/// bytes at a wrong offset differ from the expected ones.
const PERIOD: u64 = 1_048_583;

/// Maximum length of a chunk in bytes.
const CHUNK: u64 = 1 << 20;

/// One period, and the start of the next one, so that a chunk at any offset is one slice.
static POOL: LazyLock<Bytes> = LazyLock::new(|| {
    let mut random = fastrand::Rng::with_seed(0x6472_6976_6564_616c);
    let mut pool = vec![0; PERIOD as usize];
    random.fill(&mut pool);
    pool.extend_from_within(..CHUNK as usize);
    pool.into()
});

/// The content of a file. It does not compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Position in the pool of the first byte.
    start: u64,
    len: u64,
}

impl Content {
    /// Returns the content of a file of `len` bytes. Different seeds below 1,048,583 give different
    /// bytes.
    pub fn new(seed: u64, len: u64) -> Self {
        // A factor without a common divisor with the period: neighbouring seeds are far apart.
        Self { start: seed % PERIOD * 7_919 % PERIOD, len }
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether the content has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the bytes from an offset on: at most 1 MiB, and none at the end. They are not copied.
    pub fn chunk_at(&self, offset: u64) -> Bytes {
        let from = (self.start + offset % PERIOD) % PERIOD;
        let len = self.len.saturating_sub(offset).min(CHUNK);
        POOL.slice(from as usize..(from + len) as usize)
    }

    /// Returns the chunks of the content, in order.
    pub fn chunks(self) -> impl Iterator<Item = Bytes> + Send {
        (0..self.len.div_ceil(CHUNK)).map(move |number| self.chunk_at(number * CHUNK))
    }

    /// Returns all bytes. Up to 1 MiB they are not copied.
    pub fn to_bytes(&self) -> Bytes {
        if self.len <= CHUNK {
            return self.chunk_at(0);
        }
        let mut whole = BytesMut::with_capacity(self.len as usize);
        self.chunks().for_each(|chunk| whole.extend_from_slice(&chunk));
        whole.freeze()
    }

    /// Returns whether `bytes` are the content's bytes from `offset` on.
    pub fn matches(&self, offset: u64, bytes: &[u8]) -> bool {
        let mut offset = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let expected = self.chunk_at(offset);
            let len = expected.len().min(rest.len());
            if len == 0 || rest[..len] != expected[..len] {
                return false;
            }
            offset += len as u64;
            rest = &rest[len..];
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_the_whole_content() {
        let content = Content::new(12, 3 * CHUNK + 5);
        let joined: Vec<u8> = content.chunks().flat_map(|chunk| chunk.to_vec()).collect();
        assert_eq!(joined.len() as u64, content.len());
        assert_eq!(content.to_bytes(), joined);
        assert!(content.matches(0, &joined));
        assert!(content.matches(CHUNK + 3, &joined[CHUNK as usize + 3..]));
    }

    #[test]
    fn bytes_of_another_file_or_offset_or_beyond_the_end_do_not_match() {
        let content = Content::new(1, 4 << 20);
        let bytes = content.chunk_at(0);
        assert!(!Content::new(2, 4 << 20).matches(0, &bytes));
        for wrong in [1, 4_096, 65_536, CHUNK, 2 * CHUNK] {
            assert!(!content.matches(wrong, &bytes), "{wrong}");
        }
        assert!(!Content::new(1, 10).matches(0, &bytes[..11]));
        assert!(Content::new(1, 10).matches(10, &[]));
    }
}
