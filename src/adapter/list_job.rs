//! The jobs of a listing: one for each folder, which requests its pages one after the other.

use std::{sync::Arc, time::Instant};

use super::{index::FolderKey, left_out::Names, state::AdapterState};
use crate::drive::{
    Context, Cursor, Depth, Item, ItemId, ItemRef, ListRequest, Page, PageGuard, Result,
};

/// The listing of one folder.
pub(super) struct ListJob {
    pub(super) folder: ItemRef,
    /// The key of the folder in the index.
    pub(super) key: FolderKey,
    /// The operator path of the folder, with a trailing slash. Empty for the root.
    pub(super) path: String,
    /// Only entries whose names start with this are returned. `None` returns all of them.
    pub(super) prefix: Option<String>,
    pub(super) depth: Depth,
    /// The next page; `None` for the first one.
    pub(super) cursor: Option<Cursor>,
    pub(super) pages: PageGuard,
    /// The time at which the first page was requested; `None` before.
    pub(super) requested_at: Option<Instant>,
    /// The folder itself and the folders above it in this listing; `None` if the id of the folder is
    /// not known.
    pub(super) ancestors: Option<Arc<Ancestor>>,
    /// The listing started with this folder.
    pub(super) is_start: bool,
    /// The item is known to be a folder.
    pub(super) is_known_folder: bool,
    /// The first page was not found although the folder exists, and is requested again.
    pub(super) is_repeated: bool,
    /// The names of the entries so far.
    pub(super) names: Names,
}

/// A folder of a listing and the folders above it.
pub(super) struct Ancestor {
    id: ItemId,
    parent: Option<Arc<Ancestor>>,
}

impl ListJob {
    /// Creates a job for the first page of `folder`. `key` is its index key and `path` its operator
    /// path, with a trailing slash.
    pub(super) fn new(folder: ItemRef, key: FolderKey, path: String) -> Self {
        let id = folder_id(&folder);
        Self {
            ancestors: id.map(|id| Arc::new(Ancestor { id, parent: None })),
            folder,
            key,
            path,
            prefix: None,
            depth: Depth::Children,
            cursor: None,
            pages: PageGuard::default(),
            requested_at: None,
            is_start: false,
            is_known_folder: false,
            is_repeated: false,
            names: Names::new(),
        }
    }

    /// Creates a job for the folder `item` that the listing has found in another folder. `parent`
    /// is the id of that folder if known, `key` its index key, and `ancestors` are its own. `path`
    /// is the operator path of `item`.
    pub(super) fn for_child(
        item: &Item,
        parent: Option<ItemId>,
        key: &FolderKey,
        path: String,
        ancestors: &Option<Arc<Ancestor>>,
        state: &AdapterState,
    ) -> Self {
        let folder = ItemRef::Item { id: item.id.clone(), parent };
        let ancestor = Ancestor { id: item.id.clone(), parent: ancestors.clone() };
        Self {
            ancestors: Some(Arc::new(ancestor)),
            is_known_folder: true,
            ..Self::new(folder, child_key(key, item, state), path)
        }
    }

    /// Returns whether this is the first page of the folder that the listing started with.
    pub(super) fn is_first_page(&self) -> bool {
        self.is_start && self.cursor.is_none()
    }

    /// Starts the folder again, with its first page at the given depth.
    pub(super) fn restart(&mut self, depth: Depth) {
        (self.depth, self.cursor, self.requested_at) = (depth, None, None);
        self.pages = PageGuard::default();
    }

    /// Requests the next page. `limit` is the maximum number of its entries; `None` leaves it to
    /// the cloud.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors), and `Unexpected` if the pages form a
    /// cycle.
    pub(super) async fn request_page(
        &mut self,
        state: &AdapterState,
        cx: &Context,
        limit: Option<usize>,
    ) -> Result<Page> {
        let request = ListRequest::new(&self.folder)
            .with_depth(self.depth)
            .with_limit(limit)
            .with_cursor(self.cursor.as_ref());
        let page = state.drive.list(cx, request).await?;
        let next = page.next.as_ref().map(|Cursor(url)| url);
        self.pages.record(page.items.len(), next)?;
        Ok(page)
    }

    /// Returns the id of the folder, or `None` if it is addressed by path.
    pub(super) fn folder_id(&self) -> Option<ItemId> {
        folder_id(&self.folder)
    }

    /// Returns whether an item is the folder or one of the folders above it: a folder may contain
    /// itself, because of links.
    pub(super) fn is_cycle(&self, id: &ItemId) -> bool {
        let mut next = self.ancestors.as_deref();
        while let Some(ancestor) = next {
            if ancestor.id == *id {
                return true;
            }
            next = ancestor.parent.as_deref();
        }
        false
    }
}

/// Returns the id of a folder, or `None` if it is addressed by path.
fn folder_id(folder: &ItemRef) -> Option<ItemId> {
    match folder {
        ItemRef::Item { id, .. } => Some(id.clone()),
        ItemRef::Path { .. } => None,
    }
}

/// Returns the index key of the folder `item` in the folder with the key `parent`.
fn child_key(parent: &FolderKey, item: &Item, state: &AdapterState) -> FolderKey {
    match parent {
        FolderKey::Id(_) => FolderKey::Id(item.id.clone()),
        FolderKey::Path(path) if path.is_empty() => FolderKey::Path(state.fold(&item.name)),
        FolderKey::Path(path) => FolderKey::Path(format!("{path}/{}", state.fold(&item.name))),
    }
}
