//! Drives, their items, and the order of listings.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{Content, DriveKey, ItemKey};

/// The root folder of every drive.
pub const ROOT: ItemKey = ItemKey(100);

/// The first item that a client makes: SkyDrive's counted from about here.
pub const FIRST_ITEM: ItemKey = ItemKey(101);

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// Has children.
    Folder,
    /// Has bytes.
    File,
    /// Listed, but neither: a OneNote notebook.
    Notebook,
}

/// Whether an item can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Reachable.
    Live,
    /// Deleted to the recycle bin.
    Trashed,
    /// Below something in the recycle bin.
    Hidden,
    /// Gone for good; kept for the feed.
    Purged,
}

/// An item as the tree knows it.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its drive.
    pub drive: DriveKey,
    /// Its number.
    pub no: ItemKey,
    /// Its name; the root's is empty.
    pub name: String,
    /// The folders it is in, the primary one first; empty for the root. Of a live item only those
    /// that are live; of one in the recycle bin those it was in.
    pub parents: Vec<ItemKey>,
    /// What it is.
    pub kind: NodeKind,
    /// Whether it can be reached.
    pub state: State,
    /// A file's bytes.
    pub content: Option<Content>,
    /// Bytes of a file; of a folder, of all live files below it by primary edges.
    pub size: u64,
    /// Live items directly in a folder.
    pub children: u64,
    /// Media type given at upload or derived from the name.
    pub media_type: Option<String>,
    /// The user's description.
    pub description: Option<String>,
    /// When the server made it.
    pub created: Timestamp,
    /// When the server last changed anything of it; a folder, or something directly in it: what
    /// Live Connect calls `updated_time` (live-connect#folder-updated-time).
    pub modified: Timestamp,
    /// When the user made it, as the client said.
    pub client_created: Timestamp,
    /// When the user last changed its bytes, as the client said; else when the server did.
    pub client_modified: Timestamp,
    /// Raised by every change of the item itself; a folder's not by its children.
    pub version: i64,
    /// Raised by every change of the bytes; a folder's by every change below it.
    pub content_version: i64,
    /// The feed's number when it last changed itself, or came into or out of reach. No two items
    /// have the same, but roots that never changed.
    pub feed: i64,
    /// Whose it is, where it is not the drive's owner's: planted by the control interface.
    pub owner: Option<String>,
    /// What only one protocol knows of it, as JSON, under the protocol's name (`live`, `graph`,
    /// `amazon`).
    pub facets: serde_json::Map<String, serde_json::Value>,
}

/// A drive as the tree knows it.
#[derive(Clone, Debug)]
pub struct DriveInfo {
    /// Its number.
    pub no: DriveKey,
    /// 16 lower-case hexadecimal digits, derived from the name: SkyDrive's user id and, in upper
    /// case, OneDrive personal's drive id.
    pub cid: String,
    /// What it may hold, in bytes.
    pub quota: u64,
    /// What its live files hold, in bytes.
    pub used: u64,
    /// The feed's last number.
    pub feed: i64,
    /// When it was made.
    pub created: Timestamp,
}

/// The order of children. Their numbers decide between equal ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Folders first, then by name as code points.
    #[default]
    FoldersThenName,
    /// By name as code points.
    Name,
    /// By [`Node::client_modified`].
    Modified,
    /// By [`Node::size`].
    Size,
    /// By number: as they were made.
    Number,
}

/// The place of a child in a listing: the values that the listing is ordered by, and the child's
/// number, which decides between equal ones. It stays a place when the child is removed or changes,
/// so the pages of a listing neither skip nor repeat what stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListingKey {
    /// 0 for a folder, 1 for everything else, where folders come first.
    pub group: i64,
    /// The name, where names decide.
    pub name: String,
    /// The time in microseconds since 1970 or the size in bytes, where these decide. In the recycle
    /// bin the feed's number.
    pub number: i64,
    /// The item's number.
    pub item: ItemKey,
}

impl ListingKey {
    /// Returns the place of a child in a listing of that order.
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

/// Which children.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// In which order.
    pub order: Order,
    /// The other way round.
    pub descending: bool,
    /// Only those behind this place, which a listing of the same order gave.
    pub after: Option<ListingKey>,
    /// How many of the rest to skip. A protocol that pages by offset skips or repeats children when
    /// others are removed or added between two pages.
    pub offset: u64,
    /// How many at most; `None`: all.
    pub limit: Option<u64>,
}

/// Two items of one folder whose names are the same name to the drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameConflict {
    /// The drive.
    pub drive: DriveKey,
    /// The account's name.
    pub account: String,
    /// The folder.
    pub folder: ItemKey,
    /// The item that is not found by its path.
    pub item: ItemKey,
    /// Its name.
    pub name: String,
    /// The older item, which is found by that path.
    pub older: ItemKey,
    /// The older item's name.
    pub older_name: String,
}

/// Items that moved out of a folder's tree and into it. What is below them moved with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// Items that left it, and items that left what had left it.
    pub left: HashSet<ItemKey>,
    /// Items that came into it.
    pub arrived: HashSet<ItemKey>,
}
