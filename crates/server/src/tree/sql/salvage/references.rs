//! Reference counts of contents, and bytes that no file names.

use std::{io, path::PathBuf};

use sqlx::AnyConnection;

use super::super::folder::DataFiles;
use crate::{disk, signed_token::write_private};

/// Contents whose reference count is wrong: number, count, size, and the number of files, versions
/// and uploads that name them.
pub(super) const MISCOUNTED: &str = "SELECT c.no, c.refs, c.size, COALESCE(u.n, 0) FROM content c \
    LEFT JOIN (SELECT content, count(*) AS n FROM (SELECT content FROM item \
    WHERE content IS NOT NULL UNION ALL SELECT content FROM item_version \
    UNION ALL SELECT content FROM session) x GROUP BY content) u \
    ON u.content = c.no WHERE c.refs <> COALESCE(u.n, 0)";

/// Deletes the versions that have no file or no content, and counts the bytes of the others. Returns
/// whether the database changed.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
pub(super) async fn settle_versions(sql: &mut AnyConnection) -> sqlx::Result<bool> {
    let mut changed = 0;
    for text in [
        "DELETE FROM item_version WHERE NOT EXISTS (SELECT 1 FROM item i \
         WHERE i.drive = item_version.drive AND i.no = item_version.item AND i.kind = 1 \
         AND i.state <> 3 AND i.revision > item_version.no) \
         OR NOT EXISTS (SELECT 1 FROM content c \
         WHERE c.no = item_version.content AND c.size = item_version.size)",
        "UPDATE drive SET version_bytes = (SELECT COALESCE(sum(v.size), 0) FROM item_version v \
         WHERE v.drive = drive.no) WHERE version_bytes <> (SELECT COALESCE(sum(v.size), 0) \
         FROM item_version v WHERE v.drive = drive.no)",
    ] {
        changed += sqlx::query(text).execute(&mut *sql).await?.rows_affected();
    }
    Ok(changed > 0)
}

/// Finds contents with more files than references: one of the files names it wrongly. If exactly
/// that file has another size, it loses the content. If the upload sessions are too many, they are
/// remnants of deleted rows, whose uploads have become files, and are deleted. Otherwise the content's
/// number is returned.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
pub(super) async fn find_doubtful_contents(sql: &mut AnyConnection) -> sqlx::Result<Vec<i64>> {
    let miscounted: Vec<(i64, i64, i64, i64)> =
        sqlx::query_as(MISCOUNTED).fetch_all(&mut *sql).await?;
    let mut doubtful = Vec::new();
    for (no, refs, size, users) in miscounted {
        if refs < 1 || users <= refs {
            continue;
        }
        let sessions: i64 = sqlx::query_scalar("SELECT count(*) FROM session WHERE content = $1")
            .bind(no)
            .fetch_one(&mut *sql)
            .await?;
        if users - sessions == refs {
            let delete = sqlx::query("DELETE FROM session WHERE content = $1");
            delete.bind(no).execute(&mut *sql).await?;
            continue;
        }
        let others: i64 =
            sqlx::query_scalar("SELECT count(*) FROM item WHERE content = $1 AND size <> $2")
                .bind(no)
                .bind(size)
                .fetch_one(&mut *sql)
                .await?;
        match users - others == refs {
            true => {
                let forget = "UPDATE item SET content = NULL WHERE content = $1 AND size <> $2";
                sqlx::query(forget).bind(no).bind(size).execute(&mut *sql).await?;
            }
            false => doubtful.push(no),
        }
    }
    Ok(doubtful)
}

/// Writes bytes from a row to a file in the quarantine. Returns its path.
///
/// # Errors
/// The operating system's error if the folder cannot be created or the file cannot be written.
pub(super) fn save(files: &DataFiles, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let file = files.quarantine.join(name);
    disk::make_private_folder(&files.quarantine)?;
    write_private(&file, bytes)?;
    Ok(file)
}

/// Corrects reference counts, and moves bytes that no file names from the database to the
/// quarantine. Returns the new files. The repair moves blobs later.
///
/// # Errors
/// `sqlx::Error` if a statement fails or a file cannot be written.
pub(super) async fn save_unnamed(
    sql: &mut AnyConnection,
    files: &DataFiles,
) -> sqlx::Result<Vec<PathBuf>> {
    settle_versions(sql).await?;
    let miscounted: Vec<(i64, i64, i64, i64)> =
        sqlx::query_as(MISCOUNTED).fetch_all(&mut *sql).await?;
    let mut saved = Vec::new();
    for (no, _, _, users) in miscounted {
        if users > 0 {
            let count = sqlx::query("UPDATE content SET refs = $2 WHERE no = $1");
            count.bind(no).bind(users).execute(&mut *sql).await?;
            continue;
        }
        let data: Option<Vec<u8>> = sqlx::query_scalar("SELECT data FROM content WHERE no = $1")
            .bind(no)
            .fetch_one(&mut *sql)
            .await?;
        if let Some(bytes) = data {
            saved.push(save(files, &format!("content-{no:016x}"), &bytes)?);
        }
        sqlx::query("DELETE FROM content WHERE no = $1").bind(no).execute(&mut *sql).await?;
    }
    for text in [
        "DELETE FROM segment WHERE content NOT IN (SELECT no FROM content)",
        "DELETE FROM media WHERE content NOT IN (SELECT no FROM content)",
    ] {
        sqlx::query(text).execute(&mut *sql).await?;
    }
    Ok(saved)
}
