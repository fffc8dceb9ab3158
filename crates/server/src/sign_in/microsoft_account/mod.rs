//! Sign-in of Microsoft accounts, as at login.live.com (live-connect#oauth).
//!
//! `/oauth20_authorize.srf` redirects with a code or a token, to a URL on this machine, to the desktop
//! page or to a registered URL. `/oauth20_token.srf` exchanges codes and refresh tokens.

mod authorize;
mod error;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::error::OAuthError;
use super::{CodeProof, Form, SECRET_URLS, clients::Client, json_response, redeem_code};
use crate::{
    base_url,
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

/// The scope that an authentication token requires.
const SIGN_IN: &str = "wl.signin";

/// The host of the sign-in before 2012, whose paths have other names.
const OLD_HOST: &str = "oauth.live.com";

/// The path of the logout.
const LOGOUT_PATH: &str = "/oauth20_logout.srf";

/// The sign-in of Microsoft accounts, as at login.live.com.
pub(crate) struct MicrosoftAccount;

/// A request, classified by its path and method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignInRequest {
    Token,
    Authorize,
    DesktopPage,
    Logout,
    Unknown,
}

const TOKEN: &str = "oauth.token";
const AUTHORIZE: &str = "oauth.authorize";
const DESKTOP_PAGE: &str = "oauth.desktop";
const LOGOUT: &str = "oauth.logout";
const UNKNOWN: &str = "oauth.unknown";

impl Protocol for MicrosoftAccount {
    type Request = SignInRequest;

    const DECLARATION: Declaration = Declaration {
        operations: || &[TOKEN, AUTHORIZE, DESKTOP_PAGE, LOGOUT, UNKNOWN],
        secret_urls: SECRET_URLS,
        hash_members: &[],
        over_budget: OverBudget::BARE,
        failure,
    };

    /// Parses a request with a path of this sign-in, `/oauth20_…`; `None` for any other path.
    fn route(_: &ServerState, parts: &Parts) -> Option<Routed<SignInRequest>> {
        let path = path(parts);
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
            (&Method::GET, LOGOUT_PATH) => page(Routed::new(LOGOUT, SignInRequest::Logout)),
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
            SignInRequest::Authorize => authorize::authorize(&context, &parts, body).await,
            SignInRequest::Logout => authorize::logout(&context, &parts),
            SignInRequest::DesktopPage => desktop_page(),
            SignInRequest::Unknown => text(
                StatusCode::NOT_FOUND,
                "cannot find this sign-in path (there are POST /oauth20_token.srf, \
                 GET /oauth20_authorize.srf, GET /oauth20_desktop.srf and GET /oauth20_logout.srf)",
            ),
        }
    }
}

/// Returns the path of a request. A path of the old host is replaced by its newer name.
fn path(parts: &Parts) -> &str {
    let host = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let host = parts.uri.host().or(host).unwrap_or_default();
    if !host.split(':').next().is_some_and(|host| host.eq_ignore_ascii_case(OLD_HOST)) {
        return parts.uri.path();
    }
    match parts.uri.path() {
        "/authorize" => "/oauth20_authorize.srf",
        "/token" => "/oauth20_token.srf",
        "/desktop" => base_url::DESKTOP_PAGE,
        "/logout" => LOGOUT_PATH,
        other => other,
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

/// The body of a successful response. The members and their order are the cloud's.
#[derive(Serialize)]
struct Tokens {
    token_type: &'static str,
    expires_in: u64,
    scope: String,
    access_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authentication_token: Option<String>,
    user_id: String,
}

/// Issues tokens for a request to the token endpoint.
///
/// # Errors
/// `invalid_request` for a missing field, a missing secret or a form that cannot be read;
/// `unauthorized_client` for an unknown client; `invalid_client` for a wrong or unexpected secret;
/// `unsupported_grant_type`; `invalid_grant` for a code or refresh token that is unknown, expired,
/// used, revoked, or of another client, redirect URL or cloud; `server_error` if the storage fails.
async fn token(state: &ServerState, headers: &HeaderMap, body: Body) -> Result<Tokens, OAuthError> {
    let form = Form::read(body).await;
    let form =
        form.map_err(|error| OAuthError::new("invalid_request", format!("The form: {error}.")))?;
    let required = |name: &str| form.get(name).ok_or_else(|| OAuthError::missing(name));

    let grant_type = required("grant_type")?;
    let id = form.client(headers).ok_or_else(|| OAuthError::missing("client_id"))?;
    let client = Client::find(state, &id)?;
    let secret = form.secret(headers).filter(|secret| !secret.is_empty());
    client.check_secret(secret.as_deref())?;
    let grant = match grant_type {
        "refresh_token" => {
            let grant = state.accounts.refresh_grant(required("refresh_token")?);
            let is_own = |grant: &Grant| {
                grant.check_audience(&Audience::Live).is_ok()
                    && grant.client.as_ref().is_none_or(|owner| *owner == id)
            };
            grant.filter(is_own).ok_or_else(bad_refresh_token)?
        }
        "authorization_code" => {
            let (code, redirect) = (required("code")?, required("redirect_uri")?);
            let proof = CodeProof { code, client: &id, redirect, verifier: None };
            redeem_code(state, &proof, &Audience::Live)
                .map_err(|error| OAuthError::new("invalid_grant", error.to_string()))?
                .grant
                .for_client(&id)
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
    issue(state, &grant, &id, secret.as_deref()).await
}

/// Returns `invalid_grant`: a refresh token is unknown, expired, revoked, or of another client or
/// cloud.
fn bad_refresh_token() -> OAuthError {
    OAuthError::new("invalid_grant", "The refresh token isn't valid or has expired.")
}

/// Issues the tokens of a grant. `secret` is the client's secret, which signs the authentication
/// token; `None` if the request has none.
///
/// # Errors
/// `server_error` if the account cannot be opened, also on a full disk; `invalid_grant` if another
/// request replaced the refresh token meanwhile.
async fn issue(
    state: &ServerState,
    grant: &Grant,
    client: &str,
    secret: Option<&str>,
) -> Result<Tokens, OAuthError> {
    let account = state.accounts.open(&grant.account).await.map_err(|error| {
        tracing::error!(%error, "cannot issue tokens");
        OAuthError::new("server_error", "The server could not look the account up.")
    })?;
    let scope = grant.scope.clone().unwrap_or_else(|| SCOPE.to_owned());
    let has = |wanted| scope.split_whitespace().any(|word| word == wanted);
    let refresh_token = match has(OFFLINE) {
        true => Some(state.accounts.issue_refresh(grant).ok_or_else(bad_refresh_token)?),
        false => None,
    };
    let life = state.accounts.settings().token_life.as_secs();
    let expires = Timestamp::now().as_second().saturating_add_unsigned(life);
    let secret = secret.filter(|_| has(SIGN_IN));
    Ok(Tokens {
        token_type: "bearer",
        expires_in: life,
        access_token: state.accounts.issue_access(grant),
        refresh_token,
        authentication_token: secret
            .map(|secret| authentication_token(client, &account.cid, expires, secret)),
        user_id: account.cid.clone(),
        scope,
    })
}

/// Returns the JSON Web Token by which the application's own server recognizes the user. It is signed
/// by HMAC-SHA-256 with the SHA-256 of the client's secret and `JWTSig`, as the sample code of the
/// vendor verifies it. `expires` is in seconds since the epoch.
fn authentication_token(client: &str, user: &str, expires: i64, secret: &str) -> String {
    let header = json!({ "alg": "HS256", "kid": "0", "typ": "JWT" });
    let claims = json!({
        "ver": 1,
        "iss": "urn:windows:liveid",
        "exp": expires,
        "uid": user,
        "aud": client,
        "urn:microsoft:appid": client,
    });
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let key = Sha256::digest(format!("{secret}JWTSig"));
    let keyed = <Hmac<Sha256> as KeyInit>::new_from_slice(&key);
    let keyed = keyed.expect("HMAC accepts keys of every length");
    let tag = keyed.chain_update(&signed).finalize().into_bytes();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
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
