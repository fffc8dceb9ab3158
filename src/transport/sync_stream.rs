//! Makes a `Sync` body from a stream whose futures are not `Sync`.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use futures::{Stream, StreamExt, stream::BoxStream};
use opendal::Buffer;

use crate::drive::{ByteStream, Result};

/// A stream that is `Sync` because its mutex is. The mutex is never locked: polling needs sync_stream
/// access, which `Mutex::get_mut` uses.
struct SyncStream(Mutex<BoxStream<'static, Result<Buffer>>>);

impl Stream for SyncStream {
    type Item = Result<Buffer>;

    /// Polls the inner stream.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_next(cx)
    }
}

/// Returns a stream as a body. The stream may send further requests.
pub(crate) fn sync_stream(
    stream: impl Stream<Item = Result<Buffer>> + Send + 'static,
) -> ByteStream {
    Box::pin(SyncStream(Mutex::new(stream.boxed())))
}
