//! Sign-in as at login.microsoftonline.com (`onedrive-graph.md`, A23): the development account always
//! agrees; a private server wants its access token.
//!
//! Every tenant is served, any client id will do, and any client secret or none, by form or by
//! HTTP Basic. `client_credentials` opens the default account's drive; on a private server the
//! client secret is its access token.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderMap, Method, StatusCode, request::Parts};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::reply::RequestIds;
use crate::{
    account::Grant,
    app::{App, Exchange, FrontEnd, text},
    oauth::{Form, code_for, consent, exchange_code, json_answer, redirect_target, redirect_to},
};

/// Serves sign-in.
pub(crate) struct SignIn;

/// How the path ends, after the tenant.
const TOKEN_PATH: &str = "/oauth2/v2.0/token";
const AUTHORIZE_PATH: &str = "/oauth2/v2.0/authorize";

const TOKEN: &str = "entra.token";
const AUTHORIZE: &str = "entra.authorize";
const UNKNOWN: &str = "entra.unknown";

/// What is granted when nobody says what.
const SCOPE: &str = "Files.ReadWrite.All offline_access";

#[async_trait]
impl FrontEnd for SignIn {
    fn operations(&self) -> &'static [&'static str] {
        &[TOKEN, AUTHORIZE, UNKNOWN]
    }

    fn serves(&self, path: &str) -> bool {
        tenant(path, TOKEN_PATH) || tenant(path, AUTHORIZE_PATH)
    }

    fn operation(&self, request: &Parts) -> &'static str {
        let path = request.uri.path();
        match request.method {
            Method::POST if tenant(path, TOKEN_PATH) => TOKEN,
            Method::GET | Method::POST if tenant(path, AUTHORIZE_PATH) => AUTHORIZE,
            _ => UNKNOWN,
        }
    }

    async fn answer(&self, app: &Arc<App>, exchange: Exchange, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        match self.operation(&parts) {
            TOKEN => match token(app, &parts.headers, body).await {
                Ok(tokens) => json_answer(StatusCode::OK, &tokens),
                Err(refusal) => refusal.answer(&parts.headers),
            },
            AUTHORIZE => match consent(app, &parts.method, body).await {
                Ok(()) => authorize(app, &exchange, parts.uri.query().unwrap_or_default()),
                Err(page) => *page,
            },
            _ => text(StatusCode::METHOD_NOT_ALLOWED, "POST the token address, GET the other."),
        }
    }

    fn failure(&self, status: StatusCode) -> Response {
        let error = match status {
            StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request",
        };
        let body = json!({"error": error, "error_description": "The server failed on demand."});
        json_answer(status, &body)
    }
}

/// Whether a path is one segment, the tenant, and this.
fn tenant(path: &str, rest: &str) -> bool {
    path.strip_suffix(rest)
        .and_then(|tenant| tenant.strip_prefix('/'))
        .is_some_and(|tenant| !tenant.is_empty() && !tenant.contains('/'))
}

/// Why tokens are refused: OAuth's word, Entra's number, a sentence.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    error: &'static str,
    number: u32,
    why: String,
}

impl Refusal {
    fn new(error: &'static str, number: u32, why: impl Into<String>) -> Self {
        Self { error, number, why: why.into() }
    }

    fn missing(field: &str) -> Self {
        let why = format!("The request body must contain the following parameter: '{field}'.");
        Self::new("invalid_request", 900_144, why)
    }

    fn answer(self, headers: &HeaderMap) -> Response {
        let status = match self.error {
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            "invalid_client" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        let ids = RequestIds::of(headers);
        let body = json!({
            "error": self.error,
            "error_description": format!("AADSTS{}: {}", self.number, self.why),
            "error_codes": [self.number],
            "timestamp": Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            "trace_id": ids.request,
            "correlation_id": ids.client,
        });
        json_answer(status, &body)
    }
}

async fn token(app: &App, headers: &HeaderMap, body: Body) -> Result<Value, Refusal> {
    let form = Form::read(body).await.map_err(|error| {
        Refusal::new("invalid_request", 900_561, format!("The form could not be read: {error}."))
    })?;
    let required = |name: &str| form.get(name).ok_or_else(|| Refusal::missing(name));
    let client = form.client(headers).ok_or_else(|| Refusal::missing("client_id"))?;
    let (grant, renews) = match required("grant_type")? {
        "refresh_token" => {
            let grant = app.refresh_grant(required("refresh_token")?).ok_or_else(|| {
                Refusal::new("invalid_grant", 70_000, "The refresh token is not valid or expired.")
            })?;
            (grant, true)
        }
        "authorization_code" => {
            let redirect = required("redirect_uri")?;
            let grant = exchange_code(app, required("code")?, &client, redirect)
                .map_err(|why| Refusal::new("invalid_grant", 70_008, why))?;
            let renews = grant.scope.as_deref().is_none_or(is_offline);
            (grant, renews)
        }
        "client_credentials" => {
            let secret = form.secret(headers).unwrap_or_default();
            if !app.settings.tokens.public && !app.settings.tokens.is_own(&secret) {
                let why = "Invalid client secret provided: on this server it is its access token.";
                return Err(Refusal::new("invalid_client", 7_000_215, why));
            }
            (Grant::new("", None), false)
        }
        other => {
            let why = format!("The grant type '{other}' is not supported.");
            return Err(Refusal::new("unsupported_grant_type", 70_003, why));
        }
    };
    Ok(tokens(app, &grant, renews))
}

fn is_offline(scope: &str) -> bool {
    scope.split_whitespace().any(|word| word == "offline_access")
}

/// What the token address answers.
fn tokens(app: &App, grant: &Grant, renews: bool) -> Value {
    let life = app.settings.token_life.as_secs();
    let mut tokens = json!({
        "token_type": "Bearer",
        "scope": grant.scope.as_deref().unwrap_or(SCOPE),
        "expires_in": life,
        "ext_expires_in": life,
        "access_token": app.issue_access(grant),
    });
    if renews {
        tokens["refresh_token"] = app.issue_refresh(grant).into();
    }
    tokens
}

/// Redirects with a code at once.
fn authorize(app: &App, exchange: &Exchange, query: &str) -> Response {
    let query = Form::of(query);
    let Some(redirect) = query.get("redirect_uri") else {
        return text(StatusCode::BAD_REQUEST, "The request has no redirect_uri.");
    };
    let Some(target) = redirect_target(redirect, &exchange.origin) else {
        let why =
            "This server redirects only to this machine (http://localhost, 127.0.0.1, [::1]).";
        return text(StatusCode::BAD_REQUEST, why);
    };
    let mut answer = match (query.get("response_type"), query.get("client_id")) {
        (Some("code"), Some(client)) => {
            let grant = Grant::new("", Some(query.get("scope").unwrap_or(SCOPE).to_owned()));
            vec![("code", code_for(app, grant, client, redirect))]
        }
        (_, None) => error("invalid_request", "The request has no client_id."),
        (_, Some(_)) => error("unsupported_response_type", "The response type is 'code'."),
    };
    if let Some(state) = query.get("state") {
        answer.push(("state", state.to_owned()));
    }
    redirect_to(target, &answer, false)
}

fn error(error: &str, why: &str) -> Vec<(&'static str, String)> {
    vec![("error", error.to_owned()), ("error_description", why.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tenant_has_a_token_address() {
        for tenant in ["common", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad", "a.example"] {
            assert!(SignIn.serves(&format!("/{tenant}/oauth2/v2.0/token")), "{tenant}");
            assert!(SignIn.serves(&format!("/{tenant}/oauth2/v2.0/authorize")), "{tenant}");
        }
        for path in ["/oauth2/v2.0/token", "//oauth2/v2.0/token", "/a/b/oauth2/v2.0/token"] {
            assert!(!SignIn.serves(path), "{path}");
        }
    }
}
