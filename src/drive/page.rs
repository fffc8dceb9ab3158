//! Pages of listings and of the change feed.

use super::{Item, ItemId, ItemKind, Secret};

/// One page of a listing.
#[derive(Debug)]
#[non_exhaustive]
pub struct Page {
    /// The items, in the order of the cloud's response.
    pub items: Vec<Item>,
    /// Position of the next page. `None` if this is the last page.
    pub next: Option<Cursor>,
}

impl Page {
    /// Returns a page with these items, and the position of the next page.
    pub fn new(items: Vec<Item>, next: Option<Cursor>) -> Self {
        Self { items, next }
    }
}

/// Position in a listing or in the change feed. Only the drive that created it can interpret it.
///
/// The text is secret, because some clouds use pre-authenticated URLs as cursors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub Secret);

/// One page of the change feed of a drive.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChangePage {
    /// Items that were created, changed or moved, in their current state. The page may also contain
    /// unchanged folders above a changed item, and items that an earlier page already contained.
    pub items: Vec<Item>,
    /// Ids of deleted items. The kind is `None` if the cloud does not report it.
    pub removed: Vec<(ItemId, Option<ItemKind>)>,
    /// Position after this page.
    pub next: Cursor,
    /// More changes are available now at [`next`](Self::next).
    pub more: bool,
    /// The cloud no longer knows the changes since the requested position. Any item may have
    /// changed.
    pub reset: bool,
}

impl ChangePage {
    /// Returns a page without changes. `next` is the position after it.
    pub fn new(next: Cursor) -> Self {
        Self { items: Vec::new(), removed: Vec::new(), next, more: false, reset: false }
    }
}

/// An observation that [`Drive::child`](super::Drive::child) passes to its caller.
#[derive(Debug)]
#[non_exhaustive]
pub enum SiblingSearch<'a> {
    /// An item of the folder.
    Item(&'a Item),
    /// The items reported so far are all items of the folder.
    Complete,
}
