//! Permissions of items.

use super::super::{Tree, permissions, read_tx, write_tx};
use crate::tree::{DriveKey, ItemKey, Node, Permission, Result, SharedItem};

impl Tree {
    /// Returns the permissions of an item itself, oldest first. Expired ones are included.
    ///
    /// # Errors
    /// [`TreeError::Storage`](crate::tree::TreeError::Storage) if the database fails.
    pub async fn permissions(&self, drive: DriveKey, item: ItemKey) -> Result<Vec<Permission>> {
        read_tx!(self, |sql| permissions::of_item(sql, drive, item))
    }

    /// Returns the permissions of an item and of the folders above it by primary edges, those of the
    /// item first and those of the root last. Expired ones are included.
    ///
    /// # Errors
    /// [`TreeError::Storage`](crate::tree::TreeError::Storage) if the database fails.
    pub async fn permissions_above(
        &self,
        drive: DriveKey,
        item: ItemKey,
    ) -> Result<Vec<Permission>> {
        read_tx!(self, |sql| permissions::of_lineage(sql, drive, item))
    }

    /// Returns the live items of all drives whose permissions name one of the grantees. Expired
    /// permissions are included.
    ///
    /// # Errors
    /// [`TreeError::Storage`](crate::tree::TreeError::Storage) if the database fails.
    pub async fn shared_with(&self, grantees: &[String]) -> Result<Vec<SharedItem>> {
        read_tx!(self, |sql| permissions::shared_with(sql, grantees))
    }

    /// Changes the permissions of a live item in one transaction, so that concurrent changes are all
    /// kept. Returns the item and the value of `change`, or the error of `change`, which leaves the
    /// permissions as they were. If the audience of the item changes, its version does too.
    ///
    /// # Errors
    /// [`TreeError::NotFound`](crate::tree::TreeError::NotFound) if the item is not live;
    /// [`TreeError::Storage`](crate::tree::TreeError::Storage) if the database fails, and
    /// [`TreeError::NoRoom`](crate::tree::TreeError::NoRoom) if its disk is full.
    pub async fn change_permissions<T: Send + 'static, E: Send + 'static>(
        &self,
        drive: DriveKey,
        item: ItemKey,
        change: impl FnOnce(&mut Vec<Permission>) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<(Node, T), E>> {
        write_tx!(self, |tx| permissions::change(tx, drive, item, change))
    }
}
