//! Sharing links: their tokens, and requests that follow them (onedrive-graph#permissions,
//! onedrive-graph#create-link).
//!
//! A link's id is a signed token that names the item. The item stores the links that it has, so a
//! deleted link no longer works although its signature is valid. [`super::permissions`] creates and
//! deletes links.

use std::sync::Arc;

use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{
    error::{Error, Result},
    request::GraphRequest,
    response,
    stored_facets::{LINKS, stored_list},
};
use crate::{
    account::Account,
    download_urls,
    secret_urls::SecretUrl,
    signed_token::Purpose,
    state::ServerState,
    tree::{ItemKey, Node},
};

/// Prefix of a link's path; the link's id follows.
pub(super) const PREFIX: &str = "/s/";

/// A link gives access to its item, so logs must not contain it.
pub(super) const SECRET_URL: SecretUrl = SecretUrl::Path(PREFIX);

/// The path segment that a sharing token follows in other requests: `/shares/TOKEN`.
pub(super) const SECRET_TOKEN: SecretUrl = SecretUrl::Key("shares");

/// The only scope of a link that this server creates: everybody who has the link has access.
pub(super) const ANONYMOUS: &str = "anonymous";

/// Lifetime of a link that is not deleted.
const LINK_LIFETIME: SignedDuration = SignedDuration::from_hours(100 * 365 * 24);

/// The signed part of a link's id: account name, item, type and scope. A link stays valid across
/// versions of the server, so this shape must not change.
type ShareClaims = (String, ItemKey, String, String);

/// Creates a link to an item of an account. `kind` is the link's type: `view`, `edit` or `embed`.
pub(super) fn create(state: &ServerState, account: &Account, item: ItemKey, kind: &str) -> Value {
    let expires = Timestamp::now() + LINK_LIFETIME;
    let claims = (&account.name, item, kind, ANONYMOUS);
    let token = state.signer.sign(Purpose::Share, expires, &claims);
    json!({"id": format!("s!{token}"), "type": kind, "scope": ANONYMOUS})
}

/// Returns the links of an item. A copy also stores the links of its original; those name another
/// item and are left out.
pub(super) fn links<'n>(state: &ServerState, node: &'n Node) -> Vec<&'n Value> {
    let names_this_item = |link: &&Value| {
        let claims = link["id"].as_str().and_then(|id| claims(state, id));
        claims.is_some_and(|(_, item, ..)| item == node.no)
    };
    stored_list(node, LINKS).iter().filter(names_this_item).collect()
}

/// Returns the claims of a link's id; `None` if the id does not begin with `s!`, is not signed by
/// this server, or has expired.
fn claims(state: &ServerState, id: &str) -> Option<ShareClaims> {
    state.signer.verify(Purpose::Share, id.strip_prefix("s!")?, Timestamp::now()).ok()
}

/// The target of a link.
struct LinkTarget {
    account: Arc<Account>,
    node: Node,
    /// The link's scope: `anonymous`, or another one in links of earlier versions.
    scope: String,
}

/// Returns the target of the link with the id `id`. `claims` are those of the id; `None` if its
/// signature is not one of this server.
///
/// # Errors
/// 404 if `claims` is `None`, the item does not exist or is in the recycle bin, or the item no
/// longer has the link; 507 or 500 if the storage fails.
async fn resolve(
    request: &GraphRequest,
    id: &str,
    claims: Option<ShareClaims>,
) -> Result<LinkTarget> {
    let (name, item, _, scope) = claims.ok_or_else(Error::not_found)?;
    let account = request.state.accounts.open(&name).await?;
    let node = request.state.tree.node(account.drive, item).await?;
    if links(&request.state, &node).iter().any(|link| link["id"] == id) {
        Ok(LinkTarget { account, node, scope })
    } else {
        Err(Error::not_found())
    }
}

/// Returns the target of a sharing token, which is a link's id or an encoded link URL (`u!…`).
///
/// # Errors
/// 400 if a token `u!…` is not the base64url of a UTF-8 text; 404 if the link was not issued by
/// this server, was deleted, or its item is deleted; 500 if the storage fails.
async fn target_of_token(request: &GraphRequest, token: &str) -> Result<LinkTarget> {
    let id = match token.strip_prefix("u!") {
        Some(encoded) => {
            let url =
                URL_SAFE_NO_PAD.decode(encoded).ok().and_then(|url| String::from_utf8(url).ok());
            let url = url.ok_or_else(|| {
                Error::invalid("cannot open the sharing token: it does not encode a URL")
            })?;
            url.rsplit('/').next().unwrap_or_default().to_owned()
        }
        None => token.to_owned(),
    };
    resolve(request, &id, claims(&request.state, &id)).await
}

/// Returns the account that shared the item of a sharing token, which is a link's id or an encoded
/// link URL (`u!…`).
///
/// # Errors
/// 400 if a token `u!…` is not the base64url of a UTF-8 text; 404 if the link was not issued by
/// this server, was deleted, or its item is deleted; 500 if the storage fails.
pub(super) async fn account_of_token(request: &GraphRequest, token: &str) -> Result<Arc<Account>> {
    target_of_token(request, token).await.map(|target| target.account)
}

/// Returns the item of a sharing token, which is a link's id or an encoded link URL (`u!…`).
/// `account` is the account whose drive the request addresses.
///
/// # Errors
/// 400 if a token `u!…` is not the base64url of a UTF-8 text; 404 if the link was not issued by
/// this server, was deleted, its item is deleted, or it is of another account; 500 if the storage
/// fails.
pub(super) async fn item_of_token(
    request: &GraphRequest,
    account: &Account,
    token: &str,
) -> Result<ItemKey> {
    let target = target_of_token(request, token).await?;
    if target.account.name == account.name { Ok(target.node.no) } else { Err(Error::not_found()) }
}

/// The parsed URL of a sharing link.
pub(super) struct FollowedLink {
    id: String,
    /// `None` if this server did not issue the link, or it has expired.
    claims: Option<ShareClaims>,
}

impl FollowedLink {
    /// Parses the path of a link's URL, percent-encoded and with [`PREFIX`]. A link that this
    /// server did not issue is reported by [`follow`].
    pub(super) fn parse(state: &ServerState, path: &str) -> Self {
        let id = path.strip_prefix(PREFIX).unwrap_or_default();
        let id = percent_decode_str(id).decode_utf8_lossy().into_owned();
        let claims = claims(state, &id);
        Self { id, claims }
    }

    /// Returns the name of the account that shared the item; `None` if the link was not issued by
    /// this server.
    pub(super) fn account(&self) -> Option<String> {
        self.claims.as_ref().map(|(account, ..)| account.clone())
    }
}

/// `GET` of a link: redirects to the file's download URL. No token is needed.
///
/// # Errors
/// 400 if the request's host cannot be part of a URL; 403 for a link with another scope than
/// `anonymous`; 404 for a link that was not issued by this server or was deleted, and if its item
/// is deleted; 501 for a link to a folder; 500 if the storage fails.
pub(super) async fn follow(request: &GraphRequest, link: FollowedLink) -> Result<Response> {
    let FollowedLink { id, claims } = link;
    let LinkTarget { account, node, scope } = resolve(request, &id, claims).await?;
    // Earlier versions of the server created links for a smaller audience.
    if scope != ANONYMOUS {
        let message = format!("cannot open the link: this server does not enforce scope {scope}");
        return Err(Error::new(StatusCode::FORBIDDEN, "accessDenied", message));
    }
    match download_urls::path(&request.state, &account, &node, false) {
        Some(path) => {
            let url = request.content_url(request.kind(&account), &path);
            response::with_location(StatusCode::FOUND, &url)
        }
        None => {
            Err(Error::not_supported("cannot open the link: links to folders are not supported"))
        }
    }
}
