//! Links that need no token (A.5, rows 17, 18 and 27).
//!
//! A link names, signed, the item that was shared, and has the key that the item keeps for it. It works
//! as long as the item has that key and is not deleted: an item that comes back from the recycle bin
//! brings its links with it. A folder's link leads to a page with links to the items in it, which work
//! as long as the folder's does. The reference has no request that revokes a link: Graph's permissions
//! show the links of an item, and deleting one revokes it.

use std::{fmt::Write as _, sync::Arc};

use async_trait::async_trait;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Asked,
    error::{LiveError, Result},
    extra::{Extra, LinkKind},
    ids::LiveId,
    kinds::ObjectType,
    objects::Objects,
    pictures::{Size, redirect},
    present::Presentation,
    query::Query,
};
use crate::{
    account::Account,
    app::{App, Exchange, FrontEnd},
    origin::Origin,
    seal::{Purpose, random_name},
    secret_urls::SecretUrl,
    tree::{ItemNo, Listing, Node, NodeKind},
};

/// Where links lead; the embedded ones to the second.
const PATHS: [&str; 2] = ["/redir.aspx", "/embed"];

/// How long links lead to their item: longer than anybody waits. From a fixed day on, so that an
/// item's link is the same whenever it is asked for.
const LIFE: SignedDuration = SignedDuration::from_hours(200 * 365 * 24);

/// Width and height of an embedded item, as in the reference's sample.
const EMBEDDED: (u32, u32) = (98, 120);

/// What a link says: the account, the item that was shared, how, and the key that the item keeps for
/// the link. Links of earlier versions have no key.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Claims(String, ItemNo, LinkKind, #[serde(default)] String);

/// A link that works, and the item that it leads to: the one that was shared, or one below it.
struct Followed {
    objects: Objects,
    node: Node,
    claims: Claims,
}

impl Objects {
    /// The URL that leads to an item by a link of its own or of a folder above it.
    fn link_to(&self, node: &Node, claims: &Claims) -> String {
        let expires = Timestamp::UNIX_EPOCH + LIFE;
        let sealed = self.app.seal.seal(Purpose::Link, expires, claims);
        let [redirect, embed] = PATHS;
        let path = if claims.2 == LinkKind::Embed { embed } else { redirect };
        let (cid, resource) = (&self.account.cid, self.id(node).resource());
        self.origin.url(&format!("{path}?cid={cid}&resid={resource}&authkey=!{sealed}"))
    }
}

/// The links of an item, by the names that Graph has for their kinds.
pub(crate) fn links_of(
    app: &Arc<App>,
    origin: &Origin,
    account: &Arc<Account>,
    node: &Node,
) -> Vec<(&'static str, String)> {
    let objects =
        Objects { app: Arc::clone(app), origin: origin.clone(), account: Arc::clone(account) };
    let links = Extra::of(node).links.into_iter();
    let link = |(kind, key)| {
        let claims = Claims(account.name.clone(), node.no, kind, key);
        (graph_type(kind), objects.link_to(node, &claims))
    };
    links.map(link).collect()
}

/// The facets of an item whose link of a kind, by Graph's name, is revoked; `None`: it has none.
pub(crate) fn without_link(node: &Node, kind: &str) -> Option<Map<String, Value>> {
    let mut extra = Extra::of(node);
    let count = extra.links.len();
    extra.links.retain(|&link, _| graph_type(link) != kind);
    (extra.links.len() < count).then(|| extra.facets_of(node))
}

fn graph_type(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Read => "view",
        LinkKind::Edit => "edit",
        LinkKind::Embed => "embed",
    }
}

/// `GET {item}/shared_read_link`, `…/shared_edit_link`, `…/embed`: makes the link if there is none.
pub(super) async fn link(asked: &Asked, kind: LinkKind) -> Result<Response> {
    let node = asked.node().await?;
    if node.kind == NodeKind::Notebook {
        let path = match kind {
            LinkKind::Read => "shared_read_link",
            LinkKind::Edit => "shared_edit_link",
            LinkKind::Embed => "embed",
        };
        return Err(asked.unsupported(&node, path));
    }
    let keyed = |extra: &mut Extra| {
        let is_new = !extra.links.contains_key(&kind);
        Ok((extra.links.entry(kind).or_insert_with(random_name).clone(), is_new))
    };
    let (node, key) = asked.change_extra(node, keyed).await?;
    let claims = Claims(asked.objects.account.name.clone(), node.no, kind, key);
    let link = asked.objects.link_to(&node, &claims);
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
    Ok(asked.presentation.json(StatusCode::OK, &answer))
}

/// `GET skydrive/get_item_preview?type=…&url=…`: the picture of what a link leads to. No token.
pub(super) async fn preview(app: &Arc<App>, origin: &Origin, query: &Query) -> Result<Response> {
    let url = query.get("url").ok_or_else(|| LiveError::missing("url"))?;
    let size = Size::asked(query.get("type"), &Size::OF_PHOTOS[..4], Size::Normal)?;
    let (_, link) = url.split_once('?').unwrap_or_default();
    let Followed { objects, node, .. } = follow(app, origin, link).await?;
    if matches!(ObjectType::of(&node), ObjectType::File) {
        return Err(LiveError::url("Resource type 'file' doesn't support the path 'picture'."));
    }
    let pictures = objects.pictures(&node, false);
    let pictures = pictures.ok_or_else(|| LiveError::not_found(&node.name))?;
    redirect(&pictures(size))
}

/// Checks the link of a query: it is signed, the item that was shared still has it, and the item that
/// it leads to is that item or below it.
async fn follow(app: &Arc<App>, origin: &Origin, query: &str) -> Result<Followed> {
    let gone = || LiveError::not_found("link");
    let failed = |error| LiveError::tree(error, "link");
    let claims = redeem(app, query).ok_or_else(gone)?;
    let Claims(account, shared, kind, key) = &claims;
    let account = app.account(account).await.map_err(failed)?;
    let tree = &app.tree;
    let holder = tree.node(account.drive, *shared).await.map_err(failed)?;
    if Extra::of(&holder).links.get(kind) != Some(key) {
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
    let objects = Objects { app: Arc::clone(app), origin: origin.clone(), account };
    Ok(Followed { objects, node, claims })
}

/// The item that a link's `resid` names.
fn resource(cid: &str, query: &str) -> Option<ItemNo> {
    let (_, resource) =
        url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "resid")?;
    Some(LiveId::parse(&format!("folder.{cid}.{resource}"))?.number)
}

fn redeem(app: &App, query: &str) -> Option<Claims> {
    let key = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "authkey")?.1;
    app.seal.open(Purpose::Link, key.strip_prefix('!')?, Timestamp::now()).ok()
}

/// Serves links.
pub(crate) struct Links;

const GET: &str = "live.link";
const UNKNOWN: &str = "live.link.unknown";

#[async_trait]
impl FrontEnd for Links {
    fn operations(&self) -> &'static [&'static str] {
        &[GET, UNKNOWN]
    }

    fn secret_urls(&self) -> &'static [SecretUrl] {
        // A preview's `url` is a link.
        &[SecretUrl::Parameter("authkey"), SecretUrl::Parameter("url")]
    }

    fn serves(&self, path: &str) -> bool {
        PATHS.contains(&path)
    }

    fn operation(&self, request: &Parts) -> &'static str {
        if request.method == Method::GET || request.method == Method::HEAD { GET } else { UNKNOWN }
    }

    fn drive(&self, app: &App, request: &Parts) -> Option<String> {
        redeem(app, request.uri.query().unwrap_or_default()).map(|Claims(account, ..)| account)
    }

    async fn answer(&self, app: &Arc<App>, exchange: Exchange, request: Request) -> Response {
        let query = request.uri().query().unwrap_or_default();
        let answer = match *request.method() {
            Method::GET | Method::HEAD => visit(app, &exchange.origin, query).await,
            _ => Err(LiveError::method(request.method().as_str())),
        };
        answer.unwrap_or_else(|error| error.response(&Presentation::default()))
    }

    fn failure(&self, status: StatusCode) -> Response {
        LiveError::on_demand(status).response(&Presentation::default())
    }
}

async fn visit(app: &Arc<App>, origin: &Origin, query: &str) -> Result<Response> {
    let Followed { objects, node, claims } = follow(app, origin, query).await?;
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

async fn folder_page(objects: &Objects, folder: &Node, claims: &Claims) -> Result<Response> {
    let children =
        objects.app.tree.children(objects.account.drive, folder.no, Listing::default()).await;
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
