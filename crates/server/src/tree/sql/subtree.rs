//! Changes to a folder and everything below it.
//!
//! The items are collected in the temporary table `subtree`, parents before children. Each change is
//! then one statement for all of them.
//!
//! Here and elsewhere, `CROSS JOIN` makes SQLite join tables in the order of the statement. Without
//! statistics its planner would scan a whole drive for each of a few items.

use sqlx::AssertSqlSafe;

use super::{
    super::{DriveKey, ItemKey, Result},
    folders::{take_numbers, touch},
    writer::Tx,
};

/// Collects an item and everything below it by live edges in the table `subtree`, in place of its
/// former rows. Returns the number of items.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn gather(tx: &mut Tx, drive: DriveKey, item: ItemKey) -> Result<i64> {
    gather_without(tx, drive, item, &[]).await
}

/// Like [`gather`], without the items in `excluded`, and without those that are only below them.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn gather_without(
    tx: &mut Tx,
    drive: DriveKey,
    item: ItemKey,
    excluded: &[ItemKey],
) -> Result<i64> {
    sqlx::query("DELETE FROM subtree").execute(tx.sql()).await?;
    // The number of parameters of a statement is limited, its length is not in practice.
    let excluded: Vec<String> = excluded.iter().map(|item| item.0.to_string()).collect();
    let filter = match excluded.is_empty() {
        true => String::new(),
        false => format!("AND e.item NOT IN ({}) ", excluded.join(", ")),
    };
    let gathered = sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO subtree (item, seq, kept) \
         WITH RECURSIVE below(no, depth) AS (SELECT CAST($2 AS BIGINT), 0 UNION \
         SELECT e.item, b.depth + 1 FROM below b CROSS JOIN edge e \
         WHERE e.drive = $1 AND e.parent = b.no AND e.live = 1 {filter}) \
         SELECT no, row_number() OVER (ORDER BY max(depth), no), 0 FROM below GROUP BY no",
    )))
    .bind(drive)
    .bind(item)
    .execute(tx.sql())
    .await?;
    Ok(super::row::signed(gathered.rows_affected()))
}

/// Marks as kept the collected items that are also in another live folder, and everything below
/// them; the others are unmarked. `top` is the collected item itself, which is not marked. With
/// `anywhere`, a folder in the recycle bin counts too. Returns whether any item is kept.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn mark_kept(
    tx: &mut Tx,
    drive: DriveKey,
    top: ItemKey,
    anywhere: bool,
) -> Result<bool> {
    sqlx::query(
        "UPDATE subtree SET kept = CASE WHEN item IN ( \
         WITH RECURSIVE kept(no) AS ( \
         SELECT s.item FROM subtree s CROSS JOIN edge e CROSS JOIN item p \
         WHERE s.item <> $2 AND e.drive = $1 AND e.item = s.item AND e.live = 1 \
         AND e.parent NOT IN (SELECT item FROM subtree) \
         AND p.drive = $1 AND p.no = e.parent AND (p.state = 0 OR $3 = 1) \
         UNION SELECT e.item FROM kept k CROSS JOIN edge e \
         WHERE e.drive = $1 AND e.parent = k.no AND e.live = 1) \
         SELECT no FROM kept) THEN 1 ELSE 0 END",
    )
    .bind(drive)
    .bind(top)
    .bind(i64::from(anywhere))
    .execute(tx.sql())
    .await?;
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM subtree WHERE kept = 1")
        .fetch_one(tx.sql())
        .await?;
    Ok(kept > 0)
}

/// Ranks all collected items above the others of the drive, in order. `gathered` is their number.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn raise_ranks(tx: &mut Tx, drive: DriveKey, gathered: i64) -> Result<()> {
    let (first, _) = take_numbers(tx, drive, gathered, 0).await?;
    sqlx::query(
        "UPDATE item SET rank = $2 + (SELECT s.seq FROM subtree s WHERE s.item = item.no) \
         WHERE drive = $1 AND no IN (SELECT item FROM subtree)",
    )
    .bind(drive)
    .bind(first - 1)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Sets the state of all collected items from `from` to `to`, codes of the database, except kept
/// ones and `top`. `gathered` is the number of collected items.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn set_state(
    tx: &mut Tx,
    drive: DriveKey,
    top: ItemKey,
    gathered: i64,
    [from, to]: [i64; 2],
) -> Result<()> {
    let (first, _) = take_numbers(tx, drive, gathered, 0).await?;
    sqlx::query(
        "UPDATE item SET state = $5, \
         feed = $3 + (SELECT s.seq FROM subtree s WHERE s.item = item.no) \
         WHERE drive = $1 AND no IN (SELECT item FROM subtree WHERE kept = 0) \
         AND no <> $2 AND state = $4",
    )
    .bind(drive)
    .bind(top)
    .bind(first - 1)
    .bind(from)
    .bind(to)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Changes the primary folder of collected items where another one of their folders fits better:
/// the primary folder of a live item is live, and it is never a purged one if another is not.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn settle_primaries(tx: &mut Tx, drive: DriveKey) -> Result<()> {
    let unsettled: Vec<(ItemKey, ItemKey, i64)> = sqlx::query_as(
        "SELECT i.no, i.parent, i.size FROM subtree s CROSS JOIN item i CROSS JOIN item p \
         WHERE i.drive = $1 AND i.no = s.item AND p.drive = $1 AND p.no = i.parent \
         AND (i.state = 0 AND p.state <> 0 OR i.state = 2 AND p.state = 3) \
         ORDER BY s.seq",
    )
    .bind(drive)
    .fetch_all(tx.sql())
    .await?;
    for (item, old, size) in unsettled {
        let new: Option<ItemKey> = sqlx::query_scalar(
            "SELECT e.parent FROM edge e JOIN item p ON p.drive = e.drive AND p.no = e.parent \
             WHERE e.drive = $1 AND e.item = $2 AND e.live = 1 AND p.state <> 3 \
             ORDER BY CASE WHEN p.state = 0 THEN 0 ELSE 1 END, e.parent LIMIT 1",
        )
        .bind(drive)
        .bind(item)
        .fetch_optional(tx.sql())
        .await?;
        let Some(new) = new else { continue };
        sqlx::query("UPDATE item SET parent = $3 WHERE drive = $1 AND no = $2")
            .bind(drive)
            .bind(item)
            .bind(new)
            .execute(tx.sql())
            .await?;
        touch(tx, drive, old, -size, 0).await?;
        touch(tx, drive, new, size, 0).await?;
    }
    Ok(())
}
