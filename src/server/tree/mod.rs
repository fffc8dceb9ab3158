//! What the drive server keeps: the contract between its front ends and its storage.
//!
//! A front end speaks a protocol (JSON in, JSON out) onto a [`Tree`] and knows nothing of SQL; the
//! tree knows nothing of protocols. Three protocols share one tree, so what one of them put the
//! others show. What they need of it decided its shape:
//!
//! * **Edges**: an item hangs in its parents by edges, because Amazon's items have several. A name
//!   is unique among a folder's live edges, compared by [`fold`]; all edges of an item carry its
//!   one name. The first edge is the primary one: protocols that know one parent show that.
//! * **Contents** are ordered segments, shared by reference count: a fragment of an upload becomes
//!   a segment when it arrives, a commit or a copy moves no bytes.
//! * **The feed**: a counter per drive, raised in the transaction that changes an item.
//! * **Numbers**: items are numbered per drive from [`FIRST_ITEM`]; each protocol derives its ids
//!   from the number by a bijection, so there is no table of ids and an id never comes back.
//!
//! Bytes come first, then one transaction for the tree: [`Tree::store`] takes a body to where bytes
//! are kept, a second call names it. A crash between them leaves an orphan, which is removed at the
//! next start.

mod hash;
mod quick_xor;
mod sql;

use std::{fmt, ops::Range, pin::Pin, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use jiff::Timestamp;

pub(super) use self::sql::cid;
pub use self::sql::{DEFAULT_QUOTA, OpenError, SqlTree, TreeOptions};
pub use super::media::{Audio, Media, Photo, Place as MediaPlace, Video};

/// An item's number in its drive.
pub type ItemNo = i64;

/// A drive's number in the server.
pub type DriveNo = i64;

/// The root folder of every drive.
pub const ROOT: ItemNo = 100;

/// The first item that a client makes: SkyDrive's counted from about here.
pub const FIRST_ITEM: ItemNo = 101;

/// A stream of bytes in or out.
pub type Bytestream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// A result of the tree.
pub type Result<T, E = TreeError> = std::result::Result<T, E>;

/// Why the tree refused.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// No live item of that number or name.
    #[error("there is no such item")]
    NotFound,
    /// A live sibling has the name.
    #[error("the name is taken by item {0}")]
    NameTaken(ItemNo),
    /// Children were asked of something that has none.
    #[error("item {0} is not a folder")]
    NotAFolder(ItemNo),
    /// Bytes were asked of, or given to, something that has none.
    #[error("item {0} is not a file")]
    NotAFile(ItemNo),
    /// The drive is full.
    #[error("the drive is full")]
    QuotaExceeded,
    /// The item is not at the version that the caller wants to change.
    #[error("the item has changed")]
    Changed,
    /// A folder would be below itself.
    #[error("a folder cannot be moved below itself")]
    IntoItself,
    /// The root can be neither moved, renamed nor removed.
    #[error("not possible with the root folder")]
    Root,
    /// No such upload session: committed, cancelled, expired, or never there.
    #[error("there is no such upload session")]
    NoSession,
    /// A session's bytes go on elsewhere.
    #[error("the session goes on at byte {0}")]
    OutOfOrder(u64),
    /// More bytes than a session's total, or another total than was said before.
    #[error("the session ends at byte {0}")]
    PastTheEnd(u64),
    /// A name that no tree can keep: empty, `/` or NUL in it.
    #[error("not a name: {0}")]
    BadName(&'static str),
    /// The client's body ended early or could not be read.
    #[error("the body could not be read: {0}")]
    Body(std::io::Error),
    /// The storage below failed.
    #[error("storage: {0}")]
    Storage(Box<dyn std::error::Error + Send + Sync>),
}

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

/// A file's bytes, as they are kept. Shared by versions and copies.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// Its number in the server.
    pub no: i64,
    /// Bytes.
    pub size: u64,
    /// What they hash to.
    pub hashes: Hashes,
    /// What they say of themselves, if they are a photo, sound or a film.
    pub media: Option<Arc<Media>>,
}

/// Every hash that one of the protocols shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hashes {
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-1.
    pub sha1: [u8; 20],
    /// SHA-256.
    pub sha256: [u8; 32],
    /// OneDrive's quickXorHash.
    pub quick_xor: [u8; 20],
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

/// What a new item is made with, or an overwritten one gets. Of an overwritten one stays what is
/// `None` here, but for the media type and the time of its bytes; facets replace those of the same
/// name, `null` removes.
#[derive(Clone, Debug, Default)]
pub struct NewItem {
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
    /// [`TreeError::NameTaken`].
    Fail,
    /// `name 1.ext`, `name 2.ext`, … the first that is free; a folder's name has no extension.
    Rename,
}

/// Only go on if the item is at this version; compared inside the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
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
    pub parents: Option<Vec<ItemNo>>,
    /// The user's description; the inner `None` removes it.
    pub description: Option<Option<String>>,
    /// The user's times.
    pub client_created: Option<Timestamp>,
    /// See `client_created`.
    pub client_modified: Option<Timestamp>,
    /// Facets that replace those of the same name; `null` removes.
    pub facets: serde_json::Map<String, serde_json::Value>,
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

/// Bytes that were taken in and are not yet part of a tree.
#[derive(Debug)]
pub struct Stored {
    /// How many.
    pub size: u64,
    /// What they hash to.
    pub hashes: Hashes,
    /// What they say of themselves; see [`Content::media`].
    pub media: Option<Arc<Media>>,
    /// Where they are; the storage's own.
    at: sql::Place,
}

/// A large upload under way.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id: opaque, unguessable.
    pub id: String,
    /// Its drive.
    pub drive: DriveNo,
    /// The folder the file is to be in.
    pub parent: ItemNo,
    /// The name it is to have.
    pub name: String,
    /// How many bytes there will be, once a client has said so.
    pub total: Option<u64>,
    /// How many are there.
    pub received: u64,
    /// What happens when the name is taken at commit.
    pub on_conflict: OnConflict,
    /// When it is forgotten.
    pub expires: Timestamp,
    /// What the front end needs to know of it.
    pub state: serde_json::Value,
}

/// The blobs there are, beside those that contents and open upload sessions are made of. While bytes
/// are written, removed or taken in, some are on their way between the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Audit {
    /// Blobs there are.
    pub blobs: u64,
    /// Those of them that nothing names: left by a crash, until they are removed.
    pub orphans: u64,
    /// Blobs that are named and not there.
    pub missing: u64,
}

/// Another place for the file of a session than it was opened for: its name may be taken by now.
#[derive(Clone, Debug)]
pub struct Landing {
    /// The folder the file is to be in.
    pub parent: ItemNo,
    /// The name it is to have.
    pub name: String,
    /// What happens when the name is taken.
    pub on_conflict: OnConflict,
}

/// The tree of every drive of a server, and the bytes of its files.
///
/// Every call is one transaction: it happens whole or not at all, whatever becomes of the caller.
#[allow(clippy::too_many_arguments, reason = "what a file is made of, which is known in one place")]
#[async_trait]
#[expect(clippy::too_many_arguments, reason = "a write names its place, its bytes and its terms")]
pub trait Tree: Send + Sync + fmt::Debug + 'static {
    /// The drive of an account, made if there is none.
    async fn drive(&self, name: &str) -> Result<DriveInfo>;

    /// The drive of that number.
    async fn drive_info(&self, drive: DriveNo) -> Result<DriveInfo>;

    /// Sets what a drive may hold, in bytes.
    async fn set_quota(&self, drive: DriveNo, quota: u64) -> Result<()>;

    /// A live item.
    async fn node(&self, drive: DriveNo, item: ItemNo) -> Result<Node>;

    /// An item in whatever state.
    async fn any_node(&self, drive: DriveNo, item: ItemNo) -> Result<Node>;

    /// The live child of that name.
    async fn child(&self, drive: DriveNo, parent: ItemNo, name: &str) -> Result<Node>;

    /// Walks names down from a folder as far as they exist, in one look: the nodes that were found,
    /// the anchor first. Fewer than `names.len() + 1` means that the rest is missing.
    async fn walk(&self, drive: DriveNo, anchor: ItemNo, names: &[&str]) -> Result<Vec<Node>>;

    /// The names from the root down to an item by primary edges; empty for the root. Of one in the
    /// recycle bin, where it was.
    async fn path(&self, drive: DriveNo, item: ItemNo) -> Result<Vec<String>>;

    /// The folders above an item by primary edges, and the item: from itself up to the root.
    async fn lineage(&self, drive: DriveNo, item: ItemNo) -> Result<Vec<Node>>;

    /// The live children of a folder.
    async fn children(&self, drive: DriveNo, parent: ItemNo, which: Listing) -> Result<Vec<Node>>;

    /// Every live item below a folder, parents before children. At most `limit`, after `after` in
    /// an order of the tree's own that begins at 0; with the place to go on at, if there is more.
    /// What is made, moved or changed between two pages may be told twice, but is not missed. Costs
    /// a page for the root, a look at everything below for another folder.
    async fn below(
        &self,
        drive: DriveNo,
        folder: ItemNo,
        after: i64,
        limit: u64,
    ) -> Result<(Vec<Node>, Option<i64>)>;

    /// Items that changed after a feed number, in the feed's order, in whatever state they are now.
    /// The next page is asked for with the last node's [`Node::feed`].
    async fn changes(&self, drive: DriveNo, after: i64, limit: u64) -> Result<Vec<Node>>;

    /// Items in the recycle bin by themselves, newest first: of `which`, the order is of no
    /// meaning here, and `descending` is oldest first.
    async fn trashed(&self, drive: DriveNo, which: Listing) -> Result<Vec<Node>>;

    /// Takes a body in and hashes it; nothing of a tree changes. At most `max` bytes:
    /// beyond, [`TreeError::Body`] of kind `FileTooLarge`, and nothing stays. Neither does when the
    /// body fails, the call is dropped half-way, or what it gave is dropped unused.
    async fn store(&self, body: Bytestream, max: u64) -> Result<Stored>;

    /// Bytes that were taken in and are not yet part of a tree, a range of them, streamed.
    async fn open_stored(&self, stored: &Stored, range: Range<u64>) -> Result<Bytestream>;

    /// Forgets bytes that were taken in but not used, and waits until they are gone.
    async fn discard(&self, stored: Stored) -> Result<()>;

    /// The bytes of a content, a range of them, streamed. They come whole even if the content goes
    /// while they are read; one that is gone before is [`TreeError::Changed`]: look at the item
    /// again.
    async fn open(&self, content: &Content, range: Range<u64>) -> Result<Bytestream>;

    /// Lets an item be neither found nor listed until then, as a cloud whose parts do not agree
    /// yet: by [`node`](Self::node), [`any_node`](Self::any_node), [`child`](Self::child),
    /// [`walk`](Self::walk) and [`children`](Self::children). Everything else knows it, writes too.
    fn hide(&self, drive: DriveNo, item: ItemNo, until: tokio::time::Instant);

    /// Whether an item is neither found nor listed now.
    fn hidden(&self, drive: DriveNo, item: ItemNo) -> bool;

    /// Compares the blobs there are with those that are named. It takes a look at every blob.
    async fn audit(&self) -> Result<Audit>;

    /// Makes a folder or a notebook. With [`OnConflict::Replace`] an existing folder is answered
    /// as it is, not created; a file in its place is [`TreeError::NameTaken`].
    async fn make(
        &self,
        drive: DriveNo,
        parent: ItemNo,
        name: &str,
        kind: NodeKind,
        new: NewItem,
        on_conflict: OnConflict,
    ) -> Result<Written>;

    /// Makes a file of bytes that were taken in, or replaces the bytes of the one there.
    /// `expect` is about the one there; it holds when there is none. A folder there is not replaced:
    /// [`TreeError::NotAFile`].
    async fn put(
        &self,
        drive: DriveNo,
        parent: ItemNo,
        name: &str,
        stored: Stored,
        new: NewItem,
        on_conflict: OnConflict,
        expect: Expect,
    ) -> Result<Written>;

    /// Replaces the bytes of a file.
    async fn overwrite(
        &self,
        drive: DriveNo,
        item: ItemNo,
        stored: Stored,
        new: NewItem,
        expect: Expect,
    ) -> Result<Node>;

    /// Changes what is known of an item, or where it is. With [`OnConflict::Replace`] a file takes
    /// the place of a file, which is trashed; with a folder on either side the name is taken. A
    /// change that changes nothing is none.
    async fn update(
        &self,
        drive: DriveNo,
        item: ItemNo,
        change: Change,
        on_conflict: OnConflict,
        expect: Expect,
    ) -> Result<Node>;

    /// Copies a file, or a folder with everything below as it was before, sharing the bytes. The
    /// copies' times are now, as OneDrive does it (onedrive-graph.md A13). With
    /// [`OnConflict::Replace`] a file's bytes replace those of a file; a folder replaces nothing.
    async fn copy(
        &self,
        drive: DriveNo,
        item: ItemNo,
        to: ItemNo,
        name: Option<&str>,
        on_conflict: OnConflict,
    ) -> Result<Node>;

    /// Puts an item and everything below into the recycle bin: [`State::Trashed`], and
    /// [`State::Hidden`] for what is below. What is below and in another live folder too stays live
    /// there.
    async fn trash(&self, drive: DriveNo, item: ItemNo, expect: Expect) -> Result<Node>;

    /// Brings an item that is in the recycle bin by itself back, to every folder it was in that is
    /// live, or to `to` alone; if none is live, [`TreeError::NotFound`].
    async fn restore(
        &self,
        drive: DriveNo,
        item: ItemNo,
        to: Option<ItemNo>,
        name: Option<&str>,
    ) -> Result<Node>;

    /// Removes an item, in whatever state, and everything below for good; what is below and in
    /// another folder too stays there.
    async fn purge(&self, drive: DriveNo, item: ItemNo) -> Result<()>;

    /// Opens an upload session: `session` as given, with an id made by the tree and nothing received.
    /// Bytes of open sessions are not counted as used; a total that does not fit now is refused.
    async fn open_session(&self, session: Session) -> Result<Session>;

    /// A session that has not expired.
    async fn session(&self, id: &str) -> Result<Session>;

    /// Takes a fragment of at most `max` bytes in and adds it to a session's end: `at` must be
    /// there, else [`TreeError::OutOfOrder`]. `total`, once said, stays, and the fragment ends
    /// there at the latest, else [`TreeError::PastTheEnd`]. A fragment that fails leaves nothing;
    /// with one that is taken the session's time becomes `expires`.
    ///
    /// It takes the body and not [`Stored`] bytes, so that the bytes of a session are hashed as
    /// one file's while they arrive, and are not read again.
    async fn append(
        &self,
        id: &str,
        at: u64,
        total: Option<u64>,
        fragment: Bytestream,
        max: u64,
        expires: Timestamp,
    ) -> Result<Session>;

    /// Makes the file of a session, and ends it: where it was to be, or at `landing`. With bytes
    /// missing, [`TreeError::OutOfOrder`]; when it fails the session stays as it was.
    async fn commit(
        &self,
        id: &str,
        new: NewItem,
        expect: Expect,
        landing: Option<Landing>,
    ) -> Result<Written>;

    /// Ends a session and forgets its bytes.
    async fn cancel(&self, id: &str) -> Result<()>;

    /// How many upload sessions of a drive are open.
    async fn sessions(&self, drive: DriveNo) -> Result<u64>;

    /// Forgets every drive, session and byte.
    async fn reset(&self) -> Result<()>;
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
