//! Serves requests of the server's own process, without a connection.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::StatusCode,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use tower::Service;

use super::{
    base_url::BaseUrl, faults::Connection, limits::Overloaded, pipeline::Pipeline, responses::text,
};

/// A service for requests of this process. They pass through the same pipeline as those of a
/// connection. Returned by [`Server::service`](super::Server::service).
///
/// A request needs an absolute URL, or a path and a `Host` header. The host must be a loopback host,
/// such as `localhost`.
///
/// A call fails where a connection would break: when a fault rule resets it, and after the server
/// has stopped.
#[derive(Clone)]
pub struct InProcess {
    pub(super) pipeline: Pipeline,
    pub(super) stop: CancellationToken,
    pub(super) end: CancellationToken,
    /// Requests in progress, which a clean stop waits for.
    pub(super) requests: TaskTracker,
}

impl fmt::Debug for InProcess {
    /// Shows no fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").finish_non_exhaustive()
    }
}

impl<B> Service<http::Request<B>> for InProcess
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = http::Response<Body>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<http::Response<Body>>>;

    /// Returns ready: a service beyond the server's limit responds with 503.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Serves a request, as `serve`.
    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        let in_progress = self.requests.token();
        let request = request.map(Body::new);
        Box::pin(async move { service.serve(request, in_progress).await })
    }
}

impl InProcess {
    /// Serves a request. `in_progress` delays the end of the server until the response's body has
    /// ended.
    ///
    /// # Errors
    /// `NotConnected` if the server has stopped; `ConnectionReset` if a fault rule resets the
    /// connection; `ConnectionAborted` if the server ends meanwhile.
    async fn serve(
        self,
        request: Request,
        in_progress: TaskTrackerToken,
    ) -> io::Result<http::Response<Body>> {
        if self.stop.is_cancelled() {
            let text = "the server in this process has stopped";
            return Err(io::Error::new(io::ErrorKind::NotConnected, text));
        }
        let permit = self.pipeline.state.load.admit();
        let (mut parts, body) = request.into_parts();
        if permit.is_none() {
            parts.extensions.insert(Overloaded);
        }
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        let Some(base_url) = BaseUrl::from_request(&parts, false, local) else {
            let reason = "cannot serve the request: it needs exactly one host";
            return Ok(text(StatusCode::BAD_REQUEST, reason));
        };
        let connection = Connection::default();
        let reset = connection.reset.clone();
        let response = tokio::select! {
            response = self.pipeline.serve(base_url, connection, parts, body) => response,
            () = reset.cancelled() => return Err(io::ErrorKind::ConnectionReset.into()),
            () = self.end.cancelled() => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let end = self.end.clone();
        Ok(response.map(|body| {
            Body::new(ResponseBody {
                body,
                broken: Box::pin(async move {
                    tokio::select! {
                        () = reset.cancelled() => io::ErrorKind::ConnectionReset.into(),
                        () = end.cancelled() => io::ErrorKind::ConnectionAborted.into(),
                    }
                }),
                _permit: permit,
                _in_progress: in_progress,
            })
        }))
    }
}

/// A response's body, which ends with an error where a connection would break.
struct ResponseBody {
    body: Body,
    broken: BoxFuture<'static, io::Error>,
    _permit: Option<OwnedSemaphorePermit>,
    _in_progress: TaskTrackerToken,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    /// Returns the next frame of the body. Fails with `ConnectionReset` or `ConnectionAborted`
    /// where a connection would break.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::into_inner)))
            }
            Poll::Pending => self.broken.as_mut().poll(cx).map(|error| Some(Err(error.into()))),
        }
    }

    /// Delegates to the body.
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Delegates to the body.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
