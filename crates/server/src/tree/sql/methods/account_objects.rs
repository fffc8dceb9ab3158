//! Objects of accounts that are not items of a drive.

use super::super::{Tree, account_objects, drives, read_tx, remove, write_tx};
use crate::tree::{
    AccountObject, AccountObjectKind, AccountObjectQuery, DriveKey, Result, TreeError,
};

impl Tree {
    /// Returns objects of an account in the order of their creation, without their data.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database fails.
    pub async fn account_objects(
        &self,
        drive: DriveKey,
        query: AccountObjectQuery,
    ) -> Result<Vec<AccountObject>> {
        read_tx!(self, |sql| account_objects::list(sql, drive, query))
    }

    /// Returns the object of an account with a kind and an id, without its data. `id` must have the
    /// case in which it was stored.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if it does not exist, and [`TreeError::Storage`] if the database
    /// fails.
    pub async fn account_object(
        &self,
        drive: DriveKey,
        kind: AccountObjectKind,
        id: &str,
    ) -> Result<AccountObject> {
        read_tx!(self, |sql| account_objects::get(sql, drive, kind, id))
    }

    /// Returns the data of an object; `None` if it has none.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the object does not exist, and [`TreeError::Storage`] if the
    /// database fails.
    pub async fn account_object_data(
        &self,
        drive: DriveKey,
        kind: AccountObjectKind,
        id: &str,
    ) -> Result<Option<Vec<u8>>> {
        read_tx!(self, |sql| account_objects::data(sql, drive, kind, id))
    }

    /// Returns the names of the accounts that have an object with this id.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database fails.
    pub async fn account_object_owners(
        &self,
        kind: AccountObjectKind,
        id: &str,
    ) -> Result<Vec<String>> {
        read_tx!(self, |sql| account_objects::owners(sql, kind, id))
    }

    /// Stores an object. An object with the same kind and id is replaced; it keeps its creation time,
    /// and its data unless there is new data.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database fails, and [`TreeError::NoRoom`] if its disk is full.
    pub async fn put_account_object(&self, drive: DriveKey, object: AccountObject) -> Result<()> {
        write_tx!(self, |tx| account_objects::put(tx, drive, object))
    }

    /// Changes an object in one transaction. Returns the changed object, or the error of `change`,
    /// which leaves the object as it was. The time of the last change is set.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the object does not exist; [`TreeError::Storage`] if the database
    /// fails, and [`TreeError::NoRoom`] if its disk is full.
    pub async fn change_account_object<E: Send + 'static>(
        &self,
        drive: DriveKey,
        kind: AccountObjectKind,
        id: &str,
        change: impl FnOnce(&mut AccountObject) -> Result<(), E> + Send + 'static,
    ) -> Result<Result<AccountObject, E>> {
        let id = id.to_owned();
        write_tx!(self, |tx| account_objects::change(tx, drive, kind, id, change))
    }

    /// Removes an object, and all objects whose parent it is.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if it does not exist; [`TreeError::Storage`] if the database fails,
    /// and [`TreeError::NoRoom`] if its disk is full even with its reserve.
    pub async fn remove_account_object(
        &self,
        drive: DriveKey,
        kind: AccountObjectKind,
        id: &str,
    ) -> Result<()> {
        let remove = || {
            let id = id.to_owned();
            self.db.write(move |tx| Box::pin(account_objects::remove(tx, drive, kind, id)))
        };
        remove!(self, remove().await)
    }

    /// Returns the name of the account whose id in Live Connect is `cid`, 16 lower-case hexadecimal
    /// digits; `None` if no account has it.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database fails.
    pub async fn account_with_cid(&self, cid: &str) -> Result<Option<String>> {
        read_tx!(self, |sql| drives::name_with_cid(sql, cid))
    }
}
