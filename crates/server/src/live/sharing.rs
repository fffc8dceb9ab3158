//! Links that need no token (live-connect#op-sharing-links, live-connect#op-embed,
//! live-connect#op-item-preview).
//!
//! A link names, signed, the item that was shared, and has the key that the item keeps for it. It works
//! as long as the item has that key and is not deleted: an item that comes back from the recycle bin
//! brings its links with it. A folder's link leads to a page with links to the items in it, which work
//! as long as the folder's does. The reference has no request that revokes a link: Graph's permissions
//! show the links of an item, and deleting one revokes it.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use serde_json::json;

use super::{
    error::{LiveError, Result},
    facets::LiveFacets,
    ids::LiveId,
    object_type::ObjectType,
    objects::Objects,
    pictures::{Size, redirect},
    query::Query,
    request::LiveRequest,
    response_format::{OVER_BUDGET, ResponseFormat, failure},
};
use crate::{
    base_url::BaseUrl,
    protocol::{Declaration, Protocol, RequestContext, Routed},
    secret_urls::SecretUrl,
    sharing_links::{self, LinkClaims, LinkKind, PATHS},
    signed_token::random_name,
    state::ServerState,
    tree::{ItemKey, Listing, Node, NodeKind},
};

/// Width and height of an embedded item, as in the reference's sample.
const EMBEDDED: (u32, u32) = (98, 120);

/// A link that works, and the item that it leads to: the one that was shared, or one below it.
struct Followed {
    objects: Objects,
    node: Node,
    claims: LinkClaims,
}

impl Objects {
    /// The URL that leads to an item by a link of its own or of a folder above it.
    fn link_to(&self, node: &Node, claims: &LinkClaims) -> String {
        sharing_links::url(&self.state, &self.base_url, &self.account, node.no, claims)
    }
}

/// `GET {item}/shared_read_link`, `…/shared_edit_link`, `…/embed`: makes the link if there is none.
pub(super) async fn link(request: &LiveRequest, kind: LinkKind) -> Result<Response> {
    let node = request.node().await?;
    if node.kind == NodeKind::Notebook {
        let path = match kind {
            LinkKind::Read => "shared_read_link",
            LinkKind::Edit => "shared_edit_link",
            LinkKind::Embed => "embed",
        };
        return Err(request.unsupported(&node, path));
    }
    let keyed = |extra: &mut LiveFacets| {
        let is_new = !extra.links.contains_key(&kind);
        Ok((extra.links.entry(kind).or_insert_with(random_name).clone(), is_new))
    };
    let (node, key) = request.change_facets(node, keyed).await?;
    let claims = LinkClaims(request.objects.account.name.clone(), node.no, kind, key);
    let link = request.objects.link_to(&node, &claims);
    let answer = match kind {
        LinkKind::Read | LinkKind::Edit => json!({ "link": link }),
        LinkKind::Embed => {
            let (width, height) = EMBEDDED;
            let source = escaped(&link);
            json!({ "embed_html": format!(
                "<iframe src=\"{source}\" width=\"{width}\" height=\"{height}\" \
                 frameborder=\"0\" scrolling=\"no\"></iframe>"
            ) })
        }
    };
    Ok(request.format.json(StatusCode::OK, &answer))
}

/// `GET skydrive/get_item_preview?type=…&url=…`: the picture of what a link leads to. No token.
pub(super) async fn preview(
    state: &Arc<ServerState>,
    base_url: &BaseUrl,
    query: &Query,
) -> Result<Response> {
    let url = query.get("url").ok_or_else(|| LiveError::missing("url"))?;
    let size = Size::asked(query.get("type"), &Size::OF_PHOTOS[..4], Size::Normal)?;
    let (_, link) = url.split_once('?').unwrap_or_default();
    let claims = sharing_links::open(state, link);
    let Followed { objects, node, .. } = follow(state, base_url, claims, link).await?;
    if matches!(ObjectType::of(&node), ObjectType::File) {
        return Err(LiveError::url("Resource type 'file' doesn't support the path 'picture'."));
    }
    let pictures = objects.pictures(&node, false);
    let pictures = pictures.ok_or_else(|| LiveError::not_found(&node.name))?;
    redirect(&pictures(size))
}

/// Checks the link of a query: it is signed, the item that was shared still has it, and the item that
/// it leads to is that item or below it.
async fn follow(
    state: &Arc<ServerState>,
    base_url: &BaseUrl,
    claims: Option<LinkClaims>,
    query: &str,
) -> Result<Followed> {
    let gone = || LiveError::not_found("link");
    let failed = |error| LiveError::tree(error, "link");
    let claims = claims.ok_or_else(gone)?;
    let LinkClaims(account, shared, kind, key) = &claims;
    let account = state.accounts.open(account).await.map_err(failed)?;
    let tree = &state.tree;
    let holder = tree.node(account.drive, *shared).await.map_err(failed)?;
    if LiveFacets::of(&holder).links.get(kind) != Some(key) {
        return Err(gone());
    }
    let node = match resource(&account.cid, query) {
        Some(item) if item != *shared => {
            let node = tree.node(account.drive, item).await.map_err(failed)?;
            let above = tree.lineage(account.drive, item).await.map_err(failed)?;
            // The lineage follows an item's first folder only.
            let is_below = above.iter().any(|node| node.no == *shared);
            if !is_below && !node.parents.contains(shared) {
                return Err(gone());
            }
            node
        }
        _ => holder,
    };
    let objects = Objects { state: Arc::clone(state), base_url: base_url.clone(), account };
    Ok(Followed { objects, node, claims })
}

/// The item that a link's `resid` names.
fn resource(cid: &str, query: &str) -> Option<ItemKey> {
    let (_, resource) =
        url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "resid")?;
    Some(LiveId::parse(&format!("folder.{cid}.{resource}"))?.number)
}

/// Links.
pub(crate) struct SharingLinks;

/// A request as it was parsed: the claims of the link, if it is valid.
pub(crate) struct SharingLinkCall(Option<LinkClaims>);

const GET: &str = "live.link";
const UNKNOWN: &str = "live.link.unknown";

impl Protocol for SharingLinks {
    type Request = SharingLinkCall;

    const DECLARATION: Declaration = Declaration {
        operations: || &[GET, UNKNOWN],
        // A preview's `url` is a link.
        secret_urls: &[SecretUrl::Parameter("authkey"), SecretUrl::Parameter("url")],
        hash_members: &[],
        over_budget: OVER_BUDGET,
        failure,
    };

    fn route(state: &ServerState, parts: &Parts) -> Option<Routed<SharingLinkCall>> {
        if !PATHS.contains(&parts.uri.path()) {
            return None;
        }
        let claims = sharing_links::open(state, parts.uri.query().unwrap_or_default());
        let account = claims.as_ref().map(|LinkClaims(account, ..)| account.clone());
        let is_look = matches!(parts.method, Method::GET | Method::HEAD);
        let operation = if is_look { GET } else { UNKNOWN };
        Some(Routed::new(operation, SharingLinkCall(claims)).cost(1).account(account))
    }

    async fn handle(
        SharingLinkCall(claims): SharingLinkCall,
        context: RequestContext,
        parts: Parts,
        _: Body,
    ) -> Response {
        let query = parts.uri.query().unwrap_or_default();
        let response = match parts.method {
            Method::GET | Method::HEAD => {
                match follow(&context.state, &context.base_url, claims, query).await {
                    Ok(followed) => visit(followed).await,
                    Err(error) => Err(error),
                }
            }
            _ => Err(LiveError::method(parts.method.as_str())),
        };
        response.unwrap_or_else(|error| ResponseFormat::default().error(&error))
    }
}

/// Leads to the item of a link, or shows the page of a folder.
async fn visit(followed: Followed) -> Result<Response> {
    let Followed { objects, node, claims } = followed;
    match (node.kind, claims.2) {
        (NodeKind::Folder, _) => folder_page(&objects, &node, &claims).await,
        (_, LinkKind::Embed) => {
            let source = objects.source(&node, false);
            let source = source.ok_or_else(|| LiveError::not_found(&node.name))?;
            let (source, name) = (escaped(&source), escaped(&node.name));
            let shown = match (ObjectType::of(&node), objects.pictures(&node, false)) {
                (ObjectType::Photo, Some(pictures)) => {
                    format!("<img src=\"{}\" alt=\"{name}\">", escaped(&pictures(Size::Small)))
                }
                _ => name.clone(),
            };
            Ok(page(&node.name, &format!("<a href=\"{source}\" target=\"_top\">{shown}</a>")))
        }
        (_, LinkKind::Read | LinkKind::Edit) => {
            let source = objects.source(&node, false);
            redirect(&source.ok_or_else(|| LiveError::not_found(&node.name))?)
        }
    }
}

async fn folder_page(objects: &Objects, folder: &Node, claims: &LinkClaims) -> Result<Response> {
    let children =
        objects.state.tree.children(objects.account.drive, folder.no, Listing::default()).await;
    let children = children.map_err(|error| LiveError::tree(error, "link"))?;
    let mut list = String::from("<ul>");
    for node in &children {
        let (url, name) = (escaped(&objects.link_to(node, claims)), escaped(&node.name));
        // Writing to a string does not fail.
        let _ = write!(list, "<li><a href=\"{url}\">{name}</a>");
    }
    Ok(page(&folder.name, &(list + "</ul>")))
}

fn page(title: &str, body: &str) -> Response {
    let title = escaped(title);
    let page = format!("<!doctype html><meta charset=utf-8><title>{title}</title>{body}\n");
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A text as HTML shows it, also inside of quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
