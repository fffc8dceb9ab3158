//! A client of the three protocols that uploads in every supported way.

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;

/// A way to upload a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Graph, a file that is small enough for the database.
    Row,
    /// Graph, in one request.
    Graph,
    /// Graph, in two fragments of an upload session.
    Session,
    /// Live Connect's PUT.
    Live,
    /// BITS, in two fragments.
    Bits,
    /// Amazon's form.
    Amazon,
}

impl Way {
    pub const ALL: [Self; 6] =
        [Self::Row, Self::Graph, Self::Session, Self::Live, Self::Bits, Self::Amazon];
}

/// Length of each fragment but the last, in bytes: Graph's unit.
const FRAGMENT: usize = 320 << 10;

const GUID: &str = "{7df0354d-249b-430f-820d-3d2a9bef4931}";

/// The cloud reported that its storage is full.
#[derive(Debug)]
pub struct NoRoom;

pub struct Clouds {
    http: Client,
    url: String,
}

impl Clouds {
    pub fn new(url: &str) -> Self {
        let http = Client::builder().no_proxy().build().expect("a client");
        Self { http, url: url.to_owned() }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.url)).bearer_auth("drivedal-dev")
    }

    fn put(&self, path: &str, bytes: &[u8]) -> RequestBuilder {
        let put = self.http.put(format!("{}{path}", self.url)).bearer_auth("drivedal-dev");
        put.body(bytes.to_vec())
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.url)).bearer_auth("drivedal-dev")
    }

    /// Uploads a new file to the root folder.
    pub async fn upload(&self, way: Way, name: &str, bytes: &[u8]) -> Result<(), NoRoom> {
        match way {
            Way::Row | Way::Graph => {
                let put = self.put(&format!("/v1.0/me/drive/root:/{name}:/content"), bytes);
                done(put, is_graphs).await?;
            }
            Way::Session => self.in_session(name, bytes).await?,
            Way::Live => {
                let put = self.put(&format!("/v5.0/me/skydrive/files/{name}"), bytes);
                done(put, is_lives).await?;
            }
            Way::Bits => self.by_bits(name, bytes).await?,
            Way::Amazon => {
                let head = format!(
                    "--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n\
                     {{\"kind\": \"FILE\", \"name\": \"{name}\"}}\r\n\
                     --b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"f\"\r\n\r\n"
                );
                let form = [head.as_bytes(), bytes, b"\r\n--b--\r\n"].concat();
                let post = self.post("/cdproxy/nodes?suppress=deduplication").body(form);
                let post = post.header("content-type", "multipart/form-data; boundary=b");
                done(post, is_amazons).await?;
            }
        }
        Ok(())
    }

    async fn in_session(&self, name: &str, bytes: &[u8]) -> Result<(), NoRoom> {
        let url = self.open(name).await?;
        for (range, piece) in fragments(bytes) {
            let put = self.http.put(&url).header("content-range", range).body(piece);
            done(put, is_graphs).await?;
        }
        Ok(())
    }

    /// Opens an upload session and returns its URL.
    async fn open(&self, name: &str) -> Result<String, NoRoom> {
        let create = self.post(&format!("/v1.0/me/drive/root:/{name}:/createUploadSession"));
        let create = create.header("content-type", "application/json").body("{}");
        let opened = json(done(create, is_graphs).await?).await;
        Ok(opened["uploadUrl"].as_str().expect("a URL").to_owned())
    }

    /// Starts an upload without finishing it, and returns the URL of its session.
    pub async fn begin(&self, name: &str, bytes: &[u8]) -> String {
        let url = self.open(name).await.expect("there is room");
        let (range, piece) = fragments(bytes).next().expect("it has bytes");
        let put = self.http.put(&url).header("content-range", range).body(piece);
        done(put, is_graphs).await.expect("there is room");
        url
    }

    /// Cancels an upload session.
    pub async fn cancel(&self, url: &str) {
        let path = url.splitn(4, '/').nth(3).expect("a path");
        let cancel = self.http.delete(format!("{}/{path}", self.url));
        assert_eq!(cancel.send().await.expect("an answer").status(), 204);
    }

    /// Removes a file.
    pub async fn delete(&self, name: &str) {
        let delete = self.http.delete(format!("{}/v1.0/me/drive/root:/{name}", self.url));
        let answer = delete.bearer_auth("drivedal-dev").send().await.expect("an answer");
        assert_eq!(answer.status(), 204, "{name}");
    }

    async fn by_bits(&self, name: &str, bytes: &[u8]) -> Result<(), NoRoom> {
        let root = self.get("/v5.0/me/skydrive").send().await.expect("an answer");
        let root = json(root).await;
        let cid = root["id"].as_str().and_then(|id| id.strip_prefix("folder.")).expect("an id");
        let path = format!("/users/0x{cid}/LiveFolders/{name}");
        let packet = |kind| {
            let post = self.post(&path).header("x-http-method-override", "BITS_POST");
            post.header("bits-packet-type", kind)
        };
        let create = packet("Create-Session").header("bits-supported-protocols", GUID);
        let made = done(create, is_bits).await?;
        let session = made.headers()["bits-session-id"].clone();
        for (range, piece) in fragments(bytes) {
            let fragment = packet("Fragment").header("content-range", range).body(piece);
            done(fragment.header("bits-session-id", &session), is_bits).await?;
        }
        let close = packet("Close-Session").header("bits-session-id", &session);
        done(close, is_bits).await?;
        Ok(())
    }

    /// Returns the names in the root folder, sorted.
    pub async fn names(&self) -> Vec<String> {
        let list = self.get("/v1.0/me/drive/root/children?$top=1000&$select=name");
        let listed = json(list.send().await.expect("an answer")).await;
        assert!(listed.get("@odata.nextLink").is_none(), "they are on one page");
        let items = listed["value"].as_array().expect("a list");
        let mut names: Vec<_> =
            items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect();
        names.sort();
        names
    }

    /// Returns the content of a file.
    pub async fn content(&self, name: &str) -> Vec<u8> {
        let get = self.get(&format!("/v1.0/me/drive/root:/{name}:/content"));
        let answer = get.send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{name}");
        answer.bytes().await.expect("all of it").to_vec()
    }

    /// Returns the number of unreferenced blobs and of missing blobs.
    pub async fn audit(&self) -> (u64, u64) {
        let audit = self.get("/_control/audit").send().await.expect("an answer");
        let audit = json(audit).await;
        let number = |name: &str| audit[name].as_u64().expect("a number");
        (number("orphans"), number("missing"))
    }
}

async fn json(answer: Response) -> Value {
    serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON")
}

/// Returns the ranges of a file and their bytes.
fn fragments(bytes: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> {
    bytes.chunks(FRAGMENT).enumerate().map(|(turn, piece)| {
        let first = turn * FRAGMENT;
        let range = format!("bytes {first}-{}/{}", first + piece.len() - 1, bytes.len());
        (range, piece.to_vec())
    })
}

/// Returns a successful response. Any other response must say that the storage is full.
async fn done(
    request: RequestBuilder,
    says_full: fn(StatusCode, &str, &Value) -> bool,
) -> Result<Response, NoRoom> {
    let answer = request.send().await.expect("an answer");
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let bits = answer.headers().get("bits-error").and_then(|code| code.to_str().ok());
    let bits = bits.unwrap_or_default().to_owned();
    let text = answer.text().await.expect("a body");
    let body = serde_json::from_str(&text).unwrap_or_default();
    assert!(says_full(status, &bits, &body), "{status} {bits} {text}");
    Err(NoRoom)
}

fn is_graphs(status: StatusCode, _: &str, body: &Value) -> bool {
    status == 507 && body["error"]["code"] == "quotaLimitReached"
}

fn is_lives(status: StatusCode, _: &str, body: &Value) -> bool {
    status == 507 && body["error"]["code"] == "resource_quota_exceeded"
}

fn is_bits(status: StatusCode, code: &str, _: &Value) -> bool {
    status == 500 && code == "0x80070112"
}

fn is_amazons(status: StatusCode, _: &str, body: &Value) -> bool {
    status == 403 && body["code"] == "NO_ACTIVE_SUBSCRIPTION_FOUND"
}
