//! The recycle bin: into it, out of it, and gone for good.

use super::{
    super::{DriveNo, Expect, ItemNo, Node, NodeKind, ROOT, Result, TreeError},
    db::Tx,
    folders::{next_feed, touch},
    items::now,
    read,
    row::signed,
    subtree,
};

const LIVE: i64 = 0;
const TRASHED: i64 = 1;
const HIDDEN: i64 = 2;

/// See [`Tree::trash`](super::super::Tree::trash).
pub(super) async fn trash(
    tx: &mut Tx,
    drive: DriveNo,
    item: ItemNo,
    expect: Expect,
) -> Result<Node> {
    if item == ROOT {
        return Err(TreeError::Root);
    }
    let node = read::node(tx.sql(), drive, item).await?;
    expect.check(&node)?;
    leave_folders(tx, &node).await?;
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

/// Takes an item out of the sizes and counts of the folders it is in.
async fn leave_folders(tx: &mut Tx, node: &Node) -> Result<()> {
    let folders: Vec<ItemNo> =
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

async fn set_own_state(tx: &mut Tx, drive: DriveNo, item: ItemNo, state: i64) -> Result<()> {
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
    Ok(())
}
