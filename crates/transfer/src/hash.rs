//! Hashes of contents: those that services list, and those that are computed from bytes.

use std::{borrow::Cow, fmt};

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::Sha256;

/// A hash of a file's content.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContentDigest {
    algorithm: Cow<'static, str>,
    value: Vec<u8>,
}

impl ContentDigest {
    /// Returns the hash `value` of the algorithm.
    pub fn new(algorithm: HashAlgorithm, value: impl Into<Vec<u8>>) -> Self {
        Self { algorithm: Cow::Borrowed(algorithm.name), value: value.into() }
    }

    /// Returns the name of the algorithm, such as `md5`.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// Returns the bytes of the hash.
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ContentDigest {
    /// Writes the algorithm and the hash in hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, hex::encode(&self.value))
    }
}

/// Computes a hash from the bytes of a file, in order.
pub trait StreamDigest: Send {
    /// Adds bytes.
    fn update(&mut self, bytes: &[u8]);

    /// Returns the hash of all bytes.
    fn finish(self: Box<Self>) -> Vec<u8>;
}

/// A hash function. Two algorithms are the same if their names are equal.
#[derive(Clone, Copy)]
pub struct HashAlgorithm {
    name: &'static str,
    start: fn() -> Box<dyn StreamDigest>,
}

impl HashAlgorithm {
    /// MD5, 16 bytes.
    pub const MD5: Self = Self::new("md5", || Box::new(RustCrypto(Md5::new())));
    /// SHA-1, 20 bytes.
    pub const SHA1: Self = Self::new("sha1", || Box::new(RustCrypto(Sha1::new())));
    /// SHA-256, 32 bytes.
    pub const SHA256: Self = Self::new("sha256", || Box::new(RustCrypto(Sha256::new())));

    /// The algorithms that every endpoint supports.
    pub(crate) const STANDARD: [Self; 3] = [Self::MD5, Self::SHA1, Self::SHA256];

    /// Returns an algorithm by its name and a function that starts a computation.
    pub const fn new(name: &'static str, start: fn() -> Box<dyn StreamDigest>) -> Self {
        Self { name, start }
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Starts a computation.
    pub fn start(self) -> Box<dyn StreamDigest> {
        (self.start)()
    }

    /// Returns the hash of `bytes`.
    pub fn digest(self, bytes: &[u8]) -> ContentDigest {
        let mut digest = self.start();
        digest.update(bytes);
        ContentDigest::new(self, digest.finish())
    }
}

impl fmt::Debug for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HashAlgorithm").field(&self.name).finish()
    }
}

impl PartialEq for HashAlgorithm {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for HashAlgorithm {}

/// A hash function of the RustCrypto project.
struct RustCrypto<D>(D);

impl<D: Digest + Send> StreamDigest for RustCrypto<D> {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_the_standard_algorithms_have_the_published_values() {
        for (algorithm, expected) in [
            (HashAlgorithm::MD5, "md5 900150983cd24fb0d6963f7d28e17f72"),
            (HashAlgorithm::SHA1, "sha1 a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                HashAlgorithm::SHA256,
                "sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ] {
            assert_eq!(algorithm.digest(b"abc").to_string(), expected);
        }
    }
}
