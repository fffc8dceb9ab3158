//! The database: one connection that writes, a few that read.

use std::{
    fs::File,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use futures::future::BoxFuture;
use sqlx::{Any, AnyConnection, AnyPool, pool::PoolConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    super::{Result, TreeError},
    dialect,
    file::DbFile,
    writer::{Tx, Writer},
};
use crate::blobs::Blobs;

/// The database of a tree.
pub(super) struct Db {
    writer: Writer,
    readers: Readers,
    /// The file it is in, unless it is in memory.
    file: Option<Arc<DbFile>>,
}

enum Readers {
    Pool(AnyPool),
    /// A database in memory has one connection: others would see what is not yet committed, or
    /// would have to be told "locked".
    Writer(Arc<Mutex<AnyConnection>>),
}

/// A connection to read on.
pub(super) enum Reader {
    Pooled(PoolConnection<Any>),
    Shared(OwnedMutexGuard<AnyConnection>),
}

impl Deref for Reader {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Shared(connection) => connection,
        }
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Shared(connection) => connection,
        }
    }
}

impl Db {
    /// The database in memory that is behind a connection.
    pub(super) fn in_memory(writer: AnyConnection, blobs: Arc<Blobs>) -> Self {
        let connection = Arc::new(Mutex::new(writer));
        let readers = Readers::Writer(connection.clone());
        Self { writer: Writer::new(connection, blobs, None, None), readers, file: None }
    }

    /// The database in a file, behind a connection; with a URL for more of them that read. `lock`
    /// is given up when nothing is written any more.
    pub(super) fn in_file(
        writer: AnyConnection,
        url: &str,
        blobs: Arc<Blobs>,
        file: DbFile,
        lock: File,
    ) -> sqlx::Result<Self> {
        let readers = dialect::reader_pool(url)?;
        let (connection, file) = (Arc::new(Mutex::new(writer)), Some(Arc::new(file)));
        let writer = Writer::new(connection, blobs, file.clone(), Some(lock));
        Ok(Self { writer, readers: Readers::Pool(readers), file })
    }

    /// A connection to read on. Never to be held while waiting for a write.
    pub(super) async fn reader(&self) -> Result<Reader> {
        Ok(match &self.readers {
            Readers::Pool(pool) => Reader::Pooled(pool.acquire().await?),
            Readers::Writer(writer) => Reader::Shared(writer.clone().lock_owned().await),
        })
    }

    /// Does `work` in a transaction: whole, or not at all when it fails. It is finished even if
    /// the caller goes away.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.writer.write(work).await.map_err(|error| self.with_location(error))
    }

    /// Adds the database's path to an error of the storage.
    pub(super) fn with_location(&self, error: TreeError) -> TreeError {
        match &self.file {
            Some(file) => error.in_file(file.path()),
            None => error,
        }
    }

    /// Waits for the writes under way, closes every connection and gives up the lock.
    pub(super) async fn close(&self) {
        if let Readers::Pool(pool) = &self.readers {
            pool.close().await;
        }
        self.writer.close().await;
    }
}
