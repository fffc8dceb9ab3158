//! The recycle bin: deletes items to it, restores them, and purges them.

use super::{
    super::{DriveKey, ItemKey, ItemState, Node, NodeKind, Precondition, ROOT, Result, TreeError},
    contents,
    folders::{is_above, next_feed, take_numbers, touch},
    items::{NO_TWIN, insert_edge, now},
    moves, names, read,
    row::signed,
    search_index, subtree, versions,
    writer::Tx,
};

const LIVE: i64 = 0;
const TRASHED: i64 = 1;
const HIDDEN: i64 = 2;

/// Deletes a live item to the recycle bin, and hides the items below it that are in no other live
/// folder. Returns the deleted item.
///
/// # Errors
/// `TreeError::Root` for the root, `NotFound` if the item is not live, `Changed` if the
/// precondition fails, and `Storage` and `NoRoom` if the database fails.
pub(super) async fn trash(
    tx: &mut Tx,
    drive: DriveKey,
    item: ItemKey,
    precondition: Precondition,
) -> Result<Node> {
    if item == ROOT {
        return Err(TreeError::Root);
    }
    let node = read::node(tx.sql(), drive, item).await?;
    precondition.check(&node)?;
    uncount(tx, &node).await?;
    sqlx::query("UPDATE edge SET live = 0 WHERE drive = $1 AND item = $2")
        .bind(drive)
        .bind(item)
        .execute(tx.sql())
        .await?;
    set_own_state(tx, drive, item, TRASHED).await?;
    if node.kind == NodeKind::Folder && node.children > 0 {
        let gathered = subtree::gather(tx, drive, item).await?;
        let some_kept = subtree::mark_kept(tx, drive, item, false).await?;
        subtree::set_state(tx, drive, item, gathered, [LIVE, HIDDEN]).await?;
        if some_kept {
            subtree::settle_primaries(tx, drive).await?;
        }
    }
    read::any_node(tx.sql(), drive, item).await
}

/// Subtracts an item from the sizes and counts of its folders.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn uncount(tx: &mut Tx, node: &Node) -> Result<()> {
    let folders: Vec<ItemKey> =
        sqlx::query_scalar("SELECT parent FROM edge WHERE drive = $1 AND item = $2 AND live = 1")
            .bind(node.drive)
            .bind(node.no)
            .fetch_all(tx.sql())
            .await?;
    for folder in folders {
        let primary = node.parents.first() == Some(&folder);
        touch(tx, node.drive, folder, if primary { -signed(node.size) } else { 0 }, -1).await?;
    }
    Ok(())
}

/// Sets the state of one item, by its code in the database. Returns the item's new feed number.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn set_own_state(tx: &mut Tx, drive: DriveKey, item: ItemKey, state: i64) -> Result<i64> {
    let feed = next_feed(tx, drive).await?;
    sqlx::query(
        "UPDATE item SET state = $3, feed = $4, modified = $5, version = version + 1 \
         WHERE drive = $1 AND no = $2",
    )
    .bind(drive)
    .bind(item)
    .bind(state)
    .bind(feed)
    .bind(now().as_microsecond())
    .execute(tx.sql())
    .await?;
    Ok(feed)
}

/// Restores a deleted item to the folder `to`, or if it is `None` to every live folder it was in.
/// `name` is its new name; `None` keeps the name. Returns the restored item.
///
/// # Errors
/// `TreeError::NotFound` if the item is not in the recycle bin, or none of the folders is live;
/// `NotAFolder`; `BadName`; `NameTaken`; `IntoItself`; `QuotaExceeded`; `Storage` and `NoRoom` if
/// the database fails.
pub(super) async fn restore(
    tx: &mut Tx,
    drive: DriveKey,
    item: ItemKey,
    to: Option<ItemKey>,
    name: Option<String>,
) -> Result<Node> {
    let mut node = read::any_node(tx.sql(), drive, item).await?;
    if node.state != ItemState::Trashed {
        return Err(TreeError::NotFound);
    }
    let is_renamed = name.is_some();
    node.name = name.unwrap_or(node.name);
    names::check(&node.name)?;
    let (seen, unseen) = match to {
        Some(folder) => (vec![folder], Vec::new()),
        None => folders_before(tx, drive, item).await?,
    };
    for &folder in &seen {
        let slot = names::slot(tx, drive, folder, &node.name).await?;
        if let Some((occupant, _)) = slot.occupant {
            return Err(TreeError::NameTaken(occupant));
        }
        if is_above(tx, drive, item, folder).await? {
            return Err(TreeError::IntoItself);
        }
        slot.admit(signed(node.size))?;
    }
    let before = std::mem::replace(&mut node.parents, seen);
    join_folders(tx, &node, unseen).await?;
    let feed = set_own_state(tx, drive, item, LIVE).await?;
    moves::record(tx, drive, item, feed, [&before, &node.parents]).await?;
    sqlx::query("UPDATE item SET name = $3, parent = $4 WHERE drive = $1 AND no = $2")
        .bind(drive)
        .bind(item)
        .bind(node.name.clone())
        .bind(node.parents.first().copied())
        .execute(tx.sql())
        .await?;
    if is_renamed {
        search_index::replace(tx, drive, item, &node.name).await?;
    }
    let outranked = names::is_outranked(tx, &node).await?;
    if outranked || (node.kind == NodeKind::Folder && node.children > 0) {
        let gathered = subtree::gather(tx, drive, item).await?;
        subtree::set_state(tx, drive, item, gathered, [HIDDEN, LIVE]).await?;
        subtree::settle_primaries(tx, drive).await?;
        if outranked {
            subtree::raise_ranks(tx, drive, gathered).await?;
        }
    }
    read::node(tx.sql(), drive, item).await
}

/// Returns the folders that a deleted item was in, the primary one first: the live ones, and the
/// deleted ones.
///
/// # Errors
/// `TreeError::NotFound` if none is live, and `TreeError::Storage` if the database cannot be read.
async fn folders_before(
    tx: &mut Tx,
    drive: DriveKey,
    item: ItemKey,
) -> Result<(Vec<ItemKey>, Vec<ItemKey>)> {
    let folders: Vec<(ItemKey, i64)> = sqlx::query_as(
        "SELECT e.parent, CAST(p.state AS BIGINT) FROM edge e \
         JOIN item i ON i.drive = e.drive AND i.no = e.item \
         JOIN item p ON p.drive = e.drive AND p.no = e.parent \
         WHERE e.drive = $1 AND e.item = $2 AND p.state <> 3 \
         ORDER BY CASE WHEN e.parent = i.parent THEN 0 ELSE 1 END, e.parent",
    )
    .bind(drive)
    .bind(item)
    .fetch_all(tx.sql())
    .await?;
    let (seen, unseen): (Vec<_>, Vec<_>) = folders.into_iter().partition(|(_, s)| *s == LIVE);
    if seen.is_empty() {
        return Err(TreeError::NotFound);
    }
    let numbers = |folders: Vec<(ItemKey, i64)>| folders.into_iter().map(|(no, _)| no).collect();
    Ok((numbers(seen), numbers(unseen)))
}

/// Adds an item to the live folders in `node.parents`, and to the deleted ones in `unseen` in which
/// its name is free.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn join_folders(tx: &mut Tx, node: &Node, unseen: Vec<ItemKey>) -> Result<()> {
    sqlx::query("DELETE FROM edge WHERE drive = $1 AND item = $2")
        .bind(node.drive)
        .bind(node.no)
        .execute(tx.sql())
        .await?;
    for (i, &folder) in node.parents.iter().enumerate() {
        insert_edge(tx.sql(), node.drive, node.no, folder, &node.name, NO_TWIN).await?;
        touch(tx, node.drive, folder, if i == 0 { signed(node.size) } else { 0 }, 1).await?;
    }
    for folder in unseen {
        if !is_above(tx, node.drive, node.no, folder).await?
            && names::insert_edge_from_trashed(tx, node, folder).await?
        {
            touch(tx, node.drive, folder, 0, 1).await?;
        }
    }
    Ok(())
}

/// Removes an item in any state, and everything below it that is in no other folder, for good.
/// Purged items stay in the change feed, without name and bytes.
///
/// # Errors
/// `TreeError::Root` for the root, `NotFound` if the item does not exist or was purged before, and
/// `Storage` and `NoRoom` if the database fails.
pub(super) async fn purge(tx: &mut Tx, drive: DriveKey, item: ItemKey) -> Result<()> {
    if item == ROOT {
        return Err(TreeError::Root);
    }
    let node = read::any_node(tx.sql(), drive, item).await?;
    if node.state == ItemState::Purged {
        return Err(TreeError::NotFound);
    }
    uncount(tx, &node).await?;
    let gathered = subtree::gather(tx, drive, item).await?;
    let some_kept = subtree::mark_kept(tx, drive, item, true).await?;
    if some_kept {
        // Kept items without another live folder become hidden.
        subtree::mark_kept(tx, drive, item, false).await?;
        subtree::set_state(tx, drive, item, gathered, [LIVE, HIDDEN]).await?;
        subtree::mark_kept(tx, drive, item, true).await?;
    }
    contents::release_gathered(tx, drive).await?;
    versions::release_gathered(tx, drive).await?;
    search_index::remove_gathered(tx, drive).await?;
    let (first, _) = take_numbers(tx, drive, gathered, 0).await?;
    sqlx::query(
        "UPDATE item SET state = 3, content = NULL, size = 0, children = 0, \
         version = version + 1, modified = $2, \
         feed = $3 + (SELECT s.seq FROM subtree s WHERE s.item = item.no) \
         WHERE drive = $1 AND no IN (SELECT item FROM subtree WHERE kept = 0)",
    )
    .bind(drive)
    .bind(now().as_microsecond())
    .bind(first - 1)
    .execute(tx.sql())
    .await?;
    for rows in [
        "DELETE FROM edge WHERE drive = $1 \
         AND item IN (SELECT item FROM subtree WHERE kept = 0)",
        "DELETE FROM edge WHERE drive = $1 AND live = 1 \
         AND parent IN (SELECT item FROM subtree WHERE kept = 0)",
        "DELETE FROM permission WHERE drive = $1 \
         AND item IN (SELECT item FROM subtree WHERE kept = 0)",
        "DELETE FROM grantee WHERE drive = $1 \
         AND item IN (SELECT item FROM subtree WHERE kept = 0)",
    ] {
        sqlx::query(rows).bind(drive).execute(tx.sql()).await?;
    }
    if some_kept {
        subtree::settle_primaries(tx, drive).await?;
    }
    Ok(())
}
