//! Earlier versions of files.

use super::super::{Tree, ingest::ROW_MAX, read_tx, remove, versions, write_tx};
use crate::tree::{DriveKey, ItemKey, ItemVersion, Node, Result, TreeError};

impl Tree {
    /// Returns the earlier versions of an item, newest first. The current one is the item itself.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database cannot be read.
    pub async fn versions(&self, drive: DriveKey, item: ItemKey) -> Result<Vec<ItemVersion>> {
        read_tx!(self, |sql| versions::list(sql, drive, item))
    }

    /// Returns an earlier version of an item. `no` is its number.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the item has no such version, and [`TreeError::Storage`] if the
    /// database cannot be read.
    pub async fn version(&self, drive: DriveKey, item: ItemKey, no: i64) -> Result<ItemVersion> {
        read_tx!(self, |sql| versions::get(sql, drive, item, no))
    }

    /// Replaces the bytes of a live file by those of an earlier version, which stays. The bytes
    /// before become a version too. `max` is the number of versions that the file may have.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the item is not live or has no such version;
    /// [`TreeError::NotAFile`]; [`TreeError::QuotaExceeded`] if the file grows beyond the drive's
    /// quota; [`TreeError::Storage`] if the database fails, and [`TreeError::NoRoom`] if its disk
    /// is full.
    pub async fn restore_version(
        &self,
        drive: DriveKey,
        item: ItemKey,
        no: i64,
        max: u32,
    ) -> Result<Node> {
        self.disk_space.ensure(ROW_MAX as u64).await;
        write_tx!(self, |tx| versions::restore(tx, drive, item, no, max))
    }

    /// Replaces the bytes of a live file by those of an earlier version, and deletes this version
    /// and all later ones, whose bytes are lost. `no` is its number.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the item is not live or has no such version;
    /// [`TreeError::NotAFile`]; [`TreeError::QuotaExceeded`] if the file grows beyond the drive's
    /// quota; [`TreeError::Storage`] if the database fails, and [`TreeError::NoRoom`] if its disk
    /// is full.
    pub async fn roll_back(&self, drive: DriveKey, item: ItemKey, no: i64) -> Result<Node> {
        self.disk_space.ensure(ROW_MAX as u64).await;
        write_tx!(self, |tx| versions::roll_back(tx, drive, item, no))
    }

    /// Deletes an earlier version of an item. `no` is its number.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the item has no such version; [`TreeError::Storage`] if the
    /// database fails, and [`TreeError::NoRoom`] if its disk is full even with its reserve.
    pub async fn delete_version(&self, drive: DriveKey, item: ItemKey, no: i64) -> Result<()> {
        remove!(self, write_tx!(self, |tx| versions::delete(tx, drive, item, no)))
    }
}
