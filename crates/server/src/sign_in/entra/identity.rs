//! The user and the tenant in id tokens (onedrive-graph#id-token).

use axum::response::Response;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{StatusCode, request::Parts};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::error::EntraError;
use crate::{
    account::Account,
    base_url::BaseUrl,
    directory::{CONSUMERS, ORGANIZATION},
    grant::{Audience, Grant},
    graph::AccountIdentity,
    protocol::RequestContext,
    responses::text,
    sign_in::{consent::Realm, json_response},
    signed_token::random_name,
    state::ServerState,
};

/// The tenant in the path of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tenant {
    /// `common` or `organizations`: the account determines the tenant.
    Any(String),
    /// One tenant, by its id.
    One(String),
}

impl Tenant {
    /// Parses the tenant in a path, in any case: a name for several, a GUID, or a domain, whose id
    /// is derived from its name. It does not check whether the tenant exists.
    pub(super) fn parse(segment: &str) -> Self {
        let name = segment.to_ascii_lowercase();
        match name.as_str() {
            "common" | "organizations" => Self::Any(name),
            "consumers" => Self::One(CONSUMERS.to_owned()),
            _ if is_guid(&name) => Self::One(name),
            _ => Self::One(guid_of_domain(&name)),
        }
    }

    /// Returns the tenant with the id that it has in the directory; `None` if the directory does not
    /// have it. A server without a directory has all tenants.
    pub(super) fn resolved(&self, state: &ServerState) -> Option<Self> {
        let (Self::One(id), Some(directory)) = (self, state.accounts.directory()) else {
            return Some(self.clone());
        };
        let id = directory.tenant(id, guid_of_domain)?;
        Some(Self::One(id.to_ascii_lowercase()))
    }

    /// Returns the users who can sign in to the tenant.
    pub(super) fn realm(&self) -> Realm {
        match self {
            Self::Any(name) if name == "organizations" => Realm::Organizations,
            Self::Any(_) => Realm::Any,
            Self::One(id) if id == CONSUMERS => Realm::Personal,
            Self::One(id) => Realm::Tenant(id.clone()),
        }
    }

    /// Returns the segment that stands for the tenant in URLs.
    pub(super) fn segment(&self) -> &str {
        let (Self::Any(segment) | Self::One(segment)) = self;
        segment
    }

    /// Returns the tenant's id in the issuer of the OpenID configuration, which is a placeholder if
    /// the account determines the tenant.
    pub(super) fn issuer_id(&self) -> &str {
        match self {
            Self::Any(_) => "{tenantid}",
            Self::One(id) => id,
        }
    }
}

/// Returns whether a text has the form of a GUID.
fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Returns an id for a tenant that is named by its domain.
fn guid_of_domain(domain: &str) -> String {
    let hex = hex::encode(&Sha256::digest(domain)[..16]);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A user who signed in.
pub(super) struct EntraUser {
    /// The user's id in the directory.
    object_id: String,
    /// The id of the user's tenant.
    tenant: String,
    name: String,
    /// The sign-in name.
    address: String,
}

impl EntraUser {
    /// Returns the user of an account, in the tenant that a request names.
    pub(super) fn new(state: &ServerState, account: &Account, tenant: &Tenant) -> Self {
        let kind = state.accounts.kind(account);
        let identity = AccountIdentity::new(kind, account);
        let object_id = match kind.is_personal() {
            true => format!("00000000-0000-0000-{}-{}", &account.cid[..4], &account.cid[4..]),
            false => identity.user_id(),
        };
        let own_tenant = if kind.is_personal() { CONSUMERS } else { ORGANIZATION };
        let tenant = match (&account.profile, tenant) {
            (Some(profile), _) => profile.tenant.clone(),
            (None, Tenant::One(id)) => id.clone(),
            (None, Tenant::Any(_)) => own_tenant.to_owned(),
        };
        Self {
            object_id,
            tenant,
            name: account.display_name().to_owned(),
            address: identity.address(),
        }
    }

    /// Returns the value of `client_info`: the user's id and tenant, as base64url.
    pub(super) fn client_info(&self) -> String {
        let info = json!({ "uid": self.object_id, "utid": self.tenant });
        URL_SAFE_NO_PAD.encode(info.to_string())
    }

    /// Returns the user's id for the application `client`. Applications cannot match their users by
    /// it.
    fn subject(&self, client: &str) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{client} {}", self.object_id)))
    }

    /// Returns a signed id token for a client. `scope` decides which claims it has; `nonce` is that
    /// of the authorization request, if it had one.
    ///
    /// # Errors
    /// `server_error` if the key cannot be read, written or generated.
    pub(super) async fn id_token(
        &self,
        state: &ServerState,
        base_url: &BaseUrl,
        client: &str,
        scope: &str,
        nonce: Option<&str>,
    ) -> Result<String, EntraError> {
        let now = Timestamp::now().as_second();
        let life = state.accounts.settings().token_life.as_secs();
        let mut claims = json!({
            "ver": "2.0",
            "iss": base_url.url(&format!("/{}/v2.0", self.tenant)),
            "aud": client,
            "sub": self.subject(client),
            "oid": self.object_id,
            "tid": self.tenant,
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add_unsigned(life),
            "uti": random_name(),
        });
        let has = |wanted| scope.split_whitespace().any(|word| word == wanted);
        if has("profile") {
            claims["name"] = self.name.as_str().into();
            claims["preferred_username"] = self.address.as_str().into();
        }
        if has("email") {
            claims["email"] = self.address.as_str().into();
        }
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        state.signing_key.sign(&claims).await.map_err(|error| EntraError::server(&error))
    }
}

/// The claim with the name of the user's account, in tokens for another application's API.
const ACCOUNT_CLAIM: &str = "drivedal_account";

/// Returns an access token for another application's API: a JSON Web Token with the claims of
/// Entra's access tokens, version 2.0.
///
/// # Errors
/// `server_error` if the account cannot be opened, or the key cannot be read, written or generated.
pub(super) async fn api_token(
    context: &RequestContext,
    grant: &Grant,
    api: &str,
) -> Result<String, EntraError> {
    let state = &context.state;
    let now = Timestamp::now().as_second();
    let life = state.accounts.settings().token_life.as_secs();
    let client = grant.client.as_deref().unwrap_or_default();
    let permissions = grant.scope.as_deref().unwrap_or_default().split_whitespace();
    let permissions: Vec<_> = permissions.filter_map(|it| Some(it.rsplit_once('/')?.1)).collect();
    let mut claims = json!({
        "ver": "2.0",
        "aud": api,
        "azp": client,
        "iat": now,
        "nbf": now,
        "exp": now.saturating_add_unsigned(life),
        "uti": random_name(),
    });
    let tenant = if grant.is_app {
        claims["roles"] = permissions.into();
        claims["idtyp"] = "app".into();
        claims["oid"] = client.into();
        claims["sub"] = client.into();
        grant.tenant.clone().unwrap_or_default()
    } else {
        let account = state.accounts.open(&grant.account).await;
        let account = account.map_err(|error| EntraError::server(&error))?;
        let user = EntraUser::new(state, &account, &Tenant::parse("common"));
        claims["scp"] = permissions.join(" ").into();
        claims["oid"] = user.object_id.as_str().into();
        claims["sub"] = user.subject(api).into();
        claims["name"] = user.name.as_str().into();
        claims["preferred_username"] = user.address.as_str().into();
        claims[ACCOUNT_CLAIM] = grant.account.as_str().into();
        user.tenant
    };
    claims["iss"] = context.base_url.url(&format!("/{tenant}/v2.0")).into();
    claims["tid"] = tenant.into();
    state.signing_key.sign(&claims).await.map_err(|error| EntraError::server(&error))
}

/// Returns the account of the user in a token that [`api_token`] issued for the API `client`.
///
/// # Errors
/// `invalid_grant` if the token is not signed by this server, is for another API, has expired, or
/// is not that of a user; `server_error` if the key cannot be read, written or generated.
pub(super) async fn account_of_api_token(
    state: &ServerState,
    token: &str,
    client: &str,
) -> Result<String, EntraError> {
    let refused = |number, reason: &str| Err(EntraError::new("invalid_grant", number, reason));
    let claims = state.signing_key.verify(token).await;
    let claims = claims.map_err(|error| EntraError::server(&error))?;
    let Some(claims) = claims else {
        return refused(50_013, "Assertion failed signature validation.");
    };
    if !claims["aud"].as_str().is_some_and(|audience| audience.eq_ignore_ascii_case(client)) {
        let reason = "Assertion audience does not match the Client app presenting the assertion.";
        return refused(500_131, reason);
    }
    if claims["exp"].as_i64().is_none_or(|expires| expires <= Timestamp::now().as_second()) {
        let reason = "Assertion is not within its valid time range.";
        return refused(500_133, reason);
    }
    match claims[ACCOUNT_CLAIM].as_str() {
        Some(account) => Ok(account.to_owned()),
        None => refused(50_013, "Assertion is no token of a user."),
    }
}

/// Returns the user of the request's access token: the OpenID endpoint `userinfo`. 401 without a
/// user's token for Graph, 500 if the storage fails.
pub(super) async fn user_info(context: &RequestContext, parts: &Parts) -> Response {
    let state = &context.state;
    let user = match &context.grant {
        Ok(grant) if !grant.is_app && grant.check_audience(&Audience::Graph).is_ok() => {
            state.accounts.open(&grant.account).await.map(|account| {
                let client = grant.client.as_deref().unwrap_or_default();
                let user = EntraUser::new(state, &account, &Tenant::parse("common"));
                json!({ "sub": user.subject(client), "name": user.name, "email": user.address })
            })
        }
        _ => return unauthorized(),
    };
    match user {
        Ok(user) => json_response(StatusCode::OK, &user),
        Err(error) => EntraError::server(&error).into_response(&parts.headers),
    }
}

/// Returns 401 for a missing or invalid access token.
fn unauthorized() -> Response {
    let mut response = text(StatusCode::UNAUTHORIZED, "The access token is missing or invalid.");
    let challenge = http::HeaderValue::from_static("Bearer error=\"invalid_token\"");
    response.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge);
    response
}

/// Adds the members that describe the user to a token response: an id token and `client_info`, if
/// they are requested.
///
/// # Errors
/// `server_error` if the account cannot be opened, or the key cannot be read, written or generated.
pub(super) async fn describe_user(
    context: &RequestContext,
    tenant: &Tenant,
    request: &IdentityRequest<'_>,
    tokens: &mut Value,
) -> Result<(), EntraError> {
    let state = &context.state;
    let has_id_token = request.scope.split_whitespace().any(|word| word == "openid");
    if !has_id_token && !request.client_info {
        return Ok(());
    }
    let account = state.accounts.open(request.account).await;
    let account = account.map_err(|error| EntraError::server(&error))?;
    let user = EntraUser::new(state, &account, tenant);
    if has_id_token {
        let IdentityRequest { client, scope, nonce, .. } = *request;
        let token = user.id_token(state, &context.base_url, client, scope, nonce).await?;
        tokens["id_token"] = token.into();
    }
    if request.client_info {
        tokens["client_info"] = user.client_info().into();
    }
    Ok(())
}

/// The parts of a token request that determine its members about the user.
pub(super) struct IdentityRequest<'a> {
    /// The name of the account.
    pub account: &'a str,
    pub client: &'a str,
    /// The granted scopes.
    pub scope: &'a str,
    /// The nonce of the authorization request.
    pub nonce: Option<&'a str>,
    /// Whether the client requests `client_info`.
    pub client_info: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_a_guid_a_domain_or_a_name_for_several() {
        assert_eq!(Tenant::parse("Common").segment(), "common");
        assert_eq!(Tenant::parse("organizations").issuer_id(), "{tenantid}");
        assert_eq!(Tenant::parse("consumers").segment(), CONSUMERS);
        assert_eq!(Tenant::parse(ORGANIZATION).issuer_id(), ORGANIZATION);
        let domain = Tenant::parse("contoso.onmicrosoft.com");
        assert!(is_guid(domain.segment()), "{domain:?}");
        assert_eq!(domain, Tenant::parse("CONTOSO.onmicrosoft.com"));
        assert_ne!(domain, Tenant::parse("fabrikam.onmicrosoft.com"));
    }
}
