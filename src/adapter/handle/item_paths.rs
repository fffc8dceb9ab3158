//! Paths of items that a request returned by id.

use std::collections::HashMap;

use opendal::Operator;

use super::{DriveHandle, to_opendal};
use crate::drive::{Conditions, Context, Error, ErrorKind, Item, ItemId, ItemRef, Result};

/// The maximum depth of a folder. Folders may contain themselves, because of links.
const DEPTH_MAX: usize = 1_000;

/// The maximum number of folders that are remembered.
const FOLDERS_MAX: usize = 100_000;

/// The name of an item and its first parent.
#[derive(Clone, Debug)]
struct ItemLocation {
    name: String,
    /// `None` for the root, and if the cloud does not report it.
    parent: Option<ItemId>,
    is_folder: bool,
}

impl From<&Item> for ItemLocation {
    /// Takes name, kind and first parent of an item.
    fn from(item: &Item) -> Self {
        let parent = item.parents.first().cloned();
        Self { name: item.name.clone(), parent, is_folder: item.is_folder() }
    }
}

/// Determines the paths of items that a search, a change feed or another request returned by id.
///
/// It requests each folder once, and remembers its name and its parent. A folder that is renamed or
/// moved afterwards keeps its old path here: use a new value for each search.
#[derive(Debug)]
pub struct ItemPaths {
    handle: DriveHandle,
    cx: Context,
    /// The id of the drive's root folder, once it was requested.
    root: Option<ItemId>,
    folders: HashMap<ItemId, ItemLocation>,
}

impl ItemPaths {
    /// Creates a value without folders.
    pub(super) fn new(handle: DriveHandle, cx: Context) -> Self {
        Self { handle, cx, root: None, folders: HashMap::new() }
    }

    /// Returns the path of an item below the operator's root, with a trailing slash if it is a
    /// folder. For items with several parents, uses the first one. `None` if the item is not below
    /// the operator's root, for example because it belongs to another drive.
    ///
    /// Sends one request for each folder above the item that is not known yet, and one for the item
    /// itself if it has no parents.
    ///
    /// # Errors
    /// `ConfigInvalid` if the configured drive does not exist; [request
    /// errors](crate::drive::Error#request-errors). A folder that does not exist is no error.
    pub async fn path(&mut self, item: &Item) -> opendal::Result<Option<String>> {
        let location = match item.parents.is_empty() {
            true => None,
            false => Some(ItemLocation::from(item)),
        };
        match self.find(&item.id, location).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            path => path.map(Some).map_err(to_opendal),
        }
    }

    /// Returns the path of the item with an id. `location` is its location, if the caller knows it.
    ///
    /// # Errors
    /// `NotFound` if the item or a folder above it does not exist, if it is not below the operator's
    /// root, or if more than [`DEPTH_MAX`] folders are above it; `DriveNotFound`; [request
    /// errors](crate::drive::Error#request-errors).
    async fn find(&mut self, id: &ItemId, location: Option<ItemLocation>) -> Result<String> {
        let state = self.handle.state();
        let operator_root = state.path("/")?;
        let root = match &self.root {
            Some(root) => root.clone(),
            None => self.handle.request_root_id(&self.cx).await?,
        };
        self.root = Some(root.clone());
        let (mut names, mut next, mut known) = (Vec::new(), id.clone(), location);
        let mut is_folder = None;
        while next != root {
            let location = match known.take() {
                Some(location) => location,
                None => self.locate(&next).await?,
            };
            is_folder.get_or_insert(location.is_folder);
            let Some(parent) = location.parent.filter(|_| names.len() < DEPTH_MAX) else {
                return Err(not_below_root(id));
            };
            names.push(location.name);
            next = parent;
        }
        names.reverse();
        let state = self.handle.state();
        let Some(names) = state.strip_root(&operator_root, &names) else {
            return Err(not_below_root(id));
        };
        let mut path = state.operator_path(names);
        if is_folder.unwrap_or(true) {
            path.push('/');
        }
        Ok(path)
    }

    /// Returns the location of an item. Requests it, unless it is a folder that was requested before.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; [request errors](crate::drive::Error#request-errors).
    async fn locate(&mut self, id: &ItemId) -> Result<ItemLocation> {
        if let Some(location) = self.folders.get(id) {
            return Ok(location.clone());
        }
        let drive = self.handle.drive();
        let item = drive.item(&self.cx, &ItemRef::from_id(id), Conditions::NONE).await?;
        let location = ItemLocation::from(&item);
        if location.is_folder {
            if self.folders.len() >= FOLDERS_MAX {
                self.folders.clear();
            }
            self.folders.insert(id.clone(), location.clone());
        }
        Ok(location)
    }
}

impl DriveHandle {
    /// Returns the path of an item below the operator's root, with a trailing slash if it is a
    /// folder. For items with several parents, uses the first one. Sends one request for each
    /// folder in the path.
    ///
    /// # Errors
    /// `NotFound` if the item or a folder above it does not exist, if it is not below the
    /// operator's root, or if more than 1,000 folders are above it; `ConfigInvalid` if the
    /// configured drive does not exist; [request errors](crate::drive::Error#request-errors).
    pub async fn path_of(&self, operator: &Operator, id: &ItemId) -> opendal::Result<String> {
        self.item_paths(operator).find(id, None).await.map_err(to_opendal)
    }

    /// Returns a value that determines the paths of many items, and requests each folder once.
    pub fn item_paths(&self, operator: &Operator) -> ItemPaths {
        ItemPaths::new(self.clone(), Self::context(operator))
    }
}

/// Returns the `NotFound` error for an item that is not below the operator's root.
fn not_below_root(id: &ItemId) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("cannot find the path of item {id}: it is not below the root of the remote"),
    )
}
