//! The drive's change feed as a source of changed paths for the cache layer.
//!
//! The feed names items by id. The paths under which a file was returned are in the
//! [`PathRegistry`](super::path_registry). Its current path is determined from the folders above it.
//!
//! A folder that moves changes the paths of everything below it, and the registry need not have
//! them: a caller may `stat` `a/b/c` and never `a`. So a folder that has moved or was deleted counts
//! as a change of everything. So does a folder that the feed reports for the first time, because its
//! previous location is not known. Feeds report a folder whenever its contents change; from the
//! second report on, an unchanged location shows that it was not moved.

use std::collections::HashMap;

use async_trait::async_trait;
use opendal::{OperationContext, Result};
use tokio::sync::Mutex;

use super::{DriveHandle, error::to_opendal};
use crate::{
    drive::{self, Conditions, Context, Cursor, ErrorKind, Item, ItemId, ItemKind, ItemRef},
    layers::cache::{ChangeCursor, ChangeSource, ChangedPaths},
};

/// The maximum number of pages that are read at a time. With more pages, everything counts as
/// changed.
const PAGES_MAX: usize = 100;

/// The maximum number of folders in each map of [`FeedState`].
const FOLDERS_MAX: usize = 100_000;

/// The maximum number of folders that are visited to determine the paths of one item.
const VISITS_MAX: usize = 1_000;

/// The name and the parents of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ItemLocation {
    name: String,
    parents: Vec<ItemId>,
}

impl ItemLocation {
    /// Returns the name and the parents of `item`.
    fn from_item(item: &Item) -> Self {
        Self { name: item.name.clone(), parents: item.parents.clone() }
    }
}

/// A drive's change feed, translated to the paths of its operator.
#[derive(Debug)]
pub(super) struct DriveChanges {
    handle: DriveHandle,
    state: Mutex<FeedState>,
}

/// The knowledge about the drive's folders that the next read of the feed starts with.
#[derive(Clone, Debug, Default)]
struct FeedState {
    /// The id of the drive's root folder, as items name it; `None` before the first read.
    root: Option<ItemId>,
    /// The locations of folders that the feed has reported.
    reported: HashMap<ItemId, ItemLocation>,
    /// The locations of folders that were requested and that the feed has not reported.
    requested: HashMap<ItemId, ItemLocation>,
}

/// The changes of one read of the feed.
#[derive(Debug, Default)]
struct FeedChanges {
    /// The current paths of changed items.
    paths: Vec<String>,
    /// Changed or deleted items, whose registered paths are outdated.
    ids: Vec<ItemId>,
    everything: bool,
}

impl DriveChanges {
    /// Creates a source, and starts to record the paths under which items are returned.
    pub(super) fn new(handle: DriveHandle) -> Self {
        handle.state.returned_paths.enable();
        Self { handle, state: Mutex::default() }
    }

    /// Reads the feed from the cursor `since` to its end. Returns the changes, the state after
    /// them, and the next cursor. Changes nothing in `self`: the caller applies the result.
    ///
    /// If the feed has more than [`PAGES_MAX`] pages, everything counts as changed, and the next
    /// read starts at the current state of the drive.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors).
    async fn read(
        &self,
        cx: &Context,
        since: &Cursor,
    ) -> drive::Result<(FeedChanges, FeedState, Cursor)> {
        let drive = &self.handle.state.drive;
        let mut state = self.state.lock().await.clone();
        let mut changes = FeedChanges::default();
        let mut cursor = since.clone();
        for _ in 0..PAGES_MAX {
            let page = drive.changes(cx, Some(&cursor)).await?;
            changes.everything |= page.reset;
            cursor = page.next;
            for (id, kind) in page.removed {
                changes.everything |= kind != Some(ItemKind::File);
                changes.ids.push(id);
            }
            for item in page.items {
                self.add_item(cx, &mut state, &mut changes, item).await?;
            }
            if !page.more {
                return Ok((changes, state, cursor));
            }
        }
        let next = drive.changes(cx, None).await?.next;
        let changes = FeedChanges { everything: true, ..FeedChanges::default() };
        Ok((changes, FeedState::default(), next))
    }

    /// Adds an item of the feed to `changes`, and its location to `state` if it is a folder.
    /// Requests the folders above the item that `state` does not have.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors). A folder that does not exist is no
    /// error.
    async fn add_item(
        &self,
        cx: &Context,
        state: &mut FeedState,
        changes: &mut FeedChanges,
        item: Item,
    ) -> drive::Result<()> {
        if state.root.as_ref() == Some(&item.id) {
            return Ok(());
        }
        if item.is_folder() {
            let location = ItemLocation::from_item(&item);
            changes.everything |= state.reported.get(&item.id) != Some(&location);
            state.requested.remove(&item.id);
            state.reported.insert(item.id.clone(), location);
            if state.reported.len() > FOLDERS_MAX {
                state.reported.clear();
            }
        } else {
            changes.ids.push(item.id.clone());
        }
        if !changes.everything {
            match self.paths_to(cx, state, &item).await? {
                Some(paths) => changes.paths.extend(paths),
                None => changes.everything = true,
            }
        }
        Ok(())
    }

    /// Returns the operator paths of an item: one for each combination of parents. Parents that do
    /// not exist and paths outside the operator's root are left out. Returns `None` if more than
    /// [`VISITS_MAX`] folders are above the item.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors) for folders that `state` does not have.
    async fn paths_to(
        &self,
        cx: &Context,
        state: &mut FeedState,
        item: &Item,
    ) -> drive::Result<Option<Vec<String>>> {
        let adapter = &self.handle.state;
        let operator_root = adapter.path("/")?;
        let mut paths = Vec::new();
        // Names are in reverse order, from the item up.
        let mut pending = vec![(ItemLocation::from_item(item), Vec::new())];
        let mut visits = 0;
        while let Some((location, mut names)) = pending.pop() {
            visits += 1;
            // A folder may contain itself, because of links.
            if visits > VISITS_MAX {
                return Ok(None);
            }
            names.push(location.name);
            for parent in location.parents {
                if state.root.as_ref() == Some(&parent) {
                    let names: Vec<_> = names.iter().rev().cloned().collect();
                    let below = adapter.strip_root(&operator_root, &names);
                    let path = below.filter(|names| !names.is_empty());
                    paths.extend(path.map(|names| adapter.operator_path(names)));
                } else if let Some(above) = self.location(cx, state, parent).await? {
                    pending.push((above, names.clone()));
                }
            }
        }
        Ok(Some(paths))
    }

    /// Returns the location of the folder with an id, from `state` or by a request, whose result is
    /// added to `state`. Returns `None` if the folder does not exist.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors), except `NotFound`.
    async fn location(
        &self,
        cx: &Context,
        state: &mut FeedState,
        folder: ItemId,
    ) -> drive::Result<Option<ItemLocation>> {
        let known = state.reported.get(&folder).or_else(|| state.requested.get(&folder));
        if let Some(location) = known {
            return Ok(Some(location.clone()));
        }
        let item_ref = ItemRef::from_id(&folder);
        match self.handle.state.drive.item(cx, &item_ref, Conditions::NONE).await {
            Ok(item) => {
                let location = ItemLocation::from_item(&item);
                if state.requested.len() >= FOLDERS_MAX {
                    state.requested.clear();
                }
                state.requested.insert(folder, location.clone());
                Ok(Some(location))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Starts the feed at the current state of the drive, and returns the cursor for the first
    /// read.
    ///
    /// # Errors
    /// `DriveNotFound` if the root folder does not exist, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn start(&self, cx: &Context) -> drive::Result<Cursor> {
        let adapter = &self.handle.state;
        let root = ItemRef::from_id(adapter.root(cx).await?);
        let root = adapter.drive.item(cx, &root, Conditions::NONE).await?.id;
        let next = adapter.drive.changes(cx, None).await?.next;
        *self.state.lock().await = FeedState { root: Some(root), ..FeedState::default() };
        Ok(next)
    }
}

#[async_trait]
impl ChangeSource for DriveChanges {
    /// Returns the paths that changed since the cursor `since`. With `None` it returns no paths,
    /// and the cursor of the drive's current state. The drive's index is cleared if anything
    /// changed.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors). The changes of a failed call are
    /// returned by the next call with the same cursor.
    async fn changes(
        &self,
        cx: &OperationContext,
        since: Option<&ChangeCursor>,
    ) -> Result<ChangedPaths> {
        let cx = Context::from(cx);
        let Some(since) = since else {
            let next = position(&self.start(&cx).await.map_err(to_opendal)?);
            return Ok(ChangedPaths {
                paths: Vec::new(),
                moved: Vec::new(),
                everything: false,
                next,
            });
        };
        let since = Cursor(since.expose().into());
        let (changes, new_state, next) = self.read(&cx, &since).await.map_err(to_opendal)?;
        let mut state = self.state.lock().await;
        // No await from here on: a dropped future must not leave a part of the changes applied.
        let adapter = &self.handle.state;
        let registry = &adapter.returned_paths;
        let everything = changes.everything || registry.take_overflowed();
        let mut moved: Vec<_> =
            changes.ids.iter().flat_map(|id| registry.take(id)).map(String::from).collect();
        moved.extend(registry.paths_where(|id| !adapter.drive.covers_changes_of(id)));
        if everything {
            registry.clear();
        }
        if everything || !changes.paths.is_empty() || !changes.ids.is_empty() {
            adapter.index.clear();
        }
        let requested = if everything { HashMap::new() } else { new_state.requested };
        *state = FeedState {
            root: state.root.clone().or(new_state.root),
            reported: new_state.reported,
            requested,
        };
        Ok(ChangedPaths { paths: changes.paths, moved, everything, next: position(&next) })
    }
}

/// Converts the drive's cursor to that of the cache layer.
fn position(Cursor(cursor): &Cursor) -> ChangeCursor {
    ChangeCursor::new(cursor.expose())
}
