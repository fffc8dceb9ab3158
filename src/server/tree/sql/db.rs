//! The database: one connection that writes, a few that read.
//!
//! SQLite has one writer at a time whatever one does; several connections that write would wait for
//! each other unfairly and by polling. So all writes go to one task, which owns the connection:
//! it takes what has gathered while it was busy into one transaction, each write under a savepoint
//! of its own. Because a write runs there and not in the caller's future, a caller that goes away
//! leaves it neither half done nor the connection stuck.

use std::{
    fs::File,
    mem,
    ops::{Deref, DerefMut},
    panic::AssertUnwindSafe,
    sync::{Arc, Once, PoisonError},
};

use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture};
use sqlx::{
    Any, AnyConnection, AnyPool, Connection,
    any::{AnyPoolOptions, install_default_drivers},
    pool::PoolConnection,
};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, mpsc, oneshot},
    task::JoinHandle,
};

use super::super::{Result, TreeError};
use crate::server::blobs::{Blob, Blobs, Numbers};

/// Connections that read.
const READERS: u32 = 4;

/// The most writes of one transaction.
const BATCH: usize = 64;

/// The most writes that wait; beyond, callers wait to be let in.
const WAITING: usize = 256;

/// A read-then-write transaction that begins deferred can fail half-way; this cannot.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

/// What every connection is told first. With `NORMAL`, a crash of the machine can lose the last
/// transactions, never the database; a crash of the process loses nothing.
const ON_DISK: [&str; 3] =
    ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", "PRAGMA temp_store = MEMORY"];

/// The journal of a database in memory is in memory; without one nothing could be taken back.
const IN_MEMORY: [&str; 1] = ["PRAGMA temp_store = MEMORY"];

/// A failure of the storage below.
pub(super) fn storage(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TreeError {
    TreeError::Storage(error.into())
}

impl From<sqlx::Error> for TreeError {
    fn from(error: sqlx::Error) -> Self {
        storage(error)
    }
}

/// The database of a tree.
pub(super) struct Db {
    writes: mpsc::Sender<Box<dyn Write>>,
    readers: Readers,
    writer: std::sync::Mutex<Option<JoinHandle<()>>>,
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

/// A connection for `url`, ready for use.
pub(super) async fn connect(url: &str, in_memory: bool) -> sqlx::Result<AnyConnection> {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(install_default_drivers);
    let mut connection = AnyConnection::connect(url).await?;
    let wanted: &[&'static str] = if in_memory { &IN_MEMORY } else { &ON_DISK };
    for pragma in wanted {
        sqlx::query(*pragma).execute(&mut connection).await?;
    }
    Ok(connection)
}

impl Db {
    /// The database behind a connection; with the URL of a pool of more of them to read, unless it
    /// is in memory. `lock` is given up when nothing is written any more.
    pub(super) fn new(
        writer: AnyConnection,
        pool: Option<&str>,
        blobs: Arc<Blobs>,
        lock: Option<File>,
    ) -> sqlx::Result<Self> {
        let writer = Arc::new(Mutex::new(writer));
        let readers = match pool {
            None => Readers::Writer(writer.clone()),
            Some(url) => Readers::Pool(
                AnyPoolOptions::new()
                    .max_connections(READERS)
                    // They are files, not networks: they do not go away.
                    .test_before_acquire(false)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .connect_lazy(url)?,
            ),
        };
        let (writes, waiting) = mpsc::channel(WAITING);
        let writing = write_all(writer, waiting, blobs, lock);
        let writer = std::sync::Mutex::new(Some(tokio::spawn(writing)));
        Ok(Self { writes, readers, writer })
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
        let (reply, result) = oneshot::channel();
        let job = Job { work: Some(work), done: None, reply };
        self.writes.send(Box::new(job)).await.map_err(|_| closed())?;
        result.await.map_err(|_| closed())?
    }

    /// Waits for the writes under way, closes every connection and gives up the lock.
    pub(super) async fn close(&self) {
        if let Readers::Pool(pool) = &self.readers {
            pool.close().await;
        }
        // It is already closed if this fails.
        let _ = self.write(|tx| async { tx.last() }.boxed()).await;
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "the writing task ended badly");
        }
    }
}

fn closed() -> TreeError {
    storage("the tree is closed")
}

/// A transaction under way.
pub(super) struct Tx {
    connection: OwnedMutexGuard<AnyConnection>,
    numbers: Arc<Numbers>,
    after: After,
    last: bool,
}

/// What is to happen to bytes once the transaction is committed.
#[derive(Default)]
struct After {
    keep: Vec<Blob>,
    remove: Vec<(i64, Vec<i64>)>,
}

impl Tx {
    /// The connection.
    pub(super) fn sql(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }

    /// Numbers that were never given.
    pub(super) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// A blob is named by a row now.
    pub(super) fn keep(&mut self, blob: Blob) {
        self.after.keep.push(blob);
    }

    /// The blobs of a content are named by no row any more.
    pub(super) fn remove(&mut self, content: i64, blobs: Vec<i64>) {
        if !blobs.is_empty() {
            self.after.remove.push((content, blobs));
        }
    }

    async fn execute(&mut self, statement: &'static str) -> sqlx::Result<()> {
        sqlx::query(statement).execute(&mut *self.connection).await.map(|_| ())
    }

    /// Nothing is written after this.
    fn last(&mut self) -> Result<()> {
        self.last = true;
        Ok(())
    }
}

/// A write as the writing task sees it.
#[async_trait]
trait Write: Send {
    /// Does it; whether what it did is to stay.
    async fn run(&mut self, tx: &mut Tx) -> bool;

    /// The transaction ended: removes and keeps bytes accordingly, and tells the caller.
    fn end(self: Box<Self>, committed: Result<(), &str>, blobs: &Blobs);
}

struct Job<F, T> {
    work: Option<F>,
    done: Option<(Result<T>, After)>,
    reply: oneshot::Sender<Result<T>>,
}

#[async_trait]
impl<F, T> Write for Job<F, T>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send,
    T: Send,
{
    async fn run(&mut self, tx: &mut Tx) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = AssertUnwindSafe(work(tx)).catch_unwind().await;
        let result = result.unwrap_or_else(|_| Err(storage("a write panicked")));
        let stays = result.is_ok();
        self.done = Some((result, mem::take(&mut tx.after)));
        stays
    }

    fn end(self: Box<Self>, committed: Result<(), &str>, blobs: &Blobs) {
        let result = match (self.done, committed) {
            (Some((Ok(value), after)), Ok(())) => {
                after.keep.into_iter().for_each(Blob::keep);
                for (content, gone) in after.remove {
                    blobs.remove_content(content, gone);
                }
                Ok(value)
            }
            (Some((Err(error), _)), _) => Err(error),
            (_, Err(why)) => Err(storage(why)),
            (None, Ok(())) => Err(closed()),
        };
        // The caller may be gone; the work is done all the same.
        let _ = self.reply.send(result);
    }
}

/// Does the writes that come, until nobody is left who could send one.
async fn write_all(
    writer: Arc<Mutex<AnyConnection>>,
    mut waiting: mpsc::Receiver<Box<dyn Write>>,
    blobs: Arc<Blobs>,
    lock: Option<File>,
) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let connection = writer.clone().lock_owned().await;
        let mut tx =
            Tx { connection, numbers: blobs.numbers(), after: After::default(), last: false };
        let ended = transact(&mut tx, &mut batch).await.map_err(|error| error.to_string());
        let last = tx.last;
        drop(tx);
        for job in batch.drain(..) {
            job.end(ended.as_ref().copied().map_err(String::as_str), &blobs);
        }
        if last {
            waiting.close();
        }
    }
    // The last connection that is closed puts the log into the database.
    if let Some(writer) = Arc::into_inner(writer)
        && let Err(error) = writer.into_inner().close().await
    {
        tracing::warn!(%error, "the database could not be closed");
    }
    drop(lock);
}

/// One transaction of one or more writes.
async fn transact(tx: &mut Tx, batch: &mut [Box<dyn Write>]) -> sqlx::Result<()> {
    tx.execute(BEGIN).await?;
    let result = match batch {
        [alone] => {
            if !alone.run(tx).await {
                return tx.execute("ROLLBACK").await;
            }
            Ok(())
        }
        several => in_turn(tx, several).await,
    };
    let result = match result {
        Ok(()) => tx.execute("COMMIT").await,
        Err(error) => Err(error),
    };
    if result.is_err() {
        // Also of a COMMIT that failed, or the connection would stay in the transaction.
        tx.execute("ROLLBACK").await?;
    }
    result
}

/// Each write under a savepoint, so that one that fails takes only itself back.
async fn in_turn(tx: &mut Tx, batch: &mut [Box<dyn Write>]) -> sqlx::Result<()> {
    for job in batch {
        tx.execute("SAVEPOINT one").await?;
        if !job.run(tx).await {
            tx.execute("ROLLBACK TO SAVEPOINT one").await?;
        }
        tx.execute("RELEASE SAVEPOINT one").await?;
    }
    Ok(())
}
