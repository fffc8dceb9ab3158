//! The HTTP transport of this crate. It streams request bodies from files, has timeouts that suit
//! uploads, and its errors contain no URL.

#[cfg(unix)]
use std::path::Path;
use std::{
    borrow::Cow,
    fmt, io,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, Result};
use rustls::pki_types::CertificateDer;
use tokio::time::timeout;

#[cfg(feature = "services-onedrive")]
use super::gather::Gather;
use super::{
    connection::{Connection, ConnectionClients, ProxyChoice},
    extension_probe::ExtensionProbe,
    file::{BodySource, CHUNK, SourceChanged},
    local::{self, RequestBody},
    redirect,
    stall_timer::StallTimer,
    timeouts::Timeouts,
    tls,
};
use crate::failure::unreachable::Unreachable;

const USER_AGENT: &str = concat!("drivedal/", env!("CARGO_PKG_VERSION"));

/// Returns the shared transport of the process.
///
/// [`register`](crate::register) installs it as OpenDAL's default. An operator with another default
/// uses it through [`Operator::with_context`](opendal::Operator::with_context). Its connections
/// belong to the tokio runtime of the first request.
pub fn http_transport() -> HttpTransporter {
    static SHARED: LazyLock<HttpTransporter> =
        LazyLock::new(|| HttpTransporter::new(Transport::default()));
    SHARED.clone()
}

/// An [`HttpTransport`] that uses `reqwest`.
///
/// It streams request bodies from files. Its timeouts limit the time without progress, not the
/// total time. Its errors contain no URL. It connects to loopback addresses without a proxy.
#[derive(Clone, Debug)]
pub struct Transport {
    route: RequestRoute,
    timeouts: Timeouts,
    /// Number of requests sent.
    sent: Arc<AtomicU64>,
}

/// The destination of requests.
#[derive(Clone)]
enum RequestRoute {
    /// The host of the URL.
    Network(NetworkClients),
    /// A Unix socket. The host of the URL is ignored.
    #[cfg(unix)]
    Socket(reqwest::Client),
    /// A service in this process. The host of the URL is ignored; the client only builds requests.
    Service(reqwest::Client, local::LocalService),
}

/// The HTTP clients for requests over the network.
#[derive(Clone)]
pub(super) struct NetworkClients {
    remote: reqwest::Client,
    /// The client for loopback addresses, without a proxy.
    loopback: reqwest::Client,
}

impl NetworkClients {
    /// Returns clients that trust `roots` in addition to the system's certificates. `proxy` is `None`
    /// for the proxy of the system. `pool_size` is the number of idle connections per host, `None` for
    /// no limit.
    ///
    /// # Errors
    /// An error of the builder if a certificate is damaged, the proxy cannot be used, or TLS cannot
    /// be set up.
    pub(super) fn new(
        timeouts: Timeouts,
        roots: Vec<CertificateDer<'static>>,
        proxy: Option<ProxyChoice>,
        pool_size: Option<usize>,
    ) -> reqwest::Result<Self> {
        let pool_size = pool_size.unwrap_or(usize::MAX);
        let remote = client(timeouts, roots.clone()).pool_max_idle_per_host(pool_size);
        let remote = match proxy {
            None => remote,
            Some(ProxyChoice::Direct) => remote.no_proxy(),
            Some(ProxyChoice::Proxy(proxy)) => remote.proxy(*proxy),
        };
        let loopback = client(timeouts, roots).no_proxy().pool_max_idle_per_host(pool_size);
        Ok(Self { remote: remote.build()?, loopback: loopback.build()? })
    }

    /// Returns the client for a URL.
    fn for_url(&self, url: &reqwest::Url) -> &reqwest::Client {
        match url.host_str() {
            Some("localhost" | "127.0.0.1" | "[::1]") => &self.loopback,
            _ => &self.remote,
        }
    }
}

impl fmt::Debug for RequestRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network(_) => "Network",
            #[cfg(unix)]
            Self::Socket(_) => "Socket",
            Self::Service(..) => "Service",
        })
    }
}

impl Default for Transport {
    fn default() -> Self {
        Self::new(Timeouts::default())
    }
}

impl Transport {
    /// Returns a transport with its own connection pool.
    ///
    /// It loads the system's root certificates when it verifies the first server certificate.
    ///
    /// # Panics
    /// Panics if the process has installed a cryptography provider that supports neither TLS 1.2
    /// nor 1.3.
    pub fn new(timeouts: Timeouts) -> Self {
        let clients = NetworkClients::new(timeouts, Vec::new(), None, None);
        let clients = clients.expect("the configuration of the clients is valid");
        Self::with_route(RequestRoute::Network(clients), timeouts)
    }

    /// Returns a transport that sends each request to a Unix socket, for a drive server without a
    /// port. It ignores the host of the URL.
    ///
    /// # Panics
    /// Panics under the conditions of [`new`](Self::new).
    #[cfg(unix)]
    pub fn over_unix_socket(path: impl AsRef<Path>, timeouts: Timeouts) -> Self {
        let client = client(timeouts, Vec::new()).no_proxy().unix_socket(path.as_ref());
        Self::with_route(RequestRoute::Socket(built(client)), timeouts)
    }

    /// Returns a transport that calls a service in this process for each request: a drive server
    /// without a port, or a test double. It ignores the host of the URL.
    ///
    /// # Panics
    /// Panics under the conditions of [`new`](Self::new).
    pub fn in_process<S, B>(service: S, timeouts: Timeouts) -> Self
    where
        S: tower_service::Service<http::Request<RequestBody>, Response = Response<B>>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let client = built(client(timeouts, Vec::new()).no_proxy());
        Self::with_route(RequestRoute::Service(client, local::service(service)), timeouts)
    }

    /// Creates a transport to this destination.
    fn with_route(route: RequestRoute, timeouts: Timeouts) -> Self {
        Self { route, timeouts, sent: Arc::default() }
    }

    /// Returns the number of requests sent. A request and the redirects that it followed count
    /// once.
    pub fn requests(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// Returns the common configuration of the HTTP clients. `roots` are certificates of authorities in
/// addition to those of the system.
///
/// # Panics
/// Panics if the process's cryptography provider supports neither TLS 1.2 nor 1.3.
fn client(timeouts: Timeouts, roots: Vec<CertificateDer<'static>>) -> reqwest::ClientBuilder {
    let tls = tls::config(roots).expect("the cryptography provider supports TLS 1.2 or 1.3");
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(timeouts.connect)
        .tcp_nodelay(true)
        // `fetch` follows redirects.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(USER_AGENT)
}

/// Builds a client from a configuration that is always valid.
fn built(builder: reqwest::ClientBuilder) -> reqwest::Client {
    builder.build().expect("the configuration of the client is valid")
}

impl HttpTransport for Transport {
    /// Sends a request and returns its response, also one with an error status. Follows up to 10
    /// redirects of `GET` and `HEAD`, without credentials on another origin. A `BodySource` among
    /// the extensions replaces the buffer. A [`Connection`] replaces the HTTP clients of a
    /// transport that uses the network. A request with an `ExtensionProbe` is confirmed and not
    /// sent. A request with a `Gather` may be sent together with others.
    ///
    /// # Errors
    /// `Unexpected` for a URL that cannot be parsed, a redirect that is not followed, or no
    /// response; temporary if the connection failed or made no progress.
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        if let Some(probe) = request.extensions().get::<ExtensionProbe>() {
            probe.confirm();
            return Ok(Response::new(HttpBody::new(stream::empty(), Some(0))));
        }
        #[cfg(feature = "services-onedrive")]
        if let Some(gather) = request.extensions().get::<Gather>().cloned() {
            let transport = self.for_connection(request.extensions().get()).into_owned();
            return gather.send(request, HttpTransporter::new(transport)).await;
        }
        let (parts, buffer) = request.into_parts();
        // The error of reqwest would repeat the URL.
        let mut url = reqwest::Url::parse(&parts.uri.to_string()).map_err(|_| {
            Error::new(ErrorKind::Unexpected, "cannot send the request: its URL is invalid")
        })?;
        let (method, mut headers) = (parts.method, parts.headers);
        let source = parts.extensions.get::<BodySource>();
        let transport = self.for_connection(parts.extensions.get());
        self.sent.fetch_add(1, Ordering::Relaxed);
        let mut followed = 0;
        loop {
            // Only GET and HEAD follow redirects, without a body.
            let (source, buffer) = match followed {
                0 => (source.cloned(), buffer.clone()),
                _ => (None, Buffer::new()),
            };
            let sent = transport.send(method.clone(), &url, headers.clone(), source, buffer);
            let response = sent.await?;
            let (status, found) = (response.status(), response.headers());
            if let Some(to) = redirect::target(&method, &url, status, found, followed)? {
                if to.origin() != url.origin() {
                    redirect::strip_credentials(&mut headers);
                }
                (url, followed) = (to, followed + 1);
                continue;
            }
            let mut result = Response::new(());
            *result.status_mut() = status;
            *result.version_mut() = response.version();
            *result.headers_mut() = found.clone();
            if followed > 0 {
                result
                    .extensions_mut()
                    .insert(Redirected(url.origin().ascii_serialization().into()));
            }
            return Ok(result.map(|()| body_of(response, transport.timeouts.idle)));
        }
    }
}

impl Transport {
    /// Returns the transport for requests of a connection. A transport without a network ignores
    /// the connection, because it opens none.
    fn for_connection(&self, connection: Option<&Connection>) -> Cow<'_, Self> {
        match (&self.route, connection) {
            (RequestRoute::Network(_), Some(connection)) => {
                let ConnectionClients { clients, timeouts } = connection.clients();
                Cow::Owned(Self {
                    route: RequestRoute::Network(clients.clone()),
                    timeouts: *timeouts,
                    sent: Arc::clone(&self.sent),
                })
            }
            _ => Cow::Borrowed(self),
        }
    }

    /// Sends one request and returns its response, which may be a redirect. The body is `source`
    /// or, without it, `buffer`.
    ///
    /// # Errors
    /// `Unexpected` if no response arrives, or if the request makes no progress within its
    /// timeouts; temporary unless a repeated request would fail too.
    async fn send(
        &self,
        method: Method,
        url: &reqwest::Url,
        headers: HeaderMap,
        source: Option<BodySource>,
        buffer: Buffer,
    ) -> Result<reqwest::Response> {
        let client = match &self.route {
            RequestRoute::Network(clients) => clients.for_url(url),
            #[cfg(unix)]
            RequestRoute::Socket(client) => client,
            RequestRoute::Service(client, _) => client,
        };
        let first_byte = self.timeouts.first_byte;
        let mut builder = client.request(method, url.clone()).headers(headers);
        let timer = StallTimer::new(self.timeouts.idle);
        if let Some(source) = source {
            let len = source.len();
            let body = timer.track(source.stream(), len, first_byte);
            builder = builder
                .header(header::CONTENT_LENGTH, HeaderValue::from(len))
                .body(reqwest::Body::wrap_stream(body));
        } else if !buffer.is_empty() {
            let len = buffer.len() as u64;
            let body = timer.track(chunks(buffer), len, first_byte);
            builder = builder
                .header(header::CONTENT_LENGTH, HeaderValue::from(len))
                .body(reqwest::Body::wrap_stream(body));
        } else {
            timer.body_sent(first_byte);
        }
        let sent = async {
            match &self.route {
                RequestRoute::Service(_, service) => {
                    let request = builder
                        .header(header::USER_AGENT, USER_AGENT)
                        .build()
                        .map_err(|error| send_error(url, error))?;
                    service(request).await
                }
                _ => builder.send().await.map_err(|error| send_error(url, error)),
            }
        };
        tokio::select! {
            sent = sent => sent,
            waited = timer.stalled() => Err(Error::new(
                ErrorKind::Unexpected,
                format!("cannot send the request: no progress for {} s", waited.as_secs()),
            )
            .set_temporary()),
        }
    }
}

/// Returns the body of a response. It ends with an error if no byte arrives for `idle`.
fn body_of(response: reqwest::Response, idle: Duration) -> HttpBody {
    // The body of a service in this process has no length; the header has it.
    let announced = response.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|len| len.to_str().ok()?.parse().ok());
    let len = response.content_length().or(announced);
    let body = stream::unfold(Some(Box::pin(response.bytes_stream())), move |body| async move {
        let mut body = body?;
        match timeout(idle, body.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(bytes))) => Some((Ok(Buffer::from(bytes)), Some(body))),
            Ok(Some(Err(error))) => {
                Some((Err(request_error("cannot read the response", error)), None))
            }
            Err(_) => Some((
                Err(Error::new(
                    ErrorKind::Unexpected,
                    format!("cannot read the response: no byte for {} s", idle.as_secs()),
                )
                .set_temporary()),
                None,
            )),
        }
    })
    // OpenDAL treats an empty buffer as the end.
    .filter(|piece| std::future::ready(!matches!(piece, Ok(bytes) if bytes.is_empty())));
    HttpBody::new(Box::pin(body), len)
}

/// Extension of a response that another URL sent, after a redirect: the origin of that URL, such as
/// `https://host:8443`. Its path and query are secret.
#[derive(Clone)]
pub(super) struct Redirected(
    // Only the log reads it.
    #[cfg_attr(not(feature = "layers"), allow(dead_code))] Arc<str>,
);

/// Returns the origin that sent a response after a redirect; `None` without a redirect, or if another
/// transport than this crate's sent the request.
#[cfg(feature = "layers")]
pub(crate) fn redirect_origin(parts: &http::response::Parts) -> Option<&str> {
    parts.extensions.get::<Redirected>().map(|redirected| &*redirected.0)
}

/// Returns the error of a request to `url` without a response. It names only the host.
fn send_error(url: &reqwest::Url, error: reqwest::Error) -> Error {
    if !error.is_connect() {
        return request_error("cannot send the request", error);
    }
    let unreachable = Unreachable::new(&error);
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let text = format!("cannot connect to {host}{port}: {unreachable}");
    Error::new(ErrorKind::Unexpected, text).set_temporary().set_source(unreachable)
}

/// Converts an error of reqwest, without its URL. It is temporary if the connection failed, and
/// permanent if the file of the request changed.
fn request_error(message: &'static str, error: reqwest::Error) -> Error {
    let temporary =
        error.is_request() || error.is_body() || error.is_decode() || error.is_timeout();
    let temporary = temporary && !SourceChanged::caused(&error);
    Error::new(ErrorKind::Unexpected, message)
        .with_temporary(temporary)
        .set_source(error.without_url())
}

/// Returns a buffer in chunks of at most [`CHUNK`] bytes, so that each of them counts as progress.
/// No chunk is an error.
fn chunks(buffer: Buffer) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync {
    let chunks = Iterator::flat_map(buffer, |bytes: Bytes| {
        (0..bytes.len())
            .step_by(CHUNK)
            .map(move |at| Ok(bytes.slice(at..bytes.len().min(at + CHUNK))))
    });
    stream::iter(chunks)
}

#[cfg(test)]
mod tests;
