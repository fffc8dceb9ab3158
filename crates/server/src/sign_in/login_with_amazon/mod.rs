//! Login with Amazon (amazon-drive#oauth), and the token service of acd_cli.
//!
//! `/ap/oa` redirects with a code, to an address on this machine or to a registered one.
//! `/auth/o2/token` exchanges the code. A refresh returns the same refresh token, because the cloud
//! does not rotate it. `/appspot` is the service that kept the client secret of acd_cli
//! (amazon-drive#acdcli-token-refresh): its page signs in and returns the file `oauth_data`, and its
//! `POST` refreshes.

mod error;
mod token_service;

use axum::{
    body::Body,
    http::{HeaderMap, Method, StatusCode, request::Parts},
    response::Response,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::error::OAuthError;
use super::{
    CodeProof, Form, SECRET_URLS,
    clients::Client,
    code_for,
    consent::{self, Consent, ConsentRequest, Realm},
    json_response, redeem_code, redirect_to,
};
use crate::{
    account::Account,
    cross_site::CrossSite,
    grant::{Audience, Grant},
    protocol::{Declaration, OverBudget, Protocol, RequestContext, Routed},
    responses::text,
};

/// Login with Amazon.
pub(crate) struct LoginWithAmazon;

/// A request, classified by its path and method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginRequest {
    Token,
    Authorize,
    TokenInfo,
    Profile,
    TokenService,
    WrongMethod,
}

const TOKEN: &str = "amazon.token";
const AUTHORIZE: &str = "amazon.signin";
const TOKEN_INFO: &str = "amazon.tokeninfo";
const PROFILE: &str = "amazon.profile";
const TOKEN_SERVICE: &str = "amazon.tokenservice";

/// The scopes that are granted if a request names none: those of acd_cli.
const SCOPE: &str = "clouddrive:read_all clouddrive:write";

/// All scopes that Login with Amazon has (amazon-drive#oauth-scopes).
const KNOWN: [&str; 10] = [
    "clouddrive:read_all",
    "clouddrive:read",
    "clouddrive:read_image",
    "clouddrive:read_video",
    "clouddrive:read_document",
    "clouddrive:read_other",
    "clouddrive:write",
    "profile",
    "profile:user_id",
    "postal_code",
];

impl Protocol for LoginWithAmazon {
    type Request = LoginRequest;

    const DECLARATION: Declaration = Declaration {
        operations: || &[TOKEN, AUTHORIZE, TOKEN_INFO, PROFILE, TOKEN_SERVICE],
        secret_urls: SECRET_URLS,
        hash_members: &[],
        over_budget: OverBudget::BARE,
        failure,
    };

    /// Parses a request with one of the paths of the sign-in, or to the host of the token service;
    /// `None` for any other path. Repeated slashes at the start have no effect.
    fn route(_: &crate::state::ServerState, parts: &Parts) -> Option<Routed<LoginRequest>> {
        let method = &parts.method;
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let is_post = *method == Method::POST;
        let path = parts.uri.path();
        let path = path.strip_prefix('/').map_or(path, |rest| rest.trim_start_matches('/'));
        let (operation, request, is_allowed) = match path {
            "auth/o2/token" => (TOKEN, LoginRequest::Token, is_post),
            "auth/o2/tokeninfo" => (TOKEN_INFO, LoginRequest::TokenInfo, is_read),
            "ap/oa" => (AUTHORIZE, LoginRequest::Authorize, is_read || is_post),
            "user/profile" => (PROFILE, LoginRequest::Profile, is_read),
            "appspot" => (TOKEN_SERVICE, LoginRequest::TokenService, is_read || is_post),
            "" if token_service::is_addressed(parts) => {
                (TOKEN_SERVICE, LoginRequest::TokenService, is_read || is_post)
            }
            _ => return None,
        };
        let is_page = matches!(request, LoginRequest::Authorize | LoginRequest::TokenService);
        let request = if is_allowed { request } else { LoginRequest::WrongMethod };
        let cross_site = if is_page { CrossSite::SignInPage } else { CrossSite::Refused };
        Some(Routed { cross_site, ..Routed::new(operation, request) })
    }

    /// Serves a parsed request. A method that the path does not support is `invalid_request`.
    async fn handle(
        request: LoginRequest,
        context: RequestContext,
        parts: Parts,
        body: Body,
    ) -> Response {
        let result = match request {
            LoginRequest::Authorize => return authorize(&context, &parts, body).await,
            LoginRequest::TokenService => {
                return token_service::serve(&context, &parts, body).await;
            }
            LoginRequest::Token => token(&context, &parts.headers, body).await,
            LoginRequest::TokenInfo => token_info(&context).await,
            LoginRequest::Profile => profile(&context).await,
            LoginRequest::WrongMethod => {
                let description = "The method is not allowed here";
                Err(OAuthError::new("invalid_request", description))
            }
        };
        match result {
            Ok(body) => json_response(StatusCode::OK, &body),
            Err(error) => error.into(),
        }
    }
}

/// Returns an error response for an injected fault.
fn failure(status: StatusCode) -> Response {
    let error = if status.is_server_error() { "server_error" } else { "invalid_request" };
    let body = json!({ "error": error, "error_description": "The server failed on demand." });
    json_response(status, &body)
}

/// Issues tokens for `POST /auth/o2/token`.
///
/// # Errors
/// `invalid_request` for a form that cannot be read or lacks a field; `invalid_client` for a client
/// that is missing, unknown or not authenticated; `invalid_grant` for a code or a refresh token
/// that is unknown, expired, used, revoked, or of another client, redirect URL or cloud;
/// `unsupported_grant_type`.
async fn token(
    context: &RequestContext,
    headers: &HeaderMap,
    body: Body,
) -> Result<Value, OAuthError> {
    let state = &context.state;
    let form = Form::read(body).await;
    let form =
        form.map_err(|error| OAuthError::new("invalid_request", format!("The form: {error}")))?;
    let required =
        |name| form.get(name).ok_or_else(|| OAuthError::missing("invalid_request", name));
    let id = form.client(headers);
    let id = id.ok_or_else(|| OAuthError::missing("invalid_client", "client_id"))?;
    let client = Client::find(state, &id)?;
    let secret = form.secret(headers).filter(|secret| !secret.is_empty());
    client.check_secret(secret.as_deref())?;
    match required("grant_type")? {
        "refresh_token" => {
            let token = required("refresh_token")?;
            let grant = refresh_grant(context, token, &client)?;
            Ok(tokens(context, &grant, token))
        }
        "authorization_code" => {
            let (code, redirect) = (required("code")?, required("redirect_uri")?);
            let proof = CodeProof { code, client: &id, redirect, verifier: None };
            let grant = redeem_code(state, &proof, &Audience::Amazon)
                .map_err(|error| OAuthError::new("invalid_grant", error.to_string()))?
                .grant;
            let grant = grant.for_client(&id);
            issue(context, &grant)
        }
        other => Err(OAuthError::new(
            "unsupported_grant_type",
            format!("{other} is not one of authorization_code and refresh_token"),
        )),
    }
}

/// Returns the grant of a refresh token of a client.
///
/// # Errors
/// `invalid_grant` if it is unknown, expired, revoked, or of another client or cloud.
fn refresh_grant(
    context: &RequestContext,
    token: &str,
    client: &Client,
) -> Result<Grant, OAuthError> {
    let is_own = |grant: &Grant| {
        grant.check_audience(&Audience::Amazon).is_ok()
            && grant.client.as_ref().is_none_or(|owner| *owner == client.id)
    };
    let grant = context.state.accounts.refresh_grant(token).filter(is_own);
    grant.ok_or_else(|| {
        OAuthError::new("invalid_grant", "The refresh token is invalid or has expired")
    })
}

/// Issues the first tokens of a grant.
///
/// # Errors
/// `invalid_grant` if the code of the grant was used again meanwhile.
fn issue(context: &RequestContext, grant: &Grant) -> Result<Value, OAuthError> {
    let refresh = context.state.accounts.issue_refresh(grant).ok_or_else(|| {
        OAuthError::new("invalid_grant", "The authorization code has been revoked")
    })?;
    Ok(tokens(context, grant, &refresh))
}

/// Returns the body of a token response: a new access token for the grant, and the refresh token
/// `refresh`.
fn tokens(context: &RequestContext, grant: &Grant, refresh: &str) -> Value {
    let accounts = &context.state.accounts;
    json!({
        "access_token": accounts.issue_access(grant),
        "refresh_token": refresh,
        "token_type": "bearer",
        "expires_in": accounts.settings().token_life.as_secs(),
    })
}

/// Handles `/ap/oa`: the page, or a redirect with a code or an error.
async fn authorize(context: &RequestContext, parts: &Parts, body: Body) -> Response {
    let query = Form::parse(parts.uri.query().unwrap_or_default());
    let Some(redirect) = query.get("redirect_uri") else {
        return text(StatusCode::BAD_REQUEST, "The request has no redirect_uri.");
    };
    let client = Client::find(&context.state, query.get("client_id").unwrap_or_default());
    let client = match client {
        Ok(client) => client,
        Err(error) => return text(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let target = match client.redirect(&context.base_url, redirect) {
        Ok(target) => target,
        Err(error) if client.registered.is_some() => {
            return text(StatusCode::BAD_REQUEST, error.to_string());
        }
        Err(_) => {
            return text(StatusCode::BAD_REQUEST, "This server redirects only to this machine.");
        }
    };
    let scope = query.get("scope").unwrap_or(SCOPE);
    let request = match (query.get("client_id"), query.get("response_type")) {
        (Some(_), Some("code")) => client.check_scopes(scope, &KNOWN).map_err(OAuthError::from),
        _ => Err(OAuthError::new("invalid_request", "client_id and response_type=code are needed")),
    };
    let consent = match request {
        Err(error) => Err(error),
        Ok(()) => match decide(context, parts, body, client.name(), scope).await {
            Ok(consent) => consent,
            Err(page) => return *page,
        },
    };
    let mut parameters = match consent {
        Ok(account) => {
            let grant = Grant::new(account, Some(scope.to_owned())).for_audience(Audience::Amazon);
            vec![("code", code_for(&context.state, grant, &client.id, redirect))]
        }
        Err(OAuthError { error, description }) => {
            vec![("error", error.to_owned()), ("error_description", description)]
        }
    };
    if let Some(state) = query.get("state") {
        parameters.push(("state", state.to_owned()));
    }
    redirect_to(target, &parameters, false)
}

/// Returns the account whose user allows access, or the error if the user denies it.
///
/// # Errors
/// The page, if the user has to decide.
async fn decide(
    context: &RequestContext,
    parts: &Parts,
    body: Body,
    application: &str,
    scope: &str,
) -> Result<Result<String, OAuthError>, Box<Response>> {
    let state = &context.state;
    if !consent::has_page(state, false) {
        return Ok(Ok(String::new()));
    }
    let decision = match parts.method == Method::POST {
        true => consent::read(state, &Realm::Any, body).await,
        false => Consent::Required(StatusCode::OK, String::new()),
    };
    match decision {
        Consent::Allowed(account) => Ok(Ok(account)),
        Consent::Denied => {
            let description = "The customer has denied the request";
            Ok(Err(OAuthError::new("access_denied", description)))
        }
        Consent::Required(status, message) => {
            let request = ConsentRequest {
                realm: &Realm::Any,
                application: Some(application),
                scope,
                hint: "",
                content: "",
            };
            Err(Box::new(consent::show(state, &request, status, &message)))
        }
    }
}

/// Returns the grant and the account of the request's access token.
///
/// # Errors
/// `invalid_token` if the token is missing, unknown, expired or of another cloud; `server_error` if
/// the storage fails.
async fn token_owner(
    context: &RequestContext,
) -> Result<(Grant, std::sync::Arc<Account>), OAuthError> {
    let grant = context.grant.as_ref().ok();
    let grant = grant.filter(|grant| grant.check_audience(&Audience::Amazon).is_ok());
    let grant = grant.ok_or_else(|| {
        OAuthError::new("invalid_token", "The access token is missing, invalid or expired")
    })?;
    let account = context.state.accounts.open(&grant.account).await;
    Ok((grant.clone(), account.map_err(|error| OAuthError::server(&error))?))
}

/// Returns the id of a user, which all applications see.
fn user_id(account: &Account) -> String {
    format!("amzn1.account.{}", account.cid.to_ascii_uppercase())
}

/// Returns the properties of an access token: `GET /auth/o2/tokeninfo`. `exp` is the remaining
/// lifetime in seconds (amazon-drive#oauth-token-info).
///
/// # Errors
/// `invalid_token` if the token is missing, unknown, expired or of another cloud; `server_error` if
/// the storage fails.
async fn token_info(context: &RequestContext) -> Result<Value, OAuthError> {
    let (grant, account) = token_owner(context).await?;
    let now = Timestamp::now().as_second();
    let life = context.state.accounts.settings().token_life.as_secs();
    let client = grant.client.as_deref().unwrap_or("drivedal");
    // A static token never expires: its lifetime is that of a new token.
    let issued = grant.issued.unwrap_or(now);
    Ok(json!({
        "iss": "https://www.amazon.com",
        "user_id": user_id(&account),
        "aud": client,
        "app_id": client,
        "exp": issued.saturating_add_unsigned(life).saturating_sub(now),
        "iat": issued,
    }))
}

/// Returns the profile of the user: `GET /user/profile`.
///
/// # Errors
/// `invalid_token` if the token is missing, unknown, expired or of another cloud;
/// `insufficient_scope` without a scope for the profile; `server_error` if the storage fails.
async fn profile(context: &RequestContext) -> Result<Value, OAuthError> {
    let (grant, account) = token_owner(context).await?;
    let scopes = grant.scope.as_deref();
    let has = |scope: &str| scopes.is_none_or(|it| it.split_whitespace().any(|one| one == scope));
    let mut profile = json!({ "user_id": user_id(&account) });
    if has("profile") {
        profile["name"] = account.display_name().into();
        profile["email"] = account.address().into();
    } else if !has("profile:user_id") {
        let description = "The access token provided does not have access to the required scope.";
        return Err(OAuthError::new("insufficient_scope", description));
    }
    Ok(profile)
}
