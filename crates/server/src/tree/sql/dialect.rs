//! What depends on the database: connections and their settings, transactions, errors.
//!
//! The statements elsewhere are one text for SQLite and PostgreSQL. Only SQLite is supported yet;
//! support for another database is added here.

use std::{io, path::Path, sync::Once};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::{
    AnyConnection, AnyPool, Connection,
    any::{AnyPoolOptions, install_default_drivers},
};

use crate::disk::Durability;

/// Begins a transaction that writes. A deferred transaction could fail when it first writes after
/// it has read; this one waits for its lock at once.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

/// The URL of a database in memory, which only its one connection sees.
pub(super) const IN_MEMORY: &str = "sqlite::memory:?cache=private";

/// Connections that only read.
const READERS: u32 = 4;

/// Settings of a connection to a database in a file.
const FILE_SETTINGS: [&str; 2] = ["PRAGMA journal_mode = WAL", "PRAGMA temp_store = MEMORY"];

/// Settings of a connection to a database in memory. It keeps its journal in memory: without a
/// journal nothing could be rolled back.
const MEMORY_SETTINGS: [&str; 1] = ["PRAGMA temp_store = MEMORY"];

/// How the message of an error of a check begins.
const DAMAGED: &str = "damaged: ";

/// `SQLITE_CORRUPT`, its extended codes, and `SQLITE_NOTADB`.
const CORRUPT: [&str; 5] = ["11", "267", "523", "779", "26"];

/// `SQLITE_FULL`.
const FULL: &str = "13";

/// `SQLITE_IOERR_SHMSIZE`: the index of the log does not grow, for want of room.
const SHM_FULL: &str = "4874";

/// Returns the URL of a database in a file. Every character of the path that could mean something
/// in a URL is escaped.
///
/// # Errors
/// When the path is not Unicode.
pub(super) fn file_url(database: &Path) -> io::Result<String> {
    let path = database.to_str().ok_or_else(|| io::Error::other("the name is not Unicode"))?;
    // Never `rwc`: a connection must not create a database in the place of one that was removed.
    Ok(format!("sqlite:{}?mode=rw", utf8_percent_encode(path, NON_ALPHANUMERIC)))
}

/// When SQLite syncs its log. With `FULL` it does so at every commit, and the writes of one
/// transaction share the sync; with `NORMAL` a crash of the machine can lose the last transactions,
/// never the database.
fn synchronous(durability: Durability) -> &'static str {
    match durability {
        Durability::Full => "PRAGMA synchronous = FULL",
        Durability::Relaxed => "PRAGMA synchronous = NORMAL",
    }
}

/// Opens the connection that writes. A database in memory has no durability.
///
/// # Errors
/// Those of the database.
pub(super) async fn connect(
    url: &str,
    durability: Option<Durability>,
) -> sqlx::Result<AnyConnection> {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(install_default_drivers);
    let mut connection = AnyConnection::connect(url).await?;
    let settings: &[&'static str] =
        if durability.is_some() { &FILE_SETTINGS } else { &MEMORY_SETTINGS };
    for setting in settings.iter().copied().chain(durability.map(synchronous)) {
        sqlx::query(setting).execute(&mut connection).await?;
    }
    Ok(connection)
}

/// Returns the pool of connections that read a database in a file. They are opened when needed.
///
/// # Errors
/// When the URL is malformed.
pub(super) fn reader_pool(url: &str) -> sqlx::Result<AnyPool> {
    AnyPoolOptions::new()
        .max_connections(READERS)
        // A connection to a file does not break by itself, as one over a network does.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy(url)
}

/// Looks for damage of the database's file.
///
/// # Errors
/// One of which [`damage`] returns the reason, if there is damage; else those of the database.
pub(super) async fn quick_check(connection: &mut AnyConnection) -> sqlx::Result<()> {
    check(connection, "PRAGMA quick_check(1)").await
}

/// Looks for damage of the database's file and of its indexes. It takes as long as reading it.
///
/// # Errors
/// As of [`quick_check`].
pub(super) async fn thorough_check(connection: &mut AnyConnection) -> sqlx::Result<()> {
    check(connection, "PRAGMA integrity_check(1)").await
}

async fn check(connection: &mut AnyConnection, pragma: &'static str) -> sqlx::Result<()> {
    let check = sqlx::query_scalar::<_, String>(pragma);
    match check.fetch_one(connection).await?.as_str() {
        "ok" => Ok(()),
        found => Err(sqlx::Error::Protocol(format!("{DAMAGED}{found}"))),
    }
}

/// Truncates the write-ahead log after many removals. A concurrent reader can prevent it; then the
/// log keeps its length.
///
/// # Errors
/// Those of the database.
pub(super) async fn shorten_log(connection: &mut AnyConnection) -> sqlx::Result<()> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await.map(drop)
}

/// Returns why a database is damaged, if an error says that it is.
pub(super) fn damage(error: &sqlx::Error) -> Option<String> {
    match error {
        sqlx::Error::Protocol(text) => text.strip_prefix(DAMAGED).map(str::to_owned),
        sqlx::Error::Database(error) => {
            let code = error.code()?;
            CORRUPT.contains(&&*code).then(|| error.message().to_owned())
        }
        _ => None,
    }
}

/// Whether the database has no room on its disk.
pub(super) fn is_full(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    matches!(error.code().as_deref(), Some(FULL | SHM_FULL))
}
