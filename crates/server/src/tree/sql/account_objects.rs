//! Objects of accounts that are not items of a drive.

use jiff::Timestamp;
use sqlx::{AnyConnection, FromRow, Row, any::AnyRow};

use super::{
    super::{AccountObject, AccountObjectKind, AccountObjectQuery, DriveKey, Result, TreeError},
    row::{self, malformed, signed},
    writer::Tx,
};

/// A query for objects without their data.
macro_rules! select_objects {
    ($($rest:literal)*) => {
        concat!(
            "SELECT CAST(kind AS BIGINT) AS kind, id, parent, starts, ends, created, modified, fields \
             FROM account_object ",
            $($rest),*
        )
    };
}

impl FromRow<'_, AnyRow> for AccountObject {
    /// Reads the columns of `select_objects`. The data is not read.
    ///
    /// # Errors
    /// `sqlx::Error` if a column is absent or its value is malformed, such as an unknown kind.
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        let code: i64 = row.try_get("kind")?;
        let kind = AccountObjectKind::from_code(code)
            .ok_or_else(|| malformed(format!("unknown kind of object {code}")))?;
        let span = match (row.try_get("starts")?, row.try_get("ends")?) {
            (Some(starts), Some(ends)) => Some((row::time(starts)?, row::time(ends)?)),
            _ => None,
        };
        let fields: String = row.try_get("fields")?;
        Ok(Self {
            kind,
            id: row.try_get("id")?,
            parent: row.try_get("parent")?,
            span,
            created: row::time(row.try_get("created")?)?,
            modified: row::time(row.try_get("modified")?)?,
            fields: serde_json::from_str(&fields).map_err(malformed)?,
            data: None,
        })
    }
}

/// Returns the objects of an account that the query selects, in the order of their creation,
/// without their data.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn list(
    sql: &mut AnyConnection,
    drive: DriveKey,
    query: AccountObjectQuery,
) -> Result<Vec<AccountObject>> {
    let (from, to) = query.during.unwrap_or((Timestamp::MIN, Timestamp::MAX));
    let objects = sqlx::query_as(select_objects!(
        "WHERE drive = $1 AND kind = $2 AND ($3 = 0 OR parent = $4) \
         AND ($5 = 0 OR starts < $7 AND (ends > $6 OR ends = starts AND starts >= $6)) \
         ORDER BY no LIMIT $8 OFFSET $9"
    ));
    Ok(objects
        .bind(drive)
        .bind(query.kind.code())
        .bind(i64::from(query.parent.is_some()))
        .bind(query.parent.unwrap_or_default())
        .bind(i64::from(query.during.is_some()))
        .bind(from.as_microsecond())
        .bind(to.as_microsecond())
        .bind(signed(query.limit.unwrap_or(u64::MAX)))
        .bind(signed(query.offset))
        .fetch_all(sql)
        .await?)
}

/// Returns an object of an account, without its data.
///
/// # Errors
/// `TreeError::NotFound` if it does not exist, and `TreeError::Storage` if the database cannot be
/// read.
pub(super) async fn get(
    sql: &mut AnyConnection,
    drive: DriveKey,
    kind: AccountObjectKind,
    id: &str,
) -> Result<AccountObject> {
    let object = sqlx::query_as(select_objects!("WHERE drive = $1 AND kind = $2 AND id = $3"));
    let object = object.bind(drive).bind(kind.code()).bind(id).fetch_optional(sql).await?;
    object.ok_or(TreeError::NotFound)
}

/// Returns the data of an object; `None` if it has none.
///
/// # Errors
/// `TreeError::NotFound` if the object does not exist, and `TreeError::Storage` if the database
/// cannot be read.
pub(super) async fn data(
    sql: &mut AnyConnection,
    drive: DriveKey,
    kind: AccountObjectKind,
    id: &str,
) -> Result<Option<Vec<u8>>> {
    let data = sqlx::query_scalar(
        "SELECT data FROM account_object WHERE drive = $1 AND kind = $2 AND id = $3",
    );
    let data = data.bind(drive).bind(kind.code()).bind(id).fetch_optional(sql).await?;
    data.ok_or(TreeError::NotFound)
}

/// Returns the names of the accounts that have an object with this id, in the order of their
/// creation.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn owners(
    sql: &mut AnyConnection,
    kind: AccountObjectKind,
    id: &str,
) -> Result<Vec<String>> {
    let owners = sqlx::query_scalar(
        "SELECT d.name FROM account_object o JOIN drive d ON d.no = o.drive \
         WHERE o.kind = $1 AND o.id = $2 ORDER BY d.no",
    );
    Ok(owners.bind(kind.code()).bind(id).fetch_all(sql).await?)
}

/// Stores an object. An object with the same kind and id is replaced; it keeps its creation time,
/// and its data unless there is new data.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn put(tx: &mut Tx, drive: DriveKey, object: AccountObject) -> Result<()> {
    let fields = serde_json::to_string(&object.fields).map_err(super::failure::storage)?;
    let (starts, ends) = object.span.unzip();
    sqlx::query(
        "INSERT INTO account_object \
         (drive, kind, id, no, parent, starts, ends, created, modified, fields, data) \
         SELECT $1, $2, $3, COALESCE(max(no), 0) + 1, $4, $5, $6, $7, $8, $9, $10 \
         FROM account_object WHERE drive = $1 \
         ON CONFLICT (drive, kind, id) DO UPDATE SET parent = excluded.parent, \
         starts = excluded.starts, ends = excluded.ends, modified = excluded.modified, \
         fields = excluded.fields, data = COALESCE(excluded.data, account_object.data)",
    )
    .bind(drive)
    .bind(object.kind.code())
    .bind(object.id)
    .bind(object.parent)
    .bind(starts.map(Timestamp::as_microsecond))
    .bind(ends.map(Timestamp::as_microsecond))
    .bind(object.created.as_microsecond())
    .bind(object.modified.as_microsecond())
    .bind(fields)
    .bind(object.data.map(|data| data.to_vec()))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Changes an object. The inner result is the changed object, or the error of `change`, which
/// leaves the object as it was.
///
/// # Errors
/// `TreeError::NotFound` if the object does not exist, `TreeError::Storage` if the database fails,
/// and `TreeError::NoRoom` if its disk is full.
pub(super) async fn change<E>(
    tx: &mut Tx,
    drive: DriveKey,
    kind: AccountObjectKind,
    id: String,
    change: impl FnOnce(&mut AccountObject) -> Result<(), E>,
) -> Result<Result<AccountObject, E>> {
    let mut object = get(tx.sql(), drive, kind, &id).await?;
    if let Err(error) = change(&mut object) {
        return Ok(Err(error));
    }
    object.modified = super::items::now();
    put(tx, drive, object.clone()).await?;
    Ok(Ok(object))
}

/// Removes an object, and all objects whose parent it is.
///
/// # Errors
/// `TreeError::NotFound` if the object does not exist, `TreeError::Storage` if the database fails,
/// and `TreeError::NoRoom` if its disk is full.
pub(super) async fn remove(
    tx: &mut Tx,
    drive: DriveKey,
    kind: AccountObjectKind,
    id: String,
) -> Result<()> {
    sqlx::query("DELETE FROM account_object WHERE drive = $1 AND parent = $2 AND kind <> $3")
        .bind(drive)
        .bind(&*id)
        .bind(kind.code())
        .execute(tx.sql())
        .await?;
    let removed =
        sqlx::query("DELETE FROM account_object WHERE drive = $1 AND kind = $2 AND id = $3")
            .bind(drive)
            .bind(kind.code())
            .bind(id)
            .execute(tx.sql())
            .await?;
    if removed.rows_affected() == 0 { Err(TreeError::NotFound) } else { Ok(()) }
}
