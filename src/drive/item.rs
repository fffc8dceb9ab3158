//! What a cloud says of an item.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

use super::Secret;

/// What the cloud calls an item. Opaque and case-sensitive; where items of other drives turn up it
/// carries the drive's id too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(Arc<str>);

impl ItemId {
    /// The id as the cloud writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S: Into<Arc<str>>> From<S> for ItemId {
    fn from(id: S) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Has bytes.
    File,
    /// Has children.
    Folder,
    /// Listed, but neither: a OneNote notebook, a vault, a shortcut that leads nowhere.
    Opaque,
}

/// What the cloud said of an item; `None`: it did not say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Item {
    /// Its id.
    pub id: ItemId,
    /// Its name as the cloud shows it; the root's may be empty.
    pub name: String,
    /// The folders it is in; empty for the root, or where the cloud did not say.
    pub parents: Vec<ItemId>,
    /// File, folder, or neither.
    pub kind: Kind,
    /// Bytes of a file.
    pub size: Option<u64>,
    /// Items in a folder.
    pub children: Option<u64>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When its contents last changed: the user's time where the cloud keeps one.
    pub modified: Option<Timestamp>,
    /// Changes with the bytes, and is what [`Download::etag`](super::Download::etag) is compared with.
    pub etag: Option<String>,
    /// Media type of a file.
    pub content_type: Option<String>,
    /// Hashes of a file's bytes.
    pub hashes: Vec<(HashKind, Box<[u8]>)>,
    /// A pre-authenticated way to the bytes.
    pub download_url: Option<DownloadUrl>,
}

impl Item {
    /// An item of which nothing is known but id, name and kind.
    pub fn new(id: impl Into<ItemId>, name: impl Into<String>, kind: Kind) -> Self {
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

    /// Whether it has children.
    pub fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }
}

/// Hashes that clouds give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashKind {
    /// OneDrive's own, 20 bytes.
    QuickXor,
    /// 16 bytes.
    Md5,
    /// 20 bytes.
    Sha1,
    /// 32 bytes.
    Sha256,
}

/// A pre-authenticated URL to an item's bytes. Whoever has it can read them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DownloadUrl {
    /// The URL; sent without a token.
    pub url: Secret,
    /// When it stops to work, where the cloud says so.
    pub expires: Option<Timestamp>,
}

impl DownloadUrl {
    /// A URL whose expiry is not known.
    pub fn new(url: impl Into<Secret>) -> Self {
        Self { url: url.into(), expires: None }
    }
}

/// A part of a listing.
#[derive(Debug)]
#[non_exhaustive]
pub struct Page {
    /// The items, in the cloud's order.
    pub items: Vec<Item>,
    /// Where the next part starts; `None`: that was the last.
    pub next: Option<Cursor>,
}

impl Page {
    /// A page, and where the next one starts.
    pub fn new(items: Vec<Item>, next: Option<Cursor>) -> Self {
        Self { items, next }
    }
}

/// Where the next part of a listing starts; made and understood by the drive alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub Secret);

/// What has changed in a drive.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChangePage {
    /// What was made, changed or moved, as it is now. The folders above an item may be told with
    /// it; and what was told before may be told again.
    pub items: Vec<Item>,
    /// What is gone, and what it was where the cloud says so.
    pub removed: Vec<(ItemId, Option<Kind>)>,
    /// Where to go on.
    pub next: Cursor,
    /// There is more to be told at once.
    pub more: bool,
    /// The cloud no longer knows what has changed since: anything may have.
    pub reset: bool,
}

impl ChangePage {
    /// A page without a change.
    pub fn new(next: Cursor) -> Self {
        Self { items: Vec::new(), removed: Vec::new(), next, more: false, reset: false }
    }
}

/// What [`Drive::child`](super::Drive::child) came across while it looked for a name.
#[derive(Debug)]
#[non_exhaustive]
pub enum SiblingSearch<'a> {
    /// An item of the folder.
    Item(&'a Item),
    /// The items so far were all of the folder.
    All,
}

/// How much a drive holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// What it may hold.
    pub total: u64,
    /// What may still come.
    pub available: u64,
}

impl Quota {
    /// Total and available bytes.
    pub fn new(total: u64, available: u64) -> Self {
        Self { total, available }
    }
}

/// Who an account belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The cloud's id of the user.
    pub id: String,
    /// The user's name, where the cloud tells it.
    pub name: Option<String>,
}

impl Account {
    /// An account whose user's name is not known.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), name: None }
    }
}
