//! The task that writes.
//!
//! SQLite has one writer at a time: several connections would wait for each other by polling, without
//! fairness. So one task owns the connection. It runs all writes that are waiting in one transaction,
//! each under a savepoint. A caller that drops its future does not interrupt a write, because the
//! write runs in the task.

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
    dialect,
    failure::{duplicate, storage},
    file::DbFile,
    server::ServerSession,
};
use crate::blobs::{Blob, Blobs, IdAllocator};

/// The largest number of writes in a transaction.
const BATCH: usize = 64;

/// The capacity of the queue. Further callers wait.
const WAITING: usize = 256;

/// The storage of a database that is open.
pub(super) enum Backing {
    Memory,
    File(DbFile),
    Server(ServerSession),
}

impl Backing {
    /// Begins a transaction. A connection to a server that broke since the last one is opened
    /// again: nothing of the transaction was sent yet.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database's file was removed or replaced, its server cannot be
    /// reached, or the statement fails.
    async fn begin(&self, tx: &mut Tx) -> Result<()> {
        if let Self::File(file) = self {
            file.check().map_err(storage)?;
        }
        let begin = dialect::begin(&tx.connection);
        match (tx.execute(begin).await, self) {
            (Ok(()), _) => Ok(()),
            (Err(_), Self::Server(session)) => {
                *tx.connection = session.reconnect().await?;
                Ok(tx.execute(begin).await?)
            }
            (Err(error), _) => Err(error.into()),
        }
    }
}

/// The result of a transaction.
enum CommitResult {
    Committed,
    RolledBack(TreeError),
    /// The connection broke during the commit: it may have been done.
    Unknown(TreeError),
}

impl CommitResult {
    /// Returns the error, unless the commit is known to have succeeded: `None` then. After
    /// [`Unknown`](Self::Unknown) the database may have committed.
    fn error(&self) -> Option<&TreeError> {
        match self {
            Self::Committed => None,
            Self::RolledBack(error) | Self::Unknown(error) => Some(error),
        }
    }
}

/// The queue of writes.
pub(super) struct Writer {
    writes: mpsc::Sender<Box<dyn Write>>,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the task that writes on a connection. `lock` is released after the last write.
    pub(super) fn new(
        connection: Arc<Mutex<AnyConnection>>,
        blobs: Arc<Blobs>,
        backing: Backing,
        lock: Option<File>,
    ) -> Self {
        let (writes, waiting) = mpsc::channel(WAITING);
        let task = tokio::spawn(write_all(connection, waiting, blobs, backing, lock));
        Self { writes, task: std::sync::Mutex::new(Some(task)) }
    }

    /// Queues `work` for the next transaction, and waits for its result.
    ///
    /// # Errors
    /// Those of `work`; `TreeError::Storage` if the transaction fails or the queue is closed;
    /// `TreeError::NoRoom` if the disk is full.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (reply, result) = oneshot::channel();
        let job = Job { work: Some(work), done: None, reply };
        self.writes.send(Box::new(job)).await.map_err(|_| closed())?;
        result.await.map_err(|_| closed())?
    }

    /// Waits for pending writes, closes the connection and releases the lock.
    pub(super) async fn close(&self) {
        // It is already closed if this fails.
        let _ = self.writes.send(Box::new(CloseQueue)).await;
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the writing task panicked");
        }
    }
}

/// Returns the error of a write after the queue was closed.
fn closed() -> TreeError {
    storage("the tree is closed")
}

/// A transaction under way.
pub(super) struct Tx {
    connection: OwnedMutexGuard<AnyConnection>,
    ids: Arc<IdAllocator>,
    after: BlobChanges,
}

/// The changes to blobs after the commit.
#[derive(Default)]
struct BlobChanges {
    keep: Vec<Blob>,
    remove: Vec<(i64, Vec<i64>)>,
}

impl Tx {
    /// Returns the connection.
    pub(super) fn sql(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }

    /// Returns the allocator of ids.
    pub(super) fn ids(&self) -> &IdAllocator {
        &self.ids
    }

    /// Keeps a blob after the commit: a row names it.
    pub(super) fn keep(&mut self, blob: Blob) {
        self.after.keep.push(blob);
    }

    /// Removes the blobs of a content after the commit: no row names them any more.
    pub(super) fn remove(&mut self, content: i64, blobs: Vec<i64>) {
        if !blobs.is_empty() {
            self.after.remove.push((content, blobs));
        }
    }

    /// Executes a statement without parameters.
    ///
    /// # Errors
    /// `sqlx::Error` if a statement fails.
    async fn execute(&mut self, statement: &'static str) -> sqlx::Result<()> {
        sqlx::query(statement).execute(&mut *self.connection).await.map(|_| ())
    }
}

/// A write in the queue.
#[async_trait]
trait Write: Send {
    /// Runs the write. On an error its changes are rolled back.
    ///
    /// # Errors
    /// The error by which the caller decides whether to roll back. It need not be reported:
    /// [`end`](Self::end) replies.
    async fn run(&mut self, tx: &mut Tx) -> Result<()>;

    /// Ends the write with its transaction: keeps and removes blobs accordingly, and replies.
    fn end(self: Box<Self>, outcome: &CommitResult, blobs: &Blobs);

    /// Returns whether the queue closes after it.
    fn is_last(&self) -> bool {
        false
    }
}

/// Closes the queue, whether its transaction succeeds or not.
struct CloseQueue;

#[async_trait]
impl Write for CloseQueue {
    /// Writes nothing.
    ///
    /// # Errors
    /// Never.
    async fn run(&mut self, _: &mut Tx) -> Result<()> {
        Ok(())
    }

    /// Does nothing: no caller waits.
    fn end(self: Box<Self>, _: &CommitResult, _: &Blobs) {}

    /// Returns true: the queue is closed after this write.
    fn is_last(&self) -> bool {
        true
    }
}

struct Job<F, T> {
    work: Option<F>,
    done: Option<(Result<T>, BlobChanges)>,
    reply: oneshot::Sender<Result<T>>,
}

#[async_trait]
impl<F, T> Write for Job<F, T>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send,
    T: Send,
{
    /// Runs the work and stores its result and its changes to blobs until the end of the
    /// transaction.
    ///
    /// # Errors
    /// A copy of the error of the work; `TreeError::Storage` if it panicked or was run before.
    async fn run(&mut self, tx: &mut Tx) -> Result<()> {
        let work = self.work.take().ok_or_else(closed)?;
        let result = AssertUnwindSafe(work(tx)).catch_unwind().await;
        let result = result.unwrap_or_else(|_| Err(storage("a write panicked")));
        let stays = result.as_ref().map(drop).map_err(duplicate);
        self.done = Some((result, mem::take(&mut tx.after)));
        stays
    }

    /// Keeps and removes blobs by the outcome of the transaction, and sends the result to the
    /// caller.
    fn end(self: Box<Self>, outcome: &CommitResult, blobs: &Blobs) {
        let result = match (self.done, outcome) {
            (Some((Ok(value), after)), CommitResult::Committed) => {
                after.keep.into_iter().for_each(Blob::keep);
                for (content, unused) in after.remove {
                    blobs.remove_content(content, unused);
                }
                Ok(value)
            }
            (Some((Ok(_), after)), CommitResult::Unknown(error)) => {
                // Rows may name the new blobs, and the old ones too: the next start finds out.
                after.keep.into_iter().for_each(Blob::keep);
                Err(duplicate(error))
            }
            (Some((Err(error), _)), _) => Err(error),
            (_, CommitResult::RolledBack(error) | CommitResult::Unknown(error)) => {
                Err(duplicate(error))
            }
            (None, CommitResult::Committed) => Err(closed()),
        };
        // The caller may have dropped its future; the write was done nevertheless.
        let _ = self.reply.send(result);
    }
}

/// Runs the writes until every sender is dropped.
async fn write_all(
    connection: Arc<Mutex<AnyConnection>>,
    mut waiting: mpsc::Receiver<Box<dyn Write>>,
    blobs: Arc<Blobs>,
    backing: Backing,
    lock: Option<File>,
) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let mut tx = Tx {
            connection: connection.clone().lock_owned().await,
            ids: blobs.ids(),
            after: BlobChanges::default(),
        };
        let outcome = transact(&mut tx, &backing, &mut batch).await;
        drop(tx);
        if let Some(error) = outcome.error() {
            tracing::debug!(%error, "a transaction failed");
        }
        let last = batch.iter().any(|job| job.is_last());
        for job in batch.drain(..) {
            job.end(&outcome, &blobs);
        }
        if last {
            waiting.close();
        }
    }
    // The last connection of SQLite that is closed merges the log into the database.
    if let Some(connection) = Arc::into_inner(connection)
        && let Err(error) = connection.into_inner().close().await
    {
        tracing::warn!(%error, "cannot close the database");
    }
    drop(lock);
}

/// Runs one or more writes in one transaction, each under a savepoint if there are several.
async fn transact(tx: &mut Tx, backing: &Backing, batch: &mut [Box<dyn Write>]) -> CommitResult {
    if let Err(error) = backing.begin(tx).await {
        return CommitResult::RolledBack(error);
    }
    let done = match batch {
        [alone] => alone.run(tx).await,
        several => run_under_savepoints(tx, several).await,
    };
    let committed = match done {
        Ok(()) => tx.execute("COMMIT").await,
        Err(error) => {
            // It fails where the database has rolled back already: a full disk, a broken connection.
            let _ = tx.execute("ROLLBACK").await;
            return CommitResult::RolledBack(error);
        }
    };
    match committed {
        Ok(()) => CommitResult::Committed,
        Err(error) => {
            // Without it, the connection would stay in the transaction.
            let rolled_back = tx.execute("ROLLBACK").await;
            match (backing, rolled_back) {
                (Backing::Server(_), Err(_)) => CommitResult::Unknown(error.into()),
                _ => CommitResult::RolledBack(error.into()),
            }
        }
    }
}

/// Runs each write under a savepoint, so that a failure rolls back only that write.
///
/// # Errors
/// `TreeError` if the database has rolled back the whole transaction or a savepoint fails.
async fn run_under_savepoints(tx: &mut Tx, batch: &mut [Box<dyn Write>]) -> Result<()> {
    for job in batch {
        tx.execute("SAVEPOINT one").await?;
        if let Err(error) = job.run(tx).await
            && tx.execute("ROLLBACK TO SAVEPOINT one").await.is_err()
        {
            // The database has rolled back the whole transaction.
            return Err(error);
        }
        tx.execute("RELEASE SAVEPOINT one").await?;
    }
    Ok(())
}
