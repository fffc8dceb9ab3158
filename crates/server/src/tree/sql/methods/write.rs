//! Writes to items.

use super::super::{
    Tree,
    contents::Bytes,
    copy,
    ingest::ROW_MAX,
    items::{self, To},
    recycle_bin, remove, update, write_tx,
};
use crate::tree::{
    Change, ChildName, DriveKey, ItemKey, NewItem, Node, NodeKind, OnConflict, Precondition,
    Result, Stored, TreeError, Written,
};

impl Tree {
    /// Makes a folder or a notebook. With [`OnConflict::Replace`] an existing folder is answered
    /// as it is, not created; a file in its place is [`TreeError::NameTaken`].
    pub async fn make(
        &self,
        at: ChildName<'_>,
        kind: NodeKind,
        new: NewItem,
        on_conflict: OnConflict,
    ) -> Result<Written> {
        let to = To::from(at);
        self.room.ensure(ROW_MAX as u64).await;
        write_tx!(self, |tx| items::make(tx, to, kind, new, on_conflict))
    }

    /// Makes a file of bytes that were taken in, or replaces the bytes of the one there.
    /// `precondition` is about the one there; it holds when there is none. A folder there is not replaced:
    /// [`TreeError::NotAFile`].
    pub async fn put(
        &self,
        at: ChildName<'_>,
        stored: Stored,
        new: NewItem,
        on_conflict: OnConflict,
        precondition: Precondition,
    ) -> Result<Written> {
        let to = To::from(at);
        let bytes = Bytes::Stored(stored);
        self.room.ensure(ROW_MAX as u64).await;
        write_tx!(self, |tx| items::put(tx, to, bytes, new, on_conflict, precondition))
    }

    /// Replaces the bytes of a file.
    pub async fn overwrite(
        &self,
        drive: DriveKey,
        item: ItemKey,
        stored: Stored,
        new: NewItem,
        precondition: Precondition,
    ) -> Result<Node> {
        let bytes = Bytes::Stored(stored);
        self.room.ensure(ROW_MAX as u64).await;
        write_tx!(self, |tx| items::overwrite(tx, drive, item, bytes, new, precondition))
    }

    /// Changes what is known of an item, or where it is. With [`OnConflict::Replace`] a file takes
    /// the place of a file, which is trashed; with a folder on either side the name is taken. A
    /// change that changes nothing is none.
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

    /// Copies a file, or a folder with everything below as it was before, sharing the bytes. The
    /// copies' times are now, as OneDrive does it (onedrive-graph.md A13). With
    /// [`OnConflict::Replace`] a file's bytes replace those of a file; a folder replaces nothing.
    pub async fn copy(
        &self,
        drive: DriveKey,
        item: ItemKey,
        to: ItemKey,
        name: Option<&str>,
        on_conflict: OnConflict,
    ) -> Result<Node> {
        let name = name.map(str::to_owned);
        self.room.ensure(ROW_MAX as u64).await;
        write_tx!(self, |tx| copy::copy(tx, drive, item, to, name, on_conflict))
    }

    /// Puts an item and everything below into the recycle bin: [`State::Trashed`], and
    /// [`State::Hidden`] for what is below. What is below and in another live folder too stays live
    /// there.
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

    /// Brings an item that is in the recycle bin by itself back, to every folder it was in that is
    /// live, or to `to` alone; if none is live, [`TreeError::NotFound`].
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

    /// Removes an item, in whatever state, and everything below for good; what is below and in
    /// another folder too stays there.
    pub async fn purge(&self, drive: DriveKey, item: ItemKey) -> Result<()> {
        remove!(self, write_tx!(self, |tx| recycle_bin::purge(tx, drive, item)))
    }
}
