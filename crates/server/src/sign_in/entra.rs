//! Sign-in of Microsoft Entra, as at login.microsoftonline.com (onedrive-graph#sign-in).
//!
//! All tenants are served. Any client id and any client secret are accepted, in the form or by HTTP
//! Basic. The grant type `client_credentials` opens the default account's drive; on a private server
//! the client secret must be the server's access token.

use axum::{body::Body, response::Response};
use http::{HeaderMap, Method, StatusCode, request::Parts};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Form, code_for, consent, exchange_code, json_response, redirect_to};
use crate::{
    account::Grant,
    cross_site::CrossSite,
    graph::RequestIds,
    protocol::{Declaration, OverBudget, Protocol, RequestContext, Routed},
    responses::text,
    state::ServerState,
};

/// The sign-in of Microsoft Entra.
pub(crate) struct Entra;

/// A request, classified by its path and method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntraRequest {
    Token,
    Authorize,
    Unknown,
}

/// The ends of the paths, after the tenant.
const TOKEN_PATH: &str = "/oauth2/v2.0/token";
const AUTHORIZE_PATH: &str = "/oauth2/v2.0/authorize";

const TOKEN: &str = "entra.token";
const AUTHORIZE: &str = "entra.authorize";
const UNKNOWN: &str = "entra.unknown";

/// The scopes that are granted if a request names none.
const SCOPE: &str = "Files.ReadWrite.All offline_access";

impl Protocol for Entra {
    type Request = EntraRequest;

    const DECLARATION: Declaration = Declaration {
        operations: || &[TOKEN, AUTHORIZE, UNKNOWN],
        secret_urls: &[],
        hash_members: &[],
        over_budget: OverBudget::BARE,
        failure,
    };

    fn route(_: &ServerState, parts: &Parts) -> Option<Routed<EntraRequest>> {
        let path = parts.uri.path();
        let (is_token, is_authorize) = (tenant(path, TOKEN_PATH), tenant(path, AUTHORIZE_PATH));
        if !is_token && !is_authorize {
            return None;
        }
        Some(match parts.method {
            Method::POST if is_token => Routed::new(TOKEN, EntraRequest::Token),
            Method::GET | Method::POST if is_authorize => Routed {
                cross_site: CrossSite::SignInPage,
                ..Routed::new(AUTHORIZE, EntraRequest::Authorize)
            },
            _ => Routed::new(UNKNOWN, EntraRequest::Unknown),
        })
    }

    async fn handle(
        request: EntraRequest,
        context: RequestContext,
        parts: Parts,
        body: Body,
    ) -> Response {
        let state = &context.state;
        match request {
            EntraRequest::Token => match token(state, &parts.headers, body).await {
                Ok(tokens) => json_response(StatusCode::OK, &tokens),
                Err(error) => error.into_response(&parts.headers),
            },
            EntraRequest::Authorize => match consent(state, &parts.method, body).await {
                Ok(()) => authorize(state, &context, parts.uri.query().unwrap_or_default()),
                Err(page) => *page,
            },
            EntraRequest::Unknown => text(
                StatusCode::METHOD_NOT_ALLOWED,
                "cannot use this method: POST is for the token endpoint, GET for the authorize endpoint",
            ),
        }
    }
}

/// Returns an error response for an injected fault.
fn failure(status: StatusCode) -> Response {
    let error = match status {
        StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    };
    let body = json!({"error": error, "error_description": "The server failed on demand."});
    json_response(status, &body)
}

/// Whether a path consists of one segment, the tenant, and `rest`.
fn tenant(path: &str, rest: &str) -> bool {
    path.strip_suffix(rest)
        .and_then(|tenant| tenant.strip_prefix('/'))
        .is_some_and(|tenant| !tenant.is_empty() && !tenant.contains('/'))
}

/// An error response of the token endpoint.
#[derive(Debug, PartialEq, Eq)]
struct EntraError {
    /// The OAuth error code.
    error: &'static str,
    /// Entra's error number.
    number: u32,
    description: String,
}

impl EntraError {
    fn new(error: &'static str, number: u32, description: impl Into<String>) -> Self {
        Self { error, number, description: description.into() }
    }

    fn missing(field: &str) -> Self {
        let description =
            format!("The request body must contain the following parameter: '{field}'.");
        Self::new("invalid_request", 900_144, description)
    }

    fn into_response(self, headers: &HeaderMap) -> Response {
        let status = match self.error {
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            "invalid_client" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        let ids = RequestIds::from_headers(headers);
        let body = json!({
            "error": self.error,
            "error_description": format!("AADSTS{}: {}", self.number, self.description),
            "error_codes": [self.number],
            "timestamp": Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            "trace_id": ids.request,
            "correlation_id": ids.client,
        });
        json_response(status, &body)
    }
}

/// Issues tokens for a request to the token endpoint.
async fn token(state: &ServerState, headers: &HeaderMap, body: Body) -> Result<Value, EntraError> {
    let form = Form::read(body).await.map_err(|error| {
        EntraError::new("invalid_request", 900_561, format!("The form could not be read: {error}."))
    })?;
    let required = |name: &str| form.get(name).ok_or_else(|| EntraError::missing(name));
    let client = form.client(headers).ok_or_else(|| EntraError::missing("client_id"))?;
    let (grant, has_refresh_token) = match required("grant_type")? {
        "refresh_token" => {
            let grant =
                state.accounts.refresh_grant(required("refresh_token")?).ok_or_else(|| {
                    EntraError::new(
                        "invalid_grant",
                        70_000,
                        "The refresh token is not valid or expired.",
                    )
                })?;
            (grant, true)
        }
        "authorization_code" => {
            let redirect = required("redirect_uri")?;
            let grant = exchange_code(state, required("code")?, &client, redirect)
                .map_err(|error| EntraError::new("invalid_grant", 70_008, error.to_string()))?;
            let has_refresh_token = grant.scope.as_deref().is_none_or(is_offline);
            (grant, has_refresh_token)
        }
        "client_credentials" => {
            let secret = form.secret(headers).unwrap_or_default();
            if !state.accounts.settings().tokens.public
                && !state.accounts.settings().tokens.is_own(&secret)
            {
                let description =
                    "Invalid client secret provided: on this server it is its access token.";
                return Err(EntraError::new("invalid_client", 7_000_215, description));
            }
            (Grant::new("", None), false)
        }
        other => {
            let description = format!("The grant type '{other}' is not supported.");
            return Err(EntraError::new("unsupported_grant_type", 70_003, description));
        }
    };
    Ok(tokens(state, &grant, has_refresh_token))
}

/// Whether scopes include refresh tokens.
fn is_offline(scope: &str) -> bool {
    scope.split_whitespace().any(|word| word == "offline_access")
}

/// Returns the body of a successful response of the token endpoint.
fn tokens(state: &ServerState, grant: &Grant, has_refresh_token: bool) -> Value {
    let life = state.accounts.settings().token_life.as_secs();
    let mut tokens = json!({
        "token_type": "Bearer",
        "scope": grant.scope.as_deref().unwrap_or(SCOPE),
        "expires_in": life,
        "ext_expires_in": life,
        "access_token": state.accounts.issue_access(grant),
    });
    if has_refresh_token {
        tokens["refresh_token"] = state.accounts.issue_refresh(grant).into();
    }
    tokens
}

/// Returns a redirect with an authorization code.
fn authorize(state: &ServerState, context: &RequestContext, query: &str) -> Response {
    let query = Form::parse(query);
    let Some(redirect) = query.get("redirect_uri") else {
        return text(StatusCode::BAD_REQUEST, "The request has no redirect_uri.");
    };
    let Some(target) = context.base_url.redirect_target(redirect) else {
        let reason =
            "This server redirects only to this machine (http://localhost, 127.0.0.1, [::1]).";
        return text(StatusCode::BAD_REQUEST, reason);
    };
    let mut parameters = match (query.get("response_type"), query.get("client_id")) {
        (Some("code"), Some(client)) => {
            let grant = Grant::new("", Some(query.get("scope").unwrap_or(SCOPE).to_owned()));
            vec![("code", code_for(state, grant, client, redirect))]
        }
        (_, None) => error("invalid_request", "The request has no client_id."),
        (_, Some(_)) => error("unsupported_response_type", "The response type is 'code'."),
    };
    if let Some(state) = query.get("state") {
        parameters.push(("state", state.to_owned()));
    }
    redirect_to(target, &parameters, false)
}

/// Returns the parameters of a redirect with an error.
fn error(error: &str, description: &str) -> Vec<(&'static str, String)> {
    vec![("error", error.to_owned()), ("error_description", description.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serves(path: &str) -> bool {
        tenant(path, TOKEN_PATH) || tenant(path, AUTHORIZE_PATH)
    }

    #[test]
    fn every_tenant_has_a_token_address() {
        for tenant in ["common", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad", "a.example"] {
            assert!(serves(&format!("/{tenant}/oauth2/v2.0/token")), "{tenant}");
            assert!(serves(&format!("/{tenant}/oauth2/v2.0/authorize")), "{tenant}");
        }
        for path in ["/oauth2/v2.0/token", "//oauth2/v2.0/token", "/a/b/oauth2/v2.0/token"] {
            assert!(!serves(path), "{path}");
        }
    }
}
