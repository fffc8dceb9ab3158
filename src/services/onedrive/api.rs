//! The unbiased client: one method per request of the protocol, its answer decoded.
//!
//! It decides nothing: no fallback, no look before, no second request, but one: a token that Graph
//! refuses is renewed once. URLs that Graph hands out (tickets, upload sessions, monitors) are
//! pre-authenticated and lead to other hosts; they are asked without a token (A8, A10, A13).

use std::{fmt, sync::Arc};

use ::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use opendal::raw::Operation;
use serde_json::json;

use super::{
    address::{Address, DriveRef, Paths},
    error::{failure, failure_in},
    model::{
        self, ConflictBehavior, DriveItem, Drives, ITEM, Items, Monitor, Patch, Site,
        UploadSession, Uploadable,
    },
    units::resource_units,
};
use crate::{
    auth::TokenSource,
    drive::{
        Body, ByteRange, Conditions, Context, Download, Error, ErrorKind, Result, Secret, Ticket,
    },
    gate::{Gate, Repeat},
    http::{Call, Incoming, Reply, asking_for, exactly, segment},
    services::options::base_address,
};

/// Most items of a page (A6).
pub const PAGE_MAX: usize = 1000;

/// Hosts of Graph's that may be told the token when a page names them, whatever the endpoint (A1).
const GRAPH_HOSTS: [&str; 5] = [
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
    "graph.microsoft.de",
];

const BEHAVIOR: &str = "@microsoft.graph.conflictBehavior";

/// A client of Graph's drives. Clones share everything.
///
/// ```no_run
/// use drivedal::{auth::TokenSource, drive::Context};
/// use drivedal::services::onedrive::{Address, Client, DriveRef, PAGE_MAX};
///
/// # async fn example(context: &Context) -> drivedal::drive::Result<()> {
/// let client = Client::new("https://graph.microsoft.com/v1.0", TokenSource::given("EwB…".into()))?;
/// let photos = Address::root(DriveRef::Mine).below("photos/2014");
/// for entry in client.children(context, &photos, PAGE_MAX).await?.value {
///     println!("{entry:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    /// `https://graph.microsoft.com/v1.0`, without a slash at its end.
    endpoint: Arc<str>,
    tokens: TokenSource,
    headers: Arc<HeaderMap>,
    gate: Gate,
    paths: Paths,
}

/// How an upload session stands after a fragment.
#[derive(Debug)]
pub enum Fragment {
    /// More is missing.
    More(UploadSession),
    /// That was the last one.
    Done(Box<DriveItem>),
}

/// How a copy stands.
#[derive(Debug)]
pub enum Monitored {
    /// Under way.
    Running,
    /// Ready; the new item's id, where it was told.
    Completed(Option<String>),
    /// It came to nothing.
    Failed(Error),
}

impl Client {
    /// A client of the cloud at `endpoint`, whose requests are signed by `tokens`.
    ///
    /// # Errors
    /// `Invalid` if `endpoint` is not the base address of an API.
    pub fn new(endpoint: &str, tokens: TokenSource) -> Result<Self> {
        let endpoint = base_address("the API's endpoint", endpoint)?;
        Ok(Self {
            endpoint: endpoint.trim_end_matches('/').into(),
            tokens,
            headers: Arc::default(),
            gate: Gate::new(),
            paths: Paths::default(),
        })
    }

    /// Sends these headers with every request to Graph itself; not with those to pre-authenticated
    /// addresses.
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = Arc::new(headers);
        self
    }

    /// Writes paths as this cloud wants them.
    pub fn with_paths(mut self, paths: Paths) -> Self {
        self.paths = paths;
        self
    }

    // Drives.

    /// `GET {drive}`: what the drive is, whose, and how full.
    ///
    /// # Errors
    /// The cloud's; `NotFound` for a user without a drive.
    pub async fn drive(&self, cx: &Context, drive: &DriveRef) -> Result<model::Drive> {
        let url = format!("{}{}", self.endpoint, drive.path());
        let call = || {
            Call::new(Operation::Info, Method::GET, &*url, "{drive}")
                .query("$select", "id,name,driveType,owner,quota")
        };
        self.ok(cx, &call).await?.json()
    }

    /// `GET {owner}/drives`: a page of the drives of a user, a group or a site, from its beginning
    /// or from a link of the page before.
    ///
    /// # Errors
    /// The cloud's.
    pub async fn drives(
        &self,
        cx: &Context,
        of: &DriveRef,
        from: Option<&Secret>,
    ) -> Result<Drives> {
        let url = match from {
            Some(link) => self.trusted(link.expose())?.to_owned(),
            None => {
                let owner = of.path();
                let owner = owner.strip_suffix("/drive").unwrap_or("/me");
                format!("{}{owner}/drives?$select=id%2Cname%2CdriveType", self.endpoint)
            }
        };
        let call = || Call::new(Operation::Info, Method::GET, &*url, "{owner}/drives");
        self.ok(cx, &call).await?.json()
    }

    /// `GET /sites/{host}:/{path}`: the site at a path of a SharePoint host (`root`: the tenant's
    /// own).
    ///
    /// # Errors
    /// The cloud's.
    pub async fn site(&self, cx: &Context, host: &str, path: &str) -> Result<Site> {
        let names: Vec<_> = path
            .split('/')
            .filter(|name| !name.is_empty())
            .map(|name| segment(name).to_string())
            .collect();
        let url = match names.is_empty() {
            true => format!("{}/sites/{}", self.endpoint, segment(host)),
            false => format!("{}/sites/{}:/{}", self.endpoint, segment(host), names.join("/")),
        };
        let call = || {
            Call::new(Operation::Info, Method::GET, &*url, "sites/{site}").query("$select", "id")
        };
        self.ok(cx, &call).await?.json()
    }

    // Items.

    /// `GET {item}` (A5). With `if_none_match` an unchanged item is answered by `Condition`.
    ///
    /// # Errors
    /// `NotFound`, `Condition`.
    pub async fn item(
        &self,
        cx: &Context,
        at: &Address,
        if_none_match: Option<&str>,
    ) -> Result<DriveItem> {
        let url = self.url(at, "");
        let call = || {
            let call =
                Call::new(Operation::Stat, Method::GET, &*url, "{item}").query("$select", ITEM);
            with(call, header::IF_NONE_MATCH, if_none_match)
        };
        self.ok(cx, &call).await?.json()
    }

    /// `GET {folder}/children` (A6): the first page, `top` items at most.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn children(&self, cx: &Context, of: &Address, top: usize) -> Result<Items> {
        let url = self.url(of, "/children");
        let call = || {
            Call::new(Operation::List, Method::GET, &*url, "{item}/children")
                .query("$select", ITEM)
                .query("$top", top.to_string())
        };
        self.ok(cx, &call).await?.json()
    }

    /// `GET {folder}/delta` (A7): the first page of everything below a folder.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delta(&self, cx: &Context, of: &Address, top: usize) -> Result<Items> {
        let url = self.url(of, "/delta");
        let call = || {
            Call::new(Operation::List, Method::GET, &*url, "{item}/delta")
                .query("$select", ITEM)
                .query("$top", top.to_string())
        };
        self.ok(cx, &call).await?.json()
    }

    /// `GET {folder}/delta?token=latest` (A7): no items, and where to ask for what changes from now
    /// on.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn latest(&self, cx: &Context, of: &Address) -> Result<Items> {
        let url = self.url(of, "/delta");
        let call = || {
            Call::new(Operation::List, Method::GET, &*url, "{item}/delta")
                .query("$select", ITEM)
                .query("token", "latest")
        };
        self.ok(cx, &call).await?.json()
    }

    /// `GET` the page that another one named.
    ///
    /// # Errors
    /// `NotFound` with code `resyncRequired` for a link that has become too old: begin anew.
    pub async fn page(&self, cx: &Context, link: &Secret) -> Result<Items> {
        let url = self.trusted(link.expose())?;
        let call = || Call::new(Operation::List, Method::GET, url, "{next page}");
        self.ok(cx, &call).await?.json()
    }

    /// `POST {folder}/children` (A11). Folders on the way are made too.
    ///
    /// # Errors
    /// `Exists` under [`ConflictBehavior::Fail`].
    pub async fn create_folder(
        &self,
        cx: &Context,
        parent: &Address,
        name: &str,
        behavior: ConflictBehavior,
    ) -> Result<DriveItem> {
        let url = self.url(parent, "/children");
        let body = json!({ "name": name, "folder": {}, BEHAVIOR: behavior });
        let call =
            || Call::new(Operation::CreateDir, Method::POST, &*url, "{item}/children").json(&body);
        self.ok(cx, &call).await?.json()
    }

    /// `PATCH {item}` (A12): name, folder, times in one.
    ///
    /// # Errors
    /// `Exists`, `NotFound` for the item or the new folder.
    pub async fn update(
        &self,
        cx: &Context,
        at: &Address,
        patch: &Patch,
        behavior: ConflictBehavior,
    ) -> Result<DriveItem> {
        let url = self.url(at, "");
        let call = || {
            Call::new(Operation::Rename, Method::PATCH, &*url, "{item}")
                .query(BEHAVIOR, behavior.as_str())
                .json(patch)
        };
        self.ok(cx, &call).await?.json()
    }

    /// `DELETE {item}` (A14): to the recycle bin, with everything below.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when locked.
    pub async fn delete(&self, cx: &Context, at: &Address) -> Result<()> {
        let url = self.url(at, "");
        let call = || Call::new(Operation::Delete, Method::DELETE, &*url, "{item}");
        self.ok(cx, &call).await.map(drop)
    }

    // Bytes out.

    /// `GET` a ticket (A8). Without a token.
    ///
    /// # Errors
    /// The host's, also for a ticket that has expired: `Denied` or `NotFound`; `Range`.
    pub async fn download(
        &self,
        cx: &Context,
        ticket: &Ticket,
        range: &ByteRange,
        known: Option<u64>,
    ) -> Result<Download> {
        let call = Call::new(Operation::Read, Method::GET, ticket.url.expose(), "{ticket}")
            .of_account(&self.gate)
            .costing(0);
        let answer = cx.fetch(asking_for(call, range)).await?;
        let mut download = bytes_of(answer, range, known, &ticket.url).await?;
        download.ticket = Some(ticket.clone());
        Ok(download)
    }

    /// `GET {item}/content` (A8), for items without a ticket: Graph redirects to one, which the
    /// transport follows. A transport over `reqwest` drops the token where the host changes.
    ///
    /// # Errors
    /// As [`download`](Self::download).
    pub async fn content(
        &self,
        cx: &Context,
        at: &Address,
        range: &ByteRange,
        known: Option<u64>,
    ) -> Result<Download> {
        let url = self.url(at, "/content");
        let call =
            || asking_for(Call::new(Operation::Read, Method::GET, &*url, "{item}/content"), range);
        let (answer, token) = self.fetch(cx, &call).await?;
        bytes_of(answer, range, known, &token).await
    }

    // Bytes in.

    /// `PUT {item}/content` (A9): 250 MB at most.
    ///
    /// # Errors
    /// `Exists` under [`ConflictBehavior::Fail`], `Condition`, `Quota`, `Conflict` when locked.
    pub async fn put_content(
        &self,
        cx: &Context,
        at: &Address,
        body: &Body,
        behavior: ConflictBehavior,
        conditions: &Conditions,
    ) -> Result<DriveItem> {
        let url = self.url(at, "/content");
        let call = || {
            let call = Call::new(Operation::Write, Method::PUT, &*url, "{item}/content")
                .query(BEHAVIOR, behavior.as_str())
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .body(body.clone());
            // A second one would find the name taken by the first, or make another file.
            let call = match behavior {
                ConflictBehavior::Replace => call,
                _ => call.repeated(Repeat::IfRefused),
            };
            conditional(call, conditions)
        };
        self.ok(cx, &call).await?.json()
    }

    /// `POST {item}/createUploadSession` (A10). With `defer_commit` the last fragment does not make
    /// the file, but [`commit_upload`](Self::commit_upload) or
    /// [`commit_upload_as`](Self::commit_upload_as) does.
    ///
    /// # Errors
    /// As [`put_content`](Self::put_content).
    pub async fn create_upload_session(
        &self,
        cx: &Context,
        at: &Address,
        item: &Uploadable,
        defer_commit: bool,
        conditions: &Conditions,
    ) -> Result<UploadSession> {
        let url = self.url(at, "/createUploadSession");
        let mut body = json!({ "item": item });
        if defer_commit {
            body["deferCommit"] = true.into();
        }
        let call = || {
            let call =
                Call::new(Operation::Write, Method::POST, &*url, "{item}/createUploadSession")
                    .json(&body);
            conditional(call, conditions)
        };
        self.ok(cx, &call).await?.json()
    }

    /// `PUT` a fragment to its session (A10): the bytes from `offset` on, of `total`. Without a
    /// token.
    ///
    /// # Errors
    /// `NotFound`: the session is lost. `Range`: not the bytes that are expected next.
    pub async fn put_fragment(
        &self,
        cx: &Context,
        session: &Secret,
        offset: u64,
        total: u64,
        body: Body,
    ) -> Result<Fragment> {
        let end = offset.saturating_add(body.len());
        let call = Call::new(Operation::Write, Method::PUT, session.expose(), "{upload session}")
            .of_account(&self.gate)
            .costing(0)
            // A fragment that has arrived is refused the second time.
            .repeated(Repeat::IfRefused)
            .header(
                header::CONTENT_RANGE,
                format!("bytes {offset}-{}/{total}", end.saturating_sub(1)),
            )
            .body(body);
        let reply = succeeded(cx.send(call).await?, session)?;
        match reply.status {
            StatusCode::ACCEPTED => reply.json().map(Fragment::More),
            _ => reply.json().map(Fragment::Done),
        }
    }

    /// `GET` a session (A10): what is missing. Without a token.
    ///
    /// # Errors
    /// `NotFound`: the session is lost, or its file is there.
    pub async fn upload_status(&self, cx: &Context, session: &Secret) -> Result<UploadSession> {
        let call = Call::new(Operation::Write, Method::GET, session.expose(), "{upload session}")
            .of_account(&self.gate)
            .costing(0);
        succeeded(cx.send(call).await?, session)?.json()
    }

    /// `POST` a session all of whose bytes are there (A10). Without a token.
    ///
    /// # Errors
    /// As [`put_fragment`](Self::put_fragment).
    pub async fn commit_upload(&self, cx: &Context, session: &Secret) -> Result<DriveItem> {
        let call = Call::new(Operation::Write, Method::POST, session.expose(), "{upload session}")
            .of_account(&self.gate)
            .costing(0);
        succeeded(cx.send(call).await?, session)?.json()
    }

    /// `PUT {item}` with a session all of whose bytes are there as its source (A10): makes the file
    /// where personal accounts have no other way, and where the session's own name was taken.
    ///
    /// # Errors
    /// `NotFound`: the session is lost. `Exists`.
    pub async fn commit_upload_as(
        &self,
        cx: &Context,
        at: &Address,
        name: &str,
        behavior: ConflictBehavior,
        session: &Secret,
    ) -> Result<DriveItem> {
        let url = self.url(at, "");
        let body = json!({
            "name": name,
            "@microsoft.graph.conflictBehavior": behavior,
            "@microsoft.graph.sourceUrl": session.expose(),
        });
        let call = || Call::new(Operation::Write, Method::PUT, &*url, "{item}").json(&body);
        self.ok(cx, &call).await?.json()
    }

    /// `DELETE` a session and its bytes (A10). Without a token.
    ///
    /// # Errors
    /// `NotFound` if it is gone already.
    pub async fn cancel_upload(&self, cx: &Context, session: &Secret) -> Result<()> {
        let call =
            Call::new(Operation::Write, Method::DELETE, session.expose(), "{upload session}")
                .of_account(&self.gate)
                .costing(0);
        succeeded(cx.send(call).await?, session).map(drop)
    }

    // Copies.

    /// `POST {item}/copy` (A13): the URL to ask how it is doing. `behavior` is not understood by
    /// personal drives.
    ///
    /// # Errors
    /// `NotFound` for the item or the folder.
    pub async fn copy(
        &self,
        cx: &Context,
        from: &Address,
        to: &Patch,
        behavior: Option<ConflictBehavior>,
    ) -> Result<Secret> {
        let url = self.url(from, "/copy");
        let call = || {
            let call = Call::new(Operation::Copy, Method::POST, &*url, "{item}/copy")
                .header(HeaderName::from_static("prefer"), "respond-async")
                .json(to);
            match behavior {
                Some(behavior) => call.query(BEHAVIOR, behavior.as_str()),
                None => call,
            }
        };
        let reply = self.ok(cx, &call).await?;
        match reply.header(header::LOCATION) {
            Some(monitor) => Ok(monitor.into()),
            None => Err(reply.failure("the answer does not tell whom to ask about the copy")),
        }
    }

    /// `GET` a copy's monitor (A13). Without a token.
    ///
    /// # Errors
    /// The host's; how the copy itself failed is [`Monitored::Failed`].
    pub async fn monitor(&self, cx: &Context, monitor: &Secret) -> Result<Monitored> {
        let call = Call::new(Operation::Copy, Method::GET, monitor.expose(), "{copy monitor}")
            .of_account(&self.gate)
            .costing(0);
        let reply = cx.send(call).await?;
        // Once ready, some hosts redirect to the new item, which without a token says 401.
        if reply.redirected || reply.status == StatusCode::SEE_OTHER {
            return Ok(Monitored::Completed(None));
        }
        let reply = succeeded(reply, monitor)?;
        if reply.body.is_empty() {
            return Ok(Monitored::Running);
        }
        let Monitor { status, resource_id, error, error_code } = reply.json()?;
        Ok(match status.as_deref() {
            Some("completed") => Monitored::Completed(resource_id),
            Some("failed" | "deleteFailed" | "cancelled") => {
                Monitored::Failed(failure_in(error, error_code))
            }
            _ => Monitored::Running,
        })
    }

    // Sending.

    fn url(&self, at: &Address, action: &str) -> String {
        format!("{}{}", self.endpoint, at.resource(self.paths, action))
    }

    /// A link of an answer's that the token is sent to: to the endpoint itself or to Graph, or not
    /// at all.
    fn trusted<'a>(&self, link: &'a str) -> Result<&'a str> {
        let origin = |url: &str| {
            let url = url::Url::parse(url).ok()?;
            Some((url.scheme().to_owned(), url.host_str()?.to_owned(), url.port_or_known_default()))
        };
        let there = origin(link);
        let graphs = matches!(&there, Some((scheme, host, Some(443)))
            if scheme == "https" && GRAPH_HOSTS.contains(&&**host));
        if there.is_some() && (graphs || there == origin(&self.endpoint)) {
            return Ok(link);
        }
        Err(Error::new(
            ErrorKind::Unexpected,
            "the answer's link to the next page leads to a host that is not this cloud's",
        ))
    }

    /// Sends a signed request; a token that is refused is renewed once.
    async fn fetch(
        &self,
        cx: &Context,
        call: &(dyn Fn() -> Call + Sync),
    ) -> Result<(Incoming, Secret)> {
        let signed = |token: &Secret| {
            call()
                .costing_by(resource_units)
                .headers(&self.headers)
                .of_account(&self.gate)
                .bearer(token)
        };
        let token = self.tokens.token(cx).await?;
        let answer = cx.fetch(signed(&token)).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !self.tokens.is_renewable() {
            return Ok((answer, token));
        }
        let token = self.tokens.renew(cx, &token).await?;
        Ok((cx.fetch(signed(&token)).await?, token))
    }

    async fn ok(&self, cx: &Context, call: &(dyn Fn() -> Call + Sync)) -> Result<Reply> {
        let (answer, token) = self.fetch(cx, call).await?;
        succeeded(answer.read().await?, &token)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

fn succeeded(reply: Reply, secret: &Secret) -> Result<Reply> {
    match reply.status.is_success() {
        true => Ok(reply),
        false => Err(failure(&reply, secret)),
    }
}

async fn bytes_of(
    answer: Incoming,
    range: &ByteRange,
    known: Option<u64>,
    secret: &Secret,
) -> Result<Download> {
    match answer.status {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
            let etag = answer
                .headers
                .get(header::ETAG)
                .and_then(|etag| etag.to_str().ok())
                .map(str::to_owned);
            Ok(Download { etag, ..exactly(range, known, answer)? })
        }
        _ => Err(failure(&answer.read().await?, secret)),
    }
}

fn with(call: Call, name: HeaderName, value: Option<&str>) -> Call {
    match value {
        Some(value) => call.header(name, value),
        None => call,
    }
}

fn conditional(call: Call, conditions: &Conditions) -> Call {
    let call = with(call, header::IF_MATCH, conditions.if_match.as_deref());
    with(call, header::IF_NONE_MATCH, conditions.if_none_match.as_deref())
}
