//! A drive of your own: a small HTTP file protocol as an OpenDAL operator.
//!
//! `cargo run --example custom_drive` starts a file server on the loopback interface. It writes, lists, reads,
//! renames and deletes files in it through OpenDAL, with drivedal's retry and logging layers.
//! `FileDrive` is all that a backend must implement; the server is in `custom_drive/server.rs`.
//!
//! The protocol: `GET /stat/PATH` and `GET /list/PATH` return JSON, `GET /data/PATH` returns bytes
//! (with `Range`), `PUT /data/PATH` writes a file, `PUT /folder/PATH` creates a folder,
//! `POST /move/PATH` with `{"to": …, "replace": …}` moves an item, `DELETE /item/PATH` deletes it.

#[path = "custom_drive/conformance.rs"]
mod conformance;
#[path = "custom_drive/server.rs"]
mod server;

use std::sync::Arc;

use async_trait::async_trait;
use drivedal::{
    adapter::{DriveService, ServiceSettings},
    drive::{
        Account, Body, Capabilities, Conditions, Context, DeleteTarget, Depth, Download,
        DownloadRequest, Drive, Error, ErrorKind, IfExists, Item, ItemId, ItemKind, ItemRef,
        ItemUpdate, ListRequest, Page, Quota, Result, SiblingSearch, Target, WriteOptions,
    },
    layers::{LoggingLayer, Policy, RetryLayer},
    rate_limit::AccountLimiter,
    transport::{
        ApiRequest, ApiResponse, Client, http_transport, segment, set_range, slice_response,
    },
};
use http::{HeaderName, Method, StatusCode, header};
use opendal::{ErrorKind as OpendalError, OperationContext, Operator, raw::Operation};
use serde::{Deserialize, Serialize};

/// The client of a file server. Its ids are paths from the root, without slashes at the ends.
#[derive(Debug)]
struct FileDrive {
    endpoint: String,
    limiter: AccountLimiter,
    capabilities: Capabilities,
}

/// An item as the server describes it.
#[derive(Deserialize)]
struct Entry {
    path: String,
    folder: bool,
    size: Option<u64>,
    etag: Option<String>,
}

#[derive(Serialize)]
struct Move<'a> {
    to: &'a str,
    replace: bool,
}

impl From<Entry> for Item {
    fn from(entry: Entry) -> Self {
        let name = entry.path.rsplit('/').next().unwrap_or_default().to_owned();
        let kind = if entry.folder { ItemKind::Folder } else { ItemKind::File };
        let mut item = Item::new(entry.path, name, kind);
        (item.size, item.etag) = (entry.size, entry.etag);
        item
    }
}

/// Returns the path of an item.
fn path_of(at: &ItemRef) -> String {
    match at {
        ItemRef::Item { id, .. } => id.as_str().to_owned(),
        ItemRef::Path { base, path } => join(base.as_str(), path),
    }
}

fn join(folder: &str, name: &str) -> String {
    format!("{folder}/{name}").trim_matches('/').to_owned()
}

/// Returns the error for a response.
fn failure(response: &ApiResponse) -> Error {
    let error = response.failure(String::from_utf8_lossy(&response.body.to_vec()));
    match response.header(HeaderName::from_static("x-error")) {
        Some("exists") => error.with_kind(ErrorKind::AlreadyExists),
        Some("is-folder") => error.with_kind(ErrorKind::IsAFolder),
        Some("not-a-folder") => error.with_kind(ErrorKind::NotAFolder),
        _ => error,
    }
}

impl FileDrive {
    fn new(endpoint: impl Into<String>) -> Self {
        let mut capabilities = Capabilities::new(64 << 20);
        capabilities.paths = true;
        capabilities.if_not_exists = true;
        Self { endpoint: endpoint.into(), limiter: AccountLimiter::new(), capabilities }
    }

    fn request(
        &self,
        operation: Operation,
        method: Method,
        verb: &str,
        path: &str,
        template: &'static str,
    ) -> ApiRequest {
        let path: Vec<_> = path.split('/').map(|name| segment(name).to_string()).collect();
        let url = format!("{}/{verb}/{}", self.endpoint, path.join("/"));
        ApiRequest::new(operation, method, url, template).with_limiter(&self.limiter)
    }

    async fn send(&self, cx: &Context, request: ApiRequest) -> Result<ApiResponse> {
        let response = Client::new(cx).send(request).await?;
        if response.status.is_success() { Ok(response) } else { Err(failure(&response)) }
    }

    async fn stat(&self, cx: &Context, path: &str) -> Result<Item> {
        let request = self.request(Operation::Stat, Method::GET, "stat", path, "stat/{path}");
        Ok(self.send(cx, request).await?.json::<Entry>()?.into())
    }
}

#[async_trait]
impl Drive for FileDrive {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn account(&self, _: &Context) -> Result<Account> {
        Ok(Account::new("local"))
    }

    async fn quota(&self, _: &Context) -> Result<Quota> {
        Err(Error::unsupported("the quota"))
    }

    async fn root(&self, _: &Context) -> Result<ItemId> {
        Ok("".into())
    }

    async fn item(&self, cx: &Context, at: &ItemRef, _: &Conditions) -> Result<Item> {
        self.stat(cx, &path_of(at)).await
    }

    async fn child(
        &self,
        cx: &Context,
        folder: &ItemRef,
        name: &str,
        on_sibling: &mut (dyn for<'s> FnMut(SiblingSearch<'s>) + Send),
    ) -> Result<Item> {
        let item = self.stat(cx, &join(&path_of(folder), name)).await?;
        on_sibling(SiblingSearch::Item(&item));
        Ok(item)
    }

    async fn list(&self, cx: &Context, request: ListRequest<'_>) -> Result<Page> {
        if request.depth == Depth::Recursive {
            return Err(Error::unsupported("a recursive listing"));
        }
        let path = path_of(request.folder);
        let request = self.request(Operation::List, Method::GET, "list", &path, "list/{path}");
        let entries: Vec<Entry> = self.send(cx, request).await?.json()?;
        Ok(Page::new(entries.into_iter().map(Item::from).collect(), None))
    }

    async fn download(&self, cx: &Context, request: DownloadRequest<'_>) -> Result<Download> {
        let DownloadRequest { file, known, range, .. } = request;
        let path = path_of(file);
        let request = self.request(Operation::Read, Method::GET, "data", &path, "data/{path}");
        let response = Client::new(cx).fetch(set_range(request, &range)).await?;
        match response.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                slice_response(&range, known.and_then(|item| item.size), response)
            }
            _ => Err(failure(&response.read().await?)),
        }
    }

    async fn upload(
        &self,
        cx: &Context,
        to: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item> {
        let path = join(&path_of(&to.folder), &to.name);
        let mut request =
            self.request(Operation::Write, Method::PUT, "data", &path, "data/{path}").body(body);
        if options.if_exists == IfExists::Fail {
            request = request.header(header::IF_NONE_MATCH, "*");
        }
        Ok(self.send(cx, request).await?.json::<Entry>()?.into())
    }

    async fn create_folder(&self, cx: &Context, at: &Target) -> Result<Item> {
        let path = join(&path_of(&at.folder), &at.name);
        let request =
            self.request(Operation::CreateDir, Method::PUT, "folder", &path, "folder/{path}");
        Ok(self.send(cx, request).await?.json::<Entry>()?.into())
    }

    async fn update(
        &self,
        cx: &Context,
        at: &ItemRef,
        _: Option<&Item>,
        update: &ItemUpdate,
    ) -> Result<Item> {
        let from = path_of(at);
        let (folder, name) = from.rsplit_once('/').unwrap_or(("", &from));
        let folder = update.folder.as_ref().map_or(folder.to_owned(), path_of);
        let to = join(&folder, update.name.as_deref().unwrap_or(name));
        let request = self
            .request(Operation::Rename, Method::POST, "move", &from, "move/{path}")
            .json(&Move { to: &to, replace: update.if_exists == IfExists::Replace });
        Ok(self.send(cx, request).await?.json::<Entry>()?.into())
    }

    async fn delete(&self, cx: &Context, items: &[DeleteTarget]) -> Vec<Result<()>> {
        let mut results = Vec::new();
        for item in items {
            let path = path_of(&item.item);
            let request =
                self.request(Operation::Delete, Method::DELETE, "item", &path, "item/{path}");
            results.push(self.send(cx, request).await.map(drop));
        }
        results
    }
}

/// Returns an operator of a file server, with the layers of drivedal.
fn operator(endpoint: &str) -> opendal::Result<Operator> {
    let drive = Arc::new(FileDrive::new(endpoint));
    let service = DriveService::new(drive, ServiceSettings::new("file-drive", "example"));
    service.into_operator().map(with_layers)
}

fn with_layers(operator: Operator) -> Operator {
    let context = OperationContext::new().with_http_transport(http_transport());
    let operator = operator.with_context(context);
    operator.layer(LoggingLayer::new()).layer(RetryLayer::new(Policy::default()))
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let server = server::FileServer::start().await?;
    let operator = operator(server.url())?;

    // The server rejects the next request with 503 and `Retry-After: 0`, so the layer repeats it.
    server.refuse_next();
    operator.write("notes/2026.txt", "all is well").await?;
    operator.create_dir("empty/").await?;

    let metadata = operator.stat("notes/2026.txt").await?;
    assert_eq!(metadata.content_length(), 11);
    let paths: Vec<_> =
        operator.list("notes/").await?.into_iter().map(|entry| entry.path().to_owned()).collect();
    assert!(paths.contains(&"notes/2026.txt".to_owned()), "{paths:?}");
    let part = operator.read_with("notes/2026.txt").range(7..11).await?;
    assert_eq!(part.to_vec(), b"well");

    operator.rename("notes/2026.txt", "notes/latest.txt").await?;
    assert_eq!(operator.read("notes/latest.txt").await?.to_vec(), b"all is well");
    let missing = operator.stat("notes/2026.txt").await.expect_err("renamed");
    assert_eq!(missing.kind(), OpendalError::NotFound);

    operator.delete("notes/latest.txt").await?;
    assert!(!operator.exists("notes/latest.txt").await?);
    operator.delete_with("notes/").recursive(true).await?;
    assert!(!operator.exists("notes/").await?);
    println!("{} requests", server.requests());

    conformance::run().await;
    Ok(())
}
