//! The features of a drive as a side of a transfer.

use std::{borrow::Cow, time::Duration};

use drivedal::{
    adapter::{DriveHandle, known_size},
    drive::HashKind,
    services::onedrive::QuickXor,
};
use drivedal_transfer::{
    ContentDigest, EndpointFeatures, HashAlgorithm, OmittedEntry, StoredTimes, StreamDigest,
};
use jiff::Timestamp;
use opendal::{Metadata, options::WriteOptions};

use crate::item;

/// The coarsest precision of the drives that store times: whole seconds.
const PRECISION: Duration = Duration::from_secs(1);

/// OneDrive's own hash.
const QUICK_XOR: HashAlgorithm =
    HashAlgorithm::new("quickxor", || Box::new(QuickXorDigest(QuickXor::new())));

/// The features of a drive.
#[derive(Debug)]
pub(super) struct DriveFeatures(pub(super) DriveHandle);

impl EndpointFeatures for DriveFeatures {
    fn times(&self) -> StoredTimes {
        match self.0.drive().capabilities().set_modified {
            true => StoredTimes::Set { precision: PRECISION },
            false => StoredTimes::UploadTime,
        }
    }

    fn has_folders(&self) -> bool {
        true
    }

    fn collision_key<'n>(&self, name: &'n str) -> Cow<'n, str> {
        (self.0.drive().capabilities().collision_key)(name)
    }

    fn reject_name(&self, name: &str) -> Option<&'static str> {
        (self.0.drive().capabilities().validate_name)(name)
    }

    fn size(&self, metadata: &Metadata) -> Option<u64> {
        known_size(metadata)
    }

    fn modified(&self, metadata: &Metadata) -> Option<Timestamp> {
        item::modified(metadata)
    }

    fn digests(&self, path: &str, _: &Metadata) -> Vec<ContentDigest> {
        let hashes = self.0.cached_item(path).map(|item| item.hashes).unwrap_or_default();
        hashes
            .into_iter()
            .map(|(kind, value)| ContentDigest::new(algorithm(kind), value.into_vec()))
            .collect()
    }

    fn algorithms(&self) -> Vec<HashAlgorithm> {
        vec![QUICK_XOR]
    }

    fn write_options(&self, size: Option<u64>, modified: Option<Timestamp>) -> WriteOptions {
        let mut announce = drivedal::announce();
        if let Some(size) = size {
            announce = announce.size(size);
        }
        if let Some(time) = modified {
            announce = announce.modified(time);
        }
        WriteOptions {
            user_metadata: Some(announce.into_iter().collect()),
            ..WriteOptions::default()
        }
    }

    fn take_omitted(&self) -> Vec<OmittedEntry> {
        let entry = |entry: drivedal::adapter::LeftOut| {
            OmittedEntry::new(format!("{}{}", entry.folder, entry.name), entry.reason)
        };
        self.0.take_left_out().into_iter().map(entry).collect()
    }
}

/// Returns the hash function of a kind.
fn algorithm(kind: HashKind) -> HashAlgorithm {
    match kind {
        HashKind::QuickXor => QUICK_XOR,
        HashKind::Md5 => HashAlgorithm::MD5,
        HashKind::Sha1 => HashAlgorithm::SHA1,
        HashKind::Sha256 => HashAlgorithm::SHA256,
    }
}

/// Computes OneDrive's own hash.
struct QuickXorDigest(QuickXor);

impl StreamDigest for QuickXorDigest {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.0.finish().to_vec()
    }
}
