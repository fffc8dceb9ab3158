//! Login with Amazon (amazon-drive#oauth): authorization codes, refresh tokens and access tokens.
//!
//! `/ap/oa` shows no page, unless the server is private. It redirects at once, with a code, to an
//! address on this machine. `/auth/o2/token` exchanges the code. Every client id and secret is
//! accepted. A refresh returns the same refresh token, because the cloud does not rotate it.

use axum::{
    body::Body,
    http::{HeaderMap, Method, StatusCode},
    response::Response,
};
use serde_json::json;

use crate::{
    base_url::BaseUrl,
    grant::{Audience, Grant},
    responses::text,
    sign_in::{CodeProof, Form, code_for, consent, json_response, redeem_code, redirect_to},
    state::ServerState,
};

/// An error response of the token endpoint.
struct OAuthError {
    status: StatusCode,
    error: &'static str,
    description: String,
}

impl OAuthError {
    /// Creates an error with a code of RFC 6749. The status is 401 for `invalid_client`, else 400.
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        let status = match error {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { status, error, description: description.into() }
    }
}

/// Handles `POST /auth/o2/token`: exchanges a code or a refresh token for an access token. An error
/// is a response of RFC 6749.
pub(super) async fn token(state: &ServerState, headers: &HeaderMap, body: Body) -> Response {
    match issue_grant(state, headers, body).await {
        Ok((grant, refresh)) => json_response(
            StatusCode::OK,
            &json!({
                "access_token": state.accounts.issue_access(&grant),
                "refresh_token": refresh,
                "token_type": "bearer",
                "expires_in": state.accounts.settings().token_life.as_secs(),
            }),
        ),
        Err(OAuthError { status, error, description }) => {
            json_response(status, &json!({ "error": error, "error_description": description }))
        }
    }
}

/// Returns the grant of a token request, and its refresh token.
///
/// # Errors
/// `invalid_request` for an unreadable form or a missing field, `invalid_client` without a client,
/// `invalid_grant` for an invalid or expired code or token, `unsupported_grant_type` for another
/// grant type.
async fn issue_grant(
    state: &ServerState,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Grant, String), OAuthError> {
    let form = Form::read(body).await;
    let form =
        form.map_err(|error| OAuthError::new("invalid_request", format!("The form: {error}")))?;
    let missing = |error, name| OAuthError::new(error, format!("The request is missing {name}"));
    let required = |name| form.get(name).ok_or_else(|| missing("invalid_request", name));
    let client = form.client(headers).ok_or_else(|| missing("invalid_client", "client_id"))?;
    match required("grant_type")? {
        "refresh_token" => {
            let token = required("refresh_token")?;
            let grant = state.accounts.refresh_grant(token);
            let is_own = |grant: &Grant| grant.check_audience(&Audience::Amazon).is_ok();
            let grant = grant.filter(is_own).ok_or_else(|| {
                OAuthError::new("invalid_grant", "The refresh token is invalid or has expired")
            })?;
            Ok((grant, token.to_owned()))
        }
        "authorization_code" => {
            let (code, redirect) = (required("code")?, required("redirect_uri")?);
            let proof = CodeProof { code, client: &client, redirect, verifier: None };
            let grant = redeem_code(state, &proof, &Audience::Amazon)
                .map_err(|error| OAuthError::new("invalid_grant", error.to_string()))?
                .grant;
            let refresh = state.accounts.issue_refresh(&grant);
            Ok((grant, refresh))
        }
        other => Err(OAuthError::new(
            "unsupported_grant_type",
            format!("{other} is not one of authorization_code and refresh_token"),
        )),
    }
}

/// Handles `GET /ap/oa`, and the `POST` of its form on a private server.
pub(super) async fn sign_in(
    state: &ServerState,
    base_url: &BaseUrl,
    query: &super::query::AmazonQuery,
    method: &Method,
    body: Body,
) -> Response {
    if let Err(page) = consent(state, method, body).await {
        return *page;
    }
    let field = |name: &str| query.get(name).filter(|value| !value.is_empty());
    let Some(redirect) = field("redirect_uri") else {
        return text(StatusCode::BAD_REQUEST, "The request has no redirect_uri.");
    };
    let Some(target) = base_url.redirect_target(redirect) else {
        return text(StatusCode::BAD_REQUEST, "This server redirects only to this machine.");
    };
    let (Some(client), Some("code")) = (field("client_id"), field("response_type")) else {
        let error = ("error", "invalid_request".to_owned());
        let description =
            ("error_description", "client_id and response_type=code are needed".to_owned());
        return redirect_to(target, &[error, description], false);
    };
    let scope = field("scope").map(str::to_owned);
    let grant = Grant::new("", scope).for_audience(Audience::Amazon);
    let mut parameters = vec![("code", code_for(state, grant, client, redirect))];
    if let Some(state) = field("state") {
        parameters.push(("state", state.to_owned()));
    }
    redirect_to(target, &parameters, false)
}
