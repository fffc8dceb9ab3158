//! The tables, and the numbered migrations that make and change them.
//!
//! One text for SQLite and PostgreSQL, through `sqlx::Any`: columns are BIGINT, SMALLINT, TEXT and
//! BYTEA, a type name that both accept. Flags are 0 and 1, times are microseconds since 1970. Texts
//! are compared as bytes, which is the order of code points: SQLite does so by default, and on
//! PostgreSQL the columns get that collation ([`dialect::create`]).

use base64::{Engine, prelude::BASE64_STANDARD};
use futures::future::BoxFuture;
use sqlx::AnyConnection;

use super::{
    dialect, drives::DRIVE_STEPS, permission_migration::PERMISSION_STEPS,
    search_index::SEARCH_STEPS, snapshots::SNAPSHOT_STEPS, versions::VERSION_STEPS,
};

/// One step of a migration.
pub(super) enum MigrationStep {
    /// SQL statements, in this order.
    Sql(&'static [&'static str]),
    /// A change of rows that SQL cannot express.
    Code(for<'c> fn(&'c mut AnyConnection) -> BoxFuture<'c, sqlx::Result<()>>),
}

/// The steps of a migration, in groups.
type Migration = &'static [&'static [MigrationStep]];

/// The migrations. The one at index `n` turns version `n` into version `n + 1`; version 0 is an empty
/// database. A released migration is never changed: a change of the tables is a new migration at the
/// end. All missing migrations run in the transaction that opens the database, so a failed start
/// leaves the version as it was.
const MIGRATIONS: [Migration; 6] = [
    &[&[MigrationStep::Sql(&VERSION_1)]],
    &[&[MigrationStep::Sql(&VERSION_2)]],
    &[&[MigrationStep::Sql(&VERSION_3)]],
    &[&[
        MigrationStep::Sql(&VERSION_4_TABLES),
        MigrationStep::Code(|sql| Box::pin(decode_contents(sql))),
        MigrationStep::Code(|sql| Box::pin(decode_segments(sql))),
        MigrationStep::Sql(&VERSION_4_NAMES),
    ]],
    &[&[MigrationStep::Sql(&VERSION_5)]],
    &[PERMISSION_STEPS, VERSION_STEPS, SEARCH_STEPS, SNAPSHOT_STEPS, DRIVE_STEPS],
];

/// The version of the tables that this code reads and writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The table with the version of the others. It has one row.
const SERVER: &str =
    "CREATE TABLE IF NOT EXISTS server (version BIGINT NOT NULL, run BIGINT NOT NULL)";

/// `item.state` as in [`ItemState`](super::super::State): 0 live, 1 trashed, 2 hidden, 3 purged.
/// `item.kind`: 0 folder, 1 file, 2 notebook. `item.parent` is the primary folder, also of a purged
/// item. `item.rank` is larger than the rank of every folder of the item: live items in this order have
/// parents before children. Ranks are feed numbers.
///
/// `edge.live` is 0 while its item is trashed. It does not depend on the folder's state: items below a
/// trashed folder keep their live edges, and `item.state` hides them.
const VERSION_1: [&str; 12] = [
    "CREATE TABLE drive (
        no BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, cid TEXT NOT NULL,
        quota BIGINT NOT NULL, feed BIGINT NOT NULL, next_item BIGINT NOT NULL,
        created BIGINT NOT NULL)",
    "CREATE TABLE item (
        drive BIGINT NOT NULL, no BIGINT NOT NULL, name TEXT NOT NULL, parent BIGINT,
        kind SMALLINT NOT NULL, state SMALLINT NOT NULL, content BIGINT,
        size BIGINT NOT NULL, children BIGINT NOT NULL,
        media_type TEXT, description TEXT,
        created BIGINT NOT NULL, modified BIGINT NOT NULL,
        client_created BIGINT NOT NULL, client_modified BIGINT NOT NULL,
        version BIGINT NOT NULL, content_version BIGINT NOT NULL,
        feed BIGINT NOT NULL, rank BIGINT NOT NULL,
        owner TEXT, facets TEXT,
        PRIMARY KEY (drive, no))",
    "CREATE INDEX item_feed ON item (drive, feed)",
    "CREATE INDEX item_rank ON item (drive, rank) WHERE state = 0",
    "CREATE INDEX item_trashed ON item (drive, feed) WHERE state = 1",
    "CREATE TABLE edge (
        drive BIGINT NOT NULL, item BIGINT NOT NULL, parent BIGINT NOT NULL,
        folded TEXT NOT NULL, live SMALLINT NOT NULL,
        PRIMARY KEY (drive, item, parent))",
    "CREATE UNIQUE INDEX edge_name ON edge (drive, parent, folded) WHERE live = 1",
    // `data` is last: the columns before it are read without it.
    "CREATE TABLE content (
        no BIGINT PRIMARY KEY, refs BIGINT NOT NULL, size BIGINT NOT NULL, hashes TEXT NOT NULL,
        data TEXT)",
    // Media facts as JSON; most contents have none.
    "CREATE TABLE media (content BIGINT PRIMARY KEY, facts TEXT NOT NULL)",
    "CREATE TABLE segment (
        content BIGINT NOT NULL, start BIGINT NOT NULL, length BIGINT NOT NULL,
        blob BIGINT NOT NULL UNIQUE,
        PRIMARY KEY (content, start))",
    "CREATE TABLE session (
        id TEXT PRIMARY KEY, drive BIGINT NOT NULL, parent BIGINT NOT NULL, name TEXT NOT NULL,
        total BIGINT, received BIGINT NOT NULL, on_conflict SMALLINT NOT NULL,
        expires BIGINT NOT NULL, state TEXT NOT NULL, content BIGINT NOT NULL)",
    "CREATE INDEX session_expires ON session (expires)",
];

/// Checksums, and a name for the folder.
///
/// `segment.checks` has the checksum of each block of its blob, 8 hexadecimal digits
/// of CRC-32; it is NULL for a segment of version 1.
/// `server.folder` is the random id that the marker beside the blobs has too: it shows whether the
/// blobs belong to the database.
const VERSION_2: [&str; 2] =
    ["ALTER TABLE segment ADD COLUMN checks TEXT", "ALTER TABLE server ADD COLUMN folder TEXT"];

/// Names that are compared by the kind of the account, and moves.
///
/// `drive.folding` is the folding of `edge.folded`; 0 is that of version 2. A drive whose account needs
/// another folding is folded again when the tree is opened, in the transaction of the migration.
/// `edge.twin` is 0, or the item's key if another item of the folder has the name too. `moved` has the
/// items that left a folder's tree (`arrived` 0) or entered it, with the time `at`.
const VERSION_3: [&str; 7] = [
    "ALTER TABLE drive ADD COLUMN folding SMALLINT NOT NULL DEFAULT 0",
    "ALTER TABLE edge ADD COLUMN twin BIGINT NOT NULL DEFAULT 0",
    "DROP INDEX edge_name",
    "CREATE UNIQUE INDEX edge_name ON edge (drive, parent, folded, twin) WHERE live = 1",
    "CREATE INDEX edge_twin ON edge (drive, parent, folded) WHERE twin <> 0",
    "CREATE TABLE moved (
        drive BIGINT NOT NULL, folder BIGINT NOT NULL, feed BIGINT NOT NULL,
        item BIGINT NOT NULL, arrived SMALLINT NOT NULL, at BIGINT NOT NULL,
        PRIMARY KEY (drive, folder, feed, item, arrived))",
    "CREATE INDEX moved_at ON moved (at)",
];

/// Bytes as BYTEA: hashes and checksums were hexadecimal texts, small contents were base64. The
/// columns change their type, so the two tables are written again under another name.
///
/// `content.hashes` has MD5, SHA-1, SHA-256 and quickXorHash, one after the other.
/// `segment.checks` has 4 bytes of CRC-32, big endian, for each block of its blob.
const VERSION_4_TABLES: [&str; 2] = [
    // `data` is last: the columns before it are read without it.
    "CREATE TABLE content_4 (
        no BIGINT PRIMARY KEY, refs BIGINT NOT NULL, size BIGINT NOT NULL, hashes BYTEA NOT NULL,
        data BYTEA)",
    "CREATE TABLE segment_4 (
        content BIGINT NOT NULL, start BIGINT NOT NULL, length BIGINT NOT NULL,
        blob BIGINT NOT NULL UNIQUE, checks BYTEA,
        PRIMARY KEY (content, start))",
];

/// See [`VERSION_4_TABLES`].
const VERSION_4_NAMES: [&str; 4] = [
    "DROP TABLE content",
    "ALTER TABLE content_4 RENAME TO content",
    "DROP TABLE segment",
    "ALTER TABLE segment_4 RENAME TO segment",
];

/// Objects of accounts that are not items of a drive, such as contacts and calendars.
///
/// `account_object.no` orders the objects of a drive by their creation. `parent` is the id of the object
/// that contains this one, or another text to select by; it is empty if there is neither. `starts` and
/// `ends` are the times of an event. `fields` is a JSON object.
const VERSION_5: [&str; 2] = [
    // `data` is last: the columns before it are read without it.
    "CREATE TABLE account_object (
        drive BIGINT NOT NULL, kind SMALLINT NOT NULL, id TEXT NOT NULL, no BIGINT NOT NULL,
        parent TEXT NOT NULL, starts BIGINT, ends BIGINT,
        created BIGINT NOT NULL, modified BIGINT NOT NULL, fields TEXT NOT NULL, data BYTEA,
        PRIMARY KEY (drive, kind, id))",
    "CREATE INDEX account_object_id ON account_object (kind, id)",
];

/// Rows that a migration reads at a time.
const PAGE: i64 = 256;

/// The text that versions before 4 stored bytes as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Hex,
    Base64,
}

impl Encoding {
    /// Returns the bytes of a stored text. A text that cannot be decoded is damaged; its own bytes
    /// are returned, which no content has the hash of.
    pub(super) fn decode(self, text: String) -> Vec<u8> {
        let decoded = match self {
            Self::Hex => hex::decode(&text).ok(),
            Self::Base64 => BASE64_STANDARD.decode(&text).ok(),
        };
        decoded.unwrap_or_else(|| text.into_bytes())
    }
}

/// Copies the rows of `content` to `content_4`, with hashes and data as bytes.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
async fn decode_contents(sql: &mut AnyConnection) -> sqlx::Result<()> {
    let mut after = i64::MIN;
    loop {
        let page: Vec<(i64, i64, i64, String, Option<String>)> = sqlx::query_as(
            "SELECT no, refs, size, hashes, data FROM content WHERE no > $1 ORDER BY no LIMIT $2",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *sql)
        .await?;
        let Some((last, ..)) = page.last() else { return Ok(()) };
        after = *last;
        for (no, refs, size, hashes, data) in page {
            sqlx::query(
                "INSERT INTO content_4 (no, refs, size, hashes, data) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(no)
            .bind(refs)
            .bind(size)
            .bind(Encoding::Hex.decode(hashes))
            .bind(data.map(|data| Encoding::Base64.decode(data)))
            .execute(&mut *sql)
            .await?;
        }
    }
}

/// Copies the rows of `segment` to `segment_4`, with checksums as bytes.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
async fn decode_segments(sql: &mut AnyConnection) -> sqlx::Result<()> {
    let mut after = (i64::MIN, i64::MIN);
    loop {
        let page: Vec<(i64, i64, i64, i64, Option<String>)> = sqlx::query_as(
            "SELECT content, start, length, blob, checks FROM segment \
             WHERE (content, start) > ($1, $2) ORDER BY content, start LIMIT $3",
        )
        .bind(after.0)
        .bind(after.1)
        .bind(PAGE)
        .fetch_all(&mut *sql)
        .await?;
        let Some((content, start, ..)) = page.last() else { return Ok(()) };
        after = (*content, *start);
        for (content, start, length, blob, checks) in page {
            sqlx::query(
                "INSERT INTO segment_4 (content, start, length, blob, checks) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(content)
            .bind(start)
            .bind(length)
            .bind(blob)
            .bind(checks.map(|checks| Encoding::Hex.decode(checks)))
            .execute(&mut *sql)
            .await?;
        }
    }
}

/// The items that a write changes, parents before children: a folder and everything below it. `kept` is
/// 1 for items that are in another live folder too, which the write does not change.
const SUBTREE: &str = "CREATE TEMPORARY TABLE IF NOT EXISTS subtree (
    item BIGINT PRIMARY KEY, seq BIGINT NOT NULL, kept SMALLINT NOT NULL)";

/// The facts about the blobs that [`prepare`] needs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Begin {
    /// Whether there are blobs, and so must be a database.
    pub(super) used: bool,
    /// The last run in the marker beside the blobs. The new run is after it.
    pub(super) at_least: i64,
}

/// A run that began.
pub(super) struct Begun {
    /// Its number: larger than that of every run before.
    pub(super) run: i64,
    /// The last run before it in the database.
    pub(super) before: i64,
    /// The id of the blobs in the database; `None` if it has none yet.
    pub(super) folder: Option<String>,
}

/// The outcome of [`prepare`].
pub(super) enum Prepared {
    Run(Begun),
    /// The database has no tables, but there are blobs.
    Empty,
    /// The tables are of this later version.
    Newer {
        found: i64,
        known: i64,
    },
}

/// Brings the tables to the version of this code, and begins a run.
///
/// # Errors
/// `sqlx::Error` if a statement fails. The caller rolls the transaction back.
pub(super) async fn prepare(sql: &mut AnyConnection, begin: Begin) -> sqlx::Result<Prepared> {
    dialect::create(sql, SERVER).await?;
    sqlx::query(
        "INSERT INTO server (version, run) SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM server)",
    )
    .execute(&mut *sql)
    .await?;
    let found: i64 = sqlx::query_scalar("SELECT version FROM server").fetch_one(&mut *sql).await?;
    if found > VERSION {
        return Ok(Prepared::Newer { found, known: VERSION });
    }
    if found == 0 && begin.used {
        return Ok(Prepared::Empty);
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        migrate(sql, migration).await?;
    }
    if found < VERSION {
        let reached = sqlx::query("UPDATE server SET version = $1").bind(VERSION);
        reached.execute(&mut *sql).await?;
    }
    prepare_connection(sql).await?;
    let (before, folder): (i64, Option<String>) =
        sqlx::query_as("SELECT run, folder FROM server").fetch_one(&mut *sql).await?;
    let run = before.max(begin.at_least) + 1;
    sqlx::query("UPDATE server SET run = $1").bind(run).execute(&mut *sql).await?;
    Ok(Prepared::Run(Begun { run, before, folder }))
}

/// Creates the temporary table that writes need on their connection.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
pub(super) async fn prepare_connection(sql: &mut AnyConnection) -> sqlx::Result<()> {
    sqlx::query(SUBTREE).execute(sql).await.map(drop)
}

/// Runs the steps of a migration in their order.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
async fn migrate(sql: &mut AnyConnection, migration: Migration) -> sqlx::Result<()> {
    // Not flattened: the compiler does not see that a future with that iterator is `Send`.
    let steps: Vec<_> = migration.iter().flat_map(|steps| steps.iter()).collect();
    for step in steps {
        match step {
            MigrationStep::Sql(statements) => {
                for statement in *statements {
                    dialect::create(sql, statement).await?;
                }
            }
            MigrationStep::Code(change) => change(&mut *sql).await?,
        }
    }
    Ok(())
}
