//! What is to be made or changed, and on which terms.

use jiff::Timestamp;

use super::{DriveKey, ItemKey, Node};

/// A name in a folder.
#[derive(Clone, Copy, Debug)]
pub struct ChildName<'a> {
    /// The drive.
    pub drive: DriveKey,
    /// The folder.
    pub folder: ItemKey,
    /// The name of an item in the folder.
    pub name: &'a str,
}

impl<'a> ChildName<'a> {
    /// The name of an item in a folder of a drive.
    pub fn new(drive: DriveKey, folder: ItemKey, name: &'a str) -> Self {
        Self { drive, folder, name }
    }
}

/// What a new item is made with, or an overwritten one gets. Of an overwritten one stays what is
/// `None` here, but for the media type and the time of its bytes; facets replace those of the same
/// name, `null` removes.
#[derive(Clone, Debug, Default)]
pub struct NewItem {
    /// Names of folders below the given one, from the top down, in which the item is made. Folders
    /// that are missing are made in the same transaction. Not for [`Tree::overwrite`](super::Tree::overwrite).
    pub folders: Vec<String>,
    /// The user's description.
    pub description: Option<String>,
    /// Media type; `None`: derived from the name, whenever it is asked for.
    pub media_type: Option<String>,
    /// When the user made it; `None`: now.
    pub client_created: Option<Timestamp>,
    /// When the user last changed its bytes; `None`: now.
    pub client_modified: Option<Timestamp>,
    /// Whose it is, where it is not the drive's owner's.
    pub owner: Option<String>,
    /// See [`Node::facets`].
    pub facets: serde_json::Map<String, serde_json::Value>,
}

/// What happens when a name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// A file's bytes are replaced and it stays the same item; a folder stays as it is.
    Replace,
    /// [`TreeError::NameTaken`](super::TreeError::NameTaken).
    Fail,
    /// `name 1.ext`, `name 2.ext`, … the first that is free; a folder's name has no extension.
    Rename,
}

/// Only go on if the item is at this version; compared inside the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Whatever it is at.
    Any,
    /// [`Node::version`] is this.
    Version(i64),
    /// [`Node::content_version`] is this.
    ContentVersion(i64),
}

/// What a write did.
#[derive(Clone, Debug)]
pub struct Written {
    /// The item after it.
    pub node: Node,
    /// Whether the item is new.
    pub created: bool,
}

/// A change of an item; `None`: stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Its name.
    pub name: Option<String>,
    /// Its folders, all of them, the primary one first; at least one, and one for protocols that
    /// know one.
    pub parents: Option<Vec<ItemKey>>,
    /// The user's description; the inner `None` removes it.
    pub description: Option<Option<String>>,
    /// The user's times.
    pub client_created: Option<Timestamp>,
    /// See `client_created`.
    pub client_modified: Option<Timestamp>,
    /// Facets that replace those of the same name; `null` removes.
    pub facets: serde_json::Map<String, serde_json::Value>,
}
