//! The metadata of an item.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

use super::Secret;

/// The id of an item within its drive. Opaque and case-sensitive.
///
/// In clouds whose folders show items of other drives, the id includes the id of the item's drive.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(Arc<str>);

impl ItemId {
    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S: Into<Arc<str>>> From<S> for ItemId {
    /// Wraps the cloud's id.
    fn from(id: S) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kind of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemKind {
    /// An item with content.
    File,
    /// An item with children.
    Folder,
    /// An item that is listed but is neither: a OneNote notebook, a vault, or a shortcut whose
    /// target does not exist.
    Opaque,
}

/// The metadata of an item. An optional field is `None` if the cloud's response did not contain
/// it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Item {
    /// The item's id.
    pub id: ItemId,
    /// The name as the cloud shows it. The root's name may be empty.
    pub name: String,
    /// Ids of the parent folders. Empty for the root, or if the response did not contain them.
    pub parents: Vec<ItemId>,
    /// File, folder, or neither.
    pub kind: ItemKind,
    /// Size of a file in bytes.
    pub size: Option<u64>,
    /// Number of items in a folder.
    pub children: Option<u64>,
    /// Creation time.
    pub created: Option<Timestamp>,
    /// Last modification of the content. This is the time that the user set, if the cloud stores
    /// one.
    pub modified: Option<Timestamp>,
    /// Identifies the version of the content; comparable with
    /// [`Download::etag`](super::Download::etag).
    pub etag: Option<String>,
    /// Media type of a file.
    pub content_type: Option<String>,
    /// Hashes of a file's content.
    pub hashes: Vec<(HashKind, Box<[u8]>)>,
    /// URL of a file's content.
    pub download_url: Option<DownloadUrl>,
}

impl Item {
    /// Returns an item of which only id, name and kind are known.
    pub fn new(id: impl Into<ItemId>, name: impl Into<String>, kind: ItemKind) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            parents: Vec::new(),
            kind,
            size: None,
            children: None,
            created: None,
            modified: None,
            etag: None,
            content_type: None,
            hashes: Vec::new(),
            download_url: None,
        }
    }

    /// Returns whether the item is a folder.
    pub fn is_folder(&self) -> bool {
        self.kind == ItemKind::Folder
    }
}

/// The hash functions that clouds use. Exhaustive, because a program that verifies content must
/// support each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashKind {
    /// OneDrive's own hash, 20 bytes.
    QuickXor,
    /// MD5, 16 bytes.
    Md5,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
}

/// A URL of an item's content.
///
/// It is usually pre-authenticated: it gives access to the content without a token. A drive may also
/// use a URL of its API, to whose requests it adds the token. [`Drive::download_url`] returns only
/// pre-authenticated URLs.
///
/// [`Drive::download_url`]: super::Drive::download_url
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DownloadUrl {
    /// The URL. Another program must not add a token to requests.
    pub url: Secret,
    /// Expiry of the URL. `None` if the cloud does not report it.
    pub expires: Option<Timestamp>,
}

impl DownloadUrl {
    /// Returns a URL without a known expiry.
    pub fn new(url: impl Into<Secret>) -> Self {
        Self { url: url.into(), expires: None }
    }
}
