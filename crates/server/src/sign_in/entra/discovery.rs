//! The documents with which client libraries begin (onedrive-graph#msal-sign-in): the OpenID
//! configuration, instance discovery and the public key.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::{
    AUTHORIZE_PATH, CONFIGURATION_PATH, DEVICE_CODE_PATH, KEYS_PATH, LOGOUT_PATH, TOKEN_PATH,
    USER_INFO_PATH, error::EntraError, identity::Tenant,
};
use crate::{
    base_url::BaseUrl,
    sign_in::{Form, json_response},
};

/// The names of Entra's public cloud.
const ALIASES: [&str; 4] =
    ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"];

/// Returns the OpenID configuration of a tenant.
pub(super) fn configuration(base_url: &BaseUrl, tenant: &Tenant) -> Value {
    let url = |path: &str| base_url.url(&format!("/{}{path}", tenant.segment()));
    json!({
        "token_endpoint": url(TOKEN_PATH),
        "token_endpoint_auth_methods_supported": [
            "client_secret_post", "private_key_jwt", "client_secret_basic",
        ],
        "jwks_uri": url(KEYS_PATH),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": base_url.url(&format!("/{}/v2.0", tenant.issuer_id())),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": base_url.url_on("graph.microsoft.com", USER_INFO_PATH),
        "authorization_endpoint": url(AUTHORIZE_PATH),
        "device_authorization_endpoint": url(DEVICE_CODE_PATH),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": url(LOGOUT_PATH),
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "ver",
            "email",
        ],
        "code_challenge_methods_supported": ["plain", "S256"],
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
    })
}

/// Returns the address of the configuration of the authority in `query`, which is percent-encoded
/// and without the question mark. 400 without an authority, and for one that is neither this
/// server's nor Microsoft's.
pub(super) fn instance(base_url: &BaseUrl, query: &str, headers: &HeaderMap) -> Response {
    let query = Form::parse(query);
    let Some(endpoint) = query.get("authorization_endpoint") else {
        return EntraError::missing("authorization_endpoint").into_response(headers);
    };
    let known = Url::parse(endpoint).ok().and_then(|url| {
        let own = Url::parse(&base_url.url("/")).ok()?;
        let is_cloud = url.scheme() == "https" && ALIASES.contains(&url.host_str()?);
        let tenant = url.path_segments()?.next().filter(|tenant| !tenant.is_empty())?.to_owned();
        (is_cloud || url.origin() == own.origin()).then_some((url, tenant))
    });
    let Some((url, tenant)) = known else {
        let description = "The authority is not known to this server.";
        return EntraError::new("invalid_instance", 50_049, description).into_response(headers);
    };
    let document = url.join(&format!("/{tenant}{CONFIGURATION_PATH}"));
    let document = document.map(String::from).unwrap_or_default();
    let mut metadata = vec![json!({
        "preferred_network": "login.microsoftonline.com",
        "preferred_cache": "login.windows.net",
        "aliases": ALIASES,
    })];
    let host = url.authority();
    if !ALIASES.contains(&host) {
        metadata.push(json!({
            "preferred_network": host,
            "preferred_cache": host,
            "aliases": [host],
        }));
    }
    let body = json!({
        "tenant_discovery_endpoint": document,
        "api-version": query.get("api-version").unwrap_or("1.1"),
        "metadata": metadata,
    });
    json_response(StatusCode::OK, &body)
}
