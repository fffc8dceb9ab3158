//! The token endpoint and the endpoint for device codes.

use axum::body::Body;
use http::request::Parts;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    DEVICE_PAGE,
    client::{self, authenticate, check_scopes},
    device,
    error::EntraError,
    grants::{self, required},
    identity::{IdentityRequest, Tenant, api_token, describe_user},
};
use crate::{
    grant::{Audience, Grant},
    protocol::RequestContext,
    sign_in::Form,
};

/// The grant type of device codes (RFC 8628).
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The name of [`DEVICE_GRANT`] that MSAL for Node.js sends (onedrive-graph#device-code).
const SHORT_DEVICE_GRANT: &str = "device_code";

/// The grant type of on-behalf-of (RFC 7523).
const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Reads the form of a request.
///
/// # Errors
/// AADSTS900561 if the body ends early or has more than 64 KiB.
async fn read_form(body: Body) -> Result<Form, EntraError> {
    Form::read(body).await.map_err(|error| {
        EntraError::new("invalid_request", 900_561, format!("The form could not be read: {error}."))
    })
}

/// Issues tokens for a request to the token endpoint.
///
/// # Errors
/// AADSTS900561 for a form that cannot be read; AADSTS900144 without the client id or the grant
/// type; those of [`client::find`], of [`authenticate`] and of the grant; `unsupported_grant_type`
/// for another grant type; `invalid_grant` if the tokens of the grant were revoked meanwhile;
/// `server_error` if the account or the key cannot be opened.
pub(super) async fn token(
    context: &RequestContext,
    tenant: &Tenant,
    parts: &Parts,
    body: Body,
) -> Result<Value, EntraError> {
    let form = read_form(body).await?;
    let (form, headers) = (&form, &parts.headers);
    let client = client::find(context, tenant, form, headers)?;
    let grant_type = match required(form, "grant_type")? {
        SHORT_DEVICE_GRANT => DEVICE_GRANT,
        other => other,
    };
    if matches!(grant_type, "refresh_token" | "authorization_code" | DEVICE_GRANT) {
        authenticate(context, &client, form, headers)?;
    }
    let granted = match grant_type {
        "refresh_token" => grants::refresh(context, form, &client)?,
        "authorization_code" => grants::exchange_code(context, form, &client)?,
        DEVICE_GRANT => grants::exchange_device_code(context, form, &client)?,
        JWT_GRANT => grants::on_behalf_of(context, form, headers, &client).await?,
        "client_credentials" => {
            grants::client_credentials(context, tenant, form, headers, &client)?
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
        "access_token": access_token(context, &granted.access_grant(context, form)).await?,
    });
    if granted.has_refresh_token {
        let refresh = accounts.issue_refresh(&granted.grant);
        tokens["refresh_token"] = refresh.ok_or_else(EntraError::bad_refresh_token)?.into();
    }
    if let Some(scope) = granted.scope {
        let request = IdentityRequest {
            account: &granted.grant.account,
            client: &client.id,
            scope: &scope,
            nonce: granted.nonce.as_deref(),
            client_info: form.get("client_info") == Some("1"),
        };
        describe_user(context, tenant, &request, &mut tokens).await?;
        tokens["scope"] = scope.into();
    }
    Ok(tokens)
}

/// Issues an access token. That of another application's API is a JSON Web Token, which the API can
/// verify with the server's public key.
///
/// # Errors
/// `server_error` if the account cannot be opened, or the key cannot be read, written or generated.
async fn access_token(context: &RequestContext, grant: &Grant) -> Result<String, EntraError> {
    match &grant.audience {
        Audience::Api(api) => api_token(context, grant, api).await,
        _ => Ok(context.state.accounts.issue_access(grant)),
    }
}

/// Issues a device code and a user code.
///
/// # Errors
/// AADSTS900561 for a form that cannot be read; AADSTS900144 without the client id or the scope;
/// those of [`client::find`] and [`check_scopes`]; `invalid_client` if the application is not a
/// public client and does not authenticate; `temporarily_unavailable` if
/// [`DeviceCodes::issue`](super::device::DeviceCodes::issue) returns none.
pub(super) async fn device_code(
    context: &RequestContext,
    tenant: &Tenant,
    parts: &Parts,
    body: Body,
) -> Result<Value, EntraError> {
    let form = read_form(body).await?;
    let client = client::find(context, tenant, &form, &parts.headers)?;
    let scope = required(&form, "scope")?;
    check_scopes(context, &client, scope)?;
    if client.registered.as_ref().is_some_and(|application| !application.public_client) {
        authenticate(context, &client, &form, &parts.headers)?;
    }
    let realm = tenant.realm();
    let codes = context.state.device_codes.issue(&client.id, scope, realm, Timestamp::now());
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
