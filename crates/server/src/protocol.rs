//! The contract between the request pipeline and a protocol.
//!
//! A protocol parses a request once, in [`Protocol::route`]. The pipeline reads the properties that
//! it needs from the result (operation, account, cost), and passes the parsed request to
//! [`Protocol::handle`].

use std::{future::Future, sync::Arc};

use axum::{
    body::Body,
    http::{StatusCode, request::Parts},
    response::Response,
};
use futures::future::BoxFuture;

use crate::{
    account::AuthError, base_url::BaseUrl, cross_site::CrossSite, faults::Connection, grant::Grant,
    secret_urls::SecretUrl, state::ServerState,
};

/// A protocol that the server speaks.
pub(crate) trait Protocol {
    /// A parsed request.
    type Request: Send + 'static;

    /// Properties of all requests of the protocol.
    const DECLARATION: Declaration;

    /// Parses a request. `None` if its path belongs to another protocol. A malformed request of
    /// this protocol is routed too: [`handle`](Self::handle) returns the error response.
    fn route(state: &ServerState, parts: &Parts) -> Option<Routed<Self::Request>>;

    /// Serves a request and returns its response.
    fn handle(
        request: Self::Request,
        context: RequestContext,
        parts: Parts,
        body: Body,
    ) -> impl Future<Output = Response> + Send;
}

/// Properties of all requests of a protocol.
pub(crate) struct Declaration {
    /// Returns the names of its operations, for counters, the request log and fault rules.
    pub operations: fn() -> &'static [&'static str],
    /// Positions of secrets in the URLs that the protocol creates. They are declared per protocol and
    /// not per request, because a URL that no protocol parses may hold a valid secret too.
    pub secret_urls: &'static [SecretUrl],
    /// Names of the JSON members in its responses that hold a file's hash.
    pub hash_members: &'static [&'static str],
    /// The response to a request that exceeds the account's budget.
    pub over_budget: OverBudget,
    /// Creates an error response with the protocol's body, for injected faults and for requests that
    /// the pipeline rejects.
    pub failure: fn(StatusCode) -> Response,
}

/// A protocol's response to a request that exceeds the account's budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OverBudget {
    /// The status. A number, because Live Connect's 420 is not registered.
    pub status: u16,
    /// Whether `Retry-After` is sent.
    pub retry_after: bool,
    /// Whether `RateLimit-*` headers are sent once most of the budget is used.
    pub rate_limit_headers: bool,
}

impl OverBudget {
    /// 429 without headers.
    pub(crate) const BARE: Self =
        Self { status: 429, retry_after: false, rate_limit_headers: false };
}

/// A parsed request with the properties that the pipeline needs.
#[derive(Debug)]
pub(crate) struct Routed<R> {
    /// The name of the operation: one of the protocol's [`operations`](Declaration::operations).
    pub operation: &'static str,
    /// The name of the account in the URL. `None`: the access token determines the account.
    pub account: Option<String>,
    /// The id of the upload session that the request belongs to, if any.
    pub session: Option<String>,
    /// Cost in resource units.
    pub cost: u32,
    /// Whether web pages of other sites may send it.
    pub cross_site: CrossSite,
    /// The parsed request, for [`Protocol::handle`].
    pub request: R,
}

impl<R> Routed<R> {
    /// Creates a request that costs nothing and is rejected when another site sends it.
    pub(crate) fn new(operation: &'static str, request: R) -> Self {
        Self {
            operation,
            account: None,
            session: None,
            cost: 0,
            cross_site: CrossSite::Refused,
            request,
        }
    }

    /// Sets the cost, in resource units.
    pub(crate) fn cost(self, cost: u32) -> Self {
        Self { cost, ..self }
    }

    /// Sets the account that the URL contains.
    pub(crate) fn account(self, account: Option<String>) -> Self {
        Self { account, ..self }
    }

    /// Converts the parsed request by `wrap`, and keeps its properties.
    pub(crate) fn map<T>(self, wrap: impl FnOnce(R) -> T) -> Routed<T> {
        let Self { operation, account, session, cost, cross_site, request } = self;
        Routed { operation, account, session, cost, cross_site, request: wrap(request) }
    }
}

/// The context of a request, for its handler.
#[derive(Clone)]
pub(crate) struct RequestContext {
    pub state: Arc<ServerState>,
    /// The beginning of the URLs in the response.
    pub base_url: BaseUrl,
    /// The rights of the access token, or the reason why it grants none.
    pub grant: Result<Grant, AuthError>,
    /// Whether a fault rule makes the request's credentials expired. `grant` already reflects it for
    /// an access token; handlers of pre-authenticated URLs must check it.
    pub expired: bool,
    /// The connection of the request.
    pub connection: Connection,
    /// Serves a request that is embedded in this one.
    pub nested: ServeNested,
}

/// Serves a request that is embedded in another one, such as a part of a batch, given its head and
/// its body. It gets its own log entry, fault decision and budget charge.
pub(crate) type ServeNested =
    fn(Arc<ServerState>, Connection, BaseUrl, Parts, Body) -> BoxFuture<'static, Response>;
