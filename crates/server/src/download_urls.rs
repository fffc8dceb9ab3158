//! Download URLs: they give a file's bytes without a token, for a limited time.
//!
//! A download URL is bound to an item and to its bytes. It becomes invalid when the item is removed or
//! its bytes are replaced, even before it expires.

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    account::Account,
    content::{self, LongSuffix},
    protocol::{Declaration, OverBudget, Protocol, RequestContext, Routed},
    secret_urls::SecretUrl,
    signed_token::{Purpose, TokenError},
    state::ServerState,
    tree::{ItemKey, ItemVersion, Node, TreeError},
};

/// The beginning of a download URL's path, as in the cloud.
const PREFIX: &str = "/s1p";

/// The claims of a download URL.
#[derive(Debug, Serialize, Deserialize)]
struct Claims(
    /// The account's name.
    String,
    /// The item.
    ItemKey,
    /// The [`fingerprint`](content::fingerprint) of the bytes.
    String,
    /// Whether the response tells browsers to save the file rather than show it.
    bool,
    /// The number of an earlier version of the file; 0 for the current one. URLs of earlier servers
    /// do not have it.
    #[serde(default)]
    i64,
);

/// Facet of an item in memory whose content is that of an earlier version: the number of the version. The
/// tree never stores it.
pub(super) const SHOWN_VERSION: &str = "shownVersion";

/// Returns the path of a download URL to a file's bytes, percent-encoded; `None` if the item has
/// none, as folders and notebooks. With `attachment`, browsers save the file instead of displaying
/// it.
pub(super) fn path(
    state: &ServerState,
    account: &Account,
    node: &Node,
    attachment: bool,
) -> Option<String> {
    let content = node.content.as_ref()?;
    let bytes = content::fingerprint(content);
    let version = node.facets.get(SHOWN_VERSION).and_then(serde_json::Value::as_i64);
    let version = version.unwrap_or(CURRENT);
    let claims = Claims(account.name.clone(), node.no, bytes, attachment, version);
    Some(signed_path(state, &claims, &node.name))
}

/// Returns the path of a download URL to the bytes of an earlier version of a file, percent-encoded.
/// Browsers save the file.
pub(super) fn version_path(
    state: &ServerState,
    account: &Account,
    node: &Node,
    version: &ItemVersion,
) -> String {
    let bytes = content::fingerprint(&version.content);
    let claims = Claims(account.name.clone(), node.no, bytes, true, version.no);
    signed_path(state, &claims, &node.name)
}

/// The number of the current version in [`Claims`].
const CURRENT: i64 = 0;

/// Returns the path of a download URL with claims. `name` is the name of the file.
fn signed_path(state: &ServerState, claims: &Claims, name: &str) -> String {
    let expires = state.scopes.now(&claims.0) + state.settings.download_url_life;
    let signed = state.signer.sign(Purpose::DownloadUrl, expires, claims);
    format!("{PREFIX}{signed}/{}", content::encoded(name))
}

/// The protocol of download URLs, which all clouds share.
pub(super) struct DownloadUrls;

/// A parsed request: the claims of the URL if it is valid.
pub(super) struct DownloadCall(Result<Claims, TokenError>);

const GET: &str = "ticket.get";
const UNKNOWN: &str = "ticket.unknown";

impl Protocol for DownloadUrls {
    type Request = DownloadCall;

    const DECLARATION: Declaration = Declaration {
        operations: || &[GET, UNKNOWN],
        secret_urls: &[SecretUrl::Path(PREFIX)],
        hash_members: &[],
        over_budget: OverBudget::BARE,
        failure: |status| failure(status, "server_internal_error", "The server failed on demand."),
    };

    /// Parses a request with the path of a download URL; `None` for any other path.
    fn route(state: &ServerState, parts: &Parts) -> Option<Routed<DownloadCall>> {
        let signed = parts.uri.path().strip_prefix(PREFIX)?.split('/').next()?;
        let claims: Result<Claims, _> =
            state.signer.verify_at(Purpose::DownloadUrl, signed, |Claims(account, ..)| {
                state.scopes.now(account)
            });
        let account = claims.as_ref().ok().map(|Claims(account, ..)| account.clone());
        let is_read = matches!(parts.method, Method::GET | Method::HEAD);
        let operation = if is_read { GET } else { UNKNOWN };
        Some(Routed::new(operation, DownloadCall(claims)).account(account))
    }

    /// Serves the bytes; 405 for another method than `GET` and `HEAD`, and the storage host's error
    /// for an invalid or expired URL.
    async fn handle(
        DownloadCall(claims): DownloadCall,
        context: RequestContext,
        parts: Parts,
        _: Body,
    ) -> Response {
        if parts.method != Method::GET && parts.method != Method::HEAD {
            let mut refusal = failure(
                StatusCode::METHOD_NOT_ALLOWED,
                "request_method_invalid",
                "A download link is only for GET and HEAD.",
            );
            refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        let claims = if context.expired { Err(TokenError::Expired) } else { claims };
        match claims {
            Ok(claims) => match download(&context.state, claims, &parts).await {
                Ok(response) | Err(response) => response,
            },
            Err(error) => invalid_url(error),
        }
    }
}

/// Serves the bytes of a valid download URL.
///
/// # Errors
/// The error response: 404 if the item no longer exists or has other bytes; 500 if the storage
/// fails, or the bytes were replaced while they were opened.
async fn download(
    state: &ServerState,
    Claims(account, item, bytes, attachment, version): Claims,
    request: &Parts,
) -> Result<Response, Response> {
    let account = state.accounts.open(&account).await.map_err(tree_error)?;
    let mut node = state.tree.node(account.drive, item).await.map_err(tree_error)?;
    if version != CURRENT {
        let version = state.tree.version(account.drive, item, version).await.map_err(tree_error)?;
        (node.content, node.client_modified) = (Some(version.content), version.client_modified);
    }
    if node.content.as_ref().map(content::fingerprint).as_ref() != Some(&bytes) {
        return Err(tree_error(TreeError::NotFound));
    }
    content::serve(&state.tree, &node, request.into(), attachment, LongSuffix::Refused)
        .await
        .map_err(tree_error)
}

/// Returns the storage host's response to an invalid download URL
/// (live-connect#storage-host-auth-errors).
fn invalid_url(error: TokenError) -> Response {
    let (code, message, challenge) = match error {
        TokenError::Expired => (
            "request_token_expired",
            "The download link has expired.",
            r#"Bearer realm="OneDriveAPI", error="expired_token", error_description="Auth token expired. Try refreshing.""#,
        ),
        TokenError::Invalid => (
            "request_token_invalid",
            "The download link isn't valid.",
            r#"Bearer realm="OneDriveAPI", error="invalid_token""#,
        ),
    };
    let mut response = failure(StatusCode::UNAUTHORIZED, code, message);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// Returns the response to a failed download: 404 if the file does not exist or is none, else 500,
/// which is logged.
fn tree_error(error: TreeError) -> Response {
    match error {
        TreeError::NotFound | TreeError::NotAFile(_) => failure(
            StatusCode::NOT_FOUND,
            "resource_not_found",
            "The file is gone, or has other bytes than the download link was made for.",
        ),
        error => {
            tracing::error!(%error, "download failed");
            failure(
                StatusCode::INTERNAL_SERVER_ERROR,
                "server_internal_error",
                "The server could not read the file.",
            )
        }
    }
}

/// Creates an error response. `code` is for programs, `message` for people. Live Connect and Graph
/// use the same form.
fn failure(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "error": { "code": code, "message": message } });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    response
}
