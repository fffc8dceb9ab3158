//! Rows of lost drives.

use std::collections::HashMap;

use sqlx::AnyConnection;

use super::super::{super::NameFolding, drives::cid, options::DEFAULT_QUOTA, row::signed};

/// Moves items without an edge to the drive that has an edge for them, and creates the rows of
/// drives that have only items. Returns the accounts of the drives whose name is lost.
///
/// `now` is the time in microseconds since 1970. `keys` are texts of indexes by their row numbers:
/// the name of a drive may be among them.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
pub(super) async fn settle_drives(
    sql: &mut AnyConnection,
    now: i64,
    keys: &HashMap<i64, Vec<String>>,
) -> sqlx::Result<Vec<String>> {
    let strays: Vec<(i64, i64, i64)> = sqlx::query_as(
        "SELECT i.drive, i.no, min(e.drive) FROM item i JOIN edge e ON e.item = i.no \
         WHERE e.drive <> i.drive AND i.state <> 3 AND i.no <> 100 \
         AND NOT EXISTS (SELECT 1 FROM edge o WHERE o.drive = i.drive AND o.item = i.no) \
         AND NOT EXISTS (SELECT 1 FROM item o WHERE o.drive = e.drive AND o.no = i.no) \
         GROUP BY i.drive, i.no HAVING count(DISTINCT e.drive) = 1",
    )
    .fetch_all(&mut *sql)
    .await?;
    for (drive, no, to) in strays {
        sqlx::query("UPDATE item SET drive = $3 WHERE drive = $1 AND no = $2")
            .bind(drive)
            .bind(no)
            .bind(to)
            .execute(&mut *sql)
            .await?;
    }
    let nameless: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT drive FROM item WHERE drive NOT IN (SELECT no FROM drive) ORDER BY drive",
    )
    .fetch_all(&mut *sql)
    .await?;
    let names: Vec<String> =
        sqlx::query_scalar("SELECT name FROM drive").fetch_all(&mut *sql).await?;
    let sessions: Vec<String> =
        sqlx::query_scalar("SELECT id FROM session").fetch_all(&mut *sql).await?;
    let mut lost = Vec::new();
    for no in nameless {
        // Drives are numbered as their rows are.
        let known = keys.get(&no).into_iter().flatten();
        let known: Vec<_> =
            known.filter(|key| !names.contains(key) && !sessions.contains(key)).collect();
        let is_known = known.len() == 1 && known[0].len() < 256;
        let name = if is_known { known[0].clone() } else { format!("recovered-{no}") };
        if !is_known {
            lost.push(name.clone());
        }
        sqlx::query(
            "INSERT INTO drive (no, name, cid, quota, feed, next_item, created, folding) \
             VALUES ($1, $2, '', $3, 0, 0, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(no)
        .bind(name)
        .bind(signed(DEFAULT_QUOTA))
        .bind(now)
        .bind(NameFolding::default().code())
        .execute(&mut *sql)
        .await?;
    }
    let drives: Vec<(i64, String)> =
        sqlx::query_as("SELECT no, name FROM drive").fetch_all(&mut *sql).await?;
    for (no, name) in drives {
        sqlx::query(
            "UPDATE drive SET cid = $2, quota = CASE WHEN quota > 0 THEN quota ELSE $3 END \
             WHERE no = $1",
        )
        .bind(no)
        .bind(cid(&name))
        .bind(signed(DEFAULT_QUOTA))
        .execute(&mut *sql)
        .await?;
    }
    for table in [
        "DELETE FROM edge",
        "DELETE FROM session",
        "DELETE FROM moved",
        "DELETE FROM account_object",
        "DELETE FROM grantee",
        "DELETE FROM permission",
    ] {
        let stray = format!("{table} WHERE drive NOT IN (SELECT no FROM drive)");
        sqlx::query(sqlx::AssertSqlSafe(stray)).execute(&mut *sql).await?;
    }
    Ok(lost)
}
