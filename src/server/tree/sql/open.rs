//! Opening a tree: its folder, locked; its tables; what a crash left, removed.

use std::{
    fmt::Write as _,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use futures::TryStreamExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, SqlSafeStr, SqlStr};
use tokio::task::JoinSet;

use super::{
    super::Result,
    SqlTree,
    db::{Db, connect},
    file::DbFile,
    reserve::Reserve,
    schema::{Prepared, prepare},
    session,
    veil::Veil,
    writer::BEGIN,
};
use crate::server::blobs::{Blobs, Numbers};

/// What a drive may hold if nothing else is said, in bytes: 1 TiB, what a OneDrive of a paying
/// subscriber has.
pub const DEFAULT_QUOTA: u64 = 1 << 40;

/// Blobs that are looked up at a time when orphans are looked for.
const LOT: usize = 64;

/// Where a tree is kept, and how.
#[derive(Clone, Debug)]
pub struct TreeOptions {
    folder: Option<PathBuf>,
    quota: u64,
}

impl TreeOptions {
    /// A tree in a folder, which is made if there is none. One process at a time may have it open.
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), quota: DEFAULT_QUOTA }
    }

    /// A tree in memory, which is gone when it is dropped.
    pub fn ephemeral() -> Self {
        Self { folder: None, quota: DEFAULT_QUOTA }
    }

    /// What a new drive may hold, in bytes; [`DEFAULT_QUOTA`] if nothing is said.
    pub fn quota(mut self, quota: u64) -> Self {
        self.quota = quota;
        self
    }
}

/// Why a tree could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by {owner}", folder.display())]
    InUse {
        /// The tree's folder.
        folder: PathBuf,
        /// Who has it, as far as is known.
        owner: String,
    },
    /// A file of it could not be made or used.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// It was written by a later version of this program.
    #[error("the tree has version {found}, this program knows versions up to {known}")]
    Newer {
        /// The version found.
        found: i64,
        /// The last one that this program knows.
        known: i64,
    },
    /// The database failed.
    #[error("the database {place}: {source}")]
    Database {
        /// Its file, or where else it is.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// Where the bytes are to be kept failed.
    #[error("blobs: {0}")]
    Blobs(#[from] opendal::Error),
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::File { what, path: path.to_owned(), source }
}

/// The files of a tree's folder.
struct Files {
    database: PathBuf,
    blobs: PathBuf,
    /// Locked while a process has the tree.
    lock: PathBuf,
    /// Says which process that is; a file of its own, because a locked one may not be readable.
    owner: PathBuf,
    /// Takes room that is kept back.
    reserve: PathBuf,
}

impl SqlTree {
    /// Opens a tree. Needs a Tokio runtime, and works in it until it is closed or dropped.
    ///
    /// What a crash left (bytes that no item names, upload sessions that have expired) is removed
    /// in the background.
    ///
    /// # Errors
    /// [`OpenError::InUse`] if another process has the folder.
    pub async fn open(options: TreeOptions) -> Result<Self, OpenError> {
        let Some(folder) = options.folder else {
            let (connection, run) = begin_run("sqlite::memory:?cache=private", None).await?;
            let blobs = Blobs::memory(Arc::new(Numbers::new(run)))?;
            let db = Db::in_memory(connection, blobs.clone());
            return Ok(Self::on(Arc::new(db), blobs, Reserve::none(), options.quota));
        };
        fs::create_dir_all(&folder).map_err(failed("cannot make the folder", &folder))?;
        let folder = folder.canonicalize().map_err(failed("cannot find the folder", &folder))?;
        let files = Files {
            database: folder.join("tree.db"),
            blobs: folder.join("blobs"),
            lock: folder.join("lock"),
            owner: folder.join("owner"),
            reserve: folder.join("reserve"),
        };
        let lock = take_lock(&folder, &files)?;
        // Before anything else is written, so that there is room to start.
        let reserve = Reserve::new(files.reserve);
        fs::write(&files.owner, format!("process {}", std::process::id()))
            .map_err(failed("cannot write", &files.owner))?;
        let made = url(&files.database, "rwc")?;
        let (connection, run) = begin_run(&made, Some(&files.database)).await?;
        let blobs = Blobs::folder(&files.blobs, Arc::new(Numbers::new(run)))?;
        let file =
            DbFile::new(files.database.clone()).map_err(failed("cannot find", &files.database))?;
        // A connection that reads makes no new database in the place of one that was removed.
        let there = url(&files.database, "rw")?;
        let db = Db::in_file(connection, &there, blobs.clone(), file, lock)
            .map_err(in_database(Some(&files.database)))?;
        let tree = Self::on(Arc::new(db), blobs, reserve, options.quota);
        tree.tidy();
        Ok(tree)
    }

    fn on(db: Arc<Db>, blobs: Arc<Blobs>, reserve: Reserve, quota: u64) -> Self {
        let (hashing, veil) = (session::hashing(), Veil::default());
        let (reserve, background) = (Arc::new(reserve), Mutex::new(JoinSet::new()));
        Self { db, blobs, reserve, quota, hashing, veil, background }
    }

    /// Waits until what a crash left is removed.
    #[cfg(test)]
    pub(super) async fn tidied(&self) {
        let tidying = std::mem::take(
            &mut *self.background.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        tidying.join_all().await;
    }

    /// Removes what a crash left, in the background.
    fn tidy(&self) {
        let (db, blobs) = (self.db.clone(), self.blobs.clone());
        let tidying = async move {
            let expired = db.write(|tx| Box::pin(session::forget_expired(tx))).await;
            if let Err(error) = expired {
                tracing::warn!(%error, "expired upload sessions could not be removed");
            }
            if let Err(error) = remove_orphans(&db, &blobs).await {
                tracing::warn!(%error, "bytes that no item names could not be removed");
            }
        };
        self.background.lock().unwrap_or_else(std::sync::PoisonError::into_inner).spawn(tidying);
    }
}

/// Takes the folder for this process.
fn take_lock(folder: &Path, files: &Files) -> Result<File, OpenError> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&files.lock)
        .map_err(failed("cannot open", &files.lock))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let owner = fs::read_to_string(&files.owner).ok().filter(|owner| !owner.is_empty());
            let owner = owner.unwrap_or_else(|| "a process that did not say which".into());
            return Err(OpenError::InUse { folder: folder.to_owned(), owner });
        }
        Err(TryLockError::Error(error)) => return Err(failed("cannot lock", &files.lock)(error)),
    }
    Ok(lock)
}

/// The database's URL, to be opened in SQLite's mode `mode`. Every character of its path that could
/// mean something in a URL is escaped.
pub(super) fn url(database: &Path, mode: &str) -> Result<String, OpenError> {
    let path = database.to_str().ok_or_else(|| {
        failed("cannot use", database)(io::Error::other("the name is not Unicode"))
    })?;
    Ok(format!("sqlite:{}?mode={mode}", utf8_percent_encode(path, NON_ALPHANUMERIC)))
}

/// Connects, makes the tables if there are none, and begins a run. `file` is where the database is,
/// if it is not in memory.
async fn begin_run(url: &str, file: Option<&Path>) -> Result<(AnyConnection, i64), OpenError> {
    let begun = async {
        let mut connection = connect(url, file.is_none()).await?;
        let mut transaction = connection.begin_with(BEGIN).await?;
        let prepared = prepare(&mut transaction).await?;
        // Of a later version everything stays as it is.
        match prepared {
            Prepared::Run(_) => transaction.commit().await?,
            Prepared::Newer { .. } => transaction.rollback().await?,
        }
        Ok((connection, prepared))
    };
    match begun.await.map_err(in_database(file))? {
        (connection, Prepared::Run(run)) => Ok((connection, run)),
        (_, Prepared::Newer { found, known }) => Err(OpenError::Newer { found, known }),
    }
}

fn in_database(file: Option<&Path>) -> impl FnOnce(sqlx::Error) -> OpenError {
    let place = file.map_or("in memory".into(), |file| file.display().to_string());
    move |source| OpenError::Database { place, source }
}

/// Removes the blobs of earlier runs that no content names. Nobody can name them any more: this
/// process, which has the folder to itself, names only those of its own run.
async fn remove_orphans(db: &Db, blobs: &Blobs) -> Result<()> {
    let text = lookup();
    let lots = blobs.of_earlier_runs(LOT).await.map_err(super::failure::storage)?;
    let mut lots = std::pin::pin!(lots);
    while let Some(lot) = lots.try_next().await.map_err(super::failure::storage)? {
        let mut query = sqlx::query_scalar::<_, i64>(text.clone());
        for i in 0..LOT {
            query = query.bind(lot.get(i).copied().unwrap_or(-1));
        }
        let named = {
            let mut reader = db.reader().await?;
            query.fetch_all(&mut *reader).await?
        };
        blobs.remove(lot.into_iter().filter(|blob| !named.contains(blob)));
    }
    Ok(())
}

/// Which of [`LOT`] blobs are named.
fn lookup() -> SqlStr {
    let mut text = String::from("SELECT blob FROM segment WHERE blob IN (");
    for i in 1..=LOT {
        let _ = write!(text, "{}${i}", if i == 1 { "" } else { ", " });
    }
    text.push(')');
    AssertSqlSafe(text).into_sql_str()
}
