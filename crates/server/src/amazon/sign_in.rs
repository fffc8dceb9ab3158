//! Login with Amazon (amazon-drive#oauth): codes and refresh tokens for access tokens.
//!
//! `/ap/oa` asks no user and redirects at once, with a code, to an address on this machine;
//! `/auth/o2/token` exchanges it. Any client id and secret will do. A refresh answers the refresh
//! token that it was asked with: the cloud does not replace it.

use axum::{
    body::Body,
    http::{HeaderMap, Method, StatusCode},
    response::Response,
};
use serde_json::json;

use crate::{
    account::Grant,
    base_url::BaseUrl,
    responses::text,
    sign_in::{Form, code_for, consent, exchange_code, json_response, redirect_to},
    state::ServerState,
};

struct Refusal {
    status: StatusCode,
    error: &'static str,
    description: String,
}

impl Refusal {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        let status = match error {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { status, error, description: description.into() }
    }
}

/// `POST /auth/o2/token`.
pub(super) async fn token(state: &ServerState, headers: &HeaderMap, body: Body) -> Response {
    match granted(state, headers, body).await {
        Ok((grant, refresh)) => json_response(
            StatusCode::OK,
            &json!({
                "access_token": state.accounts.issue_access(&grant),
                "refresh_token": refresh,
                "token_type": "bearer",
                "expires_in": state.accounts.settings().token_life.as_secs(),
            }),
        ),
        Err(Refusal { status, error, description }) => {
            json_response(status, &json!({ "error": error, "error_description": description }))
        }
    }
}

/// What is granted, and the refresh token that goes with it.
async fn granted(
    state: &ServerState,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Grant, String), Refusal> {
    let form = Form::read(body).await;
    let form =
        form.map_err(|error| Refusal::new("invalid_request", format!("The form: {error}")))?;
    let missing = |error, name| Refusal::new(error, format!("The request is missing {name}"));
    let required = |name| form.get(name).ok_or_else(|| missing("invalid_request", name));
    let client = form.client(headers).ok_or_else(|| missing("invalid_client", "client_id"))?;
    match required("grant_type")? {
        "refresh_token" => {
            let token = required("refresh_token")?;
            let grant = state.accounts.refresh_grant(token).ok_or_else(|| {
                Refusal::new("invalid_grant", "The refresh token is invalid or has expired")
            })?;
            Ok((grant, token.to_owned()))
        }
        "authorization_code" => {
            let redirect = required("redirect_uri")?;
            let grant = exchange_code(state, required("code")?, &client, redirect)
                .map_err(|error| Refusal::new("invalid_grant", error.to_string()))?;
            let refresh = state.accounts.issue_refresh(&grant);
            Ok((grant, refresh))
        }
        other => Err(Refusal::new(
            "unsupported_grant_type",
            format!("{other} is not one of authorization_code and refresh_token"),
        )),
    }
}

/// `GET /ap/oa`; `POST` of its form on a private server.
pub(super) async fn sign_in(
    state: &ServerState,
    base_url: &BaseUrl,
    query: &super::query::Query,
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
        let said = ("error_description", "client_id and response_type=code are needed".to_owned());
        return redirect_to(target, &[error, said], false);
    };
    let scope = field("scope").map(str::to_owned);
    let mut answer = vec![("code", code_for(state, Grant::new("", scope), client, redirect))];
    if let Some(state) = field("state") {
        answer.push(("state", state.to_owned()));
    }
    redirect_to(target, &answer, false)
}
