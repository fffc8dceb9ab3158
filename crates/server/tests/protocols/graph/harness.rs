//! A server, and requests of Graph to its accounts.

use drivedal_server::{AccountKind, Builder, Server};
use drivedal_test_support::http::client;
pub use drivedal_test_support::http::{TestRequest, TestResponse};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, StatusCode};
use serde_json::Value;

/// A server with empty drives.
pub struct GraphServer {
    pub server: Server,
    client: Client,
}

/// The drive of one account.
pub struct Drive<'a> {
    cloud: &'a GraphServer,
    token: String,
    /// The base of request paths, such as `/v1.0`.
    base: &'static str,
}

/// Returns a path with percent-encoded names.
pub fn encoded(path: &str) -> String {
    let segments = path.split('/').map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC));
    segments.map(|name| name.to_string()).collect::<Vec<_>>().join("/")
}

impl GraphServer {
    pub async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub async fn with(setting: impl FnOnce(Builder) -> Builder) -> Self {
        let server = setting(Server::builder()).start().await.expect("a server");
        Self { server, client: client() }
    }

    /// Stops the server, which releases its data folder.
    pub async fn stop(self) {
        self.server.stop().await;
    }

    /// Returns the drive of the default account.
    pub fn drive(&self) -> Drive<'_> {
        Drive { cloud: self, token: "drivedal-dev".into(), base: "/v1.0" }
    }

    /// Returns the drive of an account of that kind.
    pub fn of(&self, kind: AccountKind) -> Drive<'_> {
        self.named(&format!("test.{kind}"))
    }

    /// Returns the drive of the account with that name.
    pub fn named(&self, name: &str) -> Drive<'_> {
        Drive { cloud: self, token: format!("drivedal-dev-{name}"), base: "/v1.0" }
    }

    /// Returns an absolute URL on this server.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url().as_str().trim_end_matches('/'))
    }

    /// Returns a request without a token.
    pub fn send(&self, method: &str, url: &str) -> TestRequest {
        TestRequest::new(&self.client, method, url)
    }
}

impl Drive<'_> {
    /// Returns the same drive with another base path.
    pub fn at(self, base: &'static str) -> Self {
        Self { base, ..self }
    }

    /// Returns a request with the account's token. `path` may be an absolute URL.
    pub fn request(&self, method: &str, path: &str) -> TestRequest {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            self.cloud.url(&format!("{}{path}", self.base))
        };
        self.cloud.send(method, &url).token(&self.token)
    }

    pub async fn get(&self, path: &str) -> Value {
        self.request("GET", path).ok().await.json()
    }

    /// Uploads a file, and returns its item.
    pub async fn put(&self, path: &str, bytes: &str) -> Value {
        let path = encoded(path);
        self.request("PUT", &format!("/me/drive/root:/{path}:/content"))
            .body(bytes)
            .ok()
            .await
            .json()
    }

    /// Creates a folder and its parents, and returns its item.
    pub async fn mkdir(&self, path: &str) -> Value {
        self.request("PATCH", &format!("/me/drive/root:/{}", encoded(path)))
            .json(serde_json::json!({"folder": {}}))
            .ok()
            .await
            .json()
    }

    /// Downloads a file.
    pub async fn read(&self, path: &str) -> String {
        let response =
            self.request("GET", &format!("/me/drive/root:/{}:/content", encoded(path))).await;
        assert_eq!(response.status, StatusCode::FOUND, "{path}: {response:?}");
        let bytes = self.cloud.send("GET", response.header("location")).ok().await;
        bytes.text().to_owned()
    }

    /// Returns the drive's id.
    pub async fn id(&self) -> String {
        self.get("/me/drive").await["id"].as_str().expect("an id").to_owned()
    }
}

/// Returns the names of a listing, in its order.
pub fn names(listing: &Value) -> Vec<String> {
    listing["value"]
        .as_array()
        .expect("a listing")
        .iter()
        .map(|item| item["name"].as_str().expect("a name").to_owned())
        .collect()
}

/// Returns an item's id.
pub fn id(item: &Value) -> &str {
    item["id"].as_str().unwrap_or_else(|| panic!("no id: {item}"))
}
