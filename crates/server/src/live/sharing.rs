//! Sharing links, which need no token (live-connect#op-sharing-links, live-connect#op-embed,
//! live-connect#op-item-preview).
//!
//! A link contains the signed key of the shared item and a random key that the item stores. It is
//! valid while the item stores that key and is not deleted. An item that is restored from the
//! recycle bin keeps its links. The link of a folder shows a page with links to its items, which
//! are valid as long as the folder's link. The reference has no request that revokes a link.
//! Graph's permissions list the links of an item, and deleting a permission revokes its link.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use serde_json::json;

use super::{
    error::{LiveError, Result},
    ids::LiveId,
    object_type::ObjectType,
    objects::Objects,
    picture_size::PictureSize,
    pictures::redirect,
    query::LiveQuery,
    request::LiveRequest,
    response_format::{OVER_BUDGET, ResponseFormat, failure},
};
use crate::{
    account_scope,
    base_url::BaseUrl,
    permissions::{NewLink, find_or_add},
    protocol::{Declaration, Protocol, RequestContext, Routed},
    secret_urls::SecretUrl,
    sharing_links::{self, LinkClaims, LinkKind, PATHS},
    state::ServerState,
    tree::{ItemKey, ListOptions, Node, NodeKind, Permission, SharingSummary},
};

/// Width and height of an embedded item in pixels, as in the reference's sample.
const EMBED_SIZE: (u32, u32) = (98, 120);

/// A valid link and its target: the shared item, or an item below it.
struct Followed {
    objects: Objects,
    node: Node,
    claims: LinkClaims,
}

impl Objects {
    /// Returns the URL of an item through its own link, or through the link of a folder above it.
    fn link_url(&self, node: &Node, claims: &LinkClaims) -> String {
        sharing_links::url(&self.state, &self.base_url, &self.account, node.no, claims)
    }
}

/// Handles `GET {item}/shared_read_link`, `…/shared_edit_link` and `…/embed`. Creates the link if
/// it does not exist.
///
/// # Errors
/// 400 for a notebook; 404 if the item does not exist; 507 if the disk of the storage is full; 500 if the storage fails.
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
    let (state, account) = (request.state(), &request.objects.account);
    let new = NewLink::anonymous(kind.link_type()).into_permission(state, account, node.no);
    let find_or_add = |all: &mut Vec<Permission>| find_or_add(all, new, account_scope::now()).0;
    let (node, link) = request.change_permissions(node.no, find_or_add).await?;
    let claims = LinkClaims::from_permission(account, &link);
    let link = request.objects.link_url(&node, &claims);
    let body = match kind {
        LinkKind::Read | LinkKind::Edit => json!({ "link": link }),
        LinkKind::Embed => {
            let (width, height) = EMBED_SIZE;
            let source = escaped(&link);
            json!({ "embed_html": format!(
                "<iframe src=\"{source}\" width=\"{width}\" height=\"{height}\" \
                 frameborder=\"0\" scrolling=\"no\"></iframe>"
            ) })
        }
    };
    Ok(request.format.json(StatusCode::OK, &body))
}

/// Handles `GET skydrive/get_item_preview?type=…&url=…`: redirects to the picture of a link's
/// target. It needs no token.
///
/// # Errors
/// 400 without a `url`, for an unknown `type`, or if the target is a file without a picture; 404 if
/// the link was not issued by this server, its key is no longer stored with the item, the item is
/// deleted, or the target is a folder; 500 if the storage fails.
pub(super) async fn preview(
    state: &Arc<ServerState>,
    base_url: &BaseUrl,
    query: &LiveQuery,
) -> Result<Response> {
    let url = query.get("url").ok_or_else(|| LiveError::missing("url"))?;
    let size = PictureSize::from_parameter(
        query.get("type"),
        &PictureSize::FOR_PHOTOS[..4],
        PictureSize::Normal,
    )?;
    let (_, link) = url.split_once('?').unwrap_or_default();
    let claims = sharing_links::open(state, link);
    let Followed { objects, node, .. } = follow(state, base_url, claims, link).await?;
    if matches!(ObjectType::from_node(&node), ObjectType::File) {
        return Err(LiveError::url("Resource type 'file' doesn't support the path 'picture'."));
    }
    let pictures = objects.picture_urls(&node, false);
    let pictures = pictures.ok_or_else(|| LiveError::not_found(&node.name))?;
    redirect(&pictures.url(size))
}

/// Validates a link and finds its target. `claims` are those of its signed key; `None` if the
/// signature is invalid. `query` is the query of the link, percent-encoded and without the question
/// mark; its `resid` may name an item below the shared one.
///
/// # Errors
/// 403 if the link has a password, which Live Connect cannot present; 404 if `claims` is `None`, the
/// shared item no longer has the link, the link has expired, the shared item or the target does not
/// exist, or the target is not below the shared item or does not inherit its permissions; 500 if the
/// storage fails.
async fn follow(
    state: &Arc<ServerState>,
    base_url: &BaseUrl,
    claims: Option<LinkClaims>,
    query: &str,
) -> Result<Followed> {
    let not_found = || LiveError::not_found("link");
    let failed = |error| LiveError::tree(error, "link");
    let claims = claims.ok_or_else(not_found)?;
    let LinkClaims(account, shared, ..) = &claims;
    let account = state.accounts.open(account).await.map_err(failed)?;
    let tree = &state.tree;
    let holder = tree.node(account.drive, *shared).await.map_err(failed)?;
    let all = tree.permissions(account.drive, *shared).await.map_err(failed)?;
    let now = account_scope::now();
    let link = all.iter().find(|link| claims.is_of(link) && link.is_valid(now));
    if link.ok_or_else(not_found)?.details.password.is_some() {
        return Err(LiveError::forbidden("The link requires a password."));
    }
    let node = match linked_item(&account.cid, query) {
        Some(item) if item != *shared => {
            let node = tree.node(account.drive, item).await.map_err(failed)?;
            let above = tree.lineage(account.drive, item).await.map_err(failed)?;
            // The lineage only follows the first parent of an item.
            let is_below = above
                .iter()
                .take_while(|node| !is_boundary(node))
                .any(|node| node.no == *shared || node.parents.first() == Some(shared));
            if !is_below && !node.parents.contains(shared) {
                return Err(not_found());
            }
            node
        }
        _ => holder,
    };
    let objects = Objects { state: Arc::clone(state), base_url: base_url.clone(), account };
    Ok(Followed { objects, node, claims })
}

/// Returns whether an item does not inherit the permissions of its folder.
pub(super) fn is_boundary(node: &Node) -> bool {
    SharingSummary::from_node(node).is_some_and(|summary| summary.is_boundary)
}

/// Returns the key of the item that the `resid` in the query of a link names. `cid` is the id of
/// the account that the link belongs to. `None` if the parameter is missing or no id of that
/// account. `query` is percent-encoded.
fn linked_item(cid: &str, query: &str) -> Option<ItemKey> {
    let (_, resource) =
        url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "resid")?;
    Some(LiveId::parse(&format!("folder.{cid}.{resource}"))?.number)
}

/// The protocol of sharing links.
pub(crate) struct SharingLinks;

/// A parsed request: the claims of the link; `None` if it is not signed by this server.
pub(crate) struct SharingLinkCall(Option<LinkClaims>);

const GET: &str = "live.link";
const UNKNOWN: &str = "live.link.unknown";

impl Protocol for SharingLinks {
    type Request = SharingLinkCall;

    const DECLARATION: Declaration = Declaration {
        operations: || &[GET, UNKNOWN],
        // The parameter `url` of a preview contains a sharing link.
        secret_urls: &[SecretUrl::Parameter("authkey"), SecretUrl::Parameter("url")],
        hash_members: &[],
        over_budget: OVER_BUDGET,
        failure,
    };

    /// Parses a request with the path of a sharing link; `None` for any other path.
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

    /// Follows the link; 404 if it is invalid or revoked, 405 for another method than `GET` and
    /// `HEAD`.
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
                    Ok(followed) => serve_link(followed).await,
                    Err(error) => Err(error),
                }
            }
            _ => Err(LiveError::method(parts.method.as_str())),
        };
        response.unwrap_or_else(|error| ResponseFormat::default().error(&error))
    }
}

/// Redirects to the content of the target, or returns the page of a folder or of an embedded item.
///
/// # Errors
/// 404 if the target has no content; 400 if the redirect is no valid header; 500 if the storage
/// fails.
async fn serve_link(followed: Followed) -> Result<Response> {
    let Followed { objects, node, claims } = followed;
    match (node.kind, claims.2) {
        (NodeKind::Folder, _) => folder_page(&objects, &node, &claims).await,
        (_, LinkKind::Embed) => {
            let source = objects.source(&node, false);
            let source = source.ok_or_else(|| LiveError::not_found(&node.name))?;
            let (source, name) = (escaped(&source), escaped(&node.name));
            let label = match (ObjectType::from_node(&node), objects.picture_urls(&node, false)) {
                (ObjectType::Photo, Some(pictures)) => {
                    format!(
                        "<img src=\"{}\" alt=\"{name}\">",
                        escaped(&pictures.url(PictureSize::Small))
                    )
                }
                _ => name.clone(),
            };
            Ok(page(&node.name, &format!("<a href=\"{source}\" target=\"_top\">{label}</a>")))
        }
        (_, LinkKind::Read | LinkKind::Edit) => {
            let source = objects.source(&node, false);
            redirect(&source.ok_or_else(|| LiveError::not_found(&node.name))?)
        }
    }
}

/// Returns a page with links to the items of a folder that inherit its permissions.
///
/// # Errors
/// 404 if the folder does not exist; 500 if the storage fails.
async fn folder_page(objects: &Objects, folder: &Node, claims: &LinkClaims) -> Result<Response> {
    let children =
        objects.state.tree.children(objects.account.drive, folder.no, ListOptions::default()).await;
    let children = children.map_err(|error| LiveError::tree(error, "link"))?;
    let mut list = String::from("<ul>");
    for node in children.iter().filter(|node| !is_boundary(node)) {
        let (url, name) = (escaped(&objects.link_url(node, claims)), escaped(&node.name));
        // Writing to a string cannot fail.
        let _ = write!(list, "<li><a href=\"{url}\">{name}</a>");
    }
    Ok(page(&folder.name, &(list + "</ul>")))
}

/// Returns an HTML page. `title` is escaped here, `body` is HTML.
fn page(title: &str, body: &str) -> Response {
    let title = escaped(title);
    let page = format!("<!doctype html><meta charset=utf-8><title>{title}</title>{body}\n");
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Escapes text for HTML, including attribute values.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
