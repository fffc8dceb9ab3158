//! The authorize endpoint, where a user allows or denies access, and the logout endpoint.

use axum::{body::Body, response::Response};
use http::{Method, StatusCode, request::Parts};
use url::Url;

use super::{
    SCOPE,
    client::{check_scopes, granted_scopes},
    error::EntraError,
    identity::Tenant,
};
use crate::{
    grant::{Audience, Grant},
    protocol::RequestContext,
    responses::text,
    sign_in::{
        CodeRequest, Form,
        clients::Client,
        consent::{self, Consent, ConsentRequest, account_of_hint},
        issue_code,
        pages::{self, escape},
        redirect_to,
    },
};

/// How the parameters of a redirect reach the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

/// Serves the authorize endpoint: a redirect with an authorization code or an error, or the page.
/// Without a redirect URL that the application may use, errors are shown on a page with 400.
pub(super) async fn authorize(
    context: &RequestContext,
    tenant: &Tenant,
    parts: &Parts,
    body: Body,
) -> Response {
    let query = Form::parse(parts.uri.query().unwrap_or_default());
    let Some(redirect) = query.get("redirect_uri") else {
        return text(StatusCode::BAD_REQUEST, "The request has no redirect_uri.");
    };
    let id = query.get("client_id").unwrap_or_default();
    let client = match Client::find(&context.state, id) {
        Ok(client) => client,
        Err(_) => return error_page(&EntraError::unknown_application(id, tenant.segment())),
    };
    let target = match client.redirect(&context.base_url, redirect) {
        Ok(target) => target,
        Err(error) if client.registered.is_some() => return error_page(&error.into()),
        Err(_) => {
            let reason =
                "This server redirects only to this machine (http://localhost, 127.0.0.1, [::1]).";
            return text(StatusCode::BAD_REQUEST, reason);
        }
    };
    let mode = match query.get("response_mode") {
        None | Some("query") => Ok(ResponseMode::Query),
        Some("fragment") => Ok(ResponseMode::Fragment),
        Some("form_post") => Ok(ResponseMode::FormPost),
        Some(_) => Err("The response_mode is 'query', 'fragment' or 'form_post'."),
    };
    let reply = |mut parameters: Vec<(&'static str, String)>| {
        if let Some(state) = query.get("state") {
            parameters.push(("state", state.to_owned()));
        }
        respond(target, mode.unwrap_or(ResponseMode::Query), &parameters)
    };
    let scope = query.get("scope").unwrap_or(SCOPE);
    let request = mode.map_err(invalid).and_then(|_| code_request(&query));
    let request = request.and_then(|request| {
        check_scopes(context, &client, scope)?;
        Ok(request)
    });
    match request {
        Ok(request) => match decide(context, tenant, &client, &query, parts, body).await {
            Ok(account) => {
                let granted = granted_scopes(context, &client, scope);
                let grant = Grant::new(account, Some(granted)).for_client(request.client);
                let grant = grant.for_audience(Audience::Graph);
                reply(vec![("code", issue_code(&context.state, grant, &request))])
            }
            Err(Undecided::Refused(error)) => reply(error.into_parameters()),
            Err(Undecided::Page(page)) => *page,
        },
        Err(error) => reply(error.into_parameters()),
    }
}

/// The reason why an authorization request has no code yet.
enum Undecided {
    /// The error for the application.
    Refused(EntraError),
    /// The page for the user.
    Page(Box<Response>),
}

/// Returns the account whose user allows access.
///
/// # Errors
/// `Undecided::Refused` with `access_denied` if the user denies access, and with `login_required`
/// if the request forbids the page that is needed; `Undecided::Page` if the user has to decide.
async fn decide(
    context: &RequestContext,
    tenant: &Tenant,
    client: &Client,
    query: &Form,
    parts: &Parts,
    body: Body,
) -> Result<String, Undecided> {
    let state = &context.state;
    let hint = query.get("login_hint").unwrap_or_default();
    let prompt = query.get("prompt").unwrap_or_default();
    let is_requested = matches!(prompt, "login" | "consent" | "select_account");
    if !consent::has_page(state, is_requested) {
        return Ok(account_of_hint(hint));
    }
    if prompt == "none" {
        let description = "Session information is not sufficient for single-sign-on.";
        let error = EntraError::new("login_required", 50_058, description);
        return Err(Undecided::Refused(error));
    }
    let realm = tenant.realm();
    let decision = match parts.method == Method::POST {
        true => consent::read(state, &realm, body).await,
        false => Consent::Required(StatusCode::OK, String::new()),
    };
    match decision {
        Consent::Allowed(account) => Ok(account),
        Consent::Denied => {
            let description = "The resource owner or authorization server denied the request.";
            Err(Undecided::Refused(EntraError::new("access_denied", 65_004, description)))
        }
        Consent::Required(status, message) => {
            let request = ConsentRequest {
                realm: &realm,
                application: Some(client.name()),
                scope: query.get("scope").unwrap_or(SCOPE),
                hint,
                content: "",
            };
            let page = consent::show(state, &request, status, &message);
            Err(Undecided::Page(Box::new(page)))
        }
    }
}

/// Returns the page for an error that is not sent to the application.
fn error_page(error: &EntraError) -> Response {
    let content = format!("<p>{}</p>", escape(&error.description()));
    pages::page(StatusCode::BAD_REQUEST, "Sign in", &content)
}

/// Parses the parameters that the code is bound to.
///
/// # Errors
/// `invalid_request` for a missing client id and for a malformed code challenge or its method;
/// `unsupported_response_type` for another response than a code.
fn code_request(query: &Form) -> Result<CodeRequest<'_>, EntraError> {
    let client = query.get("client_id").ok_or_else(|| invalid("The request has no client_id."))?;
    if query.get("response_type") != Some("code") {
        let description = "The response type is 'code'.";
        return Err(EntraError::new("unsupported_response_type", 70_005, description));
    }
    let challenge = query.get("code_challenge");
    let is_malformed = |challenge: &str| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        !(43..=128).contains(&challenge.len()) || !challenge.bytes().all(is_known)
    };
    if challenge.is_some_and(is_malformed) {
        return Err(EntraError::new(
            "invalid_request",
            501_491,
            "Invalid size of Code_Challenge parameter.",
        ));
    }
    let is_plain = match query.get("code_challenge_method") {
        None | Some("plain") => true,
        Some("S256") => false,
        Some(_) => return Err(invalid("The code_challenge_method is 'S256' or 'plain'.")),
    };
    Ok(CodeRequest {
        client,
        redirect: query.get("redirect_uri").unwrap_or_default(),
        challenge: challenge.map(|challenge| (challenge, is_plain)),
        nonce: query.get("nonce"),
    })
}

/// Returns `invalid_request` with a description.
fn invalid(description: &str) -> EntraError {
    EntraError::new("invalid_request", 90_013, description)
}

/// Sends parameters to the application, at its redirect URL `target`.
fn respond(target: Url, mode: ResponseMode, parameters: &[(&str, String)]) -> Response {
    match mode {
        ResponseMode::FormPost => pages::form_post(&target, parameters),
        mode => redirect_to(target, parameters, mode == ResponseMode::Fragment),
    }
}

/// Serves the logout endpoint. The server keeps no sessions, so there is nothing to end.
pub(super) fn logout(context: &RequestContext, parts: &Parts) -> Response {
    let query = Form::parse(parts.uri.query().unwrap_or_default());
    let target = query
        .get("post_logout_redirect_uri")
        .and_then(|redirect| context.base_url.redirect_target(redirect));
    let state: Vec<_> = query.get("state").map(|it| ("state", it.to_owned())).into_iter().collect();
    match target {
        Some(target) => redirect_to(target, &state, false),
        None => pages::final_page("Signed out", "You are signed out."),
    }
}
