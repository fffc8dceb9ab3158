//! Client of Microsoft Graph's drives: one method per request of the protocol, which returns the
//! decoded response. The methods are in the submodules; this module signs and sends the requests.
//!
//! The client makes no decisions. It has no fallbacks and sends no additional requests, with two
//! exceptions: it refreshes a token that Graph rejects, once, and it sends concurrent requests for
//! metadata in [`batch`](super::batch)es.
//!
//! Download URLs, upload sessions and copy monitors are pre-authenticated URLs of other hosts, and are
//! requested without a token (onedrive-graph#download-url-no-authorization,
//! onedrive-graph#session-fragments, onedrive-graph#copy-monitor). Tenants that retire these URLs have
//! download URLs below the endpoint, which get the token of Graph, and sessions and monitors that need
//! a token for SharePoint (onedrive-graph#pre-auth-retirement).

mod actions;
mod content;
mod copy;
mod drives;
mod items;
mod list;
mod search;
mod session;
mod sharepoint;
mod sharing;
mod versions;

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, StatusCode, header};
use tokio::sync::{Semaphore, SemaphorePermit};

use self::sharepoint::SharePointAccess;
pub use self::{
    content::Uploaded, copy::CopyProgress, session::FragmentOutcome,
    sharepoint::SHAREPOINT_TOKEN_REQUIRED,
};
use super::{
    address::{Address, PathStyle},
    batch::BatchGatherer,
    error::response_error,
    resource_units::resource_units,
};
use crate::{
    auth::TokenSource,
    drive::{Conditions, Context, Result, Secret},
    rate_limit::AccountLimiter,
    services::options::base_url,
    transport::{
        self, ApiRequest, ApiResponse, Connection, PlainHttpHosts, StreamResponse, UrlPolicy,
    },
};

/// Maximum number of items in a page (onedrive-graph#page-size).
pub const PAGE_MAX: usize = 1000;

/// Maximum number of concurrent requests that send content. Other uploads wait, with their sessions
/// open. More than 16 requests at a time get a client blocked (onedrive-graph#concurrency-limit).
const CONCURRENT_UPLOADS: usize = 16;

/// Name of the property, and of the query parameter, for a [`ConflictBehavior`](super::model::ConflictBehavior).
const CONFLICT_BEHAVIOR: &str = "@microsoft.graph.conflictBehavior";

/// A client of Microsoft Graph's drives. Clones share their tokens and rate limits.
///
/// ```no_run
/// use drivedal::{auth::TokenSource, drive::Context};
/// use drivedal::services::onedrive::{Address, Client, DriveRef, PAGE_MAX};
///
/// # async fn example(context: &Context) -> drivedal::drive::Result<()> {
/// let client = Client::new("https://graph.microsoft.com/v1.0", TokenSource::fixed("EwB…".into()))?;
/// let photos = Address::root(DriveRef::Mine).below("photos/2014");
/// for entry in client.children(context, &photos, PAGE_MAX).await?.value {
///     println!("{entry:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    /// Base URL without trailing slash, such as `https://graph.microsoft.com/v1.0`.
    endpoint: Arc<str>,
    /// Decides which hosts receive the token.
    urls: Arc<UrlPolicy>,
    tokens: TokenSource,
    /// Tokens for upload sessions and copy monitors.
    sharepoint: Arc<SharePointAccess>,
    /// Additional headers of signed requests.
    headers: Arc<HeaderMap>,
    limiter: AccountLimiter,
    /// Gathers requests into batches.
    batches: BatchGatherer,
    /// A permit for each request that sends content.
    uploads: Arc<Semaphore>,
    path_style: PathStyle,
    /// `None`: the connections of the operator's transport.
    connection: Option<Connection>,
}

impl Client {
    /// Returns a client for the API at `endpoint`, which signs requests with tokens from `tokens`.
    ///
    /// # Errors
    /// `InvalidInput` if `endpoint` is not an HTTP URL without user, query and fragment.
    pub fn new(endpoint: &str, tokens: TokenSource) -> Result<Self> {
        let url = base_url("the API's endpoint", endpoint)?;
        let endpoint: Arc<str> = url.trim_end_matches('/').into();
        Ok(Self {
            urls: Arc::new(UrlPolicy::for_endpoint(&url)?),
            batches: BatchGatherer::new(Arc::clone(&endpoint), Arc::default()),
            uploads: Arc::new(Semaphore::new(CONCURRENT_UPLOADS)),
            endpoint,
            tokens,
            sharepoint: Arc::default(),
            headers: Arc::default(),
            limiter: AccountLimiter::new(),
            path_style: PathStyle::default(),
            connection: None,
        })
    }

    /// Allows links to next pages that lead to other hosts than the endpoint's, and sends the token
    /// there. This is necessary if `endpoint` is a gateway to Graph.
    ///
    /// `hosts` is a comma-separated list of names. `*` matches any part of a name up to the next
    /// dot.
    ///
    /// # Errors
    /// `InvalidInput` if an element of the list is not a host.
    pub fn with_allowed_hosts(mut self, hosts: &str) -> Result<Self> {
        self.urls = Arc::new(UrlPolicy::clone(&self.urls).allowing(hosts)?);
        Ok(self)
    }

    /// Allows the token on these hosts without TLS. Loopback addresses are always allowed.
    pub fn with_plain_http(mut self, hosts: PlainHttpHosts) -> Self {
        self.urls = Arc::new(UrlPolicy::clone(&self.urls).with_plain_http(hosts));
        self
    }

    /// Sets the audience of access tokens for upload sessions and copy monitors on the endpoint's own
    /// host and on [allowed hosts](Self::with_allowed_hosts), such as
    /// `https://contoso-my.sharepoint.com`. Without it, only hosts of SharePoint get such tokens, of
    /// their own audience. A drive server without pre-authenticated URLs needs it.
    pub fn with_sharepoint_audience(mut self, audience: Option<String>) -> Self {
        self.sharepoint = Arc::new(SharePointAccess::with_audience(audience));
        self
    }

    /// Sends all requests over a connection with its own options, such as a proxy. The token source
    /// has its own connection.
    pub fn with_connection(mut self, connection: Option<Connection>) -> Self {
        self.connection = connection;
        self
    }

    /// Waits until the content of a file may be sent. The permit is held until the response.
    async fn upload_permit(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.uploads.acquire().await.ok()
    }

    /// Returns the HTTP client for the requests of an operation.
    fn http<'c>(&'c self, cx: &'c Context) -> transport::Client<'c> {
        transport::Client::new(cx).with_connection(self.connection.as_ref())
    }

    /// Sets additional headers for signed requests. Requests to pre-authenticated URLs do not have
    /// them.
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = Arc::new(headers);
        self.batches = BatchGatherer::new(Arc::clone(&self.endpoint), Arc::clone(&self.headers));
        self
    }

    /// Sets the syntax of paths in URLs.
    pub fn with_path_style(mut self, style: PathStyle) -> Self {
        self.path_style = style;
        self
    }

    /// Returns the URL of an item. `action` is empty or a path with a leading slash, such as
    /// `/children`.
    fn url(&self, item: &Address, action: &str) -> String {
        format!("{}{}", self.endpoint, item.url_path(self.path_style, action))
    }

    /// Sends a signed request, and once more with a refreshed token if the response is 401. Returns
    /// the response, whatever its status, and the token.
    ///
    /// `request` builds the request, once for each attempt.
    ///
    /// # Errors
    /// `PermissionDenied` if no token can be obtained; `Unexpected` if no response arrives. An
    /// error status of the response is not an error.
    async fn fetch(
        &self,
        cx: &Context,
        request: &(dyn Fn() -> ApiRequest + Sync),
    ) -> Result<(StreamResponse, Secret)> {
        let signed = |token: &Secret| {
            request()
                .cost_by(resource_units)
                .headers(&self.headers)
                .with_limiter(&self.limiter)
                .bearer(token, &self.urls)
        };
        let token = self.tokens.token(cx).await?;
        let response = self.http(cx).fetch(signed(&token)).await?;
        if response.status != StatusCode::UNAUTHORIZED || !self.tokens.is_renewable() {
            return Ok((response, token));
        }
        let token = self.tokens.renew(cx, &token).await?;
        Ok((self.http(cx).fetch(signed(&token)).await?, token))
    }

    /// Sends a signed request, possibly together with others in a batch, and reads the response.
    /// `request` builds the request, once for each attempt. Its body is empty or JSON.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    async fn send_gathered(
        &self,
        cx: &Context,
        request: &(dyn Fn() -> ApiRequest + Sync),
    ) -> Result<ApiResponse> {
        let gather = self.batches.extension();
        self.send(cx, &|| request().gathered_by(&gather)).await
    }

    /// Sends a signed request and reads the response. `request` builds the request, once for each
    /// attempt.
    ///
    /// # Errors
    /// The error in the response, if its status is not a success; those of [`fetch`](Self::fetch).
    async fn send(
        &self,
        cx: &Context,
        request: &(dyn Fn() -> ApiRequest + Sync),
    ) -> Result<ApiResponse> {
        let (response, token) = self.fetch(cx, request).await?;
        check_status(response.read().await?, &token)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Returns the response if its status is a success. `secret` is the token or URL of the request,
/// which errors must not contain.
///
/// # Errors
/// The error that the response describes: see [`response_error`].
fn check_status(response: ApiResponse, secret: &Secret) -> Result<ApiResponse> {
    match response.status.is_success() {
        true => Ok(response),
        false => Err(response_error(&response, secret)),
    }
}

/// Adds a header to the request, unless its value is `None`.
fn with_header(request: ApiRequest, name: HeaderName, value: Option<&str>) -> ApiRequest {
    match value {
        Some(value) => request.header(name, value),
        None => request,
    }
}

/// Adds the conditions to the request as `If-Match` and `If-None-Match`.
fn with_conditions(request: ApiRequest, conditions: &Conditions) -> ApiRequest {
    let request = with_header(request, header::IF_MATCH, conditions.if_match.as_deref());
    with_header(request, header::IF_NONE_MATCH, conditions.if_none_match.as_deref())
}
