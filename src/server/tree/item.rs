//! What a tree knows: drives, their items, and in which order children are told.

use jiff::Timestamp;

use super::Content;

/// An item's number in its drive.
pub type ItemNo = i64;

/// A drive's number in the server.
pub type DriveNo = i64;

/// The root folder of every drive.
pub const ROOT: ItemNo = 100;

/// The first item that a client makes: SkyDrive's counted from about here.
pub const FIRST_ITEM: ItemNo = 101;

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
    /// Removed to the recycle bin by itself.
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
    pub drive: DriveNo,
    /// Its number.
    pub no: ItemNo,
    /// Its name; the root's is empty.
    pub name: String,
    /// The folders it is in, the primary one first; empty for the root. Of a live item only those
    /// that are live; of one in the recycle bin those it was in.
    pub parents: Vec<ItemNo>,
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
    /// Live Connect calls `updated_time` (live-connect.md A.6).
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
    pub no: DriveNo,
    /// The account's name; the default account's is empty.
    pub name: String,
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

/// In which order children are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Folders first, then by name as code points.
    #[default]
    FoldersThenName,
    /// By name as code points.
    Name,
    /// By [`Node::client_modified`], then by number.
    Modified,
    /// By [`Node::size`], then by number.
    Size,
    /// By number: as they were made.
    Number,
}

/// Which children.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listing {
    /// In which order.
    pub order: Order,
    /// The other way round.
    pub descending: bool,
    /// How many to skip.
    pub offset: u64,
    /// How many at most; `None`: all.
    pub limit: Option<u64>,
}

/// The form under which two names are one: simple upper case, character by character, no
/// normalisation; what Windows' ordinal ignore-case comparison does (inferred).
pub fn fold(name: &str) -> String {
    name.chars()
        .map(|c| {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(one), None) => one,
                // `ß` and its like have no upper case of one character.
                _ => c,
            }
        })
        .collect()
}
