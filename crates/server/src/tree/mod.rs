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
mod error;
mod folding;
mod hash;
mod item;
mod key;
mod mutation;
mod quick_xor;
mod sql;
mod upload;

pub(super) use self::sql::{BinLimits, cid};
pub use self::{
    bytes::{Audit, Bytestream, Content, Hashes, Stored},
    error::{Result, TreeError},
    folding::{NameFolding, fold},
    item::{
        DriveInfo, FIRST_ITEM, Listing, ListingKey, Moves, NameConflict, Node, NodeKind, Order,
        ROOT, State,
    },
    key::{DriveKey, ItemKey},
    mutation::{Change, ChildName, NewItem, OnConflict, Precondition, Written},
    sql::{CheckReport, DEFAULT_QUOTA, DamagedFile, MOVES_KEPT, OpenError, Tree, TreeOptions},
    upload::{CommitTarget, Session, UploadFragment},
};
pub use super::media::{Audio, Media, Photo, Place as MediaPlace, Video};
