//! Reads: each is one query, or a few on one connection.

use super::super::{Tree, moves, read, read_tx};
use crate::tree::{DriveKey, ItemKey, Listing, Moves, Node, Result, TreeError};

impl Tree {
    /// A live item.
    pub async fn node(&self, drive: DriveKey, item: ItemKey) -> Result<Node> {
        self.visibility.seen(read_tx!(self, |sql| read::node(sql, drive, item))?)
    }

    /// An item in whatever state.
    pub async fn any_node(&self, drive: DriveKey, item: ItemKey) -> Result<Node> {
        self.visibility.seen(read_tx!(self, |sql| read::any_node(sql, drive, item))?)
    }

    /// Returns the live child of that name; of several that an upgrade made one name, the oldest.
    pub async fn child(&self, drive: DriveKey, parent: ItemKey, name: &str) -> Result<Node> {
        self.visibility.seen(read_tx!(self, |sql| read::child(sql, drive, parent, name))?)
    }

    /// Walks names down from a folder as far as they exist, in one look: the nodes that were found,
    /// the anchor first. Fewer than `names.len() + 1` means that the rest is missing.
    pub async fn walk(
        &self,
        drive: DriveKey,
        anchor: ItemKey,
        names: &[&str],
    ) -> Result<Vec<Node>> {
        let mut nodes = read_tx!(self, |sql| read::walk(sql, drive, anchor, names))?;
        let seen = nodes.iter().position(|node| self.visibility.hides(drive, node.no));
        nodes.truncate(seen.unwrap_or(nodes.len()));
        if nodes.is_empty() { Err(TreeError::NotFound) } else { Ok(nodes) }
    }

    /// The names from the root down to an item by primary edges; empty for the root. Of one in the
    /// recycle bin, where it was.
    pub async fn path(&self, drive: DriveKey, item: ItemKey) -> Result<Vec<String>> {
        read_tx!(self, |sql| read::path(sql, drive, item))
    }

    /// The folders above an item by primary edges, and the item: from itself up to the root.
    pub async fn lineage(&self, drive: DriveKey, item: ItemKey) -> Result<Vec<Node>> {
        read_tx!(self, |sql| read::lineage(sql, drive, item))
    }

    /// The live children of a folder.
    pub async fn children(
        &self,
        drive: DriveKey,
        parent: ItemKey,
        which: Listing,
    ) -> Result<Vec<Node>> {
        if !self.visibility.hides_any(drive) {
            return read_tx!(self, |sql| read::children(sql, drive, parent, which));
        }
        // Pages are those of what is seen.
        let all = Listing { offset: 0, limit: None, ..which.clone() };
        let nodes = read_tx!(self, |sql| read::children(sql, drive, parent, all))?.into_iter();
        let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let seen = nodes.filter(|node| !self.visibility.hides(drive, node.no));
        Ok(seen.skip(whole(which.offset)).take(which.limit.map_or(usize::MAX, whole)).collect())
    }

    /// Every live item below a folder, parents before children. At most `limit`, after `after` in
    /// an order of the tree's own that begins at 0; with the place to go on at, if there is more.
    /// What is made, moved or changed between two pages may be told twice, but is not missed. Costs
    /// a page for the root, a look at everything below for another folder.
    pub async fn below(
        &self,
        drive: DriveKey,
        folder: ItemKey,
        after: i64,
        limit: u64,
    ) -> Result<(Vec<Node>, Option<i64>)> {
        read_tx!(self, |sql| read::below(sql, drive, folder, after, limit))
    }

    /// Items that changed after a feed number, in the feed's order, in whatever state they are now.
    /// The next page is asked for with the last node's [`Node::feed`].
    pub async fn changes(&self, drive: DriveKey, after: i64, limit: u64) -> Result<Vec<Node>> {
        read_tx!(self, |sql| read::changes(sql, drive, after, limit))
    }

    /// Returns the items that left a folder's tree or came into it, by a move or a restore, after a
    /// feed number. Moves are known for [`MOVES_KEPT`].
    pub async fn moves(&self, drive: DriveKey, folder: ItemKey, after: i64) -> Result<Moves> {
        read_tx!(self, |sql| moves::of_folder(sql, drive, folder, after))
    }

    /// Returns the items in the recycle bin by themselves, newest first: of `which`, the order has
    /// no meaning here, and `descending` is oldest first. [`ListingKey::number`] is
    /// [`Node::feed`].
    pub async fn trashed(&self, drive: DriveKey, which: Listing) -> Result<Vec<Node>> {
        read_tx!(self, |sql| read::trashed(sql, drive, which))
    }

    /// Lets an item be neither found nor listed until then, as a cloud whose parts do not agree
    /// yet: by [`node`](Self::node), [`any_node`](Self::any_node), [`child`](Self::child),
    /// [`walk`](Self::walk) and [`children`](Self::children). Everything else knows it, writes too.
    pub fn hide(&self, drive: DriveKey, item: ItemKey, until: tokio::time::Instant) {
        self.visibility.hide(drive, item, until);
    }

    /// Whether an item is neither found nor listed now.
    pub fn hidden(&self, drive: DriveKey, item: ItemKey) -> bool {
        self.visibility.hides(drive, item)
    }
}
