//! The search index: the words of all items' names.
//!
//! Its words are those of [`words`](super::super::words), in the same form for all drives. Items in
//! the recycle bin stay in the index; a search leaves them out.

use std::fmt::Write as _;

use sqlx::{AnyConnection, AssertSqlSafe, SqlSafeStr};

use super::{
    super::{DriveKey, ItemKey, ItemSearch, Node, Result, words},
    row::{select_nodes, signed},
    schema::MigrationStep,
    writer::Tx,
};

/// The table of words, filled with the names of all items.
pub(super) const SEARCH_STEPS: &[MigrationStep] = &[
    MigrationStep::Sql(&[
        "CREATE TABLE name_word (
            drive BIGINT NOT NULL, word TEXT NOT NULL, item BIGINT NOT NULL,
            PRIMARY KEY (drive, word, item))",
        "CREATE INDEX name_word_item ON name_word (drive, item, word)",
    ]),
    MigrationStep::Code(|sql| Box::pin(fill(sql))),
];

/// Words that one statement inserts.
const GROUP: usize = 8;

/// Items that are read at a time to fill the index.
const PAGE: i64 = 1024;

/// The character after all others, which no word contains: the end of the range of a prefix.
const LAST: char = '\u{10FFFF}';

/// A page of a search. An item is found by the first of its words that begin with the prefix.
const SEARCH: &str = select_nodes!(
    "name_word t CROSS JOIN item i",
    "WHERE t.drive = $1 AND t.word < $3 AND (t.word, t.item) > ($4, $5) \
     AND i.drive = t.drive AND i.no = t.item AND i.state = 0 AND i.modified <= $6 \
     AND NOT EXISTS (SELECT 1 FROM name_word o WHERE o.drive = t.drive AND o.item = t.item \
     AND o.word >= $2 AND o.word < t.word) \
     ORDER BY t.word, t.item LIMIT $7"
);

/// Returns items that have the leading word of a search, after its position and at most its limit.
/// They may lack the other words.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn candidates(sql: &mut AnyConnection, search: &ItemSearch) -> Result<Vec<Node>> {
    let first = search.leading_word().to_owned();
    let end = format!("{first}{LAST}");
    let (word, item) = match &search.after {
        Some(position) if position.word >= first => (position.word.clone(), position.item),
        // Before the first item with the word itself. SQLite uses only one lower bound.
        _ => (first.clone(), ItemKey(0)),
    };
    let query = sqlx::query_as(SEARCH).bind(search.drive).bind(first).bind(end);
    let query = query.bind(word).bind(item).bind(search.until.unwrap_or(i64::MAX));
    Ok(query.bind(signed(search.limit)).fetch_all(sql).await?)
}

/// Adds the words of an item's name.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
pub(super) async fn add(
    sql: &mut AnyConnection,
    drive: DriveKey,
    item: ItemKey,
    name: &str,
) -> sqlx::Result<()> {
    let words = words(name);
    for group in words.chunks(GROUP) {
        let mut text = String::from("INSERT INTO name_word (drive, word, item) VALUES ");
        for n in 0..group.len() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}($1, ${}, $2)", if n == 0 { "" } else { ", " }, n + 3);
        }
        let mut query = sqlx::query(AssertSqlSafe(text).into_sql_str()).bind(drive).bind(item);
        for word in group {
            query = query.bind(word.clone());
        }
        query.execute(&mut *sql).await?;
    }
    Ok(())
}

/// Replaces the words of an item whose name has changed.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn replace(tx: &mut Tx, drive: DriveKey, item: ItemKey, name: &str) -> Result<()> {
    sqlx::query("DELETE FROM name_word WHERE drive = $1 AND item = $2")
        .bind(drive)
        .bind(item)
        .execute(tx.sql())
        .await?;
    Ok(add(tx.sql(), drive, item, name).await?)
}

/// Removes the words of all items in `subtree` that are not kept.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn remove_gathered(tx: &mut Tx, drive: DriveKey) -> Result<()> {
    sqlx::query(
        "DELETE FROM name_word WHERE drive = $1 \
         AND item IN (SELECT item FROM subtree WHERE kept = 0)",
    )
    .bind(drive)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Copies the words of all items in `subtree` but the first to the items of the drive `to` with the
/// keys `base` plus their numbers.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn copy_gathered(
    tx: &mut Tx,
    drive: DriveKey,
    to: DriveKey,
    base: i64,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO name_word (drive, word, item) SELECT $2, w.word, $3 + s.seq \
         FROM subtree s CROSS JOIN name_word w \
         WHERE s.seq > 1 AND w.drive = $1 AND w.item = s.item",
    )
    .bind(drive)
    .bind(to)
    .bind(base)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Fills the index with the names of all items, in place of its former rows.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
pub(super) async fn fill(sql: &mut AnyConnection) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM name_word").execute(&mut *sql).await?;
    let mut after = (DriveKey(i64::MIN), ItemKey(i64::MIN));
    loop {
        let page: Vec<(DriveKey, ItemKey, String)> = sqlx::query_as(
            "SELECT drive, no, name FROM item WHERE (drive, no) > ($1, $2) AND state <> 3 \
             ORDER BY drive, no LIMIT $3",
        )
        .bind(after.0)
        .bind(after.1)
        .bind(PAGE)
        .fetch_all(&mut *sql)
        .await?;
        let Some((drive, item, _)) = page.last() else { return Ok(()) };
        after = (*drive, *item);
        for (drive, item, name) in page {
            add(sql, drive, item, &name).await?;
        }
    }
}
