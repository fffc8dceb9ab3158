//! Sign-in, as at login.live.com (live-connect#oauth).
//!
//! `/oauth20_authorize.srf` redirects at once, with a code or a token, to a redirect address on
//! this machine or to the desktop one; `/oauth20_token.srf` exchanges codes and refresh tokens.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use serde::Serialize;
use serde_json::json;

use super::{Form, SECRET_URLS, code_for, consent, exchange_code, json_answer, redirect_to};
use crate::{
    account::Grant,
    base_url::{self, BaseUrl},
    cross_site::CrossSite,
    protocol::{Declaration, OverBudget, Protocol, RequestContext, Routed},
    responses::text,
    state::ServerState,
};

/// What a development account grants when nobody says what: exactly what the old command-line
/// client insists on.
const SCOPE: &str = "wl.skydrive wl.skydrive_update wl.offline_access";

/// Only with this scope is there a refresh token.
const OFFLINE: &str = "wl.offline_access";

/// The sign-in of Microsoft accounts, as at login.live.com.
pub(crate) struct MicrosoftAccount;

/// A request, by its path and method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignInRequest {
    Token,
    Authorize,
    DesktopPage,
    Unknown,
}

const TOKEN: &str = "oauth.token";
const AUTHORIZE: &str = "oauth.authorize";
const DESKTOP_PAGE: &str = "oauth.desktop";
const UNKNOWN: &str = "oauth.unknown";

impl Protocol for MicrosoftAccount {
    type Request = SignInRequest;

    const DECLARATION: Declaration = Declaration {
        operations: || &[TOKEN, AUTHORIZE, DESKTOP_PAGE, UNKNOWN],
        secret_urls: SECRET_URLS,
        hash_members: &[],
        over_budget: OverBudget::BARE,
        failure,
    };

    fn route(_: &ServerState, parts: &Parts) -> Option<Routed<SignInRequest>> {
        let path = parts.uri.path();
        if !path.starts_with("/oauth20_") {
            return None;
        }
        let page = |routed| Routed { cross_site: CrossSite::SignInPage, ..routed };
        Some(match (&parts.method, path) {
            (&Method::POST, "/oauth20_token.srf") => Routed::new(TOKEN, SignInRequest::Token),
            (&Method::GET | &Method::POST, "/oauth20_authorize.srf") => {
                page(Routed::new(AUTHORIZE, SignInRequest::Authorize))
            }
            (&Method::GET, base_url::DESKTOP_PAGE) => {
                page(Routed::new(DESKTOP_PAGE, SignInRequest::DesktopPage))
            }
            _ => Routed::new(UNKNOWN, SignInRequest::Unknown),
        })
    }

    async fn handle(
        request: SignInRequest,
        context: RequestContext,
        parts: Parts,
        body: Body,
    ) -> Response {
        let state = &context.state;
        match request {
            SignInRequest::Token => match token(state, &parts.headers, body).await {
                Ok(answer) => json_answer(StatusCode::OK, &answer),
                Err(refusal) => refusal.into(),
            },
            SignInRequest::Authorize => match consent(state, &parts.method, body).await {
                Ok(()) => {
                    let query = parts.uri.query().unwrap_or_default();
                    authorize(state, &context.base_url, query).await
                }
                Err(page) => *page,
            },
            SignInRequest::DesktopPage => desktop_page(),
            SignInRequest::Unknown => text(
                StatusCode::NOT_FOUND,
                "Sign-in has: POST /oauth20_token.srf, GET /oauth20_authorize.srf and \
                 GET /oauth20_desktop.srf.",
            ),
        }
    }
}

fn failure(status: StatusCode) -> Response {
    let error = if status.is_server_error() { "server_error" } else { "invalid_request" };
    json_answer(
        status,
        &json!({ "error": error, "error_description": "The server failed on demand." }),
    )
}

/// Why a token is refused, in OAuth's words.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    error: &'static str,
    description: String,
}

impl Refusal {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { error, description: description.into() }
    }

    fn missing(field: &str) -> Self {
        Self::new(
            "invalid_request",
            format!("The request must include a value for the input parameter '{field}'."),
        )
    }
}

impl From<Refusal> for Response {
    fn from(Refusal { error, description }: Refusal) -> Self {
        let status = match error {
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        json_answer(status, &json!({ "error": error, "error_description": description }))
    }
}

/// What the token address answers; the fields and their order are the cloud's.
#[derive(Serialize)]
struct Tokens {
    token_type: &'static str,
    expires_in: u64,
    scope: String,
    access_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    user_id: String,
}

async fn token(state: &ServerState, headers: &HeaderMap, body: Body) -> Result<Tokens, Refusal> {
    let form = Form::read(body).await;
    let form =
        form.map_err(|error| Refusal::new("invalid_request", format!("The form: {error}.")))?;
    let required = |name: &str| form.get(name).ok_or_else(|| Refusal::missing(name));

    let grant_type = required("grant_type")?;
    let client = form.client(headers).ok_or_else(|| Refusal::missing("client_id"))?;
    let grant = match grant_type {
        "refresh_token" => {
            state.accounts.refresh_grant(required("refresh_token")?).ok_or_else(|| {
                Refusal::new("invalid_grant", "The refresh token isn't valid or has expired.")
            })?
        }
        "authorization_code" => {
            let redirect = required("redirect_uri")?;
            exchange_code(state, required("code")?, &client, redirect)
                .map_err(|why| Refusal::new("invalid_grant", why))?
        }
        other => {
            return Err(Refusal::new(
                "unsupported_grant_type",
                format!(
                    "The grant type '{other}' isn't one of 'authorization_code' and 'refresh_token'."
                ),
            ));
        }
    };
    issue(state, &grant).await
}

async fn issue(state: &ServerState, grant: &Grant) -> Result<Tokens, Refusal> {
    let account = state.accounts.open(&grant.account).await.map_err(|error| {
        tracing::error!(%error, "no tokens issued");
        Refusal::new("server_error", "The server could not look the account up.")
    })?;
    let scope = grant.scope.clone().unwrap_or_else(|| SCOPE.to_owned());
    let offline = scope.split_whitespace().any(|word| word == OFFLINE);
    Ok(Tokens {
        token_type: "bearer",
        expires_in: state.accounts.settings().token_life.as_secs(),
        access_token: state.accounts.issue_access(grant),
        refresh_token: offline.then(|| state.accounts.issue_refresh(grant)),
        user_id: account.cid.clone(),
        scope,
    })
}

async fn authorize(state: &ServerState, base_url: &BaseUrl, query: &str) -> Response {
    let query = Form::parse(query);
    let Some(redirect) = query.get("redirect_uri") else {
        return text(StatusCode::BAD_REQUEST, "The request has no redirect_uri.");
    };
    let Some(target) = base_url.redirect_target(redirect) else {
        return text(
            StatusCode::BAD_REQUEST,
            "This server redirects only to this machine (http://localhost, 127.0.0.1, [::1]) and \
             to oauth20_desktop.srf.",
        );
    };
    let implicit = query.get("response_type") == Some("token");
    let mut answer = match granted(state, &query, redirect).await {
        Ok(answer) => answer,
        Err(Refusal { error, description }) => {
            vec![("error", error.to_owned()), ("error_description", description)]
        }
    };
    if let Some(state) = query.get("state") {
        answer.push(("state", state.to_owned()));
    }
    redirect_to(target, &answer, implicit)
}

/// What the redirect carries.
async fn granted(
    state: &ServerState,
    query: &Form,
    redirect: &str,
) -> Result<Vec<(&'static str, String)>, Refusal> {
    let client = query.get("client_id").ok_or_else(|| Refusal::missing("client_id"))?;
    let grant = Grant::new("", Some(query.get("scope").unwrap_or(SCOPE).to_owned()));
    match query.get("response_type") {
        Some("code") => Ok(vec![("code", code_for(state, grant, client, redirect))]),
        Some("token") => {
            let tokens = issue(state, &grant).await?;
            Ok(vec![
                ("access_token", tokens.access_token),
                ("token_type", tokens.token_type.to_owned()),
                ("expires_in", tokens.expires_in.to_string()),
                ("scope", tokens.scope),
                ("user_id", tokens.user_id),
            ])
        }
        Some(other) => Err(Refusal::new(
            "unsupported_response_type",
            format!("The response type '{other}' isn't one of 'code' and 'token'."),
        )),
        None => Err(Refusal::missing("response_type")),
    }
}

/// Where a desktop program's browser ends: the program, or its user, takes the code from the
/// address.
fn desktop_page() -> Response {
    let page = "<!doctype html><meta charset=utf-8><title>Signed in</title>\
                <p>Signed in. If your program asks for it, give it the address of this page.</p>\n";
    let mut response = Response::new(Body::from(page));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
