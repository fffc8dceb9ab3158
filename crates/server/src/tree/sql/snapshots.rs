//! Snapshots of drives: copies of all rows of a drive, which share the contents of its files.
//!
//! The rows of a table `t` are copied to a table `snapshot_t` of the same columns, in which `drive` is
//! the number of the snapshot. Every table with a column `drive` is copied, except open upload
//! sessions; a column `content` in any of them is a reference to a content, and is counted. So a new
//! table of the schema needs no change here.

use jiff::Timestamp;
use sqlx::{AnyConnection, AssertSqlSafe, FromRow, Row, any::AnyRow};

use super::{
    super::{DriveKey, Result, TreeError},
    contents, dialect,
    failure::storage,
    items::now,
    read, row,
    schema::MigrationStep,
    writer::Tx,
};

/// The table of snapshots. `feed`, `next_item`, `quota`, `folding` and `created` are those of the
/// drive; `taken` is the time of the snapshot.
pub(super) const SNAPSHOT_STEPS: &[MigrationStep] = &[MigrationStep::Sql(&[
    "CREATE TABLE snapshot (
        no BIGINT PRIMARY KEY, account TEXT NOT NULL, name TEXT NOT NULL, taken BIGINT NOT NULL,
        items BIGINT NOT NULL, quota BIGINT NOT NULL, feed BIGINT NOT NULL,
        next_item BIGINT NOT NULL, folding SMALLINT NOT NULL, created BIGINT NOT NULL)",
    "CREATE UNIQUE INDEX snapshot_name ON snapshot (account, name)",
])];

/// The prefix of the tables with the rows of snapshots.
const PREFIX: &str = "snapshot_";

/// The table of open upload sessions, which are not part of a snapshot.
const SESSIONS: &str = "session";

/// A snapshot of an account's drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The name of the account.
    pub account: String,
    /// The name of the snapshot, unique among those of the account.
    pub name: String,
    /// When it was taken.
    pub taken: Timestamp,
    /// Number of files and folders, also those in the recycle bin.
    pub items: u64,
}

impl FromRow<'_, AnyRow> for Snapshot {
    /// Reads the columns of a snapshot.
    ///
    /// # Errors
    /// `sqlx::Error` if a column is absent or its value is malformed.
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            account: row.try_get("account")?,
            name: row.try_get("name")?,
            taken: row::time(row.try_get("taken")?)?,
            items: row::unsigned(row.try_get("items")?),
        })
    }
}

/// A table whose rows belong to drives.
struct DriveTable {
    name: String,
    /// The columns other than `drive`, separated by commas.
    columns: String,
    /// Whether the rows refer to contents.
    has_content: bool,
}

impl DriveTable {
    /// Returns all tables whose rows belong to drives, except upload sessions and snapshots.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database cannot be read.
    async fn all(sql: &mut AnyConnection) -> Result<Vec<Self>> {
        let tables = dialect::tables(sql).await?;
        let of_drives = tables.into_iter().filter(|(name, columns)| {
            name != SESSIONS
                && !name.starts_with(PREFIX)
                && columns.iter().any(|column| column == "drive")
        });
        Ok(of_drives
            .map(|(name, columns)| {
                let has_content = columns.iter().any(|column| column == "content");
                let others = columns.into_iter().filter(|column| column != "drive");
                Self { name, columns: others.collect::<Vec<_>>().join(", "), has_content }
            })
            .collect())
    }

    /// Returns the name of the table with the rows of snapshots.
    fn shadow(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// Creates the table for the rows of snapshots, if it does not exist.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
    async fn create_shadow(&self, tx: &mut Tx) -> Result<()> {
        let (name, shadow) = (&self.name, self.shadow());
        let create =
            format!("CREATE TABLE IF NOT EXISTS {shadow} AS SELECT * FROM {name} WHERE 1 = 0");
        sqlx::query(AssertSqlSafe(create)).execute(tx.sql()).await?;
        let index = format!("CREATE INDEX IF NOT EXISTS {shadow}_drive ON {shadow} (drive)");
        sqlx::query(AssertSqlSafe(index)).execute(tx.sql()).await?;
        Ok(())
    }

    /// Copies the rows of `from` in the table `source` to `to` in the table `target`.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database fails, also because the tables have different columns,
    /// and `TreeError::NoRoom` if its disk is full.
    async fn copy(
        &self,
        tx: &mut Tx,
        (source, from): (&str, i64),
        (target, to): (&str, i64),
    ) -> Result<()> {
        let columns = &self.columns;
        let copy = format!(
            "INSERT INTO {target} (drive, {columns}) \
             SELECT CAST($1 AS BIGINT), {columns} FROM {source} WHERE drive = $2"
        );
        sqlx::query(AssertSqlSafe(copy)).bind(to).bind(from).execute(tx.sql()).await?;
        Ok(())
    }

    /// Deletes the rows of a drive or snapshot.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
    async fn delete(tx: &mut Tx, table: &str, drive: i64) -> Result<()> {
        let delete = format!("DELETE FROM {table} WHERE drive = $1");
        sqlx::query(AssertSqlSafe(delete)).bind(drive).execute(tx.sql()).await?;
        Ok(())
    }

    /// Changes the number of references to each content by the number of rows of a drive or snapshot
    /// that refer to it, times `sign`. Returns the contents without references.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
    async fn count(tx: &mut Tx, table: &str, drive: i64, sign: i64) -> Result<Vec<i64>> {
        let count = format!(
            "UPDATE content SET refs = refs + $2 * x.n FROM ( \
             SELECT content AS no, count(*) AS n FROM {table} \
             WHERE drive = $1 AND content IS NOT NULL GROUP BY content) x \
             WHERE content.no = x.no RETURNING content.no, content.refs"
        );
        let counted: Vec<(i64, i64)> =
            sqlx::query_as(AssertSqlSafe(count)).bind(drive).bind(sign).fetch_all(tx.sql()).await?;
        Ok(counted.into_iter().filter(|(_, refs)| *refs <= 0).map(|(no, _)| no).collect())
    }
}

/// Takes a snapshot of a drive. One with the same name is replaced.
///
/// # Errors
/// `TreeError::NotFound` if the drive does not exist; `TreeError::Storage` if the database fails,
/// and `TreeError::NoRoom` if its disk is full.
pub(super) async fn take(
    tx: &mut Tx,
    drive: DriveKey,
    account: String,
    name: String,
) -> Result<Snapshot> {
    read::drive(tx.sql(), drive).await?;
    match remove(tx, account.clone(), name.clone()).await {
        Ok(()) | Err(TreeError::NotFound) => {}
        Err(error) => return Err(error),
    }
    let number: i64 = sqlx::query_scalar(
        "INSERT INTO snapshot (no, account, name, taken, items, quota, feed, next_item, folding, \
         created) SELECT (SELECT COALESCE(max(no), 0) + 1 FROM snapshot), $2, $3, $4, \
         (SELECT count(*) FROM item WHERE drive = $1 AND state < 3 AND parent IS NOT NULL), \
         quota, feed, next_item, folding, created FROM drive WHERE no = $1 RETURNING no",
    )
    .bind(drive)
    .bind(account.clone())
    .bind(name.clone())
    .bind(now().as_microsecond())
    .fetch_one(tx.sql())
    .await?;
    for table in DriveTable::all(tx.sql()).await? {
        table.create_shadow(tx).await?;
        let shadow = table.shadow();
        table.copy(tx, (&table.name, drive.0), (&shadow, number)).await?;
        if table.has_content {
            DriveTable::count(tx, &shadow, number, 1).await?;
        }
    }
    let taken = sqlx::query_as("SELECT account, name, taken, items FROM snapshot WHERE no = $1");
    Ok(taken.bind(number).fetch_one(tx.sql()).await?)
}

/// Returns the snapshots of an account, oldest first.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn list(sql: &mut AnyConnection, account: &str) -> Result<Vec<Snapshot>> {
    let all = sqlx::query_as(
        "SELECT account, name, taken, items FROM snapshot WHERE account = $1 ORDER BY no",
    );
    Ok(all.bind(account).fetch_all(sql).await?)
}

/// Restores a drive to a snapshot of its account. Upload sessions of the drive end, and so do change
/// feeds: their tokens become invalid.
///
/// # Errors
/// `TreeError::NotFound` if the account has no such snapshot; `TreeError::Storage` if the database
/// fails, or a content of the snapshot was lost in a repair; `TreeError::NoRoom` if its disk is
/// full.
pub(super) async fn restore(
    tx: &mut Tx,
    drive: DriveKey,
    account: String,
    name: String,
) -> Result<()> {
    let number = number(tx.sql(), &account, &name).await?;
    let tables = DriveTable::all(tx.sql()).await?;
    let shadows: Vec<String> = dialect::tables(tx.sql()).await?.into_keys().collect();
    // Counted first, so that contents that both have are not deleted.
    for table in tables.iter().filter(|table| shadows.contains(&table.shadow())) {
        if table.has_content {
            check_contents(tx, &table.shadow(), number).await?;
            DriveTable::count(tx, &table.shadow(), number, 1).await?;
        }
    }
    clear(tx, drive, &tables).await?;
    for table in tables.iter().filter(|table| shadows.contains(&table.shadow())) {
        table.copy(tx, (&table.shadow(), number), (&table.name, drive.0)).await?;
    }
    // Another time of creation makes the tokens of change feeds invalid.
    sqlx::query(
        "UPDATE drive SET quota = s.quota, feed = s.feed, next_item = s.next_item, \
         folding = s.folding, \
         version_bytes = (SELECT CAST(COALESCE(sum(v.size), 0) AS BIGINT) FROM item_version v \
         WHERE v.drive = $1), \
         created = (CASE WHEN drive.created > s.created THEN drive.created ELSE s.created END) + 1 \
         FROM (SELECT quota, feed, next_item, folding, created FROM snapshot WHERE no = $2) s \
         WHERE drive.no = $1",
    )
    .bind(drive)
    .bind(number)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Checks that all contents of a snapshot exist: the repair of a damaged database does not keep
/// those that only snapshots have.
///
/// # Errors
/// `TreeError::Storage` if one is missing, or the database cannot be read.
async fn check_contents(tx: &mut Tx, shadow: &str, number: i64) -> Result<()> {
    let missing = format!(
        "SELECT s.content FROM {shadow} s LEFT JOIN content c ON c.no = s.content \
         WHERE s.drive = $1 AND s.content IS NOT NULL AND c.no IS NULL LIMIT 1"
    );
    let missing: Option<i64> =
        sqlx::query_scalar(AssertSqlSafe(missing)).bind(number).fetch_optional(tx.sql()).await?;
    match missing {
        None => Ok(()),
        Some(_) => Err(storage("the bytes of a file of the snapshot no longer exist")),
    }
}

/// Removes a snapshot. Contents that nothing else refers to are deleted.
///
/// # Errors
/// `TreeError::NotFound` if the account has no such snapshot; `TreeError::Storage` if the database
/// fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn remove(tx: &mut Tx, account: String, name: String) -> Result<()> {
    let number = number(tx.sql(), &account, &name).await?;
    for (shadow, columns) in dialect::tables(tx.sql()).await? {
        if !shadow.starts_with(PREFIX) || !columns.iter().any(|column| column == "drive") {
            continue;
        }
        let mut unreferenced = Vec::new();
        if columns.iter().any(|column| column == "content") {
            unreferenced = DriveTable::count(tx, &shadow, number, -1).await?;
        }
        DriveTable::delete(tx, &shadow, number).await?;
        contents::delete_all(tx, unreferenced).await?;
    }
    sqlx::query("DELETE FROM snapshot WHERE no = $1").bind(number).execute(tx.sql()).await?;
    Ok(())
}

/// Removes a drive with its items and upload sessions. Its snapshots remain.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn remove_drive(tx: &mut Tx, drive: DriveKey) -> Result<()> {
    let tables = DriveTable::all(tx.sql()).await?;
    clear(tx, drive, &tables).await?;
    sqlx::query("DELETE FROM drive WHERE no = $1").bind(drive).execute(tx.sql()).await?;
    Ok(())
}

/// Removes all rows of a drive from tables, and its upload sessions. Contents that nothing else
/// refers to are deleted.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn clear(tx: &mut Tx, drive: DriveKey, tables: &[DriveTable]) -> Result<()> {
    let sessions: Vec<i64> =
        sqlx::query_scalar("DELETE FROM session WHERE drive = $1 RETURNING content")
            .bind(drive)
            .fetch_all(tx.sql())
            .await?;
    for content in sessions {
        contents::release(tx, content).await?;
    }
    let mut unreferenced = Vec::new();
    for table in tables {
        if table.has_content {
            unreferenced.extend(DriveTable::count(tx, &table.name, drive.0, -1).await?);
        }
        DriveTable::delete(tx, &table.name, drive.0).await?;
    }
    contents::delete_all(tx, unreferenced).await
}

/// Removes all snapshots without their contents, which the caller deletes.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn forget_all(tx: &mut Tx) -> Result<()> {
    for (name, _) in dialect::tables(tx.sql()).await? {
        if name.starts_with(PREFIX) {
            sqlx::query(AssertSqlSafe(format!("DROP TABLE {name}"))).execute(tx.sql()).await?;
        }
    }
    sqlx::query("DELETE FROM snapshot").execute(tx.sql()).await?;
    Ok(())
}

/// Returns the number of a snapshot.
///
/// # Errors
/// `TreeError::NotFound` if the account has no such snapshot; `TreeError::Storage` if the database
/// cannot be read.
async fn number(sql: &mut AnyConnection, account: &str, name: &str) -> Result<i64> {
    let number = sqlx::query_scalar("SELECT no FROM snapshot WHERE account = $1 AND name = $2");
    number.bind(account).bind(name).fetch_optional(sql).await?.ok_or(TreeError::NotFound)
}
