//! A server and a client of it that sends exactly what it is told.

use bytes::Bytes;
use drivedal_server::{Builder, Control, Fault, Server};
use reqwest::{Client, Method, RequestBuilder, redirect};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A server in memory, and a client that follows no redirect.
pub struct Rig {
    pub server: Server,
    pub http: Client,
    /// The access token that requests carry in their header.
    pub token: &'static str,
    pub _seeds: Seeds,
}

/// Says, when a test fails, what it takes to fail the same way again.
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

    /// The URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url().as_str().trim_end_matches('/'))
    }

    /// A request of Live Connect, its token in the header.
    pub fn live(&self, method: &str, path: &str) -> Ask {
        self.bare(method, &format!("/v5.0{path}"))
            .header("authorization", &format!("Bearer {}", self.token))
    }

    /// A request of Graph.
    pub fn graph(&self, method: &str, path: &str) -> Ask {
        self.bare(method, &format!("/v1.0{path}"))
            .header("authorization", &format!("Bearer {}", self.token))
    }

    /// A request of Amazon's.
    pub fn amazon(&self, method: &str, path: &str) -> Ask {
        self.bare(method, path).header("authorization", &format!("Bearer {}", self.token))
    }

    /// Uploads a file to Amazon's root folder.
    pub async fn amazon_file(&self, name: &str, bytes: &str) -> Reply {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n\
             {{\"kind\": \"FILE\", \"name\": \"{name}\"}}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"f\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n{bytes}\r\n--b--\r\n"
        );
        self.amazon("POST", "/cdproxy/nodes?suppress=deduplication")
            .header("content-type", "multipart/form-data; boundary=b")
            .bytes(body)
            .send()
            .await
    }

    /// Puts a fault rule in force.
    pub fn fault(&self, rule: Fault) {
        self.server.control().add_faults([rule]).expect("a good rule");
    }

    /// A request without token, of a path or of a whole URL.
    pub fn bare(&self, method: &str, path: &str) -> Ask {
        let url = if path.starts_with('/') { self.url(path) } else { path.to_owned() };
        Ask(self.http.request(Method::from_bytes(method.as_bytes()).expect("a method"), url))
    }

    /// Puts a file by PUT below a folder; its object.
    pub async fn file(&self, folder: &str, name: &str, bytes: impl Into<Bytes>) -> Value {
        let put = self.live("PUT", &format!("/{folder}/files/{name}")).bytes(bytes).send().await;
        assert!(put.status == 201 || put.status == 200, "{put:?}");
        self.object(&put.text("id")).await
    }

    /// Makes a folder; its object.
    pub async fn folder(&self, parent: &str, name: &str) -> Value {
        let body = serde_json::json!({ "name": name });
        let made = self.live("POST", &format!("/{parent}")).json(&body).send().await;
        assert_eq!(made.status, 201, "{made:?}");
        made.json()
    }

    /// The object of an id.
    pub async fn object(&self, id: &str) -> Value {
        let got = self.live("GET", &format!("/{id}")).send().await;
        assert_eq!(got.status, 200, "{got:?}");
        got.json()
    }

    /// The names in a folder, as listed.
    pub async fn names(&self, folder: &str, query: &str) -> Vec<String> {
        let listed = self.live("GET", &format!("/{folder}/files{query}")).send().await;
        assert_eq!(listed.status, 200, "{listed:?}");
        names(&listed.json())
    }

    /// The bytes of a file, by redirect and ticket.
    pub async fn content(&self, id: &str) -> Bytes {
        let redirect = self.live("GET", &format!("/{id}/content")).send().await;
        assert_eq!(redirect.status, 302, "{redirect:?}");
        let got = self.bare("GET", redirect.header("location")).send().await;
        assert_eq!(got.status, 200, "{got:?}");
        got.body
    }

    /// A connection to say things that no client would.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.server.address().expect("a port")).await.expect("a connection")
    }

    /// Sends these bytes and reads until the server ends the connection.
    pub async fn raw(&self, bytes: &[u8]) -> std::io::Result<String> {
        let mut connection = self.connect().await;
        connection.write_all(bytes).await?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

pub fn client() -> Client {
    Client::builder().no_proxy().redirect(redirect::Policy::none()).build().expect("a client")
}

/// The names in a listing.
pub fn names(listing: &Value) -> Vec<String> {
    let data = listing["data"].as_array().expect("a list");
    data.iter().map(|object| object["name"].as_str().expect("a name").to_owned()).collect()
}

/// A request to be sent.
pub struct Ask(RequestBuilder);

impl Ask {
    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    pub fn json(self, body: &Value) -> Self {
        Self(self.0.header("content-type", "application/json").body(body.to_string()))
    }

    pub fn form(self, body: &str) -> Self {
        Self(
            self.0
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body.to_owned()),
        )
    }

    /// A body that tells its length.
    pub fn bytes(self, body: impl Into<Bytes>) -> Self {
        Self(self.0.body(body.into()))
    }

    /// A body in chunks that does not tell its length.
    pub fn chunks<I>(self, chunks: I) -> Self
    where
        I: IntoIterator<Item = Bytes>,
        I::IntoIter: Send + 'static,
    {
        let chunks = chunks.into_iter().map(Ok::<_, std::io::Error>);
        Self(self.0.body(reqwest::Body::wrap_stream(futures::stream::iter(chunks))))
    }

    pub async fn send(self) -> Reply {
        self.try_send().await.expect("an answer")
    }

    /// `Err` if there is no answer, or none that is whole.
    pub async fn try_send(self) -> reqwest::Result<Reply> {
        let answer = self.0.send().await?;
        Ok(Reply {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.bytes().await?,
        })
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A field of the body that is text.
    pub fn text(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_else(|| panic!("no {field}: {self:?}")).to_owned()
    }

    /// Status and code of an error.
    pub fn refusal(&self) -> (u16, String) {
        let body = self.json();
        let code = body["error"]["code"].as_str().unwrap_or_else(|| panic!("no error: {self:?}"));
        let message = body["error"]["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "an error has a message: {self:?}");
        (self.status, code.to_owned())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Asserts status and code of an error.
macro_rules! refused {
    ($reply:expr, $status:expr, $code:expr) => {
        assert_eq!($reply.refusal(), ($status, $code.to_owned()))
    };
}
pub(crate) use refused;
