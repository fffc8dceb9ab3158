//! Resolution of a path folder by folder, in a drive that is addressed by id.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    index::{FolderKey, Lookup},
    path::ResolvedPath,
    state::AdapterState,
};
use crate::drive::{
    Conditions, Context, Error, ErrorKind, Item, ItemKind, ItemRef, Result, SiblingSearch,
};

/// The resolution of one path.
pub(super) struct Walk<'a> {
    state: &'a AdapterState,
    cx: &'a Context,
    max_age: Duration,
    /// An id so far is from the index and may be that of an item that is elsewhere now.
    pub(super) from_cache: bool,
    /// All entries of the last folder are known, so a name that is missing does not exist.
    pub(super) listed_completely: bool,
}

impl<'a> Walk<'a> {
    /// Creates a walk that uses index entries not older than `max_age`.
    pub(super) fn new(state: &'a AdapterState, cx: &'a Context, max_age: Duration) -> Self {
        Self { state, cx, max_age, from_cache: false, listed_completely: false }
    }

    /// Resolves the names of a path, from the drive's root down.
    ///
    /// # Errors
    /// `NotFound` if one of the items does not exist, or if a file has items below it in the path;
    /// `DriveNotFound` if the drive's root does not exist; those of [`child`](Self::child).
    pub(super) async fn resolve(&mut self, names: &[String]) -> Result<ResolvedPath> {
        let root = self.state.root(self.cx).await?.clone();
        let mut resolved = ResolvedPath {
            item_ref: ItemRef::from_id(&root),
            item: Some(Arc::new(Item::new(root, "", ItemKind::Folder))),
            is_fresh: false,
            entry: None,
            from_cache: false,
        };
        for name in names {
            let parent = match &resolved.item {
                Some(item) if item.is_folder() => item.id.clone(),
                _ => return Err(not_found(name, "its parent is a file")),
            };
            let folder = FolderKey::Id(parent.clone());
            let (item, is_fresh) = self.child(&folder, &ItemRef::from_id(&parent), name).await?;
            resolved = ResolvedPath {
                item_ref: ItemRef::Item { id: item.id.clone(), parent: Some(parent) },
                item: Some(item),
                is_fresh,
                entry: Some((folder, self.state.fold(name))),
                from_cache: self.from_cache,
            };
        }
        Ok(resolved)
    }

    /// Returns the child of a folder by name, and whether it was requested just now. `folder` and
    /// `folder_ref` mean the same folder.
    ///
    /// # Errors
    /// `NotFound` if the child or the folder does not exist, also according to the index.
    /// `Unexpected` for a 404 although the folder exists: the child may exist too. `NotAFolder` if
    /// the drive reports that the folder is a file. [Request
    /// errors](crate::drive::Error#request-errors).
    pub(super) async fn child(
        &mut self,
        folder: &FolderKey,
        folder_ref: &ItemRef,
        name: &str,
    ) -> Result<(Arc<Item>, bool)> {
        let state = self.state;
        let folded = state.fold(name);
        self.listed_completely = false;
        match state.index.lookup(folder, &folded, state.settings.index_ttl) {
            Lookup::Hit(item, at) if at.elapsed() <= self.max_age => {
                self.from_cache = true;
                return Ok((item, false));
            }
            Lookup::Hit(item, _) => {
                if let Some(item) = self.revalidate(folder, &folded, &item).await? {
                    return Ok((item, true));
                }
            }
            Lookup::NegativeHit if !self.max_age.is_zero() => {
                self.listed_completely = true;
                return Err(not_found(name, "the folder has no such item"));
            }
            Lookup::NegativeHit | Lookup::Miss => {}
        }
        let requested_at = Instant::now();
        let (mut siblings, mut complete) = (Vec::new(), false);
        let mut on_sibling = |sibling: SiblingSearch<'_>| match sibling {
            SiblingSearch::Item(item) => {
                siblings.push((state.fold(&item.name), Arc::new(item.clone())));
            }
            SiblingSearch::Complete => complete = true,
        };
        let child = state.drive.child(self.cx, folder_ref, name, &mut on_sibling).await;
        self.listed_completely = complete;
        state.index.insert_listing(folder, siblings, complete, requested_at);
        let child = match child {
            // An error with a status is a response to the request for the folder or one of its
            // pages. An error without one is the drive's own: the folder has no such child.
            Err(error) if error.kind() == ErrorKind::NotFound && error.status().is_some() => {
                return Err(self.lookup_error(folder_ref, name, error).await);
            }
            result => Arc::new(result?),
        };
        state.index.insert(folder, folded, Arc::clone(&child), requested_at);
        Ok((child, true))
    }

    /// Returns the error of a lookup by name that failed with the 404 `error`. It is `NotFound`
    /// only if `folder` does not exist: otherwise the child may exist too, and it is `Unexpected`.
    async fn lookup_error(&self, folder: &ItemRef, name: &str, error: Error) -> Error {
        match self.state.drive.item(self.cx, folder, Conditions::NONE).await {
            Err(missing) if missing.kind() == ErrorKind::NotFound => error,
            Err(failure) => failure,
            Ok(found) => Error::new(
                ErrorKind::Unexpected,
                format!("cannot find {name:?} in the folder {:?}: {error}", found.name),
            )
            .with_source(error),
        }
    }

    /// Checks that a cached item still has its parent `folder` and its folded name, and returns its
    /// current state. Returns `None`, and removes the index entry, if it does not. This is one
    /// small request, whereas finding the name again may list the folder.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors), except `NotFound`.
    async fn revalidate(
        &self,
        folder: &FolderKey,
        folded: &str,
        cached: &Item,
    ) -> Result<Option<Arc<Item>>> {
        let (state, requested_at) = (self.state, Instant::now());
        let FolderKey::Id(parent) = folder else { return Ok(None) };
        let cached = ItemRef::from_id(&cached.id);
        match state.drive.item(self.cx, &cached, Conditions::NONE).await {
            Ok(item) if item.parents.contains(parent) && state.fold(&item.name) == folded => {
                let item = Arc::new(item);
                state.index.insert(folder, folded.to_owned(), Arc::clone(&item), requested_at);
                Ok(Some(item))
            }
            Ok(_) => {
                state.index.invalidate(folder, folded);
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                state.index.invalidate(folder, folded);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns the `NotFound` error for a name in a path.
fn not_found(name: &str, reason: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("cannot find {name:?}: {reason}"))
}
