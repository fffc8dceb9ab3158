//! Connections: accepted, served, ended.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::{HeaderValue, Method, StatusCode, Version, header},
    response::Response,
};
use hyper::{body::Incoming, service::service_fn, upgrade::OnUpgrade};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::{self, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    activity::{Activity, Tracked, Watched},
    base_url::BaseUrl,
    bodies::{EndsConnection, Paced, TooSlow},
    faults::{Connection, FlushNotify, FlushReporting},
    limits::{Limits, Overloaded},
    listener::{Listener, Stream},
    pipeline::Pipeline,
    proxy,
    responses::text,
    tls::Acceptor,
};

/// How long requests under way may go on when the server is stopped.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// How long to wait for a connection to end when the system has none to give.
const OUT_OF_CONNECTIONS: Duration = Duration::from_millis(100);

/// Maximum number of requests in progress on one HTTP/2 connection.
const HTTP2_STREAMS: u32 = 128;

/// What every connection is served with.
#[derive(Clone)]
pub(super) struct Serving {
    pub pipeline: Pipeline,
    /// How many connections there may be, and how long they may wait.
    pub limits: Arc<Limits>,
    /// Shakes hands in the clouds' names, and lets proxies' tunnels begin; `None`: neither.
    pub tls: Option<Acceptor>,
    /// Cancelled: no more requests; those under way may end.
    pub stop: CancellationToken,
    /// Cancelled: everything ends at once.
    pub end: CancellationToken,
}

/// Accepts and serves connections until the server is stopped, and until those then under way have
/// ended. Near the limit, each new connection closes the one that has been idle for longest. At the
/// limit, nothing is accepted until connections have ended or been idle for a moment.
pub(super) async fn accept(listener: Listener, serving: Serving) {
    let limits = Arc::clone(&serving.limits);
    let mut connections = JoinSet::new();
    let mut open = HashMap::new();
    loop {
        let is_full = connections.len() >= limits.connections();
        tokio::select! {
            () = serving.stop.cancelled() => break,
            () = serving.end.cancelled() => break,
            Some(ended) = connections.join_next_with_id() => {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                open.remove(&id);
            }
            () = sleep(limits.settle), if is_full => retire(&open, &limits, limits.spare),
            accepted = listener.accept(), if !is_full => match accepted {
                Ok(stream) => {
                    let activity = Activity::new(Arc::clone(&limits));
                    if connections.len() >= limits.requests {
                        retire(&open, &limits, 1);
                    }
                    let task = connections.spawn(connection(stream, serving.clone(), activity.clone()));
                    open.insert(task.id(), activity);
                }
                Err(error) => {
                    // A client that gave up, or no file descriptor left: one that ends frees one.
                    tracing::warn!(%error, "a connection was not accepted");
                    retire(&open, &limits, limits.spare);
                    let ended = timeout(OUT_OF_CONNECTIONS, connections.join_next_with_id()).await;
                    if let Ok(Some(ended)) = ended {
                        open.remove(&ended.map_or_else(|error| error.id(), |(id, ())| id));
                    }
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

/// Closes up to `count` connections: those that have been without a request for longest. One that has
/// been for a moment only may be about to begin one, and stays.
fn retire(open: &HashMap<task::Id, Activity>, limits: &Limits, count: usize) {
    let quiet = open.values().filter_map(|activity| Some((activity.quiet_since()?, activity)));
    let mut quiet: Vec<_> = quiet.filter(|(since, _)| since.elapsed() >= limits.settle).collect();
    quiet.sort_by_key(|(since, _)| *since);
    quiet.iter().take(count).for_each(|(_, activity)| activity.retire());
}

/// The first byte of a TLS handshake; no request begins with it.
const HANDSHAKE: u8 = 0x16;

/// Serves one connection, and the tunnel that it may become.
async fn connection(stream: Stream, serving: Serving, activity: Activity) {
    let local = match stream.prepare() {
        Ok(local) => local,
        Err(error) => {
            tracing::debug!(%error, "a connection ended before it was served");
            return;
        }
    };
    let first = tokio::select! {
        first = timeout(serving.limits.idle, stream.first_byte()) => match first {
            Ok(Some(first)) => first,
            _ => return,
        },
        () = activity.retired() => return,
        () = serving.stop.cancelled() => return,
    };
    let tls = serving.tls.clone();
    let task = ConnectionTask {
        serving,
        connection: Connection::default(),
        activity,
        flushes: FlushNotify::default(),
        local,
        tunnel: Arc::default(),
    };
    let socket = Socket { stream, connection: task.connection.clone() };
    if first == HANDSHAKE && tls.is_some() {
        return task.serve_secure(tls, socket).await;
    }
    task.serve(socket, false).await;
    let tunnel = task.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(tunnel) = tunnel {
        match timeout(task.serving.limits.head, tunnel).await {
            Ok(Ok(upgraded)) => task.serve_secure(tls, TokioIo::new(upgraded)).await,
            Ok(Err(error)) => tracing::debug!(%error, "a tunnel broke off"),
            Err(_) => tracing::debug!("a tunnel did not begin"),
        }
    }
}

/// A connection being served.
#[derive(Clone)]
struct ConnectionTask {
    serving: Serving,
    connection: Connection,
    activity: Activity,
    /// When what was answered has been written.
    flushes: FlushNotify,
    /// The address that it came to.
    local: SocketAddr,
    /// What it becomes, once the request is answered that asked for it.
    tunnel: Arc<Mutex<Option<OnUpgrade>>>,
}

impl ConnectionTask {
    /// Serves what comes encrypted.
    async fn serve_secure(
        &self,
        tls: Option<Acceptor>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) {
        let Some(tls) = tls else { return };
        tokio::select! {
            shaken = timeout(self.serving.limits.head, tls.accept(stream)) => match shaken {
                Ok(Ok(stream)) => self.serve(stream, true).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            },
            () = self.activity.retired() => {}
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
            let task = self.clone();
            async move { Ok::<_, Infallible>(answer(task, secure, request.map(Body::new)).await) }
        });
        let mut protocol = auto::Builder::new(TokioExecutor::new());
        // The time for a head is limited by the connection's activity, for both protocols.
        protocol.http1().timer(TokioTimer::new()).header_read_timeout(None::<Duration>);
        protocol.http2().timer(TokioTimer::new()).max_concurrent_streams(HTTP2_STREAMS);
        let stream = FlushReporting { stream, flushes: self.flushes.clone() };
        let stream = Watched { stream, activity: self.activity.clone() };
        let served = protocol.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let mut served = std::pin::pin!(served);
        let mut ending = false;
        let outcome = loop {
            tokio::select! {
                outcome = served.as_mut() => break outcome,
                () = self.connection.reset.cancelled() => return,
                reason = self.activity.expired() => {
                    tracing::debug!(reason, "a connection is closed");
                    return;
                }
                () = self.serving.stop.cancelled(), if !ending => {}
                () = self.activity.retired(), if !ending => if self.activity.is_fresh() { return },
            }
            ending = true;
            served.as_mut().graceful_shutdown();
        };
        if let Err(error) = outcome {
            tracing::debug!(error = &*error, "a connection broke off");
        }
    }
}

/// Answers one request of a connection.
fn answer(
    task: ConnectionTask,
    secure: bool,
    mut request: Request,
) -> Pin<Box<dyn Future<Output = Response> + Send>> {
    Box::pin(async move {
        // No tunnel leads through another one.
        if task.serving.tls.is_some() && !secure && proxy::asks(&request) {
            return match proxy::tunnel(&mut request) {
                Ok((upgrade, response)) => {
                    *task.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
                    response
                }
                Err(refusal) => *refusal,
            };
        }
        let version = request.version();
        let headless = request.method() == Method::HEAD && version == Version::HTTP_2;
        let permit = task.serving.pipeline.state.load.admit();
        if permit.is_none() {
            request.extensions_mut().insert(Overloaded);
        }
        let in_progress = task.activity.begin(version, permit);
        let too_slow = TooSlow::default();
        request.extensions_mut().insert(too_slow.clone());
        let floor = task.serving.limits.request_body;
        let request = request.map(|body| Body::new(Paced::new(body, floor, too_slow)));
        let mut response = reply(&task, secure, request).await;
        if response.extensions().get::<EndsConnection>().is_some() && version < Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let response = if headless { without_body(response) } else { response };
        response.map(|body| Body::new(Tracked::new(body, in_progress)))
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

/// Serves a request that does not ask for a tunnel.
async fn reply(task: &ConnectionTask, secure: bool, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(base_url) = BaseUrl::from_request(&parts, secure, task.local) else {
        return text(StatusCode::BAD_REQUEST, "cannot serve the request: it needs one host");
    };
    let request = Request::from_parts(parts, body);
    // HTTP/2 writes many responses at a time.
    let flushes = (request.version() < Version::HTTP_2).then(|| task.flushes.clone());
    let connection = Connection { flushes, ..task.connection.clone() };
    task.serving.pipeline.serve(base_url, connection, request).await
}

/// A connection's socket, which can be closed without a good-bye.
struct Socket {
    stream: Stream,
    connection: Connection,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.connection.reset.is_cancelled() {
            // What follows is RST instead of FIN.
            if let Err(error) = self.stream.reset_on_drop() {
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
