//! The URLs of sharing links in Live Connect.
//!
//! A link of Live Connect is the link of Graph for everyone, of the same type: one permission with two
//! URLs. This URL contains, signed, the shared item and a key that the permission has. It is valid as
//! long as the item has the permission and is not deleted.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    account::Account,
    account_scope,
    base_url::BaseUrl,
    permissions::LinkType,
    signed_token::Purpose,
    state::ServerState,
    tree::{ItemKey, LinkAudience, Permission, PermissionKind},
};

/// The paths of links; the second one is for embedded items.
pub(crate) const PATHS: [&str; 2] = ["/redir.aspx", "/embed"];

/// Lifetime of a link. It starts at a fixed day, so that the URL of a link never changes.
const LIFE: SignedDuration = SignedDuration::from_hours(200 * 365 * 24);

/// The rights that a link grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LinkKind {
    Read,
    Edit,
    Embed,
}

impl LinkKind {
    /// Returns the type of the links of this kind.
    pub(crate) fn link_type(self) -> LinkType {
        match self {
            Self::Read => LinkType::View,
            Self::Edit => LinkType::Edit,
            Self::Embed => LinkType::Embed,
        }
    }

    /// Returns the kind of the links of a type.
    fn from_link_type(link_type: LinkType) -> Self {
        match link_type {
            LinkType::View => Self::Read,
            LinkType::Edit => Self::Edit,
            LinkType::Embed => Self::Embed,
        }
    }
}

/// The claims of a link. Links that an earlier version created have no key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LinkClaims(
    /// The account's name.
    pub String,
    /// The shared item.
    pub ItemKey,
    pub LinkKind,
    /// The key of the link's permission.
    #[serde(default)]
    pub String,
);

impl LinkClaims {
    /// Returns the claims of a link of an account's item.
    pub(crate) fn from_permission(account: &Account, link: &Permission) -> Self {
        let kind = LinkKind::from_link_type(LinkType::from_permission(link));
        Self(account.name.clone(), link.item, kind, link.details.key.clone())
    }

    /// Returns whether the claims are those of a permission.
    pub(crate) fn is_of(&self, link: &Permission) -> bool {
        let Self(_, item, kind, key) = self;
        link.kind == PermissionKind::Link(LinkAudience::Anonymous)
            && link.item == *item
            && LinkType::from_permission(link) == kind.link_type()
            && link.details.key == *key
    }
}

/// Returns the URL of a link. `resource` is the item that it leads to: the shared one or an item below
/// it.
pub(crate) fn url(
    state: &ServerState,
    base_url: &BaseUrl,
    account: &Account,
    resource: ItemKey,
    claims: &LinkClaims,
) -> String {
    let signed = state.signer.sign(Purpose::Link, Timestamp::UNIX_EPOCH + LIFE, claims);
    let [redirect, embed] = PATHS;
    let path = if claims.2 == LinkKind::Embed { embed } else { redirect };
    let (cid, resource) = (&account.cid, account.resource_id(resource));
    base_url.url(&format!("{path}?cid={cid}&resid={resource}&authkey=!{signed}"))
}

/// Parses the query of a link, percent-encoded and without the question mark; `None` if it has no
/// `authkey`, or one that this server did not sign. The link may be revoked.
pub(crate) fn open(state: &ServerState, query: &str) -> Option<LinkClaims> {
    let key = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "authkey")?.1;
    state.signer.verify(Purpose::Link, key.strip_prefix('!')?, account_scope::now()).ok()
}
