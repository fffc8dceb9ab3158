//! Copies the readable rows of a damaged SQLite database to a new one.
//!
//! Every row that can be read is copied ([`pages`], [`tables`]), then the rows are repaired ([`mend`]).
//! SQLite has no checksums, so a readable row may still be wrong. A content is served only if its bytes
//! have the hash in its row. A content with more files than references, or with another number in the
//! index of its table, is not served at all.
//!
//! Nothing is deleted. The damaged database stays beside the new one, and bytes that no file names are
//! moved to the quarantine.

mod mend;
mod pages;
mod tables;

use std::{collections::HashMap, fs, io, path::PathBuf};

use jiff::Timestamp;
use sqlx::{AnyConnection, Connection};

pub(super) use self::mend::Drive;
use self::pages::Pages;
use super::{
    super::{NameFolding, Result},
    blob_location::OwnerMarker,
    dialect,
    drives::cid,
    failure::is_disk_full,
    folder::Files,
    open::url,
    open_error::{OpenError, failed, in_database},
    options::DEFAULT_QUOTA,
    row::{HASHES, hashes_from_bytes, signed},
    schema::{Begin, Prepared, prepare},
};
use crate::{
    disk::{self, Durability},
    signed_token::write_private,
};

/// The name of the new database until it is complete.
const UNFINISHED: &str = "tree.db.recovering";

/// The largest plausible size of a content, in bytes.
const SIZE_MAX: i64 = 1 << 53;

/// The result of salvaging a damaged database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// The path to which the damaged database was moved.
    pub damaged: PathBuf,
    /// Items in the new database, including those in recycle bins.
    pub items: u64,
    /// Rows of the damaged database that cannot be read. Those on a page whose beginning is damaged
    /// are not counted.
    pub unreadable: u64,
    /// Items that were moved to another folder, or may have another name.
    pub moved: Vec<MovedItem>,
    /// Items that are lost.
    pub lost: Vec<LostItem>,
    /// Files in the quarantine with bytes that no item names.
    pub saved: Vec<PathBuf>,
}

/// An item of a damaged database that was moved to another folder, or may have another name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MovedItem {
    /// The account's name; the default account's is empty.
    pub account: String,
    /// Its new path.
    pub path: String,
}

/// An item of a damaged database that the new one does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostItem {
    /// The account's name; the default account's is empty.
    pub account: String,
    /// Its path as far as it is known; the last name may be in upper case.
    pub path: String,
    /// The reason.
    pub reason: &'static str,
}

/// The result, and the contents that a repair must not serve.
pub(super) struct Salvaged {
    pub(super) recovery: Recovery,
    /// Contents that may be those of another file.
    pub(super) doubtful: Vec<i64>,
}

/// Checks the pages and the rows of a database. The caller has the folder locked. Nothing is changed.
/// Returns damage as the error of opening the tree; `None` if there is none.
///
/// # Errors
/// When files cannot be read.
pub(super) async fn inspect(files: &Files) -> Result<Option<OpenError>, OpenError> {
    if fs::metadata(&files.database).map_or(true, |file| file.len() == 0) {
        return Ok(None);
    }
    let damaged =
        |reason: String| Ok(Some(OpenError::Damaged { database: files.database.clone(), reason }));
    let mut pages = open_pages(files)?;
    for number in 1..=pages.count() {
        let rows = pages.rows(number).map_err(failed("cannot read", &files.database))?;
        if rows.unreadable > 0 {
            return damaged(format!("page {number} has rows that cannot be read"));
        }
    }
    let durability = Some(Durability::Full);
    let looked = match dialect::connect(&url(&files.database)?, durability).await {
        Ok(mut sql) => {
            let looked = look(&mut sql).await;
            // It may fail for a damaged database. The result of the check counts.
            let _ = sql.close().await;
            looked
        }
        Err(error) => Err(error),
    };
    match looked {
        Ok(None) => Ok(None),
        Ok(Some(reason)) => damaged(reason.to_owned()),
        Err(error) if is_disk_full(&error) => Err(in_database(Some(&files.database))(error)),
        Err(error) => damaged(error.to_string()),
    }
}

/// Returns why the rows of a database contradict each other; `None` if they do not.
async fn look(sql: &mut AnyConnection) -> sqlx::Result<Option<&'static str>> {
    dialect::thorough_check(sql).await?;
    // Never committed.
    let mut tx = sql.begin_with(dialect::begin(sql)).await?;
    match prepare(&mut tx, Begin { used: true, at_least: 0 }).await? {
        Prepared::Run(_) => {}
        Prepared::Newer { .. } => return Ok(None),
        Prepared::Empty => return Ok(Some("it has no tables")),
    }
    if make_plausible(&mut tx, 0).await? > 0 {
        return Ok(Some("it has values that are impossible"));
    }
    if !sqlx::query(MISCOUNTED).fetch_all(&mut *tx).await?.is_empty() {
        return Ok(Some("it has contents with wrong reference counts"));
    }
    let drives: Vec<i64> = sqlx::query_scalar("SELECT no FROM drive").fetch_all(&mut *tx).await?;
    for no in drives {
        if !Drive::read(&mut tx, no).await?.is_sound() {
            return Ok(Some("it has items whose folders, names or sizes do not fit together"));
        }
    }
    let strays: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM item WHERE drive NOT IN (SELECT no FROM drive)) + \
         (SELECT count(*) FROM edge WHERE drive NOT IN (SELECT no FROM drive))",
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok((strays > 0).then_some("it has items of no drive"))
}

fn open_pages(files: &Files) -> Result<Pages, OpenError> {
    Pages::open(&files.database, &files.log).map_err(failed("cannot read", &files.database))
}

/// Replaces the damaged database by a new one with every readable row. The caller has the folder
/// locked. Returns `None`, and changes nothing, if no row can be read.
///
/// # Errors
/// When files cannot be read or written.
pub(super) async fn salvage(files: &Files) -> Result<Option<Salvaged>, OpenError> {
    let new = files.folder.join(UNFINISHED);
    remove_database(&new).map_err(failed("cannot remove", &new))?;
    let created = disk::private_file().create(true).truncate(true).open(&new);
    created.map(drop).map_err(failed("cannot create", &new))?;
    let mut pages = open_pages(files)?;
    let at_least = last_run(files)?;
    let mut sql = dialect::connect(&url(&new)?, Some(Durability::Full))
        .await
        .map_err(in_database(Some(&new)))?;
    let work = fill(&mut sql, &mut pages, at_least, files).await;
    sql.close().await.map_err(in_database(Some(&new)))?;
    let Some(mut salvaged) = work.map_err(in_database(Some(&new)))? else {
        remove_database(&new).map_err(failed("cannot remove", &new))?;
        return Ok(None);
    };
    let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let kept = free_name(files, &format!("tree.db.damaged-{stamp}"));
    let keep = || {
        // The log belongs to the damaged database: SQLite looks for it under that name.
        let mut kept_log = kept.clone().into_os_string();
        kept_log.push("-wal");
        fs::hard_link(&files.database, &kept)
            .or_else(|_| fs::copy(&files.database, &kept).map(drop))?;
        match fs::rename(&files.log, kept_log) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match fs::remove_file(files.folder.join("tree.db-shm")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(&new, &files.database)?;
        fs::File::open(&files.folder)?.sync_all()
    };
    keep().map_err(failed("cannot replace the damaged database", &files.database))?;
    salvaged.recovery.damaged = kept;
    Ok(Some(salvaged))
}

/// Returns a path in the folder that no file has.
fn free_name(files: &Files, name: &str) -> PathBuf {
    let names = std::iter::once(name.to_owned()).chain((1..).map(|n| format!("{name}-{n}")));
    let mut paths = names.map(|name| files.folder.join(name));
    paths.find(|path| !path.exists()).unwrap_or_else(|| files.folder.join(name))
}

fn remove_database(database: &std::path::Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut path = database.to_owned().into_os_string();
        path.push(suffix);
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Returns the last run that wrote blobs, by the marker and by the names of the blobs.
fn last_run(files: &Files) -> Result<i64, OpenError> {
    let marked = files.blobs.marker().ok().flatten().map_or(0, |OwnerMarker { run, .. }| run);
    let written = files.blobs.numbers()?.into_iter().map(|number| number >> 32).max();
    Ok(marked.max(written.unwrap_or(0)))
}

async fn fill(
    sql: &mut AnyConnection,
    pages: &mut Pages,
    at_least: i64,
    files: &Files,
) -> sqlx::Result<Option<Salvaged>> {
    let mut tx = sql.begin_with(dialect::begin(sql)).await?;
    prepare(&mut tx, Begin { used: false, at_least }).await?;
    let copied = tables::copy(pages, &mut tx).await?;
    if copied.rows == 0 {
        return Ok(None);
    }
    // An id that no marker has: the blobs are foreign until the repair has checked them.
    let run = copied.run.filter(|run| (0..1 << 31).contains(run)).unwrap_or(0);
    sqlx::query("UPDATE server SET folder = '', run = $1")
        .bind(run.max(at_least + 1))
        .execute(&mut *tx)
        .await?;
    let mut recovery = Recovery { unreadable: copied.unreadable, ..Recovery::default() };
    let now = Timestamp::now().as_microsecond();
    make_plausible(&mut tx, now).await?;
    for account in settle_drives(&mut tx, now, &copied.keys).await? {
        recovery.moved.push(MovedItem { account, path: String::new() });
    }
    let mut doubtful = weigh(&mut tx).await?;
    doubtful.extend(copied.doubtful);
    doubtful.sort_unstable();
    doubtful.dedup();
    let drives: Vec<(i64, String)> =
        sqlx::query_as("SELECT no, name FROM drive ORDER BY no").fetch_all(&mut *tx).await?;
    for (no, account) in drives {
        let mut drive = Drive::read(&mut tx, no).await?;
        let mended = drive.mend();
        drive.write(&mut tx, now).await?;
        recovery.items += mended.items;
        let account = || account.clone();
        let moved = mended.moved.into_iter();
        recovery.moved.extend(moved.map(|path| MovedItem { account: account(), path }));
        let lost = mended.lost.into_iter();
        let lost = lost.map(|(path, reason)| LostItem { account: account(), path, reason });
        recovery.lost.extend(lost);
    }
    recovery.saved = save_unnamed(&mut tx, files).await?;
    for (no, data) in copied.surplus {
        recovery.saved.push(save(files, &format!("content-{no:016x}-other"), &data)?);
    }
    tx.commit().await?;
    Ok(Some(Salvaged { recovery, doubtful }))
}

/// Replaces impossible values. Returns the number of changed rows.
async fn make_plausible(sql: &mut AnyConnection, now: i64) -> sqlx::Result<u64> {
    let mut replaced = 0;
    for text in [
        "UPDATE item SET created = $1 WHERE created < $2 OR created > $3",
        "UPDATE item SET modified = $1 WHERE modified < $2 OR modified > $3",
        "UPDATE item SET client_created = $1 WHERE client_created < $2 OR client_created > $3",
        "UPDATE item SET client_modified = $1 WHERE client_modified < $2 OR client_modified > $3",
        "UPDATE drive SET created = $1 WHERE created < $2 OR created > $3",
        "UPDATE session SET expires = $1 WHERE expires < $2 OR expires > $3",
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
    let ended = sqlx::query("DELETE FROM session WHERE content NOT IN (SELECT no FROM content)")
        .execute(&mut *sql)
        .await?;
    Ok(replaced + ended.rows_affected())
}

/// Gives items without an edge to the drive that has an edge for them, and makes drives again that
/// have items only. Returns the accounts of those whose own name is lost. `keys` are texts of
/// indexes by their rows: the name of a drive is there too.
async fn settle_drives(
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
    for table in ["DELETE FROM edge", "DELETE FROM session", "DELETE FROM moved"] {
        let stray = format!("{table} WHERE drive NOT IN (SELECT no FROM drive)");
        sqlx::query(sqlx::AssertSqlSafe(stray)).execute(&mut *sql).await?;
    }
    Ok(lost)
}

/// Contents whose reference count is wrong: number, count, size, and the number of files and uploads
/// that name them.
const MISCOUNTED: &str = "SELECT c.no, c.refs, c.size, COALESCE(u.n, 0) FROM content c \
    LEFT JOIN (SELECT content, count(*) AS n FROM (SELECT content FROM item \
    WHERE content IS NOT NULL UNION ALL SELECT content FROM session) x GROUP BY content) u \
    ON u.content = c.no WHERE c.refs <> COALESCE(u.n, 0)";

/// Finds contents with more files than references: one of the files names it wrongly. If exactly that
/// file has another size, it loses the content; otherwise the content is returned.
async fn weigh(sql: &mut AnyConnection) -> sqlx::Result<Vec<i64>> {
    let miscounted: Vec<(i64, i64, i64, i64)> =
        sqlx::query_as(MISCOUNTED).fetch_all(&mut *sql).await?;
    let mut doubtful = Vec::new();
    for (no, refs, size, users) in miscounted {
        if refs < 1 || users <= refs {
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

/// Writes bytes from a row to the quarantine.
fn save(files: &Files, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let file = files.quarantine.join(name);
    disk::make_private_folder(&files.quarantine)?;
    write_private(&file, bytes)?;
    Ok(file)
}

/// Corrects reference counts, and moves bytes that no file names from the database to the quarantine.
/// The repair moves blobs later.
async fn save_unnamed(sql: &mut AnyConnection, files: &Files) -> sqlx::Result<Vec<PathBuf>> {
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
