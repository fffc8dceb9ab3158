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

use super::{
    super::{Result, TreeError},
    failure::{again, storage},
    file::DbFile,
};
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

/// The database of a tree.
pub(super) struct Db {
    writes: mpsc::Sender<Box<dyn Write>>,
    readers: Readers,
    writer: std::sync::Mutex<Option<JoinHandle<()>>>,
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
    /// The database in memory that is behind a connection.
    pub(super) fn in_memory(writer: AnyConnection, blobs: Arc<Blobs>) -> Self {
        let writer = Arc::new(Mutex::new(writer));
        let readers = Readers::Writer(writer.clone());
        Self::on(writer, readers, blobs, None, None)
    }

    /// The database in a file, behind a connection; with its URL for more of them that read. `lock`
    /// is given up when nothing is written any more.
    pub(super) fn in_file(
        writer: AnyConnection,
        url: &str,
        blobs: Arc<Blobs>,
        file: DbFile,
        lock: File,
    ) -> sqlx::Result<Self> {
        let readers = AnyPoolOptions::new()
            .max_connections(READERS)
            // They are files, not networks: they do not go away.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy(url)?;
        let writer = Arc::new(Mutex::new(writer));
        Ok(Self::on(writer, Readers::Pool(readers), blobs, Some(Arc::new(file)), Some(lock)))
    }

    fn on(
        writer: Arc<Mutex<AnyConnection>>,
        readers: Readers,
        blobs: Arc<Blobs>,
        file: Option<Arc<DbFile>>,
        lock: Option<File>,
    ) -> Self {
        let (writes, waiting) = mpsc::channel(WAITING);
        let writing = write_all(writer, waiting, blobs, file.clone(), lock);
        let writer = std::sync::Mutex::new(Some(tokio::spawn(writing)));
        Self { writes, readers, writer, file }
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
        result.await.map_err(|_| closed())?.map_err(|error| self.told_of(error))
    }

    /// An error of the storage, with which database it was.
    pub(super) fn told_of(&self, error: TreeError) -> TreeError {
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
        // It is already closed if this fails.
        let _ = self.writes.send(Box::new(Last)).await;
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
}

/// A write as the writing task sees it.
#[async_trait]
trait Write: Send {
    /// Does it; what it did is to stay, unless it fails.
    async fn run(&mut self, tx: &mut Tx) -> Result<()>;

    /// The transaction ended: removes and keeps bytes accordingly, and tells the caller.
    fn end(self: Box<Self>, committed: Result<(), &TreeError>, blobs: &Blobs);

    /// Whether nothing is to be written after it.
    fn is_last(&self) -> bool {
        false
    }
}

/// Writes nothing, and is the last to do so: whatever becomes of its transaction.
struct Last;

#[async_trait]
impl Write for Last {
    async fn run(&mut self, _: &mut Tx) -> Result<()> {
        Ok(())
    }

    fn end(self: Box<Self>, _: Result<(), &TreeError>, _: &Blobs) {}

    fn is_last(&self) -> bool {
        true
    }
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
    async fn run(&mut self, tx: &mut Tx) -> Result<()> {
        let work = self.work.take().ok_or_else(closed)?;
        let result = AssertUnwindSafe(work(tx)).catch_unwind().await;
        let result = result.unwrap_or_else(|_| Err(storage("a write panicked")));
        let stays = result.as_ref().map(drop).map_err(again);
        self.done = Some((result, mem::take(&mut tx.after)));
        stays
    }

    fn end(self: Box<Self>, committed: Result<(), &TreeError>, blobs: &Blobs) {
        let result = match (self.done, committed) {
            (Some((Ok(value), after)), Ok(())) => {
                after.keep.into_iter().for_each(Blob::keep);
                for (content, gone) in after.remove {
                    blobs.remove_content(content, gone);
                }
                Ok(value)
            }
            (Some((Err(error), _)), _) => Err(error),
            (_, Err(why)) => Err(again(why)),
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
    file: Option<Arc<DbFile>>,
    lock: Option<File>,
) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let connection = writer.clone().lock_owned().await;
        let mut tx = Tx { connection, numbers: blobs.numbers(), after: After::default() };
        let ended = match file.as_ref().map_or(Ok(()), |file| file.check()) {
            Ok(()) => transact(&mut tx, &mut batch).await,
            Err(error) => Err(storage(error)),
        };
        drop(tx);
        let last = batch.iter().any(|job| job.is_last());
        for job in batch.drain(..) {
            job.end(ended.as_ref().copied(), &blobs);
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
async fn transact(tx: &mut Tx, batch: &mut [Box<dyn Write>]) -> Result<()> {
    tx.execute(BEGIN).await?;
    let result = match batch {
        [alone] => alone.run(tx).await,
        several => in_turn(tx, several).await,
    };
    let result = match result {
        Ok(()) => tx.execute("COMMIT").await.map_err(TreeError::from),
        Err(error) => Err(error),
    };
    if result.is_err() {
        // Also of a COMMIT that failed, or the connection would stay in the transaction. It fails
        // where SQLite itself has taken everything back: no room, a broken disk.
        let _ = tx.execute("ROLLBACK").await;
    }
    result
}

/// Each write under a savepoint, so that one that fails takes only itself back.
async fn in_turn(tx: &mut Tx, batch: &mut [Box<dyn Write>]) -> Result<()> {
    for job in batch {
        tx.execute("SAVEPOINT one").await?;
        if let Err(error) = job.run(tx).await
            && tx.execute("ROLLBACK TO SAVEPOINT one").await.is_err()
        {
            // The same, and so for all of them: what the next one did would be no transaction.
            return Err(error);
        }
        tx.execute("RELEASE SAVEPOINT one").await?;
    }
    Ok(())
}
