//! The folders above an item: their sizes, counts and versions.

use super::{
    super::{DriveKey, ItemKey, Result, TreeError},
    items::now,
    read,
    writer::Tx,
};

/// Adds to the size of a folder and of every folder above it by primary edges, and to the child count
/// of the folder. The content versions of all of them are raised. An item in the recycle bin counts
/// in no folder, so the way up ends there.
const TOUCH: &str = "UPDATE item SET size = size + $3, content_version = content_version + 1, \
    children = children + CASE WHEN no = $2 THEN CAST($4 AS BIGINT) ELSE 0 END, \
    modified = CASE WHEN no = $2 THEN CAST($5 AS BIGINT) ELSE modified END \
    WHERE drive = $1 AND state <> 3 AND no IN ( \
    WITH RECURSIVE up(no) AS (SELECT CAST($2 AS BIGINT) UNION ALL \
    SELECT i.parent FROM up CROSS JOIN item i WHERE i.drive = $1 AND i.no = up.no \
    AND i.parent IS NOT NULL AND i.state IN (0, 2)) SELECT no FROM up)";

/// Adds `bytes` to the size of a folder and of those above it, and `children` to the folder's child
/// count. Either may be negative. See [`TOUCH`].
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn touch(
    tx: &mut Tx,
    drive: DriveKey,
    folder: ItemKey,
    bytes: i64,
    children: i64,
) -> Result<()> {
    sqlx::query(TOUCH)
        .bind(drive)
        .bind(folder)
        .bind(bytes)
        .bind(children)
        .bind(now().as_microsecond())
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Allocates `feeds` numbers of a drive's feed and `items` item keys. Returns the first of each.
///
/// # Errors
/// [`TreeError::NotFound`] if the drive does not exist, and `Storage` and `NoRoom` if the database
/// fails.
pub(super) async fn take_numbers(
    tx: &mut Tx,
    drive: DriveKey,
    feeds: i64,
    items: i64,
) -> Result<(i64, ItemKey)> {
    let (feed, next): (i64, ItemKey) = sqlx::query_as(
        "UPDATE drive SET feed = feed + $2, next_item = next_item + $3 WHERE no = $1 \
         RETURNING feed, next_item",
    )
    .bind(drive)
    .bind(feeds)
    .bind(items)
    .fetch_optional(tx.sql())
    .await?
    .ok_or(TreeError::NotFound)?;
    Ok((feed - feeds + 1, ItemKey(next.0 - items)))
}

/// Allocates the next number of a drive's feed.
///
/// # Errors
/// `TreeError::NotFound` if the drive does not exist, and `Storage` and `NoRoom` if the database
/// fails.
pub(super) async fn next_feed(tx: &mut Tx, drive: DriveKey) -> Result<i64> {
    Ok(take_numbers(tx, drive, 1, 0).await?.0)
}

/// Returns whether `item` is `folder` or a folder above it, by any live edge; `false` also if
/// either does not exist.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn is_above(
    tx: &mut Tx,
    drive: DriveKey,
    item: ItemKey,
    folder: ItemKey,
) -> Result<bool> {
    read::contains(tx.sql(), drive, item, folder).await
}
