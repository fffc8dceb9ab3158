//! The authorize endpoint and the page for device codes, where a user allows or denies access.
//!
//! A public server redirects without a page, unless the application requests one (`prompt`). A
//! private server always shows the page, which asks for the server's access token.

use axum::{body::Body, response::Response};
use http::{Method, StatusCode, request::Parts};
use jiff::Timestamp;
use url::Url;

use super::{SCOPE, device::Decision, error::EntraError};
use crate::{
    access::is_account_name,
    account::{ADDRESS_DOMAIN, DEFAULT_ADDRESS},
    grant::{Audience, Grant},
    protocol::RequestContext,
    responses::text,
    sign_in::{
        CodeRequest, Form, issue_code,
        pages::{self, escape, page},
        redirect_to,
    },
    state::ServerState,
};

/// How the parameters of a redirect reach the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

/// The user's input on a page.
enum Consent {
    /// Access to this account is allowed.
    Allowed(String),
    Denied,
    /// The page must be shown, again with this message if it is not empty.
    Required(StatusCode, &'static str),
}

/// Serves the authorize endpoint: a redirect with an authorization code or an error, or the page.
pub(super) async fn authorize(context: &RequestContext, parts: &Parts, body: Body) -> Response {
    let query = Form::parse(parts.uri.query().unwrap_or_default());
    let Some(redirect) = query.get("redirect_uri") else {
        return text(StatusCode::BAD_REQUEST, "The request has no redirect_uri.");
    };
    let Some(target) = context.base_url.redirect_target(redirect) else {
        let reason =
            "This server redirects only to this machine (http://localhost, 127.0.0.1, [::1]).";
        return text(StatusCode::BAD_REQUEST, reason);
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
    let request = match mode.map_err(invalid).and_then(|_| code_request(&query)) {
        Ok(request) => request,
        Err(error) => return reply(error.into_parameters()),
    };
    let state = &context.state;
    let hint = query.get("login_hint").and_then(account_of_address).unwrap_or_default();
    let scope = query.get("scope").unwrap_or(SCOPE);
    let prompt = query.get("prompt").unwrap_or_default();
    let is_private = !state.accounts.settings().tokens.public;
    if prompt == "none" && is_private {
        let description = "Session information is not sufficient for single-sign-on.";
        return reply(EntraError::new("login_required", 50_058, description).into_parameters());
    }
    let has_page = is_private || matches!(prompt, "login" | "consent" | "select_account");
    let consent = match has_page {
        false => Consent::Allowed(hint.clone()),
        true if parts.method == Method::POST => read_consent(state, body).await,
        true => Consent::Required(StatusCode::OK, ""),
    };
    match consent {
        Consent::Allowed(account) => {
            let grant = Grant::new(account, Some(scope.to_owned())).for_client(request.client);
            let grant = grant.for_audience(Audience::Graph);
            reply(vec![("code", issue_code(state, grant, &request))])
        }
        Consent::Denied => {
            let description = "The resource owner or authorization server denied the request.";
            reply(EntraError::new("access_denied", 65_004, description).into_parameters())
        }
        Consent::Required(status, message) => {
            let content = format!(
                "<p>The application <b>{}</b> requests access to a drive: {}.</p>",
                escape(request.client),
                escape(scope)
            );
            consent_page(state, status, message, &content, &hint)
        }
    }
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

/// Reads the user's decision from the form of a page.
async fn read_consent(state: &ServerState, body: Body) -> Consent {
    let Ok(form) = Form::read(body).await else {
        return Consent::Required(StatusCode::BAD_REQUEST, "The form could not be read.");
    };
    decision(state, &form)
}

/// Returns the user's decision in the form of a page. A private server requires its token.
fn decision(state: &ServerState, form: &Form) -> Consent {
    if form.get("decision") == Some("deny") {
        return Consent::Denied;
    }
    let tokens = &state.accounts.settings().tokens;
    let has_token = || form.get("token").is_some_and(|token| tokens.is_own(token.trim()));
    if !tokens.public && !has_token() {
        return Consent::Required(StatusCode::FORBIDDEN, "This is not the token of this server.");
    }
    match account_of_address(form.get("account").unwrap_or_default().trim()) {
        Some(account) => Consent::Allowed(account),
        None => Consent::Required(
            StatusCode::BAD_REQUEST,
            "The name of an account has 1 to 64 letters, digits, dots, dashes and underscores.",
        ),
    }
}

/// Returns the account that a sign-in name stands for: its name, or `NAME@` and the domain of this
/// server's users. An empty name is the default account. Returns `None` for other text.
fn account_of_address(address: &str) -> Option<String> {
    let name = address.strip_suffix(ADDRESS_DOMAIN).and_then(|rest| rest.strip_suffix('@'));
    match name.unwrap_or(address) {
        "" | DEFAULT_ADDRESS => Some(String::new()),
        name => is_account_name(name).then(|| name.to_owned()),
    }
}

/// Returns a page with the form for a decision. `content` is HTML at its beginning, `message` the
/// reason why the form is shown again, and `account` the proposed account.
fn consent_page(
    state: &ServerState,
    status: StatusCode,
    message: &str,
    content: &str,
    account: &str,
) -> Response {
    let token = if state.accounts.settings().tokens.public { "" } else { pages::TOKEN_FIELD };
    let content = format!(
        "<p><b>{message}</b></p><form method=post>{content}{}{token}{}</form>",
        pages::account_field(account),
        pages::DECISION_BUTTONS
    );
    page(status, "Sign in", &content)
}

/// Serves the page on which a user enters the code that a program shows.
pub(super) async fn device_page(context: &RequestContext, parts: &Parts, body: Body) -> Response {
    let state = &context.state;
    let show = |status, message, user_code: &str| {
        let content = format!(
            "<p>Enter the code that the program shows. Continue only if you started that program \
             yourself: it gets access to your drive.</p>\
             <p><label>Code <input name=user_code value=\"{}\" autocomplete=off></label></p>",
            escape(user_code)
        );
        consent_page(state, status, message, &content, "")
    };
    if parts.method != Method::POST {
        let query = Form::parse(parts.uri.query().unwrap_or_default());
        return show(StatusCode::OK, "", query.get("user_code").unwrap_or_default());
    }
    let Ok(form) = Form::read(body).await else {
        return show(StatusCode::BAD_REQUEST, "The form could not be read.", "");
    };
    let user_code = form.get("user_code").unwrap_or_default();
    let (decision, message) = match decision(state, &form) {
        Consent::Allowed(account) => (Decision::Allowed(account), "The program is signed in."),
        Consent::Denied => (Decision::Denied, "The program is not signed in."),
        Consent::Required(status, message) => return show(status, message, user_code),
    };
    match state.device_codes.decide(user_code, decision, Timestamp::now()) {
        true => pages::final_page("Signed in", message),
        false => {
            let message = "This code is unknown, has expired, or was used already.";
            show(StatusCode::BAD_REQUEST, message, user_code)
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_an_account() {
        let account = |address| account_of_address(address);
        assert_eq!(account("").as_deref(), Some(""));
        assert_eq!(account("developer@drivedal.example").as_deref(), Some(""));
        assert_eq!(account("anna@drivedal.example").as_deref(), Some("anna"));
        assert_eq!(account("anna.business").as_deref(), Some("anna.business"));
        assert_eq!(account("anna@contoso.com"), None);
        assert_eq!(account("a b"), None);
    }
}
