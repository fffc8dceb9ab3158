//! Fetches adjacent blocks in one request, in a separate task.

use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering},
};

use bytes::{Bytes, BytesMut};
use opendal::{
    Buffer, BytesRange, Error, ErrorKind, OperationContext,
    options::ReadOptions,
    raw::{OpRead, OpReader, Service, oio},
};
use tokio::sync::mpsc;

use super::{
    cached_file::CachedFile,
    in_flight::{FetchClaim, FetchGuard},
    key::{BlockKey, FileKey},
    metadata::CachedItem,
};

/// Why blocks could not be fetched.
#[derive(Debug)]
pub(super) enum FetchError {
    /// The file has another version now.
    Changed,
    /// The service does not report the version of the bytes.
    Unversioned,
    Failed(Error),
}

/// A range of blocks to fetch.
pub(super) struct FetchRequest {
    pub(super) file: Arc<CachedFile>,
    pub(super) item: Arc<CachedItem>,
    pub(super) key: Arc<FileKey>,
    pub(super) blocks: Range<u64>,
    /// Blocks below this index are fetched even if the reader is dropped.
    pub(super) ahead: u64,
}

/// Active request of a background task. It delivers blocks in order, a few ahead of the reader.
pub(super) struct Prefetch {
    receiver: mpsc::Receiver<Result<(u64, Bytes), FetchError>>,
    has_started: bool,
}

impl Prefetch {
    /// Starts the request in a task on the executor of the operator. `first` is the guard of its
    /// first block.
    pub(super) fn start(request: FetchRequest, first: FetchGuard) -> Self {
        let capacity = request.file.cache.settings.read_ahead.max(1);
        let (sender, receiver) = mpsc::channel(capacity);
        spawn(&request.file.context.clone(), async move {
            if let Err(error) = request.run(first, &sender).await {
                // Sending fails if the reader has been dropped.
                let _ = sender.send(Err(error)).await;
            }
        });
        Self { receiver, has_started: false }
    }

    /// Waits for the block with the index `index`, and skips the blocks before it. Returns `None`
    /// if the request has ended before the block.
    ///
    /// # Errors
    /// The errors of [`FetchRequest::run`]; `Failed` with `Unexpected` if the executor dropped the
    /// task.
    pub(super) async fn block(&mut self, index: u64) -> Result<Option<Bytes>, FetchError> {
        loop {
            match self.receiver.recv().await {
                Some(Ok((arrived, bytes))) => {
                    self.has_started = true;
                    if arrived == index {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(error)) => return Err(error),
                None if self.has_started => return Ok(None),
                None => {
                    let text = "cannot read the file: the executor dropped the download task";
                    return Err(FetchError::Failed(Error::new(ErrorKind::Unexpected, text)));
                }
            }
        }
    }
}

impl FetchRequest {
    /// Returns the key of the block with the index `index`.
    fn block(&self, index: u64) -> BlockKey {
        BlockKey { file: Arc::clone(&self.key), index }
    }

    /// Fetches the blocks in one request, stores them and sends them to the reader. Ends at the
    /// first block that is cached or fetched by another task, and when the reader is dropped.
    /// `first` is the guard of the first block.
    ///
    /// # Errors
    /// Those of [`open`](Self::open); `Failed` if the stream fails or ends early.
    async fn run(
        self,
        first: FetchGuard,
        sender: &mpsc::Sender<Result<(u64, Bytes), FetchError>>,
    ) -> Result<(), FetchError> {
        let cache = &self.file.cache;
        let size = cache.store.block_size;
        let end = (self.blocks.end * size).min(self.key.length);
        let mut bytes = BlockSplitter {
            stream: self.open(self.blocks.start * size..end).await?,
            rest: Buffer::new(),
        };
        let mut first = Some(first);
        for index in self.blocks.clone() {
            let key = self.block(index);
            let guard = match first.take() {
                Some(first) => first,
                // The remaining blocks are cached, or another task fetches them.
                None if cache.store.has(&key) => return Ok(()),
                None => match cache.in_flight.claim(&key) {
                    FetchClaim::Owner(guard) => guard,
                    FetchClaim::Waiter(_) => return Ok(()),
                },
            };
            let length = (end - index * size).min(size);
            let block = bytes.take(length as usize).await.map_err(FetchError::Failed)?;
            cache.counters.record_fetch();
            cache.store.put(key.clone(), block.clone());
            guard.complete(block.clone());
            self.write_to_tier(key, &block).await;
            let is_dropped = sender.send(Ok((index, block))).await.is_err();
            if is_dropped && index + 1 >= self.ahead {
                return Ok(());
            }
            cache.store.catch_up().await;
        }
        Ok(())
    }

    /// Starts to write a block to the second tier, if one is set and not paused after a failure.
    /// Waits only for a permit.
    async fn write_to_tier(&self, key: BlockKey, block: &Bytes) {
        let Some(tier) = self.file.cache.store.tier() else { return };
        let Some(permit) = tier.admit().await else { return };
        let (tier, block) = (tier.clone(), block.clone());
        spawn(&self.file.context, async move { tier.put(&key, &block, permit).await });
    }

    /// Opens the bytes `span` (start inclusive, end exclusive) of the requested version of the
    /// file, so that no other version can be stored.
    ///
    /// # Errors
    /// `Changed` if the service has another version now, or if the file is shorter than the range;
    /// `Unversioned` if the service neither reports the version of the bytes nor supports
    /// `if_match`; `Failed` with any other error of the service, such as `NotFound`.
    async fn open(&self, span: Range<u64>) -> Result<Box<dyn oio::ReadStreamDyn>, FetchError> {
        let (file, wanted) = (&self.file, self.item.metadata.etag());
        let range = BytesRange::new(span.start, Some(span.end - span.start));
        if !file.cache.reads_lack_etag.load(Ordering::Relaxed) {
            let (reply, stream) = file.inner.open_dyn(range).await.map_err(to_fetch_error)?;
            match reply.metadata().and_then(|metadata| metadata.etag()) {
                etag @ Some(_) if etag == wanted => return Ok(stream),
                Some(_) => return Err(FetchError::Changed),
                None => file.cache.reads_lack_etag.store(true, Ordering::Relaxed),
            }
        }
        if !file.service.capability().read_with_if_match {
            return Err(FetchError::Unversioned);
        }
        let if_match = wanted.map(str::to_owned);
        let (_, args, _): (BytesRange, OpRead, OpReader) =
            ReadOptions { if_match, ..ReadOptions::default() }.into();
        let reader = file.service.read(&file.context, &file.path, args).map_err(to_fetch_error)?;
        let (reply, stream) = oio::Read::open(&reader, range).await.map_err(to_fetch_error)?;
        match reply.metadata().and_then(|metadata| metadata.etag()) {
            Some(etag) if Some(etag) != wanted => Err(FetchError::Changed),
            _ => Ok(stream),
        }
    }
}

/// Starts a task that continues if the caller's future is dropped.
fn spawn(context: &OperationContext, task: impl Future<Output = ()> + Send + 'static) {
    context.executor().clone().into_inner().execute(Box::pin(task));
}

/// Converts an error of a read: `Changed` for `ConditionNotMatch` and `RangeNotSatisfied`,
/// otherwise `Failed`.
fn to_fetch_error(error: Error) -> FetchError {
    match error.kind() {
        ErrorKind::ConditionNotMatch | ErrorKind::RangeNotSatisfied => FetchError::Changed,
        _ => FetchError::Failed(error),
    }
}

/// Splits a stream into blocks.
struct BlockSplitter {
    stream: Box<dyn oio::ReadStreamDyn>,
    rest: Buffer,
}

impl BlockSplitter {
    /// Returns the next `length` bytes.
    ///
    /// # Errors
    /// Those of the stream; `Unexpected`, temporary, if it ends before `length` bytes.
    async fn take(&mut self, length: usize) -> opendal::Result<Bytes> {
        let mut block = BytesMut::with_capacity(length);
        while block.len() < length {
            if self.rest.is_empty() {
                self.rest = self.stream.read_dyn().await?;
                if self.rest.is_empty() {
                    return Err(Error::new(
                        ErrorKind::Unexpected,
                        "cannot read the file: the service returned fewer bytes than requested",
                    )
                    .set_temporary());
                }
            }
            let piece = self.rest.slice(..self.rest.len().min(length - block.len()));
            self.rest = self.rest.slice(piece.len()..);
            piece.for_each(|bytes| block.extend_from_slice(&bytes));
        }
        Ok(block.freeze())
    }
}
