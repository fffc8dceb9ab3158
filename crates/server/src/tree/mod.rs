//! What the drive server keeps: the contract between its front ends and its storage.
//!
//! A front end speaks a protocol (JSON in, JSON out) onto a [`Tree`] and knows nothing of SQL; the
//! tree knows nothing of protocols. Three protocols share one tree, so what one of them put the
//! others show. What they need of it decided its shape:
//!
//! * **Edges**: an item hangs in its parents by edges, because Amazon's items have several. A name
//!   is unique among a folder's live edges, compared in the drive's [`NameFolding`]; all edges of an
//!   item carry its one name. Names that an earlier version kept apart stay: see
//!   [`Tree::name_conflicts`]. The first edge is the primary one: protocols that know one parent show that.
//! * **Contents** are ordered segments, shared by reference count: a fragment of an upload becomes
//!   a segment when it arrives, a commit or a copy moves no bytes.
//! * **The feed**: a counter per drive, raised in the transaction that changes an item.
//! * **Numbers**: items are numbered per drive from [`FIRST_ITEM`]; each protocol derives its ids
//!   from the number by a bijection, so there is no table of ids and an id never comes back.
//!
//! Bytes come first, then one transaction for the tree: [`Tree::store`] takes a body to where bytes
//! are kept, a second call names it. A crash between them leaves an orphan, which is removed at the
//! next start.

mod bytes;
mod edit;
mod error;
mod folding;
mod hash;
mod item;
mod quick_xor;
mod sql;
mod upload;

use std::{fmt, ops::Range};

use async_trait::async_trait;
use jiff::Timestamp;

pub(super) use self::sql::{BinLimits, cid};
pub use self::{
    bytes::{Audit, Bytestream, Content, Hashes, Stored},
    edit::{Change, Expect, NewItem, OnConflict, Written},
    error::{Result, TreeError},
    folding::{NameFolding, fold},
    item::{
        DriveInfo, DriveNo, FIRST_ITEM, ItemNo, Listing, ListingKey, Moves, NameConflict, Node,
        NodeKind, Order, ROOT, State,
    },
    sql::{CheckReport, DEFAULT_QUOTA, DamagedFile, MOVES_KEPT, OpenError, SqlTree, TreeOptions},
    upload::{Landing, Session},
};
pub use super::media::{Audio, Media, Photo, Place as MediaPlace, Video};

/// The tree of every drive of a server, and the bytes of its files.
///
/// Every call is one transaction: it happens whole or not at all, whatever becomes of the caller.
/// One that finds no room, [`TreeError::NoRoom`], has changed nothing, and can be repeated when there
/// is room.
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

    /// Returns the live child of that name; of several that an upgrade made one name, the oldest.
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

    /// Returns the items that left a folder's tree or came into it, by a move or a restore, after a
    /// feed number. Moves are known for [`MOVES_KEPT`].
    async fn moves(&self, drive: DriveNo, folder: ItemNo, after: i64) -> Result<Moves>;

    /// Returns the items in the recycle bin by themselves, newest first: of `which`, the order has
    /// no meaning here, and `descending` is oldest first. [`ListingKey::number`] is
    /// [`Node::feed`].
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

    /// Returns the live items whose name in a folder is that of an older item there, in all drives.
    /// They come from data of a version, or an account kind, that kept the names apart. They are
    /// listed and found by id; by path the older item is found. Renaming them ends the conflict.
    async fn name_conflicts(&self) -> Result<Vec<NameConflict>>;

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
