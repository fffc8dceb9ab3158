//! Sharing links: their URLs and tokens, and the access that they give (onedrive-graph#shares).
//!
//! [`super::create_link`] creates links, [`super::permissions`] lists and deletes them.

use std::sync::Arc;

use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use percent_encoding::percent_decode_str;

use super::{
    check_out,
    contract::Payload,
    error::{Error, Result},
    request::GraphRequest,
    response,
};
use crate::{
    account::Account,
    account_scope, download_urls,
    permissions::{
        PresentedLink, Principal, ShareClaims, access, applies, share_claims, verify_password,
    },
    secret_urls::SecretUrl,
    sharing_links::{self, LinkClaims},
    state::ServerState,
    tree::{ItemKey, NodeKind, Permission, PermissionKind, TreeError},
};

/// Prefix of a link's path; the link's id follows.
pub(super) const PREFIX: &str = "/s/";

/// A link gives access to its item, so logs must not contain it.
pub(super) const SECRET_URL: SecretUrl = SecretUrl::Path(PREFIX);

/// The path segment that a sharing token follows in other requests: `/shares/TOKEN`.
pub(super) const SECRET_TOKEN: SecretUrl = SecretUrl::Key("shares");

/// The target of a link.
#[derive(Debug)]
pub(super) struct LinkTarget {
    pub(super) account: Arc<Account>,
    pub(super) item: ItemKey,
    /// The permission of the link.
    pub(super) link: Permission,
}

/// The text that identifies a link.
#[derive(Clone, Debug)]
enum LinkName {
    /// The link's id.
    Id(String, ShareClaims),
    /// The signed part of a URL of Live Connect.
    Live(LinkClaims),
}

impl LinkName {
    /// Parses a sharing token: a link's id, or an encoded URL of a link (`u!…`), also of Live Connect.
    /// `None` if this server did not sign it.
    ///
    /// # Errors
    /// 400 if a token `u!…` is not the base64url of a UTF-8 text.
    fn parse(state: &ServerState, token: &str) -> Result<Option<Self>> {
        let Some(encoded) = token.strip_prefix("u!") else {
            return Ok(Self::from_id(state, token));
        };
        let url = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok();
        let url = url.and_then(|url| String::from_utf8(url).ok()).ok_or_else(|| {
            Error::invalid("cannot open the sharing token: it does not encode a URL")
        })?;
        let live = url.split_once('?').and_then(|(_, query)| sharing_links::open(state, query));
        Ok(match live {
            Some(claims) => Some(Self::Live(claims)),
            None => {
                let path = url.split(['?', '#']).next().unwrap_or_default();
                Self::from_id(state, path.rsplit('/').next().unwrap_or_default())
            }
        })
    }

    /// Returns the name of the link with an id; `None` if this server did not sign it.
    fn from_id(state: &ServerState, id: &str) -> Option<Self> {
        share_claims(state, id).map(|claims| Self::Id(id.to_owned(), claims))
    }

    /// Returns the link's target.
    ///
    /// # Errors
    /// 404 if the item does not exist, is in the recycle bin, or no longer has the link, and if the link
    /// has expired; 507 or 500 if the storage fails.
    async fn resolve(self, state: &ServerState) -> Result<LinkTarget> {
        let (name, item) = match &self {
            Self::Id(_, (name, item, ..)) => (name, *item),
            Self::Live(LinkClaims(name, item, ..)) => (name, *item),
        };
        let account = state.accounts.open(name).await?;
        state.tree.node(account.drive, item).await?;
        let is_named = |link: &Permission| match &self {
            Self::Id(id, _) => matches!(link.kind, PermissionKind::Link(_)) && link.id == *id,
            Self::Live(claims) => claims.is_of(link),
        };
        let all = state.tree.permissions(account.drive, item).await?;
        let now = account_scope::now();
        let link = all.into_iter().find(|link| is_named(link) && link.is_valid(now));
        let link = link.ok_or_else(Error::not_found)?;
        Ok(LinkTarget { account, item, link })
    }
}

impl LinkTarget {
    /// Returns the target of a sharing token, which is a link's id or an encoded link URL (`u!…`).
    ///
    /// # Errors
    /// 400 if a token `u!…` is not the base64url of a UTF-8 text; 404 if the link was not issued by
    /// this server, was deleted or has expired, or its item is deleted; 500 if the storage fails.
    pub(super) async fn from_token(request: &GraphRequest, token: &str) -> Result<Self> {
        let name = LinkName::parse(&request.state, token)?.ok_or_else(Error::not_found)?;
        name.resolve(&request.state).await
    }

    /// Returns the link as a request presents it.
    fn presented(&self, is_unlocked: bool) -> PresentedLink {
        PresentedLink { item: self.item, id: self.link.id.clone(), is_unlocked }
    }

    /// Returns the link for a request to `/shares/TOKEN`, if the request uses it: a business drive
    /// requires the preference `redeemSharingLink` or `redeemSharingLinkIfNecessary`
    /// (onedrive-graph#redeem-sharing-link). The first one gives a user of the link's audience lasting
    /// access, unless the link has a password, which this request cannot have.
    ///
    /// # Errors
    /// 507 if the disk of the storage is full, 500 if the storage fails.
    pub(super) async fn redeem(
        &self,
        request: &GraphRequest,
        principal: &Principal,
    ) -> Result<Option<PresentedLink>> {
        let is_durable = request.prefers("redeemSharingLink");
        let is_used = is_durable || request.prefers("redeemSharingLinkIfNecessary");
        if !is_used && !request.kind(&self.account).is_personal() {
            return Ok(None);
        }
        let presented = self.presented(false);
        let Some(user) = principal.user().filter(|_| is_durable) else {
            return Ok(Some(presented));
        };
        let state = &request.state;
        let owner = Principal::for_user(&state.accounts, &self.account);
        let is_granted =
            principal.is_user(&self.account) || principal.is_among(&self.link.grantees);
        // A role by another permission of the item must not become that of the link.
        if !is_granted && applies(&self.link, principal, &owner, Some(&presented)) {
            let id = self.link.id.clone();
            let add_user = move |all: &mut Vec<Permission>| {
                let link = all.iter_mut().find(|one| one.id == id).ok_or(TreeError::NotFound)?;
                let user = user.to_string();
                if !link.grantees.contains(&user) {
                    link.grantees.push(user);
                }
                Ok::<_, TreeError>(())
            };
            state.tree.change_permissions(self.account.drive, self.item, add_user).await??;
        }
        Ok(Some(presented))
    }
}

/// The parsed URL of a sharing link.
pub(super) struct FollowedLink(Option<LinkName>);

impl FollowedLink {
    /// Parses the path of a link's URL, percent-encoded and with [`PREFIX`]. A link that this
    /// server did not issue is reported by [`follow`].
    pub(super) fn parse(state: &ServerState, path: &str) -> Self {
        let id = path.strip_prefix(PREFIX).unwrap_or_default();
        let id = percent_decode_str(id).decode_utf8_lossy();
        Self(LinkName::from_id(state, &id))
    }

    /// Returns the name of the account that shared the item; `None` if the link was not issued by
    /// this server.
    pub(super) fn account(&self) -> Option<String> {
        match self.0.as_ref()? {
            LinkName::Id(_, (account, ..)) | LinkName::Live(LinkClaims(account, ..)) => {
                Some(account.clone())
            }
        }
    }
}

/// `GET` of a link: redirects to the file's download URL, or to the page of the folder. A link for
/// everyone needs no token. A link with a password has a page that requests it, and `POST` with the
/// form member `password` follows the link.
///
/// # Errors
/// 400 if the request's host cannot be part of a URL; 403 for a wrong password, and if the link is for
/// an audience that the token does not belong to; 404 for a link that was not issued by this server, was
/// deleted or has expired, and if its item is deleted; 500 if the storage fails.
pub(super) async fn follow(
    request: &GraphRequest,
    link: FollowedLink,
    payload: Payload,
) -> Result<Response> {
    let state = &request.state;
    let target = link.0.ok_or_else(Error::not_found)?.resolve(state).await?;
    let mut is_unlocked = false;
    if let Some(hash) = &target.link.details.password {
        let Some(password) = payload.form_value("password") else {
            return Ok(password_page());
        };
        is_unlocked = verify_password(password, hash).await;
        if !is_unlocked {
            let message = "cannot open the link: the password is wrong";
            return Err(Error::new(StatusCode::FORBIDDEN, "accessDenied", message));
        }
    }
    let principal = match request.valid_grant() {
        Ok(_) => request.principal().await?,
        Err(_) => Principal::anonymous(),
    };
    let presented = target.presented(is_unlocked);
    let role = access(state, &target.account, target.item, &principal, Some(&presented)).await?;
    if role.is_none() {
        let message = "cannot open the link: it is for other users, or requires a sign-in";
        return Err(Error::new(StatusCode::FORBIDDEN, "accessDenied", message));
    }
    let node = state.tree.node(target.account.drive, target.item).await?;
    let caller = request.valid_grant().ok().map(|grant| grant.account.clone());
    let drive = target.account.drive;
    let node = check_out::published(&state.tree, drive, node, caller.as_deref()).await?;
    let url = match (node.kind, download_urls::path(state, &target.account, &node, false)) {
        (NodeKind::Folder, _) => folder_page(request, &target),
        (_, Some(path)) => Some(request.content_url(request.kind(&target.account), &path)),
        (_, None) => None,
    };
    let url = url.ok_or_else(|| {
        Error::not_supported("cannot open the link: the item has neither content nor a page")
    })?;
    response::with_location(StatusCode::FOUND, &url)
}

/// Returns the URL of a shared folder's page, which is that of Live Connect; `None` unless the link is
/// for everyone and has no password, because the page needs neither.
fn folder_page(request: &GraphRequest, target: &LinkTarget) -> Option<String> {
    let claims = LinkClaims::from_permission(&target.account, &target.link);
    let is_open = claims.is_of(&target.link)
        && target.link.details.password.is_none()
        && !target.link.details.key.is_empty();
    let (state, account) = (&request.state, &target.account);
    is_open.then(|| sharing_links::url(state, &request.base_url, account, target.item, &claims))
}

/// Returns the page that requests a link's password.
fn password_page() -> Response {
    response::html(
        StatusCode::OK,
        "<!doctype html><meta charset=utf-8><title>Password</title>\
         <form method=post><label>Password <input type=password name=password></label>\
         <button>Open</button></form>\n",
    )
}
