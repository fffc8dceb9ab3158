//! Arguments and results of calls that change the tree.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

use super::{DriveKey, ItemKey, Node, Result};

/// The name of a child in a folder.
#[derive(Clone, Copy, Debug)]
pub struct ChildName<'a> {
    /// The drive.
    pub drive: DriveKey,
    /// The folder.
    pub folder: ItemKey,
    /// The child's name.
    pub name: &'a str,
}

impl<'a> ChildName<'a> {
    /// Creates the name of a child in a folder of a drive.
    pub fn new(drive: DriveKey, folder: ItemKey, name: &'a str) -> Self {
        Self { drive, folder, name }
    }
}

/// A check of a write inside its transaction: of the live file that the write replaces, or that it may
/// create an item. A check before the write cannot see a file that another request creates or locks
/// meanwhile. The default allows all writes.
#[derive(Clone, Default)]
pub struct WriteGuard(Option<Arc<WriteCheck>>);

/// Checks the file that is replaced, or with `None` that an item may be created.
type WriteCheck = dyn Fn(Option<&Node>) -> Result<()> + Send + Sync;

impl WriteGuard {
    /// Creates a guard. `check` gets the live file that is replaced; `None` before an item is created.
    pub fn new(check: impl Fn(Option<&Node>) -> Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(check)))
    }

    /// Checks a write.
    ///
    /// # Errors
    /// That of the check.
    pub(super) fn check(&self, replaced: Option<&Node>) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |check| check(replaced))
    }
}

impl fmt::Debug for WriteGuard {
    /// Writes whether the guard has a check.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteGuard").field(&self.0.is_some()).finish()
    }
}

/// The properties of a new item, or those that an overwritten item gets.
///
/// An overwritten item keeps the properties that are `None` here, except for the media type and
/// `client_modified`. Facets replace those of the same name; a facet `null` removes one.
#[derive(Clone, Debug, Default)]
pub struct NewItem {
    /// Names of folders below the given one, from the top down, in which the item is created. Missing
    /// folders are created in the same transaction. Not for
    /// [`Tree::overwrite`](super::Tree::overwrite).
    pub folders: Vec<String>,
    /// The user's description.
    pub description: Option<String>,
    /// The media type. `None`: derived from the name when it is needed.
    pub media_type: Option<String>,
    /// The client's time of creation. `None`: now.
    pub client_created: Option<Timestamp>,
    /// The client's time of the last change of the bytes. `None`: now.
    pub client_modified: Option<Timestamp>,
    /// The name of the account that owns the item. `None`: the owner of the drive.
    pub owner: Option<String>,
    /// See [`Node::facets`].
    pub facets: serde_json::Map<String, serde_json::Value>,
    /// Whether the item may have the name of another item in the folder. No request creates such an
    /// item; only fixtures do.
    pub is_duplicate: bool,
    /// Checks the file whose bytes are replaced, and whether a file may be created. Folders are not
    /// checked: a write never replaces one.
    pub guard: WriteGuard,
    /// The number of versions that a file may have, with the current one, when its bytes are
    /// replaced: the bytes before become an earlier version, and the oldest ones are deleted. 0, the
    /// default: the bytes before are deleted, and the versions stay.
    pub max_versions: u32,
}

/// The effect of a name that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// A file's bytes are replaced, and it remains the same item. A folder remains unchanged.
    Replace,
    /// The call fails with [`TreeError::NameTaken`](super::TreeError::NameTaken).
    Fail,
    /// The first free name of `name 1.ext`, `name 2.ext`, … A folder's name has no extension.
    Rename,
}

/// A copy of an item, with everything below it.
#[derive(Clone, Debug)]
pub struct ItemCopy {
    /// The drive of the item.
    pub drive: DriveKey,
    /// The item.
    pub item: ItemKey,
    /// The drive of the copy, which must compare names as the drive of the item does.
    pub to_drive: DriveKey,
    /// The folder of the copy.
    pub to: ItemKey,
    /// The name of the copy; `None` keeps that of the item.
    pub name: Option<String>,
    /// The effect of a name that is taken.
    pub on_conflict: OnConflict,
    /// Whether earlier versions of files are copied too.
    pub with_versions: bool,
    /// The number of versions of a file that the copy replaces: see [`NewItem::max_versions`].
    pub max_versions: u32,
    /// Checks the file that the copy replaces, and whether the copy may be created.
    pub guard: WriteGuard,
    /// Items below the copied one that are not copied, nor anything below them.
    pub excluded: Vec<ItemKey>,
    /// Facets that the copies do not have: the name of a facet, and of a member of it; without a
    /// member the whole facet.
    pub dropped: &'static [(&'static str, Option<&'static str>)],
}

/// The version that an item must have for a change. It is compared inside the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Any version.
    Any,
    /// [`Node::version`] must be this.
    Version(i64),
    /// [`Node::content_version`] must be this.
    ContentVersion(i64),
}

/// The result of a write.
#[derive(Clone, Debug)]
pub struct Written {
    /// The item after the write.
    pub node: Node,
    /// Whether the item is new.
    pub created: bool,
}

/// A change of an item. Properties that are `None` keep their value.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The new name.
    pub name: Option<String>,
    /// All new parent folders, the primary one first. At least one; protocols with single parents
    /// give one.
    pub parents: Option<Vec<ItemKey>>,
    /// The user's description. `Some(None)` removes it.
    pub description: Option<Option<String>>,
    /// The client's time of creation.
    pub client_created: Option<Timestamp>,
    /// The client's time of the last change of the bytes.
    pub client_modified: Option<Timestamp>,
    /// Facets that replace those of the same name. A facet `null` removes one.
    pub facets: serde_json::Map<String, serde_json::Value>,
    /// The number of versions that a file may have when a change of its times makes a new version,
    /// as on SharePoint; 0, the default: it makes none.
    pub max_versions: u32,
    /// Checks each file that the item replaces in its folders.
    pub guard: WriteGuard,
}
