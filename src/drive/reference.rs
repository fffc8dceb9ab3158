//! References to items, and targets of writes.

use std::sync::Arc;

use super::ItemId;

/// Reference to an item that exists. Exhaustive, because a drive must handle each variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemRef {
    /// An item by its id.
    Item {
        /// The item's id.
        id: ItemId,
        /// Id of the folder through which the caller found the item. It selects one of the parents
        /// of an item that has several. `None` if the caller does not know it.
        parent: Option<ItemId>,
    },
    /// An item by a path relative to a folder. Only drives whose
    /// [`paths`](super::Capabilities::paths) is true receive it.
    Path {
        /// The folder's id.
        base: ItemId,
        /// Names joined by `/`, not percent-encoded, without a slash at either end. Empty for the
        /// folder itself.
        path: Arc<str>,
    },
}

impl ItemRef {
    /// Returns a reference by id, without a parent.
    pub fn from_id(id: &ItemId) -> Self {
        Self::Item { id: id.clone(), parent: None }
    }
}

/// Folder and name of an item that is to be created or replaced.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Target {
    /// The parent folder.
    pub folder: ItemRef,
    /// The name in the folder.
    pub name: String,
    /// Id of the item that has the name now, if the caller knows it. This is only a hint that
    /// saves a request: a drive that depends on it looks for itself.
    pub occupant: Option<ItemId>,
}

impl Target {
    /// Returns a target without a known occupant: the name `name` in `folder`.
    pub fn new(folder: ItemRef, name: impl Into<String>) -> Self {
        Self { folder, name: name.into(), occupant: None }
    }
}
