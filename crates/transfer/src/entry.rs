//! An entry of a listed folder.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hash::ContentDigest;

/// The type of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EntryType {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, a device, or another item that is neither a file nor a folder.
    Other,
}

/// An entry of a folder, as a listing returned it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TreeEntry {
    /// The name within its folder, without a slash.
    pub name: String,
    /// The type of the entry.
    pub kind: EntryType,
    /// The length in bytes. `None` if the service did not report it, and for folders.
    pub size: Option<u64>,
    /// The modification time. `None` if the service did not report it.
    pub modified: Option<Timestamp>,
    /// The entity tag that identifies this version of a file. `None` if the service has none.
    pub etag: Option<String>,
    /// Hashes of the content that the listing contained.
    pub digests: Vec<ContentDigest>,
    /// The service may have changed the content after the upload, so that size and hashes differ from
    /// those of the original file.
    pub is_rewritten: bool,
}

impl TreeEntry {
    /// Returns an entry of which only the name and the type are known.
    pub fn new(name: impl Into<String>, kind: EntryType) -> Self {
        Self {
            name: name.into(),
            kind,
            size: None,
            modified: None,
            etag: None,
            digests: Vec::new(),
            is_rewritten: false,
        }
    }

    /// Returns whether the entry is a folder.
    pub fn is_folder(&self) -> bool {
        self.kind == EntryType::Folder
    }

    /// Returns whether the entry is a file.
    pub fn is_file(&self) -> bool {
        self.kind == EntryType::File
    }
}
