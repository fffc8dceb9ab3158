//! Sharing links of Live Connect, which Graph lists and revokes too.
//!
//! A link contains, signed, the shared item and a key that the item stores. It is valid as long as the
//! item has the key and is not deleted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{
    account::Account,
    base_url::BaseUrl,
    signed_token::Purpose,
    state::ServerState,
    tree::{ItemKey, Node},
};

/// The paths of links; the second one is for embedded items.
pub(crate) const PATHS: [&str; 2] = ["/redir.aspx", "/embed"];

/// The facet that stores an item's links, and other properties that only Live Connect has.
pub(crate) const FACET: &str = "live";

/// The member of the facet that holds the links.
const LINKS: &str = "links";

/// The member of the facet with the key of the item that it belongs to. A copied item has the facet
/// of its original, whose links are not its own.
const OF: &str = "of";

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
    /// Returns Graph's name of the kind.
    fn graph_type(self) -> &'static str {
        match self {
            Self::Read => "view",
            Self::Edit => "edit",
            Self::Embed => "embed",
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
    /// The key that the item stores for the link.
    #[serde(default)]
    pub String,
);

/// The keys of an item's links.
pub(crate) type LinkKeys = BTreeMap<LinkKind, String>;

/// Deserializes the keys of links. Earlier versions and fixtures store a list of kinds, without
/// keys: the keys are then empty.
///
/// # Errors
/// The deserializer's error for any other value, and for an unknown kind.
pub(crate) fn deserialize_keys<'de, D: Deserializer<'de>>(from: D) -> Result<LinkKeys, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Links {
        Keys(LinkKeys),
        Kinds(BTreeSet<LinkKind>),
    }
    Ok(match Links::deserialize(from)? {
        Links::Keys(links) => links,
        Links::Kinds(kinds) => kinds.into_iter().map(|kind| (kind, String::new())).collect(),
    })
}

/// Returns the keys of an item's own links.
fn keys(node: &Node) -> LinkKeys {
    let Some(facet) = node.facets.get(FACET) else { return LinkKeys::new() };
    let of = facet.get(OF).and_then(Value::as_i64);
    match facet.get(LINKS) {
        Some(links) if of.is_none_or(|of| of == node.no.0) => {
            deserialize_keys(links).unwrap_or_default()
        }
        _ => LinkKeys::new(),
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
    state.signer.verify(Purpose::Link, key.strip_prefix('!')?, Timestamp::now()).ok()
}

/// Returns the links of an item: Graph's name of their kind, and their URL.
pub(crate) fn links_of(
    state: &ServerState,
    base_url: &BaseUrl,
    account: &Account,
    node: &Node,
) -> Vec<(&'static str, String)> {
    let link = |(kind, key): (LinkKind, String)| {
        let claims = LinkClaims(account.name.clone(), node.no, kind, key);
        (kind.graph_type(), url(state, base_url, account, node.no, &claims))
    };
    keys(node).into_iter().map(link).collect()
}

/// Returns the facets of an item after its link of a kind is revoked; `None` if it has no such
/// link. `kind` is Graph's name of the kind: `view`, `edit` or `embed`.
pub(crate) fn without_link(node: &Node, kind: &str) -> Option<Map<String, Value>> {
    let mut keys = keys(node);
    let count = keys.len();
    keys.retain(|link, _| link.graph_type() != kind);
    if keys.len() == count {
        return None;
    }
    let mut facet = node.facets.get(FACET)?.as_object()?.clone();
    facet.insert(OF.to_owned(), node.no.0.into());
    facet.insert(LINKS.to_owned(), serde_json::to_value(keys).unwrap_or_default());
    Some(Map::from_iter([(FACET.to_owned(), facet.into())]))
}
