//! The file of an index: an SQLite database with the items below a folder, and the position in the
//! change feed that they belong to.
//!
//! Items and position change in one transaction, so that a process that is killed leaves a state
//! that belongs to one position. Items that are not below the folder are removed in the same
//! transaction.

use std::path::Path;

use drivedal::drive::{HashKind, Item, ItemId, ItemKind};
use drivedal_transfer::{ContentDigest, EntryType, TreeEntry};
use futures::TryStreamExt;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::{
    Connection, Row, Sqlite, SqliteConnection, Transaction,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use crate::sync::drive_features::algorithm;

/// The version of the tables and of their contents. A file of another version is not read.
const VERSION: i64 = 1;

/// The tables. A link is an item's name in a folder. `contents` of a folder is one of
/// [`Contents`].
const SCHEMA: &str = "
    CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE item (
        id TEXT PRIMARY KEY, kind INTEGER NOT NULL, contents INTEGER NOT NULL, size INTEGER,
        modified TEXT, etag TEXT, hashes TEXT NOT NULL,
        rewritten INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TABLE link (
        parent TEXT NOT NULL, name TEXT NOT NULL, folded TEXT NOT NULL, child TEXT NOT NULL,
        PRIMARY KEY (parent, name, child)
    ) WITHOUT ROWID;
    CREATE INDEX link_child ON link (child);
    CREATE INDEX unlisted ON item (contents) WHERE contents = 0;";

/// The kinds of items, as stored.
const FILE: i64 = 0;
const FOLDER: i64 = 1;
/// An item that only a listing of the service treats correctly: it is neither a file nor a folder,
/// or no path can lead to it.
const IRREGULAR: i64 = 2;

/// The knowledge about the contents of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// They are unknown, and must be listed.
    Unknown = 0,
    /// The index has all of them.
    Complete = 1,
    /// The change feed does not cover them: they are in another drive.
    Elsewhere = 2,
}

/// An item to be stored.
#[derive(Debug, Serialize)]
pub(super) struct StoredItem {
    id: String,
    name: String,
    folded: String,
    parents: Vec<String>,
    kind: i64,
    contents: i64,
    size: Option<u64>,
    modified: Option<String>,
    etag: Option<String>,
    /// Pairs of a hash's name and its hexadecimal digits.
    hashes: String,
    /// Whether the cloud may have changed the content of the file (0 or 1).
    rewritten: i64,
}

impl StoredItem {
    /// Returns the stored form of an item in these folders. `name` is that in paths, `folded` that in
    /// the cloud's canonical form. `contents` is that of a folder.
    pub(super) fn new(
        item: &Item,
        name: &str,
        folded: String,
        parents: &[ItemId],
        contents: Contents,
    ) -> Self {
        let is_path_name = !matches!(name, "" | "." | "..")
            && !name.contains(['/', '\0'])
            && !item.id.as_str().is_empty();
        let kind = match item.kind {
            ItemKind::File if is_path_name => FILE,
            ItemKind::Folder if is_path_name => FOLDER,
            _ => IRREGULAR,
        };
        let is_folder = item.kind == ItemKind::Folder;
        let hashes: Vec<_> = item
            .hashes
            .iter()
            .map(|(kind, bytes)| (hash_name(*kind), hex::encode(bytes)))
            .collect();
        Self {
            id: item.id.to_string(),
            name: name.replace('\0', "/"),
            folded,
            parents: parents.iter().map(ItemId::to_string).collect(),
            kind,
            contents: if is_folder { contents } else { Contents::Complete } as i64,
            size: item.size.filter(|_| item.kind == ItemKind::File),
            modified: item.modified.map(|time| time.to_string()),
            etag: item.etag.clone(),
            hashes: serde_json::to_string(&hashes).unwrap_or_default(),
            rewritten: 0,
        }
    }

    /// Sets whether the cloud may have changed the content of the file.
    pub(super) fn with_rewritten(self, is_rewritten: bool) -> Self {
        Self { rewritten: is_rewritten.into(), ..self }
    }
}

/// The name of a hash in the file.
fn hash_name(kind: HashKind) -> &'static str {
    match kind {
        HashKind::QuickXor => "quickxor",
        HashKind::Md5 => "md5",
        HashKind::Sha1 => "sha1",
        HashKind::Sha256 => "sha256",
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct IndexStore(SqliteConnection);

impl IndexStore {
    /// Opens a file, which must exist and may be empty. `None` if it is of another version.
    ///
    /// # Errors
    /// The database's error, for example if the file is damaged.
    pub(super) async fn open(path: &Path) -> sqlx::Result<Option<Self>> {
        let options = SqliteConnectOptions::new().filename(path);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let version: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await?;
        match version {
            0 => {
                let mut change = connection.begin().await?;
                sqlx::raw_sql(SCHEMA).execute(&mut *change).await?;
                sqlx::raw_sql("PRAGMA user_version = 1").execute(&mut *change).await?;
                change.commit().await?;
            }
            VERSION => {}
            _ => return Ok(None),
        }
        Ok(Some(Self(connection)))
    }

    /// Returns a value of the state. `None` if it was not set.
    ///
    /// # Errors
    /// The database's error.
    pub(super) async fn state(&mut self, key: &str) -> sqlx::Result<Option<String>> {
        let query = sqlx::query_scalar("SELECT value FROM state WHERE key = ?").bind(key);
        query.fetch_optional(&mut self.0).await
    }

    /// Returns whether the file has an item with one of these ids.
    ///
    /// # Errors
    /// The database's error.
    pub(super) async fn has_any(&mut self, ids: &[String]) -> sqlx::Result<bool> {
        let query = "SELECT 1 FROM item WHERE id IN (SELECT value FROM json_each(?)) LIMIT 1";
        let query = sqlx::query(query).bind(to_json(ids)?);
        Ok(query.fetch_optional(&mut self.0).await?.is_some())
    }

    /// Begins a change of the file. It is undone if the returned value is dropped.
    ///
    /// # Errors
    /// The database's error.
    pub(super) async fn begin(&mut self) -> sqlx::Result<IndexChange<'_>> {
        Ok(IndexChange(self.0.begin().await?))
    }

    /// Passes the entries of the folder `path` below the folder `root` to `add`. Returns `false`,
    /// and has passed none, if the index does not have all of them, or if only a listing of the
    /// service decides which of them are shown.
    ///
    /// # Errors
    /// The database's error. The inner error is that of `add`.
    pub(super) async fn list(
        &mut self,
        root: &str,
        path: &str,
        add: &mut (dyn FnMut(TreeEntry) -> std::io::Result<()> + Send),
    ) -> sqlx::Result<std::io::Result<bool>> {
        let Some(folder) = self.complete_folder(root, path).await? else { return Ok(Ok(false)) };
        let irregular = "SELECT 1 FROM link JOIN item ON child = id WHERE parent = ?1 AND kind = ?2
             UNION ALL SELECT 1 FROM link WHERE parent = ?1 GROUP BY folded HAVING count(*) > 1
             LIMIT 1";
        let irregular = sqlx::query(irregular).bind(&folder).bind(IRREGULAR);
        if irregular.fetch_optional(&mut self.0).await?.is_some() {
            return Ok(Ok(false));
        }
        let query = "SELECT name, kind, size, modified, etag, hashes, rewritten
             FROM link JOIN item ON child = id WHERE parent = ?";
        let mut rows = sqlx::query(query).bind(&folder).fetch(&mut self.0);
        while let Some(row) = rows.try_next().await? {
            if let Err(error) = add(to_entry(&row)?) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(true))
    }

    /// Returns the id of the folder `path` below the folder `root`. `None` if the index does not
    /// have all of its contents.
    ///
    /// # Errors
    /// The database's error.
    async fn complete_folder(&mut self, root: &str, path: &str) -> sqlx::Result<Option<String>> {
        let mut folder = root.to_owned();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let query = "SELECT id FROM link JOIN item ON child = id
                 WHERE parent = ? AND name = ? AND kind = ?";
            let query = sqlx::query_scalar(query).bind(&folder).bind(name).bind(FOLDER);
            let mut found: Vec<String> = query.fetch_all(&mut self.0).await?;
            match (found.pop(), found.pop()) {
                (Some(only), None) => folder = only,
                _ => return Ok(None),
            }
        }
        let query = sqlx::query_scalar("SELECT contents FROM item WHERE id = ?").bind(&folder);
        let contents: Option<i64> = query.fetch_optional(&mut self.0).await?;
        Ok((contents == Some(Contents::Complete as i64)).then_some(folder))
    }
}

/// Returns the entry of a row of [`IndexStore::list`].
///
/// # Errors
/// `ColumnDecode` for a value that this version does not write.
fn to_entry(row: &SqliteRow) -> sqlx::Result<TreeEntry> {
    let invalid = |index: &str, error: Box<dyn std::error::Error + Send + Sync>| {
        sqlx::Error::ColumnDecode { index: index.to_owned(), source: error }
    };
    let name: String = row.try_get("name")?;
    if row.try_get::<i64, _>("kind")? == FOLDER {
        return Ok(TreeEntry::new(name, EntryType::Folder));
    }
    let mut entry = TreeEntry::new(name, EntryType::File);
    let size = row.try_get::<Option<i64>, _>("size")?.map(u64::try_from).transpose();
    entry.size = size.map_err(|error| invalid("size", error.into()))?;
    let modified: Option<String> = row.try_get("modified")?;
    let modified = modified.map(|time| time.parse::<Timestamp>()).transpose();
    entry.modified = modified.map_err(|error| invalid("modified", error.into()))?;
    entry.etag = row.try_get("etag")?;
    entry.is_rewritten = row.try_get::<i64, _>("rewritten")? != 0;
    let hashes: String = row.try_get("hashes")?;
    let hashes: Vec<(String, String)> =
        serde_json::from_str(&hashes).map_err(|error| invalid("hashes", error.into()))?;
    for (name, digits) in hashes {
        let kinds = [HashKind::QuickXor, HashKind::Md5, HashKind::Sha1, HashKind::Sha256];
        let kind = kinds.into_iter().find(|kind| hash_name(*kind) == name);
        let bytes = hex::decode(digits).map_err(|error| invalid("hashes", error.into()))?;
        let kind = kind.ok_or_else(|| invalid("hashes", name.into()))?;
        entry.digests.push(ContentDigest::new(algorithm(kind), bytes));
    }
    Ok(entry)
}

/// A change of the file that is not committed yet.
pub(super) struct IndexChange<'s>(Transaction<'s, Sqlite>);

impl IndexChange<'_> {
    /// Removes all items, and adds the folder with the id `root`, whose contents are unknown.
    ///
    /// # Errors
    /// The database's error.
    pub(super) async fn reset(&mut self, root: &str) -> sqlx::Result<()> {
        sqlx::raw_sql("DELETE FROM link; DELETE FROM item; DELETE FROM state")
            .execute(&mut *self.0)
            .await?;
        let query = "INSERT INTO item (id, kind, contents, hashes) VALUES (?, ?, ?, '[]')";
        let query = sqlx::query(query).bind(root).bind(FOLDER).bind(Contents::Unknown as i64);
        query.execute(&mut *self.0).await?;
        self.set_state("root", root).await
    }

    /// Sets a value of the state.
    ///
    /// # Errors
    /// The database's error.
    pub(super) async fn set_state(&mut self, key: &str, value: &str) -> sqlx::Result<()> {
        let query = "INSERT INTO state (key, value) VALUES (?, ?)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        sqlx::query(query).bind(key).bind(value).execute(&mut *self.0).await?;
        Ok(())
    }

    /// Removes the items with these ids from their folders.
    ///
    /// # Errors
    /// The database's error.
    pub(super) async fn unlink(&mut self, ids: &[String]) -> sqlx::Result<()> {
        let query = "DELETE FROM link WHERE child IN (SELECT value FROM json_each(?))";
        sqlx::query(query).bind(to_json(ids)?).execute(&mut *self.0).await?;
        Ok(())
    }

    /// Adds items to their folders, or replaces their properties. Of a folder that the index has,
    /// the knowledge about its contents stays.
    ///
    /// # Errors
    /// The database's error.
    pub(super) async fn put(&mut self, items: &[StoredItem]) -> sqlx::Result<()> {
        let rows = to_json(items)?;
        let query = "INSERT INTO item (id, kind, contents, size, modified, etag, hashes, rewritten)
             SELECT value ->> 'id', value ->> 'kind', value ->> 'contents', value ->> 'size',
                 value ->> 'modified', value ->> 'etag', value ->> 'hashes', value ->> 'rewritten'
             FROM json_each(?) WHERE true
             ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, size = excluded.size,
                 modified = excluded.modified, etag = excluded.etag, hashes = excluded.hashes,
                 rewritten = excluded.rewritten";
        sqlx::query(query).bind(&rows).execute(&mut *self.0).await?;
        let query = "INSERT OR IGNORE INTO link (parent, name, folded, child)
             SELECT parent.value, item.value ->> 'name', item.value ->> 'folded', item.value ->> 'id'
             FROM json_each(?) item, json_each(item.value, '$.parents') parent";
        sqlx::query(query).bind(&rows).execute(&mut *self.0).await?;
        Ok(())
    }

    /// Sets the knowledge about the contents of a folder.
    ///
    /// # Errors
    /// The database's error.
    pub(super) async fn set_contents(
        &mut self,
        folder: &str,
        contents: Contents,
    ) -> sqlx::Result<()> {
        let query = sqlx::query("UPDATE item SET contents = ? WHERE id = ?");
        query.bind(contents as i64).bind(folder).execute(&mut *self.0).await?;
        Ok(())
    }

    /// Returns up to `max` folders whose contents are unknown.
    ///
    /// # Errors
    /// The database's error.
    pub(super) async fn unlisted(&mut self, max: u32) -> sqlx::Result<Vec<String>> {
        let query = sqlx::query_scalar("SELECT id FROM item WHERE contents = 0 LIMIT ?").bind(max);
        query.fetch_all(&mut *self.0).await
    }

    /// Removes the items that are not below the folder `root`.
    ///
    /// # Errors
    /// The database's error.
    pub(super) async fn prune(&mut self, root: &str) -> sqlx::Result<()> {
        let query = "DELETE FROM item WHERE id NOT IN (
             WITH RECURSIVE reached (id) AS (
                 VALUES (?) UNION SELECT child FROM link JOIN reached ON parent = reached.id
             ) SELECT id FROM reached)";
        sqlx::query(query).bind(root).execute(&mut *self.0).await?;
        let query = "DELETE FROM link WHERE parent NOT IN (SELECT id FROM item)";
        sqlx::raw_sql(query).execute(&mut *self.0).await?;
        Ok(())
    }

    /// Makes the change permanent.
    ///
    /// # Errors
    /// The database's error. The file is then unchanged.
    pub(super) async fn commit(self) -> sqlx::Result<()> {
        self.0.commit().await
    }
}

/// Returns rows for `json_each`.
///
/// # Errors
/// `Encode`, which texts and numbers never cause.
fn to_json<T: Serialize>(rows: &[T]) -> sqlx::Result<String> {
    serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))
}
