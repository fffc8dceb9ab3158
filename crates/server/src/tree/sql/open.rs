//! Opening a tree: its folder, locked; its tables; what a crash left, removed.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use futures::TryStreamExt;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, SqlSafeStr, SqlStr};
use tokio::task::JoinSet;

use super::{
    super::Result,
    Tree,
    db::Db,
    dialect,
    failure::is_for_want_of_room,
    file::DbFile,
    folder::{Files, Vouching},
    options::TreeOptions,
    refold::{Folding, refold},
    reserve::Reserve,
    room::Room,
    salvage,
    schema::{Begin, Prepared, prepare},
    session,
    visibility_delay::VisibilityDelay,
};
use crate::{
    blobs::{Blobs, IdAllocator},
    disk::{Durability, FolderSync},
};

/// Blobs that are looked up at a time when orphans are looked for.
const GROUP: usize = 64;

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
    /// There are blobs, and no database that says which files they are.
    #[error(
        "the database {} is missing or empty, but {} has the bytes of files: restore the database \
         from a backup, or move that folder away to begin with an empty drive",
        database.display(), blobs.display()
    )]
    NoDatabase {
        /// The database's file.
        database: PathBuf,
        /// The folder of the blobs.
        blobs: PathBuf,
    },
    /// The database is damaged.
    #[error(
        "the database {} is damaged: {reason}. Restore the data folder from a backup, or save what \
         can be read with `drivedal serve --repair`", database.display()
    )]
    Damaged {
        /// Its file.
        database: PathBuf,
        /// The damage that was found first.
        reason: String,
    },
    /// The disk is full.
    #[error(
        "cannot write {}: the disk is full. Free at least 4 MB there, then start again; deleted \
         files leave the recycle bin when room is needed", path.display()
    )]
    NoRoom {
        /// The file that has no room.
        path: PathBuf,
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

pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            OpenError::NoRoom { path: path.to_owned() }
        }
        _ => OpenError::File { what, path: path.to_owned(), source },
    }
}

/// The folder that a tree is open in.
pub(super) struct Home {
    pub(super) files: Files,
    pub(super) sync: FolderSync,
    pub(super) run: i64,
    /// Why the blobs may be those of another database, if so.
    pub(super) foreign: Option<&'static str>,
}

impl Tree {
    /// Opens a tree for a [repair](Self::repair). Where its database is damaged, everything that can
    /// be read goes to a new one; the damaged one stays beside it.
    ///
    /// # Errors
    /// As of [`open`](Self::open), and when nothing can be read of the database.
    pub async fn open_for_repair(options: TreeOptions) -> Result<Self, OpenError> {
        let options = options.tidy(false);
        let Some(folder) = &options.folder else { return Self::open(options).await };
        let (damage, salvaged) = {
            let files = Files::new(folder)?;
            let _lock = files.lock()?;
            match salvage::inspect(&files).await? {
                Some(damage) => (Some(damage), salvage::salvage(&files).await?),
                None => (None, None),
            }
        };
        let mut tree = Self::open(options).await?;
        match (damage, salvaged) {
            // SQLite can read it, and nothing that it says is believed.
            (Some(damage), None) => {
                tree.close().await;
                Err(damage)
            }
            (_, salvaged) => {
                tree.salvaged = salvaged;
                Ok(tree)
            }
        }
    }

    /// Opens a tree. Needs a Tokio runtime, and works in it until it is closed or dropped.
    ///
    /// What a crash left (bytes that no item names, upload sessions that have expired) is removed
    /// in the background.
    ///
    /// # Errors
    /// [`OpenError::InUse`] if another process has the folder.
    pub async fn open(options: TreeOptions) -> Result<Self, OpenError> {
        let Some(folder) = &options.folder else {
            let url = dialect::IN_MEMORY;
            let begun = begin_run(url, None, Begin::default(), options.folding)
                .await
                .map_err(in_database(None))?;
            let (connection, Prepared::Run(begun)) = begun else {
                unreachable!("a new database is neither of a later version nor lost")
            };
            let blobs = Blobs::memory(Arc::new(IdAllocator::new(begun.run)))?;
            let db = Db::in_memory(connection, blobs.clone());
            return Ok(Self::on(Arc::new(db), blobs, Reserve::none(), &options, None));
        };
        let files = Files::new(folder)?;
        let lock = files.lock()?;
        files.tighten()?;
        // Before anything else is written, so that there is room to start.
        let reserve = Reserve::new(files.reserve.clone());
        files.sign()?;
        let (connection, run, vouching) = open_database(&files, &options).await?;
        let sync = options.folder_sync();
        let blobs = Blobs::folder(&files.blobs, Arc::new(IdAllocator::new(run)), sync.clone())?;
        let file =
            DbFile::new(files.database.clone()).map_err(failed("cannot find", &files.database))?;
        let url = url(&files.database)?;
        let db = Db::in_file(connection, &url, blobs.clone(), file, lock)
            .map_err(in_database(Some(&files.database)))?;
        let foreign = match vouching {
            Vouching::Foreign(why) => Some(why),
            Vouching::Own(_) | Vouching::Adopt(_) => None,
        };
        let home = Home { files, sync, run, foreign };
        let tree = Self::on(Arc::new(db), blobs, reserve, &options, Some(home));
        if options.tidy {
            tree.tidy(foreign);
        }
        Ok(tree)
    }

    fn on(
        db: Arc<Db>,
        blobs: Arc<Blobs>,
        reserve: Reserve,
        options: &TreeOptions,
        home: Option<Home>,
    ) -> Self {
        let (hashing, visibility) = (session::hashing(), VisibilityDelay::default());
        let (reserve, background) = (Arc::new(reserve), Mutex::new(JoinSet::new()));
        let folder = home.as_ref().map(|home| home.files.folder.clone());
        let room = Room::new(folder, db.clone(), blobs.clone(), reserve.clone());
        let TreeOptions { quota, keep_deleted: keeps_deleted, folding, .. } = *options;
        Self {
            db,
            blobs,
            reserve,
            room,
            home,
            quota,
            keeps_deleted,
            folding,
            hashing,
            visibility,
            background,
            salvaged: None,
        }
    }

    /// Waits until what a crash left is removed.
    #[cfg(test)]
    pub(super) async fn tidied(&self) {
        let tidying = std::mem::take(
            &mut *self.background.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        tidying.join_all().await;
    }

    /// Removes what a crash left, in the background; blobs only if they are the database's own.
    fn tidy(&self, foreign: Option<&'static str>) {
        let (db, blobs) = (self.db.clone(), self.blobs.clone());
        let tidying = async move {
            let expired = db.write(|tx| Box::pin(session::forget_expired(tx))).await;
            if let Err(error) = expired {
                tracing::warn!(%error, "expired upload sessions could not be removed");
            }
            if let Some(why) = foreign {
                tracing::warn!(
                    "blobs that no file names are kept: {why}. `drivedal serve --repair` sorts them out"
                );
            } else if let Err(error) = remove_orphans(&db, &blobs).await {
                tracing::warn!(%error, "bytes that no item names could not be removed");
            }
        };
        self.background.lock().unwrap_or_else(std::sync::PoisonError::into_inner).spawn(tidying);
    }
}

/// Opens the database of a folder, checks it, and begins a run: the connection, the run's number,
/// and whether the blobs are the database's own.
async fn open_database(
    files: &Files,
    options: &TreeOptions,
) -> Result<(AnyConnection, i64, Vouching), OpenError> {
    let (marker, has_blobs) = (files.marker()?, files.has_blobs()?);
    let missing =
        || OpenError::NoDatabase { database: files.database.clone(), blobs: files.blobs.clone() };
    let empty = fs::metadata(&files.database).map_or(true, |file| file.len() == 0);
    let used = has_blobs || marker.is_some();
    if empty && used {
        return Err(missing());
    }
    files.make_database()?;
    let begin = Begin { used, at_least: marker.as_ref().map_or(0, |marker| marker.run) };
    let database = url(&files.database)?;
    let begun = begin_run(&database, Some(options.durability), begin, options.folding).await;
    let (mut connection, begun) = match begun.map_err(in_database(Some(&files.database)))? {
        (connection, Prepared::Run(begun)) => (connection, begun),
        (_, Prepared::Newer { found, known }) => return Err(OpenError::Newer { found, known }),
        (_, Prepared::Empty) => return Err(missing()),
    };
    let vouching = Vouching::decide(begun.folder, begun.before, begun.run, marker, has_blobs);
    let written = match &vouching {
        Vouching::Own(marker) | Vouching::Adopt(marker) => {
            files.write_marker(marker, &options.folder_sync())
        }
        Vouching::Foreign(_) => Ok(()),
    };
    let folder = match (&vouching, written) {
        (Vouching::Adopt(marker), Ok(())) => Some(marker.folder.clone()),
        // The one that is there is of an earlier run, which is as good.
        (Vouching::Own(_), Ok(())) => None,
        (Vouching::Own(_), Err(error)) if error.kind() == io::ErrorKind::StorageFull => None,
        (Vouching::Own(_) | Vouching::Adopt(_), Err(error)) => {
            return Err(failed("cannot write owner.json in", &files.blobs)(error));
        }
        // No id that a marker has: it is not vouched for at the next start either.
        (Vouching::Foreign(_), _) => Some(String::new()),
    };
    if let Some(folder) = folder {
        let keep = sqlx::query("UPDATE server SET folder = $1").bind(folder);
        let kept = keep.execute(&mut connection).await;
        kept.map_err(in_database(Some(&files.database)))?;
    }
    Ok((connection, begun.run, vouching))
}

/// Connects, checks a database that is in a file, migrates its tables, folds the names of drives as
/// their accounts do, and begins a run.
async fn begin_run(
    url: &str,
    durability: Option<Durability>,
    begin: Begin,
    folding: Folding,
) -> sqlx::Result<(AnyConnection, Prepared)> {
    let mut connection = dialect::connect(url, durability).await?;
    if durability.is_some() {
        dialect::quick_check(&mut connection).await?;
    }
    let mut transaction = connection.begin_with(dialect::BEGIN).await?;
    let prepared = prepare(&mut transaction, begin).await?;
    // Otherwise everything stays as it is.
    match prepared {
        Prepared::Run(_) => {
            refold(&mut transaction, |account| folding.for_account(account)).await?;
            transaction.commit().await?;
        }
        Prepared::Newer { .. } | Prepared::Empty => transaction.rollback().await?,
    }
    Ok((connection, prepared))
}

/// The URL of a database in a file.
pub(super) fn url(database: &Path) -> Result<String, OpenError> {
    dialect::file_url(database).map_err(failed("cannot use", database))
}

pub(super) fn in_database(file: Option<&Path>) -> impl FnOnce(sqlx::Error) -> OpenError {
    let file = file.map(Path::to_owned);
    move |source| match (file, dialect::damage(&source)) {
        (Some(database), Some(reason)) => OpenError::Damaged { database, reason },
        (Some(path), None) if is_for_want_of_room(&source) => OpenError::NoRoom { path },
        (file, _) => {
            let place = file.map_or("in memory".into(), |file| file.display().to_string());
            OpenError::Database { place, source }
        }
    }
}

/// Removes the blobs of earlier runs that no content names. Nobody can name them any more: this
/// process, which has the folder to itself, names only those of its own run.
async fn remove_orphans(db: &Db, blobs: &Blobs) -> Result<()> {
    let text = lookup();
    let groups = blobs.of_earlier_runs(GROUP).await.map_err(super::failure::storage)?;
    let mut groups = std::pin::pin!(groups);
    while let Some(group) = groups.try_next().await.map_err(super::failure::storage)? {
        let mut query = sqlx::query_scalar::<_, i64>(text.clone());
        for i in 0..GROUP {
            query = query.bind(group.get(i).copied().unwrap_or(-1));
        }
        let named = {
            let mut reader = db.reader().await?;
            query.fetch_all(&mut *reader).await?
        };
        blobs.remove(group.into_iter().filter(|blob| !named.contains(blob)));
    }
    Ok(())
}

/// Which of [`GROUP`] blobs are named.
fn lookup() -> SqlStr {
    let mut text = String::from("SELECT blob FROM segment WHERE blob IN (");
    for i in 1..=GROUP {
        let _ = write!(text, "{}${i}", if i == 1 { "" } else { ", " });
    }
    text.push(')');
    AssertSqlSafe(text).into_sql_str()
}
