//! Accepts connections, serves their requests, and closes them.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::{HeaderValue, Method, StatusCode, Version, header, request::Parts},
    response::Response,
};
use hyper::{body::Incoming, service::service_fn, upgrade::OnUpgrade};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::{self, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    activity::{Activity, TrackedBody, WatchedStream},
    base_url::BaseUrl,
    body_tracking::{CloseConnection, MinRateBody, SlowBodyFlag},
    faults::{Connection, FlushNotify, FlushReporting},
    limits::{Limits, Overloaded},
    listener::{Listener, Stream},
    pipeline::Pipeline,
    proxy,
    responses::text,
    tls::Acceptor,
};

/// How long requests in progress may take when the server is stopped.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// How long to wait for a connection to end when the system refuses a new one.
const RETRY_ACCEPT: Duration = Duration::from_millis(100);

/// Maximum number of requests in progress on one HTTP/2 connection.
const HTTP2_STREAMS: u32 = 128;

/// The context of all connections.
#[derive(Clone)]
pub(super) struct ConnectionSettings {
    pub pipeline: Pipeline,
    /// The limits of connections and requests.
    pub limits: Arc<Limits>,
    /// Performs TLS handshakes in the clouds' names. `None`: the server speaks neither TLS nor the
    /// proxy protocol.
    pub tls: Option<Acceptor>,
    /// Cancelled: no new requests; those in progress may finish.
    pub stop: CancellationToken,
    /// Cancelled: all connections end at once.
    pub end: CancellationToken,
}

/// Accepts and serves connections until the server is stopped and its connections have ended.
///
/// From [`Limits::requests`] connections on, each new one closes the one that has been idle for
/// longest. At [`Limits::connections`], nothing is accepted until a connection ends or has been idle
/// for [`Limits::settle`].
pub(super) async fn accept(listener: Listener, serving: ConnectionSettings) {
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
                    let task = connections.spawn(serve(stream, serving.clone(), activity.clone()));
                    open.insert(task.id(), activity);
                }
                Err(error) => {
                    // Either the client gave up, or no file descriptor is left: a connection that ends
                    // frees one.
                    tracing::warn!(%error, "cannot accept a connection");
                    retire(&open, &limits, limits.spare);
                    let ended = timeout(RETRY_ACCEPT, connections.join_next_with_id()).await;
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

/// Closes up to `count` connections: those that have been without a request for longest. Connections
/// that have been idle only for a moment are kept: their client may be sending a request.
fn retire(open: &HashMap<task::Id, Activity>, limits: &Limits, count: usize) {
    let quiet = open.values().filter_map(|activity| Some((activity.quiet_since()?, activity)));
    let mut quiet: Vec<_> = quiet.filter(|(since, _)| since.elapsed() >= limits.settle).collect();
    quiet.sort_by_key(|(since, _)| *since);
    quiet.iter().take(count).for_each(|(_, activity)| activity.retire());
}

/// The first byte of a TLS handshake. No HTTP request starts with it.
const HANDSHAKE: u8 = 0x16;

/// Serves a connection, and the TLS tunnel that a `CONNECT` request may turn it into. `activity`
/// decides when the connection is closed.
async fn serve(stream: Stream, serving: ConnectionSettings, activity: Activity) {
    let local = match stream.prepare() {
        Ok(local) => local,
        Err(error) => {
            tracing::debug!(%error, "a connection ended before its first request");
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
        connection: Connection { reset: stream.reset_token(), ..Connection::default() },
        activity,
        flushes: FlushNotify::default(),
        local,
        tunnel: Arc::default(),
    };
    if first == HANDSHAKE && tls.is_some() {
        return task.serve_tls(tls, stream).await;
    }
    task.serve_http(stream, false).await;
    let tunnel = task.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(tunnel) = tunnel {
        match timeout(task.serving.limits.head, tunnel).await {
            Ok(Ok(upgraded)) => task.serve_tls(tls, TokioIo::new(upgraded)).await,
            Ok(Err(error)) => tracing::debug!(%error, "a tunnel broke off"),
            Err(_) => tracing::debug!("a tunnel was not opened in time"),
        }
    }
}

/// A connection that is served.
#[derive(Clone)]
struct ConnectionTask {
    serving: ConnectionSettings,
    connection: Connection,
    activity: Activity,
    /// Reports when responses have been written.
    flushes: FlushNotify,
    /// The server's address of the connection.
    local: SocketAddr,
    /// The tunnel that an accepted `CONNECT` request opens, once its response is sent.
    tunnel: Arc<Mutex<Option<OnUpgrade>>>,
}

impl ConnectionTask {
    /// Performs the TLS handshake, and serves the requests in it. Without an acceptor (`tls` is
    /// `None`) the connection is closed.
    async fn serve_tls(
        &self,
        tls: Option<Acceptor>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) {
        let Some(tls) = tls else { return };
        tokio::select! {
            handshake = timeout(self.serving.limits.head, tls.accept(stream)) => match handshake {
                Ok(Ok(stream)) => self.serve_http(stream, true).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            },
            () = self.activity.retired() => {}
            () = self.serving.stop.cancelled() => {}
        }
    }

    /// Serves requests until the client, a limit or the server ends the connection. `secure` is
    /// whether the stream is TLS.
    async fn serve_http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        secure: bool,
    ) {
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let task = self.clone();
            async move { Ok::<_, Infallible>(respond(task, secure, request.map(Body::new)).await) }
        });
        let mut protocol = auto::Builder::new(TokioExecutor::new());
        // The time for a head is limited by `Activity`, for HTTP/1.1 and HTTP/2 alike.
        protocol.http1().timer(TokioTimer::new()).header_read_timeout(None::<Duration>);
        protocol.http2().timer(TokioTimer::new()).max_concurrent_streams(HTTP2_STREAMS);
        let stream = FlushReporting { stream, flushes: self.flushes.clone() };
        let stream = WatchedStream { stream, activity: self.activity.clone() };
        let served = protocol.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let mut served = std::pin::pin!(served);
        let mut ending = false;
        let outcome = loop {
            tokio::select! {
                outcome = served.as_mut() => break outcome,
                () = self.connection.reset.cancelled() => return,
                reason = self.activity.expired() => {
                    tracing::debug!(reason, "closing a connection");
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

/// Returns the response to one request of a connection. `secure` is whether it arrived by TLS.
fn respond(
    task: ConnectionTask,
    secure: bool,
    mut request: Request,
) -> Pin<Box<dyn Future<Output = Response> + Send>> {
    Box::pin(async move {
        // A tunnel cannot lead through another one.
        if task.serving.tls.is_some() && !secure && proxy::is_connect(&request) {
            return match proxy::open_tunnel(&mut request) {
                Ok((upgrade, response)) => {
                    *task.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
                    response
                }
                Err(rejection) => *rejection,
            };
        }
        let version = request.version();
        let is_http2_head = request.method() == Method::HEAD && version == Version::HTTP_2;
        let permit = task.serving.pipeline.state.load.admit();
        let (mut parts, body) = request.into_parts();
        if permit.is_none() {
            parts.extensions.insert(Overloaded);
        }
        let in_progress = task.activity.begin(version, permit);
        let slow = SlowBodyFlag::default();
        parts.extensions.insert(slow.clone());
        let body = Body::new(MinRateBody::new(body, task.serving.limits.request_body, slow));
        let mut response = serve_request(&task, secure, parts, body).await;
        if response.extensions().get::<CloseConnection>().is_some() && version < Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let response = if is_http2_head { without_body(response) } else { response };
        response.map(|body| Body::new(TrackedBody::new(body, in_progress)))
    })
}

/// Removes the body of a response to `HEAD`, which hyper does for HTTP/1.1 only.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        parts.headers.entry(header::CONTENT_LENGTH).or_insert(length.into());
    }
    Response::from_parts(parts, Body::empty())
}

/// Serves a request other than `CONNECT`. `secure` is whether it arrived by TLS.
async fn serve_request(task: &ConnectionTask, secure: bool, parts: Parts, body: Body) -> Response {
    let Some(base_url) = BaseUrl::from_request(&parts, secure, task.local) else {
        return text(
            StatusCode::BAD_REQUEST,
            "cannot serve the request: it needs exactly one host",
        );
    };
    // HTTP/2 writes several responses concurrently.
    let flushes = (parts.version < Version::HTTP_2).then(|| task.flushes.clone());
    let connection = Connection { flushes, ..task.connection.clone() };
    task.serving.pipeline.serve(base_url, connection, parts, body).await
}
