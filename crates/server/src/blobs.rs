//! Where the bytes of files are kept: blobs, each written once under a name that is new.
//!
//! Any OpenDAL operator will do: a folder, or memory. A blob belongs to whoever holds its
//! [`Blob`]; one that is dropped without having been named by a tree is removed. What is left of a
//! crash is removed at the next start: names carry the number of the run that wrote them, so that
//! what this run is writing is told from what nobody will ever name.

use std::{
    collections::HashMap,
    fmt, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use bytes::Bytes;
use futures::{
    Stream, StreamExt, TryStreamExt, future,
    stream::{self, BoxStream},
};
use opendal::{
    Operator,
    services::{Fs, Memory},
};
use tokio::{
    sync::{mpsc, oneshot},
    task,
};

use super::{
    blocks::{self, Checks, Summer},
    disk::{BlobFolder, FolderSync},
};

/// Low bits of a number, which count within a run.
const COUNTER_BITS: u32 = 32;

/// Bytes that are read from a blob at a time, and so held in memory for each reader.
const READ_PIECE: usize = 512 << 10;

/// Blobs whose size is looked up at a time.
const STATS: usize = 16;

/// Allocates ids that are never used twice. The high bits are the run of the server, the low bits a
/// counter.
#[derive(Debug)]
pub(super) struct IdAllocator {
    run: i64,
    next: AtomicI64,
}

impl IdAllocator {
    /// The numbers of a run.
    pub(super) fn new(run: i64) -> Self {
        Self { run, next: AtomicI64::new(run << COUNTER_BITS) }
    }

    /// A number that was never given before.
    pub(super) fn allocate(&self) -> i64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether this run gave the number.
    pub(super) fn gave(&self, number: i64) -> bool {
        number >> COUNTER_BITS == self.run
    }
}

/// A command for the task that removes blobs.
enum GcCommand {
    Remove(i64),
    /// Sends a reply once all earlier removals are done.
    Barrier(oneshot::Sender<()>),
}

/// The blobs of a server.
pub(super) struct Blobs {
    operator: Operator,
    /// The folder that the operator writes to, if it is one of this machine.
    folder: Option<Arc<BlobFolder>>,
    ids: Arc<IdAllocator>,
    gc: mpsc::UnboundedSender<GcCommand>,
    held: Mutex<HashMap<i64, Held>>,
}

/// A content that is being read, and what is to go when nobody reads it any more.
#[derive(Default)]
struct Held {
    readers: usize,
    pending_delete: Vec<i64>,
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs").field("operator", &self.operator.info()).finish_non_exhaustive()
    }
}

impl Blobs {
    /// Blobs in a folder, which is made if there is none; `sync` syncs the folders of new ones.
    pub(super) fn folder(
        folder: &Path,
        ids: Arc<IdAllocator>,
        sync: FolderSync,
    ) -> opendal::Result<Arc<Self>> {
        let root = folder.to_str().ok_or_else(|| {
            opendal::Error::new(
                opendal::ErrorKind::ConfigInvalid,
                format!("the folder's name is not Unicode: {}", folder.display()),
            )
        })?;
        let local = BlobFolder::new(folder, sync).map_err(|error| unusable(folder, error))?;
        Ok(Self::on(Operator::new(Fs::default().root(root))?, Some(local), ids))
    }

    /// Blobs in memory.
    pub(super) fn memory(ids: Arc<IdAllocator>) -> opendal::Result<Arc<Self>> {
        Ok(Self::on(Operator::new(Memory::default())?, None, ids))
    }

    /// Blobs behind any operator; `folder` is the one that it writes to.
    fn on(operator: Operator, folder: Option<BlobFolder>, ids: Arc<IdAllocator>) -> Arc<Self> {
        let (gc, commands) = mpsc::unbounded_channel();
        tokio::spawn(collect_garbage(operator.clone(), commands));
        let folder = folder.map(Arc::new);
        Arc::new(Self { operator, folder, ids, gc, held: Mutex::default() })
    }

    /// The allocator of ids.
    pub(super) fn ids(&self) -> Arc<IdAllocator> {
        self.ids.clone()
    }

    /// Begins a new blob.
    pub(super) async fn writer(self: &Arc<Self>) -> opendal::Result<BlobWriter> {
        let number = self.unused_number().await?;
        let blob = Blob { number, wanted: false, checks: Checks::default(), blobs: self.clone() };
        let writer = self.operator.writer(&name(number)).await;
        let writer = writer.map_err(|error| self.located(error))?;
        Ok(BlobWriter { writer, sums: Summer::default(), blob })
    }

    /// The number of a blob that does not exist. In a folder its file is made, so that a blob is
    /// never written over, whatever the database says of the numbers before.
    async fn unused_number(&self) -> opendal::Result<i64> {
        loop {
            let number = self.ids.allocate();
            let Some(folder) = self.folder.clone() else { return Ok(number) };
            let made = task::spawn_blocking(move || folder.create(&name(number))).await;
            match made.map_err(io::Error::other).flatten() {
                Ok(true) => return Ok(number),
                Ok(false) => tracing::warn!(number, "a blob of that number exists; it is kept"),
                Err(error) => return Err(self.located(failed(error))),
            }
        }
    }

    /// Syncs the folders that name a blob.
    async fn sync(&self, number: i64) -> opendal::Result<()> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let syncing = move || folder.sync(&name(number), (number & 0xff) as u8);
        let synced = task::spawn_blocking(syncing).await.map_err(io::Error::other).flatten();
        synced.map_err(|error| self.located(failed(error)))
    }

    /// An error, with where all blobs are; which one it is the operator says.
    fn located(&self, error: opendal::Error) -> opendal::Error {
        error.with_context("root", self.operator.info().root())
    }

    /// A range of a blob's bytes.
    pub(super) async fn read(
        &self,
        number: i64,
        range: Range<u64>,
    ) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>> {
        let expected = range.end - range.start;
        let stream = self
            .operator
            .reader_with(&name(number))
            .chunk(READ_PIECE)
            .await
            .map_err(io::Error::from)?
            .into_bytes_stream(range)
            .await
            .map_err(io::Error::from)?;
        let mut seen = 0;
        Ok(stream.map(move |piece| {
            let piece = piece?;
            seen += piece.len() as u64;
            if piece.is_empty() && seen < expected {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            Ok(piece)
        }))
    }

    /// A range of a blob of `length` bytes, every block verified by its checksum before a byte of
    /// it is passed on.
    pub(super) async fn read_verified(
        &self,
        number: i64,
        length: u64,
        range: Range<u64>,
        checks: Checks,
    ) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        let whole = blocks::touched(&range, length);
        let bytes = self.read(number, whole.clone()).await?.boxed();
        let at = move |error: io::Error| {
            io::Error::new(error.kind(), format!("blob {}: {error}", name(number)))
        };
        Ok(blocks::verified(bytes, whole, range, checks).map_err(at).boxed())
    }

    /// Moves a blob out of here, to a folder; returns where it is, or `None` if it does not exist.
    /// A tree in memory has nowhere to move it.
    pub(super) async fn move_to(&self, number: i64, to: &Path) -> io::Result<Option<PathBuf>> {
        let Some(folder) = self.folder.clone() else { return Ok(None) };
        let to = to.join(format!("{number:016x}"));
        let moved = to.clone();
        let moving = move || folder.move_to(&name(number), &moved);
        match task::spawn_blocking(moving).await.map_err(io::Error::other).flatten() {
            Ok(()) => Ok(Some(to)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes blobs, soon.
    pub(super) fn remove(&self, numbers: impl IntoIterator<Item = i64>) {
        for number in numbers {
            // The remover lives as long as the sender; without a runtime the next start removes.
            let _ = self.gc.send(GcCommand::Remove(number));
        }
    }

    /// Removes the blobs of a content, as soon as nobody reads it.
    pub(super) fn remove_content(&self, content: i64, blobs: Vec<i64>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(&content) {
            Some(held) => held.pending_delete.extend(blobs),
            None => self.remove(blobs),
        }
    }

    /// Keeps the blobs of a content as long as the answer lives, even if the content goes.
    pub(super) fn hold(self: &Arc<Self>, content: i64) -> Hold {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.entry(content).or_default().readers += 1;
        Hold { content, blobs: self.clone() }
    }

    /// Waits until everything that was to be removed so far is gone.
    pub(super) async fn settle(&self) {
        let (done, settled) = oneshot::channel();
        if self.gc.send(GcCommand::Barrier(done)).is_ok() {
            // An error means that the remover is gone, and so nothing is left to wait for.
            let _ = settled.await;
        }
    }

    /// Every blob there is.
    pub(super) async fn all(&self) -> opendal::Result<Vec<i64>> {
        let entries = self.operator.list_with("").recursive(true).await?;
        Ok(entries.iter().filter_map(|entry| number_of(entry.path())).collect())
    }

    /// Every blob and its size.
    pub(super) async fn sizes(&self) -> opendal::Result<Vec<(i64, u64)>> {
        let size = async |number| match self.operator.stat(&name(number)).await {
            Ok(found) => Ok(Some((number, found.content_length()))),
            // Removed meanwhile.
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let sizes = stream::iter(self.all().await?).map(size).buffer_unordered(STATS);
        sizes.try_filter_map(future::ok).try_collect().await
    }

    /// Every blob that an earlier run left, in groups of at most `group`.
    pub(super) async fn of_earlier_runs(
        &self,
        group: usize,
    ) -> opendal::Result<impl Stream<Item = opendal::Result<Vec<i64>>> + Send + '_> {
        let entries = self.operator.lister_with("").recursive(true).await?;
        Ok(entries
            .try_filter_map(move |entry| {
                let number = number_of(entry.path());
                future::ok(number.filter(|number| !self.ids.gave(*number)))
            })
            .try_chunks(group)
            .map_err(|error| error.1))
    }
}

/// A failure of the file system.
fn failed(error: io::Error) -> opendal::Error {
    opendal::Error::new(opendal::ErrorKind::Unexpected, "cannot make a blob").set_source(error)
}

fn unusable(folder: &Path, error: io::Error) -> opendal::Error {
    let why = format!("cannot use the folder {}", folder.display());
    opendal::Error::new(opendal::ErrorKind::Unexpected, why).set_source(error)
}

/// Where a blob is: spread over 256 folders, because some file systems slow down in large ones.
fn name(number: i64) -> String {
    format!("{:02x}/{number:016x}", number & 0xff)
}

/// The number of the blob there; `None` for folders and what is not ours.
fn number_of(path: &str) -> Option<i64> {
    let number = i64::from_str_radix(path.rsplit_once('/')?.1, 16).ok()?;
    (name(number) == path).then_some(number)
}

/// Removes what nobody wants, one after another, until nobody is left who could send more.
async fn collect_garbage(operator: Operator, mut commands: mpsc::UnboundedReceiver<GcCommand>) {
    while let Some(command) = commands.recv().await {
        match command {
            GcCommand::Remove(number) => {
                if let Err(error) = operator.delete(&name(number)).await {
                    tracing::warn!(number, %error, "a blob could not be removed; the next start tries again");
                }
            }
            GcCommand::Barrier(done) => {
                let _ = done.send(());
            }
        }
    }
}

/// A blob that is wanted by whoever holds this; dropped, it is removed.
pub(super) struct Blob {
    number: i64,
    wanted: bool,
    checks: Checks,
    blobs: Arc<Blobs>,
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({})", name(self.number))
    }
}

impl Blob {
    /// Its number.
    pub(super) fn number(&self) -> i64 {
        self.number
    }

    /// The checksums of its blocks.
    pub(super) fn checks(&self) -> &Checks {
        &self.checks
    }

    /// A tree names it now: it stays.
    pub(super) fn keep(mut self) {
        self.wanted = true;
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        if !self.wanted {
            self.blobs.remove([self.number]);
        }
    }
}

/// A blob that is being written; dropped, it is removed.
pub(super) struct BlobWriter {
    writer: opendal::Writer,
    sums: Summer,
    blob: Blob,
}

impl BlobWriter {
    /// Adds bytes.
    pub(super) async fn write(&mut self, bytes: Bytes) -> opendal::Result<()> {
        self.sums.update(&bytes);
        self.writer.write(bytes).await.map_err(|error| self.blob.blobs.located(error))
    }

    /// Ends it; a folder's blob is on the disk then, and with [`Durability::Full`] so is its name.
    ///
    /// [`Durability::Full`]: super::disk::Durability::Full
    pub(super) async fn finish(mut self) -> opendal::Result<Blob> {
        self.writer.close().await.map_err(|error| self.blob.blobs.located(error))?;
        self.blob.blobs.sync(self.blob.number).await?;
        self.blob.checks = self.sums.finish();
        Ok(self.blob)
    }
}

/// Somebody reads a content.
pub(super) struct Hold {
    content: i64,
    blobs: Arc<Blobs>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.blobs.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mine) = held.get_mut(&self.content) else { return };
        mine.readers -= 1;
        if mine.readers == 0 {
            let pending_delete =
                held.remove(&self.content).map(|held| held.pending_delete).unwrap_or_default();
            self.blobs.remove(pending_delete);
        }
    }
}
