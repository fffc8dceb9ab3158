//! Resolution of paths to items.
//!
//! There are two kinds of drives. A drive that resolves paths itself gets the path in each request;
//! the index then only provides the kind and the download URL of the item. In a drive that is
//! addressed by id, [`Walk`] resolves one folder after another, as far as the index does not know
//! the path.
//!
//! The index limits how old a result can be. An entry is valid for
//! [`ServiceSettings::index_ttl`](super::ServiceSettings::index_ttl). Operations that overwrite by
//! id, delete or rename accept no entry older than
//! [`DESTRUCTIVE_MAX_AGE`](super::state::DESTRUCTIVE_MAX_AGE); for an older one they check that the
//! item still has its parent and its name. A stale id costs one more walk.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    index::{FolderKey, Lookup},
    path::{Path, ResolvedPath},
    state::AdapterState,
    walk::Walk,
};
use crate::drive::{
    ByteRange, Conditions, Context, DownloadRequest, ErrorKind, Item, ItemKind, ItemRef, Result,
};

impl AdapterState {
    /// Parses a path of the operator, and returns it with the names that its items have in the drive
    /// ([`existing_path`](Self::existing_path)).
    ///
    /// # Errors
    /// `InvalidInput` for a path with the name `.` or `..`; those of
    /// [`existing_path`](Self::existing_path).
    pub(super) async fn find_path(&self, cx: &Context, path: &str) -> Result<Path> {
        let path = self.path(path)?;
        Ok(self.existing_path(cx, &path).await?.into_owned())
    }

    /// Returns a path with the names that its items have in the drive.
    ///
    /// They differ from the encoded names only where another program chose a name that the encoding
    /// would have replaced, such as `~a`, and no item has the encoded name. Only such a name costs
    /// requests, at most two, unless the index has the item.
    ///
    /// # Errors
    /// `DriveNotFound` if the drive's root does not exist, and [request
    /// errors](crate::drive::Error#request-errors).
    pub(super) async fn existing_path<'p>(
        &self,
        cx: &Context,
        path: &'p Path,
    ) -> Result<Cow<'p, Path>> {
        let mut existing = Cow::Borrowed(path);
        let Some(encoding) = &self.settings.name_encoding else { return Ok(existing) };
        for (at, (name, raw)) in path.names().iter().zip(path.path_names()).enumerate() {
            let is_candidate = name != raw
                && (self.capabilities().validate_name)(raw).is_none()
                && encoding.is_raw(raw);
            if !is_candidate {
                continue;
            }
            let mut candidate = existing.prefix(at + 1);
            if self.exists(cx, &candidate).await? {
                continue;
            }
            candidate.set_name(at, raw.clone());
            if self.exists(cx, &candidate).await? {
                existing.to_mut().set_name(at, raw.clone());
            }
        }
        Ok(existing)
    }

    /// Returns whether an item exists. Sends no request if the index has the item.
    ///
    /// # Errors
    /// `DriveNotFound` if the drive's root does not exist, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn exists(&self, cx: &Context, path: &Path) -> Result<bool> {
        if self.resolve_cached(path).is_some() {
            return Ok(true);
        }
        match self.request_item(cx, path, Conditions::NONE).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Resolves a path. Uses index entries that are not older than `max_age`.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist or a file is above it in the path, but never in a
    /// drive that resolves paths itself. `DriveNotFound` if the drive's root does not exist.
    /// [Request errors](crate::drive::Error#request-errors).
    pub(super) async fn resolve(
        &self,
        cx: &Context,
        path: &Path,
        max_age: Duration,
    ) -> Result<ResolvedPath> {
        let max_age = max_age.min(self.settings.index_ttl);
        if self.capabilities().paths {
            return self.resolve_by_path(cx, path, max_age).await;
        }
        let mut walk = Walk::new(self, cx, max_age);
        match walk.resolve(path.names()).await {
            // A folder in the path may have been replaced by another one with its name.
            Err(error)
                if error.kind() == ErrorKind::NotFound
                    && walk.from_cache
                    && !walk.listed_completely =>
            {
                self.resolve_uncached(cx, path).await
            }
            result => result,
        }
    }

    /// Resolves a path without the index, after an id from the index turned out to be that of an
    /// item that does not exist or is elsewhere now.
    ///
    /// # Errors
    /// Those of [`resolve`](Self::resolve).
    pub(super) async fn resolve_uncached(&self, cx: &Context, path: &Path) -> Result<ResolvedPath> {
        if self.capabilities().paths {
            return self.resolve_by_path(cx, path, Duration::ZERO).await;
        }
        Walk::new(self, cx, Duration::ZERO).resolve(path.names()).await
    }

    /// Resolves a path in a drive that resolves paths itself, without a request for the item. Its
    /// item is only present if the index has it, not older than `max_age`.
    ///
    /// # Errors
    /// Those of [`root`](Self::root).
    async fn resolve_by_path(
        &self,
        cx: &Context,
        path: &Path,
        max_age: Duration,
    ) -> Result<ResolvedPath> {
        let names = path.names();
        let mut resolved = ResolvedPath {
            item_ref: self.path_ref(cx, names).await?,
            item: None,
            is_fresh: false,
            entry: None,
            from_cache: false,
        };
        let Some((name, parents)) = names.split_last() else { return Ok(resolved) };
        let (folder, folded) = (self.path_key(parents), self.fold(name));
        // A negative entry is not used: it would save no request.
        if let Lookup::Hit(item, _) = self.index.lookup(&folder, &folded, max_age) {
            resolved.item = Some(item);
        }
        resolved.entry = Some((folder, folded));
        Ok(resolved)
    }

    /// Requests the item at a path, unless resolving the path has just requested it.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `ConditionNotMatch` if `if_match` differs from the
    /// etag or `if_none_match` equals it; [request errors](crate::drive::Error#request-errors).
    pub(super) async fn request_item(
        &self,
        cx: &Context,
        path: &Path,
        conditions: &Conditions,
    ) -> Result<(ResolvedPath, Item)> {
        let mut resolved = self.resolve(cx, path, self.settings.index_ttl).await?;
        if let Some(item) = &resolved.item
            && resolved.is_fresh
            && conditions == Conditions::NONE
        {
            let item = Item::clone(item);
            return Ok((resolved, item));
        }
        let requested_at = Instant::now();
        let item = match self.drive.item(cx, &resolved.item_ref, conditions).await {
            Err(error) if error.kind() == ErrorKind::NotFound && resolved.from_cache => {
                self.invalidate(&resolved);
                resolved = self.resolve_uncached(cx, path).await?;
                self.drive.item(cx, &resolved.item_ref, conditions).await?
            }
            result => result?,
        };
        if let Some((folder, folded)) = &resolved.entry {
            self.index.insert(folder, folded.clone(), Arc::new(item.clone()), requested_at);
        }
        Ok((resolved, item))
    }

    /// Returns `item` with its size. If `item` is a file without a size, requests its first byte,
    /// at `resolved`. If this fails, the failure is logged and the size stays `None`.
    pub(super) async fn with_size(
        &self,
        cx: &Context,
        resolved: &ResolvedPath,
        item: Item,
    ) -> Item {
        if item.kind != ItemKind::File || item.size.is_some() {
            return item;
        }
        let request = DownloadRequest::new(&resolved.item_ref)
            .with_known(&item)
            .with_range(ByteRange::Span(0..1));
        match self.drive.download(cx, request).await {
            Ok(download) => Item { size: Some(download.total), ..item },
            Err(error) => {
                tracing::warn!(name = item.name, %error, "cannot determine the size of a file");
                item
            }
        }
    }

    /// Resolves a path to an item that the index has. Sends no request. Returns `None` if the index
    /// does not have the item, and for the drive's root.
    pub(super) fn resolve_cached(&self, path: &Path) -> Option<ResolvedPath> {
        let max_age = self.settings.index_ttl;
        let lookup =
            |folder: &FolderKey, folded: &str| match self.index.lookup(folder, folded, max_age) {
                Lookup::Hit(item, _) => Some(item),
                Lookup::NegativeHit | Lookup::Miss => None,
            };
        let names = path.names();
        let ((name, parents), root) = (names.split_last()?, self.root.get()?);
        let folded = self.fold(name);
        if self.capabilities().paths {
            let folder = self.path_key(parents);
            let item_ref = ItemRef::Path { base: root.clone(), path: names.join("/").into() };
            let item = Some(lookup(&folder, &folded)?);
            let entry = Some((folder, folded));
            return Some(ResolvedPath {
                item_ref,
                item,
                is_fresh: false,
                entry,
                from_cache: false,
            });
        }
        let mut parent = root.clone();
        for name in parents {
            parent = lookup(&FolderKey::Id(parent), &self.fold(name))?.id.clone();
        }
        let folder = FolderKey::Id(parent.clone());
        let item = lookup(&folder, &folded)?;
        let item_ref = ItemRef::Item { id: item.id.clone(), parent: Some(parent) };
        let entry = Some((folder, folded));
        let item = Some(item);
        Some(ResolvedPath { item_ref, item, is_fresh: false, entry, from_cache: true })
    }

    /// Invalidates the index entries of all names in a path, from the drive's root down, because
    /// one of the ids is that of an item that is elsewhere now. For a drive that is addressed by
    /// id.
    pub(super) fn invalidate_path(&self, names: &[String]) {
        let Some(root) = self.root.get() else { return };
        let mut folder = FolderKey::Id(root.clone());
        for name in names {
            let folded = self.fold(name);
            let Lookup::Hit(item, _) = self.index.lookup(&folder, &folded, Duration::MAX) else {
                return;
            };
            self.index.invalidate(&folder, &folded);
            folder = FolderKey::Id(item.id.clone());
        }
    }
}
