//! Drives, their items, and the order of listings.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{Content, DriveKey, ItemKey};

/// The key of the root folder in every drive.
pub const ROOT: ItemKey = ItemKey(100);

/// The key of the first item that a client creates in a drive. SkyDrive's numbers start near it.
pub const FIRST_ITEM: ItemKey = ItemKey(101);

/// The kind of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A folder, which has children.
    Folder,
    /// A file, which has bytes.
    File,
    /// A OneNote notebook: listed, without children and bytes.
    Notebook,
}

/// Whether an item is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemState {
    /// Visible.
    Live,
    /// In the recycle bin.
    Trashed,
    /// Below a folder in the recycle bin.
    Hidden,
    /// Removed for good. The row is kept for the change feed.
    Purged,
}

/// An item of the tree, independent of protocols.
#[derive(Clone, Debug)]
pub struct Node {
    /// The item's drive.
    pub drive: DriveKey,
    /// The item's key.
    pub no: ItemKey,
    /// The name; empty for the root.
    pub name: String,
    /// The parent folders, the primary one first; empty for the root. For a live item only live
    /// folders, for one in the recycle bin its folders at the time of deletion.
    pub parents: Vec<ItemKey>,
    /// The kind.
    pub kind: NodeKind,
    /// Whether it is visible.
    pub state: ItemState,
    /// The bytes of a file; `None` for other kinds.
    pub content: Option<Content>,
    /// Size in bytes. For a folder the sum of all live files below it, by primary parents.
    pub size: u64,
    /// Number of live items directly in a folder.
    pub children: u64,
    /// The media type that was given at upload or derived from the name.
    pub media_type: Option<String>,
    /// The user's description.
    pub description: Option<String>,
    /// When the server created the item.
    pub created: Timestamp,
    /// When the server last changed the item; for a folder, also an item directly in it. It is Live
    /// Connect's `updated_time` (live-connect#folder-updated-time).
    pub modified: Timestamp,
    /// The client's time of creation.
    pub client_created: Timestamp,
    /// The client's time of the last change of the bytes; the server's if the client gave none.
    pub client_modified: Timestamp,
    /// Incremented by every change of the item itself, but not by changes of its children.
    pub version: i64,
    /// Incremented by every change of the bytes; for a folder, by every change below it.
    pub content_version: i64,
    /// The number of a file's current version, from 1. Earlier ones are
    /// [`Tree::versions`](super::Tree::versions).
    pub revision: i64,
    /// The feed's number at the last change of the item or of its visibility. It is unique among items,
    /// except for roots that never changed.
    pub feed: i64,
    /// The name of the account that owns the item. `None`: the owner of the drive. Only fixtures have
    /// other owners.
    pub owner: Option<String>,
    /// Properties that only one protocol has, as JSON, by the name of the protocol (`live`, `graph`,
    /// `amazon`).
    pub facets: serde_json::Map<String, serde_json::Value>,
}

/// A drive of the tree, independent of protocols.
#[derive(Clone, Debug)]
pub struct DriveInfo {
    /// The drive's key.
    pub no: DriveKey,
    /// 16 lower-case hexadecimal digits, derived from the account's name. SkyDrive's user id; in upper
    /// case, the drive id of OneDrive personal.
    pub cid: String,
    /// Maximum size of the live files, in bytes.
    pub quota: u64,
    /// Size of the live files and of the earlier versions of all files, in bytes.
    pub used: u64,
    /// The feed's last number.
    pub feed: i64,
    /// When the drive was created.
    pub created: Timestamp,
}

/// A part of a drive's feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedRange {
    /// The feed number after which it begins.
    pub after: i64,
    /// The last feed number.
    pub end: i64,
    /// Only items that the server changed at this time or later, in microseconds since 1970.
    pub changed_since: i64,
}

/// The order of children. Items that are equal in it are ordered by their key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Folders first, then by name in order of code points.
    #[default]
    FoldersThenName,
    /// By name in order of code points.
    Name,
    /// By [`Node::client_modified`].
    Modified,
    /// By [`Node::size`].
    Size,
    /// By key, which is the order of creation.
    Number,
}

/// The position of a child in a listing: the values that the listing is ordered by, and the child's
/// key as the last criterion.
///
/// The position remains valid when the child is removed or changed. So the pages of a listing neither
/// skip nor repeat children that do not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListingKey {
    /// 0 for a folder and 1 for other items, if folders are listed first.
    pub group: i64,
    /// The name, if the listing is ordered by it.
    pub name: String,
    /// The time in microseconds since 1970 or the size in bytes, if the listing is ordered by it. In
    /// the recycle bin the feed's number.
    pub number: i64,
    /// The child's key.
    pub item: ItemKey,
}

impl ListingKey {
    /// Returns the position of a child in a listing of an order.
    pub fn new(node: &Node, order: Order) -> Self {
        let item = node.no;
        let name = node.name.clone();
        match order {
            Order::FoldersThenName => {
                Self { group: i64::from(node.kind != NodeKind::Folder), name, number: 0, item }
            }
            Order::Name => Self { group: 0, name, number: 0, item },
            Order::Modified => {
                let number = node.client_modified.as_microsecond();
                Self { number, item, ..Self::default() }
            }
            Order::Size => {
                let number = i64::try_from(node.size).unwrap_or(i64::MAX);
                Self { number, item, ..Self::default() }
            }
            Order::Number => Self { item, ..Self::default() },
        }
    }
}

/// The selection and order of listed children.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// The order.
    pub order: Order,
    /// Whether the order is reversed.
    pub descending: bool,
    /// Lists only children after this position, which a listing of the same order returned.
    pub after: Option<ListingKey>,
    /// Number of children to skip. A protocol that pages by offset skips or repeats children when
    /// others are removed or added between two pages.
    pub offset: u64,
    /// Maximum number of children; `None`: all.
    pub limit: Option<u64>,
}

/// Two items of one folder whose names are equal for the drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameConflict {
    /// The drive.
    pub drive: DriveKey,
    /// The account's name.
    pub account: String,
    /// The folder.
    pub folder: ItemKey,
    /// The item that cannot be found by its path.
    pub item: ItemKey,
    /// Its name.
    pub name: String,
    /// The older item, which the path leads to.
    pub older: ItemKey,
    /// The older item's name.
    pub older_name: String,
}

/// Items that moved out of the tree of a folder and into it. Items below them moved with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// Items that left the tree, and items that left an item that had left it.
    pub left: HashSet<ItemKey>,
    /// Items that entered the tree.
    pub arrived: HashSet<ItemKey>,
}
