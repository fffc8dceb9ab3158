//! Opens a tree: locks its folder and its database, migrates the tables, and begins a run.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use sqlx::{AnyConnection, Connection};
use tokio::task::JoinSet;

use super::{
    super::Result,
    Tree,
    blob_location::{BlobLocation, Ownership},
    crash_cleanup,
    db::Db,
    dialect::{self, ServerUrl},
    disk_space::DiskSpace,
    file::DbFile,
    folder::DataFiles,
    open_error::{OpenError, failed, in_database},
    options::TreeOptions,
    refold::refold,
    reserve::Reserve,
    salvage,
    schema::{Begin, Begun, Prepared, prepare},
    server::{self, ServerSession},
    session,
    visibility_delay::VisibilityDelay,
};
use crate::{blobs::IdAllocator, disk::FolderSync};

/// The location of an open tree that outlives its process.
pub(super) struct Home {
    /// The folder to which a repair moves damaged bytes; `None` without a data folder.
    pub(super) quarantine: Option<PathBuf>,
    pub(super) blobs: BlobLocation,
    pub(super) sync: FolderSync,
    pub(super) run: i64,
    /// Why the blobs may belong to another database; `None` if they are this one's.
    pub(super) foreign: Option<&'static str>,
}

/// A database that began a run, and the location of its blobs.
struct OpenDatabase {
    connection: AnyConnection,
    run: i64,
    /// Why the blobs may belong to another database; `None` if they are this one's.
    foreign: Option<&'static str>,
}

impl Tree {
    /// Opens a tree for a [repair](Self::repair). If its SQLite database is damaged, every row that
    /// can be read is copied to a new one; the damaged one stays beside it.
    ///
    /// # Errors
    /// [`OpenError::InUse`] and [`OpenError::DatabaseInUse`] if another process has the data folder
    /// or the database; `Damaged` if no row of the database can be read; otherwise those of
    /// [`open`](Self::open).
    pub async fn open_for_repair(options: TreeOptions) -> Result<Self, OpenError> {
        let options = options.tidy(false);
        let (Some(folder), None) = (&options.folder, &options.database) else {
            return Self::open(options).await;
        };
        let (damage, salvaged) = {
            let files = DataFiles::new(folder)?;
            let _lock = files.lock()?;
            match salvage::inspect(&files).await? {
                Some(damage) => (Some(damage), salvage::salvage(&files).await?),
                None => (None, None),
            }
        };
        let mut tree = Self::open(options).await?;
        match (damage, salvaged) {
            // SQLite can read it, but its rows contradict each other.
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

    /// Opens a tree. It needs a Tokio runtime, and works in it until it is closed or dropped.
    ///
    /// Blobs that no item names and expired upload sessions, which a crash may leave, are removed in
    /// the background.
    ///
    /// # Errors
    /// [`OpenError::InUse`] and [`OpenError::DatabaseInUse`] if another process has the data folder
    /// or the database; `DatabaseUrl` for a malformed URL; `File`, `BlobStore` and `Blobs` if a
    /// file, a folder or the store of the blobs cannot be used; `NoRoom` if the disk is full;
    /// `Database` and `Damaged` if the database cannot be opened or is damaged; `Newer`,
    /// `NoDatabase` and `ForeignBlobs` if it does not fit to this version or the blobs;
    /// `BlobsOutliveDatabase` for a store of blobs with a database in memory.
    pub async fn open(options: TreeOptions) -> Result<Self, OpenError> {
        match (&options.folder, &options.database) {
            (folder, Some(url)) => {
                let url = ServerUrl::parse(url).map_err(OpenError::DatabaseUrl)?;
                Self::open_on_server(&options, folder.as_deref(), url).await
            }
            (Some(folder), None) => Self::open_in_folder(&options, folder).await,
            (None, None) => Self::open_in_memory(&options).await,
        }
    }

    /// Opens a tree whose database and blobs are in memory.
    ///
    /// # Errors
    /// `OpenError::BlobsOutliveDatabase` if the options have an operator for blobs that is not in
    /// memory, and `OpenError::Database` if SQLite fails.
    async fn open_in_memory(options: &TreeOptions) -> Result<Self, OpenError> {
        if let Some(operator) = &options.blobs
            && operator.info().scheme() != opendal::services::MEMORY_SCHEME
        {
            let place = BlobLocation::from_operator(operator.clone()).place();
            return Err(OpenError::BlobsOutliveDatabase(place));
        }
        let failed = in_database(None);
        let opened = async {
            let mut connection = dialect::connect(dialect::IN_MEMORY, None).await?;
            let prepared = begin_run(&mut connection, Begin::default(), options).await?;
            Ok((connection, prepared))
        };
        let (connection, Prepared::Run(begun)) = opened.await.map_err(failed)? else {
            unreachable!("a new database is neither of a later version nor lost")
        };
        let ids = Arc::new(IdAllocator::new(begun.run));
        let blobs = BlobLocation::Memory.open(ids, options.folder_sync())?;
        let db = Arc::new(Db::in_memory(connection, blobs.clone()));
        let disk_space = DiskSpace::new(None, db.clone(), blobs, Arc::new(Reserve::none()));
        Ok(Self::new(db, disk_space, options, None))
    }

    /// Opens a tree whose SQLite database is in a data folder.
    ///
    /// # Errors
    /// `OpenError::InUse` if another process has the folder; `Database` and `Damaged` for the
    /// database, `NoDatabase`, `Newer` and `ForeignBlobs` if it does not fit to the blobs or this
    /// version; otherwise the error of the file or folder that cannot be created, read or synced.
    async fn open_in_folder(options: &TreeOptions, folder: &Path) -> Result<Self, OpenError> {
        let files = DataFiles::new(folder)?;
        let lock = files.lock()?;
        files.make_private()?;
        // Before anything else is written, so that there is room to start.
        let reserve = Arc::new(Reserve::new(files.reserve.clone()));
        files.sign()?;
        let location = match &options.blobs {
            Some(operator) => BlobLocation::from_operator(operator.clone()),
            None => BlobLocation::Folder(files.blobs.clone()),
        };
        let OpenDatabase { connection, run, foreign } =
            open_file(&files, &location, options).await?;
        let sync = options.folder_sync();
        let blobs = location.open(Arc::new(IdAllocator::new(run)), sync.clone())?;
        let file =
            DbFile::new(files.database.clone()).map_err(failed("cannot find", &files.database))?;
        let url = url(&files.database)?;
        let db = Db::in_file(connection, &url, blobs.clone(), file, lock)
            .map_err(in_database(Some(&files.database)))?;
        let db = Arc::new(db);
        let disk_space = DiskSpace::new(Some(files.folder), db.clone(), blobs, reserve);
        let quarantine = Some(files.quarantine);
        let home = Home { quarantine, blobs: location, sync, run, foreign };
        Ok(Self::new(db, disk_space, options, Some(home)))
    }

    /// Opens a tree whose database is on a PostgreSQL server. `folder` is the data folder, for
    /// blobs and quarantine; without one, blobs are in memory unless the options have an operator.
    ///
    /// # Errors
    /// `OpenError::DatabaseInUse` if another process has the database, and `OpenError::InUse` if it
    /// has the folder; `Database` if the server fails; `NoDatabase`, `Newer` and `ForeignBlobs` if
    /// the database does not fit to the blobs or this version.
    async fn open_on_server(
        options: &TreeOptions,
        folder: Option<&Path>,
        url: ServerUrl,
    ) -> Result<Self, OpenError> {
        let (files, lock) = match folder {
            Some(folder) => {
                let files = DataFiles::new(folder)?;
                let lock: File = files.lock()?;
                files.make_private()?;
                files.sign()?;
                (Some(files), Some(lock))
            }
            None => (None, None),
        };
        let location = match (&options.blobs, &files) {
            (Some(operator), _) => BlobLocation::from_operator(operator.clone()),
            (None, Some(files)) => BlobLocation::Folder(files.blobs.clone()),
            (None, None) => BlobLocation::Memory,
        };
        let OpenDatabase { connection, run, foreign } =
            open_server(&url, &location, options).await?;
        let sync = options.folder_sync();
        let blobs = location.open(Arc::new(IdAllocator::new(run)), sync.clone())?;
        let in_server = on_server(&url);
        let session = ServerSession { url, durability: options.durability, run };
        let db = Db::on_server(connection, session, blobs.clone(), lock).map_err(in_server)?;
        let db = Arc::new(db);
        // The disk of the database cannot be looked at; that of the blobs may be here.
        let disk = location.directory().map(Path::to_owned);
        let disk_space = DiskSpace::new(disk, db.clone(), blobs, Arc::new(Reserve::none()));
        let quarantine = files.map(|files| files.quarantine);
        let home = Home { quarantine, blobs: location, sync, run, foreign };
        Ok(Self::new(db, disk_space, options, Some(home)))
    }

    /// Creates the tree on an open database. It starts to remove the leftovers of a crash, unless
    /// the options forbid it. `home` is `None` in memory.
    fn new(db: Arc<Db>, disk_space: DiskSpace, options: &TreeOptions, home: Option<Home>) -> Self {
        let (blobs, reserve) = (disk_space.blobs(), disk_space.reserve());
        let TreeOptions { quota, keep_deleted: keeps_deleted, folding, .. } = *options;
        let foreign = home.as_ref().map(|home| home.foreign);
        let tree = Self {
            db,
            blobs,
            reserve,
            disk_space,
            home,
            quota,
            keeps_deleted,
            folding,
            hashing: session::hashing(),
            visibility: VisibilityDelay::default(),
            background: Mutex::new(JoinSet::new()),
            salvaged: None,
        };
        if let (true, Some(foreign)) = (options.tidy, foreign) {
            let cleaning = crash_cleanup::run(tree.db.clone(), tree.blobs.clone(), foreign);
            tree.background
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .spawn(cleaning);
        }
        tree
    }

    /// Waits until the leftovers of a crash are removed.
    #[cfg(test)]
    pub(super) async fn tidied(&self) {
        let tidying = std::mem::take(
            &mut *self.background.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        tidying.join_all().await;
    }
}

/// Opens the database of a data folder, checks its pages, and begins a run.
///
/// # Errors
/// `OpenError::NoDatabase` if blobs exist and the database does not; `Database` and `Damaged` if
/// SQLite fails; `Newer` and `ForeignBlobs` if the database does not fit to this version or the
/// blobs.
async fn open_file(
    files: &DataFiles,
    blobs: &BlobLocation,
    options: &TreeOptions,
) -> Result<OpenDatabase, OpenError> {
    let is_empty = fs::metadata(&files.database).map_or(true, |file| file.len() == 0);
    let place = || files.database.display().to_string();
    let known = BlobState::read(blobs).await?;
    if is_empty && known.is_used() {
        return Err(known.without_database(place(), blobs));
    }
    files.create_database()?;
    let url = url(&files.database)?;
    let opened = async {
        let mut connection = dialect::connect(&url, Some(options.durability)).await?;
        dialect::quick_check(&mut connection).await?;
        let prepared = begin_run(&mut connection, known.begin(), options).await?;
        Ok((connection, prepared))
    };
    let (mut connection, prepared) = opened.await.map_err(in_database(Some(&files.database)))?;
    let (run, foreign, folder) = known.own(prepared, place(), blobs, options).await?;
    let kept = keep_id(&mut connection, folder).await;
    kept.map_err(in_database(Some(&files.database)))?;
    Ok(OpenDatabase { connection, run, foreign })
}

/// Opens the database of a server, takes its lock, and begins a run.
///
/// # Errors
/// `OpenError::DatabaseInUse` if another process has the database; `Database` if the server fails;
/// `NoDatabase`, `Newer` and `ForeignBlobs` if the database does not fit to the blobs or this
/// version.
async fn open_server(
    url: &ServerUrl,
    blobs: &BlobLocation,
    options: &TreeOptions,
) -> Result<OpenDatabase, OpenError> {
    let place = || url.place().to_owned();
    let mut connection = server::connect(url, options.durability).await?;
    let known = BlobState::read(blobs).await?;
    let prepared = begin_run(&mut connection, known.begin(), options).await;
    let prepared = prepared.map_err(on_server(url))?;
    let (run, foreign, folder) = known.own(prepared, place(), blobs, options).await?;
    keep_id(&mut connection, folder).await.map_err(on_server(url))?;
    Ok(OpenDatabase { connection, run, foreign })
}

/// The facts about the blobs before a database is opened.
struct BlobState {
    marker: Option<super::blob_location::OwnerMarker>,
    has_blobs: bool,
}

impl BlobState {
    /// Reads which run wrote the blobs last, and whether there are any.
    ///
    /// # Errors
    /// [`OpenError::File`], or [`OpenError::BlobStore`] for a store, if the marker or the blobs
    /// cannot be read.
    async fn read(blobs: &BlobLocation) -> Result<Self, OpenError> {
        Ok(Self { marker: blobs.marker().await?, has_blobs: blobs.has_blobs().await? })
    }

    /// Returns whether a run wrote blobs here, so that a database must exist.
    fn is_used(&self) -> bool {
        self.has_blobs || self.marker.is_some()
    }

    /// Returns the requirements for the run that begins: at least the marker's number, and a
    /// database that exists if it was used.
    fn begin(&self) -> Begin {
        let at_least = self.marker.as_ref().map_or(0, |marker| marker.run);
        Begin { used: self.is_used(), at_least }
    }

    /// Returns the error for blobs whose database does not exist. `database` is its place in the
    /// message.
    fn without_database(&self, database: String, blobs: &BlobLocation) -> OpenError {
        OpenError::NoDatabase { database, blobs: blobs.place() }
    }

    /// Decides whether the blobs belong to the database, and writes the marker. `database` is its
    /// place in messages.
    ///
    /// Returns the run, the reason why the blobs may be foreign (`None` if they are not), and the
    /// id that the database must have from now on (`None` if it has it already).
    ///
    /// # Errors
    /// `OpenError::Newer` and `NoDatabase` by the preparation of the database, `ForeignBlobs` if
    /// foreign blobs are in an object store, and the error of a marker that cannot be written. A
    /// full disk is no error if an earlier marker exists.
    async fn own(
        self,
        prepared: Prepared,
        database: String,
        blobs: &BlobLocation,
        options: &TreeOptions,
    ) -> Result<(i64, Option<&'static str>, Option<String>), OpenError> {
        let Begun { run, before, folder } = match prepared {
            Prepared::Run(begun) => begun,
            Prepared::Newer { found, known } => return Err(OpenError::Newer { found, known }),
            Prepared::Empty => return Err(self.without_database(database, blobs)),
        };
        let Self { marker, has_blobs } = self;
        let write = async |marker| blobs.write_marker(marker, &options.folder_sync()).await;
        match Ownership::decide(folder, before, run, marker, has_blobs) {
            Ownership::Own(marker) => match write(&marker).await {
                // The marker of an earlier run is as good.
                Ok(()) | Err(OpenError::NoRoom { .. }) => Ok((run, None, None)),
                Err(error) => Err(error),
            },
            Ownership::Adopt(marker) => {
                write(&marker).await?;
                Ok((run, None, Some(marker.folder)))
            }
            // Two databases would overwrite each other's blobs: no file guards a number there.
            Ownership::Foreign(reason)
                if options.tidy && matches!(blobs, BlobLocation::Store(_)) =>
            {
                Err(OpenError::ForeignBlobs { place: blobs.place(), reason })
            }
            // An id that no marker has: the blobs stay foreign at the next start.
            Ownership::Foreign(reason) => Ok((run, Some(reason), Some(String::new()))),
        }
    }
}

/// Stores the id of the marker beside the blobs in the database. `None` changes nothing.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
async fn keep_id(connection: &mut AnyConnection, folder: Option<String>) -> sqlx::Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    sqlx::query("UPDATE server SET folder = $1").bind(folder).execute(connection).await.map(drop)
}

/// Migrates the tables, folds the names of drives by the kinds of their accounts, and begins a run,
/// in one transaction. It is rolled back if the database is of a later version or lost.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
async fn begin_run(
    connection: &mut AnyConnection,
    begin: Begin,
    options: &TreeOptions,
) -> sqlx::Result<Prepared> {
    let statement = dialect::begin(connection);
    let mut transaction = connection.begin_with(statement).await?;
    let prepared = prepare(&mut transaction, begin).await?;
    match prepared {
        Prepared::Run(_) => {
            refold(&mut transaction, |account| options.folding.for_account(account)).await?;
            transaction.commit().await?;
        }
        // The database stays as it is.
        Prepared::Newer { .. } | Prepared::Empty => transaction.rollback().await?,
    }
    Ok(prepared)
}

/// Returns the URL of a SQLite database.
///
/// # Errors
/// [`OpenError::File`] if the path is not Unicode.
pub(super) fn url(database: &Path) -> Result<String, OpenError> {
    dialect::file_url(database).map_err(failed("cannot use", database))
}

/// Returns a function that wraps an error of a database on a server, with its explanation.
fn on_server(url: &ServerUrl) -> impl FnOnce(sqlx::Error) -> OpenError + use<> {
    let place = url.place().to_owned();
    move |source| OpenError::Database { place, source }
}
