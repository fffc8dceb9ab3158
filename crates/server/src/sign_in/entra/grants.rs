//! The grants of the token endpoint: each returns the rights to issue tokens for
//! (onedrive-graph#grants).

use http::HeaderMap;
use jiff::Timestamp;

use super::{
    SCOPE,
    client::{authenticate_app, check_scopes, granted_scopes},
    device::Poll,
    error::EntraError,
    identity::{Tenant, account_of_api_token},
    scope::ScopeParser,
};
use crate::{
    grant::{Audience, Grant},
    protocol::RequestContext,
    sign_in::{CodeProof, Form, clients::Client, redeem_code},
    signed_token::random_name,
};

/// The tokens to issue.
pub(super) struct Granted {
    /// The grant of the refresh token, with all scopes that the user consented to.
    pub grant: Grant,
    /// The resource of the access token; `None` for that of the first scope.
    pub resource: Option<Audience>,
    /// The scopes in the response; `None` for an application's own token.
    pub scope: Option<String>,
    pub has_refresh_token: bool,
    /// The nonce of the authorization request.
    pub nonce: Option<String>,
}

/// Returns a field that the grant requires.
///
/// # Errors
/// AADSTS900144 if it is missing or empty.
pub(super) fn required<'f>(form: &'f Form, name: &str) -> Result<&'f str, EntraError> {
    form.get(name).ok_or_else(|| EntraError::missing(name))
}

impl Granted {
    /// Creates the tokens for a user's grant. They include a refresh token if its scopes do.
    fn new(grant: Grant) -> Self {
        let scope = grant.scope.clone().unwrap_or_else(|| SCOPE.to_owned());
        let has_refresh_token = scope.split_whitespace().any(|word| word == "offline_access");
        let grant = grant.in_family(&random_name());
        Self { grant, resource: None, scope: Some(scope), has_refresh_token, nonce: None }
    }

    /// Selects the resource of the access token by the requested scopes. The response repeats a
    /// requested `.default`, by which MSAL finds the token in its cache.
    ///
    /// # Errors
    /// AADSTS65001 for a scope without consent, AADSTS28000 for scopes of several resources.
    fn for_scopes(
        mut self,
        context: &RequestContext,
        requested: Option<&str>,
    ) -> Result<Self, EntraError> {
        let parser = ScopeParser(&context.base_url);
        parser.check_consent(self.grant.scope.as_deref(), requested)?;
        self.resource = parser.single_resource(requested.unwrap_or_default())?;
        if let (Some(scope), Some(requested)) = (&mut self.scope, requested) {
            let is_missing = |word: &&str| {
                word.ends_with("/.default") && !scope.split_whitespace().any(|it| it == *word)
            };
            let missing: Vec<_> = requested.split_whitespace().filter(is_missing).collect();
            for word in missing {
                *scope += &format!(" {word}");
            }
        }
        Ok(self)
    }

    /// Returns the grant of the access token: for one resource, with its scopes. The access token of
    /// a static refresh token is for all resources.
    pub(super) fn access_grant(&self, context: &RequestContext, form: &Form) -> Grant {
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

/// Exchanges a refresh token, which is valid for its client only.
///
/// # Errors
/// AADSTS900144 without `refresh_token`; `invalid_grant` if the token is unknown, expired, revoked,
/// of another client or of another sign-in; those of [`Granted::for_scopes`].
pub(super) fn refresh(
    context: &RequestContext,
    form: &Form,
    client: &Client,
) -> Result<Granted, EntraError> {
    let grant = context.state.accounts.refresh_grant(required(form, "refresh_token")?);
    let is_own = |grant: &Grant| {
        !matches!(grant.audience, Audience::Live | Audience::Amazon)
            && grant.client.as_deref().is_none_or(|owner| owner == client.id)
    };
    let grant = grant.filter(is_own).ok_or_else(EntraError::bad_refresh_token)?;
    let requested = form.get("scope");
    // The static tokens grant all scopes, so the response names those that are requested.
    let scope = grant.scope.as_deref().or(requested).unwrap_or(SCOPE).to_owned();
    let granted =
        Granted { grant, resource: None, scope: Some(scope), has_refresh_token: true, nonce: None };
    granted.for_scopes(context, requested)
}

/// Exchanges an authorization code.
///
/// # Errors
/// AADSTS900144 without `code` or `redirect_uri`; `invalid_grant` for the
/// [`CodeError`](crate::sign_in::CodeError) of the code: unknown, expired, used, or of another
/// client, redirect URL or verifier; those of [`Granted::for_scopes`].
pub(super) fn exchange_code(
    context: &RequestContext,
    form: &Form,
    client: &Client,
) -> Result<Granted, EntraError> {
    let redirect = required(form, "redirect_uri")?;
    let (code, verifier) = (required(form, "code")?, form.get("code_verifier"));
    let proof = CodeProof { code, client: &client.id, redirect, verifier };
    let redeemed = redeem_code(&context.state, &proof, &Audience::Graph)?;
    let granted = Granted { nonce: redeemed.nonce, ..Granted::new(redeemed.grant) };
    granted.for_scopes(context, form.get("scope"))
}

/// Serves a poll of a program that waits for its user.
///
/// # Errors
/// AADSTS900144 without `device_code`; `authorization_pending` while the user has not decided,
/// `slow_down` for a poll before the interval is over, `authorization_declined`, `expired_token`,
/// and `bad_verification_code` for a code that is unknown, of another client or exchanged before.
pub(super) fn exchange_device_code(
    context: &RequestContext,
    form: &Form,
    client: &Client,
) -> Result<Granted, EntraError> {
    let code = required(form, "device_code")?;
    let (error, number, description) =
        match context.state.device_codes.poll(code, &client.id, Timestamp::now()) {
            Poll::Allowed { account, scope } => {
                let scope = granted_scopes(context, client, &scope);
                let grant = Grant::new(account, Some(scope)).for_client(&client.id);
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

/// Exchanges the access token that a web API received for tokens of the same user (on-behalf-of).
///
/// # Errors
/// AADSTS900144 without a required field; `invalid_request` for another `requested_token_use`;
/// those of [`authenticate_app`] and [`check_scopes`]; `invalid_grant` if the token is not signed
/// by this server, expired, not for this API, or not of a user; those of [`Granted::for_scopes`];
/// `server_error` if the key cannot be loaded.
pub(super) async fn on_behalf_of(
    context: &RequestContext,
    form: &Form,
    headers: &HeaderMap,
    client: &Client,
) -> Result<Granted, EntraError> {
    if required(form, "requested_token_use")? != "on_behalf_of" {
        let description = "The value of 'requested_token_use' is 'on_behalf_of'.";
        return Err(EntraError::new("invalid_request", 90_013, description));
    }
    authenticate_app(context, client, form, headers)?;
    let scope = required(form, "scope")?;
    check_scopes(context, client, scope)?;
    let account =
        account_of_api_token(&context.state, required(form, "assertion")?, &client.id).await?;
    let granted = granted_scopes(context, client, scope);
    let grant = Grant::new(account, Some(granted)).for_client(&client.id);
    Granted::new(grant.for_audience(Audience::Graph)).for_scopes(context, Some(scope))
}

/// Returns the rights of an application that acts for itself.
///
/// # Errors
/// Those of [`authenticate_app`]; `invalid_request` without a tenant (AADSTS50059) or a scope
/// (AADSTS900144); `invalid_scope` for other scopes than `.default`, and for those of several
/// resources; those of [`check_scopes`].
pub(super) fn client_credentials(
    context: &RequestContext,
    tenant: &Tenant,
    form: &Form,
    headers: &HeaderMap,
    client: &Client,
) -> Result<Granted, EntraError> {
    authenticate_app(context, client, form, headers)?;
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
    check_scopes(context, client, scope)?;
    let resource = ScopeParser(&context.base_url).single_resource(scope)?;
    let roles = client.registered.as_ref().and_then(|application| application.roles.as_ref());
    let roles = roles.map_or_else(|| scope.to_owned(), |roles| roles.join(" "));
    let grant = Grant::new("", Some(roles)).for_client(&client.id).for_app();
    let grant = grant.in_tenant(tenant).for_audience(resource.unwrap_or(Audience::Graph));
    let resource = Some(grant.audience.clone());
    Ok(Granted { grant, resource, scope: None, has_refresh_token: false, nonce: None })
}
