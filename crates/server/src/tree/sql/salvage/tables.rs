//! Copies the rows of a damaged database to the tables of a new one.
//!
//! A page does not name its table. The number and the types of its columns identify it: no two tables
//! have the same ones.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    io,
};

use sqlx::{Any, AnyConnection, AssertSqlSafe, SqlSafeStr, query::Query};

use super::{
    super::schema::Encoding,
    pages::{ColumnValue, Pages, Row},
};

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Int,
    Text,
    MaybeInt,
    MaybeText,
    /// Bytes; a text in rows that an earlier version of the tables wrote.
    Bytes(Encoding),
    MaybeBytes(Encoding),
}
use Type::{Bytes, Int, MaybeBytes, MaybeInt, MaybeText, Text};

impl Type {
    /// Returns whether a column of the type can have the value.
    fn fits(self, value: &ColumnValue) -> bool {
        match value {
            ColumnValue::Null => matches!(self, MaybeInt | MaybeText | MaybeBytes(_)),
            ColumnValue::Int(_) => matches!(self, Int | MaybeInt),
            ColumnValue::Text(_) => !matches!(self, Int | MaybeInt),
            ColumnValue::Bytes(_) => matches!(self, Bytes(_) | MaybeBytes(_)),
        }
    }
}

struct Table {
    name: &'static str,
    columns: &'static [(&'static str, Type)],
    /// The number of columns in the first version of the table. Rows of that version end there.
    first: usize,
    /// The column that decides between two rows with the same key: the larger value wins.
    newest: Option<&'static str>,
}

/// The tables, but for `server`: see [`Copied`].
const TABLES: [Table; 12] = [
    Table {
        name: "drive",
        columns: &[
            ("no", Int),
            ("name", Text),
            ("cid", Text),
            ("quota", Int),
            ("feed", Int),
            ("next_item", Int),
            ("created", Int),
            ("folding", Int),
            ("version_bytes", Int),
        ],
        first: 7,
        newest: Some("feed"),
    },
    Table {
        name: "item",
        columns: &[
            ("drive", Int),
            ("no", Int),
            ("name", Text),
            ("parent", MaybeInt),
            ("kind", Int),
            ("state", Int),
            ("content", MaybeInt),
            ("size", Int),
            ("children", Int),
            ("media_type", MaybeText),
            ("description", MaybeText),
            ("created", Int),
            ("modified", Int),
            ("client_created", Int),
            ("client_modified", Int),
            ("version", Int),
            ("content_version", Int),
            ("feed", Int),
            ("rank", Int),
            ("owner", MaybeText),
            ("facets", MaybeText),
            ("revision", Int),
        ],
        first: 21,
        newest: Some("feed"),
    },
    Table {
        name: "edge",
        columns: &[
            ("drive", Int),
            ("item", Int),
            ("parent", Int),
            ("folded", Text),
            ("live", Int),
            ("twin", Int),
        ],
        first: 5,
        newest: None,
    },
    Table {
        name: "content",
        columns: &[
            ("no", Int),
            ("refs", Int),
            ("size", Int),
            ("hashes", Bytes(Encoding::Hex)),
            ("data", MaybeBytes(Encoding::Base64)),
        ],
        first: 5,
        newest: None,
    },
    Table { name: "media", columns: &[("content", Int), ("facts", Text)], first: 2, newest: None },
    Table {
        name: "segment",
        columns: &[
            ("content", Int),
            ("start", Int),
            ("length", Int),
            ("blob", Int),
            ("checks", MaybeBytes(Encoding::Hex)),
        ],
        first: 4,
        newest: None,
    },
    Table {
        name: "session",
        columns: &[
            ("id", Text),
            ("drive", Int),
            ("parent", Int),
            ("name", Text),
            ("total", MaybeInt),
            ("received", Int),
            ("on_conflict", Int),
            ("expires", Int),
            ("state", Text),
            ("content", Int),
        ],
        first: 10,
        newest: None,
    },
    Table {
        name: "moved",
        columns: &[
            ("drive", Int),
            ("folder", Int),
            ("feed", Int),
            ("item", Int),
            ("arrived", Int),
            ("at", Int),
        ],
        first: 6,
        newest: None,
    },
    Table {
        name: "item_version",
        columns: &[
            ("drive", Int),
            ("item", Int),
            ("no", Int),
            ("content", Int),
            ("size", Int),
            ("client_modified", Int),
            ("owner", MaybeText),
            ("comment", MaybeText),
        ],
        first: 8,
        newest: None,
    },
    Table {
        name: "account_object",
        columns: &[
            ("drive", Int),
            ("kind", Int),
            ("id", Text),
            ("no", Int),
            ("parent", Text),
            ("starts", MaybeInt),
            ("ends", MaybeInt),
            ("created", Int),
            ("modified", Int),
            ("fields", Text),
            ("data", MaybeBytes(Encoding::Base64)),
        ],
        first: 11,
        newest: None,
    },
    Table {
        name: "permission",
        columns: &[
            ("drive", Int),
            ("item", Int),
            ("id", Text),
            ("no", Int),
            ("kind", Int),
            ("role", Int),
            ("grantees", Text),
            ("created", Int),
            ("expires", MaybeInt),
            ("details", Text),
        ],
        first: 10,
        newest: None,
    },
    Table {
        name: "grantee",
        columns: &[("grantee", Text), ("drive", Int), ("item", Int), ("permission", Text)],
        first: 4,
        newest: None,
    },
];

/// The columns of `server`: version, run and, since version 2, folder.
const SERVER: [Type; 3] = [Int, Int, MaybeText];

/// The columns of SQLite's table of tables.
const SCHEMA: [Type; 5] = [Text, Text, Text, Int, MaybeText];

/// The columns of the search index, which is filled again.
const NAME_WORD: [Type; 3] = [Int, Text, Int];

/// The result of a copy.
#[derive(Debug, Default)]
pub(super) struct Copied {
    pub(super) rows: u64,
    /// Rows that cannot be read, or belong to no table.
    pub(super) unreadable: u64,
    /// The last run of the server, if its row can be read.
    pub(super) run: Option<i64>,
    /// Texts that are index keys, by the numbers of their rows.
    pub(super) keys: HashMap<i64, Vec<String>>,
    /// Contents whose number is damaged, or occurs in two rows.
    pub(super) doubtful: Vec<i64>,
    /// The bytes of contents whose number another row has already.
    pub(super) surplus: Vec<(i64, Vec<u8>)>,
}

/// The keys of rows in indexes, to verify the rows.
#[derive(Debug, Default)]
struct Indexed {
    /// Keys that are numbers, by rows. An index does not name its table.
    keys: HashMap<i64, Vec<i64>>,
    contents: Vec<(i64, i64)>,
    /// The keys and rows of other tables that have such an index.
    others: HashSet<(i64, i64)>,
}

impl Indexed {
    /// Adds a row of a table.
    fn add(&mut self, table: &Table, row: &Row) {
        let key = match table.name {
            "drive" | "content" | "media" => 0,
            "session" => 7,
            "moved" => 5,
            "item_version" => 3,
            _ => return,
        };
        if let Some(ColumnValue::Int(key)) = row.values.get(key) {
            match table.name {
                "content" => self.contents.push((*key, row.number)),
                _ => {
                    self.others.insert((*key, row.number));
                }
            }
        }
    }

    /// Returns the contents whose row has another number in the index.
    fn misnumbered(&self) -> Vec<i64> {
        let is_misnumbered = |(no, row): &&(i64, i64)| {
            let keys = self.keys.get(row).into_iter().flatten();
            let mut keys = keys.filter(|key| !self.others.contains(&(**key, *row))).peekable();
            keys.peek().is_some() && keys.all(|key| key != no)
        };
        self.contents.iter().filter(is_misnumbered).map(|(no, _)| *no).collect()
    }
}

/// Copies every row that can be read.
///
/// # Errors
/// `sqlx::Error` if the damaged database cannot be read from the disk, or the new one cannot be
/// written.
pub(super) async fn copy(pages: &mut Pages, to: &mut AnyConnection) -> sqlx::Result<Copied> {
    let (mut copied, mut indexed) = (Copied::default(), Indexed::default());
    for number in 1..=pages.count() {
        let found = pages.rows(number).map_err(unreadable)?;
        copied.unreadable += found.unreadable;
        for (key, row) in pages.keys(number).map_err(unreadable)? {
            match key {
                ColumnValue::Text(key) => copied.keys.entry(row).or_default().push(key),
                ColumnValue::Int(key) => indexed.keys.entry(row).or_default().push(key),
                ColumnValue::Null | ColumnValue::Bytes(_) => {}
            }
        }
        for row in found.rows {
            let values = &row.values;
            if matches(&SERVER, 2, values) {
                if let ColumnValue::Int(run) = values[1] {
                    copied.run = copied.run.max(Some(run));
                }
            } else if let Some(table) = TABLES.iter().find(|table| table.has(values)) {
                indexed.add(table, &row);
                copied.insert(table, row.values, to).await?;
            } else if !matches(&SCHEMA, 5, values) && !matches(&NAME_WORD, 3, values) {
                copied.unreadable += 1;
            }
        }
    }
    copied.doubtful.extend(indexed.misnumbered());
    Ok(copied)
}

impl Copied {
    /// Inserts a row of a table, and counts it. A content whose number another row has is
    /// remembered as doubtful, and its bytes are kept.
    ///
    /// # Errors
    /// `sqlx::Error` if the new database cannot be written.
    async fn insert(
        &mut self,
        table: &Table,
        values: Vec<ColumnValue>,
        to: &mut AnyConnection,
    ) -> sqlx::Result<()> {
        let content = match (table.name, values.first(), values.last()) {
            ("content", Some(ColumnValue::Int(no)), data) => Some((*no, data.cloned())),
            _ => None,
        };
        let inserted = table.insert(values, to).await?;
        self.rows += inserted;
        // Either of the two rows may have the wrong number.
        if let (0, Some((no, data))) = (inserted, content) {
            self.doubtful.push(no);
            match data {
                Some(ColumnValue::Text(data)) => {
                    self.surplus.push((no, Encoding::Base64.decode(data)));
                }
                Some(ColumnValue::Bytes(data)) => self.surplus.push((no, data)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns the error of a damaged database that cannot be read from the disk.
fn unreadable(error: io::Error) -> sqlx::Error {
    sqlx::Error::Io(error)
}

/// Returns whether a row has these types. It may have only the `first` ones: an older version wrote
/// it then.
fn matches(types: &[Type], first: usize, row: &[ColumnValue]) -> bool {
    (first..=types.len()).contains(&row.len())
        && types.iter().zip(row).all(|(column, value)| column.fits(value))
}

impl Table {
    /// Returns whether the values of a row fit the table's columns.
    fn has(&self, row: &[ColumnValue]) -> bool {
        let types: Vec<_> = self.columns.iter().map(|(_, column)| *column).collect();
        matches(&types, self.first, row)
    }

    /// Inserts a row. If another row has its key, the newer one stays, or the other one if the
    /// table has no versions. Returns the number of inserted rows, 0 or 1.
    ///
    /// # Errors
    /// `sqlx::Error` if the database cannot be written.
    async fn insert(&self, row: Vec<ColumnValue>, to: &mut AnyConnection) -> sqlx::Result<u64> {
        let columns = &self.columns[..row.len()];
        let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
        let values: Vec<_> = (1..=names.len()).map(|n| format!("${n}")).collect();
        let mut text = format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT",
            self.name,
            names.join(", "),
            values.join(", ")
        );
        match self.newest {
            Some(newest) => {
                let key = if self.name == "item" { "drive, no" } else { "no" };
                let set: Vec<_> =
                    names.iter().map(|name| format!("{name} = excluded.{name}")).collect();
                let _ = write!(
                    text,
                    " ({key}) DO UPDATE SET {} WHERE excluded.{newest} > {}.{newest}",
                    set.join(", "),
                    self.name
                );
            }
            None => text.push_str(" DO NOTHING"),
        }
        let mut query = sqlx::query(AssertSqlSafe(text).into_sql_str());
        for ((_, column), value) in columns.iter().zip(row) {
            query = bind(query, *column, value);
        }
        match query.execute(to).await {
            Ok(done) => Ok(done.rows_affected()),
            // Another drive has the same name.
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// Binds a value to a statement as the type of its column. Texts in columns of bytes are decoded:
/// versions before 4 wrote them.
fn bind(
    query: Query<'_, Any, sqlx::any::AnyArguments>,
    column: Type,
    value: ColumnValue,
) -> Query<'_, Any, sqlx::any::AnyArguments> {
    match (column, value) {
        (_, ColumnValue::Int(number)) => query.bind(number),
        (Bytes(encoding) | MaybeBytes(encoding), ColumnValue::Text(text)) => {
            query.bind(encoding.decode(text))
        }
        (_, ColumnValue::Text(text)) => query.bind(text),
        (_, ColumnValue::Bytes(bytes)) => query.bind(bytes),
        (Bytes(_) | MaybeBytes(_), ColumnValue::Null) => query.bind(None::<Vec<u8>>),
        (Int | MaybeInt, ColumnValue::Null) => query.bind(None::<i64>),
        (Text | MaybeText, ColumnValue::Null) => query.bind(None::<String>),
    }
}
