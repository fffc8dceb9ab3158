//! Reads: each is one query, or a few on one connection.

use super::super::{Tree, moves, read, read_tx};
use crate::tree::{DriveKey, FeedRange, ItemKey, ListOptions, Moves, Node, Result, TreeError};

impl Tree {
    /// Returns a live item.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if it does not exist, is not live or is [hidden](Self::hide);
    /// [`TreeError::Storage`] if the database cannot be read.
    pub async fn node(&self, drive: DriveKey, item: ItemKey) -> Result<Node> {
        self.visibility.visible(read_tx!(self, |sql| read::node(sql, drive, item))?)
    }

    /// Returns an item in any state, purged ones included.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if it never existed or is [hidden](Self::hide);
    /// [`TreeError::Storage`] if the database cannot be read.
    pub async fn any_node(&self, drive: DriveKey, item: ItemKey) -> Result<Node> {
        self.visibility.visible(read_tx!(self, |sql| read::any_node(sql, drive, item))?)
    }

    /// Returns the live child of that name, compared as the drive folds names; if an upgrade made
    /// several names equal, the oldest child.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the folder has no such child, also if it is no folder;
    /// [`TreeError::Storage`] if the database cannot be read.
    pub async fn child(&self, drive: DriveKey, parent: ItemKey, name: &str) -> Result<Node> {
        self.visibility.visible(read_tx!(self, |sql| read::child(sql, drive, parent, name))?)
    }

    /// Walks names down from the folder `anchor`, as far as they exist. Names are compared as the
    /// drive folds them. Returns the items found, the folder first.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the folder is not live, and [`TreeError::Storage`] if the
    /// database cannot be read.
    pub async fn walk(
        &self,
        drive: DriveKey,
        anchor: ItemKey,
        names: &[impl AsRef<str> + Sync],
    ) -> Result<Vec<Node>> {
        let mut nodes = read_tx!(self, |sql| read::walk(sql, drive, anchor, names))?;
        let seen = nodes.iter().position(|node| self.visibility.hides(drive, node.no));
        nodes.truncate(seen.unwrap_or(nodes.len()));
        if nodes.is_empty() { Err(TreeError::NotFound) } else { Ok(nodes) }
    }

    /// Returns the names from the root to an item by primary edges; empty for the root. For an item
    /// in the recycle bin it is the path before the deletion.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the item does not exist, and [`TreeError::Storage`] if the
    /// database cannot be read.
    pub async fn path(&self, drive: DriveKey, item: ItemKey) -> Result<Vec<String>> {
        read_tx!(self, |sql| read::path(sql, drive, item))
    }

    /// Returns an item and the folders above it by primary edges, the item first and the root last.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the item does not exist, and [`TreeError::Storage`] if the
    /// database cannot be read.
    pub async fn lineage(&self, drive: DriveKey, item: ItemKey) -> Result<Vec<Node>> {
        read_tx!(self, |sql| read::lineage(sql, drive, item))
    }

    /// Returns whether `item` is the folder `top`, or below it by any of its folders; `false` also if
    /// either does not exist.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database cannot be read.
    pub async fn contains(&self, drive: DriveKey, top: ItemKey, item: ItemKey) -> Result<bool> {
        read_tx!(self, |sql| read::contains(sql, drive, top, item))
    }

    /// Returns the live children of a folder that `which` selects, in its order.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the folder is not live,
    /// [`TreeError::NotAFolder`](TreeError::NotAFolder) for a file, and [`TreeError::Storage`] if
    /// the database cannot be read.
    pub async fn children(
        &self,
        drive: DriveKey,
        parent: ItemKey,
        which: ListOptions,
    ) -> Result<Vec<Node>> {
        if !self.visibility.hides_any(drive) {
            return read_tx!(self, |sql| read::children(sql, drive, parent, which));
        }
        // Pages have only visible items.
        let all = ListOptions { offset: 0, limit: None, ..which.clone() };
        let nodes = read_tx!(self, |sql| read::children(sql, drive, parent, all))?.into_iter();
        let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let seen = nodes.filter(|node| !self.visibility.hides(drive, node.no));
        Ok(seen.skip(whole(which.offset)).take(which.limit.map_or(usize::MAX, whole)).collect())
    }

    /// Returns at most `limit` live items below a folder, parents before children, and the cursor
    /// of the next page; `None` on the last page.
    ///
    /// `after` is the cursor, 0 for the first page. An item that is created, moved or changed
    /// between two pages may appear twice, but is not missed. The cost of a page is that of its
    /// items for the root, and that of everything below for another folder.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the folder is not live,
    /// [`TreeError::NotAFolder`](TreeError::NotAFolder) for a file, and [`TreeError::Storage`] if
    /// the database cannot be read.
    pub async fn below(
        &self,
        drive: DriveKey,
        folder: ItemKey,
        after: i64,
        limit: u64,
    ) -> Result<(Vec<Node>, Option<i64>)> {
        read_tx!(self, |sql| read::below(sql, drive, folder, after, limit))
    }

    /// Returns at most `limit` items that changed after a feed number, in the feed's order, in
    /// their current state. The last item's [`Node::feed`] is the cursor of the next page.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database cannot be read.
    pub async fn changes(&self, drive: DriveKey, after: i64, limit: u64) -> Result<Vec<Node>> {
        let range = FeedRange { after, end: i64::MAX, changed_since: i64::MIN };
        self.changes_in(drive, range, limit).await
    }

    /// Like [`changes`](Self::changes), for a part of the feed.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database cannot be read.
    pub async fn changes_in(
        &self,
        drive: DriveKey,
        range: FeedRange,
        limit: u64,
    ) -> Result<Vec<Node>> {
        read_tx!(self, |sql| read::changes(sql, drive, range, limit))
    }

    /// Returns the last feed number of a drive before all changes after a time, in microseconds
    /// since 1970. Changes of folders that only move or rename them do not count.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if the drive does not exist, and [`TreeError::Storage`] if the
    /// database cannot be read.
    pub async fn feed_at(&self, drive: DriveKey, time: i64) -> Result<i64> {
        read_tx!(self, |sql| read::feed_at(sql, drive, time))
    }

    /// Returns the items that left a folder's tree or entered it, by a move or a restore, after a
    /// feed number. Moves are kept for [`MOVES_KEPT`](crate::tree::MOVES_KEPT).
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database cannot be read.
    pub async fn moves(&self, drive: DriveKey, folder: ItemKey, after: i64) -> Result<Moves> {
        read_tx!(self, |sql| moves::of_folder(sql, drive, folder, after))
    }

    /// Returns the items that were deleted to the recycle bin, newest first; descending is oldest
    /// first.
    ///
    /// Of `which`, the order has no meaning, and
    /// [`ListingKey::number`](crate::tree::ListingKey::number) is [`Node::feed`].
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database cannot be read.
    pub async fn trashed(&self, drive: DriveKey, which: ListOptions) -> Result<Vec<Node>> {
        read_tx!(self, |sql| read::trashed(sql, drive, which))
    }

    /// Hides an item until a time, as a cloud does whose servers are not yet consistent.
    ///
    /// It is hidden from [`node`](Self::node), [`any_node`](Self::any_node),
    /// [`child`](Self::child), [`walk`](Self::walk) and [`children`](Self::children); writes and
    /// the other reads see it.
    pub fn hide(&self, drive: DriveKey, item: ItemKey, until: tokio::time::Instant) {
        self.visibility.hide(drive, item, until);
    }

    /// Returns whether an item is hidden now.
    pub fn hidden(&self, drive: DriveKey, item: ItemKey) -> bool {
        self.visibility.hides(drive, item)
    }
}
