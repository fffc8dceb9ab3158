//! Clients of the three protocols that write until the server is killed.

use std::sync::Arc;

use futures::future::try_join_all;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::kills::ledger::{FRAGMENT, Ledger, Upload, bytes, large, large_length};

/// A server and the record of the requests.
pub struct Cloud {
    http: Client,
    url: String,
    pub ledger: Arc<Ledger>,
}

/// The reason why a client stopped.
pub enum Stop {
    /// The server was killed.
    Gone,
    /// An unexpected response.
    Refused(String),
}

pub type Result<T = ()> = std::result::Result<T, Stop>;

impl From<reqwest::Error> for Stop {
    fn from(_: reqwest::Error) -> Self {
        Self::Gone
    }
}

/// A complete response.
pub struct WholeResponse {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl WholeResponse {
    /// Returns the response if it has one of the statuses.
    pub fn expect_status(self, what: &str, statuses: &[u16]) -> Result<Self> {
        match statuses.contains(&self.status) {
            true => Ok(self),
            false => {
                let body = String::from_utf8_lossy(&self.body);
                Err(Stop::Refused(format!("{what}: {} {:?} {body}", self.status, self.headers)))
            }
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

const GUID: &str = "{7df0354d-249b-430f-820d-3d2a9bef4931}";

impl Cloud {
    pub fn new(url: &str, ledger: Arc<Ledger>) -> Self {
        let http = Client::builder().no_proxy().build().expect("a client");
        Self { http, url: url.to_owned(), ledger }
    }

    pub fn ask(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth("drivedal-dev")
    }

    pub async fn send(&self, request: RequestBuilder) -> Result<WholeResponse> {
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(WholeResponse { status, headers, body: answer.bytes().await?.to_vec() })
    }

    /// Writes until the server is killed. Returns an error if the running server rejected a
    /// request.
    pub async fn write(&self, kill: u64) -> std::result::Result<(), String> {
        let writers = (0..10).map(async |writer| -> Result {
            for turn in 0.. {
                let name = format!("{kill}-{writer}-{turn}");
                match writer % 5 {
                    0 => self.live(kill, &name).await?,
                    1 => self.bits(kill, &name).await?,
                    2 => self.graph(kill, &name).await?,
                    3 => self.session(kill, &name).await?,
                    _ => self.amazon(kill, &name).await?,
                }
            }
            Ok(())
        });
        match try_join_all(writers).await {
            Err(Stop::Refused(why)) => Err(why),
            Ok(_) | Err(Stop::Gone) => Ok(()),
        }
    }

    /// Uploads a file, and overwrites it.
    async fn live(&self, kill: u64, name: &str) -> Result {
        for statuses in [[201], [200]] {
            let number = self.ledger.fresh();
            self.ledger.ask(name, Some(number));
            let ask = self.ask("PUT", &format!("/v5.0/me/skydrive/files/{name}"));
            self.send(ask.body(bytes(number))).await?.expect_status("PUT", &statuses)?;
            self.ledger.acknowledge(kill, name);
        }
        Ok(())
    }

    /// Uploads a file, and removes every second one.
    async fn graph(&self, kill: u64, name: &str) -> Result {
        let number = self.ledger.fresh();
        self.ledger.ask(name, Some(number));
        let item = format!("/v1.0/me/drive/root:/{name}:");
        let bytes = bytes(number);
        // reqwest sends no Content-Length for an empty body.
        let put = self.ask("PUT", &format!("{item}/content")).header("content-length", bytes.len());
        self.send(put.body(bytes)).await?.expect_status("PUT content", &[201])?;
        self.ledger.acknowledge(kill, name);
        if number.is_multiple_of(2) {
            self.ledger.ask(name, None);
            self.send(self.ask("DELETE", &item)).await?.expect_status("DELETE", &[204])?;
            self.ledger.acknowledge(kill, name);
        }
        Ok(())
    }

    /// Uploads a file, and overwrites it.
    async fn amazon(&self, kill: u64, name: &str) -> Result {
        let number = self.ledger.fresh();
        self.ledger.ask(name, Some(number));
        let upload = self.ask("POST", "/cdproxy/nodes?suppress=deduplication");
        let node =
            self.send(form(upload, name, number)).await?.expect_status("upload", &[201])?.json();
        self.ledger.acknowledge(kill, name);
        let number = self.ledger.fresh();
        self.ledger.ask(name, Some(number));
        let id = node["id"].as_str().expect("an id");
        let over = self.ask("PUT", &format!("/cdproxy/nodes/{id}/content"));
        self.send(form(over, name, number)).await?.expect_status("overwrite", &[200])?;
        self.ledger.acknowledge(kill, name);
        Ok(())
    }

    async fn session(&self, kill: u64, name: &str) -> Result {
        let path = format!("/v1.0/me/drive/root:/{name}:/createUploadSession");
        let open = self.ask("POST", &path).header("content-type", "application/json").body("{}");
        let opened = self.send(open).await?.expect_status("createUploadSession", &[200])?.json();
        let url = opened["uploadUrl"].as_str().expect("a URL");
        let path = url.strip_prefix(&self.url).expect("on this server").to_owned();
        let (number, session) = (self.ledger.fresh(), String::new());
        let upload = Upload { path, session, bytes: number, received: 0, ending: false };
        self.ledger.upload(kill, name, upload.clone());
        self.resume(kill, name, upload).await
    }

    async fn bits(&self, kill: u64, name: &str) -> Result {
        let root =
            self.send(self.ask("GET", "/v5.0/me/skydrive")).await?.expect_status("root", &[200])?;
        let root = root.json()["id"].as_str().expect("an id").replace("folder.", "0x");
        let path = format!("/users/{root}/LiveFolders/{name}");
        let open = self.packet(&path, "Create-Session").header("bits-supported-protocols", GUID);
        let opened = self.send(open).await?.expect_status("Create-Session", &[201])?;
        let (number, session) = (self.ledger.fresh(), opened.header("bits-session-id").to_owned());
        let upload = Upload { path, session, bytes: number, received: 0, ending: false };
        self.ledger.upload(kill, name, upload.clone());
        self.resume(kill, name, upload).await
    }

    pub fn packet(&self, path: &str, kind: &str) -> RequestBuilder {
        self.ask("POST", path)
            .header("x-http-method-override", "BITS_POST")
            .header("bits-packet-type", kind)
    }

    /// Sends the next fragment of an upload.
    pub async fn fragment(&self, upload: &Upload) -> Result<WholeResponse> {
        let whole = large(upload.bytes);
        let from = upload.received as usize;
        let to = whole.len().min(from + FRAGMENT);
        let range = format!("bytes {from}-{}/{}", to - 1, whole.len());
        let ask = match upload.session.as_str() {
            "" => self.http.put(format!("{}{}", self.url, upload.path)),
            session => self.packet(&upload.path, "Fragment").header("bits-session-id", session),
        };
        self.send(ask.header("content-range", range).body(whole[from..to].to_vec())).await
    }

    pub async fn close(&self, upload: &Upload) -> Result<WholeResponse> {
        let close = self.packet(&upload.path, "Close-Session");
        self.send(close.header("bits-session-id", &upload.session)).await
    }

    /// Sends the remaining fragments of an upload and completes it.
    pub async fn resume(&self, kill: u64, name: &str, mut upload: Upload) -> Result {
        let length = large_length(upload.bytes) as u64;
        let is_graph = upload.session.is_empty();
        if is_graph && upload.received == length {
            // The server was killed after the last byte and before the file was created.
            self.end(name, &upload);
            let commit = self.http.post(format!("{}{}", self.url, upload.path));
            self.send(commit.header("content-length", "0"))
                .await?
                .expect_status("commit", &[200, 201])?;
        }
        while upload.received < length {
            let next = length.min(upload.received + FRAGMENT as u64);
            if is_graph && next == length {
                self.end(name, &upload);
            }
            self.fragment(&upload).await?.expect_status("fragment", &[200, 201, 202])?;
            upload.received = next;
            if !(is_graph && next == length) {
                self.ledger.upload(kill, name, upload.clone());
            }
        }
        if !is_graph {
            self.end(name, &upload);
            self.close(&upload).await?.expect_status("Close-Session", &[200, 201])?;
        }
        self.ledger.acknowledge(kill, name);
        Ok(())
    }

    fn end(&self, name: &str, upload: &Upload) {
        self.ledger.ending(name);
        self.ledger.ask(name, Some(upload.bytes));
    }
}

fn form(request: RequestBuilder, name: &str, number: u64) -> RequestBuilder {
    let mut body = format!(
        "--b0undary\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n\
         {{\"kind\": \"FILE\", \"name\": \"{name}\"}}\r\n\
         --b0undary\r\nContent-Disposition: form-data; name=\"content\"; filename=\"f\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend(bytes(number));
    body.extend(b"\r\n--b0undary--\r\n");
    request.header("content-type", "multipart/form-data; boundary=b0undary").body(body)
}
