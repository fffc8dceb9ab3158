//! Creation of folders, and the target of an operation that creates an item.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    error::not_a_folder,
    index::{FolderKey, Lookup},
    path::Path,
    state::{AdapterState, DESTRUCTIVE_MAX_AGE},
    walk::Walk,
};
use crate::drive::{Conditions, Context, ErrorKind, Item, ItemId, ItemRef, Result, Target};

impl AdapterState {
    /// Creates a folder and its missing parents. Succeeds if the folder exists.
    ///
    /// # Errors
    /// `NotAFolder` if a file has one of the names, or `AlreadyExists` for the last one in a drive
    /// that resolves paths itself; `InvalidInput` if the cloud does not accept one of the names;
    /// `NotFound` if a folder of the path is deleted meanwhile; `DriveNotFound` if the drive's root
    /// does not exist; [request errors](crate::drive::Error#request-errors).
    pub(super) async fn create_dir(&self, cx: &Context, path: &Path) -> Result<()> {
        if self.capabilities().paths {
            return self.create_folder_by_path(cx, path.names()).await;
        }
        match self.ensure_folder(cx, path.names()).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.invalidate_path(path.names());
                self.ensure_folder(cx, path.names()).await?;
                Ok(())
            }
            result => result.map(drop),
        }
    }

    /// Returns the target for a new item at a path, and the index key of its folder. Creates
    /// missing parent folders, unless the cloud creates them itself.
    ///
    /// # Errors
    /// `IsAFolder` for the operator's root; `InvalidInput` if the cloud does not accept the item's
    /// name; those of [`create_dir`](Self::create_dir) for the parents, in a drive that is
    /// addressed by id; otherwise those of [`root`](Self::root).
    pub(super) async fn target(&self, cx: &Context, path: &Path) -> Result<(Target, FolderKey)> {
        let (parents, name) = path.split_for("write")?;
        self.check_name(name)?;
        let (parent, folder) = if self.capabilities().paths {
            (self.path_ref(cx, parents).await?, self.path_key(parents))
        } else {
            let id = self.ensure_folder(cx, parents).await?;
            (ItemRef::from_id(&id), FolderKey::Id(id))
        };
        let occupant = match self.index.lookup(&folder, &self.fold(name), DESTRUCTIVE_MAX_AGE) {
            Lookup::Hit(item, _) => Some(item.id.clone()),
            Lookup::NegativeHit | Lookup::Miss => None,
        };
        Ok((Target { folder: parent, name: name.to_owned(), occupant }, folder))
    }

    /// Returns the id of a folder in a drive that is addressed by id. Creates the folder and its
    /// parents if they do not exist.
    ///
    /// # Errors
    /// Those of [`create_dir`](Self::create_dir). `NotFound` also if an id from the index is that
    /// of a folder that does not exist any more: the caller invalidates the path and tries again.
    async fn ensure_folder(&self, cx: &Context, names: &[String]) -> Result<ItemId> {
        let mut parent = self.root(cx).await?.clone();
        for name in names {
            let mut walk = Walk::new(self, cx, self.settings.index_ttl);
            let folder = FolderKey::Id(parent.clone());
            let child = match walk.child(&folder, &ItemRef::from_id(&parent), name).await {
                Ok((item, _)) => item,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.create_folder(cx, &parent, name).await?
                }
                Err(error) => return Err(error),
            };
            if !child.is_folder() {
                return Err(not_a_folder("write into", name));
            }
            parent = child.id.clone();
        }
        Ok(parent)
    }

    /// Creates one folder, or finds the one that another client has created meanwhile. Only one
    /// task sends the request for a name; if its future is dropped, the next waiting task does. The
    /// result may be a file of that name.
    ///
    /// # Errors
    /// `InvalidInput` if the cloud does not accept the name; `NotFound` if the parent does not
    /// exist, or if the item that has the name is deleted meanwhile; [request
    /// errors](crate::drive::Error#request-errors).
    async fn create_folder(&self, cx: &Context, parent: &ItemId, name: &str) -> Result<Arc<Item>> {
        let folded = self.fold(name);
        let folder = FolderKey::Id(parent.clone());
        let _lock = self.folder_locks.lock((parent.clone(), folded.clone())).await;
        if let Lookup::Hit(item, _) = self.index.lookup(&folder, &folded, self.settings.index_ttl) {
            return Ok(item);
        }
        self.check_name(name)?;
        let requested_at = Instant::now();
        let target = Target::new(ItemRef::from_id(parent), name);
        match self.drive.create_folder(cx, &target).await {
            Ok(item) => {
                let item = Arc::new(item);
                self.index.insert(&folder, folded, Arc::clone(&item), Instant::now());
                // A new folder has no children.
                let key = FolderKey::Id(item.id.clone());
                self.index.insert_listing(&key, [], true, requested_at);
                Ok(item)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.index.invalidate(&folder, &folded);
                let mut walk = Walk::new(self, cx, Duration::ZERO);
                Ok(walk.child(&folder, &target.folder, name).await?.0)
            }
            Err(error) => {
                self.index.invalidate(&folder, &folded);
                Err(error)
            }
        }
    }

    /// Creates the parent folders of a path in a drive that resolves paths itself. Such a cloud
    /// creates the missing parents of a write, but not those of a move or a copy.
    ///
    /// # Errors
    /// Those of [`create_dir`](Self::create_dir).
    pub(super) async fn create_parents(&self, cx: &Context, path: &Path) -> Result<()> {
        let Some((parents, _)) = path.split() else { return Ok(()) };
        self.create_folder_by_path(cx, parents).await
    }

    /// Creates a folder in a drive that resolves paths itself. The cloud creates its parents.
    /// `names` is the path from the drive's root; an empty one means the root, which exists.
    ///
    /// # Errors
    /// Those of [`create_dir`](Self::create_dir). If a file has the name, the cloud's
    /// `AlreadyExists`.
    async fn create_folder_by_path(&self, cx: &Context, names: &[String]) -> Result<()> {
        let Some((name, parents)) = names.split_last() else { return Ok(()) };
        for name in names {
            self.check_name(name)?;
        }
        let target = Target::new(self.path_ref(cx, parents).await?, name);
        match self.drive.create_folder(cx, &target).await {
            Ok(item) => {
                let folder = self.path_key(parents);
                self.index.insert(&folder, self.fold(name), Arc::new(item), Instant::now());
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let existing = self.path_ref(cx, names).await?;
                match self.drive.item(cx, &existing, Conditions::NONE).await? {
                    item if item.is_folder() => Ok(()),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }
}
