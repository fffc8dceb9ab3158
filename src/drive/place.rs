//! Where an item is, where it is to be, and under which conditions.

use std::sync::Arc;

use jiff::Timestamp;

use super::{ItemId, Kind};

/// Where an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemRef {
    /// A known item.
    Item {
        /// The item.
        id: ItemId,
        /// The folder the path came through; it matters where an item has several.
        parent: Option<ItemId>,
    },
    /// A relative path below a known folder, without slashes at its ends; empty: the folder itself.
    /// Given only to drives whose [`paths`](super::Capabilities::paths) say so.
    Path {
        /// The folder.
        base: ItemId,
        /// Segments joined by `/`, not encoded.
        path: Arc<str>,
    },
}

impl ItemRef {
    /// A known item, however it was found.
    pub fn from_id(id: &ItemId) -> Self {
        Self::Item { id: id.clone(), parent: None }
    }
}

/// Where an item is to be: a name in a folder, and who is known to be there already.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Target {
    /// The folder.
    pub folder: ItemRef,
    /// The name in it.
    pub name: String,
    /// The item that has the name now, where the caller knows it. A hint that saves a request:
    /// a drive that needs to know looks for itself, or learns it from a refusal.
    pub occupant: Option<ItemId>,
}

impl Target {
    /// A name in a folder, whose occupant is not known.
    pub fn new(folder: ItemRef, name: impl Into<String>) -> Self {
        Self { folder, name: name.into(), occupant: None }
    }
}

/// What happens when a name is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfExists {
    /// A file takes the place of a file, keeping its id where the cloud does.
    #[default]
    Replace,
    /// `Exists`, and nothing changes.
    Fail,
    /// The cloud finds another name.
    Rename,
}

/// Compared by the cloud with an item's etag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conditions {
    /// Go on only if the etag is this.
    pub if_match: Option<String>,
    /// Go on only if the etag is not this.
    pub if_none_match: Option<String>,
}

/// What [`Drive::update`](super::Drive::update) changes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ItemUpdate {
    /// The new name.
    pub name: Option<String>,
    /// The new folder.
    pub folder: Option<ItemRef>,
    /// The new modification time.
    pub modified: Option<Timestamp>,
    /// What happens when the new name is taken.
    pub if_exists: IfExists,
    /// The file that has the new name now and is to be replaced. Drives that are asked by id are
    /// always told; those that are asked by path let the cloud find it.
    pub occupant: Option<ItemId>,
}

/// An item to be removed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeleteTarget {
    /// Where it is. Where items have several parents only the edge it was found through goes,
    /// and the item with its last one.
    pub place: ItemRef,
    /// What the caller believes it to be.
    pub kind: Option<Kind>,
    /// The folders that the caller knows it to be in; empty: not known. It matters where items may
    /// have several: a drive that is not told has to look.
    pub parents: Vec<ItemId>,
}

impl DeleteTarget {
    /// An item of which only the place is known.
    pub fn new(place: ItemRef) -> Self {
        Self { place, kind: None, parents: Vec::new() }
    }
}
