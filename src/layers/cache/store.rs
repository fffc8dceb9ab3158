//! Block store: memory, a folder of this process, and a second tier that many machines share.

use std::{
    io::{Read, Write},
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use bytes::Bytes;
use foyer::{
    BlockEngineConfig, Code, DeviceBuilder, FsDeviceBuilder, HybridCache, HybridCacheBuilder,
    HybridCachePolicy, HybridCacheProperties, Location, LruConfig, PsyncIoEngineConfig,
};
use opendal::{Error, ErrorKind, Result};
use tokio::{sync::Mutex, task::JoinError};

use super::{
    folder::CacheFolder,
    key::{BlockKey, MAX_BLOCK_SIZE, read_sized},
    tier::Tier,
};

/// Bytes of a block.
#[derive(Clone, Debug)]
struct Block(Bytes);

impl Code for Block {
    /// Writes the length and the bytes of the block.
    ///
    /// # Errors
    /// Those of the writer.
    fn encode(&self, writer: &mut impl Write) -> foyer::Result<()> {
        self.0.encode(writer)
    }

    /// Reads the bytes of a block.
    ///
    /// # Errors
    /// `OutOfRange` for a block over [`MAX_BLOCK_SIZE`], and those of the reader: the block is
    /// damaged.
    fn decode(reader: &mut impl Read) -> foyer::Result<Self> {
        Ok(Self(read_sized(reader, MAX_BLOCK_SIZE as usize)?.into()))
    }

    fn estimated_size(&self) -> usize {
        size_of::<usize>() + self.0.len()
    }
}

/// Sizes and location of the block store.
#[derive(Clone, Debug)]
pub(super) struct StoreConfig {
    /// Block size in bytes.
    pub(super) block_size: u64,
    /// Maximum number of bytes in memory.
    pub(super) memory: usize,
    /// Shared folder, and the maximum number of bytes in it for each process.
    pub(super) disk: Option<(PathBuf, u64)>,
}

/// Where a block was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockLocation {
    Memory,
    Disk,
    Tier,
}

/// Number of unwritten bytes above which a writer waits for the disk: half of the write buffer.
/// Blocks that do not fit into the buffer would be dropped.
const UNWRITTEN_MAX: usize = WRITE_BUFFER / 2;

/// Size of the buffer for blocks that are to be written to disk, in bytes.
const WRITE_BUFFER: usize = 32 << 20;

/// Minimum free space on the disk, in bytes: more than the unwritten blocks can take. foyer 0.22
/// does not survive a full disk: see [`BlockStore::give_up`].
const MIN_FREE: u64 = 2 * WRITE_BUFFER as u64;

/// Blocks in memory, in the folder and in the second tier.
pub(super) struct BlockStore {
    blocks: HybridCache<BlockKey, Block>,
    /// Bytes that were handed to the disk since the last wait.
    unwritten: AtomicUsize,
    /// Locked while a task waits for the disk.
    flush: Mutex<()>,
    tier: Option<Tier>,
    folder: Option<CacheFolder>,
    /// The folder has failed and is not used any more.
    given_up: AtomicBool,
    /// The log already has a message about too little free space.
    space_warning_logged: AtomicBool,
    pub(super) block_size: u64,
}

impl std::fmt::Debug for BlockStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (folder, tier) = (&self.folder, &self.tier);
        f.debug_struct("BlockStore")
            .field("folder", folder)
            .field("tier", tier)
            .finish_non_exhaustive()
    }
}

impl BlockStore {
    /// Opens the store, and locks a folder if `config` has one.
    ///
    /// # Errors
    /// `ConfigInvalid` if the folder cannot be created, locked or opened, if
    /// all its subfolders are in use, or if it has less than eight regions (see [`region_size`]).
    /// `Unexpected` if the store in memory cannot be built.
    pub(super) async fn open(config: StoreConfig, tier: Option<Tier>) -> Result<Self> {
        let memory = HybridCacheBuilder::new()
            .with_name("drivedal")
            .with_policy(HybridCachePolicy::WriteOnInsertion)
            .with_flush_on_close(false)
            .memory(config.memory)
            // A shard smaller than a few blocks would hold none.
            .with_shards(((config.memory as u64 / (config.block_size * 8)) as usize).clamp(1, 8))
            .with_eviction_config(LruConfig::default())
            .with_weighter(|key: &BlockKey, block: &Block| key.estimated_size() + block.0.len());
        let (blocks, folder) = match &config.disk {
            None => (memory.storage().build().await, None),
            Some((path, capacity)) => {
                let folder = CacheFolder::lock(path)?;
                let region = region_size(config.block_size, *capacity)?;
                let capacity = usize::try_from(*capacity).unwrap_or(usize::MAX);
                let device = FsDeviceBuilder::new(folder.blocks()).with_capacity(capacity).build();
                let device = device.map_err(|error| folder.unusable(error))?;
                let engine = BlockEngineConfig::new(device)
                    .with_block_size(region)
                    .with_buffer_pool_size(WRITE_BUFFER)
                    .with_submit_queue_size_threshold(2 * WRITE_BUFFER);
                let storage = memory
                    .storage()
                    .with_io_engine_config(PsyncIoEngineConfig::new())
                    .with_engine_config(engine);
                let blocks = storage.build().await;
                (Ok(blocks.map_err(|error| folder.unusable(error))?), Some(folder))
            }
        };
        Ok(Self {
            blocks: blocks.map_err(store_error)?,
            unwritten: AtomicUsize::new(0),
            flush: Mutex::default(),
            tier,
            folder,
            given_up: AtomicBool::new(false),
            space_warning_logged: AtomicBool::new(false),
            block_size: config.block_size,
        })
    }

    /// Returns the folder, if one is set and it has not failed.
    fn folder(&self) -> Option<&CacheFolder> {
        self.folder.as_ref().filter(|_| !self.given_up.load(Ordering::Relaxed))
    }

    /// Returns whether the folder may take another block: it has not failed, and its disk has at
    /// least [`MIN_FREE`] bytes left, or the system does not report them. `false` without a folder.
    fn has_room(&self) -> bool {
        let Some(folder) = self.folder() else { return false };
        let has_room = folder.free().is_none_or(|free| free >= MIN_FREE);
        let was_logged = self.space_warning_logged.swap(!has_room, Ordering::Relaxed);
        if !has_room && !was_logged {
            tracing::warn!(
                folder = %folder.path().display(),
                "the disk is almost full; the cache does not store blocks there for now"
            );
        }
        has_room
    }

    /// Stops using the folder. After a failed write, foyer's own tasks may panic, and with them
    /// every task that waits for them.
    fn give_up(&self, panic: &JoinError) {
        if let (Some(folder), false) = (&self.folder, self.given_up.swap(true, Ordering::Relaxed)) {
            tracing::warn!(
                folder = %folder.path().display(),
                error = %panic,
                "cannot write to the cache folder; the cache continues without it"
            );
        }
    }

    /// Returns the length of a block in bytes: the block size, except for the last block of a file.
    fn length(&self, key: &BlockKey) -> u64 {
        key.file.length.saturating_sub(key.index * self.block_size).min(self.block_size)
    }

    /// Returns the bytes of a block, or `None` if the block is not in memory.
    pub(super) fn in_memory(&self, key: &BlockKey) -> Option<Bytes> {
        Some(self.blocks.memory().get(key)?.value().0.clone())
    }

    /// Returns the bytes of a block and the place where it was found. Returns `None` if no place
    /// has the block, or if its bytes there are damaged or have another length than the block.
    pub(super) async fn get(&self, key: &BlockKey) -> Option<(Bytes, BlockLocation)> {
        if let Some(bytes) = self.in_memory(key) {
            return Some((bytes, BlockLocation::Memory));
        }
        if self.folder().is_some() {
            match self.blocks.get(key).await {
                Ok(Some(entry)) if entry.value().0.len() as u64 == self.length(key) => {
                    return Some((entry.value().0.clone(), BlockLocation::Disk));
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "cannot read a block from the disk"),
            }
        }
        let bytes = self.tier.as_ref()?.get(key).await?;
        if bytes.len() as u64 != self.length(key) {
            return None;
        }
        self.put(key.clone(), bytes.clone());
        self.catch_up().await;
        Some((bytes, BlockLocation::Tier))
    }

    /// Returns whether a block is in memory or in the folder. Does not wait and reads no block.
    ///
    /// `true` may be wrong: the folder is searched by the hash of the key only, and the block there
    /// may be damaged. [`get`](Self::get) then returns `None`. `false` means that the block is in
    /// neither place now. The second tier is not searched.
    pub(super) fn has(&self, key: &BlockKey) -> bool {
        self.blocks.contains(key)
    }

    /// Stores a block in memory and, if [`has_room`](Self::has_room), in the folder.
    pub(super) fn put(&self, key: BlockKey, bytes: Bytes) {
        if self.has_room() {
            self.unwritten.fetch_add(bytes.len(), Ordering::Relaxed);
            self.blocks.insert(key, Block(bytes));
        } else {
            let memory = HybridCacheProperties::default().with_location(Location::InMem);
            self.blocks.insert_with_properties(key, Block(bytes), memory);
        }
    }

    /// Waits for the disk if more than [`UNWRITTEN_MAX`] bytes are unwritten.
    pub(super) async fn catch_up(&self) {
        let is_behind = || self.unwritten.load(Ordering::Relaxed) > UNWRITTEN_MAX;
        if self.folder().is_none() || !is_behind() {
            return;
        }
        let _guard = self.flush.lock().await;
        if is_behind() {
            self.unwritten.store(0, Ordering::Relaxed);
            let blocks = self.blocks.clone();
            // In a separate task, so that its panic does not reach the reader.
            let written = tokio::spawn(async move { blocks.storage().wait().await }).await;
            if let Err(panic) = written {
                self.give_up(&panic);
            }
        }
    }

    /// Returns the second tier, if one is set.
    pub(super) fn tier(&self) -> Option<&Tier> {
        self.tier.as_ref()
    }

    /// Writes pending blocks to the disk and releases the folder.
    ///
    /// # Errors
    /// `Unexpected` if the disk fails or has failed before.
    pub(super) async fn close(&self) -> Result<()> {
        let blocks = self.blocks.clone();
        match tokio::spawn(async move { blocks.close().await }).await {
            Ok(closed) => closed.map_err(store_error)?,
            Err(panic) => self.give_up(&panic),
        }
        match (&self.folder, self.folder()) {
            (Some(folder), None) => {
                let text = format!("cannot write to the cache folder {}", folder.path().display());
                Err(Error::new(ErrorKind::Unexpected, text))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for BlockStore {
    /// Keeps the folder locked until the last block is written.
    fn drop(&mut self) {
        let Some(folder) = self.folder.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let blocks = self.blocks.clone();
            runtime.spawn(async move {
                if let Err(error) = blocks.close().await {
                    tracing::debug!(%error, "cannot close the cache on disk");
                }
                drop(folder);
            });
        }
    }
}

/// Returns the size of a disk region in bytes, the unit of eviction: at least a few blocks, and
/// small enough that the eviction of one region keeps most blocks. `block` is the block size and
/// `capacity` the size of the folder, in bytes.
///
/// # Errors
/// `ConfigInvalid` if the capacity is less than eight regions of the minimum size: two blocks and
/// 64 KiB each, rounded up to 4 KiB.
fn region_size(block: u64, capacity: u64) -> Result<usize> {
    let least = (2 * block + (64 << 10)).next_multiple_of(4096);
    if capacity < 8 * least {
        return Err(Error::new(
            ErrorKind::ConfigInvalid,
            format!(
                "cannot build the cache: {capacity} bytes on disk are too few, it needs {}",
                8 * least
            ),
        ));
    }
    let region = (capacity / 16).clamp(least, (16 << 20).max(least));
    Ok(usize::try_from(region / 4096 * 4096).unwrap_or(16 << 20))
}

/// Converts an error of foyer to `Unexpected`.
fn store_error(error: foyer::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "cannot access the cache store").set_source(error)
}
