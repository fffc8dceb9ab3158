//! Tests of the tree.

mod account_objects;
mod bin_limits;
mod crash;
mod damage;
mod drives;
mod durable;
mod full;
mod items;
pub(super) mod on_postgres;
mod permissions;
mod postgres;
mod recovery;
mod repair;
mod search;
mod sessions;
mod storage;
mod together;
mod upgrade;
mod versions;

use ::bytes::Bytes as Piece;
use futures::{StreamExt, TryStreamExt, stream};

use super::{super::*, *};

/// Returns a body of these bytes, in pieces.
pub(super) fn body(bytes: &[u8]) -> Bytestream {
    let pieces: Vec<_> =
        bytes.chunks(10_007).map(|piece| Ok(Piece::copy_from_slice(piece))).collect();
    Box::pin(stream::iter(pieces))
}

/// Returns bytes that depend on a seed.
pub(super) fn bytes(length: usize, seed: u64) -> Vec<u8> {
    (0..length as u64).map(|i| ((i * i + seed * 31 + i / 251) % 256) as u8).collect()
}

/// A tree without a folder: in memory, or on the PostgreSQL server of [`on_postgres`].
pub(super) async fn ephemeral() -> (Tree, DriveKey) {
    let options = on_postgres::options().await.unwrap_or_else(TreeOptions::ephemeral);
    let tree = Tree::open(options).await.expect("opens");
    let drive = tree.drive("").await.expect("drive").no;
    (tree, drive)
}

pub(super) async fn on_disk(data: &std::path::Path) -> Tree {
    let relaxed = TreeOptions::folder(data).durability(crate::Durability::Relaxed);
    Tree::open(relaxed).await.expect("opens")
}

pub(super) async fn read(tree: &Tree, node: &Node) -> Vec<u8> {
    let content = node.content.as_ref().expect("has bytes");
    let pieces: Vec<Piece> = tree
        .open_content(content, 0..content.size)
        .await
        .expect("opens")
        .try_collect()
        .await
        .expect("reads");
    pieces.concat()
}

pub(super) async fn put(
    tree: &Tree,
    drive: DriveKey,
    parent: ItemKey,
    name: &str,
    bytes: &[u8],
) -> Node {
    let stored = tree.store(body(bytes), u64::MAX).await.expect("stores");
    let written = tree
        .put(
            ChildName::new(drive, parent, name),
            stored,
            NewItem::default(),
            OnConflict::Replace,
            Precondition::Any,
        )
        .await;
    written.expect("puts").node
}

/// Returns the options of an upload session that expires in an hour.
pub(super) fn session(
    drive: DriveKey,
    parent: ItemKey,
    name: &str,
    on_conflict: OnConflict,
) -> Session {
    Session {
        id: String::new(),
        drive,
        parent,
        folders: Vec::new(),
        name: name.to_owned(),
        total: None,
        received: 0,
        on_conflict,
        expires: jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1),
        state: serde_json::json!({ "kind": "test" }),
    }
}

pub(super) async fn folder(tree: &Tree, drive: DriveKey, parent: ItemKey, name: &str) -> Node {
    let made = tree
        .make(
            ChildName::new(drive, parent, name),
            NodeKind::Folder,
            NewItem::default(),
            OnConflict::Fail,
        )
        .await;
    made.expect("makes").node
}

/// Returns the error of a call that must fail.
pub(super) fn refusal<T: fmt::Debug>(result: Result<T>) -> TreeError {
    result.expect_err("is refused")
}

/// Returns a body that fails after these bytes.
pub(super) fn broken_body(bytes: &[u8]) -> Bytestream {
    let end = stream::iter([Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))]);
    Box::pin(body(bytes).chain(end))
}

/// Returns the number of blobs after all removals.
pub(super) async fn blobs(tree: &Tree) -> usize {
    tree.blobs.finish_removals().await;
    tree.blobs.all().await.expect("lists").len()
}
