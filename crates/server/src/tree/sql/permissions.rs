//! Permissions of items.
//!
//! The table `grantee` has a row for each user and application that a permission names: it finds the
//! items that are shared with a user.

use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::{AnyConnection, FromRow, Row, any::AnyRow};

use super::{
    super::{
        Change, DriveKey, ItemKey, Node, OnConflict, Permission, PermissionKind, Precondition,
        Result, Role, SharedItem, SharingSummary,
    },
    failure, row,
    row::malformed,
    update,
    writer::Tx,
};

/// A query for permissions. The literals follow the columns; `p` is the permission.
macro_rules! select_permissions {
    ($($rest:literal)*) => {
        concat!(
            "SELECT p.item, p.id, p.kind, p.role, p.grantees, p.created, p.expires, p.details ",
            $($rest),*
        )
    };
}

impl FromRow<'_, AnyRow> for Permission {
    /// Reads the columns of `select_permissions`.
    ///
    /// # Errors
    /// `sqlx::Error` if a column is absent or its value is malformed.
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        let [kind, role]: [i64; 2] = [row.try_get("kind")?, row.try_get("role")?];
        let [grantees, details]: [String; 2] = [row.try_get("grantees")?, row.try_get("details")?];
        let expires: Option<i64> = row.try_get("expires")?;
        Ok(Self {
            item: row.try_get("item")?,
            id: row.try_get("id")?,
            kind: PermissionKind::from_code(kind)
                .ok_or_else(|| malformed(format!("unknown kind of permission {kind}")))?,
            role: Role::from_code(role).ok_or_else(|| malformed(format!("unknown role {role}")))?,
            grantees: serde_json::from_str(&grantees).map_err(malformed)?,
            created: row::time(row.try_get("created")?)?,
            expires: expires.map(row::time).transpose()?,
            details: serde_json::from_str(&details).map_err(malformed)?,
        })
    }
}

/// Returns the permissions of an item itself, oldest first.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn of_item(
    sql: &mut AnyConnection,
    drive: DriveKey,
    item: ItemKey,
) -> Result<Vec<Permission>> {
    let query = sqlx::query_as(select_permissions!(
        "FROM permission p WHERE p.drive = $1 AND p.item = $2 ORDER BY p.no"
    ));
    Ok(query.bind(drive).bind(item).fetch_all(sql).await?)
}

/// Returns the permissions of an item and of the folders above it, those of the item first and those
/// of the root last.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn of_lineage(
    sql: &mut AnyConnection,
    drive: DriveKey,
    item: ItemKey,
) -> Result<Vec<Permission>> {
    let query = sqlx::query_as(concat!(
        "WITH RECURSIVE above (no, parent, depth) AS ( \
           SELECT i.no, i.parent, 0 FROM item i WHERE i.drive = $1 AND i.no = $2 \
           UNION ALL \
           SELECT i.no, i.parent, a.depth + 1 FROM above a \
           JOIN item i ON i.drive = $1 AND i.no = a.parent) ",
        select_permissions!(
            "FROM above a JOIN permission p ON p.drive = $1 AND p.item = a.no \
             ORDER BY a.depth, p.no"
        )
    ));
    Ok(query.bind(drive).bind(item).fetch_all(sql).await?)
}

/// Returns the live items whose permissions name one of the grantees, in the order of drives and
/// items, each once. Expired permissions count.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn shared_with(
    sql: &mut AnyConnection,
    grantees: &[String],
) -> Result<Vec<SharedItem>> {
    let mut found: Vec<(DriveKey, ItemKey, String)> = Vec::new();
    for grantee in grantees {
        let rows: Vec<(DriveKey, ItemKey, String)> = sqlx::query_as(
            "SELECT DISTINCT g.drive, g.item, d.name FROM grantee g \
             JOIN drive d ON d.no = g.drive \
             JOIN item i ON i.drive = g.drive AND i.no = g.item \
             WHERE g.grantee = $1 AND i.state = 0",
        )
        .bind(grantee.clone())
        .fetch_all(&mut *sql)
        .await?;
        found.extend(rows);
    }
    found.sort_unstable();
    found.dedup();
    let shared = |(drive, item, account)| SharedItem { drive, account, item };
    Ok(found.into_iter().map(shared).collect())
}

/// Changes the permissions of an item in one transaction. The inner result is the item and the value
/// of `change`, or the error of `change`, which leaves the permissions as they were.
///
/// # Errors
/// `TreeError::NotFound` if the item is not live, `TreeError::Storage` if the database fails, and
/// `TreeError::NoRoom` if its disk is full.
pub(super) async fn change<T, E>(
    tx: &mut Tx,
    drive: DriveKey,
    item: ItemKey,
    change: impl FnOnce(&mut Vec<Permission>) -> Result<T, E>,
) -> Result<Result<(Node, T), E>> {
    let old = of_item(tx.sql(), drive, item).await?;
    let mut new = old.clone();
    let value = match change(&mut new) {
        Ok(value) => value,
        Err(error) => return Ok(Err(error)),
    };
    for removed in old.iter().filter(|old| !new.iter().any(|new| new.id == old.id)) {
        remove(tx, drive, item, &removed.id).await?;
    }
    for permission in new.iter().filter(|new| !old.contains(new)) {
        put(tx, drive, permission).await?;
    }
    let summary = SharingSummary::new(item, &new);
    let summary =
        summary.map_or(Ok(Value::Null), serde_json::to_value).map_err(failure::storage)?;
    let facets = Map::from_iter([(SharingSummary::FACET.to_owned(), summary)]);
    let summarize = Change { facets, ..Change::default() };
    let node =
        update::update(tx, drive, item, summarize, OnConflict::Fail, Precondition::Any).await?;
    Ok(Ok((node, value)))
}

/// Stores a permission. One with the same id is replaced, and keeps its place in the order.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn put(tx: &mut Tx, drive: DriveKey, permission: &Permission) -> Result<()> {
    Ok(insert(tx.sql(), drive, permission).await?)
}

/// Like [`put`], on a connection.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
pub(super) async fn insert(
    sql: &mut AnyConnection,
    drive: DriveKey,
    permission: &Permission,
) -> sqlx::Result<()> {
    let grantees = serde_json::to_string(&permission.grantees).map_err(malformed)?;
    let details = serde_json::to_string(&permission.details).map_err(malformed)?;
    sqlx::query(
        "INSERT INTO permission \
         (drive, item, id, no, kind, role, grantees, created, expires, details) \
         SELECT $1, $2, $3, COALESCE(max(no), 0) + 1, $4, $5, $6, $7, $8, $9 \
         FROM permission WHERE drive = $1 AND item = $2 \
         ON CONFLICT (drive, item, id) DO UPDATE SET kind = excluded.kind, role = excluded.role, \
         grantees = excluded.grantees, created = excluded.created, expires = excluded.expires, \
         details = excluded.details",
    )
    .bind(drive)
    .bind(permission.item)
    .bind(permission.id.clone())
    .bind(permission.kind.code())
    .bind(permission.role.code())
    .bind(grantees)
    .bind(permission.created.as_microsecond())
    .bind(permission.expires.map(Timestamp::as_microsecond))
    .bind(details)
    .execute(&mut *sql)
    .await?;
    sqlx::query("DELETE FROM grantee WHERE drive = $1 AND item = $2 AND permission = $3")
        .bind(drive)
        .bind(permission.item)
        .bind(permission.id.clone())
        .execute(&mut *sql)
        .await?;
    for grantee in &permission.grantees {
        sqlx::query(
            "INSERT INTO grantee (grantee, drive, item, permission) VALUES ($1, $2, $3, $4) \
             ON CONFLICT DO NOTHING",
        )
        .bind(grantee.clone())
        .bind(drive)
        .bind(permission.item)
        .bind(permission.id.clone())
        .execute(&mut *sql)
        .await?;
    }
    Ok(())
}

/// Removes a permission. It may not exist.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn remove(tx: &mut Tx, drive: DriveKey, item: ItemKey, id: &str) -> Result<()> {
    for delete in [
        "DELETE FROM permission WHERE drive = $1 AND item = $2 AND id = $3",
        "DELETE FROM grantee WHERE drive = $1 AND item = $2 AND permission = $3",
    ] {
        sqlx::query(delete).bind(drive).bind(item).bind(id.to_owned()).execute(tx.sql()).await?;
    }
    Ok(())
}
