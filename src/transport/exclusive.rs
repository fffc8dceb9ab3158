//! Streams whose futures are not `Sync`, as bodies that have to be.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use futures::{Stream, StreamExt, stream::BoxStream};
use opendal::Buffer;

use crate::drive::{ByteStream, Result};

/// A stream that may make requests of its own. The mutex is never locked: it is `Sync` because
/// only who has the stream for himself can reach through it.
struct Exclusive(Mutex<BoxStream<'static, Result<Buffer>>>);

impl Stream for Exclusive {
    type Item = Result<Buffer>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_next(cx)
    }
}

/// A stream as a body.
pub(crate) fn exclusive(stream: impl Stream<Item = Result<Buffer>> + Send + 'static) -> ByteStream {
    Box::pin(Exclusive(Mutex::new(stream.boxed())))
}
