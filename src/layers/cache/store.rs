//! Where blocks are kept: memory, a folder of this process, a tier that many share.

use std::{
    hash::{BuildHasher, Hash, Hasher},
    io::{Read, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use foyer::{
    BlockEngineConfig, Code, DefaultHasher, DeviceBuilder, FsDeviceBuilder, HybridCache,
    HybridCacheBuilder, HybridCachePolicy, HybridCacheProperties, Location, LruConfig,
    PsyncIoEngineConfig,
};
use opendal::{Error, ErrorKind, Result};
use tokio::{sync::Mutex, task::JoinError};

use super::{folder::Folder, tier::Tier};

/// The longest key that is read back from a disk, in bytes: a path and an etag.
const KEY_MAX: usize = 1 << 20;

/// What the blocks of a file are called: whose it is, its path, its etag, its length, and how it
/// is cut. Bytes of another version have another name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileKey {
    text: Box<str>,
    hash: u64,
    pub(super) length: u64,
}

impl FileKey {
    pub(super) fn new(identity: &str, path: &str, etag: &str, length: u64, block: u64) -> Self {
        Self::parsed(format!("{length}\n{block}\n{identity}\n{path}\n{etag}").into(), length)
    }

    fn parsed(text: Box<str>, length: u64) -> Self {
        let hash = DefaultHasher::default().hash_one(&*text);
        Self { text, hash, length }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// What a block is called.
#[derive(Clone, Debug)]
pub(super) struct BlockKey {
    pub(super) file: Arc<FileKey>,
    pub(super) index: u64,
}

impl PartialEq for BlockKey {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
            && (Arc::ptr_eq(&self.file, &other.file) || self.file == other.file)
    }
}

impl Eq for BlockKey {}

impl Hash for BlockKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.file.hash);
        state.write_u64(self.index);
    }
}

impl Code for BlockKey {
    fn encode(&self, writer: &mut impl Write) -> foyer::Result<()> {
        (self.index, self.file.length).0.encode(writer)?;
        self.file.length.encode(writer)?;
        Bytes::copy_from_slice(self.file.text.as_bytes()).encode(writer)
    }

    fn decode(reader: &mut impl Read) -> foyer::Result<Self> {
        let (index, length) = (u64::decode(reader)?, u64::decode(reader)?);
        let text = String::from_utf8(sized(reader, KEY_MAX)?).map_err(|error| {
            foyer::Error::new(foyer::ErrorKind::Parse, "key").with_source(error)
        })?;
        Ok(Self { file: Arc::new(FileKey::parsed(text.into(), length)), index })
    }

    fn estimated_size(&self) -> usize {
        3 * size_of::<u64>() + self.file.text.len()
    }
}

/// The bytes of a block.
#[derive(Clone, Debug)]
struct Block(Bytes);

/// The longest block that is read back from a disk, in bytes.
pub(super) const BLOCK_MAX: u64 = 8 << 20;

impl Code for Block {
    fn encode(&self, writer: &mut impl Write) -> foyer::Result<()> {
        self.0.encode(writer)
    }

    fn decode(reader: &mut impl Read) -> foyer::Result<Self> {
        Ok(Self(sized(reader, BLOCK_MAX as usize)?.into()))
    }

    fn estimated_size(&self) -> usize {
        size_of::<usize>() + self.0.len()
    }
}

/// A length and as many bytes; a length that cannot be is one that was damaged.
fn sized(reader: &mut impl Read, most: usize) -> foyer::Result<Vec<u8>> {
    let length = usize::decode(reader)?;
    if length > most {
        return Err(foyer::Error::new(foyer::ErrorKind::OutOfRange, "a length that cannot be"));
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).map_err(foyer::Error::io_error)?;
    Ok(bytes)
}

/// How much is kept where.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// Bytes of a block.
    pub(super) block: u64,
    /// Bytes in memory.
    pub(super) memory: usize,
    /// A folder, and how many bytes a process may keep there.
    pub(super) disk: Option<(PathBuf, u64)>,
}

/// Where a block was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Memory,
    Disk,
    Tier,
}

/// How many bytes may be on their way to the disk before who brings more has to wait: half of what
/// its buffer holds, because what does not fit into that is not written at all.
const UNWRITTEN_MAX: usize = BUFFER / 2;

/// The buffer that blocks are gathered in on their way to the disk, in bytes.
const BUFFER: usize = 32 << 20;

/// How much room is left on the disk for others, in bytes: more than may be on its way there.
/// foyer 0.22 does not survive a disk that is full: see [`Store::give_up`].
const LEFT_FREE: u64 = 2 * BUFFER as u64;

pub(super) struct Store {
    blocks: HybridCache<BlockKey, Block>,
    /// Bytes given to the disk since it was last waited for.
    unwritten: AtomicUsize,
    waiting: Mutex<()>,
    tier: Option<Tier>,
    folder: Option<Folder>,
    /// The folder is not used any more: something went wrong with it.
    given_up: AtomicBool,
    /// There was too little room in it, and the log says so.
    told: AtomicBool,
    pub(super) block: u64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (folder, tier) = (&self.folder, &self.tier);
        f.debug_struct("Store").field("folder", folder).field("tier", tier).finish_non_exhaustive()
    }
}

impl Store {
    pub(super) async fn open(room: Room, tier: Option<Tier>) -> Result<Self> {
        let memory = HybridCacheBuilder::new()
            .with_name("drivedal")
            .with_policy(HybridCachePolicy::WriteOnInsertion)
            .with_flush_on_close(false)
            .memory(room.memory)
            // A shard smaller than a few blocks would hold none.
            .with_shards(((room.memory as u64 / (room.block * 8)) as usize).clamp(1, 8))
            .with_eviction_config(LruConfig::default())
            .with_weighter(|key: &BlockKey, block: &Block| key.estimated_size() + block.0.len());
        let (blocks, folder) = match &room.disk {
            None => (memory.storage().build().await, None),
            Some((path, capacity)) => {
                let folder = Folder::take(path)?;
                let region = region(room.block, *capacity)?;
                let capacity = usize::try_from(*capacity).unwrap_or(usize::MAX);
                let device = FsDeviceBuilder::new(folder.blocks()).with_capacity(capacity).build();
                let device = device.map_err(|error| folder.unusable(error))?;
                let engine = BlockEngineConfig::new(device)
                    .with_block_size(region)
                    .with_buffer_pool_size(BUFFER)
                    .with_submit_queue_size_threshold(2 * BUFFER);
                let storage = memory
                    .storage()
                    .with_io_engine_config(PsyncIoEngineConfig::new())
                    .with_engine_config(engine);
                let blocks = storage.build().await;
                (Ok(blocks.map_err(|error| folder.unusable(error))?), Some(folder))
            }
        };
        Ok(Self {
            blocks: blocks.map_err(broken)?,
            unwritten: AtomicUsize::new(0),
            waiting: Mutex::default(),
            tier,
            folder,
            given_up: AtomicBool::new(false),
            told: AtomicBool::new(false),
            block: room.block,
        })
    }

    /// The folder, if there is one that can be used.
    fn folder(&self) -> Option<&Folder> {
        self.folder.as_ref().filter(|_| !self.given_up.load(Ordering::Relaxed))
    }

    /// Whether something more can be put into the folder. A cache does not fill a disk up.
    fn has_room(&self) -> bool {
        let Some(folder) = self.folder() else { return false };
        let has_room = folder.free().is_none_or(|free| free >= LEFT_FREE);
        let was_told = self.told.swap(!has_room, Ordering::Relaxed);
        if !has_room && !was_told {
            tracing::warn!(
                folder = %folder.path().display(),
                "the disk is almost full: the cache keeps nothing more there for now"
            );
        }
        has_room
    }

    /// Does without the folder. Where a write fails foyer's own tasks may die, and then whoever waits
    /// for them.
    fn give_up(&self, died: &JoinError) {
        if let (Some(folder), false) = (&self.folder, self.given_up.swap(true, Ordering::Relaxed)) {
            tracing::warn!(
                folder = %folder.path().display(),
                error = %died,
                "the cache's folder cannot be written: the cache does without it"
            );
        }
    }

    /// How long a block of this name is.
    fn length(&self, key: &BlockKey) -> u64 {
        key.file.length.saturating_sub(key.index * self.block).min(self.block)
    }

    /// A block, if it is in memory.
    pub(super) fn in_memory(&self, key: &BlockKey) -> Option<Bytes> {
        Some(self.blocks.memory().get(key)?.value().0.clone())
    }

    /// A block, wherever it is. What is damaged is not there.
    pub(super) async fn get(&self, key: &BlockKey) -> Option<(Bytes, Source)> {
        if let Some(bytes) = self.in_memory(key) {
            return Some((bytes, Source::Memory));
        }
        if self.folder().is_some() {
            match self.blocks.get(key).await {
                Ok(Some(entry)) if entry.value().0.len() as u64 == self.length(key) => {
                    return Some((entry.value().0.clone(), Source::Disk));
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "a block on the disk could not be read"),
            }
        }
        let bytes = self.tier.as_ref()?.get(key).await?;
        if bytes.len() as u64 != self.length(key) {
            return None;
        }
        self.put(key.clone(), bytes.clone());
        self.catch_up().await;
        Some((bytes, Source::Tier))
    }

    /// Whether a block is in this process's memory or folder, as far as can be told at once.
    pub(super) fn has(&self, key: &BlockKey) -> bool {
        self.blocks.contains(key)
    }

    /// Keeps a block in memory and, where there is room, in the folder.
    pub(super) fn put(&self, key: BlockKey, bytes: Bytes) {
        if self.has_room() {
            self.unwritten.fetch_add(bytes.len(), Ordering::Relaxed);
            self.blocks.insert(key, Block(bytes));
        } else {
            let memory = HybridCacheProperties::default().with_location(Location::InMem);
            self.blocks.insert_with_properties(key, Block(bytes), memory);
        }
    }

    /// Waits for the disk, if that is behind.
    pub(super) async fn catch_up(&self) {
        let is_behind = || self.unwritten.load(Ordering::Relaxed) > UNWRITTEN_MAX;
        if self.folder().is_none() || !is_behind() {
            return;
        }
        let _turn = self.waiting.lock().await;
        if is_behind() {
            self.unwritten.store(0, Ordering::Relaxed);
            let blocks = self.blocks.clone();
            // In a task of its own: if it dies, who reads does not.
            let written = tokio::spawn(async move { blocks.storage().wait().await }).await;
            if let Err(died) = written {
                self.give_up(&died);
            }
        }
    }

    pub(super) fn tier(&self) -> Option<&Tier> {
        self.tier.as_ref()
    }

    /// Writes out what is on its way to the disk, and lets go of the folder.
    pub(super) async fn close(&self) -> Result<()> {
        let blocks = self.blocks.clone();
        match tokio::spawn(async move { blocks.close().await }).await {
            Ok(closed) => closed.map_err(broken)?,
            Err(died) => self.give_up(&died),
        }
        match (&self.folder, self.folder()) {
            (Some(folder), None) => {
                let text = format!("the cache could not write to {}", folder.path().display());
                Err(Error::new(ErrorKind::Unexpected, text))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Store {
    /// The folder is this process's until the last byte is written.
    fn drop(&mut self) {
        let Some(folder) = self.folder.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let blocks = self.blocks.clone();
            runtime.spawn(async move {
                if let Err(error) = blocks.close().await {
                    tracing::debug!(%error, "the cache on disk could not be closed");
                }
                drop(folder);
            });
        }
    }
}

/// How large the pieces are that the disk is cut into and emptied by: a few blocks at least, and
/// enough of them that emptying one does not take everything.
fn region(block: u64, capacity: u64) -> Result<usize> {
    let least = (2 * block + (64 << 10)).next_multiple_of(4096);
    if capacity < 8 * least {
        return Err(Error::new(
            ErrorKind::ConfigInvalid,
            format!("a cache on disk of {capacity} bytes is too small: at least {}", 8 * least),
        ));
    }
    let region = (capacity / 16).clamp(least, (16 << 20).max(least));
    Ok(usize::try_from(region / 4096 * 4096).unwrap_or(16 << 20))
}

fn broken(error: foyer::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "the cache's store failed").set_source(error)
}
