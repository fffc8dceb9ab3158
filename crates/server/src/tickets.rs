//! Tickets: URLs to a file's bytes that need no token, for a while.
//!
//! A ticket is bound to an account's item and to the bytes it has: when the item is removed or its
//! bytes are replaced, the ticket is worth nothing, whatever time it has left.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    account::Account,
    app::{App, Exchange, FrontEnd},
    content::{self, LongSuffix},
    seal::{Broken, Purpose},
    secret_urls::SecretUrl,
    tree::{ItemNo, Node, TreeError},
};

/// How a ticket's path begins, as the cloud's did.
pub(super) const PREFIX: &str = "/s1p";

/// What a ticket opens.
#[derive(Debug, Serialize, Deserialize)]
struct Ticket(
    /// The account's name.
    String,
    ItemNo,
    /// The bytes' [`fingerprint`](content::fingerprint).
    String,
    /// Whether a browser is to save them and not to show them.
    bool,
);

impl App {
    /// The path of a ticket to a file's bytes; `None` if it has none.
    pub(super) fn ticket(
        &self,
        account: &Account,
        node: &Node,
        attachment: bool,
    ) -> Option<String> {
        let content = node.content.as_ref()?;
        let ticket =
            Ticket(account.name.clone(), node.no, content::fingerprint(content), attachment);
        let expires = Timestamp::now() + self.settings.ticket_life;
        let sealed = self.seal.seal(Purpose::Ticket, expires, &ticket);
        Some(format!("{PREFIX}{sealed}/{}", content::encoded(&node.name)))
    }

    fn redeem(&self, path: &str) -> Result<Ticket, Broken> {
        let sealed = path.strip_prefix(PREFIX).ok_or(Broken::Invalid)?;
        let sealed = sealed.split('/').next().unwrap_or_default();
        self.seal.open(Purpose::Ticket, sealed, Timestamp::now())
    }
}

/// Serves tickets.
pub(super) struct Downloads;

const GET: &str = "ticket.get";
const UNKNOWN: &str = "ticket.unknown";

#[async_trait]
impl FrontEnd for Downloads {
    fn operations(&self) -> &'static [&'static str] {
        &[GET, UNKNOWN]
    }

    fn secret_urls(&self) -> &'static [SecretUrl] {
        &[SecretUrl::Path(PREFIX)]
    }

    fn serves(&self, path: &str) -> bool {
        path.starts_with(PREFIX)
    }

    fn operation(&self, request: &Parts) -> &'static str {
        if request.method == Method::GET || request.method == Method::HEAD { GET } else { UNKNOWN }
    }

    fn drive(&self, app: &App, request: &Parts) -> Option<String> {
        app.redeem(request.uri.path()).ok().map(|Ticket(account, ..)| account)
    }

    async fn answer(&self, app: &Arc<App>, exchange: Exchange, request: Request) -> Response {
        let (request, _) = request.into_parts();
        if request.method != Method::GET && request.method != Method::HEAD {
            let mut refusal = failure(
                StatusCode::METHOD_NOT_ALLOWED,
                "request_method_invalid",
                "A download link is only for GET and HEAD.",
            );
            refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        if exchange.expired {
            return broken(Broken::Expired);
        }
        match download(app, &request).await {
            Ok(response) => response,
            Err(refusal) => refusal,
        }
    }

    fn failure(&self, status: StatusCode) -> Response {
        failure(status, "server_internal_error", "The server failed on demand.")
    }
}

async fn download(app: &App, request: &Parts) -> Result<Response, Response> {
    let Ticket(account, item, bytes, attachment) =
        app.redeem(request.uri.path()).map_err(broken)?;
    let account = app.account(&account).await.map_err(refused)?;
    let node = app.tree.node(account.drive, item).await.map_err(refused)?;
    if node.content.as_ref().map(content::fingerprint).as_ref() != Some(&bytes) {
        return Err(refused(TreeError::NotFound));
    }
    content::serve(app, &node, request, attachment, LongSuffix::Refused).await.map_err(refused)
}

/// A ticket that does not open, in the words of the storage host (Live Connect A.4).
fn broken(why: Broken) -> Response {
    let (code, message, challenge) = match why {
        Broken::Expired => (
            "request_token_expired",
            "The download link has expired.",
            r#"Bearer realm="OneDriveAPI", error="expired_token", error_description="Auth token expired. Try refreshing.""#,
        ),
        Broken::Invalid => (
            "request_token_invalid",
            "The download link isn't valid.",
            r#"Bearer realm="OneDriveAPI", error="invalid_token""#,
        ),
    };
    let mut response = failure(StatusCode::UNAUTHORIZED, code, message);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

fn refused(error: TreeError) -> Response {
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

/// Live Connect's and Graph's error bodies are of one shape.
fn failure(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "error": { "code": code, "message": message } });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    response
}
