//! The differences between SQLite and PostgreSQL: connections and their settings, transactions,
//! locks, column types and error codes.
//!
//! All other statements are one text for both databases.

use std::{collections::BTreeMap, io, path::Path, sync::Once, time::Duration};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::{
    AnyConnection, AnyPool, AssertSqlSafe, Connection,
    any::{AnyPoolOptions, install_default_drivers},
};
use url::Url;

use super::super::DriveKey;
use crate::{Secret, disk::Durability};

/// The URL of a database in memory, which only its one connection sees.
pub(super) const IN_MEMORY: &str = "sqlite::memory:?cache=private";

/// Connections of the pool that reads.
const READERS: u32 = 4;

/// How long a reader waits for a connection to a PostgreSQL server that does not respond.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of a connection to a SQLite database in a file.
const FILE_SETTINGS: [&str; 2] = ["PRAGMA journal_mode = WAL", "PRAGMA temp_store = MEMORY"];

/// Settings of a connection to a SQLite database in memory. It keeps its journal in memory: without
/// a journal nothing could be rolled back.
const MEMORY_SETTINGS: [&str; 1] = ["PRAGMA temp_store = MEMORY"];

/// The prefix of the message of a failed check.
const DAMAGED: &str = "damaged: ";

/// `SQLITE_CORRUPT`, its extended codes, and `SQLITE_NOTADB`.
const CORRUPT: [&str; 5] = ["11", "267", "523", "779", "26"];

/// The error codes of a full disk: `SQLITE_FULL`, `SQLITE_IOERR_SHMSIZE` (the index of the log
/// cannot grow), and PostgreSQL's `disk_full`.
const FULL: [&str; 3] = ["13", "4874", "53100"];

/// PostgreSQL's `character_not_in_repertoire`: a text with a NUL character, which SQLite accepts.
const BAD_TEXT: &str = "22021";

/// Takes PostgreSQL's advisory lock for the life of the connection. The first key is arbitrary, the
/// second one stands for the schema, so that several trees can share a database.
const LOCK: &str =
    "SELECT pg_try_advisory_lock(1685222765, hashtext(COALESCE(current_schema(), '')))";

/// The connection that has the lock of [`LOCK`].
const LOCK_HOLDER: &str = "SELECT 'connected from ' || COALESCE(host(a.client_addr), 'its machine') || \
    ' since ' || to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
    WHERE l.locktype = 'advisory' AND l.granted AND CAST(l.classid AS BIGINT) = 1685222765 \
    AND CAST(l.objid AS BIGINT) = \
    CAST(hashtext(COALESCE(current_schema(), '')) AS BIGINT) & 4294967295 \
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// How often and at what interval the lock is tried. PostgreSQL ends the connections of a process
/// that was killed within milliseconds.
const LOCK_TRIES: u32 = 10;
const LOCK_INTERVAL: Duration = Duration::from_millis(200);

/// The URL of a PostgreSQL database. It may contain a password, which `Debug` does not show.
#[derive(Clone, Debug)]
pub(super) struct ServerUrl {
    url: Secret,
    place: String,
}

impl ServerUrl {
    /// Parses `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// # Errors
    /// The reason if the text is no URL or has another scheme, or this program was built without
    /// PostgreSQL; without any part of the URL that may be secret.
    pub(super) fn parse(url: &Secret) -> Result<Self, String> {
        let mut parsed = Url::parse(url.expose()).map_err(|error| error.to_string())?;
        match parsed.scheme() {
            "postgres" | "postgresql" if cfg!(feature = "postgres") => {}
            "postgres" | "postgresql" => {
                return Err("this program was built without PostgreSQL".into());
            }
            other => {
                return Err(format!(
                    "unknown scheme `{other}` (write postgres://USER@HOST/DATABASE; without a URL, \
                     the database is SQLite in the data folder)"
                ));
            }
        }
        let parameter = |name: &str| {
            let mut pairs = parsed.query_pairs();
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let host = parameter("host").or(parsed.host_str().map(str::to_owned));
        let host = host.filter(|host| !host.is_empty()).unwrap_or_else(|| "localhost".into());
        let port = parsed.port().map_or_else(String::new, |port| format!(":{port}"));
        let database = match parsed.path().trim_start_matches('/') {
            "" => parameter("dbname").unwrap_or_else(|| parsed.username().to_owned()),
            path => path.to_owned(),
        };
        let place = format!("`{database}` of the PostgreSQL server at {host}{port}");
        if parameter("application_name").is_none() {
            parsed.query_pairs_mut().append_pair("application_name", "drivedal");
        }
        Ok(Self { url: String::from(parsed).into(), place })
    }

    /// Returns the URL, with its password.
    pub(super) fn expose(&self) -> &str {
        self.url.expose()
    }

    /// Returns the database and the server, as messages name them.
    pub(super) fn place(&self) -> &str {
        &self.place
    }
}

/// Returns the URL of a SQLite database in a file. Every character of the path that could have a
/// meaning in a URL is escaped.
///
/// # Errors
/// `Other` if the path is not Unicode.
pub(super) fn file_url(database: &Path) -> io::Result<String> {
    let path = database.to_str().ok_or_else(|| io::Error::other("the name is not Unicode"))?;
    // Never `rwc`: a connection must not create a database in the place of one that was removed.
    Ok(format!("sqlite:{}?mode=rw", utf8_percent_encode(path, NON_ALPHANUMERIC)))
}

/// Returns whether the connection is to PostgreSQL, and not to SQLite.
fn is_postgres(connection: &AnyConnection) -> bool {
    connection.backend_name() == "PostgreSQL"
}

/// Returns the statement that begins a transaction that writes.
///
/// A deferred transaction of SQLite could fail at its first write after a read; an immediate one
/// waits for its lock at once. PostgreSQL needs no lock: one connection writes.
pub(super) fn begin(connection: &AnyConnection) -> &'static str {
    if is_postgres(connection) { "BEGIN" } else { "BEGIN IMMEDIATE" }
}

/// Returns the setting of when a commit is on the disk. With SQLite's `FULL`, the writes of one
/// transaction share a sync. With the relaxed settings, a crash of the machine can lose the last
/// transactions, never the database.
fn commit_setting(connection: &AnyConnection, durability: Durability) -> &'static str {
    match (is_postgres(connection), durability) {
        (false, Durability::Full) => "PRAGMA synchronous = FULL",
        (false, Durability::Relaxed) => "PRAGMA synchronous = NORMAL",
        (true, Durability::Full) => "SET synchronous_commit = on",
        (true, Durability::Relaxed) => "SET synchronous_commit = off",
    }
}

/// Opens the connection that writes. `url` is that of an SQLite file or a PostgreSQL database;
/// `durability` is `None` for a database in memory.
///
/// # Errors
/// `sqlx::Error` if the database cannot be opened; [`sqlx::Error::Configuration`] if its encoding
/// is not UTF-8.
pub(super) async fn connect(
    url: &str,
    durability: Option<Durability>,
) -> sqlx::Result<AnyConnection> {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(install_default_drivers);
    let mut connection = AnyConnection::connect(url).await?;
    let settings: &[&'static str] = match (is_postgres(&connection), durability) {
        (true, _) => &[],
        (false, Some(_)) => &FILE_SETTINGS,
        (false, None) => &MEMORY_SETTINGS,
    };
    let commit = durability.map(|durability| commit_setting(&connection, durability));
    for setting in settings.iter().copied().chain(commit) {
        sqlx::query(setting).execute(&mut connection).await?;
    }
    if is_postgres(&connection) {
        let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')")
            .fetch_one(&mut connection)
            .await?;
        if encoding != "UTF8" {
            let reason = format!("its encoding is {encoding} (create it with ENCODING 'UTF8')");
            return Err(sqlx::Error::Configuration(reason.into()));
        }
    }
    Ok(connection)
}

/// Returns the pool of connections that read. They are opened when needed.
///
/// # Errors
/// `sqlx::Error::Configuration` if the URL is malformed.
pub(super) fn reader_pool(url: &str) -> sqlx::Result<AnyPool> {
    let options = AnyPoolOptions::new().max_connections(READERS);
    let options = match url.starts_with("sqlite:") {
        // A connection to a file does not break, and is never stale.
        true => options.test_before_acquire(false).idle_timeout(None).max_lifetime(None),
        false => options.test_before_acquire(true).acquire_timeout(CONNECT_TIMEOUT),
    };
    options.connect_lazy(url)
}

/// Takes the lock that keeps other drive servers from a PostgreSQL database. The connection has it
/// until it ends. If another connection has the lock, the inner result is a description of that
/// connection. Waits up to two seconds for the lock.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
pub(super) async fn lock(connection: &mut AnyConnection) -> sqlx::Result<Result<(), String>> {
    for attempt in 1.. {
        if sqlx::query_scalar(LOCK).fetch_one(&mut *connection).await? {
            break;
        }
        if attempt == LOCK_TRIES {
            let holder = sqlx::query_scalar(LOCK_HOLDER).fetch_optional(&mut *connection).await?;
            return Ok(Err(holder.unwrap_or_else(|| "a connection that has just ended".into())));
        }
        tokio::time::sleep(LOCK_INTERVAL).await;
    }
    Ok(Ok(()))
}

/// Executes a statement of a migration. On PostgreSQL, texts get the collation `C`: they are
/// compared as bytes, as on SQLite, whatever the collation of the database is.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
pub(super) async fn create(
    connection: &mut AnyConnection,
    statement: &'static str,
) -> sqlx::Result<()> {
    match is_postgres(connection) {
        true => {
            let statement = statement.replace(" TEXT", " TEXT COLLATE \"C\"");
            sqlx::query(AssertSqlSafe(statement)).execute(connection).await?;
        }
        false => {
            sqlx::query(statement).execute(connection).await?;
        }
    }
    Ok(())
}

/// The tables of the schema with their columns, in order: name of the table, name of the column.
const SQLITE_COLUMNS: &str = "SELECT m.name, c.name FROM sqlite_master m \
    JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid";

/// See [`SQLITE_COLUMNS`].
const POSTGRES_COLUMNS: &str = "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) \
    FROM information_schema.columns WHERE table_schema = current_schema() \
    ORDER BY table_name, ordinal_position";

/// Returns the names of all tables of the schema, with the names of their columns.
///
/// # Errors
/// `sqlx::Error` if the statement fails.
pub(super) async fn tables(
    connection: &mut AnyConnection,
) -> sqlx::Result<BTreeMap<String, Vec<String>>> {
    let statement = if is_postgres(connection) { POSTGRES_COLUMNS } else { SQLITE_COLUMNS };
    let columns: Vec<(String, String)> = sqlx::query_as(statement).fetch_all(connection).await?;
    let mut tables = BTreeMap::<String, Vec<String>>::new();
    for (table, column) in columns {
        tables.entry(table).or_default().push(column);
    }
    Ok(tables)
}

/// Gives the row of a new drive the number of the drive, on SQLite. The repair of a damaged database finds
/// the name of a drive in an index by this number.
///
/// # Errors
/// `sqlx::Error` if the statement fails.
pub(super) async fn number_row_of_drive(
    connection: &mut AnyConnection,
    drive: DriveKey,
) -> sqlx::Result<()> {
    if !is_postgres(connection) {
        let number = sqlx::query("UPDATE drive SET rowid = no WHERE no = $1").bind(drive);
        number.execute(connection).await?;
    }
    Ok(())
}

/// Checks the pages of a SQLite database.
///
/// # Errors
/// An error for which [`damage`] returns the reason, if there is damage; otherwise `sqlx::Error` if
/// the check cannot run.
pub(super) async fn quick_check(connection: &mut AnyConnection) -> sqlx::Result<()> {
    check(connection, "PRAGMA quick_check(1)").await
}

/// Checks the pages and the indexes of a SQLite database. It takes as long as reading the database.
///
/// # Errors
/// An error for which [`damage`] returns the reason, if there is damage; otherwise `sqlx::Error` if
/// the check cannot run.
pub(super) async fn thorough_check(connection: &mut AnyConnection) -> sqlx::Result<()> {
    check(connection, "PRAGMA integrity_check(1)").await
}

/// Runs a check of SQLite, given its `PRAGMA` statement.
///
/// # Errors
/// An error for which [`damage`] returns the reason, if the check finds damage; `sqlx::Error` of
/// the database if the check cannot run.
async fn check(connection: &mut AnyConnection, pragma: &'static str) -> sqlx::Result<()> {
    let check = sqlx::query_scalar::<_, String>(pragma);
    match check.fetch_one(connection).await?.as_str() {
        "ok" => Ok(()),
        found => Err(sqlx::Error::Protocol(format!("{DAMAGED}{found}"))),
    }
}

/// Truncates SQLite's write-ahead log after many removals. A concurrent reader can prevent it; then
/// the log keeps its length. PostgreSQL does so itself.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
pub(super) async fn shorten_log(connection: &mut AnyConnection) -> sqlx::Result<()> {
    if is_postgres(connection) {
        return Ok(());
    }
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await.map(drop)
}

/// Returns the damage that an error reports, in SQLite's words; `None` if it reports another
/// failure.
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

/// Returns whether the disk of the database is full.
pub(super) fn is_full(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.code().is_some_and(|code| FULL.contains(&&*code))
}

/// Returns whether the database rejected a text with a NUL character.
pub(super) fn is_bad_text(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.code().as_deref() == Some(BAD_TEXT)
}

/// Explains why a database cannot be opened.
pub(super) fn explain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => format!("it cannot be reached: {error}"),
        sqlx::Error::Tls(error) => format!("TLS failed: {error}"),
        sqlx::Error::Configuration(error) => error.to_string(),
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("28P01" | "28000") => format!(
                "the sign-in failed: {} (check the user in the URL, and the password in the URL, in \
                 PGPASSWORD or in ~/.pgpass)",
                error.message()
            ),
            Some("3D000") => format!("{} (create it with `createdb`)", error.message()),
            Some("3F000") => "none of the schemas in its search_path exists".into(),
            Some("42501") => {
                format!("{} (the user needs CREATE on the schema)", error.message())
            }
            _ => error.message().to_owned(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_database_without_its_password() {
        let parse = |url: &str| ServerUrl::parse(&url.into());
        let url = parse("postgres://me:hunter2@db.example:5433/drives").expect("is a URL");
        assert_eq!(url.place(), "`drives` of the PostgreSQL server at db.example:5433");
        assert!(url.expose().contains("hunter2") && !format!("{url:?}").contains("hunter2"));
        let url = parse("postgresql:///me?host=/run/postgresql").expect("is a URL");
        assert_eq!(url.place(), "`me` of the PostgreSQL server at /run/postgresql");
        for wrong in ["mysql://hunter2@host/db", "hunter2", "postgres://me:hunter2@host:x/db"] {
            let reason = parse(wrong).expect_err("is refused");
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }
}
