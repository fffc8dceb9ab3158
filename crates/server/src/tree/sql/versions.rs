//! Earlier versions of files. Each has a reference to its content, and counts in the drive's used
//! bytes until it is deleted or its item is purged.

use sqlx::{AnyConnection, FromRow, Row, any::AnyRow};

use super::{
    super::{
        DriveKey, ItemKey, ItemVersion, NewItem, Node, NodeKind, Precondition, Result, TreeError,
        VERSION_COMMENT,
    },
    contents::{self, NewContent},
    items, read,
    row::{self, signed, unsigned},
    schema::MigrationStep,
    writer::Tx,
};

/// Earlier versions of files.
///
/// `item.revision` is the number of a file's current version. `item_version` has the earlier ones,
/// each with a reference to its content; `drive.version_bytes` is the sum of their sizes.
pub(super) const VERSION_STEPS: &[MigrationStep] = &[MigrationStep::Sql(&[
    "ALTER TABLE item ADD COLUMN revision BIGINT NOT NULL DEFAULT 1",
    "ALTER TABLE drive ADD COLUMN version_bytes BIGINT NOT NULL DEFAULT 0",
    "CREATE TABLE item_version (
        drive BIGINT NOT NULL, item BIGINT NOT NULL, no BIGINT NOT NULL, content BIGINT NOT NULL,
        size BIGINT NOT NULL, client_modified BIGINT NOT NULL, owner TEXT, comment TEXT,
        PRIMARY KEY (drive, item, no))",
    "CREATE INDEX item_version_content ON item_version (content)",
])];

/// The columns of a version, and those of its content.
const SELECT: &str = "SELECT v.no, v.content, v.size, v.client_modified, v.owner, v.comment, \
    c.hashes, m.facts FROM item_version v JOIN content c ON c.no = v.content \
    LEFT JOIN media m ON m.content = v.content \
    WHERE v.drive = $1 AND v.item = $2 AND ($3 = 0 OR v.no = $3) ORDER BY v.no DESC";

impl FromRow<'_, AnyRow> for ItemVersion {
    /// Reads the columns of [`SELECT`].
    ///
    /// # Errors
    /// `sqlx::Error` if a column is absent or its value is malformed.
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        let size = unsigned(row.try_get("size")?);
        let content = row::content(row, size)?;
        Ok(Self {
            no: row.try_get("no")?,
            content: content.ok_or_else(|| row::malformed("a version without content"))?,
            client_modified: row::time(row.try_get("client_modified")?)?,
            owner: row.try_get("owner")?,
            comment: row.try_get("comment")?,
        })
    }
}

/// Returns the earlier versions of an item, newest first.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn list(
    sql: &mut AnyConnection,
    drive: DriveKey,
    item: ItemKey,
) -> Result<Vec<ItemVersion>> {
    Ok(sqlx::query_as(SELECT).bind(drive).bind(item).bind(0_i64).fetch_all(sql).await?)
}

/// Returns an earlier version of an item.
///
/// # Errors
/// `TreeError::NotFound` if the item has no such version, and `TreeError::Storage` if the database
/// cannot be read.
pub(super) async fn get(
    sql: &mut AnyConnection,
    drive: DriveKey,
    item: ItemKey,
    no: i64,
) -> Result<ItemVersion> {
    if no < 1 {
        return Err(TreeError::NotFound);
    }
    let found = sqlx::query_as(SELECT).bind(drive).bind(item).bind(no).fetch_optional(sql).await?;
    found.ok_or(TreeError::NotFound)
}

/// The outcome of [`keep`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kept {
    /// Whether a version has taken over the item's reference to its content.
    pub(super) is_kept: bool,
    /// The bytes that all versions of the drive grew by; negative if they shrank.
    pub(super) bytes: i64,
}

/// Keeps the current content of a file as an earlier version, and deletes the oldest versions beyond
/// `max`, the number of versions with the new one; 0 keeps none and deletes none. The caller raises
/// the item's [`Node::revision`].
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn keep(tx: &mut Tx, node: &Node, max: u32) -> Result<Kept> {
    let Some(content) = node.content.as_ref().filter(|_| max > 0) else {
        return Ok(Kept::default());
    };
    let is_kept = max > 1;
    if is_kept {
        sqlx::query(
            "INSERT INTO item_version (drive, item, no, content, size, client_modified, owner, \
             comment) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(node.drive)
        .bind(node.no)
        .bind(node.revision)
        .bind(content.no)
        .bind(signed(content.size))
        .bind(node.client_modified.as_microsecond())
        .bind(node.owner.clone())
        .bind(comment(node))
        .execute(tx.sql())
        .await?;
        count(tx, node.drive, signed(content.size)).await?;
    }
    let mut bytes = if is_kept { signed(content.size) } else { 0 };
    let surplus: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT no, size FROM item_version WHERE drive = $1 AND item = $2 ORDER BY no DESC \
         LIMIT $3 OFFSET $4",
    )
    .bind(node.drive)
    .bind(node.no)
    .bind(i64::MAX)
    .bind(i64::from(max) - 1)
    .fetch_all(tx.sql())
    .await?;
    for (no, size) in surplus {
        delete(tx, node.drive, node.no, no).await?;
        bytes -= size;
    }
    Ok(Kept { is_kept, bytes })
}

/// Returns the comment of an item's current version; `None` if it has none.
fn comment(node: &Node) -> Option<String> {
    node.facets.get(VERSION_COMMENT)?.as_str().map(str::to_owned)
}

/// Adds to the bytes of all versions of a drive. `bytes` may be negative.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn count(tx: &mut Tx, drive: DriveKey, bytes: i64) -> Result<()> {
    sqlx::query("UPDATE drive SET version_bytes = version_bytes + $2 WHERE no = $1")
        .bind(drive)
        .bind(bytes)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Deletes an earlier version of an item, and its content if nothing else has it.
///
/// # Errors
/// `TreeError::NotFound` if the item has no such version, and `Storage` and `NoRoom` if the
/// database fails.
pub(super) async fn delete(tx: &mut Tx, drive: DriveKey, item: ItemKey, no: i64) -> Result<()> {
    let deleted: Option<(i64, i64)> = sqlx::query_as(
        "DELETE FROM item_version WHERE drive = $1 AND item = $2 AND no = $3 \
         RETURNING content, size",
    )
    .bind(drive)
    .bind(item)
    .bind(no)
    .fetch_optional(tx.sql())
    .await?;
    let (content, size) = deleted.ok_or(TreeError::NotFound)?;
    count(tx, drive, -size).await?;
    contents::release(tx, content).await
}

/// Replaces the bytes of a live file by those of an earlier version, which stays. The bytes before
/// become a version too; `max` is the number of versions that the file may have. Returns the item.
///
/// # Errors
/// `TreeError::NotFound` if the item is not live or has no such version; `NotAFile`;
/// `QuotaExceeded`; `Storage` and `NoRoom` if the database fails.
pub(super) async fn restore(
    tx: &mut Tx,
    drive: DriveKey,
    item: ItemKey,
    no: i64,
    max: u32,
) -> Result<Node> {
    let version = get(tx.sql(), drive, item, no).await?;
    contents::share(tx, version.content.no).await?;
    let new = NewItem { max_versions: max, ..NewItem::default() };
    let bytes = NewContent::Counted(version.content);
    items::overwrite(tx, drive, item, bytes, new, Precondition::Any).await
}

/// Replaces the bytes of a live file by those of an earlier version, and deletes this version and all
/// later ones. Returns the item.
///
/// # Errors
/// `TreeError::NotFound` if the item is not live or has no such version; `NotAFile`;
/// `QuotaExceeded`; `Storage` and `NoRoom` if the database fails.
pub(super) async fn roll_back(
    tx: &mut Tx,
    drive: DriveKey,
    item: ItemKey,
    no: i64,
) -> Result<Node> {
    let version = get(tx.sql(), drive, item, no).await?;
    contents::share(tx, version.content.no).await?;
    for later in list(tx.sql(), drive, item).await?.iter().take_while(|later| later.no >= no) {
        delete(tx, drive, item, later.no).await?;
    }
    let new = NewItem { client_modified: Some(version.client_modified), ..NewItem::default() };
    let bytes = NewContent::Counted(version.content);
    items::overwrite(tx, drive, item, bytes, new, Precondition::Any).await
}

/// Keeps the current content of a file as a version although it does not change, as SharePoint does
/// when only the times of a file change (onedrive-graph#patch-creates-version). `max` is as of
/// [`keep`]. Returns whether there is a new version. The caller raises [`Node::revision`].
///
/// # Errors
/// `TreeError::QuotaExceeded` if the version does not fit into the drive, and `Storage` and
/// `NoRoom` if the database fails.
pub(super) async fn repeat(tx: &mut Tx, node: &Node, max: u32) -> Result<bool> {
    let Some(content) = node.content.as_ref().filter(|_| node.kind == NodeKind::File) else {
        return Ok(false);
    };
    if max < 2 {
        return Ok(false);
    }
    contents::share(tx, content.no).await?;
    keep(tx, node, max).await?;
    let info = read::drive(tx.sql(), node.drive).await?;
    if info.used > info.quota { Err(TreeError::QuotaExceeded) } else { Ok(true) }
}

/// Deletes the versions of all items in `subtree` that are not kept, with their contents if nothing
/// else has them.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn release_gathered(tx: &mut Tx, drive: DriveKey) -> Result<()> {
    let deleted: Vec<(i64, i64)> = sqlx::query_as(
        "DELETE FROM item_version WHERE drive = $1 \
         AND item IN (SELECT item FROM subtree WHERE kept = 0) RETURNING content, size",
    )
    .bind(drive)
    .fetch_all(tx.sql())
    .await?;
    if deleted.is_empty() {
        return Ok(());
    }
    count(tx, drive, -deleted.iter().map(|(_, size)| size).sum::<i64>()).await?;
    for (content, _) in deleted {
        contents::release(tx, content).await?;
    }
    Ok(())
}

/// Copies the versions of all collected items: those of the item at `seq` go to the item with the
/// key `base + seq` of the drive `to`, with the numbers of their originals. Returns their bytes.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn copy_gathered(
    tx: &mut Tx,
    drive: DriveKey,
    to: DriveKey,
    base: i64,
) -> Result<i64> {
    let bytes: i64 = sqlx::query_scalar(
        "SELECT CAST(COALESCE(sum(v.size), 0) AS BIGINT) FROM subtree s CROSS JOIN item_version v \
         WHERE v.drive = $1 AND v.item = s.item",
    )
    .bind(drive)
    .fetch_one(tx.sql())
    .await?;
    for text in [
        "UPDATE content SET refs = refs + x.n FROM ( \
         SELECT v.content AS no, count(*) AS n FROM subtree s CROSS JOIN item_version v \
         WHERE v.drive = $1 AND v.item = s.item AND $2 = $2 AND $3 = $3 GROUP BY v.content) x \
         WHERE content.no = x.no",
        "INSERT INTO item_version (drive, item, no, content, size, client_modified, owner, comment) \
         SELECT $2, $3 + s.seq, v.no, v.content, v.size, v.client_modified, v.owner, v.comment \
         FROM subtree s CROSS JOIN item_version v WHERE v.drive = $1 AND v.item = s.item",
        "UPDATE item SET revision = COALESCE((SELECT o.revision FROM subtree s CROSS JOIN item o \
         WHERE s.seq = item.no - $3 AND o.drive = $1 AND o.no = s.item), revision) \
         WHERE drive = $2 AND no > $3 AND no <= $3 + (SELECT count(*) FROM subtree)",
    ] {
        sqlx::query(text).bind(drive).bind(to).bind(base).execute(tx.sql()).await?;
    }
    count(tx, to, bytes).await?;
    Ok(bytes)
}
