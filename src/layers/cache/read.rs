//! Reads of files: block by block, from the cache or the service.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use opendal::{
    Buffer, BytesRange, Error, ErrorKind, OperationContext, Result,
    options::StatOptions,
    raw::{RpRead, Service, Servicer, oio},
};
use tokio::{sync::Mutex, time::Instant};

use super::{
    cached_file::CachedFile,
    fetch::{FetchError, FetchRequest, Prefetch},
    in_flight::FetchClaim,
    key::{BlockKey, FileKey},
    metadata::{CachedItem, InvalidationScope, PendingEntry},
    state::{CacheState, not_found},
};

/// Number of version changes during one read after which the read bypasses the cache.
const MAX_VERSION_CHANGES: usize = 3;

/// Reader of a file through the cache.
pub(super) struct CacheReader {
    file: Arc<CachedFile>,
    /// Version that a consistency with revalidation has validated at the first read. The pending
    /// entry becomes stale if the file is changed through this operator.
    pinned: Mutex<Option<(Arc<CachedItem>, PendingEntry)>>,
    /// End of the previous range. A read that starts here is sequential.
    last_end: AtomicU64,
}

impl CacheReader {
    /// Creates a reader of `path`. Sends no request. `inner` is the service's reader, for reads
    /// that bypass the cache.
    pub(super) fn new(
        cache: Arc<CacheState>,
        service: Servicer,
        context: OperationContext,
        path: &str,
        inner: oio::Reader,
    ) -> Self {
        let path = path.to_owned();
        let file = CachedFile { cache, service, context, path, inner, created_at: Instant::now() };
        Self { file: Arc::new(file), pinned: Mutex::default(), last_end: AtomicU64::new(0) }
    }

    /// Returns the version of the file to read, and whether it was requested just now. With a
    /// revalidating consistency, all reads of this reader get the version of the first one, unless
    /// the file is changed through this operator.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist, also according to the cache; those of the service.
    async fn version(&self) -> Result<(Arc<CachedItem>, bool)> {
        let CachedFile { cache, service, context, path, .. } = &*self.file;
        if !cache.settings.consistency.always_revalidates() {
            let cached = cache.cached_stat(context, path).await;
            cache.counters.record_metadata(cached.is_some());
            return match cached {
                Some(Some(item)) => Ok((item, false)),
                Some(None) => Err(not_found(path)),
                None => Ok((cache.fetch_stat(service, context, path).await?.0, true)),
            };
        }
        let mut pinned = self.pinned.lock().await;
        if let Some((item, since)) = &*pinned
            && !since.is_stale()
        {
            return Ok((Arc::clone(item), false));
        }
        let since = cache.metadata_cache.begin_request(path);
        let item = self.current_version(pinned.is_none()).await?;
        *pinned = Some((Arc::clone(&item), since));
        Ok((item, true))
    }

    /// Returns the current version of the file. For the first read (`first`), a cached result that
    /// is newer than the reader is used: OpenDAL itself calls `stat` before chunked reads.
    /// Otherwise sends a request, conditional if the cached version has an etag.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; those of the service, unless
    /// [`Consistency::StaleIfError`](super::Consistency::StaleIfError) permits the cached version.
    async fn current_version(&self, first: bool) -> Result<Arc<CachedItem>> {
        let CachedFile { cache, service, context, path, created_at, .. } = &*self.file;
        let cached = cache
            .metadata_cache
            .stat(path)
            .and_then(|(stat, requested_at)| Some((stat?, requested_at)));
        if let Some((item, requested_at)) = &cached
            && first
            && requested_at > created_at
        {
            return Ok(Arc::clone(item));
        }
        cache.counters.record_metadata(false);
        let validator = cached.as_ref().and_then(|(item, _)| item.metadata.etag());
        if let (Some(etag), true) = (validator, service.capability().stat_with_if_none_match) {
            let if_none_match = Some(etag.to_owned());
            let args = StatOptions { if_none_match, ..StatOptions::default() }.into();
            match service.stat(context, path, args).await {
                Ok(reply) => return Ok(CachedItem::new(reply.into_metadata())),
                Err(error) if error.kind() == ErrorKind::NotFound => return Err(error),
                Err(error)
                    if error.kind() == ErrorKind::ConditionNotMatch
                        || cache.may_serve_stale(&error) =>
                {
                    if let Some((item, _)) = cached {
                        return Ok(item);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(cache.fetch_stat(service, context, path).await?.0)
    }

    /// Opens a range that is read in blocks, and fetches its first block. Returns `None` if the
    /// read must bypass the cache: the item is a folder or has no etag, the service does not
    /// confirm the version of its bytes, the range is empty or not entirely within the file, or the
    /// file changed more than [`MAX_VERSION_CHANGES`] times meanwhile.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist, also according to the cache; those of the service.
    async fn open_cached(
        &self,
        range: BytesRange,
    ) -> Result<Option<(Arc<CachedItem>, CacheStream)>> {
        let cache = &self.file.cache;
        let mut changed_item: Option<Arc<CachedItem>> = None;
        for _ in 0..=MAX_VERSION_CHANGES {
            if cache.contents_uncacheable.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let (item, is_fresh) = self.version().await?;
            // The etag of `stat` differs from that of the bytes although the file has not changed:
            // the service uses two kinds of etags.
            let same_etag =
                |before: Arc<CachedItem>| before.metadata.etag() == item.metadata.etag();
            if changed_item.take().is_some_and(same_etag)
                && cache.reads_lack_etag.swap(true, Ordering::Relaxed)
            {
                cache.contents_uncacheable.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            let Some(key) =
                cache.file_key(&self.file.path, &item).filter(|_| item.metadata.is_file())
            else {
                return Ok(None);
            };
            let Some(span) = span(range, key.length) else { return Ok(None) };
            let is_sequential =
                span.start > 0 && self.last_end.load(Ordering::Relaxed) == span.start;
            let mut stream = CacheStream::new(
                Arc::clone(&self.file),
                Arc::clone(&item),
                key,
                span.clone(),
                is_sequential,
            );
            match stream.prepare().await {
                // Cached blocks are followed by blocks to fetch. Check now that the version is
                // current, not after half of the bytes have been returned.
                Ok(())
                    if !is_fresh && stream.has_later_gap() && !self.is_current(&item).await? => {}
                Ok(()) => {
                    self.last_end.store(span.end, Ordering::Relaxed);
                    return Ok(Some((item, stream)));
                }
                Err(FetchError::Unversioned) => {
                    cache.contents_uncacheable.store(true, Ordering::Relaxed);
                    return Ok(None);
                }
                Err(FetchError::Changed) => {
                    cache.metadata_cache.invalidate(&self.file.path, InvalidationScope::Tree);
                    changed_item = Some(item);
                }
                Err(FetchError::Failed(error)) => {
                    if error.kind() == ErrorKind::NotFound {
                        cache.metadata_cache.invalidate(&self.file.path, InvalidationScope::Tree);
                    }
                    return Err(error);
                }
            }
        }
        Ok(None)
    }
}

impl CacheReader {
    /// Returns whether the service still has this version. Sends a request, and invalidates the
    /// path if the version differs.
    ///
    /// # Errors
    /// Those of [`CacheState::fetch_stat`], such as `NotFound`.
    async fn is_current(&self, item: &CachedItem) -> Result<bool> {
        let CachedFile { cache, service, context, path, .. } = &*self.file;
        let (now, _) = cache.fetch_stat(service, context, path).await?;
        let is = now.metadata.etag() == item.metadata.etag();
        if !is {
            cache.metadata_cache.invalidate(path, InvalidationScope::Tree);
        }
        Ok(is)
    }
}

/// Returns the byte range (end exclusive) in a file of `length` bytes. A suffix that is longer than
/// the file is the whole file. Returns `None` if the file or the range is empty, if the range
/// starts at the end or after it, or if it ends after it: its meaning is left to the service.
fn span(range: BytesRange, length: u64) -> Option<Range<u64>> {
    let span = match range {
        BytesRange::Suffix { size: 0 } => return None,
        BytesRange::Suffix { size } => length.saturating_sub(size)..length,
        BytesRange::Range { offset, size: None } => offset..length,
        BytesRange::Range { offset, size: Some(size) } => offset..offset.checked_add(size)?,
    };
    // Reads of empty ranges and files are also left to the service: an item with length 0 may not
    // be a file.
    (span.start < span.end && span.end <= length).then_some(span)
}

/// Returns the `Conflict` error for a version change after some bytes have been returned.
fn changed_error() -> Error {
    Error::new(
        ErrorKind::Conflict,
        "cannot read the file: another client changed it during the read",
    )
}

#[deny(clippy::missing_trait_methods)]
impl oio::Read for CacheReader {
    /// Opens a range, from cached and fetched blocks if possible, otherwise from the service.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; those of the service. The stream fails with
    /// `Conflict` if another client changes the file during the read.
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        match self.open_cached(range).await? {
            Some((item, stream)) => Ok((RpRead::new(item.metadata.clone()), Box::new(stream))),
            None => self.file.inner.open_dyn(range).await,
        }
    }

    /// Reads a whole range, like [`open`](Self::open).
    ///
    /// # Errors
    /// Those of [`open`](Self::open) and of its stream.
    async fn read(&self, range: BytesRange) -> Result<(RpRead, Buffer)> {
        match self.open_cached(range).await? {
            Some((item, mut stream)) => {
                let bytes = oio::ReadStream::read_all(&mut stream).await?;
                Ok((RpRead::new(item.metadata.clone()), bytes))
            }
            None => self.file.inner.read_dyn(range).await,
        }
    }
}

/// Stream of a range.
pub(super) struct CacheStream {
    file: Arc<CachedFile>,
    item: Arc<CachedItem>,
    key: Arc<FileKey>,
    /// Bytes that have not been returned yet.
    span: Range<u64>,
    /// The range starts at the end of the previous one.
    is_sequential: bool,
    /// The first block, which is fetched before the stream is returned.
    first: Option<Bytes>,
    prefetch: Option<Prefetch>,
}

impl CacheStream {
    /// Creates the stream of the range `span`. Nothing is fetched before
    /// [`prepare`](Self::prepare).
    fn new(
        file: Arc<CachedFile>,
        item: Arc<CachedItem>,
        key: Arc<FileKey>,
        span: Range<u64>,
        is_sequential: bool,
    ) -> Self {
        Self { file, item, key, span, is_sequential, first: None, prefetch: None }
    }

    /// Returns the block size in bytes.
    fn size(&self) -> u64 {
        self.file.cache.store.block_size
    }

    /// Fetches the first block. A version change is thus detected before any byte is returned.
    ///
    /// # Errors
    /// Those of [`block`](Self::block).
    async fn prepare(&mut self) -> std::result::Result<(), FetchError> {
        if !self.span.is_empty() {
            self.first = Some(self.block(self.span.start / self.size()).await?);
        }
        Ok(())
    }

    /// Returns whether the first block was cached and a later one is missing, according to
    /// [`BlockStore::has`](super::store::BlockStore::has). `false` may thus be wrong.
    fn has_later_gap(&self) -> bool {
        let blocks = self.span.start / self.size() + 1..self.span.end.div_ceil(self.size());
        let here =
            |index| self.file.cache.store.has(&BlockKey { file: Arc::clone(&self.key), index });
        self.prefetch.is_none() && !blocks.into_iter().all(here)
    }

    /// Returns the block with the index `index`: from the active request, the cache or another
    /// task, otherwise from a new request.
    ///
    /// # Errors
    /// `Changed` if the file has another version now, `Unversioned` if the service does not report
    /// the version, `Failed` with any other error of the service.
    async fn block(&mut self, index: u64) -> std::result::Result<Bytes, FetchError> {
        let key = BlockKey { file: Arc::clone(&self.key), index };
        loop {
            if let Some(prefetch) = &mut self.prefetch {
                match prefetch.block(index).await {
                    Ok(Some(bytes)) => return Ok(bytes),
                    Ok(None) => self.prefetch = None,
                    Err(error) => {
                        self.prefetch = None;
                        return Err(error);
                    }
                }
            }
            let cache = &self.file.cache;
            if let Some(bytes) = cache.cached_block(&key).await {
                return Ok(bytes);
            }
            match cache.in_flight.claim(&key) {
                FetchClaim::Waiter(waiting) => {
                    if let Some(bytes) = waiting.wait().await {
                        return Ok(bytes);
                    }
                }
                FetchClaim::Owner(guard) => {
                    // Another task may have completed the block since the lookup.
                    if let Some(bytes) = cache.store.in_memory(&key) {
                        return Ok(bytes);
                    }
                    self.prefetch = Some(Prefetch::start(self.fetch_request(index), guard));
                }
            }
        }
    }

    /// Returns the request that begins with the missing block of the index `from`: the rest of the
    /// range, plus read-ahead for a sequential reader.
    fn fetch_request(&self, from: u64) -> FetchRequest {
        let last = self.key.length.div_ceil(self.size());
        let mut end = self.span.end.div_ceil(self.size());
        let mut ahead = 0;
        if self.is_sequential {
            end = (end + self.file.cache.settings.read_ahead as u64).min(last);
            ahead = end;
        }
        FetchRequest {
            file: Arc::clone(&self.file),
            item: Arc::clone(&self.item),
            key: Arc::clone(&self.key),
            blocks: from..end,
            ahead,
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl oio::ReadStream for CacheStream {
    /// Returns the bytes of the next block within the range, or an empty buffer at its end.
    ///
    /// # Errors
    /// `Conflict` if another client changed the file; those of the service.
    async fn read(&mut self) -> Result<Buffer> {
        if self.span.is_empty() {
            return Ok(Buffer::new());
        }
        let index = self.span.start / self.size();
        let block = match self.first.take() {
            Some(first) => first,
            None => self.block(index).await.map_err(|error| match error {
                FetchError::Failed(error) => error,
                FetchError::Changed | FetchError::Unversioned => {
                    self.file
                        .cache
                        .metadata_cache
                        .invalidate(&self.file.path, InvalidationScope::Tree);
                    changed_error()
                }
            })?,
        };
        let begin = index * self.size();
        let end = self.span.end.min(begin + block.len() as u64);
        let bytes = block.slice((self.span.start - begin) as usize..(end - begin) as usize);
        self.span.start = end;
        Ok(bytes.into())
    }

    /// Returns all remaining bytes of the range.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    async fn read_all(&mut self) -> Result<Buffer> {
        let mut pieces = Vec::new();
        loop {
            match self.read().await? {
                piece if piece.is_empty() => return Ok(pieces.into_iter().flatten().collect()),
                piece => pieces.push(piece),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_beyond_the_file_are_forwarded() {
        let range = |offset, size| BytesRange::new(offset, size);
        for (range, length, wanted) in [
            (range(0, None), 10, Some(0..10)),
            (range(3, None), 10, Some(3..10)),
            (range(3, Some(7)), 10, Some(3..10)),
            (range(0, None), 0, None),
            (BytesRange::suffix(3), 10, Some(7..10)),
            (BytesRange::suffix(30), 10, Some(0..10)),
            (range(10, None), 10, None),
            (range(11, None), 10, None),
            (range(3, Some(8)), 10, None),
            (range(3, Some(0)), 10, None),
            (range(3, Some(u64::MAX)), 10, None),
            (range(0, Some(1)), 0, None),
            (BytesRange::suffix(0), 10, None),
        ] {
            assert_eq!(span(range, length), wanted, "{range:?} of {length}");
        }
    }
}
