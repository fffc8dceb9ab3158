//! The state that all operations of a [`DriveService`](super::DriveService) share.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tokio::sync::{OnceCell, OwnedMutexGuard, Semaphore};

use super::{
    ServiceSettings,
    index::{FolderKey, Index},
    key_locks::KeyedMutex,
    left_out::LeftOutEntries,
    path::{Path, ResolvedPath},
    path_registry::PathRegistry,
};
use crate::drive::{
    Capabilities, Context, Drive, Error, ErrorKind, IfExists, Item, ItemId, ItemRef, Result,
};

/// The maximum age of an index entry that a destructive operation may rely on: one that overwrites
/// by id, deletes or renames.
pub(super) const DESTRUCTIVE_MAX_AGE: Duration = Duration::from_secs(1);

/// The state that all operations of a service share.
pub(super) struct AdapterState {
    pub(super) drive: Arc<dyn Drive>,
    pub(super) settings: ServiceSettings,
    pub(super) index: Index,
    /// The paths under which items were returned, if a cache follows the drive's changes.
    pub(super) returned_paths: PathRegistry,
    /// Reads compare the bytes with the size and the hash of their file.
    pub(super) checked_reads: AtomicBool,
    /// The entries that listings have left out.
    pub(super) left_out: LeftOutEntries,
    /// The permit to hold a fragment that was read ahead. Only one upload reads ahead at a time:
    /// several uploads saturate the connection anyway, and reading ahead would only cost memory.
    pub(super) read_ahead_permits: Arc<Semaphore>,
    /// The id of the drive's root folder.
    pub(super) root: OnceCell<ItemId>,
    /// Serializes the creation of a folder, by its parent and its folded name.
    pub(super) folder_locks: KeyedMutex<(ItemId, String)>,
    /// Serializes the requests for the download URL of a file, by its path.
    url_locks: KeyedMutex<String>,
    /// Serializes the writes to a file until their result is verified, by its folded path.
    write_locks: KeyedMutex<String>,
}

impl fmt::Debug for AdapterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdapterState").field("drive", &self.drive).finish_non_exhaustive()
    }
}

impl AdapterState {
    /// Creates the state of a service. Sends no request.
    pub(super) fn new(drive: Arc<dyn Drive>, settings: ServiceSettings) -> Self {
        Self {
            drive,
            checked_reads: settings.checked_reads.into(),
            settings,
            index: Index::new(),
            returned_paths: PathRegistry::default(),
            left_out: LeftOutEntries::default(),
            read_ahead_permits: Arc::new(Semaphore::new(1)),
            root: OnceCell::new(),
            folder_locks: KeyedMutex::default(),
            url_locks: KeyedMutex::default(),
            write_locks: KeyedMutex::default(),
        }
    }

    /// Returns the capabilities of the drive.
    pub(super) fn capabilities(&self) -> &Capabilities {
        self.drive.capabilities()
    }

    /// Returns the key under which the cloud compares a name ([`Capabilities::fold`]), for example
    /// without letter case. `name` is one name, not a path.
    pub(super) fn fold(&self, name: &str) -> String {
        (self.capabilities().fold)(name).into_owned()
    }

    /// Checks a name, not a path, before any request is sent.
    ///
    /// # Errors
    /// `InvalidInput` if the cloud does not accept the name.
    pub(super) fn check_name(&self, name: &str) -> Result<()> {
        match (self.capabilities().validate_name)(name) {
            None => Ok(()),
            Some(reason) => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("cannot use the name {name:?} in this cloud: {reason}"),
            )),
        }
    }

    /// Parses a path of the operator: relative to the operator's root, not percent-encoded. A slash
    /// at its end, or an empty path, means a folder.
    ///
    /// # Errors
    /// `InvalidInput` for a path with the name `.` or `..`.
    pub(super) fn path(&self, path: &str) -> Result<Path> {
        Path::parse(&self.settings.root, path, self.settings.name_encoding.as_ref())
    }

    /// Returns the name in the operator's paths of an item with a name in the drive.
    pub(super) fn path_name<'n>(&self, name: &'n str) -> Cow<'n, str> {
        match &self.settings.name_encoding {
            Some(encoding) => encoding.path_name(name).into(),
            None => name.into(),
        }
    }

    /// Sorts items of a folder so that those with encoded names come first: a path leads to such an item
    /// rather than to one whose name another program chose.
    pub(super) fn sort_encoded_first(&self, items: &mut [Item]) {
        if let Some(encoding) = &self.settings.name_encoding {
            items.sort_by_cached_key(|item| encoding.is_raw(&item.name));
        }
    }

    /// Returns the path with these names in the drive, below the operator's root.
    pub(super) fn operator_path(&self, names: &[String]) -> String {
        let names: Vec<_> = names.iter().map(|name| self.path_name(name)).collect();
        names.join("/")
    }

    /// Returns the id of the drive's root folder. Requests it once if the cloud has no alias for
    /// it.
    ///
    /// # Errors
    /// `DriveNotFound` if it does not exist, and [request
    /// errors](crate::drive::Error#request-errors). Never `NotFound`, which would mean that the
    /// item at a path does not exist.
    pub(super) async fn root(&self, cx: &Context) -> Result<&ItemId> {
        let root = self.root.get_or_try_init(|| self.drive.root(cx)).await;
        root.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(
                ErrorKind::DriveNotFound,
                format!("cannot find the root folder of the drive: {error}"),
            )
            .with_source(error),
            _ => error,
        })
    }

    /// Returns the reference to a path, for a drive that resolves paths itself. `names` is the path
    /// from the drive's root.
    ///
    /// # Errors
    /// Those of [`root`](Self::root).
    pub(super) async fn path_ref(&self, cx: &Context, names: &[String]) -> Result<ItemRef> {
        Ok(ItemRef::Path { base: self.root(cx).await?.clone(), path: names.join("/").into() })
    }

    /// Returns the key of a folder in the index, for a drive that resolves paths itself. `names` is
    /// the path from the drive's root.
    pub(super) fn path_key(&self, names: &[String]) -> FolderKey {
        FolderKey::Path(self.folded_path(names))
    }

    /// Returns the part of `names` below the operator's root `root`; empty for the root itself.
    /// `names` start at the drive's root. `None` if they are not the root or below it. Names are
    /// compared as the cloud compares them.
    pub(super) fn strip_root<'a>(&self, root: &Path, names: &'a [String]) -> Option<&'a [String]> {
        let (prefix, rest) = names.split_at_checked(root.names().len())?;
        let mut pairs = prefix.iter().zip(root.names());
        pairs.all(|(name, root)| self.fold(name) == self.fold(root)).then_some(rest)
    }

    /// Returns the folded names of a path, joined by slashes.
    fn folded_path(&self, names: &[String]) -> String {
        let folded: Vec<_> = names.iter().map(|name| self.fold(name)).collect();
        folded.join("/")
    }

    /// Waits until no other read requests the download URL of the file at a path.
    pub(super) async fn lock_download_url(&self, path: &Path) -> OwnedMutexGuard<()> {
        self.url_locks.lock(path.names().join("/")).await
    }

    /// Waits until no other writer of this process writes to a path, and returns the lock. Needed
    /// only in a drive whose response to a write may have no size: each writer has to request the
    /// size of its own file. Returns `None` in other drives.
    pub(super) async fn lock_write(&self, path: &Path) -> Option<OwnedMutexGuard<()>> {
        if self.capabilities().paths {
            return None;
        }
        Some(self.write_locks.lock(self.folded_path(path.names())).await)
    }

    /// Invalidates the index entry of a resolved path.
    pub(super) fn invalidate(&self, resolved: &ResolvedPath) {
        if let Some((folder, folded)) = &resolved.entry {
            self.index.invalidate(folder, folded);
        }
    }

    /// Records in the index that the item at a path was deleted or moved away.
    pub(super) fn record_removed(&self, resolved: &ResolvedPath, path: &Path) {
        let Some((folder, folded)) = &resolved.entry else { return };
        self.index.insert_absent(folder, folded);
        if let ItemRef::Item { id, .. } = &resolved.item_ref {
            self.index.invalidate_folder(&FolderKey::Id(id.clone()));
        }
        if let FolderKey::Path(_) = folder {
            self.index.invalidate_tree(&self.folded_path(path.names()));
        }
    }

    /// Removes the index entries of the folder at a path and of all folders below it, for a drive
    /// that resolves paths itself.
    pub(super) fn invalidate_tree(&self, path: &Path) {
        self.index.invalidate_tree(&self.folded_path(path.names()));
    }
}

/// Converts OpenDAL's option: true means that an existing target is an error, not replaced.
pub(super) fn if_exists(if_not_exists: bool) -> IfExists {
    if if_not_exists { IfExists::Fail } else { IfExists::Replace }
}
