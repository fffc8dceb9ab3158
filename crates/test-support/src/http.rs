//! An HTTP client for tests: requests without redirects or proxies, whole responses, and raw
//! connections.

use std::{
    borrow::Borrow,
    future::{Future, IntoFuture},
    io,
    net::SocketAddr,
    pin::Pin,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, header::LOCATION};
use reqwest::{Client, RequestBuilder, redirect};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Returns a client that follows no redirect, uses no proxy, and gives up after two minutes.
///
/// # Panics
/// If the client cannot be created.
pub fn client() -> Client {
    Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .timeout(Duration::from_secs(120))
        .build()
        .expect("a client")
}

/// Opens a TCP connection to a server.
///
/// # Panics
/// If the server does not accept it.
pub async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("a connection")
}

/// Sends bytes on a new connection, and returns everything that the server sends until it closes
/// the connection.
///
/// # Errors
/// Returns the error of the connection, for instance if the server resets it.
///
/// # Panics
/// If the server does not accept the connection.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<String> {
    let mut connection = connect(address).await;
    connection.write_all(request).await?;
    let mut response = Vec::new();
    connection.read_to_end(&mut response).await?;
    Ok(String::from_utf8_lossy(&response).into_owned())
}

/// A request that has not been sent. Await it to send it, or use one of the methods that check the
/// response.
#[derive(Debug)]
#[must_use]
pub struct TestRequest(pub RequestBuilder);

impl TestRequest {
    /// Returns a request without headers and body.
    ///
    /// # Panics
    /// If the method is not valid.
    pub fn new(client: &Client, method: &str, url: &str) -> Self {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Self(client.request(method, url))
    }

    /// Adds a header.
    ///
    /// # Panics
    /// If the name is not valid.
    pub fn header(self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        Self(self.0.header(name, value))
    }

    /// Sets the access token.
    pub fn token(self, token: &str) -> Self {
        Self(self.0.bearer_auth(token))
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self(self.0.body(body.into()))
    }

    /// Sets a JSON body and its media type.
    pub fn json(self, body: impl Borrow<Value>) -> Self {
        self.header("content-type", "application/json").body(body.borrow().to_string())
    }

    /// Sets the encoded body of a form and its media type.
    pub fn form(self, body: &str) -> Self {
        self.header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    /// Sets a streamed body. Its length is unknown to the client unless a header declares it.
    pub fn stream(self, body: reqwest::Body) -> Self {
        Self(self.0.body(body))
    }

    /// Sets a body of chunks without a declared length.
    pub fn chunks<I>(self, chunks: I) -> Self
    where
        I: IntoIterator<Item = Bytes>,
        I::IntoIter: Send + 'static,
    {
        let chunks = chunks.into_iter().map(Ok::<_, io::Error>);
        self.stream(reqwest::Body::wrap_stream(futures::stream::iter(chunks)))
    }

    /// Sends the request, and returns the whole response.
    ///
    /// # Panics
    /// If the response is missing or incomplete.
    pub async fn send(self) -> TestResponse {
        self.try_send().await.expect("a response")
    }

    /// Sends the request, and returns the whole response.
    ///
    /// # Errors
    /// Returns an error if the response is missing or incomplete.
    pub async fn try_send(self) -> reqwest::Result<TestResponse> {
        let response = self.0.send().await?;
        Ok(TestResponse {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await?,
        })
    }

    /// Sends the request, and returns only the status. For a server that responds before the body
    /// is sent.
    ///
    /// # Panics
    /// If the server does not respond.
    pub async fn status_only(self) -> u16 {
        self.0.send().await.expect("a response").status().as_u16()
    }

    /// Sends the request, and returns whether the connection breaks before a response begins.
    pub async fn broken(self) -> bool {
        self.0.send().await.is_err()
    }

    /// Sends the request, and returns its response, which must be successful or a redirect.
    ///
    /// # Panics
    /// If the response is an error.
    pub async fn ok(self) -> TestResponse {
        let response = self.send().await;
        assert!(response.status < 400, "{response:?}");
        response
    }

    /// Sends the request, and returns the body of its response, which must be a Microsoft error
    /// with that status and code.
    ///
    /// # Panics
    /// If it is not.
    pub async fn refused(self, status: u16, code: &str) -> Value {
        let response = self.send().await;
        assert_eq!(response.refusal(), (status, code.to_owned()), "{response:?}");
        response.json()
    }
}

impl IntoFuture for TestRequest {
    type Output = TestResponse;
    type IntoFuture = Pin<Box<dyn Future<Output = TestResponse> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// A whole response.
pub struct TestResponse {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl std::fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

impl TestResponse {
    /// Returns the body as JSON.
    ///
    /// # Panics
    /// If the body is not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the body as JSON, and checks the status.
    ///
    /// # Panics
    /// If the status differs or the body is not JSON.
    #[track_caller]
    pub fn json_with_status(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// Returns the body as text.
    ///
    /// # Panics
    /// If the body is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// Returns a text member of the JSON body.
    ///
    /// # Panics
    /// If the member is missing.
    #[track_caller]
    pub fn member(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name}: {self:?}")).to_owned()
    }

    /// Returns status and code of a Microsoft error.
    ///
    /// # Panics
    /// If the body is not an error with a code and a message.
    #[track_caller]
    pub fn refusal(&self) -> (u16, String) {
        let body = self.json();
        let code = body["error"]["code"].as_str().unwrap_or_else(|| panic!("no error: {self:?}"));
        let message = body["error"]["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "an error has a message: {self:?}");
        (self.status, code.to_owned())
    }

    /// Returns the message of an error of Amazon Cloud Drive, and checks the status.
    ///
    /// # Panics
    /// If the status differs or the body is not such an error.
    #[track_caller]
    pub fn amazon_error(&self, status: u16) -> String {
        let body = self.json_with_status(status);
        assert!(body["logref"].is_string(), "{body}");
        body["message"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
    }

    /// Returns the value of a header; empty if the response does not have it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns the `Location` header.
    ///
    /// # Panics
    /// If the response does not have it.
    #[track_caller]
    pub fn location(&self) -> String {
        self.headers[LOCATION].to_str().expect("text").to_owned()
    }
}
