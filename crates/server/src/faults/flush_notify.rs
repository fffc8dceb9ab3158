//! Reports when a connection has written everything that it was given.

use std::{
    io::{IoSlice, Result},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{Notify, futures::OwnedNotified},
};

/// Notifies waiters when a connection is flushed. hyper flushes a stream once its own buffer is
/// empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlushNotify(Arc<Notify>);

impl FlushNotify {
    /// Completes at the next flush.
    pub(super) fn next(&self) -> OwnedNotified {
        Arc::clone(&self.0).notified_owned()
    }
}

/// A stream that reports its flushes.
pub(crate) struct FlushReporting<S> {
    pub stream: S,
    pub flushes: FlushNotify,
}

impl<S: AsyncRead + Unpin> AsyncRead for FlushReporting<S> {
    /// Delegates to the stream.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FlushReporting<S> {
    /// Delegates to the stream.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    /// Flushes the stream, and notifies all waiters when it is done, also after an error.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let flushed = ready!(Pin::new(&mut this.stream).poll_flush(cx));
        this.flushes.0.notify_waiters();
        Poll::Ready(flushed)
    }

    /// Delegates to the stream.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    /// Delegates to the stream.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bytes)
    }

    /// Delegates to the stream.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
