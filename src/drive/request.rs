//! The arguments of the verbs of [`Drive`](super::Drive), and the conditions they depend on.

use jiff::Timestamp;

use super::{ByteRange, Cursor, Item, ItemId, ItemKind, ItemRef, Target};

/// How many levels a listing has. Exhaustive, because a drive must handle each variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// The folder's direct children.
    #[default]
    Children,
    /// All descendants of the folder, in one paged response. Valid only for the folders that
    /// [`Capabilities::recursive_list`](super::Capabilities::recursive_list) permits.
    Recursive,
}

/// The arguments of [`Drive::list`](super::Drive::list).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ListRequest<'a> {
    /// The folder to list.
    pub folder: &'a ItemRef,
    /// How many levels to list.
    pub depth: Depth,
    /// Preferred number of items in the page. A drive may ignore it. `None`: the drive chooses.
    pub limit: Option<usize>,
    /// [`Page::next`](super::Page::next) of the previous page. `None` for the first page.
    pub cursor: Option<&'a Cursor>,
}

impl<'a> ListRequest<'a> {
    /// Returns a request for the first page of a folder's direct children.
    pub fn new(folder: &'a ItemRef) -> Self {
        Self { folder, depth: Depth::Children, limit: None, cursor: None }
    }

    /// Returns a request for the first page of a folder's descendants.
    pub fn recursive(folder: &'a ItemRef) -> Self {
        Self::new(folder).with_depth(Depth::Recursive)
    }

    /// Sets [`depth`](Self::depth).
    #[must_use]
    pub fn with_depth(self, depth: Depth) -> Self {
        Self { depth, ..self }
    }

    /// Sets [`limit`](Self::limit).
    #[must_use]
    pub fn with_limit(self, limit: impl Into<Option<usize>>) -> Self {
        Self { limit: limit.into(), ..self }
    }

    /// Sets [`cursor`](Self::cursor).
    #[must_use]
    pub fn with_cursor(self, cursor: impl Into<Option<&'a Cursor>>) -> Self {
        Self { cursor: cursor.into(), ..self }
    }
}

/// The arguments of [`Drive::download`](super::Drive::download).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DownloadRequest<'a> {
    /// The file to read.
    pub file: &'a ItemRef,
    /// The file's metadata, as far as the caller knows it. The file may have changed since. The
    /// drive uses its download URL, if that still works.
    pub known: Option<&'a Item>,
    /// The bytes to read.
    pub range: ByteRange,
    /// Conditions on the file's etag.
    pub conditions: &'a Conditions,
}

impl<'a> DownloadRequest<'a> {
    /// Returns a request for a whole file, whatever its version.
    pub fn new(file: &'a ItemRef) -> Self {
        Self { file, known: None, range: ByteRange::Full, conditions: Conditions::NONE }
    }

    /// Sets [`known`](Self::known).
    #[must_use]
    pub fn with_known(self, known: impl Into<Option<&'a Item>>) -> Self {
        Self { known: known.into(), ..self }
    }

    /// Sets [`range`](Self::range).
    #[must_use]
    pub fn with_range(self, range: ByteRange) -> Self {
        Self { range, ..self }
    }

    /// Sets [`conditions`](Self::conditions).
    #[must_use]
    pub fn with_conditions(self, conditions: &'a Conditions) -> Self {
        Self { conditions, ..self }
    }
}

/// The arguments of [`Drive::copy`](super::Drive::copy).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CopyRequest<'a> {
    /// The file to copy.
    pub source: &'a ItemRef,
    /// The source's metadata, as far as the caller knows it. The source may have changed since.
    pub known: Option<&'a Item>,
    /// Folder and name of the copy.
    pub target: &'a Target,
    /// What happens if the target exists.
    pub if_exists: IfExists,
}

impl<'a> CopyRequest<'a> {
    /// Returns a request to copy a file, which replaces a file at the target.
    pub fn new(source: &'a ItemRef, target: &'a Target) -> Self {
        Self { source, known: None, target, if_exists: IfExists::Replace }
    }

    /// Sets [`known`](Self::known).
    #[must_use]
    pub fn with_known(self, known: impl Into<Option<&'a Item>>) -> Self {
        Self { known: known.into(), ..self }
    }

    /// Sets [`if_exists`](Self::if_exists).
    #[must_use]
    pub fn with_if_exists(self, if_exists: IfExists) -> Self {
        Self { if_exists, ..self }
    }
}

/// What happens if an item with the target's name exists. Exhaustive, because a drive must handle
/// each variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfExists {
    /// The new file replaces a file. It keeps the id of the old one if the cloud supports that.
    #[default]
    Replace,
    /// The call returns `AlreadyExists` and changes nothing.
    Fail,
    /// The cloud chooses a free name.
    Rename,
}

/// Conditions that the cloud compares with an item's etag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conditions {
    /// Proceed only if the item has this etag.
    pub if_match: Option<String>,
    /// Proceed only if the item has another etag.
    pub if_none_match: Option<String>,
}

impl Conditions {
    /// No conditions.
    pub const NONE: &'static Self = &Self { if_match: None, if_none_match: None };
}

/// How [`Drive::upload`](super::Drive::upload) and
/// [`Drive::open_session`](super::Drive::open_session) write a file.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WriteOptions {
    /// What happens if the target exists.
    pub if_exists: IfExists,
    /// Conditions on the etag of the file that is replaced.
    pub conditions: Conditions,
    /// Modification time of the new file. Drives without
    /// [`set_modified`](super::Capabilities::set_modified) ignore it.
    pub modified: Option<Timestamp>,
}

/// The changes that [`Drive::update`](super::Drive::update) makes to an item. `None` leaves a
/// property as it is.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ItemUpdate {
    /// The new name.
    pub name: Option<String>,
    /// The new parent folder.
    pub folder: Option<ItemRef>,
    /// The new modification time.
    pub modified: Option<Timestamp>,
    /// What happens if an item with the new name exists in the new folder.
    pub if_exists: IfExists,
    /// Id of the file that has the new name and is to be replaced. The caller always sets it for
    /// drives that address items by id. Drives that address items by path find the file
    /// themselves.
    pub occupant: Option<ItemId>,
}

/// An item to delete.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeleteTarget {
    /// The item. If it has several parent folders, it is removed only from the folder that the
    /// reference names, and deleted when that was its last parent.
    pub item: ItemRef,
    /// The item's kind, if the caller knows it.
    pub kind: Option<ItemKind>,
    /// The item's parent folders; empty if the caller does not know them. A drive whose items may
    /// have several parents sends a request for them if this is empty.
    pub parents: Vec<ItemId>,
    /// The etag that the item must have. `None` deletes any state of the item. Set only for drives
    /// with [`Capabilities::delete_if_match`](super::Capabilities::delete_if_match).
    pub if_match: Option<String>,
}

impl DeleteTarget {
    /// Returns a target with unknown kind and parents, and without a condition.
    pub fn new(item: ItemRef) -> Self {
        Self { item, kind: None, parents: Vec::new(), if_match: None }
    }
}
