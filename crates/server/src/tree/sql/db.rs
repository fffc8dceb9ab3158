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
    server::ServerSession,
    writer::{Backing, Tx, Writer},
};
use crate::{account_scope::AccountScope, blobs::Blobs};

/// The database of a tree.
pub(super) struct Db {
    writer: Writer,
    readers: Readers,
    /// The path of its file, or its name on a server; `None` in memory.
    place: Option<String>,
}

enum Readers {
    Pool(AnyPool),
    /// The writer's connection. A database in memory has only one: a second connection would read
    /// uncommitted changes, or fail because the database is locked.
    Writer(Arc<Mutex<AnyConnection>>),
}

/// A connection to read on.
pub(super) enum Reader {
    Pooled(PoolConnection<Any>),
    Shared(OwnedMutexGuard<AnyConnection>),
}

impl Deref for Reader {
    type Target = AnyConnection;

    /// Returns the connection.
    fn deref(&self) -> &AnyConnection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Shared(connection) => connection,
        }
    }
}

impl DerefMut for Reader {
    /// Returns the connection.
    fn deref_mut(&mut self) -> &mut AnyConnection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Shared(connection) => connection,
        }
    }
}

impl Db {
    /// Creates the database in memory behind a connection.
    pub(super) fn in_memory(writer: AnyConnection, blobs: Arc<Blobs>) -> Self {
        let connection = Arc::new(Mutex::new(writer));
        let readers = Readers::Writer(connection.clone());
        let writer = Writer::new(connection, blobs, Backing::Memory, None);
        Self { writer, readers, place: None }
    }

    /// Creates the database in a file. `writer` is the connection that writes; the connections that
    /// read are opened by `url`. `lock` is released after the last write.
    ///
    /// # Errors
    /// `sqlx::Error::Configuration` if the URL is malformed.
    pub(super) fn in_file(
        writer: AnyConnection,
        url: &str,
        blobs: Arc<Blobs>,
        file: DbFile,
        lock: File,
    ) -> sqlx::Result<Self> {
        let readers = Readers::Pool(dialect::reader_pool(url)?);
        let place = Some(file.path().display().to_string());
        let connection = Arc::new(Mutex::new(writer));
        let writer = Writer::new(connection, blobs, Backing::File(file), Some(lock));
        Ok(Self { writer, readers, place })
    }

    /// Creates the database on a server. `writer` is the connection that writes, which has the
    /// database's lock; `lock` is that of the data folder, released after the last write.
    ///
    /// # Errors
    /// `sqlx::Error::Configuration` if the URL is malformed.
    pub(super) fn on_server(
        writer: AnyConnection,
        session: ServerSession,
        blobs: Arc<Blobs>,
        lock: Option<File>,
    ) -> sqlx::Result<Self> {
        let readers = Readers::Pool(dialect::reader_pool(session.url.expose())?);
        let place = Some(session.url.place().to_owned());
        let connection = Arc::new(Mutex::new(writer));
        let writer = Writer::new(connection, blobs, Backing::Server(session), lock);
        Ok(Self { writer, readers, place })
    }

    /// Returns a connection to read on. A caller that holds it must not wait for a write: in memory
    /// it is the writer's.
    ///
    /// # Errors
    /// `TreeError::Storage` if no connection can be opened.
    pub(super) async fn reader(&self) -> Result<Reader> {
        Ok(match &self.readers {
            Readers::Pool(pool) => Reader::Pooled(pool.acquire().await?),
            Readers::Writer(writer) => Reader::Shared(writer.clone().lock_owned().await),
        })
    }

    /// Runs `work` in a transaction, which is rolled back if `work` fails. A caller that drops the
    /// future does not interrupt it.
    ///
    /// # Errors
    /// Those of `work`; `TreeError::Storage` if the transaction cannot begin or commit, `work`
    /// panics or the database is closed; `TreeError::NoRoom` if its disk is full.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    ) -> Result<T> {
        // The work runs in the writer's task, with the clock and the ids of this one.
        let scope = AccountScope::current();
        let written = match scope.is_default() {
            true => self.writer.write(work).await,
            false => self.writer.write(move |tx| Box::pin(scope.run(work(tx)))).await,
        };
        written.map_err(|error| self.with_location(error))
    }

    /// Adds the file or the server of the database to the message of a storage error. Other errors
    /// are returned unchanged.
    pub(super) fn with_location(&self, error: TreeError) -> TreeError {
        match &self.place {
            Some(place) => error.with_place(place),
            None => error,
        }
    }

    /// Waits for pending writes, closes every connection and releases the locks.
    pub(super) async fn close(&self) {
        if let Readers::Pool(pool) = &self.readers {
            pool.close().await;
        }
        self.writer.close().await;
    }
}
