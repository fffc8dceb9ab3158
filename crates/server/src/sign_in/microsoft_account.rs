//! Sign-in of Microsoft accounts, as at login.live.com (live-connect#oauth).
//!
//! `/oauth20_authorize.srf` redirects without a page, with a code or a token, to a URL on this machine
//! or to the desktop page; `/oauth20_token.srf` exchanges codes and refresh tokens.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use serde::Serialize;
use serde_json::json;

use super::{
    CodeProof, Form, SECRET_URLS, code_for, consent, json_response, redeem_code, redirect_to,
};
use crate::{
    base_url::{self, BaseUrl},
    cross_site::CrossSite,
    grant::{Audience, Grant},
    protocol::{Declaration, OverBudget, Protocol, RequestContext, Routed},
    responses::text,
    state::ServerState,
};

/// The scopes that are granted if a request names none: those that the old command-line client
/// requires.
const SCOPE: &str = "wl.skydrive wl.skydrive_update wl.offline_access";

/// The scope that a refresh token requires.
const OFFLINE: &str = "wl.offline_access";

/// The sign-in of Microsoft accounts, as at login.live.com.
pub(crate) struct MicrosoftAccount;

/// A request, classified by its path and method.
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

    /// Parses a request with a path of this sign-in, `/oauth20_…`; `None` for any other path.
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

    /// Serves a parsed request. 404 for a path that the sign-in does not have.
    async fn handle(
        request: SignInRequest,
        context: RequestContext,
        parts: Parts,
        body: Body,
    ) -> Response {
        let state = &context.state;
        match request {
            SignInRequest::Token => match token(state, &parts.headers, body).await {
                Ok(tokens) => json_response(StatusCode::OK, &tokens),
                Err(error) => error.into(),
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
                "cannot find this sign-in path (there are POST /oauth20_token.srf, \
                 GET /oauth20_authorize.srf and GET /oauth20_desktop.srf)",
            ),
        }
    }
}

/// Returns an error response for an injected fault.
fn failure(status: StatusCode) -> Response {
    let error = if status.is_server_error() { "server_error" } else { "invalid_request" };
    json_response(
        status,
        &json!({ "error": error, "error_description": "The server failed on demand." }),
    )
}

/// An OAuth error response.
#[derive(Debug, PartialEq, Eq)]
struct OAuthError {
    error: &'static str,
    description: String,
}

impl OAuthError {
    /// Creates an error with a code of OAuth.
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { error, description: description.into() }
    }

    /// Returns `invalid_request`: a required field is missing.
    fn missing(field: &str) -> Self {
        Self::new(
            "invalid_request",
            format!("The request must include a value for the input parameter '{field}'."),
        )
    }
}

impl From<OAuthError> for Response {
    fn from(OAuthError { error, description }: OAuthError) -> Self {
        let status = match error {
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        json_response(status, &json!({ "error": error, "error_description": description }))
    }
}

/// The body of a successful response. The members and their order are the cloud's.
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

/// Issues tokens for a request to the token endpoint.
///
/// # Errors
/// `invalid_request` for a missing field or an unreadable form; `unsupported_grant_type`;
/// `invalid_grant` for a code or refresh token that is not valid; `server_error` if the storage
/// fails.
async fn token(state: &ServerState, headers: &HeaderMap, body: Body) -> Result<Tokens, OAuthError> {
    let form = Form::read(body).await;
    let form =
        form.map_err(|error| OAuthError::new("invalid_request", format!("The form: {error}.")))?;
    let required = |name: &str| form.get(name).ok_or_else(|| OAuthError::missing(name));

    let grant_type = required("grant_type")?;
    let client = form.client(headers).ok_or_else(|| OAuthError::missing("client_id"))?;
    let grant = match grant_type {
        "refresh_token" => {
            let grant = state.accounts.refresh_grant(required("refresh_token")?);
            let is_own = |grant: &Grant| grant.check_audience(&Audience::Live).is_ok();
            grant.filter(is_own).ok_or_else(|| {
                OAuthError::new("invalid_grant", "The refresh token isn't valid or has expired.")
            })?
        }
        "authorization_code" => {
            let (code, redirect) = (required("code")?, required("redirect_uri")?);
            let proof = CodeProof { code, client: &client, redirect, verifier: None };
            redeem_code(state, &proof, &Audience::Live)
                .map_err(|error| OAuthError::new("invalid_grant", error.to_string()))?
                .grant
        }
        other => {
            return Err(OAuthError::new(
                "unsupported_grant_type",
                format!(
                    "The grant type '{other}' isn't one of 'authorization_code' and 'refresh_token'."
                ),
            ));
        }
    };
    issue(state, &grant).await
}

/// Issues the tokens of a grant. A refresh token is included if its scopes permit it.
///
/// # Errors
/// `server_error` if the account cannot be opened.
async fn issue(state: &ServerState, grant: &Grant) -> Result<Tokens, OAuthError> {
    let account = state.accounts.open(&grant.account).await.map_err(|error| {
        tracing::error!(%error, "cannot issue tokens");
        OAuthError::new("server_error", "The server could not look the account up.")
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

/// Serves an authorization request with this query: returns a redirect with a code or a token, or
/// with an error; 400 if the redirect URL is missing or not allowed.
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
    let mut parameters = match authorized(state, &query, redirect).await {
        Ok(parameters) => parameters,
        Err(OAuthError { error, description }) => {
            vec![("error", error.to_owned()), ("error_description", description)]
        }
    };
    if let Some(state) = query.get("state") {
        parameters.push(("state", state.to_owned()));
    }
    redirect_to(target, &parameters, implicit)
}

/// Returns the parameters of the redirect: a code or tokens. `redirect` is the redirect URL that
/// the code is bound to.
///
/// # Errors
/// `invalid_request` for a missing field; `unsupported_response_type`; `server_error` if the
/// storage fails.
async fn authorized(
    state: &ServerState,
    query: &Form,
    redirect: &str,
) -> Result<Vec<(&'static str, String)>, OAuthError> {
    let client = query.get("client_id").ok_or_else(|| OAuthError::missing("client_id"))?;
    let grant = Grant::new("", Some(query.get("scope").unwrap_or(SCOPE).to_owned()));
    let grant = grant.for_audience(Audience::Live);
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
        Some(other) => Err(OAuthError::new(
            "unsupported_response_type",
            format!("The response type '{other}' isn't one of 'code' and 'token'."),
        )),
        None => Err(OAuthError::missing("response_type")),
    }
}

/// Returns the page on which the sign-in of a desktop program ends. The program, or its user, copies
/// the code from the page's URL.
fn desktop_page() -> Response {
    let page = "<!doctype html><meta charset=utf-8><title>Signed in</title>\
                <p>Signed in. If your program asks for it, give it the address of this page.</p>\n";
    let mut response = Response::new(Body::from(page));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
