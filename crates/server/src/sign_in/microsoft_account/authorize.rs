//! The authorize endpoint, where a user allows or denies access, and the logout.

use axum::{
    body::Body,
    http::{Method, StatusCode, request::Parts},
    response::Response,
};
use url::Url;

use super::{SCOPE, error::OAuthError, issue};
use crate::{
    base_url::DESKTOP_PAGE,
    grant::{Audience, Grant},
    protocol::RequestContext,
    responses::text,
    sign_in::{
        Form,
        clients::{Client, ClientError},
        code_for,
        consent::{self, Consent, ConsentRequest, Realm},
        pages, redirect_to,
    },
    signed_token::random_name,
};

/// All scopes (live-connect#scopes, onedrive-graph#legacy-msa-sign-in).
const KNOWN: [&str; 26] = [
    "wl.basic",
    "wl.offline_access",
    "wl.signin",
    "wl.birthday",
    "wl.calendars",
    "wl.calendars_update",
    "wl.contacts_birthday",
    "wl.contacts_create",
    "wl.contacts_calendars",
    "wl.contacts_photos",
    "wl.contacts_skydrive",
    "wl.emails",
    "wl.events_create",
    "wl.messenger",
    "wl.phone_numbers",
    "wl.photos",
    "wl.postal_addresses",
    "wl.share",
    "wl.skydrive",
    "wl.skydrive_update",
    "wl.work_profile",
    "wl.applications",
    "wl.applications_create",
    "onedrive.readonly",
    "onedrive.readwrite",
    "onedrive.appfolder",
];

/// Returns the page, or a redirect with a code, a token or an error. Without a redirect URL that
/// the application may use, 400.
pub(super) async fn authorize(context: &RequestContext, parts: &Parts, body: Body) -> Response {
    let query = Form::parse(parts.uri.query().unwrap_or_default());
    let Some(redirect) = query.get("redirect_uri") else {
        return text(StatusCode::BAD_REQUEST, "The request has no redirect_uri.");
    };
    let client = Client::find(&context.state, query.get("client_id").unwrap_or_default());
    let client = match client.map_err(OAuthError::from) {
        Ok(client) => client,
        Err(error) => return text(StatusCode::BAD_REQUEST, error.description),
    };
    let target = match redirect_target(context, &client, redirect) {
        Ok(target) => target,
        Err(error) if client.registered.is_some() => {
            return text(StatusCode::BAD_REQUEST, error.to_string());
        }
        Err(_) => {
            return text(
                StatusCode::BAD_REQUEST,
                "This server redirects only to this machine (http://localhost, 127.0.0.1, [::1]) \
                 and to oauth20_desktop.srf.",
            );
        }
    };
    let implicit = query.get("response_type") == Some("token");
    let mut parameters = match authorized(context, &client, &query, parts, body).await {
        Ok(parameters) => parameters,
        Err(Undecided::Page(page)) => return *page,
        Err(Undecided::Refused(OAuthError { error, description })) => {
            vec![("error", error.to_owned()), ("error_description", description)]
        }
    };
    if let Some(state) = query.get("state") {
        parameters.push(("state", state.to_owned()));
    }
    redirect_to(target, &parameters, implicit)
}

/// Returns the URL that a sign-in redirects to. A public client has the cloud's page for desktop
/// programs without registering it (live-connect#oauth-mobile-redirect).
///
/// # Errors
/// [`ClientError::Redirect`] if the URL is neither registered nor that page, or without a directory
/// if it does not lead to this machine.
fn redirect_target(
    context: &RequestContext,
    client: &Client,
    redirect: &str,
) -> Result<Url, ClientError> {
    let is_public = client.registered.as_ref().is_some_and(|it| it.public_client);
    let own = context.base_url.redirect_target(redirect);
    match own.filter(|url| is_public && url.path() == DESKTOP_PAGE) {
        Some(page) => Ok(page),
        None => client.redirect(&context.base_url, redirect),
    }
}

/// The reason why an authorization request has no code or token yet.
enum Undecided {
    /// The error for the application.
    Refused(OAuthError),
    /// The page for the user.
    Page(Box<Response>),
}

impl<E: Into<OAuthError>> From<E> for Undecided {
    /// Converts an error for the application to a refusal.
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Returns the parameters of the redirect: a code, or the access token and its properties.
///
/// # Errors
/// `Undecided::Refused` with `invalid_request` without a client id or response type,
/// `unsupported_response_type` for a response type other than `code` and `token`, `invalid_scope`
/// for an unknown scope, `access_denied` if the user denies access, or the errors of [`issue`];
/// `Undecided::Page` if the user has to decide.
async fn authorized(
    context: &RequestContext,
    client: &Client,
    query: &Form,
    parts: &Parts,
    body: Body,
) -> Result<Vec<(&'static str, String)>, Undecided> {
    let state = &context.state;
    if query.get("client_id").is_none() {
        return Err(OAuthError::missing("client_id").into());
    }
    let is_code = match query.get("response_type") {
        Some("code") => true,
        Some("token") => false,
        Some(other) => {
            let description =
                format!("The response type '{other}' isn't one of 'code' and 'token'.");
            return Err(OAuthError::new("unsupported_response_type", description).into());
        }
        None => return Err(OAuthError::missing("response_type").into()),
    };
    // The reference separates scopes by spaces; the SDKs also send commas.
    let scope = query.get("scope").unwrap_or(SCOPE).replace(',', " ");
    client.check_scopes(&scope, &KNOWN)?;
    let account = decide(context, client, &scope, parts, body).await?;
    let grant = Grant::new(account, Some(scope)).for_audience(Audience::Live);
    if is_code {
        let redirect = query.get("redirect_uri").unwrap_or_default();
        return Ok(vec![("code", code_for(state, grant, &client.id, redirect))]);
    }
    // An application without a server has no secret to verify an authentication token with.
    let grant = grant.for_client(&client.id).in_family(&random_name());
    let tokens = issue(state, &grant, &client.id, None).await?;
    Ok(vec![
        ("access_token", tokens.access_token),
        ("token_type", tokens.token_type.to_owned()),
        ("expires_in", tokens.expires_in.to_string()),
        ("scope", tokens.scope),
        ("user_id", tokens.user_id),
    ])
}

/// Returns the account whose user allows access.
///
/// # Errors
/// `Undecided::Refused` with `access_denied` if the user denies access; `Undecided::Page` if the
/// user has to decide.
async fn decide(
    context: &RequestContext,
    client: &Client,
    scope: &str,
    parts: &Parts,
    body: Body,
) -> Result<String, Undecided> {
    let state = &context.state;
    if !consent::has_page(state, false) {
        return Ok(String::new());
    }
    let decision = match parts.method == Method::POST {
        true => consent::read(state, &Realm::Personal, body).await,
        false => Consent::Required(StatusCode::OK, String::new()),
    };
    match decision {
        Consent::Allowed(account) => Ok(account),
        Consent::Denied => {
            let description = "The user has denied access to the scope requested by the client \
                               application.";
            Err(OAuthError::new("access_denied", description).into())
        }
        Consent::Required(status, message) => {
            let request = ConsentRequest {
                realm: &Realm::Personal,
                application: Some(client.name()),
                scope,
                hint: "",
                content: "",
            };
            Err(Undecided::Page(Box::new(consent::show(state, &request, status, &message))))
        }
    }
}

/// Handles the logout. The server keeps no sessions, so it only returns to the application.
pub(super) fn logout(context: &RequestContext, parts: &Parts) -> Response {
    let query = Form::parse(parts.uri.query().unwrap_or_default());
    let client = Client::find(&context.state, query.get("client_id").unwrap_or_default()).ok();
    let target = query.get("redirect_uri").zip(client);
    let target = target.and_then(|(uri, client)| client.redirect(&context.base_url, uri).ok());
    match target {
        Some(target) => redirect_to(target, &[], false),
        None => pages::final_page("Signed out", "You are signed out."),
    }
}
