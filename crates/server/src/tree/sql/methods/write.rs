//! Writes to items.

use super::super::{
    Tree,
    contents::NewContent,
    copy,
    ingest::ROW_MAX,
    items::{self, To},
    recycle_bin, remove, update, write_tx,
};
use crate::tree::{
    Change, ChildName, DriveKey, ItemCopy, ItemKey, NewItem, Node, NodeKind, OnConflict,
    Precondition, Result, Stored, TreeError, WriteGuard, Written,
};

impl Tree {
    /// Creates a folder or a notebook. With [`OnConflict::Replace`] an existing item of that kind
    /// is returned unchanged.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] or [`TreeError::NotAFolder`] for the parent; [`TreeError::BadName`];
    /// [`TreeError::NameTaken`] if another item has the name, or a file that of one of
    /// [`NewItem::folders`]; [`TreeError::Storage`] for the kind of files, or if the database
    /// fails; [`TreeError::NoRoom`] if its disk is full.
    pub async fn make(
        &self,
        at: ChildName<'_>,
        kind: NodeKind,
        new: NewItem,
        on_conflict: OnConflict,
    ) -> Result<Written> {
        let to = To::from(at);
        self.disk_space.ensure(ROW_MAX as u64).await;
        write_tx!(self, |tx| items::make(tx, to, kind, new, on_conflict))
    }

    /// Creates a file from stored bytes, or replaces the bytes of the existing one. The
    /// precondition applies to the existing file; it holds if there is none.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] or [`TreeError::NotAFolder`] for the parent; [`TreeError::BadName`];
    /// [`TreeError::NameTaken`] if the name is taken with [`OnConflict::Fail`], or a file has that
    /// of one of [`NewItem::folders`]; [`TreeError::NotAFile`] if a folder or a notebook has the
    /// name and is to be replaced; [`TreeError::Changed`] if the precondition fails;
    /// [`TreeError::QuotaExceeded`]; [`TreeError::Storage`] if the database fails, and
    /// [`TreeError::NoRoom`] if its disk is full.
    pub async fn put(
        &self,
        at: ChildName<'_>,
        stored: Stored,
        new: NewItem,
        on_conflict: OnConflict,
        precondition: Precondition,
    ) -> Result<Written> {
        let to = To::from(at);
        let bytes = NewContent::Stored(stored);
        self.disk_space.ensure(ROW_MAX as u64).await;
        write_tx!(self, |tx| items::put(tx, to, bytes, new, on_conflict, precondition))
    }

    /// Replaces the bytes of a live file.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the item is not live; [`TreeError::NotAFile`] for a folder or a
    /// notebook; [`TreeError::Changed`] if the precondition fails; [`TreeError::QuotaExceeded`] if
    /// the file grows beyond the drive's quota; [`TreeError::Storage`] if the database fails, and
    /// [`TreeError::NoRoom`] if its disk is full.
    pub async fn overwrite(
        &self,
        drive: DriveKey,
        item: ItemKey,
        stored: Stored,
        new: NewItem,
        precondition: Precondition,
    ) -> Result<Node> {
        let bytes = NewContent::Stored(stored);
        self.disk_space.ensure(ROW_MAX as u64).await;
        write_tx!(self, |tx| items::overwrite(tx, drive, item, bytes, new, precondition))
    }

    /// Changes an item's metadata or its folders. With [`OnConflict::Replace`] a file replaces a
    /// file, which is deleted to the recycle bin; with a folder on either side the name is taken. A
    /// change without effect leaves the version as it is.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the item or a new folder is not live, or there is no new folder;
    /// [`TreeError::NotAFolder`] for a new parent; [`TreeError::Root`] for a move or a new name of
    /// the root; [`TreeError::BadName`]; [`TreeError::NameTaken`]; [`TreeError::IntoItself`] for a
    /// folder below itself; [`TreeError::Changed`] if the precondition fails;
    /// [`TreeError::Storage`] if the database fails, and [`TreeError::NoRoom`] if its disk is full.
    /// A move needs no quota.
    pub async fn update(
        &self,
        drive: DriveKey,
        item: ItemKey,
        change: Change,
        on_conflict: OnConflict,
        precondition: Precondition,
    ) -> Result<Node> {
        write_tx!(self, |tx| update::update(tx, drive, item, change, on_conflict, precondition))
    }

    /// Copies a file, or a folder with everything below it, sharing the bytes. `name` is the copy's
    /// name; `None` keeps that of the item. The copies' times are now, as on OneDrive
    /// (onedrive-graph#copy-not-preserved). With [`OnConflict::Replace`] a file's bytes replace
    /// those of a file; a folder replaces nothing.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the item or the folder is not live; [`TreeError::NotAFolder`] if
    /// `to` is a file; [`TreeError::Root`] for the root; [`TreeError::BadName`];
    /// [`TreeError::NameTaken`], with [`OnConflict::Replace`] if either is not a file;
    /// [`TreeError::QuotaExceeded`]; [`TreeError::Storage`] if the database fails, and
    /// [`TreeError::NoRoom`] if its disk is full.
    pub async fn copy(
        &self,
        drive: DriveKey,
        item: ItemKey,
        to: ItemKey,
        name: Option<&str>,
        on_conflict: OnConflict,
    ) -> Result<Node> {
        self.copy_item(ItemCopy {
            drive,
            item,
            to_drive: drive,
            to,
            name: name.map(str::to_owned),
            on_conflict,
            with_versions: false,
            max_versions: 0,
            guard: WriteGuard::default(),
            excluded: Vec::new(),
            dropped: &[],
        })
        .await
    }

    /// Like [`copy`](Self::copy), also to another drive, and with earlier versions.
    ///
    /// # Errors
    /// Those of [`copy`](Self::copy), and [`TreeError::Storage`] if the drives compare names
    /// differently.
    pub async fn copy_item(&self, copy: ItemCopy) -> Result<Node> {
        self.disk_space.ensure(ROW_MAX as u64).await;
        write_tx!(self, |tx| copy::copy(tx, copy))
    }

    /// Deletes an item and everything below it to the recycle bin: the item becomes
    /// [`ItemState::Trashed`](crate::tree::State::Trashed), the items below
    /// [`ItemState::Hidden`](crate::tree::State::Hidden), unless they are in another live folder too.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the item is not live; [`TreeError::Root`] for the root;
    /// [`TreeError::Changed`] if the precondition fails; [`TreeError::Storage`] if the database
    /// fails, and [`TreeError::NoRoom`] if its disk is full even with its reserve.
    pub async fn trash(
        &self,
        drive: DriveKey,
        item: ItemKey,
        precondition: Precondition,
    ) -> Result<Node> {
        let trashed =
            remove!(self, write_tx!(self, |tx| recycle_bin::trash(tx, drive, item, precondition)))?;
        if !self.keeps_deleted {
            remove!(self, write_tx!(self, |tx| recycle_bin::purge(tx, drive, item)))?;
        }
        Ok(trashed)
    }

    /// Restores a deleted item to every folder it was in that is live, or to `to` alone. `name` is
    /// its new name; `None` keeps the name.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the item is not in the recycle bin, `to` is not live, or without
    /// `to` none of the former folders is; [`TreeError::NotAFolder`] if `to` is a file;
    /// [`TreeError::BadName`]; [`TreeError::NameTaken`] if the name is taken in one of the folders;
    /// [`TreeError::IntoItself`] if a folder is now below the item; [`TreeError::QuotaExceeded`];
    /// [`TreeError::Storage`] if the database fails, and [`TreeError::NoRoom`] if its disk is full.
    pub async fn restore(
        &self,
        drive: DriveKey,
        item: ItemKey,
        to: Option<ItemKey>,
        name: Option<&str>,
    ) -> Result<Node> {
        let name = name.map(str::to_owned);
        write_tx!(self, |tx| recycle_bin::restore(tx, drive, item, to, name))
    }

    /// Removes an item in any state, and everything below it that is in no other folder, for good.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if it does not exist or was purged before; [`TreeError::Root`] for
    /// the root; [`TreeError::Storage`] if the database fails, and [`TreeError::NoRoom`] if its
    /// disk is full even with its reserve.
    pub async fn purge(&self, drive: DriveKey, item: ItemKey) -> Result<()> {
        remove!(self, write_tx!(self, |tx| recycle_bin::purge(tx, drive, item)))
    }
}
