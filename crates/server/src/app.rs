//! What every front end of a server shares.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    body::Body,
    extract::Request,
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{
    access::StandingTokens,
    account::{Accounts, Grant, Refusal},
    amazon::Amazon,
    control::State,
    cross_site::Allowed,
    graph::{AccountKind, Graph},
    limits::Load,
    live::{Live, bits::Bits, pictures::Pictures, sharing::Links},
    media::Thumbnails,
    oauth::OAuth,
    observe::Link,
    origin::Origin,
    seal::Seal,
    secret_urls::SecretUrl,
    tickets::Downloads,
    tree::Tree,
};

/// What a server was started with, as far as its answers depend on it.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// What a drive may hold, in bytes; `None`: what the tree gives it.
    pub quota: Option<u64>,
    /// How long every request waits before anything else happens.
    pub latency: Duration,
    /// How long an access token lives.
    pub token_life: Duration,
    /// How long a ticket lives.
    pub ticket_life: Duration,
    /// How long an upload session lives.
    pub session_life: Duration,
    /// The kind of accounts whose name does not say it.
    pub kind: AccountKind,
    /// Tokens that are valid without a sign-in.
    pub tokens: StandingTokens,
    /// Hosts and origins that the server accepts besides its own.
    pub allowed: Allowed,
}

/// A server's inside: what is kept, and what every protocol needs.
#[derive(Debug)]
pub(super) struct App {
    pub tree: Arc<dyn Tree>,
    pub seal: Seal,
    pub settings: Settings,
    pub accounts: Accounts,
    pub control: State,
    pub oauth: OAuth,
    pub load: Load,
    pub thumbnails: Thumbnails,
}

/// One request as every front end sees it, besides the request itself.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// Where URLs in the answer begin.
    pub origin: Origin,
    /// What its access token allows.
    pub grant: Result<Grant, Refusal>,
    /// Whether a fault rule wants what lets it in to be too old; a token is told so by `grant`.
    pub expired: bool,
    /// The connection it came by.
    pub link: Link,
}

/// One protocol: what it serves, how it calls that, and how it answers.
#[async_trait]
pub(super) trait FrontEnd: Send + Sync {
    /// What its operations are called in counters, the request log and fault rules.
    fn operations(&self) -> &'static [&'static str];

    /// Whether a path is this protocol's.
    fn serves(&self, path: &str) -> bool;

    /// What a request is called: one of [`operations`](Self::operations).
    fn operation(&self, request: &Parts) -> &'static str;

    /// Whose drive a request is about, where it says so itself and not by its token.
    fn drive(&self, app: &App, request: &Parts) -> Option<String> {
        let _ = (app, request);
        None
    }

    /// The upload session that a request is about.
    fn session(&self, request: &Parts) -> Option<String> {
        let _ = request;
        None
    }

    /// What fields of its answers are called that tell hashes of files.
    fn hashes(&self) -> &'static [&'static str] {
        &[]
    }

    /// Where the URLs that this protocol creates have secrets.
    fn secret_urls(&self) -> &'static [SecretUrl] {
        &[]
    }

    /// Answers a request.
    async fn answer(&self, app: &Arc<App>, exchange: Exchange, request: Request) -> Response;

    /// How the protocol words a failure that a fault rule asked for.
    fn failure(&self, status: StatusCode) -> Response;
}

/// Every front end, asked in this order for the one that serves a path.
pub(super) fn front_ends() -> &'static [&'static dyn FrontEnd] {
    &[
        &Live,
        &Bits,
        &Pictures,
        &Links,
        &Graph,
        &Amazon,
        &Downloads,
        &super::live::sign_in::SignIn,
        &super::graph::SignIn,
    ]
}

/// The front end that serves a path.
pub(super) fn front_end(path: &str) -> Option<&'static dyn FrontEnd> {
    front_ends().iter().copied().find(|front_end| front_end.serves(path))
}

/// Whether a fault rule's pattern names anything that is ever counted.
pub(super) fn is_operation(matches: impl Fn(&str) -> bool) -> bool {
    front_ends().iter().any(|front_end| front_end.operations().iter().any(|name| matches(name)))
}

/// An answer of plain text.
pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Response {
    let mut response = Response::new(Body::from(text.into() + "\n"));
    *response.status_mut() = status;
    response.headers_mut().insert(
        axum::http::header::CONTENT_TYPE,
        axum::http::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
