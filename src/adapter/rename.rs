//! Renaming and moving of files and folders.
//!
//! OpenDAL's `rename` only gets paths without a trailing slash. Such a path means the item with the
//! name, a file or a folder. Missing parent folders of the target are created. A file replaces a
//! file, in the way in which the drive's [`update`](crate::drive::Drive::update) does it. A folder
//! is never replaced.

use std::{sync::Arc, time::Instant};

use super::{
    error::{as_condition, is_a_folder, is_root},
    index::FolderKey,
    path::{Path, ResolvedPath},
    state::{AdapterState, DESTRUCTIVE_MAX_AGE},
};
use crate::drive::{
    Conditions, Context, Error, ErrorKind, IfExists, Item, ItemId, ItemUpdate, Result, Target,
};

impl AdapterState {
    /// Moves the item at `from` to `to`.
    ///
    /// # Errors
    /// * `NotFound` if `from` does not exist.
    /// * `ConditionNotMatch` if `to` exists and must not.
    /// * `IsAFolder` or `AlreadyExists` if `to` is a folder; `IsAFolder` if one of the paths is the
    ///   operator's root.
    /// * `NotAFolder` or `AlreadyExists` if a folder would replace a file; `NotAFolder` if a file
    ///   is in the path of `to`.
    /// * `Conflict` if `to` is below `from`.
    /// * `InvalidInput` if the cloud rejects a name of `to`.
    /// * [Request errors](crate::drive::Error#request-errors).
    pub(super) async fn rename(
        &self,
        cx: &Context,
        from: &Path,
        to: &Path,
        if_exists: IfExists,
    ) -> Result<()> {
        if from.is_root() || to.is_root() {
            return Err(is_root("move or replace"));
        }
        let is_within = to.is_within(from, self.capabilities());
        if is_within && to.names().len() > from.names().len() {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("cannot move {:?}: the target is below it", from.to_operator_path()),
            ));
        }
        match self.capabilities().paths {
            true => self.rename_by_path(cx, from, to, if_exists).await,
            // Only the case of the name changes if `to` is within `from`.
            false => self.rename_by_id(cx, from, to, if_exists, is_within).await,
        }
    }

    /// Implements [`rename`](Self::rename) for a drive that is addressed by id. `is_same` means
    /// that both paths lead to the same item, so that only the case of its name changes.
    ///
    /// # Errors
    /// Those of [`rename`](Self::rename).
    async fn rename_by_id(
        &self,
        cx: &Context,
        from: &Path,
        to: &Path,
        if_exists: IfExists,
        is_same: bool,
    ) -> Result<()> {
        let source = self.resolve(cx, from, DESTRUCTIVE_MAX_AGE).await?;
        let (target, folder) = self.target(cx, to).await?;
        let occupant = match is_same {
            true => None,
            false => self.find_occupant(cx, to, source.item.as_deref(), if_exists).await?,
        };
        let moves = source.entry.as_ref().is_none_or(|(from, _)| *from != folder);
        let renames = source.item.as_ref().is_none_or(|item| item.name != target.name);
        if !moves && !renames {
            return Ok(());
        }
        let update = ItemUpdate {
            folder: moves.then(|| target.folder.clone()),
            name: renames.then(|| target.name.clone()),
            modified: None,
            if_exists,
            occupant,
        };
        let known = source.item.as_deref();
        let item = match self.drive.update(cx, &source.item_ref, known, &update).await {
            Ok(item) => item,
            Err(error) => {
                return Err(self.rename_error(&source, &folder, &target, error, if_exists));
            }
        };
        if let Some((folder, folded)) = &source.entry {
            self.index.insert_absent(folder, folded);
        }
        self.index.insert(&folder, self.fold(&target.name), Arc::new(item), Instant::now());
        Ok(())
    }

    /// Returns the id of the file at `to` that a rename replaces, or `None` if the target does not
    /// exist. `source` is the renamed item, if it is known.
    ///
    /// # Errors
    /// `ConditionNotMatch` if the target exists and `if_exists` is [`IfExists::Fail`], `IsAFolder`
    /// if it is a folder, `NotAFolder` if `source` is a folder, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn find_occupant(
        &self,
        cx: &Context,
        to: &Path,
        source: Option<&Item>,
        if_exists: IfExists,
    ) -> Result<Option<ItemId>> {
        let occupant = match self.resolve(cx, to, DESTRUCTIVE_MAX_AGE).await {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            result => result?.item,
        };
        let Some(occupant) = occupant else { return Ok(None) };
        let path = to.to_operator_path();
        if if_exists == IfExists::Fail {
            let text = format!("cannot move to {path:?}: the target exists");
            return Err(Error::new(ErrorKind::ConditionNotMatch, text));
        }
        if occupant.is_folder() {
            return Err(is_a_folder("replace", &path));
        }
        if source.is_some_and(Item::is_folder) {
            let text = format!("cannot replace {path:?}: a folder cannot replace a file");
            return Err(Error::new(ErrorKind::NotAFolder, text));
        }
        Ok(Some(occupant.id.clone()))
    }

    /// Implements [`rename`](Self::rename) for a drive that resolves paths itself.
    ///
    /// # Errors
    /// Those of [`rename`](Self::rename).
    async fn rename_by_path(
        &self,
        cx: &Context,
        from: &Path,
        to: &Path,
        if_exists: IfExists,
    ) -> Result<()> {
        let source = self.resolve(cx, from, DESTRUCTIVE_MAX_AGE).await?;
        let (target, folder) = self.target(cx, to).await?;
        let moves =
            from.split().map(|(parents, _)| parents) != to.split().map(|(parents, _)| parents);
        let update = ItemUpdate {
            folder: moves.then(|| target.folder.clone()),
            name: Some(target.name.clone()),
            modified: None,
            if_exists,
            occupant: target.occupant.clone(),
        };
        let known = source.item.as_deref();
        let mut updated = self.drive.update(cx, &source.item_ref, known, &update).await;
        if let Err(error) = &updated
            && error.kind() == ErrorKind::NotFound
            && moves
        {
            // Either the item or the target folder does not exist.
            self.drive.item(cx, &source.item_ref, Conditions::NONE).await?;
            self.create_parents(cx, to).await?;
            updated = self.drive.update(cx, &source.item_ref, known, &update).await;
        }
        let item = match updated {
            Ok(item) => item,
            Err(error) => {
                return Err(self.rename_error(&source, &folder, &target, error, if_exists));
            }
        };
        self.record_removed(&source, from);
        self.invalidate_tree(to);
        self.index.insert(&folder, self.fold(&target.name), Arc::new(item), Instant::now());
        Ok(())
    }

    /// Invalidates both index entries of a failed rename, and returns the error for the caller.
    /// `folder` is the index key of the target's folder.
    fn rename_error(
        &self,
        source: &ResolvedPath,
        folder: &FolderKey,
        target: &Target,
        error: Error,
        if_exists: IfExists,
    ) -> Error {
        self.invalidate(source);
        self.index.invalidate(folder, &self.fold(&target.name));
        as_condition(error, if_exists)
    }
}
