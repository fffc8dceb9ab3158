//! The unbiased client: one method per request of the protocol, with decoded responses.

mod changes;
mod content;
mod endpoint_file;
mod file;
mod nodes;
mod properties;

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, Method, StatusCode};
use opendal::raw::Operation;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use self::endpoint_file::EndpointFile;
pub use self::{
    changes::ChangesQuery,
    content::{Deduplication, UploadedNode},
    file::ResumableDownload,
    nodes::{ListQuery, PAGE_MAX},
};
use super::{
    error::error_of,
    model::{AccountInfo, AccountQuota, AccountUsage, EndpointResponse, Endpoints, TokenInfo},
};
use crate::{
    adapter::DriveHandle,
    auth::TokenSource,
    drive::{Context, Error, ErrorKind, Result, Secret},
    rate_limit::AccountLimiter,
    services::options::base_url,
    transport::{
        self, ApiRequest, ApiResponse, Connection, PlainHttpHosts, StreamResponse, UrlPolicy,
    },
};

/// How long the response to `account/endpoint` is cached: the minimum that the documents demand
/// (amazon-drive#endpoint-cache-time).
const ENDPOINTS_TTL: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// Default base URL of Login with Amazon (amazon-drive#oauth-token-info).
const SIGN_IN: &str = "https://api.amazon.com/";

/// Amazon's host for `account/endpoint`.
const LOOKUP_HOST: &str = "drive.amazonaws.com";

/// Amazon's hosts for all other requests (amazon-drive#endpoint-discovery). Not all of
/// `amazonaws.com`: anyone can rent a host there.
const ACCOUNT_HOSTS: &str = "*.drive.amazonaws.com, cdws.*.amazonaws.com";

/// A client of Amazon Cloud Drive's REST protocol v1.
///
/// Each method sends one request. The client adds only the two things that every request needs: the
/// account's base URLs, requested once in three days, and an access token, refreshed once if the
/// cloud rejects it. Requests are sent through the transport in their [`Context`].
///
/// # Errors
/// Every method can return:
/// * `PermissionDenied` if the cloud rejects the token, or the account has no permission;
/// * `RateLimited` for too many requests, and `QuotaExceeded` if the drive is full;
/// * `InvalidInput` if the cloud rejects the parameters;
/// * `Unexpected` if the connection fails, for an error of the cloud, and for a response that
///   cannot be decoded.
///
/// [`Error::retry`] is set for temporary errors.
pub struct Client {
    endpoint: String,
    urls: UrlPolicy,
    headers: HeaderMap,
    tokens: TokenSource,
    limiter: AccountLimiter,
    /// `None`: the connections of the operator's transport.
    connection: Option<Connection>,
    /// Base URLs of the account, and when they expire. Locked during the request, so that
    /// concurrent callers share it.
    endpoints: Mutex<Option<(Arc<Endpoints>, Instant)>>,
    /// Where the base URLs are stored for later processes. `None`: in memory only.
    endpoint_file: Option<EndpointFile>,
    /// Base URL of Login with Amazon. It receives the token.
    sign_in: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a client that requests the account's base URLs from `endpoint`, such as
    /// `https://drive.amazonaws.com/drive/v1/`, and signs requests with `tokens`.
    ///
    /// # Errors
    /// `InvalidInput` if `endpoint` is not an `http` or `https` URL, or has a query.
    pub fn new(endpoint: &str, tokens: TokenSource) -> Result<Self> {
        let endpoint = base_url("endpoint", endpoint)?;
        let urls = UrlPolicy::for_endpoint(&endpoint)?;
        let urls = if urls.is_at(LOOKUP_HOST) { urls.allowing(ACCOUNT_HOSTS)? } else { urls };
        Ok(Self {
            endpoint,
            urls,
            headers: HeaderMap::new(),
            tokens,
            limiter: AccountLimiter::new(),
            connection: None,
            endpoints: Mutex::default(),
            endpoint_file: None,
            sign_in: SIGN_IN.to_owned(),
        })
    }

    /// Returns the client of an Amazon Drive, or `None` if the handle belongs to another drive.
    /// [`DriveHandle::context`] creates the context for its methods.
    pub fn from_handle(handle: &DriveHandle) -> Option<&Self> {
        handle.drive().native_client()?.downcast_ref()
    }

    /// Allows further hosts as base URLs of the account, which receive its token.
    ///
    /// `hosts` are names separated by commas; `*` matches a part of a name up to the next dot. The
    /// host of the endpoint is always allowed, and Amazon's hosts are with Amazon's endpoint.
    ///
    /// # Errors
    /// `InvalidInput` if a name is not a host.
    pub fn with_allowed_hosts(mut self, hosts: &str) -> Result<Self> {
        self.urls = self.urls.allowing(hosts)?;
        Ok(self)
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

    /// Stores the account's base URLs in a file for later processes. Its folder must exist; the file
    /// need not. It contains no secret, and belongs to one account.
    pub fn with_endpoint_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.endpoint_file = Some(EndpointFile::new(path.into(), &self.endpoint));
        self
    }

    /// Replaces the base URL of Login with Amazon, `https://api.amazon.com`, for
    /// [`token_info`](Self::token_info).
    ///
    /// # Errors
    /// `InvalidInput` if it is not an `http` or `https` URL, or has a query.
    pub fn with_sign_in(mut self, endpoint: &str) -> Result<Self> {
        self.sign_in = base_url("oauth_endpoint", endpoint)?;
        Ok(self)
    }

    /// Returns the HTTP client for the requests of an operation.
    fn http<'c>(&'c self, cx: &'c Context) -> transport::Client<'c> {
        transport::Client::new(cx).with_connection(self.connection.as_ref())
    }

    /// Adds headers to every request, also to those for content.
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// `GET account/endpoint`: returns the account's base URLs, cached for three days.
    ///
    /// # Errors
    /// `PermissionDenied` if the account has no drive, or if the client does not allow a host in
    /// the response. Otherwise `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput`
    /// or `Unexpected`, as for [every request](Client#errors).
    pub async fn endpoints(&self, cx: &Context) -> Result<Arc<Endpoints>> {
        let mut cached = self.endpoints.lock().await;
        if let Some((endpoints, expires)) = &*cached
            && Instant::now() < *expires
        {
            return Ok(Arc::clone(endpoints));
        }
        if let Some((endpoints, left)) = self.stored_endpoints().await {
            let endpoints = Arc::new(endpoints);
            *cached = Some((Arc::clone(&endpoints), Instant::now() + left));
            return Ok(endpoints);
        }
        let url = format!("{}account/endpoint", self.endpoint);
        let response = self
            .send_signed(cx, || {
                ApiRequest::new(Operation::Info, Method::GET, &url, "account/endpoint")
            })
            .await?
            .read()
            .await?;
        let found: EndpointResponse = decode(&response, StatusCode::OK)?;
        let (Some(content_url), Some(metadata_url)) = (found.content_url, found.metadata_url)
        else {
            let reason = match found.customer_exists {
                Some(false) => "the account has no Amazon Drive",
                _ => "the response has no `contentUrl` or `metadataUrl`",
            };
            let text = format!("cannot find the account's endpoints: {reason}");
            return Err(Error::new(ErrorKind::PermissionDenied, text));
        };
        let endpoints = Arc::new(Endpoints::new(
            base_url("contentUrl", &content_url)?,
            base_url("metadataUrl", &metadata_url)?,
        ));
        // A forbidden host must not be cached for three days.
        self.urls.check_token(&endpoints.content_url)?;
        self.urls.check_token(&endpoints.metadata_url)?;
        *cached = Some((Arc::clone(&endpoints), Instant::now() + ENDPOINTS_TTL));
        if let Some(file) = &self.endpoint_file {
            file.save(&endpoints).await;
        }
        Ok(endpoints)
    }

    /// Returns the base URLs that an earlier process has stored, and how long they remain valid.
    /// `None` if there are none that the client may use.
    async fn stored_endpoints(&self) -> Option<(Endpoints, Duration)> {
        let (endpoints, left) = self.endpoint_file.as_ref()?.load().await?;
        for url in [&endpoints.content_url, &endpoints.metadata_url] {
            if let Err(error) = self.urls.check_token(url) {
                tracing::warn!(%error, "a stored endpoint of the account is not used");
                return None;
            }
        }
        Some((endpoints, left))
    }

    /// `GET auth/o2/tokeninfo` of Login with Amazon: describes the access token of the client
    /// (amazon-drive#oauth-token-info).
    ///
    /// # Errors
    /// `InvalidInput` if the token is invalid or has expired; `PermissionDenied` if no token can be
    /// obtained. Otherwise `RateLimited` or `Unexpected`, as for [every request](Client#errors).
    pub async fn token_info(&self, cx: &Context) -> Result<TokenInfo> {
        let url = format!("{}auth/o2/tokeninfo", self.sign_in);
        let urls = UrlPolicy::for_endpoint(&self.sign_in)?;
        let urls = urls.with_plain_http(self.urls.plain_http().clone());
        // The token is a parameter, so the client checks the host itself.
        urls.check_token(&url)?;
        let token = self.tokens.token(cx).await?;
        let request = ApiRequest::new(Operation::Info, Method::GET, &url, "auth/o2/tokeninfo");
        let request = request.headers(&self.headers).query("access_token", token.expose());
        let response = self.http(cx).fetch(request).await?.read().await?;
        decode(&response, StatusCode::OK)
    }

    /// `GET account/info`: returns the state of the account.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn account_info(&self, cx: &Context) -> Result<AccountInfo> {
        self.get(cx, Operation::Info, "account/info", "account/info", |request| request).await
    }

    /// `GET account/quota`: returns capacity and free space of the drive.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn account_quota(&self, cx: &Context) -> Result<AccountQuota> {
        self.get(cx, Operation::Info, "account/quota", "account/quota", |request| request).await
    }

    /// `GET account/usage`: returns the space that files use.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn account_usage(&self, cx: &Context) -> Result<AccountUsage> {
        self.get(cx, Operation::Info, "account/usage", "account/usage", |request| request).await
    }

    /// Sends a GET request to the metadata endpoint and decodes the response. `path` is relative to
    /// the endpoint, `template` is the path without ids, and `complete` adds query parameters.
    ///
    /// # Errors
    /// `NotFound` if the node in the path does not exist. Otherwise `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    async fn get<T: DeserializeOwned>(
        &self,
        cx: &Context,
        operation: Operation,
        path: &str,
        template: &'static str,
        complete: impl Fn(ApiRequest) -> ApiRequest,
    ) -> Result<T> {
        let response = self
            .send(cx, path, |url| complete(ApiRequest::new(operation, Method::GET, url, template)))
            .await?;
        decode(&response, StatusCode::OK)
    }

    /// Sends a request to the metadata endpoint and reads the response, whatever its status.
    /// `request` creates the request for a URL, once for each attempt.
    ///
    /// # Errors
    /// Those of [`endpoints`](Self::endpoints) and [`send_signed`](Self::send_signed).
    async fn send(
        &self,
        cx: &Context,
        path: &str,
        request: impl Fn(&str) -> ApiRequest,
    ) -> Result<ApiResponse> {
        let url = format!("{}{path}", self.endpoints(cx).await?.metadata_url);
        self.send_signed(cx, || request(&url)).await?.read().await
    }

    /// Sends a request with an access token, and a second time with a refreshed token if the cloud
    /// responds 401. Returns the response, whatever its status.
    ///
    /// # Errors
    /// `PermissionDenied` if no token can be obtained or the host must not receive it, `Unexpected`
    /// if no response arrives.
    async fn send_signed(
        &self,
        cx: &Context,
        request: impl Fn() -> ApiRequest,
    ) -> Result<StreamResponse> {
        let token = self.tokens.token(cx).await?;
        let send = |token: &Secret| {
            let request = request().headers(&self.headers).with_limiter(&self.limiter);
            self.http(cx).fetch(request.bearer(token, &self.urls))
        };
        let response = send(&token).await?;
        if response.status != StatusCode::UNAUTHORIZED || !self.tokens.is_renewable() {
            return Ok(response);
        }
        let token = self.tokens.renew(cx, &token).await?;
        send(&token).await
    }
}

/// Decodes a response whose status must be `expected`.
///
/// # Errors
/// The error in the response, if its status is not a success; `Unexpected` for another success or a
/// body that is not a `T`.
fn decode<T: DeserializeOwned>(response: &ApiResponse, expected: StatusCode) -> Result<T> {
    match response.status {
        status if status == expected => response.json(),
        status if status.is_success() => {
            let text = format!("unexpected status: the protocol has {expected} for this request");
            Err(Error::new(ErrorKind::Unexpected, text).with_status(status.as_u16()))
        }
        _ => Err(error_of(response)),
    }
}
