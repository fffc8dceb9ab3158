//! Folds the names of a drive again, and finds the conflicts that result.
//!
//! A drive of an earlier version, or of an account whose kind has changed, may have items in one
//! folder whose names are now equal. They stay: `edge.twin` is 0 for one of them and the item's key for
//! the others, so that the unique index accepts them. Lookups by name return the oldest.

use futures::TryStreamExt;
use sqlx::{AnyConnection, FromRow, Row, any::AnyRow};

use super::super::{DriveKey, ItemKey, NameConflict, NameFolding, Result};

/// The largest number of conflicts that are logged one by one.
const LOGGED: usize = 20;

/// How the drives of accounts fold names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folding {
    /// The folding of accounts for which `of_account` returns `None`.
    pub default: NameFolding,
    /// Returns the folding that an account's name determines.
    pub of_account: fn(&str) -> Option<NameFolding>,
}

impl Folding {
    /// Returns the folding of an account, given its name.
    pub(super) fn for_account(self, account: &str) -> NameFolding {
        (self.of_account)(account).unwrap_or(self.default)
    }
}

impl Default for Folding {
    /// Folds the names of all accounts by the default folding.
    fn default() -> Self {
        Self { default: NameFolding::default(), of_account: |_| None }
    }
}

/// Edges that are the name of an older item in the same folder.
macro_rules! select_conflicts {
    ($where:literal) => {
        concat!(
            "SELECT e.drive, d.name AS account, e.parent AS folder, e.item, i.name, \
             o.no AS older, o.name AS older_name FROM ( \
             SELECT DISTINCT t.drive, t.parent, t.folded FROM edge t \
             WHERE t.twin <> 0 AND t.live = 1) g \
             CROSS JOIN edge e CROSS JOIN item i CROSS JOIN item o CROSS JOIN drive d \
             WHERE e.drive = g.drive AND e.parent = g.parent AND e.folded = g.folded \
             AND e.live = 1 AND i.drive = e.drive AND i.no = e.item AND i.state = 0 \
             AND o.drive = e.drive AND o.state = 0 AND d.no = e.drive AND o.no = ( \
             SELECT min(x.item) FROM edge x WHERE x.drive = e.drive AND x.parent = e.parent \
             AND x.folded = e.folded AND x.live = 1) AND o.no < e.item ",
            $where,
            " ORDER BY e.drive, e.parent, e.item"
        )
    };
}

/// Folds the names of every drive whose folding is not that of its account, and logs the conflicts.
/// `wanted` returns the folding for an account's name.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
pub(super) async fn refold(
    sql: &mut AnyConnection,
    wanted: impl Fn(&str) -> NameFolding,
) -> sqlx::Result<()> {
    let drives: Vec<(DriveKey, String, i64)> =
        sqlx::query_as("SELECT no, name, CAST(folding AS BIGINT) FROM drive ORDER BY no")
            .fetch_all(&mut *sql)
            .await?;
    for (drive, account, is) in drives {
        let folding = wanted(&account);
        if folding.code() == is {
            continue;
        }
        fold_again(sql, drive, folding).await?;
        sqlx::query("UPDATE drive SET folding = $2 WHERE no = $1")
            .bind(drive)
            .bind(folding.code())
            .execute(&mut *sql)
            .await?;
        let conflicts: Vec<NameConflict> = sqlx::query_as(select_conflicts!("AND e.drive = $1"))
            .bind(drive)
            .fetch_all(&mut *sql)
            .await?;
        log(&account, &conflicts);
    }
    Ok(())
}

/// Folds all names of a drive. Of names that become equal in a folder, all but the oldest are
/// marked as twins.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
async fn fold_again(
    sql: &mut AnyConnection,
    drive: DriveKey,
    folding: NameFolding,
) -> sqlx::Result<()> {
    for (item, parent, folded) in folded_otherwise(sql, drive, folding).await? {
        sqlx::query(
            "UPDATE edge SET folded = $4, twin = item \
             WHERE drive = $1 AND item = $2 AND parent = $3",
        )
        .bind(drive)
        .bind(item)
        .bind(parent)
        .bind(folded)
        .execute(&mut *sql)
        .await?;
    }
    for settle in [
        "UPDATE edge SET twin = 0 WHERE drive = $1 AND twin <> 0 AND live = 0",
        "UPDATE edge SET twin = 0 WHERE drive = $1 AND twin <> 0 AND live = 1 AND NOT EXISTS ( \
         SELECT 1 FROM edge x WHERE x.drive = edge.drive AND x.parent = edge.parent \
         AND x.folded = edge.folded AND x.live = 1 AND (x.twin = 0 OR x.item < edge.item))",
    ] {
        sqlx::query(settle).bind(drive).execute(&mut *sql).await?;
    }
    Ok(())
}

/// Returns the edges whose folded name changes: item, folder and new folded name. Most names are
/// ASCII, which do not change.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
async fn folded_otherwise(
    sql: &mut AnyConnection,
    drive: DriveKey,
    folding: NameFolding,
) -> sqlx::Result<Vec<(ItemKey, ItemKey, String)>> {
    let mut edges = sqlx::query_as::<_, (ItemKey, ItemKey, String, String)>(
        "SELECT e.item, e.parent, i.name, e.folded FROM edge e CROSS JOIN item i \
         WHERE e.drive = $1 AND i.drive = e.drive AND i.no = e.item",
    )
    .bind(drive)
    .fetch(sql);
    let mut changed = Vec::new();
    while let Some((item, parent, name, is)) = edges.try_next().await? {
        let folded = folding.fold(&name);
        if folded != is {
            changed.push((item, parent, folded));
        }
    }
    Ok(changed)
}

/// Logs conflicts of an account's drive: the first [`LOGGED`], and the number of the others.
fn log(account: &str, conflicts: &[NameConflict]) {
    for NameConflict { item, name, folder, older, older_name, .. } in conflicts.iter().take(LOGGED)
    {
        tracing::warn!(
            account,
            "{name:?} (item {item}) and {older_name:?} (item {older}) in folder {folder} are the \
             same name now: both are kept, and the path leads to the older one; rename either"
        );
    }
    if conflicts.len() > LOGGED {
        tracing::warn!(account, "{} more names are in conflict", conflicts.len() - LOGGED);
    }
}

/// Returns the live items whose name equals that of an older item in the same folder, in all
/// drives.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn conflicts(sql: &mut AnyConnection) -> Result<Vec<NameConflict>> {
    Ok(sqlx::query_as(select_conflicts!("")).fetch_all(sql).await?)
}

impl FromRow<'_, AnyRow> for NameConflict {
    /// Reads the columns of `select_conflicts`.
    ///
    /// # Errors
    /// `sqlx::Error` if a column is absent or has another type.
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            drive: row.try_get("drive")?,
            account: row.try_get("account")?,
            folder: row.try_get("folder")?,
            item: row.try_get("item")?,
            name: row.try_get("name")?,
            older: row.try_get("older")?,
            older_name: row.try_get("older_name")?,
        })
    }
}
