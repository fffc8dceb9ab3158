//! Drives.

use super::super::{Tree, disk_space, drives, read, read_tx, refold, remove, write_tx};
use crate::tree::{DriveInfo, DriveKey, NameConflict, Result, TreeError};

impl Tree {
    /// Returns the drive of the account `name`. It is created if it does not exist.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database fails, and [`TreeError::NoRoom`] if its disk is full.
    pub async fn drive(&self, name: &str) -> Result<DriveInfo> {
        let found = read_tx!(self, |sql| read::drive_named(sql, name))?;
        if let Some(drive) = found {
            return Ok(drive);
        }
        let (name, quota, folding) = (name.to_owned(), self.quota, self.folding.for_account(name));
        write_tx!(self, |tx| drives::create(tx, name, quota, folding))
    }

    /// Returns the properties of a drive: its id, quota, usage, feed position and creation time.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if it does not exist, and [`TreeError::Storage`] if the database
    /// cannot be read.
    pub async fn drive_info(&self, drive: DriveKey) -> Result<DriveInfo> {
        read_tx!(self, |sql| read::drive(sql, drive))
    }

    /// Returns the names of all accounts that have a drive, in the order of their creation. The
    /// name of the default account is empty.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database cannot be read.
    pub async fn account_names(&self) -> Result<Vec<String>> {
        let drives = disk_space::drives(&self.db).await?;
        Ok(drives.into_iter().map(|(_, name)| name).collect())
    }

    /// Sets the quota of a drive, in bytes. It may be less than the drive uses.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the drive does not exist; [`TreeError::Storage`] if the database
    /// fails, and [`TreeError::NoRoom`] if its disk is full.
    pub async fn set_quota(&self, drive: DriveKey, quota: u64) -> Result<()> {
        write_tx!(self, |tx| drives::set_quota(tx, drive, quota))
    }

    /// Returns the live items whose name equals that of an older item in the same folder, in all
    /// drives.
    ///
    /// They stem from data of a version, or of an account kind, that kept the names apart. They are
    /// listed and found by id; the path leads to the older item. Renaming either ends the conflict.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database cannot be read.
    pub async fn name_conflicts(&self) -> Result<Vec<NameConflict>> {
        read_tx!(self, |sql| refold::conflicts(sql))
    }

    /// Removes every drive, session and byte.
    ///
    /// # Errors
    /// [`TreeError::Storage`] or [`TreeError::NoRoom`] if the database fails; then nothing is
    /// removed.
    pub async fn reset(&self) -> Result<()> {
        self.visibility.clear();
        self.hashing.invalidate_all();
        remove!(self, write_tx!(self, |tx| drives::reset(tx)))
    }
}
