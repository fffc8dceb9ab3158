//! Second tier: blocks in any OpenDAL operator, which many machines can share.
//!
//! An object consists of the key of a block, a checksum and its bytes. Its path is a hash of the
//! key; the key inside the object is decisive. A damaged object, or one with another key, counts as
//! a miss. The tier must not slow reads down: after a failure or a timeout it is not used for a
//! while.

use std::{
    fmt,
    hash::{BuildHasher, Hasher},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use foyer::DefaultHasher;
use opendal::{ErrorKind, Operator};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use super::key::{BlockKey, MAX_BLOCK_SIZE};

/// Start of every object. Contains the version of the format.
const MAGIC: &[u8; 8] = b"drvblk1\n";

/// Timeout of one request to the tier.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Time without requests after a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Maximum number of concurrent writes.
const MAX_WRITES: usize = 16;

/// The second tier. Clones share its pause and its limit of writes.
#[derive(Clone)]
pub(super) struct Tier {
    operator: Operator,
    writes: Arc<Semaphore>,
    /// End of the pause after a failure.
    pause: Arc<Mutex<Option<Instant>>>,
}

impl fmt::Debug for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tier").field("operator", &self.operator.info().scheme()).finish()
    }
}

impl Tier {
    /// Creates a tier in the root of this operator.
    pub(super) fn new(operator: Operator) -> Self {
        Self { operator, writes: Arc::new(Semaphore::new(MAX_WRITES)), pause: Arc::default() }
    }

    /// Returns a block. `None` if the tier does not have it, if the object is damaged or has
    /// another key, if the request fails or takes over [`REQUEST_TIMEOUT`], or during the pause
    /// after a failure.
    pub(super) async fn get(&self, key: &BlockKey) -> Option<Bytes> {
        if self.is_paused() {
            return None;
        }
        let object = match timeout(REQUEST_TIMEOUT, self.operator.read(&path(key))).await {
            Ok(Ok(object)) => object.to_bytes(),
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => return None,
            Ok(Err(error)) => return self.failed("read", Some(&error)),
            Err(_) => return self.failed("read", None),
        };
        let block = decode(key, object);
        if block.is_none() {
            tracing::debug!(
                "a block in the second tier of the cache is damaged and is fetched again"
            );
        }
        block
    }

    /// Returns a permit to write a block. Waits while [`MAX_WRITES`] writes are active. `None`
    /// during the pause after a failure.
    pub(super) async fn admit(&self) -> Option<OwnedSemaphorePermit> {
        if self.is_paused() {
            return None;
        }
        Arc::clone(&self.writes).acquire_owned().await.ok()
    }

    /// Writes a block. A failure is logged and pauses the tier.
    pub(super) async fn put(&self, key: &BlockKey, bytes: &Bytes, _permit: OwnedSemaphorePermit) {
        match timeout(REQUEST_TIMEOUT, self.operator.write(&path(key), encode(key, bytes))).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => drop(self.failed("write", Some(&error))),
            Err(_) => drop(self.failed("write", None)),
        }
    }

    /// Returns whether the tier has failed and is not used for now.
    fn is_paused(&self) -> bool {
        let until = *self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Logs a failure of `operation` and pauses the tier. `error` is `None` after a timeout. Always
    /// returns `None`, the result of a failed read.
    fn failed(&self, operation: &str, error: Option<&opendal::Error>) -> Option<Bytes> {
        let kind = error.map(|error| error.kind().to_string());
        tracing::warn!(operation, kind, "the second tier of the cache failed and is paused");
        *self.pause.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Instant::now() + PAUSE_AFTER_FAILURE);
        None
    }
}

/// Returns a hash of a block's key. Another `salt` gives an independent hash.
fn hash(key: &BlockKey, salt: u64) -> u64 {
    let mut hasher = DefaultHasher::default().build_hasher();
    hasher.write_u64(salt);
    hasher.write_u64(key.index);
    hasher.write(key.file.text().as_bytes());
    hasher.finish()
}

/// Returns the path of a block's object.
fn path(key: &BlockKey) -> String {
    let (first, second) = (hash(key, 1), hash(key, 2));
    format!("{:02x}/{first:016x}{second:016x}", first >> 56)
}

/// Returns a checksum of the key and the bytes.
fn checksum(key: &BlockKey, bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::default().build_hasher();
    hasher.write_u64(hash(key, 3));
    hasher.write(bytes);
    hasher.finish()
}

/// Returns the object of a block: magic, checksum, index, length of the key, key, bytes.
fn encode(key: &BlockKey, bytes: &Bytes) -> Vec<Bytes> {
    let name = key.file.text().as_bytes();
    let mut head = BytesMut::with_capacity(MAGIC.len() + 28 + name.len());
    head.put_slice(MAGIC);
    head.put_u64(checksum(key, bytes));
    head.put_u64(key.index);
    head.put_u64(name.len() as u64);
    head.put_slice(name);
    vec![head.freeze(), bytes.clone()]
}

/// Returns the bytes of an object. `None` if it is damaged or has another key.
fn decode(key: &BlockKey, mut object: Bytes) -> Option<Bytes> {
    if object.len() < MAGIC.len() + 24 || object.split_to(MAGIC.len()) != MAGIC[..] {
        return None;
    }
    let (sum, index, name) = (object.get_u64(), object.get_u64(), object.get_u64());
    let name = usize::try_from(name).ok().filter(|name| *name <= object.len())?;
    let is_named = object.split_to(name) == key.file.text().as_bytes() && index == key.index;
    let is_whole = object.len() as u64 <= MAX_BLOCK_SIZE && checksum(key, &object) == sum;
    (is_named && is_whole).then_some(object)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::key::FileKey, *};

    fn key(index: u64) -> BlockKey {
        BlockKey { file: Arc::new(FileKey::new("fs//", "a/b", "\"7\"", 3000, 1000)), index }
    }

    fn object(key: &BlockKey, bytes: &Bytes) -> Vec<u8> {
        encode(key, bytes).into_iter().flat_map(|piece| piece.to_vec()).collect()
    }

    #[test]
    fn a_block_is_decoded_under_its_own_key_only() {
        let bytes = Bytes::from_static(b"abc");
        let object: Bytes = object(&key(1), &bytes).into();
        assert_eq!(decode(&key(1), object.clone()), Some(bytes));
        assert_eq!(decode(&key(2), object), None);
    }

    proptest! {
        #[test]
        fn a_damaged_block_is_a_miss(at in any::<prop::sample::Index>(), bit in 0..8u8, cut in any::<bool>()) {
            let mut object = object(&key(1), &Bytes::from_static(b"some bytes of a block"));
            let at = at.index(object.len());
            if cut { object.truncate(at) } else { object[at] ^= 1 << bit }
            prop_assert_eq!(decode(&key(1), object.into()), None);
        }

        #[test]
        fn arbitrary_objects_are_a_miss(object in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut whole = MAGIC.to_vec();
            whole.extend(&object);
            prop_assert_eq!(decode(&key(1), whole.into()), None);
            prop_assert_eq!(decode(&key(1), object.into()), None);
        }
    }
}
