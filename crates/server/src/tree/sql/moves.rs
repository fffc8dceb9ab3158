//! Moves between folders, for the change feed of a folder: an item that left the folder's tree is in
//! none of its listings.
//!
//! A move has a row in `moved` for every folder whose tree the item left or entered. Items below it
//! have none: their path leads through the item.

use std::collections::{BTreeSet, HashSet};

use jiff::SignedDuration;
use sqlx::AnyConnection;

use super::{
    super::{DriveKey, ItemKey, Moves, Result},
    items::now,
    writer::Tx,
};

/// The time for which moves are stored. A reader of the feed may use its token for 30 days.
pub const MOVES_KEPT: SignedDuration = SignedDuration::from_hours(32 * 24);

/// A folder and all folders above it, by all edges: those of an item in the recycle bin too.
const ABOVE: &str = "WITH RECURSIVE up(no) AS (SELECT CAST($2 AS BIGINT) UNION \
    SELECT e.parent FROM up CROSS JOIN edge e WHERE e.drive = $1 AND e.item = up.no) \
    SELECT no FROM up";

const LEFT: &str = "WITH RECURSIVE gone(item) AS (SELECT item FROM moved \
    WHERE drive = $1 AND folder = $2 AND feed > $3 AND arrived = 0 UNION \
    SELECT m.item FROM gone g CROSS JOIN moved m \
    WHERE m.drive = $1 AND m.folder = g.item AND m.feed > $3 AND m.arrived = 0) \
    SELECT item FROM gone";

const ARRIVED: &str = "SELECT DISTINCT item FROM moved \
    WHERE drive = $1 AND folder = $2 AND feed > $3 AND arrived = 1";

/// Stores that an item moved from the folders `from` to the folders `to`, with the feed number of
/// its change: a row for each folder whose tree it left or entered. Moves older than [`MOVES_KEPT`]
/// are removed.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn record(
    tx: &mut Tx,
    drive: DriveKey,
    item: ItemKey,
    feed: i64,
    [from, to]: [&[ItemKey]; 2],
) -> Result<()> {
    if from == to {
        return Ok(());
    }
    let (before, after) = (above(tx, drive, from).await?, above(tx, drive, to).await?);
    let now = now().as_microsecond();
    for (folders, others, arrived) in [(&before, &after, 0), (&after, &before, 1)] {
        for folder in folders.difference(others) {
            sqlx::query(
                "INSERT INTO moved (drive, folder, feed, item, arrived, at) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(drive)
            .bind(*folder)
            .bind(feed)
            .bind(item)
            .bind(arrived)
            .bind(now)
            .execute(tx.sql())
            .await?;
        }
    }
    // Other drives may have other clocks.
    sqlx::query("DELETE FROM moved WHERE at < $1 AND drive = $2")
        .bind(now.saturating_sub(i64::try_from(MOVES_KEPT.as_micros()).unwrap_or(i64::MAX)))
        .bind(drive)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Returns folders and all folders above them, by all edges.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
async fn above(tx: &mut Tx, drive: DriveKey, folders: &[ItemKey]) -> Result<BTreeSet<ItemKey>> {
    let mut above = BTreeSet::new();
    for folder in folders {
        let found: Vec<ItemKey> =
            sqlx::query_scalar(ABOVE).bind(drive).bind(*folder).fetch_all(tx.sql()).await?;
        above.extend(found);
    }
    Ok(above)
}

/// Returns the items that left a folder's tree or entered it after a feed number.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn of_folder(
    sql: &mut AnyConnection,
    drive: DriveKey,
    folder: ItemKey,
    after: i64,
) -> Result<Moves> {
    let mut found: [HashSet<ItemKey>; 2] = Default::default();
    for (text, found) in [LEFT, ARRIVED].into_iter().zip(&mut found) {
        let query = sqlx::query_scalar(text).bind(drive).bind(folder).bind(after);
        let items: Vec<ItemKey> = query.fetch_all(&mut *sql).await?;
        found.extend(items);
    }
    let [left, arrived] = found;
    Ok(Moves { left, arrived })
}
