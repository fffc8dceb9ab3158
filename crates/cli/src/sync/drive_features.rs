//! The features of a drive as a side of a transfer.

use std::{borrow::Cow, ffi::OsStr, time::Duration};

use drivedal::{
    adapter::{DriveHandle, known_size, local_name_from_path, path_name_from_local},
    drive::HashKind,
    services::onedrive::QuickXor,
};
use drivedal_transfer::{
    ContentDigest, EndpointFeatures, HashAlgorithm, OmittedEntry, StoredTimes, StreamDigest,
};
use jiff::Timestamp;
use opendal::{Metadata, options::WriteOptions};

use super::same_drive::{item_key, service_key};
use crate::{item, remote::OpenRemote};

/// The coarsest precision of the drives that store times: whole seconds.
const PRECISION: Duration = Duration::from_secs(1);

/// OneDrive's own hash.
const QUICK_XOR: HashAlgorithm =
    HashAlgorithm::new("quickxor", || Box::new(QuickXorDigest(QuickXor::new())));

/// The features of a drive.
#[derive(Debug)]
pub(super) struct DriveFeatures {
    handle: DriveHandle,
    /// Distinguishes the ids of this service from those of others.
    service: String,
}

impl DriveFeatures {
    /// Returns the features of a remote. `None` if it is not a drive.
    pub(super) fn new(remote: &OpenRemote) -> Option<Self> {
        let handle = remote.handle.clone()?;
        Some(Self { handle, service: service_key(remote) })
    }

    /// Returns the features of a drive without a remote.
    #[cfg(test)]
    pub(super) fn from_handle(handle: DriveHandle) -> Self {
        Self { handle, service: String::new() }
    }
}

impl EndpointFeatures for DriveFeatures {
    fn times(&self) -> StoredTimes {
        match self.handle.drive().capabilities().set_modified {
            true => StoredTimes::Set { precision: PRECISION },
            false => StoredTimes::UploadTime,
        }
    }

    fn has_folders(&self) -> bool {
        true
    }

    fn collision_key<'n>(&self, name: &'n str) -> Cow<'n, str> {
        (self.handle.drive().capabilities().collision_key)(name)
    }

    fn reject_name(&self, name: &str) -> Option<&'static str> {
        self.handle.validate_name(name)
    }

    fn path_name<'n>(&self, name: &'n str) -> Cow<'n, str> {
        match self.handle.name_encoding().and_then(|_| path_name_from_local(OsStr::new(name))) {
            Some(name) => name.into(),
            None => name.into(),
        }
    }

    fn plain_name<'n>(&self, path_name: &'n str) -> Cow<'n, str> {
        let plain = self.handle.name_encoding().and_then(|_| local_name_from_path(path_name));
        // A name that is not text keeps the form that it has in paths.
        plain.and_then(|name| name.into_string().ok()).map_or(path_name.into(), Cow::Owned)
    }

    fn size(&self, metadata: &Metadata) -> Option<u64> {
        known_size(metadata)
    }

    fn modified(&self, metadata: &Metadata) -> Option<Timestamp> {
        item::modified(metadata)
    }

    fn digests(&self, path: &str, _: &Metadata) -> Vec<ContentDigest> {
        let hashes = self.handle.cached_item(path).map(|item| item.hashes).unwrap_or_default();
        hashes
            .into_iter()
            .map(|(kind, value)| ContentDigest::new(algorithm(kind), value.into_vec()))
            .collect()
    }

    fn may_rewrite(&self, path: &str) -> bool {
        self.handle
            .cached_item(path)
            .is_some_and(|item| self.handle.drive().may_rewrite_content(&item))
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

    fn item_identity(&self, path: &str) -> Option<String> {
        let item = self.handle.cached_item(path)?;
        Some(format!("{} {}", self.service, item_key(&item.id)))
    }

    fn take_omitted(&self) -> Vec<OmittedEntry> {
        let entry = |entry: drivedal::adapter::LeftOut| {
            OmittedEntry::new(format!("{}{}", entry.folder, entry.name), entry.reason)
        };
        self.handle.take_left_out().into_iter().map(entry).collect()
    }
}

/// Returns the hash function of a kind.
pub(super) fn algorithm(kind: HashKind) -> HashAlgorithm {
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
