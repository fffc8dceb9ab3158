//! Brings an index up to date by the drive's change feed, or builds it from listings.
//!
//! # Why the index equals the drive
//!
//! 1. The position in the feed is taken before the first listing. A change that a listing missed, or
//!    saw only in part, is later than the position, so the feed reports it. Folders are listed one
//!    by one: the drive's listing of a whole tree may be as late as its feed.
//! 2. The feed reports each changed item in its current state, and deleted items. The index removes
//!    each of them from its folders, and adds it to those that it is in now.
//! 3. The feed reports a moved folder, but not its contents. The contents of a folder that the index
//!    had are those that it had. The contents of any other folder are listed, after the feed was
//!    read: changes from then on are later than the new position.
//! 4. Items that no folder below the root of the index leads to are removed. So are the contents of
//!    a deleted folder, which the feed need not report.
//!
//! A feed may report a change only after some time, which no cloud documents. Until then the index
//! lacks the change, and so does the run: the next run finds it. The engine deletes nothing for that
//! reason.
//!
//! The feed does not cover the contents of other drives: folders that lead there stay
//! [`Contents::Elsewhere`], and every run lists them. A feed that was restarted, has too many pages,
//! or reports an item without its folders says nothing about the index, which is then built again.

use std::{collections::HashMap, fmt, sync::Arc};

use drivedal::adapter::DriveHandle;
use drivedal::drive::{
    Capabilities, Context, Cursor, Drive, Error, ErrorKind, Item, ItemId, ItemRef, ListRequest,
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::store::{Contents, IndexChange, IndexStore, StoredItem};

/// The maximum number of pages of the feed. Above it, the index is built again, which costs fewer
/// requests: pages of deleted items can have seven items (onedrive-graph#delta-deletion-page-size).
const PAGES_MAX: usize = 100;

/// The preferred number of items in a page of a listing.
const PAGE: usize = 1_000;

/// The number of folders that are listed at the same time.
const LISTINGS: usize = 8;

/// A failure to read the feed or to store the index.
#[derive(Debug)]
pub(super) enum FeedError {
    /// A request for a verb of the drive failed.
    Drive(Error),
    /// A request for the folder of the index failed.
    Request(opendal::Error),
    /// The file of the index cannot be read or written.
    Store(sqlx::Error),
    /// The drive no longer has the folder of the index.
    RootDeleted,
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drive(error) => error.fmt(f),
            Self::Request(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::RootDeleted => f.write_str("the folder was deleted"),
        }
    }
}

impl From<Error> for FeedError {
    fn from(error: Error) -> Self {
        Self::Drive(error)
    }
}

impl From<sqlx::Error> for FeedError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error)
    }
}

/// The result of [`DriveFeed::update`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Updated {
    /// The index has the current state of the drive.
    Current,
    /// The changes are unknown. The index must be built.
    Unknown,
}

/// The changes since a position.
#[derive(Default)]
struct Changes {
    /// Changed items by their ids. `None`: the item was deleted.
    items: HashMap<ItemId, Option<Item>>,
    /// Ids of items that the feed reported without their folders. The drive's root has none.
    without_folder: Vec<String>,
}

/// The change feed of a drive, for the index of the folder with the id `root`.
pub(super) struct DriveFeed {
    /// Maps the names of items to those in paths.
    pub(super) handle: DriveHandle,
    pub(super) drive: Arc<dyn Drive>,
    pub(super) cx: Context,
    pub(super) root: ItemId,
}

impl DriveFeed {
    /// Applies the changes since the position of the index, or builds it again if they are unknown.
    ///
    /// # Errors
    /// Those of [`update`](Self::update) and [`build`](Self::build).
    pub(super) async fn update_or_build(&self, store: &mut IndexStore) -> Result<(), FeedError> {
        match self.update(store).await? {
            Updated::Current => Ok(()),
            Updated::Unknown => self.build(store).await,
        }
    }

    /// Applies the changes since the position of the index.
    ///
    /// # Errors
    /// `Drive`, `Store`, and `RootDeleted`. The index is then unchanged.
    pub(super) async fn update(&self, store: &mut IndexStore) -> Result<Updated, FeedError> {
        let Some(position) = store.state("position").await? else { return Ok(Updated::Unknown) };
        let Some((changes, next)) = self.read(Cursor(position.into())).await? else {
            return Ok(Updated::Unknown);
        };
        if store.has_any(&changes.without_folder).await? {
            return Ok(Updated::Unknown);
        }
        let mut change = store.begin().await?;
        if !changes.items.is_empty() {
            let ids: Vec<_> = changes.items.keys().map(ItemId::to_string).collect();
            change.unlink(&ids).await?;
            let items = changes.items.values().flatten();
            let items: Vec<_> = items.map(|item| self.stored(item, &item.parents)).collect();
            change.put(&items).await?;
            change.prune(self.root.as_str()).await?;
            self.list_unknown(&mut change).await?;
        }
        change.set_state("position", next.0.expose()).await?;
        change.commit().await?;
        Ok(Updated::Current)
    }

    /// Reads the feed from a position to its end. Returns the changes, and the next position.
    /// `None` if the feed does not have all changes.
    ///
    /// # Errors
    /// `Drive`, and `RootDeleted`.
    async fn read(&self, since: Cursor) -> Result<Option<(Changes, Cursor)>, FeedError> {
        let mut changes = Changes::default();
        let mut position = since;
        for _ in 0..PAGES_MAX {
            let page = match self.drive.changes(&self.cx, Some(&position)).await {
                // The position is that of another account, or of another version of the service.
                Err(error) if is_rejection(&error) => return Ok(None),
                page => page?,
            };
            if page.reset {
                return Ok(None);
            }
            for (id, _) in page.removed {
                if id == self.root {
                    return Err(FeedError::RootDeleted);
                }
                changes.items.insert(id, None);
            }
            for item in page.items {
                if item.id == self.root {
                    continue;
                }
                match (item.parents.is_empty(), item.is_folder()) {
                    (true, true) => changes.without_folder.push(item.id.to_string()),
                    (true, false) => return Ok(None),
                    (false, _) => _ = changes.items.insert(item.id.clone(), Some(item)),
                }
            }
            position = page.next;
            if !page.more {
                return Ok(Some((changes, position)));
            }
        }
        Ok(None)
    }

    /// Builds the index from listings.
    ///
    /// # Errors
    /// `Drive` and `Store`. The index is then unchanged.
    pub(super) async fn build(&self, store: &mut IndexStore) -> Result<(), FeedError> {
        let position = self.drive.changes(&self.cx, None).await?.next;
        let mut change = store.begin().await?;
        change.reset(self.root.as_str()).await?;
        self.list_unknown(&mut change).await?;
        change.set_state("position", position.0.expose()).await?;
        change.set_state("built", &Timestamp::now().to_string()).await?;
        change.commit().await?;
        Ok(())
    }

    /// Lists the folders whose contents are unknown, and those below them.
    ///
    /// # Errors
    /// `Drive` and `Store`.
    async fn list_unknown(&self, change: &mut IndexChange<'_>) -> Result<(), FeedError> {
        loop {
            let folders = change.unlisted(LISTINGS as u32 * 8).await?;
            if folders.is_empty() {
                return Ok(());
            }
            let listings = stream::iter(folders).map(|folder| self.children(folder));
            let mut listings = listings.buffer_unordered(LISTINGS);
            while let Some((folder, items)) = listings.try_next().await? {
                let Some(items) = items else {
                    change.set_contents(&folder, Contents::Elsewhere).await?;
                    continue;
                };
                change.unlink(&ids_of(&items)).await?;
                let id = ItemId::from(folder.as_str());
                let stored = |item: &Item| {
                    let mut parents = item.parents.clone();
                    if !parents.contains(&id) {
                        parents.push(id.clone());
                    }
                    self.stored(item, &parents)
                };
                change.put(&items.iter().map(stored).collect::<Vec<_>>()).await?;
                change.set_contents(&folder, Contents::Complete).await?;
            }
        }
    }

    /// Returns the id of a folder, and its items: `None` if the drive does not find it. Either it was
    /// deleted meanwhile, and the feed will report it, or every run gets the same error.
    ///
    /// # Errors
    /// Those of [`Drive::list`].
    async fn children(&self, folder: String) -> Result<(String, Option<Vec<Item>>), Error> {
        let at = ItemRef::from_id(&ItemId::from(folder.as_str()));
        let mut items = Vec::new();
        let mut cursor = None;
        loop {
            let request = ListRequest::new(&at).with_limit(PAGE).with_cursor(&cursor);
            let page = match self.drive.list(&self.cx, request).await {
                Err(error) if error.kind() == ErrorKind::NotFound && cursor.is_none() => {
                    return Ok((folder, None));
                }
                page => page?,
            };
            items.extend(page.items);
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok((folder, Some(items))),
            }
        }
    }

    /// Returns the stored form of an item in these folders. The contents of a folder are unknown.
    fn stored(&self, item: &Item, parents: &[ItemId]) -> StoredItem {
        let contents =
            if self.is_covered(&item.id) { Contents::Unknown } else { Contents::Elsewhere };
        let name = self.handle.path_name(&item.name);
        StoredItem::new(item, &name, self.fold(item), parents, contents)
            .with_rewritten(self.drive.may_rewrite_content(item))
    }

    /// Returns whether the feed covers the contents of the folder with an id.
    fn is_covered(&self, id: &ItemId) -> bool {
        self.drive.covers_changes_of(id) && !self.drive.is_shortcut_to_other_drive(id)
    }

    /// Returns the canonical form of an item's name.
    fn fold(&self, item: &Item) -> String {
        let Capabilities { fold, .. } = self.drive.capabilities();
        fold(&item.name).replace('\0', "/")
    }
}

/// Returns the ids of items. An item without a readable id is left out.
fn ids_of(items: &[Item]) -> Vec<String> {
    let ids = items.iter().map(|item| item.id.as_str());
    ids.filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

/// Returns whether the drive rejected a position, so that it will reject it again.
fn is_rejection(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput)
        || error.status().is_some_and(|status| matches!(status, 400 | 404 | 410))
}
