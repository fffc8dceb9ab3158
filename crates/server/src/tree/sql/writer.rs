//! The task that writes.
//!
//! SQLite has one writer at a time whatever one does; several connections that write would wait for
//! each other unfairly and by polling. So all writes go to one task, which owns the connection:
//! it takes what has gathered while it was busy into one transaction, each write under a savepoint
//! of its own. Because a write runs there and not in the caller's future, a caller that goes away
//! leaves it neither half done nor the connection stuck.

use std::{
    fs::File,
    mem,
    panic::AssertUnwindSafe,
    sync::{Arc, PoisonError},
};

use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture};
use sqlx::{AnyConnection, Connection};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    super::{Result, TreeError},
    dialect::BEGIN,
    failure::{duplicate, storage},
    file::DbFile,
};
use crate::blobs::{Blob, Blobs, IdAllocator};

/// The most writes of one transaction.
const BATCH: usize = 64;

/// The most writes that wait; beyond, callers wait to be let in.
const WAITING: usize = 256;

/// Where writes are handed in.
pub(super) struct Writer {
    writes: mpsc::Sender<Box<dyn Write>>,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Writes on a connection, to the database in `file` unless it is in memory. `lock` is given up
    /// when nothing is written any more.
    pub(super) fn new(
        connection: Arc<Mutex<AnyConnection>>,
        blobs: Arc<Blobs>,
        file: Option<Arc<DbFile>>,
        lock: Option<File>,
    ) -> Self {
        let (writes, waiting) = mpsc::channel(WAITING);
        let task = tokio::spawn(write_all(connection, waiting, blobs, file, lock));
        Self { writes, task: std::sync::Mutex::new(Some(task)) }
    }

    /// See [`Db::write`](super::db::Db::write).
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (reply, result) = oneshot::channel();
        let job = Job { work: Some(work), done: None, reply };
        self.writes.send(Box::new(job)).await.map_err(|_| closed())?;
        result.await.map_err(|_| closed())?
    }

    /// Waits for the writes under way, closes the connection and gives up the lock.
    pub(super) async fn close(&self) {
        // It is already closed if this fails.
        let _ = self.writes.send(Box::new(Last)).await;
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
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
    ids: Arc<IdAllocator>,
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

    /// The allocator of ids.
    pub(super) fn ids(&self) -> &IdAllocator {
        &self.ids
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

    /// Ends the write with its transaction: removes and keeps bytes accordingly, and replies.
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
        let stays = result.as_ref().map(drop).map_err(duplicate);
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
            (_, Err(why)) => Err(duplicate(why)),
            (None, Ok(())) => Err(closed()),
        };
        // The caller may be gone; the work is done all the same.
        let _ = self.reply.send(result);
    }
}

/// Runs the writes until every sender is dropped.
async fn write_all(
    connection: Arc<Mutex<AnyConnection>>,
    mut waiting: mpsc::Receiver<Box<dyn Write>>,
    blobs: Arc<Blobs>,
    file: Option<Arc<DbFile>>,
    lock: Option<File>,
) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let mut tx = Tx {
            connection: connection.clone().lock_owned().await,
            ids: blobs.ids(),
            after: After::default(),
        };
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
    if let Some(connection) = Arc::into_inner(connection)
        && let Err(error) = connection.into_inner().close().await
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
