//! Fetching: neighbouring blocks in one request, each block by one at a time.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use bytes::{Bytes, BytesMut};
use opendal::{
    Buffer, BytesRange, Error, ErrorKind, OperationContext,
    options::ReadOptions,
    raw::{OpRead, OpReader, Service, oio},
};
use tokio::sync::{mpsc, watch};

use super::{
    known::Seen,
    read::File,
    store::{BlockKey, FileKey},
};

/// Blocks that somebody is receiving, and how to get them when they are there.
#[derive(Clone, Debug, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<BlockKey, watch::Receiver<Option<Bytes>>>>>);

/// Who receives a block.
pub(super) enum Claim {
    /// The caller.
    Mine(Claimed),
    /// Another does.
    Anothers(Waiting),
}

/// The duty to receive a block. If it is dropped, whoever waits takes it over.
pub(super) struct Claimed {
    flights: Flights,
    key: BlockKey,
    landing: watch::Sender<Option<Bytes>>,
}

pub(super) struct Waiting(watch::Receiver<Option<Bytes>>);

impl Flights {
    pub(super) fn claim(&self, key: &BlockKey) -> Claim {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = flights.get(key) {
            return Claim::Anothers(Waiting(waiting.clone()));
        }
        let (landing, waiting) = watch::channel(None);
        flights.insert(key.clone(), waiting);
        Claim::Mine(Claimed { flights: self.clone(), key: key.clone(), landing })
    }
}

impl Claimed {
    fn land(self, bytes: Bytes) {
        self.landing.send_replace(Some(bytes));
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.remove(&self.key);
    }
}

impl Waiting {
    /// The block; `None`: whoever was to receive it has given up.
    pub(super) async fn landed(mut self) -> Option<Bytes> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}

/// Why blocks did not come.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The file is another by now.
    Changed,
    /// The service does not say which version the bytes are of.
    Untold,
    Failed(Error),
}

/// What a run fetches.
pub(super) struct Order {
    pub(super) file: Arc<File>,
    pub(super) seen: Arc<Seen>,
    pub(super) key: Arc<FileKey>,
    pub(super) blocks: Range<u64>,
    /// Blocks before this one are fetched even if nobody takes them.
    pub(super) ahead: u64,
}

/// A request under way, in a task of its own: blocks in their order, a few ahead of their reader.
pub(super) struct Run {
    arrivals: mpsc::Receiver<Result<(u64, Bytes), Trouble>>,
    has_begun: bool,
}

impl Run {
    pub(super) fn start(order: Order, first: Claimed) -> Self {
        let room = order.file.core.settings.read_ahead.max(1);
        let (departures, arrivals) = mpsc::channel(room);
        spawn(&order.file.lent.clone(), async move {
            if let Err(trouble) = order.fly(first, &departures).await {
                // Nobody may be there any more to be told.
                let _ = departures.send(Err(trouble)).await;
            }
        });
        Self { arrivals, has_begun: false }
    }

    /// A block; `None`: the run has ended before it.
    pub(super) async fn block(&mut self, index: u64) -> Result<Option<Bytes>, Trouble> {
        loop {
            match self.arrivals.recv().await {
                Some(Ok((arrived, bytes))) => {
                    self.has_begun = true;
                    if arrived == index {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(trouble)) => return Err(trouble),
                None if self.has_begun => return Ok(None),
                None => {
                    let text = "the executor dropped a download that was under way";
                    return Err(Trouble::Failed(Error::new(ErrorKind::Unexpected, text)));
                }
            }
        }
    }
}

impl Order {
    fn block(&self, index: u64) -> BlockKey {
        BlockKey { file: Arc::clone(&self.key), index }
    }

    async fn fly(
        self,
        first: Claimed,
        departures: &mpsc::Sender<Result<(u64, Bytes), Trouble>>,
    ) -> Result<(), Trouble> {
        let core = &self.file.core;
        let size = core.store.block;
        let end = (self.blocks.end * size).min(self.key.length);
        let mut bytes = Arriving {
            stream: self.open(self.blocks.start * size..end).await?,
            rest: Buffer::new(),
        };
        let mut first = Some(first);
        for index in self.blocks.clone() {
            let key = self.block(index);
            let claimed = match first.take() {
                Some(first) => first,
                // The rest is there, or on its way, already.
                None if core.store.has(&key) => return Ok(()),
                None => match core.flights.claim(&key) {
                    Claim::Mine(claimed) => claimed,
                    Claim::Anothers(_) => return Ok(()),
                },
            };
            let length = (end - index * size).min(size);
            let block = bytes.take(length as usize).await.map_err(Trouble::Failed)?;
            core.counters.fetched();
            core.store.put(key.clone(), block.clone());
            claimed.land(block.clone());
            self.share(key, &block).await;
            let nobody = departures.send(Ok((index, block))).await.is_err();
            if nobody && index + 1 >= self.ahead {
                return Ok(());
            }
            core.store.catch_up().await;
        }
        Ok(())
    }

    /// Puts a block into the second tier, meanwhile.
    async fn share(&self, key: BlockKey, block: &Bytes) {
        let Some(tier) = self.file.core.store.tier() else { return };
        let Some(room) = tier.admit().await else { return };
        let (tier, block) = (tier.clone(), block.clone());
        spawn(&self.file.lent, async move { tier.put(&key, &block, room).await });
    }

    /// The bytes of a range, of the version that is wanted and no other.
    async fn open(&self, span: Range<u64>) -> Result<Box<dyn oio::ReadStreamDyn>, Trouble> {
        let (file, wanted) = (&self.file, self.seen.metadata.etag());
        let range = BytesRange::new(span.start, Some(span.end - span.start));
        if !file.core.tells_no_etag.load(Ordering::Relaxed) {
            let (reply, stream) = file.inner.open_dyn(range).await.map_err(trouble)?;
            match reply.metadata().and_then(|metadata| metadata.etag()) {
                told @ Some(_) if told == wanted => return Ok(stream),
                Some(_) => return Err(Trouble::Changed),
                None => file.core.tells_no_etag.store(true, Ordering::Relaxed),
            }
        }
        if !file.service.capability().read_with_if_match {
            return Err(Trouble::Untold);
        }
        let if_match = wanted.map(str::to_owned);
        let (_, args, _): (BytesRange, OpRead, OpReader) =
            ReadOptions { if_match, ..ReadOptions::default() }.into();
        let reader = file.service.read(&file.lent, &file.path, args).map_err(trouble)?;
        let (reply, stream) = oio::Read::open(&reader, range).await.map_err(trouble)?;
        match reply.metadata().and_then(|metadata| metadata.etag()) {
            Some(told) if Some(told) != wanted => Err(Trouble::Changed),
            _ => Ok(stream),
        }
    }
}

/// Runs a task that goes on when the caller's future is dropped.
fn spawn(lent: &OperationContext, task: impl Future<Output = ()> + Send + 'static) {
    lent.executor().clone().into_inner().execute(Box::pin(task));
}

/// What an error says about the version that was wanted.
fn trouble(error: Error) -> Trouble {
    match error.kind() {
        ErrorKind::ConditionNotMatch | ErrorKind::RangeNotSatisfied => Trouble::Changed,
        _ => Trouble::Failed(error),
    }
}

/// A stream that is cut into blocks.
struct Arriving {
    stream: Box<dyn oio::ReadStreamDyn>,
    rest: Buffer,
}

impl Arriving {
    /// Exactly as many bytes.
    async fn take(&mut self, length: usize) -> opendal::Result<Bytes> {
        let mut block = BytesMut::with_capacity(length);
        while block.len() < length {
            if self.rest.is_empty() {
                self.rest = self.stream.read_dyn().await?;
                if self.rest.is_empty() {
                    return Err(Error::new(
                        ErrorKind::Unexpected,
                        "the service gave fewer bytes than it was asked for",
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
