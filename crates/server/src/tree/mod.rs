//! The storage of the drive server: every drive's items, and the bytes of their files.
//!
//! A protocol translates its requests into calls of [`Tree`] and knows no SQL; the tree knows no
//! protocol. Three protocols share one tree, so an item that one of them creates is visible to the
//! others. Their needs decide the data model:
//!
//! * **Edges** connect an item with its folders: an item of Amazon's can be in several. A name is
//!   unique among a folder's live edges, compared by the drive's [`NameFolding`]; all edges of an
//!   item carry its one name. Equal names that stem from an earlier version are kept: see
//!   [`Tree::name_conflicts`]. The first edge is the primary one, for protocols with one parent.
//! * **Contents** are ordered segments, shared by a reference count: a fragment of an upload becomes
//!   a segment when it arrives, and neither a commit nor a copy moves bytes.
//! * **Versions**: the contents that a file had before, each with a reference to its content. They
//!   count in the drive's used bytes.
//! * **The feed** is a counter per drive, raised by the transaction that changes an item.
//! * **Keys**: items are numbered per drive from [`FIRST_ITEM`]. Each protocol derives its ids from
//!   the number by a bijection, so no table of ids is needed and no id is used twice.
//!
//! Bytes are stored first, then one transaction names them: [`Tree::store`] takes a body, a second
//! call makes it a file. A crash between them leaves an orphaned blob, which the next start removes.

mod account_object;
mod bytes;
mod error;
mod folding;
mod hash;
mod item;
mod item_version;
mod key;
mod mutation;
mod permission;
mod quick_xor;
mod search;
mod sql;
mod upload;

pub(super) use self::sql::{BinLimits, cid};
pub use self::{
    account_object::{AccountObject, AccountObjectKind, AccountObjectQuery},
    bytes::{Audit, Bytestream, Content, Hashes, Stored},
    error::{Result, TreeError},
    folding::{NameFolding, fold},
    item::{
        DriveInfo, FIRST_ITEM, FeedRange, ItemState, ListOptions, ListingKey, Moves, NameConflict,
        Node, NodeKind, Order, ROOT,
    },
    item_version::{ItemVersion, VERSION_COMMENT},
    key::{DriveKey, ItemKey},
    mutation::{
        Change, ChildName, ItemCopy, NewItem, OnConflict, Precondition, WriteGuard, Written,
    },
    permission::{
        LinkAudience, Permission, PermissionKind, Role, SharedItem, SharingAudience, SharingSummary,
    },
    search::{ItemSearch, SearchPosition, words},
    sql::{
        CheckReport, DamagedFile, LostItem, MOVES_KEPT, MovedItem, OpenError, Recovery, Snapshot,
        Tree, TreeOptions,
    },
    upload::{CommitTarget, Session, UploadFragment},
};
pub use super::media::{Audio, Media, Photo, Place as MediaPlace, Video};
