//! The unbiased client: one method per request of Live Connect's, decoded answers out.
//!
//! Nothing is repeated, remembered or guessed here, but that a request whose access token is
//! refused (401) is repeated once with a renewed one. Each method's documentation cites its request
//! in live-connect#storage-endpoints.

mod bits;
mod collections;
mod content;
mod form;
mod items;
mod put_bits;
mod resolve;
mod social;

use http::{HeaderMap, Method, StatusCode};
use opendal::raw::Operation;
use serde::de::DeserializeOwned;

pub(super) use self::form::random;
pub use self::{
    bits::{BITS_FILE_MAX, BITS_FRAGMENT, BITS_FRAGMENT_MAX, BitsOpened, BitsReceived, BitsTarget},
    collections::{CAMERA_ROLL, MY_DOCUMENTS, MY_PHOTOS, PUBLIC_DOCUMENTS},
    put_bits::{BitsOptions, BitsProgress, BitsSource},
};
use super::{
    error::refused,
    model::{Quota, User},
};
use crate::{
    adapter::DriveHandle,
    auth::TokenSource,
    drive::{Context, Result, Secret},
    rate_limit::AccountLimiter,
    services::options::base_address,
    transport::{self, ApiRequest, ApiResponse, ResponseLimit, StreamResponse, UrlPolicy, segment},
};

/// The root folder's alias; takes an id's place everywhere but as a destination
/// (live-connect#move-destination-id-only).
pub const ROOT: &str = "me/skydrive";

/// The storage host, to which large uploads go; `{cid}` stands for the account's id
/// (live-connect#bits-urls).
pub const STORAGE_ENDPOINT: &str = "https://cid-{cid}.users.storage.live.com";

/// Live Connect, as one account sees it.
///
/// ```no_run
/// use drivedal::{auth::TokenSource, drive::Context, services::skydrive::{Client, Listing, ROOT}};
///
/// # async fn example(context: &Context) -> drivedal::drive::Result<()> {
/// let client = Client::new("https://apis.live.net/v5.0/", TokenSource::given("EwA…".into()))?;
/// for object in client.files(context, ROOT, &Listing::default()).await?.data {
///     println!("{} {}", object.id, object.name);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    /// Ends with a slash.
    endpoint: String,
    /// Where large uploads go, `{cid}` in it for the account's id; without a slash at its end.
    pub(super) storage: String,
    /// Of the API alone, and of the storage host too.
    urls: UrlPolicy,
    headers: HeaderMap,
    tokens: TokenSource,
    limiter: AccountLimiter,
}

impl Client {
    /// A client of the API at `endpoint`, such as `https://apis.live.net/v5.0/`.
    ///
    /// # Errors
    /// `Invalid` if `endpoint` is no `http` or `https` URL, or has a query.
    pub fn new(endpoint: &str, tokens: TokenSource) -> Result<Self> {
        let endpoint = base_address("the API's endpoint", endpoint)?;
        let urls = UrlPolicy::for_endpoint(&endpoint)?;
        let (headers, limiter) = (HeaderMap::new(), AccountLimiter::new());
        let client = Self { endpoint, storage: String::new(), urls, headers, tokens, limiter };
        client.with_storage(STORAGE_ENDPOINT)
    }

    /// Sends large uploads to another host than [`STORAGE_ENDPOINT`]; `{cid}` in the address stands
    /// for the account's id.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_storage(mut self, endpoint: &str) -> Result<Self> {
        const CID: &str = "0cid0";
        let address = base_address("the storage endpoint", &endpoint.replace("{cid}", CID))?;
        self.storage = address.trim_end_matches('/').replace(CID, "{cid}");
        self.urls = UrlPolicy::for_endpoint(&self.endpoint)?;
        if let Some(host) = url_host(&address) {
            self.urls = self.urls.allowing(&host.replace(CID, "*"))?;
        }
        Ok(self)
    }

    /// The client of a drive that is a SkyDrive; `None`: it is another.
    /// [`DriveHandle::context`] gives what its methods take.
    pub fn of(handle: &DriveHandle) -> Option<&Self> {
        handle.drive().native_client()?.downcast_ref()
    }

    /// Gets another access token, whether or not the one at hand still works.
    ///
    /// # Errors
    /// `Denied` if there is nothing to get it from.
    pub async fn renew_token(&self, cx: &Context) -> Result<()> {
        let stale = self.tokens.token(cx).await?;
        self.tokens.renew(cx, &stale).await.map(drop)
    }

    pub(super) fn tokens(&self) -> &TokenSource {
        &self.tokens
    }

    /// Adds headers to every request to the API; not to those to pre-authenticated addresses.
    pub fn with_headers(mut self, mut headers: HeaderMap) -> Self {
        for value in headers.values_mut() {
            // What a proxy or gateway wants to see may be a secret; so nothing prints it.
            value.set_sensitive(true);
        }
        self.headers = headers;
        self
    }

    /// `GET me`: the account's owner.
    ///
    /// # Errors
    /// See [`drive::ErrorKind`](crate::drive::ErrorKind); so do all methods.
    pub async fn me(&self, cx: &Context) -> Result<User> {
        self.ask(cx, || self.call(Operation::Info, Method::GET, "me", "me")).await
    }

    /// How much the drive holds (live-connect#op-quota).
    pub async fn quota(&self, cx: &Context) -> Result<Quota> {
        let template = "me/skydrive/quota";
        self.ask(cx, || self.call(Operation::Info, Method::GET, template, template)).await
    }

    fn call(
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
                // This cloud does not page by itself.
                Operation::List => ResponseLimit::FOLDER,
                _ => ResponseLimit::for_operation(operation),
            })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        cx: &Context,
        call: impl Fn() -> ApiRequest + Send + Sync,
    ) -> Result<T> {
        self.send(cx, call).await?.json()
    }

    async fn send(
        &self,
        cx: &Context,
        call: impl Fn() -> ApiRequest + Send + Sync,
    ) -> Result<ApiResponse> {
        let (answer, token) = self.signed(cx, call).await?;
        let reply = answer.read().await?;
        match reply.status.is_success() {
            true => Ok(reply),
            false => Err(refused(&reply, Some(&token))),
        }
    }

    /// Sends a request with an access token, and once more with another if that one is refused.
    async fn signed(
        &self,
        cx: &Context,
        call: impl Fn() -> ApiRequest + Send + Sync,
    ) -> Result<(StreamResponse, Secret)> {
        let token = self.tokens.token(cx).await?;
        let answer = transport::Client::new(cx).fetch(call().bearer(&token, &self.urls)).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !self.tokens.is_renewable() {
            return Ok((answer, token));
        }
        // Read, so that its connection can be used again.
        drop(answer.read().await);
        let token = self.tokens.renew(cx, &token).await?;
        Ok((transport::Client::new(cx).fetch(call().bearer(&token, &self.urls)).await?, token))
    }
}

/// The host of a base address, with its port.
fn url_host(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    rest.split('/').next()
}

/// An id, or an alias such as [`ROOT`], as part of a URL.
fn path(id: &str) -> String {
    let segments: Vec<String> = id.split('/').map(|part| segment(part).to_string()).collect();
    segments.join("/")
}
