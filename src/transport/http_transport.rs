//! Our HTTP transport: bodies streamed from files, time-outs that fit uploads, no URL in errors.

#[cfg(unix)]
use std::path::Path;
use std::{
    fmt, io,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, Result};
use tokio::time::timeout;

use super::{
    file::{BodySource, SourceChanged},
    local::{self, RequestBody},
    progress::Progress,
    redirect, tls,
    unreachable::Unreachable,
};

/// How much of a body is handed to the connection at once, in bytes.
pub(super) const CHUNK: usize = 256 << 10;

const USER_AGENT: &str = concat!("drivedal/", env!("CARGO_PKG_VERSION"));

/// How long a transport waits.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the answer to begin once the last byte of the request has left.
    pub first_byte: Duration,
    /// Between two pieces of a body, in either direction.
    pub idle: Duration,
}

impl Default for Timeouts {
    /// 10 s to connect, 120 s for an answer (clouds take that long to store a large file), 60 s
    /// between two pieces.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(120),
            idle: Duration::from_secs(60),
        }
    }
}

/// The process's transport, as [`register`](crate::register) installs it: for operators that have
/// another default, by [`Operator::with_context`](opendal::Operator::with_context).
///
/// Its connections belong to the tokio runtime of the first request.
pub fn http_transport() -> HttpTransporter {
    static SHARED: LazyLock<HttpTransporter> =
        LazyLock::new(|| HttpTransporter::new(Transport::default()));
    SHARED.clone()
}

/// An [`HttpTransport`] over `reqwest` that streams request bodies from files, never prints a URL
/// and waits by progress, not by total time. Loopback addresses are reached without a proxy.
#[derive(Clone, Debug)]
pub struct Transport {
    route: Route,
    timeouts: Timeouts,
    sent: Arc<AtomicU64>,
}

/// Where requests are sent.
#[derive(Clone)]
enum Route {
    /// To the host of the URL.
    Network { outside: reqwest::Client, loopback: reqwest::Client },
    /// To a Unix socket, whatever the host.
    #[cfg(unix)]
    Socket(reqwest::Client),
    /// To a service in this process, whatever the host. The client only builds the requests.
    Service(reqwest::Client, local::Service),
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network { .. } => "Network",
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
    /// A transport with its own connections.
    ///
    /// The system's certificates are read when the first server shows its own.
    ///
    /// # Panics
    /// If the process has chosen a provider of cryptography that knows no common version of TLS.
    pub fn new(timeouts: Timeouts) -> Self {
        let outside = built(client(timeouts));
        let loopback = built(client(timeouts).no_proxy());
        Self::with_route(Route::Network { outside, loopback }, timeouts)
    }

    /// Creates a transport that sends every request to a Unix socket, whatever the host of its URL:
    /// to a drive server without a port.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[cfg(unix)]
    pub fn over_unix_socket(path: impl AsRef<Path>, timeouts: Timeouts) -> Self {
        let client = client(timeouts).no_proxy().unix_socket(path.as_ref());
        Self::with_route(Route::Socket(built(client)), timeouts)
    }

    /// Creates a transport that calls a service in this process for every request, whatever the
    /// host of its URL: a drive server without a port, or the client's own test double.
    ///
    /// # Panics
    /// As [`new`](Self::new).
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
        let client = built(client(timeouts).no_proxy());
        Self::with_route(Route::Service(client, local::service(service)), timeouts)
    }

    fn with_route(route: Route, timeouts: Timeouts) -> Self {
        Self { route, timeouts, sent: Arc::default() }
    }

    /// How many requests were sent; redirects that were followed are not counted.
    pub fn requests(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

fn client(timeouts: Timeouts) -> reqwest::ClientBuilder {
    let tls = tls::config().expect("the provider of cryptography knows TLS 1.2 or 1.3");
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(timeouts.connect)
        .tcp_nodelay(true)
        // Followed by the transport itself.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(USER_AGENT)
}

fn built(builder: reqwest::ClientBuilder) -> reqwest::Client {
    builder.build().expect("no option is set that a client could refuse")
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        if let Some(probe) = request.extensions().get::<Probe>() {
            probe.confirm();
            return Ok(Response::new(HttpBody::new(stream::empty(), Some(0))));
        }
        let (parts, buffer) = request.into_parts();
        // `url`'s error would not say more, reqwest's would repeat the URL.
        let mut url = reqwest::Url::parse(&parts.uri.to_string())
            .map_err(|_| Error::new(ErrorKind::Unexpected, "the request's address is not a URL"))?;
        let (method, mut headers) = (parts.method, parts.headers);
        let source = parts.extensions.get::<BodySource>();
        self.sent.fetch_add(1, Ordering::Relaxed);
        let mut followed = 0;
        loop {
            // The body of a request that is sent on stays behind: only GET and HEAD are.
            let (source, buffer) = match followed {
                0 => (source.cloned(), buffer.clone()),
                _ => (None, Buffer::new()),
            };
            let response = self.send(method.clone(), &url, headers.clone(), source, buffer).await?;
            let (status, found) = (response.status(), response.headers());
            if let Some(to) = redirect::target(&method, &url, status, found, followed)? {
                if to.origin() != url.origin() {
                    redirect::strip_credentials(&mut headers);
                }
                (url, followed) = (to, followed + 1);
                continue;
            }
            let mut answer = Response::new(());
            *answer.status_mut() = status;
            *answer.version_mut() = response.version();
            *answer.headers_mut() = found.clone();
            if followed > 0 {
                answer.extensions_mut().insert(Redirected);
            }
            return Ok(answer.map(|()| body_of(response, self.timeouts.idle)));
        }
    }
}

impl Transport {
    /// Sends one request, and returns its response, which may be a redirect.
    async fn send(
        &self,
        method: Method,
        url: &reqwest::Url,
        headers: HeaderMap,
        source: Option<BodySource>,
        buffer: Buffer,
    ) -> Result<reqwest::Response> {
        let client = match (&self.route, url.host_str()) {
            (Route::Network { loopback, .. }, Some("localhost" | "127.0.0.1" | "[::1]")) => {
                loopback
            }
            (Route::Network { outside, .. }, _) => outside,
            #[cfg(unix)]
            (Route::Socket(client), _) => client,
            (Route::Service(client, _), _) => client,
        };
        let first_byte = self.timeouts.first_byte;
        let mut builder = client.request(method, url.clone()).headers(headers);
        let progress = Progress::new(self.timeouts.idle);
        if let Some(source) = source {
            let len = source.len();
            let body = progress.watch(source.stream(), len, first_byte);
            builder = builder
                .header(header::CONTENT_LENGTH, HeaderValue::from(len))
                .body(reqwest::Body::wrap_stream(body));
        } else if !buffer.is_empty() {
            let len = buffer.len() as u64;
            let body = progress.watch(pieces(buffer), len, first_byte);
            builder = builder
                .header(header::CONTENT_LENGTH, HeaderValue::from(len))
                .body(reqwest::Body::wrap_stream(body));
        } else {
            progress.sent_all(first_byte);
        }
        let sent = async {
            match &self.route {
                Route::Service(_, service) => {
                    let request = builder
                        .header(header::USER_AGENT, USER_AGENT)
                        .build()
                        .map_err(|error| not_sent(url, error))?;
                    service(request).await
                }
                _ => builder.send().await.map_err(|error| not_sent(url, error)),
            }
        };
        tokio::select! {
            sent = sent => sent,
            waited = progress.stalled() => Err(Error::new(
                ErrorKind::Unexpected,
                format!("no progress for {} s", waited.as_secs()),
            )
            .set_temporary()),
        }
    }
}

/// An answer's body, which breaks off where nothing comes for so long.
fn body_of(response: reqwest::Response, idle: Duration) -> HttpBody {
    // A service's body has no length of its own; the header has.
    let announced = response.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|len| len.to_str().ok()?.parse().ok());
    let len = response.content_length().or(announced);
    let body = stream::unfold(Some(Box::pin(response.bytes_stream())), move |body| async move {
        let mut body = body?;
        match timeout(idle, body.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(bytes))) => Some((Ok(Buffer::from(bytes)), Some(body))),
            Ok(Some(Err(error))) => Some((Err(failed("read http response", error)), None)),
            Err(_) => Some((
                Err(Error::new(
                    ErrorKind::Unexpected,
                    format!("no byte of the answer for {} s", idle.as_secs()),
                )
                .set_temporary()),
                None,
            )),
        }
    })
    // An empty buffer would mean the end to OpenDAL.
    .filter(|piece| std::future::ready(!matches!(piece, Ok(bytes) if bytes.is_empty())));
    HttpBody::new(Box::pin(body), len)
}

/// On an answer that came from elsewhere than where the request was sent.
#[derive(Clone, Copy)]
pub(super) struct Redirected;

/// The error of a request without a response.
fn not_sent(url: &reqwest::Url, error: reqwest::Error) -> Error {
    if !error.is_connect() {
        return failed("send http request", error);
    }
    let unreachable = Unreachable::new(&error);
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let text = format!("cannot connect to {host}{port}: {unreachable}");
    Error::new(ErrorKind::Unexpected, text).set_temporary().set_source(unreachable)
}

fn failed(what: &'static str, error: reqwest::Error) -> Error {
    let temporary =
        error.is_request() || error.is_body() || error.is_decode() || error.is_timeout();
    let temporary = temporary && !SourceChanged::caused(&error);
    Error::new(ErrorKind::Unexpected, what)
        .with_temporary(temporary)
        .set_source(error.without_url())
}

/// A buffer's bytes, no more than [`PIECE`] at a time, so that progress can be seen.
fn pieces(buffer: Buffer) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync {
    let chunks = Iterator::flat_map(buffer, |chunk: Bytes| {
        (0..chunk.len())
            .step_by(CHUNK)
            .map(move |at| Ok(chunk.slice(at..chunk.len().min(at + CHUNK))))
    });
    stream::iter(chunks)
}

/// A question to a transport: do you know [`BodySource`]? Ours answers without a network; any other
/// refuses the scheme.
#[derive(Clone, Default)]
pub(super) struct Probe(Arc<AtomicBool>);

impl Probe {
    /// Says yes.
    pub(super) fn confirm(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(super) async fn understands_files(transport: &HttpTransporter) -> bool {
    let probe = Probe::default();
    let mut question = Request::new(Buffer::new());
    *question.uri_mut() = http::Uri::from_static("drivedal://probe/");
    question.extensions_mut().insert(probe.clone());
    // The refusal itself is the other transport's answer.
    let _ = transport.fetch(question).await;
    probe.0.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::{
        drive::Context,
        transport::{ApiRequest, Client},
    };

    #[tokio::test]
    async fn an_answer_tells_whether_the_transport_was_sent_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let moved = format!("HTTP/1.1 303 See Other\r\nlocation: {origin}/there\r\n");
        tokio::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let len = connection.read(&mut request).await.unwrap();
                let head = match request[..len].starts_with(b"GET /here") {
                    true => &*moved,
                    false => "HTTP/1.1 401 Unauthorized\r\n",
                };
                let answer = format!("{head}content-length: 0\r\nconnection: close\r\n\r\n");
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let cx = Context::from(
            &opendal::OperationContext::new()
                .with_http_transport(HttpTransporter::new(Transport::default())),
        );
        let ask = async |path: &str| {
            let call = ApiRequest::new(
                opendal::raw::Operation::Stat,
                http::Method::GET,
                format!("{origin}{path}"),
                "{test}",
            );
            let reply = Client::new(&cx).send(call).await.unwrap();
            (reply.status.as_u16(), reply.redirected)
        };
        assert_eq!(ask("/here").await, (401, true));
        assert_eq!(ask("/there").await, (401, false));
    }

    /// A server that redirects as the function says, and the heads of the requests that it got.
    async fn redirecting(
        to: impl Fn(&str) -> Option<String> + Send + 'static,
    ) -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::<std::sync::Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        tokio::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 8192];
                let len = connection.read(&mut request).await.unwrap();
                let head = String::from_utf8_lossy(&request[..len]).to_ascii_lowercase();
                let path = head.split(' ').nth(1).unwrap_or_default();
                let status = match to(path) {
                    Some(location) => format!("302 Found\r\nlocation: {location}"),
                    None => "200 OK".to_owned(),
                };
                seen.lock().unwrap().push(head);
                let answer =
                    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (origin, heads)
    }

    fn request(method: &str, url: &str) -> Request<Buffer> {
        let mut secret = HeaderValue::from_static("hunter3");
        secret.set_sensitive(true);
        Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", "Bearer hunter2")
            .header("x-key", secret)
            .header("range", "bytes=0-1")
            .body(Buffer::new())
            .unwrap()
    }

    #[tokio::test]
    async fn a_redirect_to_another_origin_gets_no_credentials_and_no_referrer() {
        let (there, at_there) = redirecting(|_| None).await;
        let target = there.clone();
        let (here, at_here) = redirecting(move |path| match path {
            "/elsewhere?secret" => Some(format!("{target}/x")),
            "/here" => Some("there".to_owned()),
            _ => None,
        })
        .await;
        let transport = Transport::default();
        let url = format!("{here}/elsewhere?secret");
        assert_eq!(transport.fetch(request("GET", &url)).await.unwrap().status(), 200);
        let head = at_there.lock().unwrap().pop().expect("a request");
        assert!(!head.contains("hunter") && !head.contains("secret"), "{head}");
        assert!(head.contains("range: bytes=0-1"), "{head}");
        // Within an origin they are the same requests.
        transport.fetch(request("GET", &format!("{here}/here"))).await.unwrap();
        let head = at_here.lock().unwrap().pop().expect("a request");
        assert!(head.starts_with("get /there") && head.contains("hunter2"), "{head}");
        // A request with an effect is not sent on.
        let response = transport.fetch(request("POST", &url)).await.unwrap();
        assert_eq!((response.status().as_u16(), at_there.lock().unwrap().len()), (302, 0));
    }

    #[tokio::test]
    async fn redirects_end() {
        let (here, heads) = redirecting(|path| Some(format!("{path}x"))).await;
        let error = Transport::default().fetch(request("GET", &here)).await.err().expect("an end");
        assert!(error.to_string().contains("11th in a row"), "{error}");
        assert_eq!(heads.lock().unwrap().len(), redirect::REDIRECTS_MAX + 1);
    }

    #[tokio::test]
    async fn a_refused_connection_is_named_by_host_and_reason() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let url = format!("http://{address}/x?secret");
        let error = Transport::default().fetch(request("GET", &url)).await.err().expect("refused");
        let text = error.to_string();
        assert!(text.contains(&format!("cannot connect to {address}: ")), "{text}");
        assert!(error.is_temporary() && !format!("{error:?}").contains("secret"), "{error:?}");
        assert!(Unreachable::reason(&error).expect("unreachable").contains("refused"), "{text}");
    }
}
