//! The token endpoint and the endpoint for device codes.

use axum::body::Body;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, request::Parts};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    DEVICE_PAGE, SCOPE, TOKEN_PATH,
    device::{self, Poll},
    error::EntraError,
    identity::{IdentityRequest, Tenant, describe_user},
    scope::ScopeParser,
};
use crate::{
    grant::{Audience, Grant},
    protocol::RequestContext,
    sign_in::{CodeProof, Form, redeem_code},
};

/// The grant type of device codes (RFC 8628).
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The type of client assertions (RFC 7523).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The tokens to issue.
struct Granted {
    /// The grant of the refresh token, with all scopes that the user consented to.
    grant: Grant,
    /// The resource of the access token; `None` for that of the first scope.
    resource: Option<Audience>,
    /// The scopes in the response; `None` for an application's own token.
    scope: Option<String>,
    has_refresh_token: bool,
    /// The nonce of the authorization request.
    nonce: Option<String>,
}

/// Reads the form in a request's body.
///
/// # Errors
/// `invalid_request` if the body fails or is too large.
async fn read_form(body: Body) -> Result<Form, EntraError> {
    Form::read(body).await.map_err(|error| {
        EntraError::new("invalid_request", 900_561, format!("The form could not be read: {error}."))
    })
}

/// Issues tokens for a request to the token endpoint.
///
/// # Errors
/// `invalid_request` for a missing field; `unsupported_grant_type`; the errors of the grant type;
/// `server_error` if the storage fails.
pub(super) async fn token(
    context: &RequestContext,
    tenant: &Tenant,
    parts: &Parts,
    body: Body,
) -> Result<Value, EntraError> {
    let form = read_form(body).await?;
    let client = client(&form, &parts.headers)?;
    let granted = match required(&form, "grant_type")? {
        "refresh_token" => refresh(context, &form, &client)?,
        "authorization_code" => exchange_code(context, &form, &client)?,
        DEVICE_GRANT => exchange_device_code(context, &form, &client)?,
        "client_credentials" => {
            let grant = authenticate_app(context, tenant, &form, &parts.headers, &client)?;
            let resource = Some(grant.audience.clone());
            Granted { grant, resource, scope: None, has_refresh_token: false, nonce: None }
        }
        other => {
            let description = format!("The grant type '{other}' is not supported.");
            return Err(EntraError::new("unsupported_grant_type", 70_003, description));
        }
    };
    let accounts = &context.state.accounts;
    let life = accounts.settings().token_life.as_secs();
    let mut tokens = json!({
        "token_type": "Bearer",
        "expires_in": life,
        "ext_expires_in": life,
        "access_token": accounts.issue_access(&granted.access_grant(context, &form)),
    });
    if granted.has_refresh_token {
        tokens["refresh_token"] = accounts.issue_refresh(&granted.grant).into();
    }
    if let Some(scope) = granted.scope {
        let request = IdentityRequest {
            account: &granted.grant.account,
            client: &client,
            scope: &scope,
            nonce: granted.nonce.as_deref(),
            client_info: form.get("client_info") == Some("1"),
        };
        describe_user(context, tenant, &request, &mut tokens).await?;
        tokens["scope"] = scope.into();
    }
    Ok(tokens)
}

/// Returns the value of a field.
///
/// # Errors
/// `invalid_request` if it is missing or empty.
fn required<'f>(form: &'f Form, name: &str) -> Result<&'f str, EntraError> {
    form.get(name).ok_or_else(|| EntraError::missing(name))
}

/// Returns the id of the client, from the form or from HTTP Basic authentication.
///
/// # Errors
/// `invalid_request` if it is missing.
fn client(form: &Form, headers: &HeaderMap) -> Result<String, EntraError> {
    form.client(headers).ok_or_else(|| EntraError::missing("client_id"))
}

/// Exchanges a refresh token, which is valid for its client only.
///
/// # Errors
/// `invalid_request` without a token; `invalid_grant` if it is invalid, expired or of another
/// client, or for a scope without consent.
fn refresh(context: &RequestContext, form: &Form, client: &str) -> Result<Granted, EntraError> {
    let grant = context.state.accounts.refresh_grant(required(form, "refresh_token")?);
    let is_own = |grant: &Grant| {
        !matches!(grant.audience, Audience::Live | Audience::Amazon)
            && grant.client.as_deref().is_none_or(|owner| owner == client)
    };
    let grant = grant.filter(is_own).ok_or_else(|| {
        EntraError::new("invalid_grant", 70_000, "The refresh token is not valid or expired.")
    })?;
    let requested = form.get("scope");
    let parser = ScopeParser(&context.base_url);
    parser.check_consent(grant.scope.as_deref(), requested)?;
    let resource = parser.single_resource(requested.unwrap_or_default())?;
    // The static tokens grant all scopes, so the response names those that are requested.
    let scope = grant.scope.as_deref().or(requested).unwrap_or(SCOPE).to_owned();
    Ok(Granted { grant, resource, scope: Some(scope), has_refresh_token: true, nonce: None })
}

/// Exchanges an authorization code.
///
/// # Errors
/// `invalid_request` for a missing field; `invalid_grant` if the code is not valid for this client,
/// redirect URL and verifier, or for a scope without consent.
fn exchange_code(
    context: &RequestContext,
    form: &Form,
    client: &str,
) -> Result<Granted, EntraError> {
    let redirect = required(form, "redirect_uri")?;
    let (code, verifier) = (required(form, "code")?, form.get("code_verifier"));
    let proof = CodeProof { code, client, redirect, verifier };
    let redeemed = redeem_code(&context.state, &proof, &Audience::Graph)?;
    let parser = ScopeParser(&context.base_url);
    let requested = form.get("scope");
    parser.check_consent(redeemed.grant.scope.as_deref(), requested)?;
    let resource = parser.single_resource(requested.unwrap_or_default())?;
    let granted = Granted::new(redeemed.grant);
    Ok(Granted { resource, nonce: redeemed.nonce, ..granted })
}

/// Serves a poll of a program that waits for its user.
///
/// # Errors
/// `authorization_pending` until the user has decided; `slow_down` for a poll that is too early;
/// `authorization_declined`; `expired_token`; `bad_verification_code` for an unknown code.
fn exchange_device_code(
    context: &RequestContext,
    form: &Form,
    client: &str,
) -> Result<Granted, EntraError> {
    let code = required(form, "device_code")?;
    let (error, number, description) =
        match context.state.device_codes.poll(code, client, Timestamp::now()) {
            Poll::Allowed { account, scope } => {
                let grant = Grant::new(account, Some(scope)).for_client(client);
                return Ok(Granted::new(grant.for_audience(Audience::Graph)));
            }
            Poll::Pending => {
                let description = "OAuth 2.0 device flow error. Authorization is pending. Continue \
                                   polling.";
                ("authorization_pending", 70_016, description)
            }
            Poll::TooSoon => ("slow_down", 70_016, "The client polls too often."),
            Poll::Denied => {
                ("authorization_declined", 70_000, "The end user denied the authorization request.")
            }
            Poll::Expired => ("expired_token", 70_019, "Verification code expired."),
            Poll::Unknown => ("bad_verification_code", 70_018, "The device_code is not known."),
        };
    Err(EntraError::new(error, number, description))
}

impl Granted {
    /// Creates the tokens for a user's grant. They include a refresh token if its scopes do.
    fn new(grant: Grant) -> Self {
        let scope = grant.scope.clone().unwrap_or_else(|| SCOPE.to_owned());
        let has_refresh_token = scope.split_whitespace().any(|word| word == "offline_access");
        Self { grant, resource: None, scope: Some(scope), has_refresh_token, nonce: None }
    }

    /// Returns the grant of the access token: for one resource, with its scopes. The resource is
    /// that of the requested scopes in `form`, else that of the first granted scope, else Graph.
    /// The access token of a static refresh token is for all resources.
    fn access_grant(&self, context: &RequestContext, form: &Form) -> Grant {
        let grant = self.grant.clone();
        let Some(granted) = &self.grant.scope else { return grant };
        if grant.is_app {
            return grant;
        }
        let parser = ScopeParser(&context.base_url);
        let first = || parser.parse(granted).find_map(|scope| scope.resource);
        let resource = self.resource.clone().or_else(first).unwrap_or(Audience::Graph);
        let requested = form.get("scope").unwrap_or_default();
        let scope = parser.for_resource(granted, requested, &resource);
        Grant { scope: Some(scope), ..grant }.for_audience(resource)
    }
}

/// Checks the credentials of an application, and returns its grant, for the default account.
///
/// # Errors
/// `invalid_client` for missing or wrong credentials; `invalid_request` if the tenant is not
/// concrete or the scope is missing; `invalid_scope` for a scope other than `.default`.
fn authenticate_app(
    context: &RequestContext,
    tenant: &Tenant,
    form: &Form,
    headers: &HeaderMap,
    client: &str,
) -> Result<Grant, EntraError> {
    let tokens = &context.state.accounts.settings().tokens;
    let secret = form.secret(headers).filter(|secret| !secret.is_empty());
    match (secret, form.get("client_assertion")) {
        (Some(secret), _) if tokens.public || tokens.is_own(&secret) => {}
        (None, Some(assertion)) if tokens.public => {
            check_assertion(context, form, assertion, client)?;
        }
        (None, None) => {
            let description = "The request body must contain the following parameter: \
                               'client_assertion' or 'client_secret'.";
            return Err(EntraError::new("invalid_client", 7_000_218, description));
        }
        _ => {
            let description =
                "Invalid client secret provided: on this server it is its access token.";
            return Err(EntraError::new("invalid_client", 7_000_215, description));
        }
    }
    let Tenant::One(tenant) = tenant else {
        let description = "Tenant-identifying information was not found in either the request or \
                           implied by any provided credentials.";
        return Err(EntraError::new("invalid_request", 50_059, description));
    };
    let scope = required(form, "scope")?;
    if scope.split_whitespace().any(|scope| !scope.ends_with("/.default")) {
        let description = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have \
             a scope value with /.default suffixed to the resource identifier (application ID URI)."
        );
        return Err(EntraError::new("invalid_scope", 1_002_012, description));
    }
    let resource = ScopeParser(&context.base_url).single_resource(scope)?;
    let grant = Grant::new("", Some(scope.to_owned())).for_client(client).for_app();
    Ok(grant.in_tenant(tenant).for_audience(resource.unwrap_or(Audience::Graph)))
}

/// Checks the claims of a client assertion. Its signature is not checked, because no certificates
/// are registered: like the client secret, any is accepted.
///
/// # Errors
/// `invalid_request` without the assertion's type; `invalid_client` if it is malformed, expired, or
/// of another client or endpoint.
fn check_assertion(
    context: &RequestContext,
    form: &Form,
    assertion: &str,
    client: &str,
) -> Result<(), EntraError> {
    let invalid = |reason: &str| {
        let description = format!("JWT token is invalid or malformed: {reason}.");
        EntraError::new("invalid_client", 50_027, description)
    };
    if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(EntraError::missing("client_assertion_type"));
    }
    let mut parts = assertion.split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(invalid("it has not three parts"));
    };
    let claims = URL_SAFE_NO_PAD.decode(claims).ok();
    let claims: Value = claims
        .and_then(|claims| serde_json::from_slice(&claims).ok())
        .ok_or_else(|| invalid("its claims are not JSON"))?;
    if claims["iss"] != client || claims["sub"] != client {
        return Err(invalid("iss and sub must be the client id"));
    }
    let own = context.base_url.url("/");
    let is_own = |audience: &str| audience.starts_with(&own) && audience.ends_with(TOKEN_PATH);
    if !claims["aud"].as_str().is_some_and(is_own) {
        return Err(invalid("aud must be the token endpoint"));
    }
    // MSAL for Python sends a fraction of a second too.
    let now = Timestamp::now().as_duration().as_secs_f64();
    if claims["exp"].as_f64().is_none_or(|expires| expires <= now) {
        return Err(EntraError::new("invalid_client", 700_024, "Client assertion is expired."));
    }
    Ok(())
}

/// Issues a device code and a user code.
///
/// # Errors
/// `invalid_request` for a missing field; `temporarily_unavailable` if too many codes are in use.
pub(super) async fn device_code(
    context: &RequestContext,
    parts: &Parts,
    body: Body,
) -> Result<Value, EntraError> {
    let form = read_form(body).await?;
    let client = client(&form, &parts.headers)?;
    let scope = required(&form, "scope")?;
    let codes = context.state.device_codes.issue(&client, scope, Timestamp::now());
    let codes = codes.ok_or_else(|| {
        EntraError::new("temporarily_unavailable", 90_033, "Too many device codes are in use.")
    })?;
    let page = context.base_url.url(DEVICE_PAGE);
    let message = format!(
        "To sign in, use a web browser to open the page {page} and enter the code {} to \
         authenticate.",
        codes.user_code
    );
    Ok(json!({
        "user_code": codes.user_code,
        "device_code": codes.device_code,
        "verification_uri": page,
        "expires_in": device::LIFE.as_secs(),
        "interval": device::INTERVAL,
        "message": message,
    }))
}
