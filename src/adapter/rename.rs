//! Moving and renaming, of files and of folders.
//!
//! OpenDAL's `rename` takes paths without a slash only; such a path names whatever item is there.
//! Folders on the way to the new place are made. A file takes the place of a file, as
//! [`Drive::update`](crate::drive::Drive::update) of the drive at hand does it; a folder is never
//! replaced.

use std::sync::Arc;

use super::{
    core::{Core, NOW},
    index::Folder,
    path::Path,
};
use crate::drive::{
    Conditions, Context, Error, ErrorKind, IfExists, Item, ItemId, ItemRef, ItemUpdate, Result,
    Target,
};

impl Core {
    pub(super) async fn rename(
        &self,
        cx: &Context,
        from: &Path,
        to: &Path,
        if_exists: IfExists,
    ) -> Result<()> {
        if from.is_root() || to.is_root() {
            return Err(Error::new(ErrorKind::IsAFolder, "the root is neither moved nor replaced"));
        }
        let same = to.is_within(from, self.capabilities());
        if same && to.names().len() > from.names().len() {
            return Err(Error::new(ErrorKind::Conflict, "an item cannot be moved below itself"));
        }
        match self.capabilities().paths {
            true => self.rename_by_path(cx, from, to, if_exists).await,
            false => self.rename_by_id(cx, from, to, if_exists, same).await,
        }
    }

    async fn rename_by_id(
        &self,
        cx: &Context,
        from: &Path,
        to: &Path,
        if_exists: IfExists,
        same: bool,
    ) -> Result<()> {
        let source = self.find(cx, from, NOW).await?;
        let (target, folder) = self.target(cx, to).await?;
        let occupant = match same {
            true => None,
            false => self.occupant(cx, to, source.item.as_deref(), if_exists).await?,
        };
        let moves = source.edge.as_ref().is_none_or(|(from, _)| *from != folder);
        let renames = source.item.as_ref().is_none_or(|item| item.name != target.name);
        if !moves && !renames {
            return Ok(());
        }
        let change = ItemUpdate {
            folder: moves.then(|| target.folder.clone()),
            name: renames.then(|| target.name.clone()),
            modified: None,
            if_exists,
            occupant,
        };
        let changed = self.drive.update(cx, &source.place, source.item.as_deref(), &change).await;
        let folded = self.fold(&target.name);
        match changed {
            Ok(item) => {
                if let Some((folder, folded)) = &source.edge {
                    self.index.remove(folder, folded);
                }
                self.index.made(&folder, folded, Arc::new(item));
                Ok(())
            }
            Err(error) => {
                self.doubt(&source);
                self.index.doubt(&folder, &folded);
                Err(taken(error, if_exists))
            }
        }
    }

    /// The file that is to be replaced, asked for now.
    async fn occupant(
        &self,
        cx: &Context,
        to: &Path,
        source: Option<&Item>,
        if_exists: IfExists,
    ) -> Result<Option<ItemId>> {
        let there = match self.find(cx, to, NOW).await {
            Ok(found) => found.item,
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let Some(there) = there else { return Ok(None) };
        if if_exists == IfExists::Fail {
            return Err(Error::new(ErrorKind::ConditionNotMatch, "the new name is taken"));
        }
        if there.is_folder() {
            return Err(Error::new(ErrorKind::IsAFolder, "a folder has the new name"));
        }
        if source.is_some_and(Item::is_folder) {
            return Err(Error::new(ErrorKind::NotAFolder, "a file has the folder's new name"));
        }
        Ok(Some(there.id.clone()))
    }

    async fn rename_by_path(
        &self,
        cx: &Context,
        from: &Path,
        to: &Path,
        if_exists: IfExists,
    ) -> Result<()> {
        let source = self.find(cx, from, NOW).await?;
        let (target, folder) = self.target(cx, to).await?;
        let moves =
            from.split().map(|(parents, _)| parents) != to.split().map(|(parents, _)| parents);
        let change = ItemUpdate {
            folder: moves.then(|| target.folder.clone()),
            name: Some(target.name.clone()),
            modified: None,
            if_exists,
            occupant: target.occupant.clone(),
        };
        let known = source.item.as_deref();
        let mut changed = self.drive.update(cx, &source.place, known, &change).await;
        if let Err(error) = &changed
            && error.kind() == ErrorKind::NotFound
            && moves
        {
            // Either there is nothing to move, or no folder to move it to.
            self.drive.item(cx, &source.place, &Conditions::default()).await?;
            self.make_parents(cx, to).await?;
            changed = self.drive.update(cx, &source.place, known, &change).await;
        }
        let folded = self.fold(&target.name);
        match changed {
            Ok(item) => {
                self.gone(&source, from);
                if let Folder::Path(path) = self.path_folder(to.names()) {
                    self.index.forget_below(&path);
                }
                self.index.made(&folder, folded, Arc::new(item));
                Ok(())
            }
            Err(error) => {
                self.doubt(&source);
                self.index.doubt(&folder, &folded);
                Err(taken(error, if_exists))
            }
        }
    }

    /// Makes the folders above a path in a drive that is asked by path: a cloud that makes those of
    /// a write does not make those of a move or a copy.
    pub(super) async fn make_parents(&self, cx: &Context, path: &Path) -> Result<()> {
        let Some((parents, _)) = path.split() else { return Ok(()) };
        self.create_folder_by_path(cx, parents).await
    }

    /// Makes a folder and those above it in a drive that is asked by path.
    pub(super) async fn create_folder_by_path(&self, cx: &Context, names: &[String]) -> Result<()> {
        let Some((name, above)) = names.split_last() else { return Ok(()) };
        for name in names {
            self.check_name(name)?;
        }
        let folder = self.below(cx, above).await?;
        let target = Target { folder, name: name.clone(), occupant: None };
        match self.drive.create_folder(cx, &target).await {
            Ok(item) => {
                self.index.made(&self.path_folder(above), self.fold(name), Arc::new(item));
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let place: ItemRef = self.below(cx, names).await?;
                match self.drive.item(cx, &place, &Conditions::default()).await? {
                    item if item.is_folder() => Ok(()),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// A taken name is a condition that does not hold, if the caller made it one.
pub(super) fn taken(error: Error, if_exists: IfExists) -> Error {
    match (error.kind(), if_exists) {
        (ErrorKind::AlreadyExists, IfExists::Fail) => error.with_kind(ErrorKind::ConditionNotMatch),
        _ => error,
    }
}
