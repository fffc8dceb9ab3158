//! A parsed request of this protocol.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, Method, StatusCode, header, request::Parts};

use super::{
    contract::{Contract, Payload},
    copy,
    dialect::Dialect,
    error::{Error, Result},
    links,
    query::QueryOptions,
    scopes::{self, FileScope, Permissions, ScopeRequirement},
    select::Selection,
    sessions,
    table::GraphRoute,
};
use crate::{
    account::{Account, AuthError},
    account_kind::AccountKind,
    base_url::BaseUrl,
    faults::Connection,
    grant::Grant,
    headers,
    permissions::Principal,
    protocol::{RequestContext, ServeNested},
    state::ServerState,
    tree::Role,
};

/// The base paths of the protocol, and their dialects.
const BASES: [(&str, Dialect); 3] =
    [("/v1.0", Dialect::Graph), ("/beta", Dialect::Graph), ("/_api/v2.0", Dialect::Direct)];

/// A request without its body.
#[derive(Debug)]
pub(super) struct GraphRequest {
    pub(super) state: Arc<ServerState>,
    pub(super) base_url: BaseUrl,
    /// The grant of the request's token, or the reason why the token is not valid.
    pub(super) grant: Result<Grant, AuthError>,
    /// The files that the token's permission for this operation covers.
    pub(super) files: FileScope,
    /// The files that the token can change.
    pub(super) writable: FileScope,
    /// The role that the operation needs for the item that it addresses.
    pub(super) needs: Role,
    /// Whether the token covers files of other users that the user has access to.
    pub(super) covers_others: bool,
    /// The connection of the request.
    pub(super) connection: Connection,
    /// Serves a request of a batch.
    pub(super) nested: ServeNested,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) query: QueryOptions,
    /// `$select` and `$expand`. Selects everything until [`accept`](Self::accept) checked them.
    pub(super) selection: Selection,
    /// The base of the path, such as `/v1.0`.
    pub(super) base: &'static str,
    /// The path after the base, still percent-encoded.
    pub(super) path: String,
    pub(super) dialect: Dialect,
}

/// Splits a path into its base and the rest. Returns the dialect too, or `None` for another base.
fn base(path: &str) -> Option<(&'static str, Dialect, &str)> {
    BASES.iter().find_map(|(base, dialect)| {
        let rest = path.strip_prefix(base)?;
        (rest.is_empty() || rest.starts_with('/')).then_some((*base, *dialect, rest))
    })
}

/// Returns the effective method of a request. A POST may name another method in the header
/// `X-HTTP-Method-Override` (onedrive-graph#verb-tunneling); a value that cannot be a method's name
/// is ignored.
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

/// The kinds of paths that the protocol serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathKind {
    /// An upload URL.
    Session,
    /// The URL of the monitor of a copy.
    Monitor,
    /// A sharing link.
    Link,
    /// A path below a base.
    Api,
}

/// Method and path of a request.
#[derive(Debug)]
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) kind: PathKind,
    /// The base of the path; `/v1.0` for URLs without a base.
    pub(super) base: &'static str,
    /// The path without the base.
    pub(super) path: String,
    pub(super) dialect: Dialect,
}

impl RequestLine {
    /// Reads method and path from the head of a request. Returns `None` for a path of another
    /// protocol.
    pub(super) fn parse(parts: &Parts) -> Option<Self> {
        let path = parts.uri.path();
        let without_base = [
            (sessions::PREFIX, PathKind::Session),
            (copy::PREFIX, PathKind::Monitor),
            (links::PREFIX, PathKind::Link),
        ];
        let (kind, (base, dialect, path)) =
            match without_base.into_iter().find(|(prefix, _)| path.starts_with(prefix)) {
                Some((_, kind)) => (kind, (BASES[0].0, BASES[0].1, path)),
                None => (PathKind::Api, base(path)?),
            };
        Some(Self { method: method(parts), kind, base, path: path.to_owned(), dialect })
    }
}

impl GraphRequest {
    /// Creates a request from its parts.
    pub(super) fn new(
        context: RequestContext,
        line: RequestLine,
        query: QueryOptions,
        headers: HeaderMap,
    ) -> Self {
        let RequestLine { method, base, path, dialect, .. } = line;
        let RequestContext { state, base_url, grant, connection, nested, .. } = context;
        Self {
            state,
            base_url,
            grant,
            files: FileScope::All,
            writable: FileScope::All,
            needs: Role::Read,
            covers_others: false,
            connection,
            nested,
            method,
            headers,
            query,
            selection: Selection::default(),
            base,
            path,
            dialect,
        }
    }

    /// Sets base and dialect to those of `wanted`, a base such as `/v1.0` without a slash at the
    /// end: that of the request that created the URL of this one. Has no effect if `wanted` is not
    /// a base of the protocol.
    pub(super) fn use_base(&mut self, wanted: &str) {
        if let Some((base, dialect)) = BASES.iter().find(|(base, _)| *base == wanted) {
            (self.base, self.dialect) = (base, *dialect);
        }
    }

    /// Checks the query, the preferences and the body against a contract, and stores the selection
    /// for the handler. Returns the body. `selection` is the parsed `$select` and `$expand`, or the
    /// error of the parser.
    ///
    /// # Errors
    /// The error in `selection`; 400 for an option or a body member that the cloud refuses or a
    /// body that ends early or is no JSON, 413 for a body over the contract's limit, 501 for an
    /// option, a preference or a body member that is not implemented.
    pub(super) async fn accept(
        &mut self,
        contract: &Contract,
        selection: Result<Selection>,
        body: Body,
    ) -> Result<Payload> {
        contract.check_query(&self.query)?;
        self.selection = selection?;
        contract.check_preferences(&self.headers)?;
        contract.read_body(body).await
    }

    /// Checks that the token has the permission for a route, and restricts the request to the files
    /// that the permission covers.
    ///
    /// # Errors
    /// 401 if the token is missing, unknown, expired, for another resource or grants nothing; 403
    /// if it does not have the permission.
    pub(super) fn authorize(&mut self, route: &GraphRoute) -> Result<()> {
        let permissions = Permissions::from_grant(self.valid_grant()?);
        if permissions.is_empty() {
            return Err(Self::no_permissions());
        }
        self.files = permissions.check(route.requirement)?;
        self.writable = permissions.writable();
        self.needs = route.needs();
        self.covers_others = permissions.covers_others(self.needs > Role::Read);
        Ok(())
    }

    /// Checks that the token has a permission for other users than its own.
    ///
    /// # Errors
    /// 401 if the token is missing, unknown, expired or for another resource; 403 if it does not
    /// have the permission.
    pub(super) fn check_other_users(&self) -> Result<()> {
        Permissions::from_grant(self.valid_grant()?).check(ScopeRequirement::Users).map(drop)
    }

    /// Returns the grant of the request's token.
    ///
    /// # Errors
    /// 401 if the token is missing, unknown, expired or for another resource.
    pub(super) fn valid_grant(&self) -> Result<&Grant> {
        let grant = self.grant.as_ref().map_err(|refusal| self.unauthenticated(*refusal))?;
        match scopes::accepts(grant, self.dialect == Dialect::Direct) {
            true => Ok(grant),
            false => Err(self.unauthenticated(AuthError::Audience)),
        }
    }

    /// Returns the user or the application that the request acts for.
    ///
    /// # Errors
    /// 401 if the token is missing, unknown, expired or for another resource; 507 if the user's drive
    /// cannot be created because the disk of the storage is full; 500 if the storage fails.
    pub(super) async fn principal(&self) -> Result<Principal> {
        let grant = self.valid_grant()?;
        if grant.is_app {
            let (client, tenant) = (grant.client.as_deref(), grant.tenant.as_deref());
            return Ok(Principal::for_application(client, tenant));
        }
        let account = self.state.accounts.open(&grant.account).await?;
        Ok(Principal::for_user(&self.state.accounts, &account))
    }

    /// Returns whether a `Prefer` header has a preference, in any case.
    pub(super) fn prefers(&self, preference: &str) -> bool {
        let values = self.headers.get_all("prefer").into_iter();
        let values = values.filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .filter_map(|one| one.split(['=', ';']).next())
            .any(|name| name.trim().eq_ignore_ascii_case(preference))
    }

    /// Returns the kind of an account: the one in its name, else the server's.
    pub(super) fn kind(&self, account: &Account) -> AccountKind {
        self.state.accounts.kind(account)
    }

    /// Returns 401 with a challenge, which lets clients distinguish an expired token from an
    /// invalid one (onedrive-graph#auth-challenge).
    fn unauthenticated(&self, refusal: AuthError) -> Error {
        let code = match self.dialect {
            Dialect::Graph => "InvalidAuthenticationToken",
            Dialect::Direct => "unauthenticated",
        };
        let (message, error) = match refusal {
            AuthError::Missing => ("Access token is empty.", "invalid_request"),
            AuthError::Invalid => ("Access token validation failure.", "invalid_token"),
            AuthError::Expired => {
                ("Lifetime validation failed, the token is expired.", "expired_token")
            }
            AuthError::Audience => {
                ("Access token validation failure. Invalid audience.", "invalid_token")
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

    /// Returns a URL on this server: the base of the request and `path`, which begins with a slash
    /// and is percent-encoded.
    pub(super) fn url(&self, path: &str) -> String {
        self.base_url.url(&format!("{}{path}", self.base))
    }

    /// Returns the host that serves content and web pages of a drive: the cloud's host if the
    /// server stands in for the cloud, else this server.
    pub(super) fn content_host(&self, kind: AccountKind) -> &str {
        if self.base_url.is_cloud() { kind.content_host() } else { self.base_url.host() }
    }

    /// Returns a URL on the content host of a drive of the account kind `kind`. `path` begins with
    /// a slash and is percent-encoded.
    pub(super) fn content_url(&self, kind: AccountKind, path: &str) -> String {
        self.base_url.url_on(kind.content_host(), path)
    }

    /// Returns the request's URL with one query option replaced, for a link to the next page.
    /// `option` includes its `$`, if it has one; `value` needs no percent-encoding.
    pub(super) fn link(&self, option: &str, value: &str) -> String {
        let mut rest = self.query.without(option.strip_prefix('$').unwrap_or(option));
        if !rest.is_empty() {
            rest.push('&');
        }
        self.url(&format!("{}?{rest}{option}={value}", self.path))
    }

    /// Returns the value of the first header of that name; `None` if it is missing or has other
    /// characters than visible ASCII, spaces and tabs.
    pub(super) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the declared size of the body in bytes.
    ///
    /// # Errors
    /// 411 without a `Content-Length` header, or if its value is no number: the cloud refuses
    /// chunked bodies too.
    pub(super) fn content_length(&self) -> Result<u64> {
        headers::content_length(&self.headers).ok_or_else(|| {
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

    #[test]
    fn the_path_determines_the_kind_of_the_url() {
        let kind = |path: &str| {
            let request = http::Request::get(path).body(()).expect("a request");
            RequestLine::parse(&request.into_parts().0).map(|line| line.kind)
        };
        assert_eq!(kind("/v1.0/me"), Some(PathKind::Api));
        assert_eq!(kind("/rup/~ann/uploadSession?tempauth=1"), Some(PathKind::Session));
        assert_eq!(kind("/monitor/x"), Some(PathKind::Monitor));
        assert_eq!(kind("/s/s!x"), Some(PathKind::Link));
        assert_eq!(kind("/s1p/x"), None);
        assert_eq!(kind("/drive/v1/nodes"), None);
    }
}
