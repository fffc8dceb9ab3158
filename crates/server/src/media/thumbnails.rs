//! Thumbnails. Each one is created once and cached, by a bounded pool that is fair between pictures.

use std::{
    collections::HashMap,
    fmt, io,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use moka::future::Cache;

use super::{
    Reading, invalid,
    picture::{self, Frame, Picture},
};

/// Maximum size of the cached thumbnails, in bytes.
const MAX_CACHED: u64 = 32 << 20;

/// Size of a cache entry besides its picture, in bytes.
const ENTRY_SIZE: usize = 256;

/// The source of a thumbnail in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ThumbnailSource {
    /// The file is a picture.
    Whole,
    /// The cover picture in an audio file or a video.
    Cover,
}

/// The SHA-256 of a file's bytes.
type Hash = [u8; 32];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ThumbnailKey {
    content: Hash,
    source: ThumbnailSource,
    frame: Frame,
}

/// A thumbnail, `None` for a file without a cover, or the reason why the picture cannot be decoded.
type CachedThumbnail = Result<Option<Picture>, Arc<str>>;

/// The thumbnails of a server.
pub(crate) struct Thumbnails {
    cache: Cache<ThumbnailKey, CachedThumbnail>,
    /// One lock per picture that is being decoded.
    decode_locks: Mutex<HashMap<Hash, Weak<tokio::sync::Mutex<()>>>>,
}

impl fmt::Debug for Thumbnails {
    /// Shows no fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thumbnails").finish_non_exhaustive()
    }
}

impl Default for Thumbnails {
    /// Creates an empty cache of at most [`MAX_CACHED`] bytes.
    fn default() -> Self {
        let size = |_: &ThumbnailKey, thumbnail: &CachedThumbnail| {
            let bytes = thumbnail
                .as_ref()
                .map_or(0, |picture| picture.as_ref().map_or(0, |picture| picture.bytes.len()));
            u32::try_from(ENTRY_SIZE + bytes).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().max_capacity(MAX_CACHED).weigher(size).build();
        Self { cache, decode_locks: Mutex::default() }
    }
}

impl Thumbnails {
    /// Returns the thumbnail of a file in a frame; `None` for a file without a cover. `content` is the
    /// hash of the file's bytes, which `reading` reads.
    ///
    /// Concurrent requests for one thumbnail share the work, which is cancelled with the last of them.
    /// Each picture is decoded by one decoder at a time, so that it does not delay other pictures.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] for a picture that is malformed or needs too much memory to
    /// decode, which is cached; another kind, which is not cached, if the bytes cannot be read.
    pub(crate) async fn get(
        &self,
        content: Hash,
        source: ThumbnailSource,
        frame: impl Into<Frame>,
        reading: impl FnOnce() -> Reading,
    ) -> io::Result<Option<Picture>> {
        let frame = frame.into();
        let create = async {
            let lock = self.decode_lock(content);
            let _guard = lock.lock().await;
            let created = match source {
                ThumbnailSource::Whole => picture::within(reading(), frame).await.map(Some),
                ThumbnailSource::Cover => picture::cover(reading(), frame).await,
            };
            match created {
                Ok(picture) => Ok(Ok(picture)),
                // Cached, because the same bytes always fail.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    Ok(Err(Arc::from(error.to_string())))
                }
                Err(error) => Err(error),
            }
        };
        let cached = self.cache.try_get_with(ThumbnailKey { content, source, frame }, create).await;
        match cached {
            Ok(thumbnail) => thumbnail.map_err(|reason| invalid(&*reason)),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }

    /// Returns the lock of the picture with a hash, under which it is decoded.
    fn decode_lock(&self, content: Hash) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.decode_locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(&content).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        locks.insert(content, Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Cursor,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use bytes::Bytes;
    use image::{ImageFormat, RgbImage};
    use tokio::sync::Notify;

    use super::{super::Fetch, *};

    fn jpeg() -> Bytes {
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::new(64, 48).write_to(&mut bytes, ImageFormat::Jpeg).expect("a picture");
        bytes.into_inner().into()
    }

    /// A file whose bytes arrive when `gate` is notified.
    fn gated(gate: &Arc<Notify>, reads: &Arc<AtomicUsize>) -> Reading {
        let (file, gate, reads) = (jpeg(), Arc::clone(gate), Arc::clone(reads));
        Reading::new(
            file.len() as u64,
            Fetch::new(move |range| {
                reads.fetch_add(1, Ordering::Relaxed);
                let (gate, part) =
                    (Arc::clone(&gate), file.slice(range.start as usize..range.end as usize));
                async move {
                    gate.notified().await;
                    Ok(part)
                }
            }),
        )
    }

    fn plain() -> Reading {
        let file = jpeg();
        Reading::new(file.len() as u64, Fetch::from_bytes(file))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn requests_for_one_thumbnail_share_the_work_and_do_not_block_other_pictures() {
        let (thumbnails, gate, reads) =
            (Arc::new(Thumbnails::default()), Arc::default(), Arc::default());
        let mut same = Vec::new();
        for number in 0..30 {
            let (thumbnails, gate, reads) =
                (Arc::clone(&thumbnails), Arc::clone(&gate), Arc::clone(&reads));
            let pixels = [96, 176, 800][number % 3];
            same.push(tokio::spawn(async move {
                thumbnails
                    .get([1; 32], ThumbnailSource::Whole, pixels, || gated(&gate, &reads))
                    .await
            }));
        }
        // While the first picture waits for its bytes, another one is made.
        while reads.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let other = thumbnails.get([2; 32], ThumbnailSource::Whole, 96, plain).await;
        assert!(other.expect("a picture").is_some());
        assert_eq!(reads.load(Ordering::Relaxed), 1);
        for thumbnail in same {
            gate.notify_one();
            gate.notify_waiters();
            let mut thumbnail = thumbnail;
            loop {
                tokio::select! {
                    made = &mut thumbnail => break assert!(made.expect("no panic").is_ok()),
                    () = tokio::task::yield_now() => gate.notify_one(),
                }
            }
        }
        // One read per size.
        assert_eq!(reads.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_work_for_a_disconnected_client_is_cancelled() {
        let (thumbnails, gate, reads) =
            (Arc::new(Thumbnails::default()), Arc::default(), Arc::default());
        let first = {
            let (thumbnails, gate, reads) =
                (Arc::clone(&thumbnails), Arc::clone(&gate), Arc::clone(&reads));
            tokio::spawn(async move {
                thumbnails.get([1; 32], ThumbnailSource::Whole, 96, || gated(&gate, &reads)).await
            })
        };
        while reads.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        first.abort();
        // The next request does not wait for the bytes that the first one waits for.
        let next = thumbnails.get([1; 32], ThumbnailSource::Whole, 96, plain).await;
        assert!(next.expect("a picture").is_some());
    }

    #[tokio::test]
    async fn a_broken_picture_is_remembered_and_a_failed_read_is_not() {
        let thumbnails = Thumbnails::default();
        let get =
            |reading: Reading| thumbnails.get([1; 32], ThumbnailSource::Whole, 96, || reading);
        let unreadable = Fetch::new(|_| async { Err(io::Error::other("a bad disk")) });
        let failed = get(Reading::new(100, unreadable)).await.expect_err("an error");
        assert_ne!(failed.kind(), io::ErrorKind::InvalidData);
        let junk = Bytes::from_static(b"\xff\xd8\xff\xe0 no picture");
        let broken = get(Reading::new(junk.len() as u64, Fetch::from_bytes(junk))).await;
        assert_eq!(broken.expect_err("an error").kind(), io::ErrorKind::InvalidData);
        let broken = get(plain()).await;
        assert_eq!(broken.expect_err("remembered").kind(), io::ErrorKind::InvalidData);
    }
}
