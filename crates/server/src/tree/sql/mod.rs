//! The tree in an SQL database, its bytes in blobs.

mod account_objects;
mod blob_location;
mod check;
mod contents;
mod copy;
mod crash_cleanup;
mod db;
mod dialect;
mod disk_space;
mod drives;
mod failure;
mod file;
mod folder;
mod folders;
mod ingest;
mod items;
mod media;
mod methods;
mod moves;
mod names;
mod open;
mod open_error;
mod options;
mod permission_migration;
mod permissions;
mod read;
mod recycle_bin;
mod refold;
mod reserve;
mod row;
mod salvage;
mod schema;
mod search_index;
mod server;
mod session;
mod snapshots;
mod subtree;
mod update;
mod versions;
mod visibility_delay;
mod writer;

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod reference_tree;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::task::JoinSet;

pub(crate) use self::disk_space::BinLimits;
pub(crate) use self::drives::cid;
pub(super) use self::ingest::Place;
pub use self::{
    check::{CheckReport, DamagedFile},
    moves::MOVES_KEPT,
    open_error::OpenError,
    options::TreeOptions,
    salvage::{LostItem, MovedItem, Recovery},
    snapshots::Snapshot,
};
use self::{
    db::Db, disk_space::DiskSpace, open::Home, refold::Folding, reserve::Reserve,
    salvage::SalvageResult, visibility_delay::VisibilityDelay,
};
use super::{DriveKey, TreeError};
use crate::blobs::Blobs;

/// The items of every drive of a server, and the bytes of their files.
///
/// Every call that writes is one transaction: it happens completely or not at all, even if the
/// caller drops the future. A call that fails with [`TreeError::NoRoom`] has changed nothing, and
/// can be repeated.
pub struct Tree {
    db: Arc<Db>,
    blobs: Arc<Blobs>,
    reserve: Arc<Reserve>,
    disk_space: DiskSpace,
    home: Option<Home>,
    quota: u64,
    keeps_deleted: bool,
    folding: Folding,
    hashing: session::Hashing,
    visibility: VisibilityDelay,
    background: Mutex<JoinSet<()>>,
    /// The result of salvaging a damaged database; `None` unless it was opened for a repair and was
    /// damaged.
    salvaged: Option<SalvageResult>,
}

impl fmt::Debug for Tree {
    /// Shows the blobs only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("blobs", &self.blobs).finish_non_exhaustive()
    }
}

/// Runs a write in a transaction: `write_tx!(self, |tx| future)`.
macro_rules! write_tx {
    ($tree:expr, |$tx:ident| $work:expr) => {
        $tree.db.write(move |$tx| Box::pin($work)).await
    };
}

/// Runs a write that removes something: `remove!(self, write_tx!(…))`. On a full disk it is run again
/// with the disk space in reserve.
macro_rules! remove {
    ($tree:expr, $write:expr) => {{
        let done = match $write {
            Err(TreeError::NoRoom(_)) if $tree.reserve.release() => $write,
            done => done,
        };
        $tree.refill_reserve().await;
        done
    }};
}

/// Runs a read on a connection: `read_tx!(self, |sql| future)`.
macro_rules! read_tx {
    ($tree:expr, |$sql:ident| $work:expr) => {
        match $tree.db.reader().await {
            Ok(mut reader) => {
                let $sql = &mut *reader;
                $work.await
            }
            Err(error) => Err(error),
        }
        .map_err(|error| $tree.db.with_location(error))
    };
}

use {read_tx, remove, write_tx};

impl Tree {
    /// Fills the reserve again after removals.
    async fn refill_reserve(&self) {
        if self.reserve.is_wanting() {
            self.blobs.finish_removals().await;
            let reserve = self.reserve.clone();
            // After a failure the reserve stays empty until the next removal.
            let _ = tokio::task::spawn_blocking(move || reserve.refill()).await;
        }
    }

    /// Removes items from recycle bins that exceed their limits, now and at every `interval`, until the
    /// tree is closed. `limits` returns the limits for an account's name.
    pub(crate) fn limit_bins(
        &self,
        interval: Duration,
        limits: impl Fn(&str) -> BinLimits + Send + Sync + 'static,
    ) {
        let (db, disk_space) = (self.db.clone(), self.disk_space.clone());
        let limiting = async move {
            let mut ticks = tokio::time::interval(interval);
            loop {
                ticks.tick().await;
                let applied = async {
                    for (drive, name) in disk_space::drives(&db).await? {
                        disk_space.apply(drive, limits(&name)).await?;
                    }
                    Ok::<_, TreeError>(())
                };
                if let Err(error) = applied.await {
                    tracing::warn!(%error, "cannot remove old items from the recycle bin");
                }
            }
        };
        self.background.lock().unwrap_or_else(std::sync::PoisonError::into_inner).spawn(limiting);
    }

    /// Removes the items from the recycle bin of a drive that exceed its limits.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database fails, and [`TreeError::NoRoom`] if its disk is full.
    pub(crate) async fn limit_bin(
        &self,
        drive: DriveKey,
        limits: BinLimits,
    ) -> Result<(), TreeError> {
        self.disk_space.apply(drive, limits).await.map(drop)
    }

    /// Waits for pending writes, and releases the folder and the database: another process can open them
    /// afterwards.
    pub async fn close(&self) {
        let mut background = std::mem::take(
            &mut *self.background.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        background.shutdown().await;
        self.db.close().await;
        self.blobs.finish_removals().await;
    }
}
