//! The tables.
//!
//! One text for SQLite and PostgreSQL, through `sqlx::Any`: so columns are BIGINT, SMALLINT and
//! TEXT, flags 0 and 1, times microseconds since 1970, hashes hexadecimal, small contents base64.
//! Names are compared as bytes, which is as code points; a PostgreSQL database has to be made with
//! the collation `C`.

use sqlx::AnyConnection;

/// The form of the tables that this code reads and writes.
const VERSION: i64 = 1;

/// `item.state` as in [`State`](super::super::State): 0 live, 1 trashed, 2 hidden, 3 purged.
/// `item.kind`: 0 folder, 1 file, 2 notebook. `item.parent` is the primary folder, also of an item
/// that is gone. `item.rank` is larger than that of every folder it is in, so that the live items
/// of a drive in its order have parents before children; ranks are numbers of the feed.
///
/// `edge.live` is 0 while its item is in the recycle bin by itself. The folder's own state is not
/// in it: what is below something trashed keeps its live edges and is hidden by `item.state`.
const TABLES: [&str; 13] = [
    "CREATE TABLE IF NOT EXISTS server (version BIGINT NOT NULL, run BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS drive (
        no BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, cid TEXT NOT NULL,
        quota BIGINT NOT NULL, feed BIGINT NOT NULL, next_item BIGINT NOT NULL,
        created BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS item (
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
    "CREATE INDEX IF NOT EXISTS item_feed ON item (drive, feed)",
    "CREATE INDEX IF NOT EXISTS item_rank ON item (drive, rank) WHERE state = 0",
    "CREATE INDEX IF NOT EXISTS item_trashed ON item (drive, feed) WHERE state = 1",
    "CREATE TABLE IF NOT EXISTS edge (
        drive BIGINT NOT NULL, item BIGINT NOT NULL, parent BIGINT NOT NULL,
        folded TEXT NOT NULL, live SMALLINT NOT NULL,
        PRIMARY KEY (drive, item, parent))",
    "CREATE UNIQUE INDEX IF NOT EXISTS edge_name ON edge (drive, parent, folded) WHERE live = 1",
    // `data` last: what is before it is read without it.
    "CREATE TABLE IF NOT EXISTS content (
        no BIGINT PRIMARY KEY, refs BIGINT NOT NULL, size BIGINT NOT NULL, hashes TEXT NOT NULL,
        data TEXT)",
    // What a content says of itself, as JSON; most say nothing.
    "CREATE TABLE IF NOT EXISTS media (content BIGINT PRIMARY KEY, facts TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS segment (
        content BIGINT NOT NULL, start BIGINT NOT NULL, length BIGINT NOT NULL,
        blob BIGINT NOT NULL UNIQUE,
        PRIMARY KEY (content, start))",
    "CREATE TABLE IF NOT EXISTS session (
        id TEXT PRIMARY KEY, drive BIGINT NOT NULL, parent BIGINT NOT NULL, name TEXT NOT NULL,
        total BIGINT, received BIGINT NOT NULL, on_conflict SMALLINT NOT NULL,
        expires BIGINT NOT NULL, state TEXT NOT NULL, content BIGINT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS session_expires ON session (expires)",
];

/// Items that one write is about, parents before children, where there may be many: a folder and
/// what is below it. `kept`: it has another live folder, which the write leaves alone.
const SUBTREE: &str = "CREATE TEMPORARY TABLE IF NOT EXISTS subtree (
    item BIGINT PRIMARY KEY, seq BIGINT NOT NULL, kept SMALLINT NOT NULL)";

/// What became of [`prepare`].
pub(super) enum Prepared {
    /// The number of this run: one more than of the run before.
    Run(i64),
    /// The tables are of this later version.
    Newer { found: i64, known: i64 },
}

/// Makes the tables where there are none, and begins a run.
pub(super) async fn prepare(sql: &mut AnyConnection) -> sqlx::Result<Prepared> {
    for table in TABLES {
        sqlx::query(table).execute(&mut *sql).await?;
    }
    sqlx::query(SUBTREE).execute(&mut *sql).await?;
    sqlx::query(
        "INSERT INTO server (version, run) SELECT $1, 0 WHERE NOT EXISTS (SELECT 1 FROM server)",
    )
    .bind(VERSION)
    .execute(&mut *sql)
    .await?;
    let version: i64 =
        sqlx::query_scalar("SELECT version FROM server").fetch_one(&mut *sql).await?;
    if version > VERSION {
        return Ok(Prepared::Newer { found: version, known: VERSION });
    }
    let run = sqlx::query_scalar("UPDATE server SET run = run + 1 RETURNING run");
    Ok(Prepared::Run(run.fetch_one(sql).await?))
}
