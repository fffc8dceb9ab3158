//! The contract between the pipeline and a protocol.
//!
//! A protocol parses a request once, in [`Protocol::route`]. The pipeline reads from the result what
//! it needs (the operation's name, the account, the cost), and hands the parsed request back to the
//! protocol's handler.

use std::{future::Future, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    http::{StatusCode, request::Parts},
    response::Response,
};
use futures::future::BoxFuture;

use crate::{
    account::{AuthError, Grant},
    base_url::BaseUrl,
    cross_site::CrossSite,
    faults::Connection,
    secret_urls::SecretUrl,
    state::ServerState,
};

/// A protocol that the server speaks.
pub(crate) trait Protocol {
    /// A request as the protocol parsed it.
    type Request: Send + 'static;

    /// Properties of the protocol that hold for all its requests.
    const DECLARATION: Declaration;

    /// Parses a request; `None` if its path belongs to another protocol. A malformed request of
    /// this protocol is routed too: its handler returns the error.
    fn route(state: &ServerState, parts: &Parts) -> Option<Routed<Self::Request>>;

    /// Serves a request.
    fn handle(
        request: Self::Request,
        context: RequestContext,
        parts: Parts,
        body: Body,
    ) -> impl Future<Output = Response> + Send;
}

/// Properties of a protocol that hold for all its requests.
pub(crate) struct Declaration {
    /// Names of its operations, for counters, the request log and fault rules.
    pub operations: fn() -> &'static [&'static str],
    /// Positions of secrets in the URLs that it creates.
    pub secret_urls: &'static [SecretUrl],
    /// Names of the members of its JSON bodies that hold a file's hash.
    pub hash_members: &'static [&'static str],
    /// Its response to a request beyond the account's budget.
    pub over_budget: OverBudget,
    /// Makes its error response with a status, for injected failures and refusals of the pipeline.
    pub failure: fn(StatusCode) -> Response,
}

/// A protocol's response to a request beyond the account's budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OverBudget {
    /// Not every protocol's status is registered.
    pub status: u16,
    /// Whether `Retry-After` is sent.
    pub retry_after: bool,
    /// Whether `RateLimit-*` headers are sent, from a share of the budget on.
    pub rate_limit_headers: bool,
}

impl OverBudget {
    /// 429 without any hint.
    pub(crate) const BARE: Self =
        Self { status: 429, retry_after: false, rate_limit_headers: false };
}

/// A parsed request, and its properties for the pipeline.
#[derive(Debug)]
pub(crate) struct Routed<R> {
    /// One of the protocol's operations.
    pub operation: &'static str,
    /// The account that the URL itself names. `None`: the access token says it.
    pub account: Option<String>,
    /// The id of the upload session that the request is about.
    pub session: Option<String>,
    /// Cost in resource units.
    pub cost: u32,
    /// Whether a web page of another site may send it.
    pub cross_site: CrossSite,
    /// The parsed request, for the handler.
    pub request: R,
}

impl<R> Routed<R> {
    /// Creates a routed request that costs nothing and is refused to other sites.
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

    /// Sets the account that the URL names.
    pub(crate) fn account(self, account: Option<String>) -> Self {
        Self { account, ..self }
    }

    /// Wraps the parsed request.
    pub(crate) fn map<T>(self, wrap: impl FnOnce(R) -> T) -> Routed<T> {
        let Self { operation, account, session, cost, cross_site, request } = self;
        Routed { operation, account, session, cost, cross_site, request: wrap(request) }
    }
}

/// Everything that a handler needs besides the request itself.
#[derive(Clone)]
pub(crate) struct RequestContext {
    pub state: Arc<ServerState>,
    /// The beginning of URLs in the response.
    pub base_url: BaseUrl,
    /// The rights that its access token grants.
    pub grant: Result<Grant, AuthError>,
    /// Whether a fault rule makes its credentials expired. `grant` says so for an access token; a
    /// pre-authenticated URL needs this.
    pub expired: bool,
    /// The connection that it arrived on.
    pub connection: Connection,
    /// Serves a request that arrived inside of this one.
    pub nested: ServeNested,
}

/// Serves a request that arrived inside of another one, as a part of a batch: with a log entry,
/// fault decision and budget of its own.
pub(crate) type ServeNested =
    fn(Arc<ServerState>, Connection, BaseUrl, Request) -> BoxFuture<'static, Response>;
