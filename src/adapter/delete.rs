//! Removing files, empty folders, and, only when told so, trees.
//!
//! Clouds remove folders with everything below, OpenDAL's `delete` does not: without `recursive` a
//! path without slash removes a file, one with slash an empty folder, and nothing else. With it,
//! `p` and `p/` mean the item p, never a prefix. The look that tells a file from a folder and the
//! removal are two requests: what another client puts into a folder between them goes with it.

use std::sync::Arc;

use opendal::raw::{OpDelete, oio};

use super::{
    core::{Core, Found, NOW},
    error::to_opendal,
    index::Folder,
    path::Path,
};
use crate::drive::{
    Conditions, Context, Cursor, DeleteTarget, Error, ErrorKind, Item, ItemKind, ItemRef,
    ListRequest, PageGuard, Result,
};

/// Removals on their way, as many in one request as the cloud takes.
#[derive(Debug)]
pub struct DriveDeleter {
    core: Arc<Core>,
    cx: Context,
    waiting: Vec<(DeleteTarget, Found, Path)>,
}

impl DriveDeleter {
    pub(super) fn new(core: Arc<Core>, cx: Context) -> Self {
        Self { core, cx, waiting: Vec::new() }
    }

    async fn take(&mut self, path: &str, recursive: bool) -> Result<()> {
        let path = self.core.path(path)?;
        if path.is_root() {
            return self.take_children(&path, recursive).await;
        }
        // Make room first: if that fails and the call is repeated, this path is not taken twice.
        self.make_room().await?;
        let found = match self.core.find(&self.cx, &path, NOW).await {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let kind = match recursive {
            true => found.item.as_ref().map(|item| item.kind),
            false => match self.may_go(&found, &path).await? {
                Some(kind) => Some(kind),
                None => return Ok(()),
            },
        };
        let parents = found.item.as_ref().map_or_else(Vec::new, |item| item.parents.clone());
        let removal = DeleteTarget { item: found.place.clone(), kind, parents };
        self.waiting.push((removal, found, path));
        Ok(())
    }

    /// Whether a removal that is not recursive takes exactly what it names: its kind; `None` if
    /// there is no such thing.
    async fn may_go(&self, found: &Found, path: &Path) -> Result<Option<ItemKind>> {
        let (drive, cx) = (&self.core.drive, &self.cx);
        let looked;
        let item = match &found.item {
            Some(item) => &**item,
            None => match drive.item(cx, &found.place, &Conditions::default()).await {
                Ok(item) => {
                    looked = item;
                    &looked
                }
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        match (item.kind, path.folder) {
            (ItemKind::File | ItemKind::Opaque, false) => Ok(Some(item.kind)),
            (ItemKind::File | ItemKind::Opaque, true) => Ok(None),
            (ItemKind::Folder, false) => Err(Error::new(
                ErrorKind::IsAFolder,
                "a folder is not removed as a file: end its path with a slash, or be recursive",
            )),
            (ItemKind::Folder, true) if self.is_empty(found, item).await? => {
                Ok(Some(ItemKind::Folder))
            }
            (ItemKind::Folder, true) => {
                Err(Error::new(ErrorKind::Conflict, "the folder is not empty: be recursive"))
            }
        }
    }

    async fn is_empty(&self, found: &Found, item: &Item) -> Result<bool> {
        // A count that was not asked for just now may have changed since.
        if let (Some(children), true) = (item.children, found.asked_now) {
            return Ok(children == 0);
        }
        let page =
            self.core.drive.list(&self.cx, ListRequest::new(&found.place).with_limit(1)).await?;
        Ok(page.items.is_empty() && page.next.is_none())
    }

    /// The root itself stays; recursively, what is in it goes.
    async fn take_children(&mut self, root: &Path, recursive: bool) -> Result<()> {
        if !recursive {
            return Err(Error::new(ErrorKind::IsAFolder, "the root is not removed"));
        }
        let found = match self.core.find(&self.cx, root, NOW).await {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let (mut from, mut pages) = (None, PageGuard::default());
        let mut items = Vec::new();
        loop {
            let page = self
                .core
                .drive
                .list(&self.cx, ListRequest::new(&found.place).with_cursor(from.as_ref()))
                .await;
            let page = match page {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                page => page?,
            };
            pages.record(page.items.len(), page.next.as_ref().map(|Cursor(name)| name))?;
            items.extend(page.items);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        for item in items {
            self.make_room().await?;
            let parent = match &found.place {
                ItemRef::Item { id, .. } => id.clone(),
                ItemRef::Path { base, .. } => base.clone(),
            };
            let child = self.core.path(&item.name)?;
            let folder = match self.core.capabilities().paths {
                true => self.core.path_folder(root.names()),
                false => Folder::Id(parent.clone()),
            };
            let folded = self.core.fold(&item.name);
            let place = ItemRef::Item { id: item.id.clone(), parent: Some(parent) };
            let removal = DeleteTarget {
                item: place.clone(),
                kind: Some(item.kind),
                parents: item.parents.clone(),
            };
            let found = Found {
                place,
                item: Some(Arc::new(item)),
                asked_now: true,
                edge: Some((folder, folded)),
                remembered: false,
            };
            self.waiting.push((removal, found, child));
        }
        Ok(())
    }

    async fn make_room(&mut self) -> Result<()> {
        match self.waiting.len() >= self.core.capabilities().delete_max_size.max(1) {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Removes what is waiting. What may be tried again stays; the first failure is told.
    async fn flush(&mut self) -> Result<()> {
        let batch = self.core.capabilities().delete_max_size.max(1);
        while !self.waiting.is_empty() {
            let count = self.waiting.len().min(batch);
            let removals: Vec<_> =
                self.waiting[..count].iter().map(|(removal, ..)| removal.clone()).collect();
            let results = self.core.drive.delete(&self.cx, &removals).await;
            let (mut left, mut failure) = (Vec::new(), None);
            for ((removal, found, path), result) in self.waiting.drain(..count).zip(results) {
                match result {
                    Ok(()) => self.core.gone(&found, &path),
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        self.core.gone(&found, &path);
                    }
                    Err(error) => {
                        self.core.doubt(&found);
                        // OpenDAL names the path of a call; many paths are removed in one.
                        let error = error.with_note(&format!("{} stays", path.shown()));
                        if error.is_temporary() {
                            left.push((removal, found, path));
                        }
                        failure.get_or_insert(error);
                    }
                }
            }
            self.waiting.splice(..0, left);
            if let Some(error) = failure {
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Core {
    /// An item is no longer where it was: removed, or moved away.
    pub(super) fn gone(&self, found: &Found, path: &Path) {
        let Some((folder, folded)) = &found.edge else { return };
        self.index.remove(folder, folded);
        match &found.place {
            ItemRef::Item { id, .. } => self.index.forget(&Folder::Id(id.clone())),
            ItemRef::Path { .. } => {}
        }
        if let Folder::Path(_) = folder {
            let Folder::Path(itself) = self.path_folder(path.names()) else { return };
            self.index.forget_below(&itself);
        }
    }
}

impl oio::Delete for DriveDeleter {
    async fn delete(&mut self, path: &str, args: OpDelete) -> opendal::Result<()> {
        self.take(path, args.recursive()).await.map_err(to_opendal)
    }

    async fn close(&mut self) -> opendal::Result<()> {
        self.flush().await.map_err(to_opendal)
    }
}
