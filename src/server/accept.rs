//! Connections: accepted, served, ended.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, http::StatusCode, response::Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    app::{App, text},
    observe::{self, Link},
    origin::Origin,
};

/// How many connections are served at a time; the next ones wait to be accepted.
const CONNECTIONS: usize = 1024;

/// How long a client may take over a request's head, and leave a connection idle. More than the 90
/// seconds after which common clients give up an idle connection, so that it is they who end it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);

/// How long requests under way may go on when the server is stopped.
const GRACE: Duration = Duration::from_secs(10);

/// How long to wait for a connection to end when the system has none to give.
const OUT_OF_CONNECTIONS: Duration = Duration::from_millis(100);

/// What every connection is served with.
#[derive(Clone)]
pub(super) struct Serving {
    pub app: Arc<App>,
    pub control: Router,
    pub local: SocketAddr,
    /// Cancelled: no more requests; those under way may end.
    pub stop: CancellationToken,
    /// Cancelled: everything ends at once.
    pub end: CancellationToken,
}

/// Accepts and serves connections until the server is stopped, and until those then under way have
/// ended.
pub(super) async fn accept(listener: TcpListener, serving: Serving) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = serving.stop.cancelled() => break,
            () = serving.end.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, serving.clone()));
                }
                Err(error) => {
                    // A client that gave up, or no file descriptor left: one that ends frees one.
                    tracing::warn!(%error, "a connection was not accepted");
                    let _ = tokio::time::timeout(OUT_OF_CONNECTIONS, connections.join_next()).await;
                }
            },
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        _ = tokio::time::timeout(GRACE, ended) => {}
        () = serving.end.cancelled() => {}
    }
    connections.shutdown().await;
}

/// Serves one connection.
async fn connection(stream: TcpStream, serving: Serving) {
    // Without it every small answer waits 40 ms for the acknowledgement of its head.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it was served");
        return;
    }
    let begun = async { stream.peek(&mut [0]).await.is_ok_and(|bytes| bytes > 0) };
    tokio::select! {
        begun = tokio::time::timeout(HEAD_TIMEOUT, begun) => if !matches!(begun, Ok(true)) { return },
        () = serving.stop.cancelled() => return,
    }
    let link = Link::default();
    let socket = TokioIo::new(Socket { stream, link: link.clone() });
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (serving, link) = (serving.clone(), link.clone());
        async move { Ok::<_, Infallible>(answer(serving, link, request.map(Body::new)).await) }
    });
    let mut protocol = auto::Builder::new(TokioExecutor::new());
    protocol.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    protocol.http2().timer(TokioTimer::new());
    let mut served = std::pin::pin!(protocol.serve_connection_with_upgrades(socket, service));
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        () = link.reset.cancelled() => return,
        () = serving.stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                outcome = served.as_mut() => outcome,
                () = link.reset.cancelled() => return,
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(error = &*error, "a connection broke off");
    }
}

/// Answers one request of a connection.
fn answer(
    serving: Serving,
    link: Link,
    request: Request,
) -> Pin<Box<dyn Future<Output = Response> + Send>> {
    Box::pin(async move {
        let (parts, body) = request.into_parts();
        let Some(origin) = Origin::of(&parts, false, serving.local) else {
            return text(StatusCode::BAD_REQUEST, "The request names no host.");
        };
        if let Some(reason) = strange(&serving.app, &parts, &origin) {
            return text(StatusCode::FORBIDDEN, reason);
        }
        let request = Request::from_parts(parts, body);
        if request.uri().path().starts_with("/_control/") {
            return match serving.control.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
        }
        observe::exchange(&serving.app, &link, origin, request).await
    })
}

/// Why a request is refused that only a web page of somebody else's can have sent to this machine.
/// Well-known tokens would let it in.
fn strange(
    app: &App,
    request: &axum::http::request::Parts,
    origin: &Origin,
) -> Option<&'static str> {
    if !app.settings.private {
        return None;
    }
    if !origin.is_local() {
        return Some(
            "This server is for this machine only, and the host in the request is another.",
        );
    }
    let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
    let by_other_page = header("sec-fetch-site") == Some("cross-site");
    // Following a link or a redirect that shows in the address bar, as in signing in.
    let navigation = request.method == axum::http::Method::GET
        && header("sec-fetch-mode") == Some("navigate")
        && request.uri.query().is_none_or(|query| !query.contains("method="));
    (by_other_page && !navigation).then_some(
        "A web page of another site asked for this, and this server is for this machine only.",
    )
}

/// A connection's socket, which can be closed without a good-bye.
struct Socket {
    stream: TcpStream,
    link: Link,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.link.reset.is_cancelled() {
            // What follows is RST instead of FIN.
            if let Err(error) = self.stream.set_zero_linger() {
                tracing::warn!(%error, "a connection was closed instead of reset");
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
