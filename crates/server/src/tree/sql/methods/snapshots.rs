//! Snapshots of drives.

use super::super::{
    Tree, read_tx, remove,
    snapshots::{self, Snapshot},
    write_tx,
};
use crate::tree::{DriveKey, Result, TreeError};

impl Tree {
    /// Takes a snapshot of the drive of an account. One with the same name is replaced.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the drive does not exist;
    /// [`TreeError::Storage`] if the database fails, and
    /// [`TreeError::NoRoom`] if its disk is full.
    pub async fn take_snapshot(
        &self,
        drive: DriveKey,
        account: &str,
        name: &str,
    ) -> Result<Snapshot> {
        let (account, name) = (account.to_owned(), name.to_owned());
        write_tx!(self, |tx| snapshots::take(tx, drive, account, name))
    }

    /// Returns the snapshots of an account, oldest first.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database cannot be read.
    pub async fn snapshots(&self, account: &str) -> Result<Vec<Snapshot>> {
        read_tx!(self, |sql| snapshots::list(sql, account))
    }

    /// Restores a drive to a snapshot of its account. Upload sessions of the drive end, and tokens of
    /// its change feed become invalid. The keys of new items continue those of the snapshot.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the account has no such snapshot;
    /// [`TreeError::Storage`] if the database fails, or a content of
    /// the snapshot was lost in a repair; [`TreeError::NoRoom`] if
    /// its disk is full.
    pub async fn restore_snapshot(&self, drive: DriveKey, account: &str, name: &str) -> Result<()> {
        let (account, name) = (account.to_owned(), name.to_owned());
        self.visibility.clear_drive(drive);
        write_tx!(self, |tx| snapshots::restore(tx, drive, account, name))
    }

    /// Removes a snapshot. Its bytes are deleted if no drive and no other snapshot has them.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the account has no such snapshot;
    /// [`TreeError::Storage`] if the database fails, and
    /// [`TreeError::NoRoom`] if its disk is full even with its
    /// reserve.
    pub async fn remove_snapshot(&self, account: &str, name: &str) -> Result<()> {
        let of = || (account.to_owned(), name.to_owned());
        remove!(self, {
            let (account, name) = of();
            write_tx!(self, |tx| snapshots::remove(tx, account, name))
        })
    }

    /// Removes a drive with its items and upload sessions. Its snapshots remain.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database fails, and
    /// [`TreeError::NoRoom`] if its disk is full even with its
    /// reserve.
    pub async fn remove_drive(&self, drive: DriveKey) -> Result<()> {
        self.visibility.clear_drive(drive);
        remove!(self, write_tx!(self, |tx| snapshots::remove_drive(tx, drive)))
    }
}
