//! The record of an item in results.

use std::{collections::BTreeMap, fmt::Write as _};

use drivedal::{adapter::known_size, drive};
use jiff::Timestamp;
use opendal::Metadata;
use serde::Serialize;

use crate::{location::DrivePath, units};

/// The kind of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    File,
    Folder,
    /// Neither a file nor a folder: a notebook, a device.
    Other,
}

/// An item as `ls`, `stat` and `tree` print it with `--json`: `{"path": "a/b.txt", "name": "b.txt",
/// "kind": "file", "size": 3, "modified": "…"}`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ItemRecord {
    /// Path from the root of the remote, without a slash at either end. Empty for the root.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Length in bytes. `None` for folders, and if the drive does not provide it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    /// The user's modification time if the drive stores one, otherwise the drive's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) modified: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    /// The drive's id of the item. Only `stat` provides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// Creation time. Only `stat` provides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<Timestamp>,
    /// Hashes in hexadecimal, by name (`md5`, `quickxor`). Only `stat` provides them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) hashes: BTreeMap<&'static str, String>,
}

impl ItemRecord {
    /// Creates a record with the fields that OpenDAL provides.
    pub(crate) fn new(path: &DrivePath, metadata: &Metadata) -> Self {
        let kind = match metadata {
            file if file.is_file() => Kind::File,
            folder if folder.is_dir() => Kind::Folder,
            _ => Kind::Other,
        };
        Self {
            path: path.as_str().to_owned(),
            name: path.name().unwrap_or_default().to_owned(),
            kind,
            size: known_size(metadata),
            modified: modified(metadata),
            etag: metadata.etag().map(str::to_owned),
            content_type: metadata.content_type().map(str::to_owned),
            id: None,
            created: None,
            hashes: BTreeMap::new(),
        }
    }

    /// Creates a record with all fields that a drive provides.
    pub(crate) fn from_drive_item(path: &DrivePath, item: drive::Item) -> Self {
        let hashes = item.hashes.iter().map(|(kind, bytes)| (hash_name(*kind), hexadecimal(bytes)));
        Self {
            path: path.as_str().to_owned(),
            name: path.name().unwrap_or_default().to_owned(),
            kind: match item.kind {
                drive::ItemKind::File => Kind::File,
                drive::ItemKind::Folder => Kind::Folder,
                _ => Kind::Other,
            },
            size: item.size.filter(|_| item.kind == drive::ItemKind::File),
            modified: item.modified,
            hashes: hashes.collect(),
            etag: item.etag,
            content_type: item.content_type,
            id: Some(item.id.to_string()),
            created: item.created,
        }
    }

    /// Returns whether it is a folder.
    pub(crate) fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }

    /// Formats size and time in columns: `        1234  2014-02-03T04:05:06Z`. With `human` the
    /// size has a unit.
    pub(crate) fn columns(&self, human: bool) -> String {
        let size = match self.size {
            Some(size) if human => units::HumanSize(size).to_string(),
            Some(size) => size.to_string(),
            None => "-".to_owned(),
        };
        let modified = self.modified.map_or_else(|| "-".to_owned(), units::seconds);
        format!("{size:>12}  {modified:<20}")
    }
}

/// Returns the name of a hash in records.
pub(crate) fn hash_name(kind: drive::HashKind) -> &'static str {
    match kind {
        drive::HashKind::QuickXor => "quickxor",
        drive::HashKind::Md5 => "md5",
        drive::HashKind::Sha1 => "sha1",
        drive::HashKind::Sha256 => "sha256",
    }
}

/// Returns bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string never fails");
        text
    })
}

/// Returns the user's modification time if the drive stores one, otherwise the drive's; `None` if
/// it has neither.
pub(crate) fn modified(metadata: &Metadata) -> Option<Timestamp> {
    let users = metadata.user_metadata().and_then(|kept| kept.get("mtime")?.parse().ok());
    users.or_else(|| metadata.last_modified().map(opendal::raw::Timestamp::into_inner))
}
