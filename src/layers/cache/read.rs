//! Bytes out: block by block, from wherever they are.

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
    core::{Core, missing},
    known::{Fill, Reach, Seen},
    run::{Claim, Order, Run, Trouble},
    store::{BlockKey, FileKey},
};

/// How often a file may be another than a moment ago before its reader is sent to the service.
const CHANGES_MAX: usize = 3;

/// A file that is read.
pub(super) struct File {
    pub(super) core: Arc<Core>,
    pub(super) service: Servicer,
    pub(super) lent: OperationContext,
    pub(super) path: String,
    /// For what is not answered from here.
    pub(super) inner: oio::Reader,
    made: Instant,
}

pub(super) struct CacheReader {
    file: Arc<File>,
    /// What a validity that asks every time has been answered; the fill tells whether the file has
    /// been changed since, through this operator.
    pinned: Mutex<Option<(Arc<Seen>, Fill)>>,
    /// Where the last range ended: who begins there reads on.
    ended: AtomicU64,
}

impl CacheReader {
    pub(super) fn new(
        core: Arc<Core>,
        service: Servicer,
        lent: OperationContext,
        path: &str,
        inner: oio::Reader,
    ) -> Self {
        let path = path.to_owned();
        let file = File { core, service, lent, path, inner, made: Instant::now() };
        Self { file: Arc::new(file), pinned: Mutex::default(), ended: AtomicU64::new(0) }
    }

    /// The version of the file that is read, and whether it was asked for just now.
    async fn version(&self) -> Result<(Arc<Seen>, bool)> {
        let File { core, service, lent, path, .. } = &*self.file;
        if !core.settings.validity.asks_always() {
            let remembered = core.remembered(lent, path).await;
            core.counters.metadata(remembered.is_some());
            return match remembered {
                Some(Some(seen)) => Ok((seen, false)),
                Some(None) => Err(missing(path)),
                None => Ok((core.look(service, lent, path).await?.0, true)),
            };
        }
        let mut pinned = self.pinned.lock().await;
        if let Some((seen, since)) = &*pinned
            && !since.is_spoiled()
        {
            return Ok((Arc::clone(seen), false));
        }
        let since = core.known.begin(path);
        let seen = self.ask(pinned.is_none()).await?;
        *pinned = Some((Arc::clone(&seen), since));
        Ok((seen, true))
    }

    /// What the file is now: an answer from after the reader was made if there is one, as OpenDAL
    /// asks by itself for reads in chunks; else the service's.
    async fn ask(&self, first: bool) -> Result<Arc<Seen>> {
        let File { core, service, lent, path, made, .. } = &*self.file;
        let known = core.known.look(path).and_then(|(looked, asked)| Some((looked?, asked)));
        if let Some((seen, asked)) = &known
            && first
            && asked > made
        {
            return Ok(Arc::clone(seen));
        }
        core.counters.metadata(false);
        let validator = known.as_ref().and_then(|(seen, _)| seen.metadata.etag());
        if let (Some(etag), true) = (validator, service.capability().stat_with_if_none_match) {
            let if_none_match = Some(etag.to_owned());
            let args = StatOptions { if_none_match, ..StatOptions::default() }.into();
            match service.stat(lent, path, args).await {
                Ok(reply) => return Ok(Seen::new(reply.into_metadata())),
                Err(error) if error.kind() == ErrorKind::NotFound => return Err(error),
                Err(error)
                    if error.kind() == ErrorKind::ConditionNotMatch
                        || core.may_stand_in(&error) =>
                {
                    if let Some((seen, _)) = known {
                        return Ok(seen);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(core.look(service, lent, path).await?.0)
    }

    /// Answers a range from blocks; `None`: it has to be forwarded.
    async fn begin(&self, range: BytesRange) -> Result<Option<(Arc<Seen>, CacheStream)>> {
        let core = &self.file.core;
        let mut asked_before: Option<Arc<Seen>> = None;
        for _ in 0..=CHANGES_MAX {
            if core.keeps_no_contents.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let (seen, asked_now) = self.version().await?;
            // A look names the version so, the bytes otherwise: that is no change.
            let same = |before: Arc<Seen>| before.metadata.etag() == seen.metadata.etag();
            if asked_before.take().is_some_and(same)
                && core.tells_no_etag.swap(true, Ordering::Relaxed)
            {
                core.keeps_no_contents.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            let Some(key) = core.file(&self.file.path, &seen).filter(|_| seen.metadata.is_file())
            else {
                return Ok(None);
            };
            let Some(span) = span(range, key.length) else { return Ok(None) };
            let reads_on = span.start > 0 && self.ended.load(Ordering::Relaxed) == span.start;
            let mut stream = CacheStream::new(
                Arc::clone(&self.file),
                Arc::clone(&seen),
                key,
                span.clone(),
                reads_on,
            );
            match stream.prepare().await {
                // What is kept is followed by what is not: better to know now whether that still
                // fits than when half has been given.
                Ok(()) if !asked_now && stream.lacks_later() && !self.is_still(&seen).await? => {}
                Ok(()) => {
                    self.ended.store(span.end, Ordering::Relaxed);
                    return Ok(Some((seen, stream)));
                }
                Err(Trouble::Untold) => {
                    core.keeps_no_contents.store(true, Ordering::Relaxed);
                    return Ok(None);
                }
                Err(Trouble::Changed) => {
                    core.known.changed(&self.file.path, Reach::Tree);
                    asked_before = Some(seen);
                }
                Err(Trouble::Failed(error)) => {
                    if error.kind() == ErrorKind::NotFound {
                        core.known.changed(&self.file.path, Reach::Tree);
                    }
                    return Err(error);
                }
            }
        }
        Ok(None)
    }
}

impl CacheReader {
    /// Whether the service has the same version yet; it is asked.
    async fn is_still(&self, seen: &Seen) -> Result<bool> {
        let File { core, service, lent, path, .. } = &*self.file;
        let (now, _) = core.look(service, lent, path).await?;
        let is = now.metadata.etag() == seen.metadata.etag();
        if !is {
            core.known.changed(path, Reach::Tree);
        }
        Ok(is)
    }
}

/// The bytes that a range means in a file of this length; `None`: what it means is the service's to
/// say.
fn span(range: BytesRange, length: u64) -> Option<Range<u64>> {
    let span = match range {
        BytesRange::Suffix { size: 0 } => return None,
        BytesRange::Suffix { size } => length.saturating_sub(size)..length,
        BytesRange::Range { offset, size: None } => offset..length,
        BytesRange::Range { offset, size: Some(size) } => offset..offset.checked_add(size)?,
    };
    // Nor is anything known of no bytes: what is shown as an empty file may be no file at all.
    (span.start < span.end && span.end <= length).then_some(span)
}

fn changed() -> Error {
    Error::new(ErrorKind::Conflict, "the file was changed by another while it was read")
}

#[deny(clippy::missing_trait_methods)]
impl oio::Read for CacheReader {
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        match self.begin(range).await? {
            Some((seen, stream)) => Ok((RpRead::new(seen.metadata.clone()), Box::new(stream))),
            None => self.file.inner.open_dyn(range).await,
        }
    }

    async fn read(&self, range: BytesRange) -> Result<(RpRead, Buffer)> {
        match self.begin(range).await? {
            Some((seen, mut stream)) => {
                let bytes = oio::ReadStream::read_all(&mut stream).await?;
                Ok((RpRead::new(seen.metadata.clone()), bytes))
            }
            None => self.file.inner.read_dyn(range).await,
        }
    }
}

/// A range of a file, as it arrives.
pub(super) struct CacheStream {
    file: Arc<File>,
    seen: Arc<Seen>,
    key: Arc<FileKey>,
    /// What has not been given yet.
    span: Range<u64>,
    /// The reader has been reading on.
    reads_on: bool,
    /// The first block, fetched before the stream was given away.
    first: Option<Bytes>,
    run: Option<Run>,
}

impl CacheStream {
    fn new(
        file: Arc<File>,
        seen: Arc<Seen>,
        key: Arc<FileKey>,
        span: Range<u64>,
        reads_on: bool,
    ) -> Self {
        Self { file, seen, key, span, reads_on, first: None, run: None }
    }

    fn size(&self) -> u64 {
        self.file.core.store.block
    }

    /// Fetches the first block: whether the file is still the one that was meant shows before
    /// anything has been given.
    async fn prepare(&mut self) -> std::result::Result<(), Trouble> {
        if !self.span.is_empty() {
            self.first = Some(self.block(self.span.start / self.size()).await?);
        }
        Ok(())
    }

    /// Whether the first block was here and a later one is not.
    fn lacks_later(&self) -> bool {
        let blocks = self.span.start / self.size() + 1..self.span.end.div_ceil(self.size());
        let here =
            |index| self.file.core.store.has(&BlockKey { file: Arc::clone(&self.key), index });
        self.run.is_none() && !blocks.into_iter().all(here)
    }

    async fn block(&mut self, index: u64) -> std::result::Result<Bytes, Trouble> {
        let key = BlockKey { file: Arc::clone(&self.key), index };
        loop {
            if let Some(run) = &mut self.run {
                match run.block(index).await {
                    Ok(Some(bytes)) => return Ok(bytes),
                    Ok(None) => self.run = None,
                    Err(trouble) => {
                        self.run = None;
                        return Err(trouble);
                    }
                }
            }
            let core = &self.file.core;
            if let Some(bytes) = core.kept(&key).await {
                return Ok(bytes);
            }
            match core.flights.claim(&key) {
                Claim::Anothers(waiting) => {
                    if let Some(bytes) = waiting.landed().await {
                        return Ok(bytes);
                    }
                }
                Claim::Mine(claimed) => {
                    // It may have landed since it was looked for.
                    if let Some(bytes) = core.store.in_memory(&key) {
                        return Ok(bytes);
                    }
                    self.run = Some(Run::start(self.order(index), claimed));
                }
            }
        }
    }

    /// What is fetched when a block is missing: the range's blocks from there, and more if the
    /// reader has been reading on.
    fn order(&self, from: u64) -> Order {
        let last = self.key.length.div_ceil(self.size());
        let mut end = self.span.end.div_ceil(self.size());
        let mut ahead = 0;
        if self.reads_on {
            end = (end + self.file.core.settings.read_ahead as u64).min(last);
            ahead = end;
        }
        Order {
            file: Arc::clone(&self.file),
            seen: Arc::clone(&self.seen),
            key: Arc::clone(&self.key),
            blocks: from..end,
            ahead,
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl oio::ReadStream for CacheStream {
    async fn read(&mut self) -> Result<Buffer> {
        if self.span.is_empty() {
            return Ok(Buffer::new());
        }
        let index = self.span.start / self.size();
        let block = match self.first.take() {
            Some(first) => first,
            None => self.block(index).await.map_err(|trouble| match trouble {
                Trouble::Failed(error) => error,
                Trouble::Changed | Trouble::Untold => {
                    self.file.core.known.changed(&self.file.path, Reach::Tree);
                    changed()
                }
            })?,
        };
        let begin = index * self.size();
        let end = self.span.end.min(begin + block.len() as u64);
        let bytes = block.slice((self.span.start - begin) as usize..(end - begin) as usize);
        self.span.start = end;
        Ok(bytes.into())
    }

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
    fn a_range_that_is_not_all_inside_the_file_is_for_the_service_to_answer() {
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
