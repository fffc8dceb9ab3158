//! Values of rows that this program could not read.

use jiff::Timestamp;
use sqlx::{AnyConnection, FromRow, Row};

use super::super::row::{self, HASHES, hashes_from_bytes};
use crate::tree::{AccountObjectKind, Permission};

/// The largest plausible size of a content, in bytes.
const SIZE_MAX: i64 = 1 << 53;

/// Replaces impossible values: times that become `now` (microseconds since 1970), malformed JSON,
/// hashes and sizes. Returns the number of changed rows.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
pub(super) async fn make_plausible(sql: &mut AnyConnection, now: i64) -> sqlx::Result<u64> {
    let mut replaced = 0;
    for text in [
        "UPDATE item SET created = $1 WHERE created < $2 OR created > $3",
        "UPDATE item SET modified = $1 WHERE modified < $2 OR modified > $3",
        "UPDATE item SET client_created = $1 WHERE client_created < $2 OR client_created > $3",
        "UPDATE item SET client_modified = $1 WHERE client_modified < $2 OR client_modified > $3",
        "UPDATE drive SET created = $1 WHERE created < $2 OR created > $3",
        "UPDATE session SET expires = $1 WHERE expires < $2 OR expires > $3",
        "UPDATE account_object SET created = $1 WHERE created < $2 OR created > $3",
        "UPDATE account_object SET modified = $1 WHERE modified < $2 OR modified > $3",
        "UPDATE permission SET created = $1 WHERE created < $2 OR created > $3",
    ] {
        let (first, last) = (Timestamp::MIN.as_microsecond(), Timestamp::MAX.as_microsecond());
        let replace = sqlx::query(text).bind(now).bind(first).bind(last);
        replaced += replace.execute(&mut *sql).await?.rows_affected();
    }
    let facets: Vec<(i64, i64, String)> =
        sqlx::query_as("SELECT drive, no, facets FROM item WHERE facets IS NOT NULL")
            .fetch_all(&mut *sql)
            .await?;
    for (drive, no, text) in facets {
        if serde_json::from_str::<serde_json::Map<_, _>>(&text).is_err() {
            let forget = "UPDATE item SET facets = NULL WHERE drive = $1 AND no = $2";
            sqlx::query(forget).bind(drive).bind(no).execute(&mut *sql).await?;
            replaced += 1;
        }
    }
    let media: Vec<(i64, String)> =
        sqlx::query_as("SELECT content, facts FROM media").fetch_all(&mut *sql).await?;
    for (content, text) in media {
        if serde_json::from_str::<crate::media::Media>(&text).is_err() {
            let forget = sqlx::query("DELETE FROM media WHERE content = $1").bind(content);
            forget.execute(&mut *sql).await?;
            replaced += 1;
        }
    }
    let contents: Vec<(i64, i64, Vec<u8>)> =
        sqlx::query_as("SELECT no, size, hashes FROM content").fetch_all(&mut *sql).await?;
    for (no, size, hashes) in contents {
        if hashes_from_bytes(&hashes).is_err() || !(0..SIZE_MAX).contains(&size) {
            // No bytes have these hashes: the repair moves the bytes to the quarantine.
            sqlx::query("UPDATE content SET hashes = $2, size = $3 WHERE no = $1")
                .bind(no)
                .bind(vec![0xff; HASHES])
                .bind(size.clamp(0, SIZE_MAX))
                .execute(&mut *sql)
                .await?;
            replaced += 1;
        }
    }
    let sessions: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT id, state, CAST(on_conflict AS BIGINT) FROM session")
            .fetch_all(&mut *sql)
            .await?;
    for (id, state, on_conflict) in sessions {
        let is_sound = serde_json::from_str::<serde_json::Value>(&state).is_ok();
        if !is_sound || !(0..=2).contains(&on_conflict) {
            let end = sqlx::query("DELETE FROM session WHERE id = $1").bind(id);
            end.execute(&mut *sql).await?;
            replaced += 1;
        }
    }
    replaced += remove_unreadable_objects(sql).await?;
    replaced += remove_unreadable_permissions(sql).await?;
    let ended = sqlx::query("DELETE FROM session WHERE content NOT IN (SELECT no FROM content)")
        .execute(&mut *sql)
        .await?;
    Ok(replaced + ended.rows_affected())
}

/// Removes permissions whose kind, role, grantees, end or details cannot be read, and grantees without
/// a permission. A permission without its end would not expire. Returns the number of removed
/// permissions.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
async fn remove_unreadable_permissions(sql: &mut AnyConnection) -> sqlx::Result<u64> {
    let permissions = sqlx::query(
        "SELECT p.drive, p.item, p.id, p.kind, p.role, p.grantees, p.created, p.expires, p.details \
         FROM permission p",
    );
    let permissions = permissions.fetch_all(&mut *sql).await?;
    let mut removed = 0;
    for row in permissions.iter().filter(|row| Permission::from_row(row).is_err()) {
        let (drive, item): (i64, i64) = (row.try_get("drive")?, row.try_get("item")?);
        let id: String = row.try_get("id")?;
        let remove = "DELETE FROM permission WHERE drive = $1 AND item = $2 AND id = $3";
        let remove = sqlx::query(remove).bind(drive).bind(item).bind(id);
        removed += remove.execute(&mut *sql).await?.rows_affected();
    }
    sqlx::query(
        "DELETE FROM grantee WHERE NOT EXISTS (SELECT 1 FROM permission p \
         WHERE p.drive = grantee.drive AND p.item = grantee.item AND p.id = grantee.permission)",
    )
    .execute(&mut *sql)
    .await?;
    Ok(removed)
}

/// Removes objects of accounts whose kind, times or fields cannot be read. Returns their number.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
async fn remove_unreadable_objects(sql: &mut AnyConnection) -> sqlx::Result<u64> {
    type Row = (i64, i64, String, Option<i64>, Option<i64>, String);
    let objects: Vec<Row> = sqlx::query_as(
        "SELECT drive, CAST(kind AS BIGINT), id, starts, ends, fields FROM account_object",
    )
    .fetch_all(&mut *sql)
    .await?;
    let mut removed = 0;
    for (drive, kind, id, starts, ends, fields) in objects {
        let is_time = |time: Option<i64>| time.is_none_or(|time| row::time(time).is_ok());
        let is_readable = AccountObjectKind::from_code(kind).is_some()
            && is_time(starts)
            && is_time(ends)
            && serde_json::from_str::<serde_json::Map<_, _>>(&fields).is_ok();
        if !is_readable {
            let remove = "DELETE FROM account_object WHERE drive = $1 AND kind = $2 AND id = $3";
            let remove = sqlx::query(remove).bind(drive).bind(kind).bind(id);
            removed += remove.execute(&mut *sql).await?.rows_affected();
        }
    }
    Ok(removed)
}
