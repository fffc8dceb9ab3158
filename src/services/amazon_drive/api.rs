//! The unbiased client: one method per request of the protocol, the decoded answer out.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use ::http::{HeaderMap, Method, StatusCode, header};
use opendal::raw::Operation;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::{
    error::failure,
    model::{
        AccountInfo, AccountQuota, AccountUsage, EndpointAnswer, Endpoints, Filter, NewNode, Node,
        NodeList, NodePatch,
    },
};
use crate::{
    auth::TokenSource,
    drive::{Context, Error, ErrorKind, Result, Secret},
    gate::Gate,
    http::{Call, Incoming, Reply, segment},
    services::options::base_address,
};

/// How long the answer of `account/endpoint` is kept: what the documents ask for at least (C.1).
const ENDPOINTS_KEPT: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// Most nodes of a page (C.3).
pub const PAGE_MAX: usize = 200;

/// The client of Amazon Cloud Drive's REST protocol v1, on any transport.
///
/// It adds nothing to the protocol but what every request needs: the account's endpoints, asked for
/// once in three days, and an access token, renewed once when the cloud refuses it. Every method is
/// one request, fails as [`ErrorKind`] says, and takes the transport in its [`Context`].
pub struct Client {
    endpoint: String,
    headers: HeaderMap,
    tokens: TokenSource,
    gate: Gate,
    /// An asynchronous mutex makes it a single flight: who waits takes over if the first is dropped.
    endpoints: Mutex<Option<(Arc<Endpoints>, Instant)>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Which nodes a listing is to have, and which part of them.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Only these. Nodes in the trash are listed only where the filter says so.
    pub filter: Option<Filter>,
    /// In which order, such as `["name ASC"]`.
    pub sort: Option<String>,
    /// The page that a list named as its next.
    pub start_token: Option<String>,
    /// Most nodes of a page; [`PAGE_MAX`] at most, which is the cloud's default.
    pub limit: Option<usize>,
    /// Whether nodes come with pre-authenticated links to their bytes.
    pub temp_link: bool,
}

impl ListQuery {
    fn add_to(&self, mut call: Call) -> Call {
        if let Some(filter) = &self.filter {
            call = call.query("filters", filter.to_string());
        }
        if let Some(sort) = &self.sort {
            call = call.query("sort", sort);
        }
        if let Some(token) = &self.start_token {
            call = call.query("startToken", token);
        }
        if let Some(limit) = self.limit {
            call = call.query("limit", limit.clamp(1, PAGE_MAX).to_string());
        }
        if self.temp_link {
            call = call.query("tempLink", "true");
        }
        call
    }
}

impl Client {
    /// A client that asks `endpoint`, such as `https://drive.amazonaws.com/drive/v1/`, for the
    /// account's endpoints, and signs with `tokens`.
    ///
    /// # Errors
    /// `Invalid` if `endpoint` is no `http` or `https` URL, or has a query.
    pub fn new(endpoint: &str, tokens: TokenSource) -> Result<Self> {
        let endpoint = base_address("the endpoint", endpoint)?;
        Ok(Self {
            endpoint,
            headers: HeaderMap::new(),
            tokens,
            gate: Gate::new(),
            endpoints: Mutex::default(),
        })
    }

    /// Adds headers to every request.
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// `GET account/endpoint`, kept for three days.
    pub async fn endpoints(&self, cx: &Context) -> Result<Arc<Endpoints>> {
        let mut kept = self.endpoints.lock().await;
        if let Some((endpoints, since)) = &*kept
            && since.elapsed() < ENDPOINTS_KEPT
        {
            return Ok(Arc::clone(endpoints));
        }
        let url = format!("{}account/endpoint", self.endpoint);
        let reply = self
            .signed(cx, || Call::new(Operation::Info, Method::GET, &url, "account/endpoint"))
            .await?
            .read()
            .await?;
        let found: EndpointAnswer = decoded(&reply, StatusCode::OK)?;
        let (Some(content_url), Some(metadata_url)) = (found.content_url, found.metadata_url)
        else {
            return Err(Error::new(
                ErrorKind::Denied,
                match found.customer_exists {
                    Some(false) => "the account has no Amazon Drive",
                    _ => "the cloud does not tell where the account's requests go",
                },
            ));
        };
        let endpoints = Arc::new(Endpoints {
            content_url: base_address("contentUrl", &content_url)?,
            metadata_url: base_address("metadataUrl", &metadata_url)?,
        });
        *kept = Some((Arc::clone(&endpoints), Instant::now()));
        Ok(endpoints)
    }

    /// `GET account/info`.
    pub async fn account_info(&self, cx: &Context) -> Result<AccountInfo> {
        self.get(cx, Operation::Info, "account/info", "account/info", |call| call).await
    }

    /// `GET account/quota`.
    pub async fn account_quota(&self, cx: &Context) -> Result<AccountQuota> {
        self.get(cx, Operation::Info, "account/quota", "account/quota", |call| call).await
    }

    /// `GET account/usage`.
    pub async fn account_usage(&self, cx: &Context) -> Result<AccountUsage> {
        self.get(cx, Operation::Info, "account/usage", "account/usage", |call| call).await
    }

    /// `GET nodes/{id}`.
    pub async fn node(&self, cx: &Context, id: &str, temp_link: bool) -> Result<Node> {
        let path = format!("nodes/{}", segment(id));
        self.get(cx, Operation::Stat, &path, "nodes/{id}", |call| match temp_link {
            true => call.query("tempLink", "true"),
            false => call,
        })
        .await
    }

    /// `GET nodes`: nodes of the whole drive.
    pub async fn nodes(&self, cx: &Context, query: &ListQuery) -> Result<NodeList> {
        self.get(cx, Operation::List, "nodes", "nodes", |call| query.add_to(call)).await
    }

    /// `GET nodes/{id}/children`: nodes of a folder.
    pub async fn children(&self, cx: &Context, id: &str, query: &ListQuery) -> Result<NodeList> {
        let path = format!("nodes/{}/children", segment(id));
        self.get(cx, Operation::List, &path, "nodes/{id}/children", |call| query.add_to(call)).await
    }

    /// `GET trash`: what is in the trash by itself.
    pub async fn trashed(&self, cx: &Context, query: &ListQuery) -> Result<NodeList> {
        self.get(cx, Operation::List, "trash", "trash", |call| query.add_to(call)).await
    }

    /// `POST nodes` without bytes: makes a folder.
    ///
    /// # Errors
    /// `Exists` with the node that has the name.
    pub async fn create(&self, cx: &Context, new: &NewNode) -> Result<Node> {
        let reply = self
            .ask(cx, "nodes", |url| {
                Call::new(Operation::CreateDir, Method::POST, url, "nodes").json(new)
            })
            .await?;
        decoded(&reply, StatusCode::CREATED)
    }

    /// `PATCH nodes/{id}`.
    ///
    /// # Errors
    /// `Exists` with the node that has the new name.
    pub async fn patch(&self, cx: &Context, id: &str, patch: &NodePatch) -> Result<Node> {
        let path = format!("nodes/{}", segment(id));
        let reply = self
            .ask(cx, &path, |url| {
                Call::new(Operation::Rename, Method::PATCH, url, "nodes/{id}").json(patch)
            })
            .await?;
        decoded(&reply, StatusCode::OK)
    }

    /// `POST nodes/{to}/children`: moves a node from one of its folders to another folder.
    ///
    /// # Errors
    /// `Exists` with the node that has the name there.
    pub async fn move_child(
        &self,
        cx: &Context,
        child: &str,
        from: &str,
        to: &str,
    ) -> Result<Node> {
        let path = format!("nodes/{}/children", segment(to));
        let body = serde_json::json!({ "fromParent": from, "childId": child });
        let reply = self
            .ask(cx, &path, |url| {
                Call::new(Operation::Rename, Method::POST, url, "nodes/{id}/children").json(&body)
            })
            .await?;
        decoded(&reply, StatusCode::OK)
    }

    /// `PUT nodes/{parent}/children/{child}`: puts a node into one more folder.
    ///
    /// # Errors
    /// `Exists` with the node that has the name there.
    pub async fn add_child(&self, cx: &Context, parent: &str, child: &str) -> Result<Node> {
        self.edge(cx, Method::PUT, parent, child).await
    }

    /// `DELETE nodes/{parent}/children/{child}`: takes a node out of one of its folders. Out of
    /// its last one it is moved to the root.
    pub async fn remove_child(&self, cx: &Context, parent: &str, child: &str) -> Result<Node> {
        self.edge(cx, Method::DELETE, parent, child).await
    }

    async fn edge(&self, cx: &Context, method: Method, parent: &str, child: &str) -> Result<Node> {
        let path = format!("nodes/{}/children/{}", segment(parent), segment(child));
        let operation = match method {
            Method::DELETE => Operation::Delete,
            _ => Operation::Copy,
        };
        let reply = self
            .ask(cx, &path, |url| {
                empty(Call::new(operation, method.clone(), url, "nodes/{id}/children/{id}"))
            })
            .await?;
        // 200 in the documents, 202 for DELETE in another place of them (C.3).
        accepted(&reply)
    }

    /// `PUT trash/{id}`: puts a node into the trash, a folder with everything below.
    pub async fn trash(&self, cx: &Context, id: &str) -> Result<Node> {
        let path = format!("trash/{}", segment(id));
        let reply = self
            .ask(cx, &path, |url| {
                empty(Call::new(Operation::Delete, Method::PUT, url, "trash/{id}"))
            })
            .await?;
        decoded(&reply, StatusCode::OK)
    }

    /// `POST trash/{id}/restore`: brings a node back to where it was.
    ///
    /// # Errors
    /// `Exists` with the node that has its name meanwhile.
    pub async fn restore(&self, cx: &Context, id: &str) -> Result<Node> {
        let path = format!("trash/{}/restore", segment(id));
        let reply = self
            .ask(cx, &path, |url| {
                empty(Call::new(Operation::Restore, Method::POST, url, "trash/{id}/restore"))
            })
            .await?;
        decoded(&reply, StatusCode::OK)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        cx: &Context,
        operation: Operation,
        path: &str,
        template: &'static str,
        complete: impl Fn(Call) -> Call,
    ) -> Result<T> {
        let reply = self
            .ask(cx, path, |url| complete(Call::new(operation, Method::GET, url, template)))
            .await?;
        decoded(&reply, StatusCode::OK)
    }

    /// Asks the metadata endpoint.
    pub(super) async fn ask(
        &self,
        cx: &Context,
        path: &str,
        call: impl Fn(&str) -> Call,
    ) -> Result<Reply> {
        let url = format!("{}{path}", self.endpoints(cx).await?.metadata_url);
        self.signed(cx, || call(&url)).await?.read().await
    }

    /// Sends a request with a token; once more with another one if the cloud refuses it.
    pub(super) async fn signed(&self, cx: &Context, call: impl Fn() -> Call) -> Result<Incoming> {
        let token = self.tokens.token(cx).await?;
        let send = |token: &Secret| {
            let call = call().headers(&self.headers).of_account(&self.gate);
            cx.fetch(call.bearer(token))
        };
        let answer = send(&token).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !self.tokens.is_renewable() {
            return Ok(answer);
        }
        let token = self.tokens.renew(cx, &token).await?;
        send(&token).await
    }
}

/// A request without a body says so: the cloud answers 411 otherwise (C.5).
fn empty(call: Call) -> Call {
    call.header(header::CONTENT_LENGTH, "0")
}

/// The decoded answer, if its status is the one that the request promises.
pub(super) fn decoded<T: DeserializeOwned>(reply: &Reply, status: StatusCode) -> Result<T> {
    match reply.status {
        found if found == status => reply.json(),
        found if found.is_success() => {
            Err(Error::new(ErrorKind::Unexpected, format!("{status} was to be answered"))
                .with_status(found.as_u16()))
        }
        _ => Err(failure(reply)),
    }
}

/// The decoded answer, whatever the success is called.
fn accepted<T: DeserializeOwned>(reply: &Reply) -> Result<T> {
    if reply.status.is_success() { reply.json() } else { Err(failure(reply)) }
}
