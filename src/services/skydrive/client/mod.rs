//! The unbiased client: one method per request of Live Connect, with decoded responses.

mod account_objects;
mod bits;
mod collections;
mod content;
mod items;
mod put_bits;
mod resolve;
mod social;

use http::{HeaderMap, Method, StatusCode};
use opendal::raw::Operation;
use serde::de::DeserializeOwned;

pub use self::{
    bits::{BITS_FILE_MAX, BITS_FRAGMENT, BITS_FRAGMENT_MAX, BitsAck, BitsSession, BitsTarget},
    collections::{CAMERA_ROLL, MY_DOCUMENTS, MY_PHOTOS, PUBLIC_DOCUMENTS},
    put_bits::{BitsOptions, BitsProgress, BitsSource},
};
use super::{
    error::error_of,
    model::{AccountObjectPage, Quota, User},
    options::ListQuery,
};
use crate::{
    adapter::DriveHandle,
    auth::TokenSource,
    drive::{Context, PageGuard, Result, Secret},
    rate_limit::AccountLimiter,
    services::options::base_url,
    transport::{
        self, ApiRequest, ApiResponse, Connection, PlainHttpHosts, ResponseLimit, StreamResponse,
        UrlPolicy, segment,
    },
};

/// Alias of the root folder. Requests accept it in place of an id, but not as a destination
/// (live-connect#move-destination-id-only).
pub const ROOT: &str = "me/skydrive";

/// URL of the storage host for uploads by BITS; `{cid}` stands for the account's id
/// (live-connect#bits-urls).
pub const STORAGE_ENDPOINT: &str = "https://cid-{cid}.users.storage.live.com";

/// A client of the Live Connect REST API v5.0 for one account.
///
/// Each method sends one request, unless its documentation says otherwise, and cites its request in
/// live-connect#storage-endpoints. The client neither retries nor caches. It only refreshes an
/// access token that the cloud rejects (401), and repeats that request once.
///
/// ```no_run
/// use drivedal::{auth::TokenSource, drive::Context, services::skydrive::{Client, ListQuery, ROOT}};
///
/// # async fn example(context: &Context) -> drivedal::drive::Result<()> {
/// let client = Client::new("https://apis.live.net/v5.0/", TokenSource::fixed("EwA…".into()))?;
/// for object in client.files(context, ROOT, &ListQuery::default()).await?.data {
///     println!("{} {}", object.id, object.name);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Every method can return:
/// * `NotFound` if the object does not exist;
/// * `PermissionDenied` if the cloud rejects the token, or the account has no permission;
/// * `RateLimited` for too many requests, and `QuotaExceeded` if the drive is full;
/// * `InvalidInput` if the cloud rejects the parameters;
/// * `Unexpected` if the connection fails, for an error of the cloud, and for a response that
///   cannot be decoded.
///
/// [`Error::retry`](crate::drive::Error::retry) is set for temporary errors.
#[derive(Clone, Debug)]
pub struct Client {
    /// Base URL of the API, with a slash at its end.
    endpoint: String,
    /// Base URL for uploads by BITS, with `{cid}` for the account's id; without a slash at its end.
    pub(super) storage: String,
    /// Allows the hosts of the two base URLs.
    urls: UrlPolicy,
    headers: HeaderMap,
    tokens: TokenSource,
    limiter: AccountLimiter,
    /// `None`: the connections of the operator's transport.
    connection: Option<Connection>,
}

impl Client {
    /// Creates a client of the API at `endpoint`, such as `https://apis.live.net/v5.0/`, which
    /// signs requests with `tokens`.
    ///
    /// # Errors
    /// `InvalidInput` if `endpoint` is not an `http` or `https` URL, or has a query.
    pub fn new(endpoint: &str, tokens: TokenSource) -> Result<Self> {
        let endpoint = base_url("endpoint", endpoint)?;
        let urls = UrlPolicy::for_endpoint(&endpoint)?;
        let (headers, limiter) = (HeaderMap::new(), AccountLimiter::new());
        let storage = String::new();
        let connection = None;
        let client = Self { endpoint, storage, urls, headers, tokens, limiter, connection };
        client.with_storage(STORAGE_ENDPOINT)
    }

    /// Allows the token on these hosts without TLS. Loopback addresses are always allowed.
    pub fn with_plain_http(mut self, hosts: PlainHttpHosts) -> Self {
        self.urls = self.urls.with_plain_http(hosts);
        self
    }

    /// Sends all requests over a connection with its own options, such as a proxy. The token source
    /// has its own connection.
    pub fn with_connection(mut self, connection: Option<Connection>) -> Self {
        self.connection = connection;
        self
    }

    /// Returns the HTTP client for the requests of an operation.
    fn http<'c>(&'c self, cx: &'c Context) -> transport::Client<'c> {
        transport::Client::new(cx).with_connection(self.connection.as_ref())
    }

    /// Returns the client of a SkyDrive, or `None` if the handle belongs to another drive.
    /// [`DriveHandle::context`] creates the context for its methods.
    pub fn from_handle(handle: &DriveHandle) -> Option<&Self> {
        handle.drive().native_client()?.downcast_ref()
    }

    /// Replaces [`STORAGE_ENDPOINT`], the base URL for uploads by BITS. `{cid}` in the URL stands
    /// for the account's id.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_storage(mut self, endpoint: &str) -> Result<Self> {
        // Braces are not allowed in a URL.
        const CID: &str = "0cid0";
        let address = base_url("storage_endpoint", &endpoint.replace("{cid}", CID))?;
        self.storage = address.trim_end_matches('/').replace(CID, "{cid}");
        let plain_http = self.urls.plain_http().clone();
        self.urls = UrlPolicy::for_endpoint(&self.endpoint)?.with_plain_http(plain_http);
        if let Some(host) = host_of(&address) {
            self.urls = self.urls.allowing(&host.replace(CID, "*"))?;
        }
        Ok(self)
    }

    /// Adds headers to every request to the API, but not to requests to pre-authenticated URLs.
    pub fn with_headers(mut self, mut headers: HeaderMap) -> Self {
        for value in headers.values_mut() {
            // A header for a proxy or gateway may be a secret; it must not be printed.
            value.set_sensitive(true);
        }
        self.headers = headers;
        self
    }

    /// Refreshes the access token, even if the present one is still valid.
    ///
    /// # Errors
    /// `PermissionDenied` if there is no refresh token, or the cloud rejects it.
    pub async fn renew_token(&self, cx: &Context) -> Result<()> {
        let stale = self.tokens.token(cx).await?;
        self.tokens.renew(cx, &stale).await.map(drop)
    }

    /// `GET me`: returns the account's owner.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn me(&self, cx: &Context) -> Result<User> {
        self.send_json(cx, || self.request(Operation::Info, Method::GET, "me", "me")).await
    }

    /// Returns capacity and free space of the drive (live-connect#op-quota).
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn quota(&self, cx: &Context) -> Result<Quota> {
        let template = "me/skydrive/quota";
        self.send_json(cx, || self.request(Operation::Info, Method::GET, template, template)).await
    }

    /// Creates an unsigned request to the API. `path` is relative to the endpoint and encoded, and
    /// `template` is the path without ids, for logs and errors.
    fn request(
        &self,
        operation: Operation,
        method: Method,
        path: &str,
        template: &'static str,
    ) -> ApiRequest {
        ApiRequest::new(operation, method, format!("{}{path}", self.endpoint), template)
            .headers(&self.headers)
            .with_limiter(&self.limiter)
            .limit(match operation {
                // Without a limit the cloud returns a whole folder in one response.
                Operation::List => ResponseLimit::FOLDER,
                _ => ResponseLimit::for_operation(operation),
            })
    }

    /// Requests all pages of a list. `path` is that of the list below the endpoint, encoded, and
    /// `template` its form without ids for logs; `query` is sent with each request.
    ///
    /// # Errors
    /// `Unexpected` if the cloud repeats a page, or the list has more pages than [`PageGuard`]
    /// accepts; otherwise `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or
    /// `Unexpected`, as for [every request](Client#errors).
    async fn all_pages<T: DeserializeOwned>(
        &self,
        cx: &Context,
        path: &str,
        template: &'static str,
        query: &[(&'static str, &str)],
    ) -> Result<Vec<T>> {
        let (mut all, mut guard) = (Vec::new(), PageGuard::default());
        let mut range = ListQuery::default();
        loop {
            let page: AccountObjectPage<T> = self
                .send_json(cx, || {
                    let request = self.request(Operation::List, Method::GET, path, template);
                    query.iter().fold(range.add_to(request), |request, &(name, value)| {
                        request.query(name, value)
                    })
                })
                .await?;
            let next = page.paging.as_ref().and_then(|paging| paging.next.as_ref());
            guard.record(page.data.len(), next)?;
            all.extend(page.data);
            match page.paging.map(|paging| paging.next_page()).transpose()?.flatten() {
                Some(next) => range = next,
                None => return Ok(all),
            }
        }
    }

    /// Sends a signed request and decodes the response. `request` builds the request, once for each
    /// attempt.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    async fn send_json<T: DeserializeOwned>(
        &self,
        cx: &Context,
        request: impl Fn() -> ApiRequest + Send + Sync,
    ) -> Result<T> {
        self.send(cx, request).await?.json()
    }

    /// Sends a signed request and reads the response, whose status must be a success. `request`
    /// builds the request, once for each attempt.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    async fn send(
        &self,
        cx: &Context,
        request: impl Fn() -> ApiRequest + Send + Sync,
    ) -> Result<ApiResponse> {
        let (response, token) = self.send_signed(cx, request).await?;
        let response = response.read().await?;
        match response.status.is_success() {
            true => Ok(response),
            false => Err(error_of(&response, Some(&token))),
        }
    }

    /// Sends a request with an access token, and a second time with a refreshed token if the cloud
    /// responds 401. Returns the response, whatever its status, and the token of the last request.
    ///
    /// # Errors
    /// `PermissionDenied` if no token can be obtained, `Unexpected` if no response arrives.
    async fn send_signed(
        &self,
        cx: &Context,
        request: impl Fn() -> ApiRequest + Send + Sync,
    ) -> Result<(StreamResponse, Secret)> {
        let token = self.tokens.token(cx).await?;
        let first = request().bearer(&token, &self.urls);
        let response = self.http(cx).fetch(first).await?;
        if response.status != StatusCode::UNAUTHORIZED || !self.tokens.is_renewable() {
            return Ok((response, token));
        }
        // A connection can be reused only after its response was read.
        drop(response.read().await);
        let token = self.tokens.renew(cx, &token).await?;
        let second = request().bearer(&token, &self.urls);
        Ok((self.http(cx).fetch(second).await?, token))
    }
}

/// Returns the host of a base URL, with its port. Returns `None` if the text is not a URL.
fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split('/').next()
}

/// Encodes an id, or an alias such as [`ROOT`], as part of a URL.
fn path(id: &str) -> String {
    let segments: Vec<String> = id.split('/').map(|part| segment(part).to_string()).collect();
    segments.join("/")
}
