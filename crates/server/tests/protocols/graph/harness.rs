//! A server, accounts on it, and requests.

use std::{fmt, time::Duration};

use drivedal_server::{AccountKind, Builder, Server};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Client, Method, StatusCode,
    header::{HeaderMap, HeaderName, LOCATION},
    redirect,
};
use serde_json::Value;

/// A server with nothing in it.
pub struct Cloud {
    pub server: Server,
    client: Client,
}

/// One account's view of it.
pub struct Drive<'a> {
    cloud: &'a Cloud,
    token: String,
    /// What addresses begin with: `/v1.0`.
    base: &'static str,
}

/// What was answered.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, String::from_utf8_lossy(&self.bytes))
    }
}

/// A path with its names encoded.
pub fn encoded(path: &str) -> String {
    let segments = path.split('/').map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC));
    segments.map(|name| name.to_string()).collect::<Vec<_>>().join("/")
}

impl Cloud {
    pub async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub async fn with(setting: impl FnOnce(Builder) -> Builder) -> Self {
        let server = setting(Server::builder()).start().await.expect("a server");
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client");
        Self { server, client }
    }

    /// Ends it; its data folder is free then.
    pub async fn stop(self) {
        self.server.stop().await;
    }

    /// The default account.
    pub fn drive(&self) -> Drive<'_> {
        Drive { cloud: self, token: "drivedal-dev".into(), base: "/v1.0" }
    }

    /// An account of that kind.
    pub fn of(&self, kind: AccountKind) -> Drive<'_> {
        self.named(&format!("test.{kind}"))
    }

    /// The account of that name.
    pub fn named(&self, name: &str) -> Drive<'_> {
        Drive { cloud: self, token: format!("drivedal-dev-{name}"), base: "/v1.0" }
    }

    /// A whole URL on this server.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url().as_str().trim_end_matches('/'))
    }

    /// A request without a token.
    pub fn send(&self, method: &str, url: &str) -> Ask {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Ask(self.client.request(method, url))
    }
}

impl Drive<'_> {
    /// The same with another base.
    pub fn at(self, base: &'static str) -> Self {
        Self { base, ..self }
    }

    /// A request with the account's token.
    pub fn ask(&self, method: &str, path: &str) -> Ask {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            self.cloud.url(&format!("{}{path}", self.base))
        };
        self.cloud.send(method, &url).header("authorization", &format!("Bearer {}", self.token))
    }

    pub async fn get(&self, path: &str) -> Value {
        self.ask("GET", path).ok().await.json()
    }

    /// Puts a file, and gives the item.
    pub async fn put(&self, path: &str, bytes: &str) -> Value {
        let path = encoded(path);
        self.ask("PUT", &format!("/me/drive/root:/{path}:/content")).body(bytes).ok().await.json()
    }

    /// Makes a folder with those above it.
    pub async fn mkdir(&self, path: &str) -> Value {
        self.ask("PATCH", &format!("/me/drive/root:/{}", encoded(path)))
            .json(serde_json::json!({"folder": {}}))
            .ok()
            .await
            .json()
    }

    /// What a file has in it.
    pub async fn read(&self, path: &str) -> String {
        let answer = self.ask("GET", &format!("/me/drive/root:/{}:/content", encoded(path))).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{path}: {answer:?}");
        let bytes = self.cloud.send("GET", answer.header("location")).ok().await;
        bytes.text().to_owned()
    }

    /// The drive's own id.
    pub async fn id(&self) -> String {
        self.get("/me/drive").await["id"].as_str().expect("an id").to_owned()
    }
}

/// A request to be.
#[must_use]
pub struct Ask(reqwest::RequestBuilder);

impl Ask {
    pub fn header(self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header");
        Self(self.0.header(name, value))
    }

    pub fn body(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self(self.0.body(bytes.into()))
    }

    /// A body as it is, with the length that it or a header says.
    pub fn stream(self, body: reqwest::Body) -> Self {
        Self(self.0.body(body))
    }

    /// The status of an answer that may come before the body is sent.
    pub async fn status_only(self) -> u16 {
        self.0.send().await.expect("an answer").status().as_u16()
    }

    /// Whether the connection breaks before there is a response.
    pub async fn broken(self) -> bool {
        self.0.send().await.is_err()
    }

    pub fn json(self, body: Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// The answer, which must be none of an error.
    pub async fn ok(self) -> Answer {
        let answer = self.await;
        assert!(answer.status.as_u16() < 400, "{answer:?}");
        answer
    }

    /// The answer, which must be a refusal with that status and code.
    pub async fn refused(self, status: u16, code: &str) -> Value {
        let answer = self.await;
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        let body = answer.json();
        assert_eq!(body["error"]["code"], code, "{answer:?}");
        assert!(body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
        body
    }
}

impl IntoFuture for Ask {
    type Output = Answer;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let response = self.0.send().await.expect("an answer");
            Answer {
                status: response.status(),
                headers: response.headers().clone(),
                bytes: response.bytes().await.expect("a body").into(),
            }
        })
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{error}: {self:?} {}", self.text()))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).expect("text")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub fn location(&self) -> String {
        self.headers[LOCATION].to_str().expect("text").to_owned()
    }
}

/// The names of a listing, in its order.
pub fn names(listing: &Value) -> Vec<String> {
    listing["value"]
        .as_array()
        .expect("a listing")
        .iter()
        .map(|item| item["name"].as_str().expect("a name").to_owned())
        .collect()
}

/// An item's id.
pub fn id(item: &Value) -> &str {
    item["id"].as_str().unwrap_or_else(|| panic!("no id: {item}"))
}
