//! Copies the readable rows of a damaged SQLite database to a new one.
//!
//! Every row that can be read is copied ([`pages`], [`tables`]), then the rows are repaired ([`mend`]).
//! SQLite has no checksums, so a readable row may still be wrong. A content is served only if its bytes
//! have the hash in its row. A content with more files than references, or with another number in the
//! index of its table, is not served at all.
//!
//! Nothing is deleted. The damaged database stays beside the new one, and bytes that no file names are
//! moved to the quarantine.

mod drives;
mod mend;
mod pages;
mod plausible;
mod references;
mod tables;

use std::{fs, io, path::PathBuf};

use jiff::Timestamp;
use sqlx::{AnyConnection, Connection};

pub(super) use self::mend::SalvagedDrive;
use self::{
    drives::settle_drives,
    pages::Pages,
    plausible::make_plausible,
    references::{MISCOUNTED, find_doubtful_contents, save, save_unnamed, settle_versions},
};
use super::{
    super::Result,
    blob_location::OwnerMarker,
    dialect,
    failure::is_disk_full,
    folder::DataFiles,
    open::url,
    open_error::{OpenError, failed, in_database},
    schema::{Begin, Prepared, prepare},
    search_index,
};
use crate::disk::{self, Durability};

/// The name of the new database until it is complete.
const UNFINISHED: &str = "tree.db.recovering";

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
pub(super) struct SalvageResult {
    pub(super) recovery: Recovery,
    /// Contents that may be those of another file.
    pub(super) doubtful: Vec<i64>,
}

/// Checks the pages and the rows of a database. The caller has the folder locked. Nothing is
/// changed. Returns damage as the error of opening the tree; `None` if there is none.
///
/// # Errors
/// [`OpenError::File`] if the file of the database or its log cannot be read, and
/// [`OpenError::NoRoom`] if the disk is full. Every other failure of the database counts as damage.
pub(super) async fn inspect(files: &DataFiles) -> Result<Option<OpenError>, OpenError> {
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
            let looked = find_contradiction(&mut sql).await;
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

/// Returns why the rows of a database contradict each other; `None` if they do not. Changes are
/// rolled back.
///
/// # Errors
/// `sqlx::Error` if a statement fails. Damaged pages are such an error.
async fn find_contradiction(sql: &mut AnyConnection) -> sqlx::Result<Option<&'static str>> {
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
    if settle_versions(&mut tx).await? {
        return Ok(Some("it has versions without a file, or counts their bytes wrongly"));
    }
    if !sqlx::query(MISCOUNTED).fetch_all(&mut *tx).await?.is_empty() {
        return Ok(Some("it has contents with wrong reference counts"));
    }
    let drives: Vec<i64> = sqlx::query_scalar("SELECT no FROM drive").fetch_all(&mut *tx).await?;
    for no in drives {
        if !SalvagedDrive::read(&mut tx, no).await?.is_sound() {
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

/// Opens the pages of the database in a data folder.
///
/// # Errors
/// [`OpenError::File`] if its file cannot be read.
fn open_pages(files: &DataFiles) -> Result<Pages, OpenError> {
    Pages::open(&files.database, &files.log).map_err(failed("cannot read", &files.database))
}

/// Replaces the damaged database by a new one with every readable row. The caller has the folder
/// locked. Returns `None`, and changes nothing, if no row can be read.
///
/// # Errors
/// [`OpenError::File`], [`OpenError::NoRoom`] and [`OpenError::Database`] if a file cannot be read,
/// or the new database cannot be written.
pub(super) async fn salvage(files: &DataFiles) -> Result<Option<SalvageResult>, OpenError> {
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

/// Returns a path in the folder that no file has: `name`, or with a number appended.
fn free_name(files: &DataFiles, name: &str) -> PathBuf {
    let names = std::iter::once(name.to_owned()).chain((1..).map(|n| format!("{name}-{n}")));
    let mut paths = names.map(|name| files.folder.join(name));
    paths.find(|path| !path.exists()).unwrap_or_else(|| files.folder.join(name))
}

/// Removes the file of a database, its log and its index of the log, as far as they exist.
///
/// # Errors
/// The operating system's error if a file cannot be removed.
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

/// Returns the last run that wrote blobs, by the marker and by the names of the blobs; 0 if there
/// are none.
///
/// # Errors
/// [`OpenError::File`] if the folder of blobs cannot be read. A marker that cannot be read is
/// ignored.
fn last_run(files: &DataFiles) -> Result<i64, OpenError> {
    let marked = files.blobs.marker().ok().flatten().map_or(0, |OwnerMarker { run, .. }| run);
    let written = files.blobs.numbers()?.into_iter().map(|number| number >> 32).max();
    Ok(marked.max(written.unwrap_or(0)))
}

/// Copies the readable rows to a new database and repairs them, in one transaction. The run that it
/// stores is above `at_least`. Returns `None` if no row can be read.
///
/// # Errors
/// `sqlx::Error` if the damaged database cannot be read, the new one cannot be written, or bytes
/// cannot be saved in the quarantine.
async fn fill(
    sql: &mut AnyConnection,
    pages: &mut Pages,
    at_least: i64,
    files: &DataFiles,
) -> sqlx::Result<Option<SalvageResult>> {
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
    let mut doubtful = find_doubtful_contents(&mut tx).await?;
    doubtful.extend(copied.doubtful);
    doubtful.sort_unstable();
    doubtful.dedup();
    let drives: Vec<(i64, String)> =
        sqlx::query_as("SELECT no, name FROM drive ORDER BY no").fetch_all(&mut *tx).await?;
    for (no, account) in drives {
        let mut drive = SalvagedDrive::read(&mut tx, no).await?;
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
    search_index::fill(&mut tx).await?;
    recovery.saved = save_unnamed(&mut tx, files).await?;
    for (no, data) in copied.surplus {
        recovery.saved.push(save(files, &format!("content-{no:016x}-other"), &data)?);
    }
    tx.commit().await?;
    Ok(Some(SalvageResult { recovery, doubtful }))
}
