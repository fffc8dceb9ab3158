//! Sign-in of Microsoft Entra, as at login.microsoftonline.com (onedrive-graph#sign-in).
//!
//! Without a directory all tenants are served, and any client id and any client secret are accepted,
//! in the form or by HTTP Basic; on a private server the client secret must be the server's access
//! token. The grant type `client_credentials` opens all drives of the tenant.

mod authorize;
mod client;
mod device;
mod device_page;
mod discovery;
mod error;
mod grants;
mod identity;
mod scope;
mod token;

use axum::{body::Body, response::Response};
use http::{Method, StatusCode, request::Parts};
use serde_json::{Value, json};

pub(crate) use self::device::DeviceCodes;
use self::{error::EntraError, identity::Tenant};
use super::{json_response, pages};
use crate::{
    base_url::NATIVE_CLIENT_PAGE,
    cross_site::CrossSite,
    protocol::{Declaration, OverBudget, Protocol, RequestContext, Routed},
    responses::text,
    secret_urls::SecretUrl,
    state::ServerState,
};

/// The sign-in of Microsoft Entra.
pub(crate) struct Entra;

/// A request, classified by its path and method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntraRequest {
    endpoint: Endpoint,
    tenant: Tenant,
}

/// The part of the sign-in that a request addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Token,
    Authorize,
    DeviceCode,
    DevicePage,
    Configuration,
    Instance,
    Keys,
    UserInfo,
    Logout,
    NativeClientPage,
    /// The method is not supported. The text names the supported ones.
    WrongMethod(&'static str),
}

/// The ends of the paths, after the tenant.
const TOKEN_PATH: &str = "/oauth2/v2.0/token";
const AUTHORIZE_PATH: &str = "/oauth2/v2.0/authorize";
const DEVICE_CODE_PATH: &str = "/oauth2/v2.0/devicecode";
const LOGOUT_PATH: &str = "/oauth2/v2.0/logout";
const CONFIGURATION_PATH: &str = "/v2.0/.well-known/openid-configuration";
const KEYS_PATH: &str = "/discovery/v2.0/keys";
const INSTANCE_PATH: &str = "/discovery/instance";

/// The page on which users enter device codes.
const DEVICE_PAGE: &str = "/common/oauth2/deviceauth";

const USER_INFO_PATH: &str = "/oidc/userinfo";

const TOKEN: &str = "entra.token";
const AUTHORIZE: &str = "entra.authorize";
const DEVICE_CODE: &str = "entra.device.code";
const DEVICE: &str = "entra.device.page";
const DISCOVERY: &str = "entra.discovery";
const USER_INFO: &str = "entra.userinfo";
const LOGOUT: &str = "entra.logout";
const NATIVE_CLIENT: &str = "entra.nativeclient";
const UNKNOWN: &str = "entra.unknown";

/// The scopes that are granted if a request names none.
const SCOPE: &str = "Files.ReadWrite.All offline_access";

impl Protocol for Entra {
    type Request = EntraRequest;

    const DECLARATION: Declaration = Declaration {
        operations: || {
            &[
                TOKEN,
                AUTHORIZE,
                DEVICE_CODE,
                DEVICE,
                DISCOVERY,
                USER_INFO,
                LOGOUT,
                NATIVE_CLIENT,
                UNKNOWN,
            ]
        },
        secret_urls: &[SecretUrl::Parameter("id_token_hint"), SecretUrl::Parameter("user_code")],
        hash_members: &[],
        over_budget: OverBudget::BARE,
        failure,
    };

    /// Parses a request with one of the paths of Entra; `None` for any other path.
    fn route(_: &ServerState, parts: &Parts) -> Option<Routed<EntraRequest>> {
        let (tenant, endpoint) = endpoint(&parts.method, parts.uri.path())?;
        let (operation, is_page) = match endpoint {
            Endpoint::Token => (TOKEN, false),
            Endpoint::Authorize => (AUTHORIZE, true),
            Endpoint::DeviceCode => (DEVICE_CODE, false),
            Endpoint::DevicePage => (DEVICE, true),
            Endpoint::Configuration | Endpoint::Instance | Endpoint::Keys => (DISCOVERY, false),
            Endpoint::UserInfo => (USER_INFO, false),
            Endpoint::Logout => (LOGOUT, true),
            Endpoint::NativeClientPage => (NATIVE_CLIENT, true),
            Endpoint::WrongMethod(_) => (UNKNOWN, false),
        };
        let request = EntraRequest { endpoint, tenant: Tenant::parse(tenant) };
        let cross_site = if is_page { CrossSite::SignInPage } else { CrossSite::Refused };
        Some(Routed { cross_site, ..Routed::new(operation, request) })
    }

    /// Serves a parsed request. An error becomes a response with its code and number.
    async fn handle(
        request: EntraRequest,
        context: RequestContext,
        parts: Parts,
        body: Body,
    ) -> Response {
        let EntraRequest { endpoint, tenant } = request;
        let Some(tenant) = tenant.resolved(&context.state) else {
            return EntraError::unknown_tenant(tenant.segment()).into_response(&parts.headers);
        };
        let result = match endpoint {
            Endpoint::Token => token::token(&context, &tenant, &parts, body).await,
            Endpoint::DeviceCode => token::device_code(&context, &tenant, &parts, body).await,
            Endpoint::Configuration => Ok(discovery::configuration(&context.base_url, &tenant)),
            Endpoint::Keys => keys(&context).await,
            Endpoint::Authorize => {
                return authorize::authorize(&context, &tenant, &parts, body).await;
            }
            Endpoint::DevicePage => return device_page::serve(&context, &parts, body).await,
            Endpoint::Instance => {
                let query = parts.uri.query().unwrap_or_default();
                return discovery::instance(&context.base_url, query, &parts.headers);
            }
            Endpoint::UserInfo => return identity::user_info(&context, &parts).await,
            Endpoint::Logout => return authorize::logout(&context, &parts),
            Endpoint::NativeClientPage => {
                return pages::final_page("Signed in", "The program reads the code from the URL.");
            }
            Endpoint::WrongMethod(supported) => {
                let message = format!("cannot use this method: this endpoint supports {supported}");
                return text(StatusCode::METHOD_NOT_ALLOWED, message);
            }
        };
        match result {
            Ok(body) => json_response(StatusCode::OK, &body),
            Err(error) => error.into_response(&parts.headers),
        }
    }
}

/// Returns the public key with which id tokens can be verified.
///
/// # Errors
/// `server_error` if the key cannot be read, written or generated.
async fn keys(context: &RequestContext) -> Result<Value, EntraError> {
    context.state.signing_key.key_set().await.map_err(|error| EntraError::server(&error))
}

/// Returns the tenant and the endpoint that a request addresses; `None` if its path belongs to
/// another protocol. Paths without a tenant have the tenant `common`.
fn endpoint<'p>(method: &Method, path: &'p str) -> Option<(&'p str, Endpoint)> {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let is_post = *method == Method::POST;
    let allow = |is_allowed, endpoint, supported| match is_allowed {
        true => endpoint,
        false => Endpoint::WrongMethod(supported),
    };
    let pages = [
        (USER_INFO_PATH, Endpoint::UserInfo, is_read || is_post, "GET and POST"),
        (DEVICE_PAGE, Endpoint::DevicePage, is_read || is_post, "GET and POST"),
        (NATIVE_CLIENT_PAGE, Endpoint::NativeClientPage, is_read, "GET"),
    ];
    for (page, endpoint, is_allowed, supported) in pages {
        if path == page {
            return Some(("common", allow(is_allowed, endpoint, supported)));
        }
    }
    let (tenant, rest) = path.strip_prefix('/')?.split_once('/')?;
    if tenant.is_empty() {
        return None;
    }
    // `rest` has no leading slash, the constants do.
    let is = |end: &str| end.strip_prefix('/') == Some(rest);
    let (endpoint, is_allowed, supported) = match () {
        () if is(TOKEN_PATH) => (Endpoint::Token, is_post, "POST"),
        () if is(AUTHORIZE_PATH) => (Endpoint::Authorize, is_read || is_post, "GET and POST"),
        () if is(DEVICE_CODE_PATH) => (Endpoint::DeviceCode, is_post, "POST"),
        () if is(CONFIGURATION_PATH) => (Endpoint::Configuration, is_read, "GET"),
        () if is(KEYS_PATH) => (Endpoint::Keys, is_read, "GET"),
        () if is(INSTANCE_PATH) => (Endpoint::Instance, is_read, "GET"),
        () if is(LOGOUT_PATH) => (Endpoint::Logout, is_read, "GET"),
        () => return None,
    };
    Some((tenant, allow(is_allowed, endpoint, supported)))
}

/// Returns an error response for an injected fault.
fn failure(status: StatusCode) -> Response {
    let error = match status {
        StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    };
    let body = json!({"error": error, "error_description": "The server failed on demand."});
    json_response(status, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tenant_has_a_token_address() {
        for tenant in ["common", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad", "a.example"] {
            let route = |method, end: &str| {
                endpoint(&method, &format!("/{tenant}{end}")).map(|(_, endpoint)| endpoint)
            };
            assert_eq!(route(Method::POST, TOKEN_PATH), Some(Endpoint::Token), "{tenant}");
            assert_eq!(route(Method::GET, AUTHORIZE_PATH), Some(Endpoint::Authorize), "{tenant}");
            assert_eq!(route(Method::GET, TOKEN_PATH), Some(Endpoint::WrongMethod("POST")));
        }
        for path in ["/oauth2/v2.0/token", "//oauth2/v2.0/token", "/a/b/oauth2/v2.0/token", "/a"] {
            assert_eq!(endpoint(&Method::POST, path), None, "{path}");
        }
    }
}
