//! Connections: accepted, served, ended.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::Request,
    http::{Method, StatusCode, Version, header},
    response::Response,
};
use hyper::{body::Incoming, service::service_fn, upgrade::OnUpgrade};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    app::{App, text},
    flushes::{Flushes, Told},
    observe::{self, Link},
    origin::Origin,
    proxy,
    tls::Acceptor,
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
    /// Shakes hands in the clouds' names, and lets proxies' tunnels begin; `None`: neither.
    pub tls: Option<Acceptor>,
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
                    let _ = timeout(OUT_OF_CONNECTIONS, connections.join_next()).await;
                }
            },
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        _ = timeout(GRACE, ended) => {}
        () = serving.end.cancelled() => {}
    }
    connections.shutdown().await;
}

/// The first byte of a TLS handshake; no request begins with it.
const HANDSHAKE: u8 = 0x16;

/// Serves one connection, and the tunnel that it may become.
async fn connection(stream: TcpStream, serving: Serving) {
    // Without it every small answer waits 40 ms for the acknowledgement of its head.
    let local = stream.set_nodelay(true).and_then(|()| stream.local_addr());
    let local = match local {
        Ok(local) => local,
        Err(error) => {
            tracing::debug!(%error, "a connection ended before it was served");
            return;
        }
    };
    let mut first = [0];
    let begun = async { stream.peek(&mut first).await.is_ok_and(|bytes| bytes > 0) };
    tokio::select! {
        begun = timeout(HEAD_TIMEOUT, begun) => if !matches!(begun, Ok(true)) { return },
        () = serving.stop.cancelled() => return,
    }
    let tls = serving.tls.clone();
    let line = Line {
        serving,
        link: Link::default(),
        flushes: Flushes::default(),
        local,
        tunnel: Arc::default(),
    };
    let socket = Socket { stream, link: line.link.clone() };
    if first == [HANDSHAKE] && tls.is_some() {
        return line.serve_secure(tls, socket).await;
    }
    line.serve(socket, false).await;
    let tunnel = line.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(tunnel) = tunnel {
        match tunnel.await {
            Ok(upgraded) => line.serve_secure(tls, TokioIo::new(upgraded)).await,
            Err(error) => tracing::debug!(%error, "a tunnel broke off"),
        }
    }
}

/// A connection being served.
#[derive(Clone)]
struct Line {
    serving: Serving,
    link: Link,
    /// When what was answered has been written.
    flushes: Flushes,
    /// The address that it came to.
    local: SocketAddr,
    /// What it becomes, once the request is answered that asked for it.
    tunnel: Arc<Mutex<Option<OnUpgrade>>>,
}

impl Line {
    /// Serves what comes encrypted.
    async fn serve_secure(
        &self,
        tls: Option<Acceptor>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) {
        let Some(tls) = tls else { return };
        tokio::select! {
            shaken = timeout(HEAD_TIMEOUT, tls.accept(stream)) => match shaken {
                Ok(Ok(stream)) => self.serve(stream, true).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            },
            () = self.serving.stop.cancelled() => {}
        }
    }

    /// Serves requests until the client ends, or the server.
    async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        secure: bool,
    ) {
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let line = self.clone();
            async move { Ok::<_, Infallible>(answer(line, secure, request.map(Body::new)).await) }
        });
        let mut protocol = auto::Builder::new(TokioExecutor::new());
        protocol.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        protocol.http2().timer(TokioTimer::new());
        let stream = Told { stream, flushes: self.flushes.clone() };
        let served = protocol.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let mut served = std::pin::pin!(served);
        let outcome = tokio::select! {
            outcome = served.as_mut() => outcome,
            () = self.link.reset.cancelled() => return,
            () = self.serving.stop.cancelled() => {
                served.as_mut().graceful_shutdown();
                tokio::select! {
                    outcome = served.as_mut() => outcome,
                    () = self.link.reset.cancelled() => return,
                }
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(error = &*error, "a connection broke off");
        }
    }
}

/// Answers one request of a connection.
fn answer(
    line: Line,
    secure: bool,
    mut request: Request,
) -> Pin<Box<dyn Future<Output = Response> + Send>> {
    Box::pin(async move {
        // No tunnel leads through another one.
        if line.serving.tls.is_some() && !secure && proxy::asks(&request) {
            return match proxy::tunnel(&mut request) {
                Ok((upgrade, response)) => {
                    *line.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
                    response
                }
                Err(refusal) => *refusal,
            };
        }
        let headless = request.method() == Method::HEAD && request.version() == Version::HTTP_2;
        let response = reply(&line, secure, request).await;
        if headless { without_body(response) } else { response }
    })
}

/// What hyper does for HTTP/1.1 only: of the answer to `HEAD` nothing but the head.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        parts.headers.entry(header::CONTENT_LENGTH).or_insert(length.into());
    }
    Response::from_parts(parts, Body::empty())
}

/// Answers what is no question for a proxy.
async fn reply(line: &Line, secure: bool, request: Request) -> Response {
    let serving = &line.serving;
    let (parts, body) = request.into_parts();
    let Some(origin) = Origin::of(&parts, secure, line.local) else {
        return text(StatusCode::BAD_REQUEST, "The request names no host.");
    };
    if let Some(reason) = strange(&serving.app, &parts, &origin) {
        return text(StatusCode::FORBIDDEN, reason);
    }
    let request = Request::from_parts(parts, body);
    if request.uri().path().starts_with("/_control/") {
        return match serving.control.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
    }
    // HTTP/2 writes many answers at a time.
    let flushes = (request.version() < Version::HTTP_2).then(|| line.flushes.clone());
    let link = Link { flushes, ..line.link.clone() };
    observe::exchange(&serving.app, &link, origin, request).await
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
