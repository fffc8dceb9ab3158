//! An item as results show it.

use jiff::Timestamp;
use opendal::Metadata;
use serde::Serialize;

use crate::cli::{location::DrivePath, units};

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    File,
    Folder,
    /// Neither: a notebook, a device.
    Other,
}

/// An item, as `ls`, `stat` and `tree` give it with `--json`:
/// `{"path": "a/b.txt", "name": "b.txt", "kind": "file", "size": 3, "modified": "…"}`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Item {
    /// From the remote's root, without slashes at its ends; the root's is empty.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Bytes of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    /// The user's time where the cloud keeps one, else the cloud's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) modified: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
}

impl Item {
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
            size: (kind == Kind::File).then(|| metadata.content_length()),
            modified: modified(metadata),
            etag: metadata.etag().map(str::to_owned),
            content_type: metadata.content_type().map(str::to_owned),
        }
    }

    pub(crate) fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }

    /// Size and time, in columns: `        1234  2014-02-03T04:05:06Z`.
    pub(crate) fn columns(&self, human: bool) -> String {
        let size = match self.size {
            Some(size) if human => units::Human(size).to_string(),
            Some(size) => size.to_string(),
            None => "-".to_owned(),
        };
        let modified = self.modified.map_or_else(|| "-".to_owned(), units::seconds);
        format!("{size:>12}  {modified:<20}")
    }
}

/// The user's modification time where the drive keeps one, else the drive's own.
pub(crate) fn modified(metadata: &Metadata) -> Option<Timestamp> {
    let users = metadata.user_metadata().and_then(|kept| kept.get("mtime")?.parse().ok());
    users.or_else(|| metadata.last_modified().map(opendal::raw::Timestamp::into_inner))
}
