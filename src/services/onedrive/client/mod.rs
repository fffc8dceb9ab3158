//! The unbiased client: one method per request of the protocol, its answer decoded. The methods are
//! below, by subject; how they are sent is here.
//!
//! It decides nothing: no fallback, no look before, no second request, but one: a token that Graph
//! refuses is renewed once. URLs that Graph hands out (download URLs, upload sessions, monitors) are
//! pre-authenticated and lead to other hosts; they are asked without a token
//! (onedrive-graph#download-url-no-authorization, onedrive-graph#session-fragments,
//! onedrive-graph#copy-monitor).

mod content;
mod copy;
mod drives;
mod items;
mod list;
mod session;

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, StatusCode, header};

pub use self::{content::Uploaded, copy::CopyProgress, session::Fragment};
use super::{
    address::{Address, PathStyle},
    error::failure,
    resource_units::resource_units,
};
use crate::{
    auth::TokenSource,
    drive::{Conditions, Context, Result, Secret},
    rate_limit::AccountLimiter,
    services::options::base_address,
    transport::{self, ApiRequest, ApiResponse, StreamResponse, UrlPolicy},
};

/// Most items of a page (onedrive-graph#page-size).
pub const PAGE_MAX: usize = 1000;

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
    urls: Arc<UrlPolicy>,
    tokens: TokenSource,
    headers: Arc<HeaderMap>,
    limiter: AccountLimiter,
    paths: PathStyle,
}

impl Client {
    /// A client of the cloud at `endpoint`, whose requests are signed by `tokens`.
    ///
    /// # Errors
    /// `Invalid` if `endpoint` is not the base address of an API.
    pub fn new(endpoint: &str, tokens: TokenSource) -> Result<Self> {
        let endpoint = base_address("the API's endpoint", endpoint)?;
        Ok(Self {
            urls: Arc::new(UrlPolicy::for_endpoint(&endpoint)?),
            endpoint: endpoint.trim_end_matches('/').into(),
            tokens,
            headers: Arc::default(),
            limiter: AccountLimiter::new(),
            paths: PathStyle::default(),
        })
    }

    /// Follows links to next pages, with the token, also to other hosts than the endpoint's, such as
    /// Graph's own where `endpoint` is a gateway to it: names separated by commas, where `*` stands
    /// for part of a name, up to the next dot.
    ///
    /// # Errors
    /// `Invalid` for a text that is not a host.
    pub fn with_allowed_hosts(mut self, hosts: &str) -> Result<Self> {
        self.urls = Arc::new(UrlPolicy::clone(&self.urls).allowing(hosts)?);
        Ok(self)
    }

    /// Sends these headers with every request to Graph itself; not with those to pre-authenticated
    /// addresses.
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = Arc::new(headers);
        self
    }

    /// Writes paths as this cloud wants them.
    pub fn with_path_style(mut self, paths: PathStyle) -> Self {
        self.paths = paths;
        self
    }

    fn url(&self, at: &Address, action: &str) -> String {
        format!("{}{}", self.endpoint, at.resource(self.paths, action))
    }

    /// Sends a signed request; a token that is refused is renewed once.
    async fn fetch(
        &self,
        cx: &Context,
        call: &(dyn Fn() -> ApiRequest + Sync),
    ) -> Result<(StreamResponse, Secret)> {
        let signed = |token: &Secret| {
            call()
                .cost_by(resource_units)
                .headers(&self.headers)
                .with_limiter(&self.limiter)
                .bearer(token, &self.urls)
        };
        let token = self.tokens.token(cx).await?;
        let answer = transport::Client::new(cx).fetch(signed(&token)).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !self.tokens.is_renewable() {
            return Ok((answer, token));
        }
        let token = self.tokens.renew(cx, &token).await?;
        Ok((transport::Client::new(cx).fetch(signed(&token)).await?, token))
    }

    async fn ok(
        &self,
        cx: &Context,
        call: &(dyn Fn() -> ApiRequest + Sync),
    ) -> Result<ApiResponse> {
        let (answer, token) = self.fetch(cx, call).await?;
        succeeded(answer.read().await?, &token)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

fn succeeded(reply: ApiResponse, secret: &Secret) -> Result<ApiResponse> {
    match reply.status.is_success() {
        true => Ok(reply),
        false => Err(failure(&reply, secret)),
    }
}

fn with(call: ApiRequest, name: HeaderName, value: Option<&str>) -> ApiRequest {
    match value {
        Some(value) => call.header(name, value),
        None => call,
    }
}

fn conditional(call: ApiRequest, conditions: &Conditions) -> ApiRequest {
    let call = with(call, header::IF_MATCH, conditions.if_match.as_deref());
    with(call, header::IF_NONE_MATCH, conditions.if_none_match.as_deref())
}
