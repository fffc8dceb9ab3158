//! Errors of opening a tree.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{dialect, failure::is_disk_full};

/// Why a tree cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process uses the data folder.
    #[error("cannot use {}: it is in use by {owner}", folder.display())]
    InUse {
        /// The data folder.
        folder: PathBuf,
        /// The process, as far as it is known.
        owner: String,
    },
    /// A file or folder cannot be created or used.
    #[error("{operation} {}: {source}", path.display())]
    File {
        /// The operation that failed, such as `cannot read`.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The database was written by a later version of this program.
    #[error(
        "cannot open the database: it has version {found}, and this program knows versions up to \
         {known}. Install the program that wrote it"
    )]
    Newer {
        /// The version of the database.
        found: i64,
        /// The last version that this program knows.
        known: i64,
    },
    /// There are blobs, and no database that names their files.
    #[error(
        "cannot open the database {database}: it is missing or empty, but {blobs} has the bytes of \
         files. Restore the database from a backup, or move those files away to begin with an empty \
         drive"
    )]
    NoDatabase {
        /// The database.
        database: String,
        /// The location of the blobs.
        blobs: String,
    },
    /// The database is damaged.
    #[error(
        "the database {} is damaged: {reason}. Restore the data folder from a backup, or save what \
         can be read with `drivedal serve --repair`", database.display()
    )]
    Damaged {
        /// The file of the database.
        database: PathBuf,
        /// The first damage that was found.
        reason: String,
    },
    /// The disk is full.
    #[error(
        "cannot write {}: the disk is full. Free at least 4 MB there, then start again; deleted \
         files leave the recycle bin when room is needed", path.display()
    )]
    NoRoom {
        /// The file that cannot grow.
        path: PathBuf,
    },
    /// The URL of the database is malformed or not supported.
    #[error("cannot use the database URL: {0}")]
    DatabaseUrl(String),
    /// Another drive server uses the database.
    #[error("cannot open the database {place}: another drive server uses it, {holder}")]
    DatabaseInUse {
        /// The database and its server.
        place: String,
        /// The connection of the other server.
        holder: String,
    },
    /// The database cannot be opened.
    #[error("cannot open the database {place}: {}", dialect::explain(source))]
    Database {
        /// The file of the database, or its name and server.
        place: String,
        /// The reason.
        source: sqlx::Error,
    },
    /// A database in memory cannot name blobs that outlive it.
    #[error("cannot keep blobs in {0}: the database is in memory, and would forget them")]
    BlobsOutliveDatabase(String),
    /// The location of the blobs cannot be used.
    #[error("cannot {verb} {place}: {}", explain(source))]
    BlobStore {
        /// The operation that failed.
        verb: &'static str,
        /// The URI of the location, without secrets.
        place: String,
        /// The reason. Boxed, because it is the largest part of any variant.
        source: Box<opendal::Error>,
    },
    /// The blobs in an object store may belong to another database.
    #[error(
        "cannot use the blobs in {place}: {reason}. Choose another bucket or root. If no other server \
         uses them, `drivedal serve --repair` moves those that no file names to the data folder"
    )]
    ForeignBlobs {
        /// The URI of the location, without secrets.
        place: String,
        /// Why they may be foreign.
        reason: &'static str,
    },
    /// The folder of the blobs cannot be used.
    #[error(transparent)]
    Blobs(#[from] opendal::Error),
}

/// Explains a failure of an operator by its message and its sources, without the operator's context.
fn explain(error: &opendal::Error) -> String {
    let mut text = error.message().to_owned();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Returns a function that wraps an error of the file system. `operation` is a phrase such as
/// `cannot read`.
pub(super) fn failed(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> OpenError + use<> {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpenError::NoRoom { path },
        _ => OpenError::File { operation, path, source },
    }
}

/// Returns a function that wraps an error of a SQLite database. `file` is `None` in memory.
pub(super) fn in_database(file: Option<&Path>) -> impl FnOnce(sqlx::Error) -> OpenError + use<> {
    let file = file.map(Path::to_owned);
    move |source| match (file, dialect::damage(&source)) {
        (Some(database), Some(reason)) => OpenError::Damaged { database, reason },
        (Some(path), None) if is_disk_full(&source) => OpenError::NoRoom { path },
        (file, _) => {
            let place = file.map_or("in memory".into(), |file| file.display().to_string());
            OpenError::Database { place, source }
        }
    }
}
