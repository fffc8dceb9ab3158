//! Authenticates the application of a token request, and checks the scopes that it requests.

use http::HeaderMap;

use super::{TOKEN_PATH, error::EntraError, identity::Tenant, scope::ScopeParser};
use crate::{
    directory::ApplicationRecord,
    grant::{ALL_PERMISSIONS, Audience},
    graph::is_known_permission,
    protocol::RequestContext,
    sign_in::{
        Form,
        client_assertion::{self, ASSERTION_TYPE, AssertionError},
        clients::{Client, ClientError},
    },
};

/// The id of Microsoft Graph in messages.
const GRAPH_ID: &str = "00000003-0000-0000-c000-000000000000";

/// Finds the application of a request, by the client id in the form or in HTTP Basic. It must
/// belong to `tenant` if the request names one.
///
/// # Errors
/// AADSTS900144 without a client id; AADSTS700016 if the directory does not have the application, or
/// if it belongs to another tenant.
pub(super) fn find(
    context: &RequestContext,
    tenant: &Tenant,
    form: &Form,
    headers: &HeaderMap,
) -> Result<Client, EntraError> {
    let id = form.client(headers).ok_or_else(|| EntraError::missing("client_id"))?;
    let client = Client::find(&context.state, &id)
        .map_err(|_| EntraError::unknown_application(&id, tenant.segment()))?;
    let home = client.registered.as_ref().and_then(|application| application.tenant.as_deref());
    let is_foreign = |home: &str| match tenant {
        Tenant::Any(_) => false,
        Tenant::One(id) => {
            Tenant::parse(home).resolved(&context.state) != Some(Tenant::One(id.clone()))
        }
    };
    match home.is_some_and(is_foreign) {
        true => Err(EntraError::unknown_application(&id, tenant.segment())),
        false => Ok(client),
    }
}

/// Authenticates a registered application. A public client needs no credential.
///
/// # Errors
/// Those of [`Client::check_secret`] for a secret; for an assertion AADSTS900144 without its type,
/// and those of [`client_assertion::verify`]; all others than AADSTS900144 are `invalid_client`.
pub(super) fn authenticate(
    context: &RequestContext,
    client: &Client,
    form: &Form,
    headers: &HeaderMap,
) -> Result<(), EntraError> {
    if client.registered.is_none() {
        return Ok(());
    }
    match (secret(form, headers), form.get("client_assertion")) {
        (None, Some(assertion)) => check_assertion(context, client, form, assertion),
        (secret, _) => Ok(client.check_secret(secret.as_deref())?),
    }
}

/// Authenticates an application that acts for itself. Without a directory any secret and any
/// assertion are accepted; on a private server the secret must be the server's access token.
///
/// # Errors
/// `invalid_client` if the credential is missing (AADSTS7000218), wrong or not expected;
/// AADSTS900144 (`invalid_request`) for an assertion without its type.
pub(super) fn authenticate_app(
    context: &RequestContext,
    client: &Client,
    form: &Form,
    headers: &HeaderMap,
) -> Result<(), EntraError> {
    let (secret, assertion) = (secret(form, headers), form.get("client_assertion"));
    if secret.is_none() && assertion.is_none() {
        return Err(ClientError::MissingCredential.into());
    }
    if client.registered.is_some() {
        return authenticate(context, client, form, headers);
    }
    let tokens = &context.state.accounts.settings().tokens;
    match (secret, assertion) {
        (Some(secret), _) if tokens.public || tokens.is_own(&secret) => Ok(()),
        (None, Some(assertion)) if tokens.public => {
            check_assertion(context, client, form, assertion)
        }
        _ => {
            let description =
                "Invalid client secret provided: on this server it is its access token.";
            Err(EntraError::new("invalid_client", 7_000_215, description))
        }
    }
}

/// Returns the client secret of a request; `None` if it is missing or empty.
fn secret(form: &Form, headers: &HeaderMap) -> Option<String> {
    form.secret(headers).filter(|secret| !secret.is_empty())
}

/// Checks a client assertion.
///
/// # Errors
/// AADSTS900144 (`invalid_request`) without the type of assertions; `invalid_client` for the
/// [`AssertionError`] of the first check that fails.
fn check_assertion(
    context: &RequestContext,
    client: &Client,
    form: &Form,
    assertion: &str,
) -> Result<(), EntraError> {
    if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(EntraError::missing("client_assertion_type"));
    }
    let own = context.base_url.url("/");
    let is_own = |audience: &str| audience.starts_with(&own) && audience.ends_with(TOKEN_PATH);
    let application: Option<&ApplicationRecord> = client.registered.as_deref();
    client_assertion::verify(&context.state, &client.id, application, assertion, is_own)
        .map_err(EntraError::from)
}

/// Checks that an application may request scopes of a user, which are separated by spaces. Without
/// a directory all scopes are accepted.
///
/// # Errors
/// * AADSTS500011 for an unknown resource, AADSTS650053 for a scope that its resource does not have.
/// * AADSTS65001 for a permission that the application may not have.
pub(super) fn check_scopes(
    context: &RequestContext,
    client: &Client,
    scopes: &str,
) -> Result<(), EntraError> {
    let (Some(application), Some(directory)) =
        (&client.registered, context.state.accounts.directory())
    else {
        return Ok(());
    };
    for scope in ScopeParser(&context.base_url).parse(scopes) {
        let unknown = |resource: &str| {
            let description = format!(
                "The application '{}' asked for scope '{}' that doesn't exist on the resource \
                 '{resource}'. Contact the app vendor.",
                application.display_name(),
                scope.text
            );
            Err(EntraError::new("invalid_client", 650_053, description))
        };
        let is_default = scope.permission == ALL_PERMISSIONS;
        match &scope.resource {
            None => {}
            Some(Audience::Api(id)) => {
                let Some(api) = directory.application(id) else {
                    let description = format!(
                        "The resource principal named {id} was not found in the tenant. This can \
                         happen if the application has not been installed by the administrator of \
                         the tenant or consented to by any user in the tenant."
                    );
                    return Err(EntraError::new("invalid_resource", 500_011, description));
                };
                let is_wanted = |it: &String| it.eq_ignore_ascii_case(&scope.permission);
                if !is_default && !api.api_scopes.iter().any(is_wanted) {
                    return unknown(id);
                }
            }
            Some(_) if is_default || application.allows_scope(scope.text) => {}
            Some(_) if is_known_permission(&scope.permission) => {
                return Err(EntraError::no_consent(scope.text));
            }
            Some(_) => return unknown(GRAPH_ID),
        }
    }
    Ok(())
}

/// Returns the scopes that a user grants: `.default` of Graph or SharePoint is replaced by all scopes
/// that the application may have.
pub(super) fn granted_scopes(context: &RequestContext, client: &Client, scopes: &str) -> String {
    let allowed = client.registered.as_ref().and_then(|application| application.scopes.as_ref());
    let Some(allowed) = allowed else { return scopes.to_owned() };
    let mut granted: Vec<String> = Vec::new();
    for scope in ScopeParser(&context.base_url).parse(scopes) {
        let is_own = matches!(scope.resource, Some(Audience::Graph | Audience::SharePoint));
        match is_own && scope.permission == ALL_PERMISSIONS {
            true => granted.extend(allowed.iter().filter(|it| is_entra_scope(it)).cloned()),
            false => granted.push(scope.text.to_owned()),
        }
    }
    granted.dedup();
    granted.join(" ")
}

/// Returns whether a registered scope is one of Entra, and not of the other two sign-ins.
fn is_entra_scope(scope: &str) -> bool {
    !scope.starts_with("wl.") && !scope.starts_with("clouddrive:")
}

impl From<ClientError> for EntraError {
    /// Converts the refusal of an application to the error with Entra's number:
    /// `unauthorized_client`, `invalid_client`, for a redirect URL `invalid_request`, for a scope
    /// `invalid_scope`.
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::Unknown(id) => Self::unknown_application(id, "common"),
            ClientError::Secret(id) => {
                let description = format!(
                    "Invalid client secret provided. Ensure the secret being sent in the request is \
                     the client secret value, not the client secret ID, for a secret added to app \
                     '{id}'."
                );
                Self::new("invalid_client", 7_000_215, description)
            }
            ClientError::MissingCredential => {
                let description = "The request body must contain the following parameter: \
                                   'client_assertion' or 'client_secret'.";
                Self::new("invalid_client", 7_000_218, description)
            }
            ClientError::PublicClient => {
                let description = "Client is public so neither 'client_assertion' nor \
                                   'client_secret' should be presented.";
                Self::new("invalid_client", 700_025, description)
            }
            ClientError::Redirect { id, redirect } => {
                let description = format!(
                    "The redirect URI '{redirect}' specified in the request does not match the \
                     redirect URIs configured for the application '{id}'. Make sure the redirect URI \
                     sent in the request matches one added to your application."
                );
                Self::new("invalid_request", 50_011, description)
            }
            ClientError::Scope(_) => Self::new("invalid_scope", 70_011, error.to_string()),
        }
    }
}

impl From<AssertionError> for EntraError {
    /// Converts the refusal of an assertion to `invalid_client` with Entra's number.
    fn from(error: AssertionError) -> Self {
        let (number, description) = match &error {
            AssertionError::Expired => (700_024, "Client assertion is expired.".to_owned()),
            AssertionError::UnknownCertificate(thumbprint) => (
                700_027,
                format!(
                    "The certificate with identifier used to sign the client assertion is not \
                     registered on application. [Reason - The key was not found., Thumbprint of key \
                     used by client: '{thumbprint}']"
                ),
            ),
            AssertionError::Signature => (
                700_027,
                "Client assertion failed signature validation. [Reason - The key was found, but the \
                 signature verification failed.]"
                    .to_owned(),
            ),
            AssertionError::Malformed(_) | AssertionError::Reused => {
                (50_027, format!("JWT token is invalid or malformed: {error}."))
            }
        };
        Self::new("invalid_client", number, description)
    }
}
