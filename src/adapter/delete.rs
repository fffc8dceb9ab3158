//! Deletion of files, of empty folders, and, with `recursive`, of folders with their contents.
//!
//! Clouds delete a folder with everything below it, and OpenDAL's `delete` does not. Without
//! `recursive`, a path without a slash deletes a file, a path with a slash deletes an empty folder,
//! and nothing else is deleted. With `recursive`, `p` and `p/` both mean the item `p`, never a
//! prefix. Deletion is not isolated: the item is requested first, and items that another client
//! adds to a folder before it is deleted are deleted too.

use std::sync::Arc;

use opendal::{
    Capability,
    raw::{OpDelete, oio},
};

use super::{
    error::{is_a_folder, is_root, to_opendal},
    index::FolderKey,
    options::check_delete,
    path::{Path, ResolvedPath},
    state::{AdapterState, DESTRUCTIVE_MAX_AGE},
};
use crate::drive::{
    Conditions, Context, Cursor, DeleteTarget, Error, ErrorKind, Item, ItemKind, ItemRef,
    ListRequest, PageGuard, Result,
};

/// Collects items and deletes them, as many with one request as the cloud allows.
#[derive(Debug)]
pub struct DriveDeleter {
    state: Arc<AdapterState>,
    cx: Context,
    /// The capabilities of the service, which say which options are supported.
    capability: Capability,
    pending: Vec<PendingDelete>,
}

/// An item that the next request deletes.
#[derive(Debug)]
struct PendingDelete {
    target: DeleteTarget,
    resolved: ResolvedPath,
    path: Path,
}

impl DriveDeleter {
    /// Creates a deleter without items.
    pub(super) fn new(state: Arc<AdapterState>, cx: Context, capability: Capability) -> Self {
        Self { state, cx, capability, pending: Vec::new() }
    }

    /// Deletes a version of the file at a path, at once. Succeeds if the file or the version does not
    /// exist.
    ///
    /// # Errors
    /// `InvalidInput` for a path with the name `.` or `..`; [request
    /// errors](crate::drive::Error#request-errors), also for the current version.
    async fn delete_version(&self, path: &str, version: &str) -> Result<()> {
        let path = self.state.find_path(&self.cx, path).await?;
        let resolved = match self.state.resolve(&self.cx, &path, DESTRUCTIVE_MAX_AGE).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            result => result?,
        };
        match self.state.drive.delete_version(&self.cx, &resolved.item_ref, version).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            deleted => deleted,
        }
    }

    /// Adds the item at a path. Adds nothing if the item does not exist. If `recursive`, a folder
    /// is deleted with everything below it, and the operator's root is emptied. With `if_match`, the
    /// item must have this etag.
    ///
    /// # Errors
    /// Without `recursive`: `Conflict` for a folder that is not empty, `IsAFolder` for a folder
    /// whose path has no slash at its end and for the operator's root. `InvalidInput` for a path
    /// with the name `.` or `..`. `DriveNotFound` if the drive's root does not exist. [Request
    /// errors](crate::drive::Error#request-errors), and those of [`flush`](Self::flush).
    async fn add(&mut self, path: &str, recursive: bool, if_match: Option<&str>) -> Result<()> {
        let path = self.state.find_path(&self.cx, path).await?;
        if path.is_root() {
            if if_match.is_some() {
                return Err(Error::unsupported("if_match to delete the contents of the root"));
            }
            return self.add_children(&path, recursive).await;
        }
        // Flushes before the path is added: if this fails and the caller retries, the path is added
        // only once.
        self.make_room().await?;
        let resolved = match self.state.resolve(&self.cx, &path, DESTRUCTIVE_MAX_AGE).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            result => result?,
        };
        let kind = match recursive {
            true => resolved.item.as_ref().map(|item| item.kind),
            false => match self.check(&resolved, &path).await? {
                Some(kind) => Some(kind),
                None => return Ok(()),
            },
        };
        let parents = resolved.item.as_ref().map_or_else(Vec::new, |item| item.parents.clone());
        let if_match = if_match.map(str::to_owned);
        let target = DeleteTarget { item: resolved.item_ref.clone(), kind, parents, if_match };
        self.pending.push(PendingDelete { target, resolved, path });
        Ok(())
    }

    /// Checks that a deletion without `recursive` deletes exactly the item at the path. Returns the
    /// kind of the item. `None` if the item does not exist, or if it is a file and the path ends
    /// with a slash: then nothing is deleted.
    ///
    /// # Errors
    /// `IsAFolder` for a folder whose path has no slash at its end, `Conflict` for a folder that is
    /// not empty, and [request errors](crate::drive::Error#request-errors).
    async fn check(&self, resolved: &ResolvedPath, path: &Path) -> Result<Option<ItemKind>> {
        let requested;
        let item = match &resolved.item {
            Some(item) => &**item,
            None => {
                let item = &resolved.item_ref;
                match self.state.drive.item(&self.cx, item, Conditions::NONE).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                    result => {
                        requested = result?;
                        &requested
                    }
                }
            }
        };
        match (item.kind, path.is_folder) {
            (ItemKind::File | ItemKind::Opaque, false) => Ok(Some(item.kind)),
            (ItemKind::File | ItemKind::Opaque, true) => Ok(None),
            (ItemKind::Folder, false) => Err(is_a_folder("delete", &path.to_operator_path())
                .with_note("end the path with a slash, or delete it recursively")),
            (ItemKind::Folder, true) => match self.is_empty(resolved, item).await? {
                true => Ok(Some(ItemKind::Folder)),
                false => Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "cannot delete {:?}: the folder is not empty; delete it recursively",
                        path.to_operator_path()
                    ),
                )),
            },
        }
    }

    /// Returns whether a folder has no children, by its number of children if that was just
    /// requested, otherwise by a listing. `folder` is the item of `resolved`.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors).
    async fn is_empty(&self, resolved: &ResolvedPath, folder: &Item) -> Result<bool> {
        // A cached number of children may be outdated.
        if let (Some(children), true) = (folder.children, resolved.is_fresh) {
            return Ok(children == 0);
        }
        let request = ListRequest::new(&resolved.item_ref).with_limit(1);
        let page = self.state.drive.list(&self.cx, request).await?;
        Ok(page.items.is_empty() && page.next.is_none())
    }

    /// Adds the children of the operator's root, which itself is never deleted.
    ///
    /// # Errors
    /// `IsAFolder` without `recursive`; [request errors](crate::drive::Error#request-errors), and
    /// those of [`flush`](Self::flush).
    async fn add_children(&mut self, root: &Path, recursive: bool) -> Result<()> {
        if !recursive {
            return Err(is_root("delete"));
        }
        let resolved = match self.state.resolve(&self.cx, root, DESTRUCTIVE_MAX_AGE).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            result => result?,
        };
        let Some(items) = self.list(&resolved.item_ref).await? else { return Ok(()) };
        let parent = match &resolved.item_ref {
            ItemRef::Item { id, .. } => id,
            ItemRef::Path { base, .. } => base,
        };
        let folder = match self.state.capabilities().paths {
            true => self.state.path_key(root.names()),
            false => FolderKey::Id(parent.clone()),
        };
        for item in items {
            self.make_room().await?;
            let path_name = self.state.path_name(&item.name).into_owned();
            let path = root.child(&item.name, path_name, item.is_folder());
            let folded = self.state.fold(&item.name);
            let item_ref = ItemRef::Item { id: item.id.clone(), parent: Some(parent.clone()) };
            let target = DeleteTarget {
                item: item_ref.clone(),
                kind: Some(item.kind),
                parents: item.parents.clone(),
                if_match: None,
            };
            let resolved = ResolvedPath {
                item_ref,
                item: Some(Arc::new(item)),
                is_fresh: true,
                entry: Some((folder.clone(), folded)),
                from_cache: false,
            };
            self.pending.push(PendingDelete { target, resolved, path });
        }
        Ok(())
    }

    /// Requests all items of a folder, page by page. Returns `None` if the folder does not exist.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors) except `NotFound`, and `Unexpected` if
    /// the pages form a cycle.
    async fn list(&self, folder: &ItemRef) -> Result<Option<Vec<Item>>> {
        let (mut cursor, mut pages) = (None, PageGuard::default());
        let mut items = Vec::new();
        loop {
            let request = ListRequest::new(folder).with_cursor(cursor.as_ref());
            let page = match self.state.drive.list(&self.cx, request).await {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                result => result?,
            };
            pages.record(page.items.len(), page.next.as_ref().map(|Cursor(url)| url))?;
            items.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(Some(items));
            }
        }
    }

    /// Deletes the pending items if one request cannot take another item.
    ///
    /// # Errors
    /// Those of [`flush`](Self::flush).
    async fn make_room(&mut self) -> Result<()> {
        match self.pending.len() >= self.state.capabilities().delete_max_size.max(1) {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Deletes the pending items. Items with a temporary error stay pending.
    ///
    /// # Errors
    /// The first error of the first failed request.
    async fn flush(&mut self) -> Result<()> {
        let max = self.state.capabilities().delete_max_size.max(1);
        while !self.pending.is_empty() {
            let count = self.pending.len().min(max);
            let targets: Vec<_> =
                self.pending[..count].iter().map(|pending| pending.target.clone()).collect();
            let results = self.state.drive.delete(&self.cx, &targets).await;
            let (mut retained, mut first_error) = (Vec::new(), None);
            for (pending, result) in self.pending.drain(..count).zip(results) {
                let PendingDelete { resolved, path, .. } = &pending;
                let error = match result {
                    Err(error) if error.kind() != ErrorKind::NotFound => error,
                    Ok(()) | Err(_) => {
                        self.state.record_removed(resolved, path);
                        continue;
                    }
                };
                self.state.invalidate(resolved);
                // OpenDAL adds the path of the call, which may have deleted several paths.
                let error =
                    error.with_note(&format!("{} was not deleted", path.to_operator_path()));
                if error.is_temporary() {
                    retained.push(pending);
                }
                first_error.get_or_insert(error);
            }
            self.pending.splice(..0, retained);
            if let Some(error) = first_error {
                return Err(error);
            }
        }
        Ok(())
    }
}

impl oio::Delete for DriveDeleter {
    /// Adds the item at the operator path `path` to the pending items. Succeeds if it does not
    /// exist. Without `recursive`, a slash at the end means an empty folder, and none a file.
    /// Executes the pending deletions first if the batch is full.
    ///
    /// # Errors
    /// `ConditionNotMatch` if the item has another etag than `if_match`, for this or a pending item.
    /// Without `recursive`: `Conflict` for a folder that is not empty, `IsADirectory` for a folder
    /// whose path has no slash at its end and for the operator's root. `Unsupported` for an option
    /// that the drive does not support and for a path with the name `.` or `..`. [Request errors](crate::drive::Error#request-errors), also those
    /// of the pending deletions.
    async fn delete(&mut self, path: &str, args: OpDelete) -> opendal::Result<()> {
        check_delete(&args, &self.capability)?;
        let deleted = match args.version() {
            Some(version) => self.delete_version(path, version).await,
            None => self.add(path, args.recursive(), args.if_match()).await,
        };
        deleted.map_err(to_opendal)
    }

    /// Deletes the pending items.
    ///
    /// # Errors
    /// Those of `flush`. A later call deletes the items that failed with a temporary
    /// error.
    async fn close(&mut self) -> opendal::Result<()> {
        self.flush().await.map_err(to_opendal)
    }
}
