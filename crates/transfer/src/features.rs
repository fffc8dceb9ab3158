//! Properties of a service that OpenDAL has no word for: times, names, hashes.

use std::{borrow::Cow, fmt, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use opendal::{Metadata, options::WriteOptions};

use crate::hash::{ContentDigest, HashAlgorithm};

/// The meaning of the modification times that a service lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoredTimes {
    /// The service lists no times.
    None,
    /// The time when the file was uploaded. A writer cannot set it.
    UploadTime,
    /// The time that the writer set, rounded or truncated to this precision.
    Set {
        /// Two times that differ by less than this are equal.
        precision: Duration,
    },
}

/// An entry that a listing left out, because the service cannot address it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OmittedEntry {
    /// The path of the entry within the operator.
    pub path: String,
    /// The reason, for a person.
    pub reason: String,
}

impl OmittedEntry {
    /// Returns an omitted entry.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }
}

/// Properties of the service behind an operator. The defaults fit an object store.
pub trait EndpointFeatures: fmt::Debug + Send + Sync {
    /// Returns the meaning of the listed modification times.
    fn times(&self) -> StoredTimes {
        StoredTimes::UploadTime
    }

    /// Returns whether folders are items of the service. If not, a file `a` and files below `a/`
    /// can exist at the same time, and empty folders are not created.
    fn has_folders(&self) -> bool {
        false
    }

    /// Returns whether deleting a folder deletes everything in it. Folders are then listed before
    /// they are deleted, because another client may have added files.
    fn deletes_recursively(&self) -> bool {
        false
    }

    /// Returns a key that two names in one folder share if the service may treat them as one name.
    fn collision_key<'n>(&self, name: &'n str) -> Cow<'n, str> {
        Cow::Borrowed(name)
    }

    /// Returns the reason why the service rejects a name. `None` if it accepts the name.
    fn reject_name(&self, name: &str) -> Option<&'static str> {
        let _ = name;
        None
    }

    /// Returns the name in the operator's paths of an item with the name `name`. It differs if the
    /// service maps names that a path cannot have, such as names that end with a space.
    fn path_name<'n>(&self, name: &'n str) -> Cow<'n, str> {
        Cow::Borrowed(name)
    }

    /// Returns the name of an item that has the name `path_name` in the operator's paths: the reverse
    /// of [`path_name`](Self::path_name).
    fn plain_name<'n>(&self, path_name: &'n str) -> Cow<'n, str> {
        Cow::Borrowed(path_name)
    }

    /// Returns the size of a listed file in bytes. `None` if the service did not report it.
    fn size(&self, metadata: &Metadata) -> Option<u64> {
        metadata.is_file().then(|| metadata.content_length())
    }

    /// Returns the modification time of a listed file. `None` if the service did not report it.
    fn modified(&self, metadata: &Metadata) -> Option<Timestamp> {
        metadata.last_modified().map(opendal::raw::Timestamp::into_inner)
    }

    /// Returns the hashes of the listed file at `path`, which is a path within the operator. Sends
    /// no request.
    fn digests(&self, path: &str, metadata: &Metadata) -> Vec<ContentDigest> {
        let _ = path;
        let md5 = metadata.content_md5().and_then(|text| BASE64_STANDARD.decode(text).ok());
        md5.map(|md5| ContentDigest::new(HashAlgorithm::MD5, md5)).into_iter().collect()
    }

    /// Returns whether the service may have changed the content of the listed file at `path`, a path
    /// within the operator, as SharePoint changes Office files. Such a file is compared by its time.
    /// Sends no request.
    fn may_rewrite(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// Returns the hash functions that the service uses in addition to MD5, SHA-1 and SHA-256.
    fn algorithms(&self) -> Vec<HashAlgorithm> {
        Vec::new()
    }

    /// Returns the options for writing a file of `size` bytes with a modification time. They are
    /// `None` if unknown.
    fn write_options(&self, size: Option<u64>, modified: Option<Timestamp>) -> WriteOptions {
        let _ = (size, modified);
        WriteOptions::default()
    }

    /// Returns an identity of the item at `path`, which is a path within the operator. Items of
    /// other services have other identities, and one item has the same identity at all its paths.
    /// Sends no request. `None` if it is unknown.
    fn item_identity(&self, path: &str) -> Option<String> {
        let _ = path;
        None
    }

    /// Removes and returns the entries that listings of the operator have left out since the last
    /// call, also those of folders outside the endpoint.
    fn take_omitted(&self) -> Vec<OmittedEntry> {
        Vec::new()
    }
}

/// The features of an OpenDAL service of which only the scheme is known.
#[derive(Clone, Copy, Debug)]
pub struct StandardFeatures {
    times: StoredTimes,
    has_folders: bool,
    deletes_recursively: bool,
}

impl StandardFeatures {
    /// Returns the features of the services that have this scheme.
    pub fn for_scheme(scheme: &str) -> Self {
        let times = match scheme {
            "memory" | "http" => StoredTimes::None,
            _ => StoredTimes::UploadTime,
        };
        let has_folders =
            matches!(scheme, "webdav" | "sftp" | "ftp" | "webhdfs" | "hdfs" | "hdfs-native");
        // RFC 4918, section 9.6.1.
        let deletes_recursively = scheme == "webdav";
        Self { times, has_folders, deletes_recursively }
    }
}

impl EndpointFeatures for StandardFeatures {
    fn times(&self) -> StoredTimes {
        self.times
    }

    fn has_folders(&self) -> bool {
        self.has_folders
    }

    fn deletes_recursively(&self) -> bool {
        self.deletes_recursively
    }
}
