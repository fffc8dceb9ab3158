//! The unbiased client: one method per request of the protocol, the decoded answer out.

mod changes;
mod content;
mod form;
mod nodes;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, Method, StatusCode};
use opendal::raw::Operation;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

pub use self::{
    changes::ChangesQuery,
    content::{Deduplication, Uploaded},
    nodes::{ListQuery, PAGE_MAX},
};
use super::{
    error::failure,
    model::{AccountInfo, AccountQuota, AccountUsage, EndpointAnswer, Endpoints},
};
use crate::{
    auth::TokenSource,
    drive::{Context, Error, ErrorKind, Result, Secret},
    rate_limit::AccountLimiter,
    services::options::base_address,
    transport::{self, ApiRequest, ApiResponse, StreamResponse, UrlPolicy},
};

/// How long the answer of `account/endpoint` is kept: what the documents ask for at least
/// (amazon-drive#endpoint-cache-time).
const ENDPOINTS_KEPT: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// Amazon's own hosts: where accounts are looked up, and where it sends their requests for contents
/// and metadata (amazon-drive#endpoint-discovery). Not all of `amazonaws.com`: anybody may have a
/// host there.
const LOOKUP_HOST: &str = "drive.amazonaws.com";
const ACCOUNT_HOSTS: &str = "*.drive.amazonaws.com, cdws.*.amazonaws.com";

/// The client of Amazon Cloud Drive's REST protocol v1, on any transport.
///
/// It adds nothing to the protocol but what every request needs: the account's endpoints, asked for
/// once in three days, and an access token, renewed once when the cloud refuses it. Every method is
/// one request, fails as [`ErrorKind`] says, and takes the transport in its [`Context`].
pub struct Client {
    endpoint: String,
    urls: UrlPolicy,
    headers: HeaderMap,
    tokens: TokenSource,
    limiter: AccountLimiter,
    /// An asynchronous mutex makes it a single flight: who waits takes over if the first is dropped.
    endpoints: Mutex<Option<(Arc<Endpoints>, Instant)>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
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
        let urls = UrlPolicy::for_endpoint(&endpoint)?;
        let urls = if urls.is_at(LOOKUP_HOST) { urls.allowing(ACCOUNT_HOSTS)? } else { urls };
        Ok(Self {
            endpoint,
            urls,
            headers: HeaderMap::new(),
            tokens,
            limiter: AccountLimiter::new(),
            endpoints: Mutex::default(),
        })
    }

    /// Sends the account's requests, with its token, also to other hosts than the endpoint's and
    /// Amazon's own, if the cloud names them: names separated by commas, where `*` stands for part of
    /// a name, up to the next dot.
    ///
    /// # Errors
    /// `Invalid` for a text that is not a host.
    pub fn with_allowed_hosts(mut self, hosts: &str) -> Result<Self> {
        self.urls = self.urls.allowing(hosts)?;
        Ok(self)
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
            .signed(cx, || ApiRequest::new(Operation::Info, Method::GET, &url, "account/endpoint"))
            .await?
            .read()
            .await?;
        let found: EndpointAnswer = decoded(&reply, StatusCode::OK)?;
        let (Some(content_url), Some(metadata_url)) = (found.content_url, found.metadata_url)
        else {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
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
        // Before they are kept for days.
        self.urls.check_token(&endpoints.content_url)?;
        self.urls.check_token(&endpoints.metadata_url)?;
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

    async fn get<T: DeserializeOwned>(
        &self,
        cx: &Context,
        operation: Operation,
        path: &str,
        template: &'static str,
        complete: impl Fn(ApiRequest) -> ApiRequest,
    ) -> Result<T> {
        let reply = self
            .ask(cx, path, |url| complete(ApiRequest::new(operation, Method::GET, url, template)))
            .await?;
        decoded(&reply, StatusCode::OK)
    }

    /// Asks the metadata endpoint.
    async fn ask(
        &self,
        cx: &Context,
        path: &str,
        call: impl Fn(&str) -> ApiRequest,
    ) -> Result<ApiResponse> {
        let url = format!("{}{path}", self.endpoints(cx).await?.metadata_url);
        self.signed(cx, || call(&url)).await?.read().await
    }

    /// Sends a request with a token; once more with another one if the cloud refuses it.
    async fn signed(&self, cx: &Context, call: impl Fn() -> ApiRequest) -> Result<StreamResponse> {
        let token = self.tokens.token(cx).await?;
        let send = |token: &Secret| {
            let call = call().headers(&self.headers).with_limiter(&self.limiter);
            transport::Client::new(cx).fetch(call.bearer(token, &self.urls))
        };
        let answer = send(&token).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !self.tokens.is_renewable() {
            return Ok(answer);
        }
        let token = self.tokens.renew(cx, &token).await?;
        send(&token).await
    }
}

/// The decoded answer, if its status is the one that the request promises.
fn decoded<T: DeserializeOwned>(reply: &ApiResponse, status: StatusCode) -> Result<T> {
    match reply.status {
        found if found == status => reply.json(),
        found if found.is_success() => {
            Err(Error::new(ErrorKind::Unexpected, format!("{status} was to be answered"))
                .with_status(found.as_u16()))
        }
        _ => Err(failure(reply)),
    }
}
