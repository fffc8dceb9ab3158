//! All hashes of a file's bytes, computed in one pass.

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

use super::{Hashes, quick_xor::QuickXor};

/// The state of the computation of all [`Hashes`]. A fragment uses a clone, so that a failure does not
/// affect the hashes of the bytes before it.
#[derive(Clone, Default)]
pub(super) struct ContentHasher {
    md5: Md5,
    sha1: Sha1,
    sha256: Sha256,
    quick_xor: QuickXor,
}

impl ContentHasher {
    /// Hashes the next bytes of the content.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sha1.update(bytes);
        self.sha256.update(bytes);
        self.quick_xor.update(bytes);
    }

    /// Returns the hashes of all bytes that were added.
    pub(super) fn finish(self) -> Hashes {
        Hashes {
            md5: self.md5.finalize().into(),
            sha1: self.sha1.finalize().into(),
            sha256: self.sha256.finalize().into(),
            quick_xor: self.quick_xor.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_known_bytes_are_the_known_ones() {
        let mut hasher = ContentHasher::default();
        hasher.update(b"a");
        let fork = hasher.clone();
        hasher.update(b"bc");
        let hashes = hasher.finish();
        assert_eq!(hex::encode(hashes.md5), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hex::encode(hashes.sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            hex::encode(hashes.sha256),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(hex::encode(hashes.quick_xor), "6110c31800000000000000000300000000000000");
        assert_eq!(hex::encode(fork.finish().md5), "0cc175b9c0f1b6a831c399e269772661");
    }
}
