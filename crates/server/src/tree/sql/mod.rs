//! The tree in an SQL database, its bytes in blobs.

mod bin;
mod check;
mod contents;
mod copy;
mod db;
mod drives;
mod failure;
mod file;
mod folder;
mod folders;
mod intake;
mod items;
mod media;
mod moves;
mod names;
mod open;
mod read;
mod refold;
mod reserve;
mod room;
mod row;
mod schema;
mod session;
mod subtree;
mod update;
mod veil;
mod writer;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::FutureExt;
use jiff::Timestamp;
use tokio::task::JoinSet;

pub(crate) use self::drives::cid;
pub(super) use self::intake::Place;
pub(crate) use self::room::BinLimits;
pub use self::{
    check::{CheckReport, DamagedFile},
    moves::MOVES_KEPT,
    open::{DEFAULT_QUOTA, OpenError, TreeOptions},
};
use self::{
    contents::Bytes, db::Db, intake::ROW_MAX, items::To, open::Home, refold::Folding,
    reserve::Reserve, room::Room, veil::Veil,
};
use super::{
    Audit, Bytestream, Change, Content, DriveInfo, DriveNo, Expect, ItemNo, Landing, Listing,
    Moves, NameConflict, NewItem, Node, NodeKind, OnConflict, Result, Session, Stored, Tree,
    TreeError, Written, hash::Hasher,
};
use crate::blobs::Blobs;

/// The trees of a server, in a folder or in memory. See [`SqlTree::open`].
pub struct SqlTree {
    db: Arc<Db>,
    blobs: Arc<Blobs>,
    reserve: Arc<Reserve>,
    room: Room,
    home: Option<Home>,
    quota: u64,
    keeps_deleted: bool,
    folding: Folding,
    hashing: session::Hashing,
    veil: Veil,
    background: Mutex<JoinSet<()>>,
}

impl fmt::Debug for SqlTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlTree").field("blobs", &self.blobs).finish_non_exhaustive()
    }
}

/// Does a write: `write!(self, |tx| …)`, where `…` awaits and gives a `Result`.
macro_rules! write {
    ($tree:expr, |$tx:ident| $work:expr) => {
        $tree.db.write(move |$tx| async move { $work.await }.boxed()).await
    };
}

/// Does a write that removes something, `remove!(self, write!(…))`: where there is no room, again
/// with what was kept back for it.
macro_rules! remove {
    ($tree:expr, $write:expr) => {{
        let done = match $write {
            Err(TreeError::NoRoom(_)) if $tree.reserve.give() => $write,
            done => done,
        };
        $tree.keep_room().await;
        done
    }};
}

/// Reads: `read!(self, |sql| …)`, where `…` awaits and gives a `Result`.
macro_rules! read {
    ($tree:expr, |$sql:ident| $work:expr) => {
        match $tree.db.reader().await {
            Ok(mut reader) => {
                let $sql = &mut *reader;
                $work.await
            }
            Err(error) => Err(error),
        }
        .map_err(|error| $tree.db.told_of(error))
    };
}

impl SqlTree {
    /// Keeps room back again that was given up, when what was to be removed is gone.
    async fn keep_room(&self) {
        if self.reserve.is_wanting() {
            self.blobs.settle().await;
            let reserve = self.reserve.clone();
            // Without it there is no room that is kept back.
            let _ = tokio::task::spawn_blocking(move || reserve.keep()).await;
        }
    }

    /// Every `interval`, and once now, removes the items from recycle bins that are beyond the limits
    /// that `limits` gives an account's name. Ends with the tree.
    pub(crate) fn limit_bins(
        &self,
        interval: Duration,
        limits: impl Fn(&str) -> BinLimits + Send + Sync + 'static,
    ) {
        let (db, room) = (self.db.clone(), self.room.clone());
        let limiting = async move {
            let mut ticks = tokio::time::interval(interval);
            loop {
                ticks.tick().await;
                let applied = async {
                    for (drive, name) in room::drives(&db).await? {
                        room.apply(drive, limits(&name)).await?;
                    }
                    Ok::<_, TreeError>(())
                };
                if let Err(error) = applied.await {
                    tracing::warn!(%error, "old items cannot be removed from the recycle bin");
                }
            }
        };
        self.background.lock().unwrap_or_else(std::sync::PoisonError::into_inner).spawn(limiting);
    }

    /// Ends what is under way and gives the folder up: another process can open it afterwards.
    pub async fn close(&self) {
        let mut background = std::mem::take(
            &mut *self.background.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        background.shutdown().await;
        self.db.close().await;
        self.blobs.settle().await;
    }
}

#[async_trait]
impl Tree for SqlTree {
    async fn drive(&self, name: &str) -> Result<DriveInfo> {
        let found = read!(self, |sql| read::drive_named(sql, name))?;
        if let Some(drive) = found {
            return Ok(drive);
        }
        let (name, quota, folding) = (name.to_owned(), self.quota, self.folding.of(name));
        write!(self, |tx| drives::make(tx, name, quota, folding))
    }

    async fn drive_info(&self, drive: DriveNo) -> Result<DriveInfo> {
        read!(self, |sql| read::drive(sql, drive))
    }

    async fn set_quota(&self, drive: DriveNo, quota: u64) -> Result<()> {
        write!(self, |tx| drives::set_quota(tx, drive, quota))
    }

    async fn node(&self, drive: DriveNo, item: ItemNo) -> Result<Node> {
        self.veil.seen(read!(self, |sql| read::node(sql, drive, item))?)
    }

    async fn any_node(&self, drive: DriveNo, item: ItemNo) -> Result<Node> {
        self.veil.seen(read!(self, |sql| read::any_node(sql, drive, item))?)
    }

    async fn child(&self, drive: DriveNo, parent: ItemNo, name: &str) -> Result<Node> {
        self.veil.seen(read!(self, |sql| read::child(sql, drive, parent, name))?)
    }

    async fn walk(&self, drive: DriveNo, anchor: ItemNo, names: &[&str]) -> Result<Vec<Node>> {
        let mut nodes = read!(self, |sql| read::walk(sql, drive, anchor, names))?;
        let seen = nodes.iter().position(|node| self.veil.hides(drive, node.no));
        nodes.truncate(seen.unwrap_or(nodes.len()));
        if nodes.is_empty() { Err(TreeError::NotFound) } else { Ok(nodes) }
    }

    async fn path(&self, drive: DriveNo, item: ItemNo) -> Result<Vec<String>> {
        read!(self, |sql| read::path(sql, drive, item))
    }

    async fn lineage(&self, drive: DriveNo, item: ItemNo) -> Result<Vec<Node>> {
        read!(self, |sql| read::lineage(sql, drive, item))
    }

    async fn children(&self, drive: DriveNo, parent: ItemNo, which: Listing) -> Result<Vec<Node>> {
        if !self.veil.hides_any(drive) {
            return read!(self, |sql| read::children(sql, drive, parent, which));
        }
        // Pages are those of what is seen.
        let all = Listing { offset: 0, limit: None, ..which.clone() };
        let nodes = read!(self, |sql| read::children(sql, drive, parent, all))?.into_iter();
        let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let seen = nodes.filter(|node| !self.veil.hides(drive, node.no));
        Ok(seen.skip(whole(which.offset)).take(which.limit.map_or(usize::MAX, whole)).collect())
    }

    async fn below(
        &self,
        drive: DriveNo,
        folder: ItemNo,
        after: i64,
        limit: u64,
    ) -> Result<(Vec<Node>, Option<i64>)> {
        read!(self, |sql| read::below(sql, drive, folder, after, limit))
    }

    async fn changes(&self, drive: DriveNo, after: i64, limit: u64) -> Result<Vec<Node>> {
        read!(self, |sql| read::changes(sql, drive, after, limit))
    }

    async fn moves(&self, drive: DriveNo, folder: ItemNo, after: i64) -> Result<Moves> {
        read!(self, |sql| moves::of(sql, drive, folder, after))
    }

    async fn trashed(&self, drive: DriveNo, which: Listing) -> Result<Vec<Node>> {
        read!(self, |sql| read::trashed(sql, drive, which))
    }

    async fn store(&self, body: Bytestream, max: u64) -> Result<Stored> {
        let taken =
            intake::take_in(&self.blobs, &self.room, body, max, Some(Hasher::default()), ROW_MAX)
                .await?;
        let media = media::of_taken(&self.blobs, &taken).await;
        let hashes = taken.hasher.unwrap_or_default().finish();
        Ok(Stored { size: taken.size, hashes, media, at: taken.at })
    }

    async fn open_stored(&self, stored: &Stored, range: Range<u64>) -> Result<Bytestream> {
        media::open_stored(&self.blobs, stored, range).await
    }

    async fn discard(&self, stored: Stored) -> Result<()> {
        drop(stored);
        self.blobs.settle().await;
        Ok(())
    }

    async fn open(&self, content: &Content, range: Range<u64>) -> Result<Bytestream> {
        contents::open(&self.db, &self.blobs, content, range).await
    }

    fn hide(&self, drive: DriveNo, item: ItemNo, until: tokio::time::Instant) {
        self.veil.hide(drive, item, until);
    }

    fn hidden(&self, drive: DriveNo, item: ItemNo) -> bool {
        self.veil.hides(drive, item)
    }

    async fn name_conflicts(&self) -> Result<Vec<NameConflict>> {
        read!(self, |sql| refold::conflicts(sql))
    }

    async fn audit(&self) -> Result<Audit> {
        // First those that are named: what is taken in meanwhile is then not missing.
        let mut named = read!(self, |sql| contents::blobs(sql))?;
        let found = self.blobs.sizes().await.map_err(failure::storage)?;
        let mut audit = Audit { blobs: found.len() as u64, ..Audit::default() };
        for (blob, size) in found {
            match named.remove(&blob) {
                None => audit.orphans += 1,
                Some(expected) if expected != size => audit.damaged += 1,
                Some(_) => {}
            }
        }
        audit.missing = named.len() as u64;
        Ok(audit)
    }

    async fn make(
        &self,
        drive: DriveNo,
        parent: ItemNo,
        name: &str,
        kind: NodeKind,
        new: NewItem,
        on_conflict: OnConflict,
    ) -> Result<Written> {
        let to = To { drive, folder: parent, name: name.to_owned() };
        self.room.ensure(ROW_MAX as u64).await;
        write!(self, |tx| items::make(tx, to, kind, new, on_conflict))
    }

    async fn put(
        &self,
        drive: DriveNo,
        parent: ItemNo,
        name: &str,
        stored: Stored,
        new: NewItem,
        on_conflict: OnConflict,
        expect: Expect,
    ) -> Result<Written> {
        let to = To { drive, folder: parent, name: name.to_owned() };
        let bytes = Bytes::Stored(stored);
        self.room.ensure(ROW_MAX as u64).await;
        write!(self, |tx| items::put(tx, to, bytes, new, on_conflict, expect))
    }

    async fn overwrite(
        &self,
        drive: DriveNo,
        item: ItemNo,
        stored: Stored,
        new: NewItem,
        expect: Expect,
    ) -> Result<Node> {
        let bytes = Bytes::Stored(stored);
        self.room.ensure(ROW_MAX as u64).await;
        write!(self, |tx| items::overwrite(tx, drive, item, bytes, new, expect))
    }

    async fn update(
        &self,
        drive: DriveNo,
        item: ItemNo,
        change: Change,
        on_conflict: OnConflict,
        expect: Expect,
    ) -> Result<Node> {
        write!(self, |tx| update::update(tx, drive, item, change, on_conflict, expect))
    }

    async fn copy(
        &self,
        drive: DriveNo,
        item: ItemNo,
        to: ItemNo,
        name: Option<&str>,
        on_conflict: OnConflict,
    ) -> Result<Node> {
        let name = name.map(str::to_owned);
        self.room.ensure(ROW_MAX as u64).await;
        write!(self, |tx| copy::copy(tx, drive, item, to, name, on_conflict))
    }

    async fn trash(&self, drive: DriveNo, item: ItemNo, expect: Expect) -> Result<Node> {
        let trashed = remove!(self, write!(self, |tx| bin::trash(tx, drive, item, expect)))?;
        if !self.keeps_deleted {
            remove!(self, write!(self, |tx| bin::purge(tx, drive, item)))?;
        }
        Ok(trashed)
    }

    async fn restore(
        &self,
        drive: DriveNo,
        item: ItemNo,
        to: Option<ItemNo>,
        name: Option<&str>,
    ) -> Result<Node> {
        let name = name.map(str::to_owned);
        write!(self, |tx| bin::restore(tx, drive, item, to, name))
    }

    async fn purge(&self, drive: DriveNo, item: ItemNo) -> Result<()> {
        remove!(self, write!(self, |tx| bin::purge(tx, drive, item)))
    }

    async fn open_session(&self, session: Session) -> Result<Session> {
        self.room.ensure(ROW_MAX as u64).await;
        write!(self, |tx| session::open(tx, session))
    }

    async fn session(&self, id: &str) -> Result<Session> {
        read!(self, |sql| session::find(sql, id))
    }

    async fn append(
        &self,
        id: &str,
        at: u64,
        total: Option<u64>,
        fragment: Bytestream,
        max: u64,
        expires: Timestamp,
    ) -> Result<Session> {
        session::append(self, id, at, total, fragment, max, expires).await
    }

    async fn commit(
        &self,
        id: &str,
        new: NewItem,
        expect: Expect,
        landing: Option<Landing>,
    ) -> Result<Written> {
        session::commit(self, id, new, expect, landing).await
    }

    async fn cancel(&self, id: &str) -> Result<()> {
        self.hashing.invalidate(id);
        remove!(self, {
            let id = id.to_owned();
            write!(self, |tx| session::cancel(tx, id))
        })
    }

    async fn sessions(&self, drive: DriveNo) -> Result<u64> {
        read!(self, |sql| session::count(sql, drive))
    }

    async fn reset(&self) -> Result<()> {
        self.veil.lift();
        self.hashing.invalidate_all();
        remove!(self, write!(self, |tx| drives::reset(tx)))
    }
}
