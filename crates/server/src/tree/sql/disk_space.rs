//! Limits of the recycle bin, and space on a full disk.
//!
//! Clients delete items to the recycle bin, and no protocol empties it. So items are purged when they
//! are too old or exceed the limit, and, oldest first, when the disk has no space for a new write.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use sqlx::{FromRow, Row, any::AnyRow};
use tokio::sync::Mutex;

use super::{
    super::{DriveKey, ItemKey, Result, TreeError},
    db::Db,
    dialect, recycle_bin,
    reserve::Reserve,
    row::unsigned,
};
use crate::blobs::Blobs;

/// Items that are purged before the free space is checked again.
const AT_A_TIME: i64 = 16;

/// The limits of a drive's recycle bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BinLimits {
    /// The age at which items are purged.
    pub max_age: Duration,
    /// Bytes beyond which the oldest items are purged; `None` for no limit.
    pub max_size: Option<u64>,
    /// The current time of the drive's account.
    pub now: Timestamp,
}

/// Returns the free bytes of a disk; `None` if they are unknown.
type Free = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// Purges items from the recycle bin.
#[derive(Clone)]
pub(super) struct DiskSpace {
    free: Free,
    db: Arc<Db>,
    blobs: Arc<Blobs>,
    reserve: Arc<Reserve>,
    /// Held by the one caller that empties the bin.
    alone: Arc<Mutex<()>>,
}

/// An item in the recycle bin.
struct Binned {
    drive: DriveKey,
    no: ItemKey,
    size: u64,
    /// Microseconds since 1970.
    since: i64,
}

impl FromRow<'_, AnyRow> for Binned {
    /// Reads the columns `drive`, `no`, `size` and `modified`.
    ///
    /// # Errors
    /// `sqlx::Error` if a column is absent or has another type.
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            drive: row.try_get("drive")?,
            no: row.try_get("no")?,
            size: unsigned(row.try_get("size")?),
            since: row.try_get("modified")?,
        })
    }
}

impl DiskSpace {
    /// Creates it for the disk of `folder`, whose free space limits writes. `None`: the free space
    /// is unknown, and nothing is purged for it.
    pub(super) fn new(
        folder: Option<PathBuf>,
        db: Arc<Db>,
        blobs: Arc<Blobs>,
        reserve: Arc<Reserve>,
    ) -> Self {
        let free: Free = match folder {
            Some(folder) => Arc::new(move || fs4::available_space(&folder).ok()),
            None => Arc::new(|| None),
        };
        Self { free, db, blobs, reserve, alone: Arc::default() }
    }

    /// Returns the blobs of the tree.
    pub(super) fn blobs(&self) -> Arc<Blobs> {
        self.blobs.clone()
    }

    /// Returns the disk space in reserve.
    pub(super) fn reserve(&self) -> Arc<Reserve> {
        self.reserve.clone()
    }

    /// Purges items, oldest first, until the disk has space for a write of `bytes`. It stops when
    /// the recycle bins are empty; then the write itself will fail. Failures of the purge are
    /// logged.
    pub(super) async fn ensure(&self, bytes: u64) {
        if self.is_enough(bytes) {
            return;
        }
        let _alone = self.alone.lock().await;
        while !self.is_enough(bytes) {
            match self.remove_oldest().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, "cannot empty the recycle bin");
                    return;
                }
            }
        }
    }

    /// Returns whether the disk has space for a write of `bytes`; true if its free space is
    /// unknown.
    fn is_enough(&self, bytes: u64) -> bool {
        (self.free)().is_none_or(|free| free >= bytes)
    }

    /// Replaces the free space of the disk.
    #[cfg(test)]
    pub(super) fn on_disk_with(self, free: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { free: Arc::new(move || Some(free())), ..self }
    }

    /// Purges the oldest [`AT_A_TIME`] items from the recycle bins of all drives, and waits for
    /// their space. Returns false if all bins are empty.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
    async fn remove_oldest(&self) -> Result<bool> {
        let oldest = self
            .select_binned(
                "SELECT drive, no, size, modified FROM item WHERE state = 1 AND drive <> $1 \
                 ORDER BY modified, drive, feed LIMIT $2",
                // No drive has that number.
                DriveKey(0),
                AT_A_TIME,
            )
            .await?;
        for item in &oldest {
            tracing::warn!(
                drive = %item.drive,
                item = %item.no,
                "the disk is full: an item is purged from the recycle bin"
            );
            self.purge(item).await?;
        }
        if !oldest.is_empty() {
            self.reclaim().await?;
        }
        Ok(!oldest.is_empty())
    }

    /// Reclaims the space of purged items: waits until their blobs are removed, and truncates the
    /// database's log.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
    async fn reclaim(&self) -> Result<()> {
        self.blobs.finish_removals().await;
        let mut sql = self.db.reader().await?;
        Ok(dialect::shorten_log(&mut sql).await?)
    }

    /// Purges the items of a drive's recycle bin that exceed the limits, oldest first. Returns
    /// their number.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
    pub(super) async fn apply(&self, drive: DriveKey, limits: BinLimits) -> Result<u64> {
        let age = i64::try_from(limits.max_age.as_micros()).unwrap_or(i64::MAX);
        let before = limits.now.as_microsecond().saturating_sub(age);
        let mut size = match limits.max_size {
            Some(_) => self.size(drive).await?,
            None => 0,
        };
        let mut removed = 0;
        loop {
            let oldest = self
                .select_binned(
                    "SELECT drive, no, size, modified FROM item WHERE state = 1 AND drive = $1 \
                     ORDER BY feed LIMIT $2",
                    drive,
                    AT_A_TIME,
                )
                .await?;
            let mut found = false;
            for item in oldest {
                let too_many = limits.max_size.is_some_and(|max| size > max);
                if !too_many && item.since > before {
                    break;
                }
                self.purge(&item).await?;
                size = size.saturating_sub(item.size);
                removed += 1;
                found = true;
            }
            if !found {
                return Ok(removed);
            }
        }
    }

    /// Returns the bytes in a drive's recycle bin.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database cannot be read.
    async fn size(&self, drive: DriveKey) -> Result<u64> {
        let mut sql = self.db.reader().await?;
        let size = sqlx::query_scalar(
            "SELECT CAST(COALESCE(sum(size), 0) AS BIGINT) FROM item WHERE drive = $1 AND state = 1",
        );
        Ok(unsigned(size.bind(drive).fetch_one(&mut *sql).await?))
    }

    /// Returns items in recycle bins by the statement `text`, whose parameters are a drive and the
    /// largest number of items.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database cannot be read.
    async fn select_binned(
        &self,
        text: &'static str,
        drive: DriveKey,
        limit: i64,
    ) -> Result<Vec<Binned>> {
        let mut sql = self.db.reader().await?;
        let query = sqlx::query_as(text).bind(drive).bind(limit);
        Ok(query.fetch_all(&mut *sql).await?)
    }

    /// Purges an item, with the disk space in reserve if the disk is full. An item that is not in
    /// the recycle bin any more is no error.
    ///
    /// # Errors
    /// `TreeError::NoRoom` if the disk is full nevertheless, and `TreeError::Storage` if the
    /// database fails.
    async fn purge(&self, item: &Binned) -> Result<()> {
        let (drive, no) = (item.drive, item.no);
        let purge = || self.db.write(move |tx| Box::pin(recycle_bin::purge(tx, drive, no)));
        let mut done = purge().await;
        if matches!(done, Err(TreeError::NoRoom(_))) {
            // The items before this one may be what fills the disk: their blobs are still being
            // removed, and their deletion takes room in the database's log.
            self.reclaim().await?;
            done = purge().await;
        }
        if matches!(done, Err(TreeError::NoRoom(_))) && self.reserve.release() {
            done = purge().await;
        }
        match done {
            // A client restored or purged it meanwhile.
            Err(TreeError::NotFound) => Ok(()),
            done => done,
        }
    }
}

/// Returns the keys of all drives and the names of their accounts.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn drives(db: &Db) -> Result<Vec<(DriveKey, String)>> {
    let mut sql = db.reader().await?;
    Ok(sqlx::query_as("SELECT no, name FROM drive ORDER BY no").fetch_all(&mut *sql).await?)
}
