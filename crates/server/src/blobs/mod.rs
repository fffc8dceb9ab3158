//! The bytes of files that are too large for a database row.
//!
//! A blob is written once, under a number that is never used twice, to any OpenDAL operator: a
//! folder, memory or an object store. A [`Blob`] owns the blob with its number: a blob whose owner
//! is dropped before a database row names it is removed. Blobs that a crash leaves behind are
//! removed at the next start. The high bits of a number are the run of the server that wrote the
//! blob, so blobs of earlier runs can be told apart from blobs that are being written now.

mod blob;
mod ids;
mod lease;

use std::{
    collections::HashMap,
    fmt, fs, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::{
    Stream, StreamExt, TryStreamExt, future,
    stream::{self, BoxStream},
};
use opendal::{
    Operator,
    services::{Fs, MEMORY_SCHEME, Memory},
};
use tokio::{
    sync::{mpsc, oneshot},
    task,
};

use self::lease::ContentUse;
pub(crate) use self::{
    blob::{Blob, BlobWriter},
    ids::IdAllocator,
    lease::ReadLease,
};
use super::{
    blocks::{self, Checks, Summer},
    disk::{self, BlobFolder, FolderSync},
};

/// Bytes that a reader holds in memory for a blob in a folder or in memory.
const READ_CHUNK: usize = 512 << 10;

/// Bytes of a part of a multipart upload to an object store. S3 accepts at least 5 MiB, and at most
/// 10,000 parts: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>.
const PART: usize = 8 << 20;

/// Concurrent requests for the sizes of blobs.
const STAT_CONCURRENCY: usize = 16;

/// A command for the task that removes blobs.
enum GcCommand {
    Remove(i64),
    /// Sends a reply once all earlier removals are done.
    Barrier(oneshot::Sender<()>),
}

/// The blobs of a server.
pub(crate) struct Blobs {
    operator: Operator,
    /// The folder that the operator writes to; `None` unless it is on this machine.
    folder: Option<Arc<BlobFolder>>,
    /// Whether the operator sends requests over a network.
    is_remote: bool,
    ids: Arc<IdAllocator>,
    gc: mpsc::UnboundedSender<GcCommand>,
    contents_in_use: Mutex<HashMap<i64, ContentUse>>,
}

impl fmt::Debug for Blobs {
    /// Shows the operator only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs").field("operator", &self.operator.info()).finish_non_exhaustive()
    }
}

impl Blobs {
    /// Opens the blobs in a folder, which is created if it does not exist. `sync` syncs the folders
    /// of new blobs.
    ///
    /// # Errors
    /// `opendal::Error` of kind `ConfigInvalid` if the path is not Unicode, otherwise `Unexpected`
    /// if the folder cannot be created.
    pub(crate) fn in_folder(
        folder: &Path,
        ids: Arc<IdAllocator>,
        sync: FolderSync,
    ) -> opendal::Result<Arc<Self>> {
        let root = folder.to_str().ok_or_else(|| {
            let path = folder.display();
            opendal::Error::new(
                opendal::ErrorKind::ConfigInvalid,
                format!("cannot use the folder {path}: its path is not Unicode"),
            )
        })?;
        let local = BlobFolder::new(folder, sync).map_err(|error| {
            let message = format!("cannot use the folder {}", folder.display());
            opendal::Error::new(opendal::ErrorKind::Unexpected, message).set_source(error)
        })?;
        Ok(Self::new(Operator::new(Fs::default().root(root))?, Some(local), ids))
    }

    /// Creates blobs in memory.
    ///
    /// # Errors
    /// `opendal::Error` if the operator cannot be created.
    pub(crate) fn in_memory(ids: Arc<IdAllocator>) -> opendal::Result<Arc<Self>> {
        Ok(Self::new(Operator::new(Memory::default())?, None, ids))
    }

    /// Opens the blobs behind an operator that is not a folder of this machine.
    pub(crate) fn in_store(operator: Operator, ids: Arc<IdAllocator>) -> Arc<Self> {
        Self::new(operator, None, ids)
    }

    /// Creates the blobs behind an operator, and starts the task that removes blobs. `folder` is
    /// the operator's folder on this machine, if it has one.
    fn new(operator: Operator, folder: Option<BlobFolder>, ids: Arc<IdAllocator>) -> Arc<Self> {
        let (gc, commands) = mpsc::unbounded_channel();
        tokio::spawn(collect_garbage(operator.clone(), commands));
        let is_remote = folder.is_none() && operator.info().scheme() != MEMORY_SCHEME;
        let (folder, contents_in_use) = (folder.map(Arc::new), Mutex::default());
        Arc::new(Self { operator, folder, is_remote, ids, gc, contents_in_use })
    }

    /// Returns the allocator of ids.
    pub(crate) fn ids(&self) -> Arc<IdAllocator> {
        self.ids.clone()
    }

    /// Begins a new blob.
    ///
    /// # Errors
    /// `opendal::Error` if its file cannot be created, or the operator cannot begin to write.
    pub(crate) async fn writer(self: &Arc<Self>) -> opendal::Result<BlobWriter> {
        let number = self.unused_number().await?;
        let blob = Blob { number, kept: false, checks: Checks::default(), blobs: self.clone() };
        let path = path_of(number);
        let mut writer = self.operator.writer_with(&path);
        if self.is_remote && self.operator.info().capability().write_can_multi {
            writer = writer.chunk(PART);
        }
        let writer = writer.await.map_err(|error| self.with_root(error))?;
        Ok(BlobWriter { writer, sums: Summer::default(), blob })
    }

    /// Returns the number of a blob that does not exist. In a folder its file is created, so that a
    /// blob is never overwritten, whatever the database knows about earlier numbers.
    ///
    /// # Errors
    /// `opendal::Error` if the file cannot be created.
    async fn unused_number(&self) -> opendal::Result<i64> {
        loop {
            let number = self.ids.allocate();
            let Some(folder) = self.folder.clone() else { return Ok(number) };
            let created = task::spawn_blocking(move || folder.create(&path_of(number))).await;
            match created.map_err(io::Error::other).flatten() {
                Ok(true) => return Ok(number),
                Ok(false) => tracing::warn!(number, "a blob with this number exists; it is kept"),
                Err(error) => return Err(self.with_root(cannot_create(error))),
            }
        }
    }

    /// Syncs the folders above the blob with a number. Has no effect outside of a local folder.
    ///
    /// # Errors
    /// `opendal::Error` if a folder cannot be synced.
    async fn sync(&self, number: i64) -> opendal::Result<()> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let syncing = move || folder.sync(&path_of(number), (number & 0xff) as u8);
        let synced = task::spawn_blocking(syncing).await.map_err(io::Error::other).flatten();
        synced.map_err(|error| self.with_root(cannot_create(error)))
    }

    /// Adds the root of the operator to an error, whose path is relative to it.
    fn with_root(&self, error: opendal::Error) -> opendal::Error {
        error.with_context("root", self.operator.info().root())
    }

    /// Streams a range of the blob with a number. The end of the range is exclusive.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if the blob does not exist; the operator's error if it cannot be
    /// read. The stream yields [`io::ErrorKind::UnexpectedEof`] if the blob is shorter than the
    /// range.
    pub(crate) async fn read(
        &self,
        number: i64,
        range: Range<u64>,
    ) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>> {
        let expected = range.end - range.start;
        let path = path_of(number);
        let mut reader = self.operator.reader_with(&path);
        // A store sends the whole range in one response, and the stream does not collect it.
        if !self.is_remote {
            reader = reader.chunk(READ_CHUNK);
        }
        let stream = reader
            .await
            .map_err(io::Error::from)?
            .into_bytes_stream(range)
            .await
            .map_err(io::Error::from)?;
        let mut received = 0;
        Ok(stream.map(move |chunk| {
            let chunk = chunk?;
            received += chunk.len() as u64;
            if chunk.is_empty() && received < expected {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            Ok(chunk)
        }))
    }

    /// Streams a range, whose end is exclusive, of the blob `number`, which has `length` bytes. A
    /// block is passed on after its checksum was verified.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if the blob does not exist; otherwise when the operator cannot
    /// read it; the stream also fails at the first damaged block.
    pub(crate) async fn read_verified(
        &self,
        number: i64,
        length: u64,
        range: Range<u64>,
        checks: Checks,
    ) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        let blocks = blocks::touched(&range, length);
        let bytes = self.read(number, blocks.clone()).await?.boxed();
        let with_path = move |error: io::Error| {
            io::Error::new(error.kind(), format!("blob {}: {error}", path_of(number)))
        };
        Ok(blocks::verified(bytes, blocks, range, checks).map_err(with_path).boxed())
    }

    /// Moves a blob to a local folder. Returns its new path, or `None` if the blob does not exist.
    ///
    /// # Errors
    /// The operator's error if the blob cannot be read or removed, or the operating system's if the
    /// file cannot be written; the blob is then where it was.
    pub(crate) async fn move_to(&self, number: i64, to: &Path) -> io::Result<Option<PathBuf>> {
        let to = to.join(format!("{number:016x}"));
        let renamed = match self.folder.clone() {
            Some(folder) => {
                let target = to.clone();
                let moving = move || folder.move_to(&path_of(number), &target);
                task::spawn_blocking(moving).await.map_err(io::Error::other).flatten()
            }
            None => Err(io::Error::from(io::ErrorKind::CrossesDevices)),
        };
        match renamed {
            Ok(()) => Ok(Some(to)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                self.download(number, to).await
            }
            Err(error) => Err(error),
        }
    }

    /// Copies a blob to the local file `to`, then removes it. Returns `to`, or `None` if the blob
    /// does not exist.
    ///
    /// # Errors
    /// The operator's error if the blob cannot be read or removed, or the operating system's if the
    /// file cannot be written.
    async fn download(&self, number: i64, to: PathBuf) -> io::Result<Option<PathBuf>> {
        let size = match self.operator.stat(&path_of(number)).await {
            Ok(metadata) => metadata.content_length(),
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = std::pin::pin!(self.read(number, 0..size).await?);
        let mut file = disk::private_file().create(true).truncate(true).open(&to)?;
        while let Some(chunk) = bytes.try_next().await? {
            file = task::spawn_blocking(move || {
                io::Write::write_all(&mut file, &chunk).map(|()| file)
            })
            .await??;
        }
        task::spawn_blocking(move || fs::File::sync_all(&file)).await??;
        self.operator.delete(&path_of(number)).await?;
        Ok(Some(to))
    }

    /// Queues the removal of blobs.
    pub(crate) fn remove(&self, numbers: impl IntoIterator<Item = i64>) {
        for number in numbers {
            // The task lives as long as the sender. If its runtime ended, the next start removes.
            let _ = self.gc.send(GcCommand::Remove(number));
        }
    }

    /// Queues the removal of the blobs of a content, to be done after its last reader.
    pub(crate) fn remove_content(&self, content: i64, blobs: Vec<i64>) {
        let mut in_use = self.contents_in_use.lock().unwrap_or_else(PoisonError::into_inner);
        match in_use.get_mut(&content) {
            Some(content_use) => content_use.pending_delete.extend(blobs),
            None => self.remove(blobs),
        }
    }

    /// Keeps the blobs of a content until the returned lease is dropped, even if the content is
    /// deleted.
    pub(crate) fn lease(self: &Arc<Self>, content: i64) -> ReadLease {
        let mut in_use = self.contents_in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.entry(content).or_default().readers += 1;
        ReadLease { content, blobs: self.clone() }
    }

    /// Waits until all removals that were queued so far are done.
    pub(crate) async fn finish_removals(&self) {
        let (done, finished) = oneshot::channel();
        if self.gc.send(GcCommand::Barrier(done)).is_ok() {
            // An error means that the task ended: it has nothing left to do.
            let _ = finished.await;
        }
    }

    /// Returns the numbers of all blobs.
    ///
    /// # Errors
    /// `opendal::Error` if the operator cannot list them.
    pub(crate) async fn all(&self) -> opendal::Result<Vec<i64>> {
        let entries = self.operator.list_with("").recursive(true).await?;
        Ok(entries.iter().filter_map(|entry| number_of(entry.path())).collect())
    }

    /// Returns the numbers of all blobs and their sizes in bytes.
    ///
    /// # Errors
    /// `opendal::Error` if the operator cannot list or stat them.
    pub(crate) async fn sizes(&self) -> opendal::Result<Vec<(i64, u64)>> {
        let size = async |number| match self.operator.stat(&path_of(number)).await {
            Ok(found) => Ok(Some((number, found.content_length()))),
            // It was removed after the listing.
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let sizes = stream::iter(self.all().await?).map(size).buffer_unordered(STAT_CONCURRENCY);
        sizes.try_filter_map(future::ok).try_collect().await
    }

    /// Streams the numbers of the blobs of earlier runs, in groups of at most `group`.
    ///
    /// # Errors
    /// `opendal::Error` if the operator cannot list them.
    pub(crate) async fn list_earlier_runs(
        &self,
        group: usize,
    ) -> opendal::Result<impl Stream<Item = opendal::Result<Vec<i64>>> + Send + '_> {
        let entries = self.operator.lister_with("").recursive(true).await?;
        Ok(entries
            .try_filter_map(move |entry| {
                let number = number_of(entry.path());
                future::ok(number.filter(|number| !self.ids.is_from_this_run(*number)))
            })
            .try_chunks(group)
            .map_err(|error| error.1))
    }
}

/// Returns the operator's form, of kind `Unexpected`, of an error of the file system that occurs
/// when a blob is created or synced.
fn cannot_create(error: io::Error) -> opendal::Error {
    opendal::Error::new(opendal::ErrorKind::Unexpected, "cannot create a blob").set_source(error)
}

/// Returns the path of a blob. Blobs are spread over 256 folders, because some file systems slow
/// down in large ones.
fn path_of(number: i64) -> String {
    format!("{:02x}/{number:016x}", number & 0xff)
}

/// Returns the number of the blob at a path; `None` if the path is not one of [`path_of`].
pub(crate) fn number_of(path: &str) -> Option<i64> {
    let number = i64::from_str_radix(path.rsplit_once('/')?.1, 16).ok()?;
    (path_of(number) == path).then_some(number)
}

/// Removes blobs one after another, until every sender is dropped.
async fn collect_garbage(operator: Operator, mut commands: mpsc::UnboundedReceiver<GcCommand>) {
    while let Some(command) = commands.recv().await {
        match command {
            GcCommand::Remove(number) => {
                if let Err(error) = operator.delete(&path_of(number)).await {
                    tracing::warn!(number, %error, "cannot remove a blob; the next start tries again");
                }
            }
            GcCommand::Barrier(done) => {
                // The caller may have stopped waiting.
                let _ = done.send(());
            }
        }
    }
}
