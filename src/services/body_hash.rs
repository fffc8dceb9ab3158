//! The hash of a request's body, calculated from the bytes that are sent.
//!
//! A file is read once, for the request. Hashing it in a second pass would compare the cloud's copy
//! with bytes that were never sent if the file changed in between.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::{JoinHandle, spawn_blocking};

use crate::{
    drive::{Body, Error, ErrorKind, Result},
    transport::{ApiRequest, Observer},
};

/// A hash function that receives a body in pieces, in order.
pub(super) trait BodyHasher: Default + Send + 'static {
    /// Adds the next bytes.
    fn update(&mut self, piece: &[u8]);
}

/// The hash of one request's body, which is complete when the response has arrived.
pub(super) enum BodyHash<H> {
    /// A body in memory is hashed on a blocking thread while it is sent.
    Memory(JoinHandle<H>),
    /// A body in a file is hashed by the task that reads the file for the request. `None` until the
    /// whole file has been read.
    File(Arc<Mutex<Option<H>>>),
}

impl<H: BodyHasher> BodyHash<H> {
    /// Starts to hash a body in memory, or prepares to hash a body in a file.
    pub(super) fn new(body: &Body) -> Self {
        match body {
            Body::Memory(buffer) => {
                let buffer = buffer.clone();
                Self::Memory(spawn_blocking(move || {
                    let mut hasher = H::default();
                    for piece in buffer {
                        hasher.update(&piece);
                    }
                    hasher
                }))
            }
            // No request reads an empty file.
            Body::File { len: 0, .. } => Self::File(Arc::new(Mutex::new(Some(H::default())))),
            Body::File { .. } => Self::File(Arc::default()),
        }
    }

    /// Returns the request with an observer that passes the bytes of its file to this hash. A
    /// repeated request restarts the hash.
    pub(super) fn observe(&self, request: ApiRequest) -> ApiRequest {
        match self {
            Self::Memory(_) => request,
            Self::File(complete) => {
                let complete = Arc::clone(complete);
                request.with_body_observer(Arc::new(move || {
                    let hasher = H::default();
                    Box::new(FileHasher { hasher, complete: Arc::clone(&complete) })
                }))
            }
        }
    }

    /// Returns the hasher after the last byte. Call it when the response has arrived.
    ///
    /// # Errors
    /// `Unexpected` if the response arrived before the whole body was sent.
    pub(super) async fn finish(self) -> Result<H> {
        let complete = match self {
            Self::Memory(hashing) => hashing.await.ok(),
            Self::File(complete) => complete.lock().unwrap_or_else(PoisonError::into_inner).take(),
        };
        complete.ok_or_else(|| {
            let text =
                "cannot verify the upload: the cloud responded before the whole body was sent";
            Error::new(ErrorKind::Unexpected, text)
        })
    }
}

/// The hash of one attempt of a request with a file.
struct FileHasher<H> {
    hasher: H,
    complete: Arc<Mutex<Option<H>>>,
}

impl<H: BodyHasher> Observer for FileHasher<H> {
    /// Hashes the next bytes.
    fn piece(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Publishes the hash of the whole file for [`BodyHash::finish`].
    fn end(self: Box<Self>) {
        *self.complete.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.hasher);
    }
}
