//! The unbiased client: one method per request of the protocol, its answer decoded. The methods are
//! below, by subject; how they are sent is here.
//!
//! It decides nothing: no fallback, no look before, no second request, but one: a token that Graph
//! refuses is renewed once. URLs that Graph hands out (tickets, upload sessions, monitors) are
//! pre-authenticated and lead to other hosts; they are asked without a token (A8, A10, A13).

mod content;
mod copies;
mod drives;
mod items;
mod listing;
mod sessions;

use std::{fmt, sync::Arc};

use ::http::{HeaderMap, HeaderName, StatusCode, header};

pub use self::{copies::Monitored, sessions::Fragment};
use super::{
    address::{Address, Paths},
    error::failure,
    units::resource_units,
};
use crate::{
    auth::TokenSource,
    drive::{Conditions, Context, Error, ErrorKind, Result, Secret},
    gate::Gate,
    http::{Call, Incoming, Reply},
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
