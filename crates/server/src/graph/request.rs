//! A parsed request of this protocol.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, Method, StatusCode, header, request::Parts};

use super::{
    contract::Payload,
    dialect::Dialect,
    error::{Error, Result},
    query::Query,
    table::Route,
};
use crate::{
    account::{Account, AuthError, Grant},
    account_kind::AccountKind,
    base_url::BaseUrl,
    faults::Connection,
    protocol::{RequestContext, ServeNested},
    state::ServerState,
};

/// Where the protocol is served, and how it is spoken there.
const BASES: [(&str, Dialect); 3] =
    [("/v1.0", Dialect::Graph), ("/beta", Dialect::Graph), ("/_api/v2.0", Dialect::Direct)];

/// Everything of a request but its body.
#[derive(Debug)]
pub(super) struct GraphRequest {
    pub(super) state: Arc<ServerState>,
    pub(super) base_url: BaseUrl,
    pub(super) grant: Result<Grant, AuthError>,
    /// The connection that it arrived on.
    pub(super) connection: Connection,
    /// Serves a request of a batch.
    pub(super) nested: ServeNested,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) query: Query,
    /// How the path began: `/v1.0`.
    pub(super) base: &'static str,
    /// The rest of the path, as it came.
    pub(super) path: String,
    pub(super) dialect: Dialect,
}

/// What a path begins with, and the rest of it.
fn base(path: &str) -> Option<(&'static str, Dialect, &str)> {
    BASES.iter().find_map(|(base, dialect)| {
        let rest = path.strip_prefix(base)?;
        (rest.is_empty() || rest.starts_with('/')).then_some((*base, *dialect, rest))
    })
}

/// The method that is meant: a POST may carry another one in a header
/// (onedrive-graph#verb-tunneling).
fn method(parts: &Parts) -> Method {
    let tunnelled = || {
        let value = parts.headers.get("x-http-method-override")?;
        Method::from_bytes(value.as_bytes()).ok()
    };
    match parts.method {
        Method::POST => tunnelled().unwrap_or(Method::POST),
        _ => parts.method.clone(),
    }
}

/// The method and the address of a request.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) method: Method,
    /// The base of its path; the first one for URLs without a base.
    pub(super) base: &'static str,
    pub(super) has_base: bool,
    /// The path without the base.
    pub(super) path: String,
    pub(super) dialect: Dialect,
}

impl Endpoint {
    pub(super) fn of(parts: &Parts) -> Self {
        let path = parts.uri.path();
        let found = base(path);
        let (base, dialect, path) = found.unwrap_or((BASES[0].0, BASES[0].1, path));
        let (method, path) = (method(parts), path.to_owned());
        Self { method, base, has_base: found.is_some(), path, dialect }
    }
}

impl GraphRequest {
    pub(super) fn new(
        context: RequestContext,
        endpoint: Endpoint,
        query: Query,
        headers: HeaderMap,
    ) -> Self {
        let Endpoint { method, base, path, dialect, .. } = endpoint;
        let RequestContext { state, base_url, grant, connection, nested, .. } = context;
        Self {
            state,
            base_url,
            grant,
            connection,
            nested,
            method,
            headers,
            query,
            base,
            path,
            dialect,
        }
    }

    /// Answers as under another base: that of the request that led here.
    pub(super) fn speak_as(&mut self, wanted: &str) {
        if let Some((base, dialect)) = BASES.iter().find(|(base, _)| *base == wanted) {
            (self.base, self.dialect) = (base, *dialect);
        }
    }

    /// Checks the options and the body by the contract of a route.
    pub(super) async fn accept(&self, route: &Route, body: Body) -> Result<Payload> {
        route.contract.check_query(&self.query)?;
        route.contract.check_preferences(&self.headers)?;
        route.contract.take(body).await
    }

    /// The account that the request's token opens.
    pub(super) async fn account(&self) -> Result<Arc<Account>> {
        match &self.grant {
            Ok(grant) => Ok(self.state.accounts.open(&grant.account).await?),
            Err(refusal) => Err(self.unauthenticated(*refusal)),
        }
    }

    /// The kind of an account: its name's, else the server's.
    pub(super) fn kind(&self, account: &Account) -> AccountKind {
        self.state.accounts.kind(account)
    }

    /// 401, with the challenge by which clients tell an old token from a bad one
    /// (onedrive-graph#auth-challenge).
    fn unauthenticated(&self, refusal: AuthError) -> Error {
        let code = match self.dialect {
            Dialect::Graph => "InvalidAuthenticationToken",
            Dialect::Direct => "unauthenticated",
        };
        let (message, error) = match refusal {
            AuthError::Missing => ("Access token is empty.", "invalid_request"),
            AuthError::Invalid => ("Access token validation failure.", "invalid_token"),
            AuthError::Expired => {
                ("Access token has expired or is not yet valid.", "expired_token")
            }
        };
        let challenge = format!(
            r#"Bearer realm="", authorization_uri="{}", error="{error}", error_description="{message}""#,
            self.base_url.url_on("login.microsoftonline.com", "/common/oauth2/v2.0/authorize"),
        );
        let error = Error::new(StatusCode::UNAUTHORIZED, code, message);
        match challenge.parse() {
            Ok(challenge) => error.header(header::WWW_AUTHENTICATE, challenge),
            Err(_) => error,
        }
    }

    /// A URL below the base that the request came with.
    pub(super) fn url(&self, path: &str) -> String {
        self.base_url.url(&format!("{}{path}", self.base))
    }

    /// The host that bytes and pages of such a drive are on: the cloud's, or this one.
    pub(super) fn content_host(&self, kind: AccountKind) -> &str {
        if self.base_url.is_cloud() { kind.content_host() } else { self.base_url.host() }
    }

    /// A URL on that host.
    pub(super) fn content_url(&self, kind: AccountKind, path: &str) -> String {
        self.base_url.url_on(kind.content_host(), path)
    }

    /// This request's URL with one option of its query replaced: where to go on. The name is
    /// spelled as given, with its `$`.
    pub(super) fn link(&self, option: &str, value: &str) -> String {
        let mut rest = self.query.without(option.strip_prefix('$').unwrap_or(option));
        if !rest.is_empty() {
            rest.push('&');
        }
        self.url(&format!("{}?{rest}{option}={value}", self.path))
    }

    /// A header's value, where there is one that is text.
    pub(super) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// How many bytes the body is said to have. Chunked bodies say nothing and are refused, as the
    /// cloud does.
    pub(super) fn content_length(&self) -> Result<u64> {
        let length = self.header(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
        length.ok_or_else(|| {
            Error::new(
                StatusCode::LENGTH_REQUIRED,
                "invalidRequest",
                "A Content-Length header is required.",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_bases_are_served() {
        assert_eq!(base("/v1.0/me/drive"), Some(("/v1.0", Dialect::Graph, "/me/drive")));
        assert_eq!(base("/beta"), Some(("/beta", Dialect::Graph, "")));
        assert_eq!(base("/_api/v2.0/drives/d"), Some(("/_api/v2.0", Dialect::Direct, "/drives/d")));
        assert_eq!(base("/v1.0x/me"), None);
        assert_eq!(base("/v5.0/me"), None);
    }
}
