//! Arguments and results of calls that change the tree.

use jiff::Timestamp;

use super::{DriveKey, ItemKey, Node};

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
}
