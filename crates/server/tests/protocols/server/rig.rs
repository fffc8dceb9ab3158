//! A server, and requests to it without any client library in between.

use bytes::Bytes;
use drivedal_server::{Builder, Control, Fault, Server};
pub use drivedal_test_support::http::{TestRequest, TestResponse, client};
use drivedal_test_support::http::{connect, exchange};
use reqwest::Client;
use serde_json::Value;
use tokio::net::TcpStream;

/// A server in memory, and a client that follows no redirect.
pub struct Rig {
    pub server: Server,
    pub http: Client,
    /// The access token of requests.
    pub token: &'static str,
    pub _seeds: Seeds,
}

/// Prints the seeds of the faults if a test fails, to reproduce the failure.
pub struct Seeds(Control);

impl Drop for Seeds {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        eprintln!("the server's fault seed: {}", self.0.fault_seed());
        for fault in self.0.faults() {
            eprintln!("fault seed {}: {fault:?}", fault.seed);
        }
    }
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub async fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        Self::of(change(Server::builder()).start().await.expect("a server"))
    }

    pub fn of(server: Server) -> Self {
        let _seeds = Seeds(server.control());
        Self { server, http: client(), token: "drivedal-dev", _seeds }
    }

    /// Returns the URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url().as_str().trim_end_matches('/'))
    }

    /// Returns a request of Live Connect with the token in a header.
    pub fn live(&self, method: &str, path: &str) -> TestRequest {
        self.bare(method, &format!("/v5.0{path}")).token(self.token)
    }

    /// Returns a request of Graph with the token in a header.
    pub fn graph(&self, method: &str, path: &str) -> TestRequest {
        self.bare(method, &format!("/v1.0{path}")).token(self.token)
    }

    /// Returns a request of Amazon Cloud Drive with the token in a header.
    pub fn amazon(&self, method: &str, path: &str) -> TestRequest {
        self.bare(method, path).token(self.token)
    }

    /// Uploads a file to the root folder of Amazon Cloud Drive.
    pub async fn amazon_file(&self, name: &str, bytes: &str) -> TestResponse {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n\
             {{\"kind\": \"FILE\", \"name\": \"{name}\"}}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"f\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n{bytes}\r\n--b--\r\n"
        );
        self.amazon("POST", "/cdproxy/nodes?suppress=deduplication")
            .header("content-type", "multipart/form-data; boundary=b")
            .body(body)
            .send()
            .await
    }

    /// Adds a fault rule.
    pub fn fault(&self, rule: Fault) {
        self.server.control().add_faults([rule]).expect("a good rule");
    }

    /// Returns a request without a token, for a path or an absolute URL.
    pub fn bare(&self, method: &str, path: &str) -> TestRequest {
        let url = if path.starts_with('/') { self.url(path) } else { path.to_owned() };
        TestRequest::new(&self.http, method, &url)
    }

    /// Uploads a file to a folder with PUT, and returns its object.
    pub async fn file(&self, folder: &str, name: &str, bytes: impl Into<Bytes>) -> Value {
        let bytes: Bytes = bytes.into();
        let put = self.live("PUT", &format!("/{folder}/files/{name}")).body(bytes).send().await;
        assert!(put.status == 201 || put.status == 200, "{put:?}");
        self.object(&put.member("id")).await
    }

    /// Creates a folder, and returns its object.
    pub async fn folder(&self, parent: &str, name: &str) -> Value {
        let body = serde_json::json!({ "name": name });
        let made = self.live("POST", &format!("/{parent}")).json(&body).send().await;
        assert_eq!(made.status, 201, "{made:?}");
        made.json()
    }

    /// Returns the object with an id.
    pub async fn object(&self, id: &str) -> Value {
        let got = self.live("GET", &format!("/{id}")).send().await;
        assert_eq!(got.status, 200, "{got:?}");
        got.json()
    }

    /// Returns the names in the listing of a folder.
    pub async fn names(&self, folder: &str, query: &str) -> Vec<String> {
        let listed = self.live("GET", &format!("/{folder}/files{query}")).send().await;
        assert_eq!(listed.status, 200, "{listed:?}");
        names(&listed.json())
    }

    /// Downloads a file by following the redirect to its download URL.
    pub async fn content(&self, id: &str) -> Bytes {
        let redirect = self.live("GET", &format!("/{id}/content")).send().await;
        assert_eq!(redirect.status, 302, "{redirect:?}");
        let got = self.bare("GET", redirect.header("location")).send().await;
        assert_eq!(got.status, 200, "{got:?}");
        got.body
    }

    /// Opens a connection for requests that no client library sends.
    pub async fn connect(&self) -> TcpStream {
        connect(self.server.address().expect("a port")).await
    }

    /// Sends bytes on a new connection, and returns everything up to its end.
    pub async fn raw(&self, bytes: &[u8]) -> std::io::Result<String> {
        exchange(self.server.address().expect("a port"), bytes).await
    }
}

/// Returns the names in a listing.
pub fn names(listing: &Value) -> Vec<String> {
    let data = listing["data"].as_array().expect("a list");
    data.iter().map(|object| object["name"].as_str().expect("a name").to_owned()).collect()
}

/// Asserts status and code of an error.
macro_rules! refused {
    ($reply:expr, $status:expr, $code:expr) => {
        assert_eq!($reply.refusal(), ($status, $code.to_owned()))
    };
}
pub(crate) use refused;
