//! Hashes of downloads: the hash that the cloud lists, and the hash of the received bytes.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use drivedal::{
    drive::{HashKind, Item},
    services::onedrive::QuickXor,
};
use md5::Md5;
use opendal::Metadata;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The hash that the cloud lists for a file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ExpectedHash {
    kind: HashKind,
    hash: Box<[u8]>,
}

/// Kinds of hashes, the fastest first.
pub(crate) const KINDS: [HashKind; 4] =
    [HashKind::QuickXor, HashKind::Md5, HashKind::Sha1, HashKind::Sha256];

impl ExpectedHash {
    /// Returns the hash of an item that is fastest to compute. `None` if the cloud lists no hash.
    pub(super) fn from_item(item: &Item) -> Option<Self> {
        let find_kind = |wanted| item.hashes.iter().find(|(kind, _)| *kind == wanted);
        KINDS
            .into_iter()
            .find_map(find_kind)
            .map(|(kind, hash)| Self { kind: *kind, hash: hash.clone() })
    }

    /// Returns the MD5 hash in OpenDAL's metadata, for services that are not cloud drives; `None`
    /// if there is none.
    pub(super) fn from_metadata(metadata: &Metadata) -> Option<Self> {
        let hash = BASE64_STANDARD.decode(metadata.content_md5()?).ok()?;
        Some(Self { kind: HashKind::Md5, hash: hash.into() })
    }

    /// Creates a hasher of this kind.
    pub(super) fn hasher(&self) -> Hasher {
        Hasher::new(self.kind)
    }

    /// Returns whether both are the same hash. Hashes of different kinds never match.
    pub(super) fn matches(&self, actual: &ActualHash) -> bool {
        self.kind == actual.0.kind && self.hash == actual.0.hash
    }
}

impl fmt::Display for ExpectedHash {
    /// Writes the kind and the hash, in the cloud's own notation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            // In the cloud's own notation.
            HashKind::QuickXor => write!(f, "quickXorHash {}", BASE64_STANDARD.encode(&self.hash)),
            HashKind::Md5 => write!(f, "MD5 {}", hex::encode(&self.hash)),
            HashKind::Sha1 => write!(f, "SHA-1 {}", hex::encode(&self.hash)),
            HashKind::Sha256 => write!(f, "SHA-256 {}", hex::encode(&self.hash)),
        }
    }
}

/// The hash of the received bytes.
pub(crate) struct ActualHash(ExpectedHash);

impl fmt::Display for ActualHash {
    /// Writes the kind and the hash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ActualHash {
    /// Returns the bytes of the hash.
    pub(crate) fn into_bytes(self) -> Box<[u8]> {
        self.0.hash
    }
}

/// Computes the hash of a stream of bytes.
pub(crate) enum Hasher {
    QuickXor(Box<QuickXor>),
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    /// Creates a hasher of a kind.
    pub(crate) fn new(kind: HashKind) -> Self {
        match kind {
            HashKind::QuickXor => Self::QuickXor(Box::new(QuickXor::new())),
            HashKind::Md5 => Self::Md5(Md5::new()),
            HashKind::Sha1 => Self::Sha1(Sha1::new()),
            HashKind::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    /// Hashes the next bytes of the file.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::QuickXor(hash) => hash.update(bytes),
            Self::Md5(hash) => hash.update(bytes),
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    /// Returns the hash of all bytes that were added.
    pub(crate) fn finish(self) -> ActualHash {
        let (kind, hash): (_, Box<[u8]>) = match self {
            Self::QuickXor(hash) => (HashKind::QuickXor, hash.finish().into()),
            Self::Md5(hash) => (HashKind::Md5, hash.finalize().as_slice().into()),
            Self::Sha1(hash) => (HashKind::Sha1, hash.finalize().as_slice().into()),
            Self::Sha256(hash) => (HashKind::Sha256, hash.finalize().as_slice().into()),
        };
        ActualHash(ExpectedHash { kind, hash })
    }
}

#[cfg(test)]
mod tests {
    use drivedal::drive::ItemKind;

    use super::*;

    #[test]
    fn every_kind_of_hash_is_computed_and_compared() {
        let hashes = [
            (HashKind::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (HashKind::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (HashKind::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ];
        for (kind, hash) in &hashes {
            let mut item = Item::new("i", "n", ItemKind::File);
            item.hashes.push((*kind, hex::decode(hash).expect("hexadecimal").into()));
            let expected = ExpectedHash::from_item(&item).expect("one");
            let actual = |bytes: &[u8]| {
                let mut checksum = expected.hasher();
                bytes.chunks(2).for_each(|piece| checksum.update(piece));
                checksum.finish()
            };
            assert!(expected.matches(&actual(b"abc")), "{kind:?}");
            assert!(!expected.matches(&actual(b"abd")), "{kind:?}");
            assert!(expected.to_string().ends_with(hash));
        }
    }

    #[test]
    fn the_fastest_listed_hash_is_used() {
        let mut item = Item::new("i", "n", ItemKind::File);
        assert!(ExpectedHash::from_item(&item).is_none());
        item.hashes = vec![
            (HashKind::Sha256, Box::from([1; 32])),
            (HashKind::QuickXor, Box::from([2; 20])),
            (HashKind::Sha1, Box::from([3; 20])),
        ];
        let expected = ExpectedHash::from_item(&item).expect("one");
        assert_eq!(expected.kind, HashKind::QuickXor);
        let mut hash = QuickXor::new();
        hash.update(b"abc");
        item.hashes = vec![(HashKind::QuickXor, hash.finish().into())];
        let expected = ExpectedHash::from_item(&item).expect("one");
        let mut checksum = expected.hasher();
        checksum.update(b"abc");
        assert!(expected.matches(&checksum.finish()));
    }
}
