//! Links that need no token (A.5, rows 17, 18 and 27).
//!
//! A link says, signed, to which item it leads; it leads there as long as the item is there, and
//! works again when the item comes back from the recycle bin. A folder's link leads to a page with
//! a link to each item in it.

use std::{fmt::Write as _, sync::Arc};

use async_trait::async_trait;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    Asked,
    error::{LiveError, Result},
    extra::LinkKind,
    kinds::ObjectType,
    objects::Objects,
    pictures::{Size, redirect},
    present::Presentation,
    query::Query,
};
use crate::server::{
    app::{App, Exchange, FrontEnd},
    origin::Origin,
    seal::Purpose,
    tree::{ItemNo, Listing, Node, NodeKind},
};

/// Where links lead; the embedded ones to the second.
const PATHS: [&str; 2] = ["/redir.aspx", "/embed"];

/// How long links lead to their item: longer than anybody waits. From a fixed day on, so that an
/// item's link is the same whenever it is asked for.
const LIFE: SignedDuration = SignedDuration::from_hours(200 * 365 * 24);

/// Width and height of an embedded item, as in the reference's sample.
const EMBEDDED: (u32, u32) = (98, 120);

type Claims = (String, ItemNo, LinkKind);

impl Objects {
    /// An item's link.
    fn shared_link(&self, node: &Node, kind: LinkKind) -> String {
        let expires = Timestamp::UNIX_EPOCH + LIFE;
        let claims: Claims = (self.account.name.clone(), node.no, kind);
        let sealed = self.app.seal.seal(Purpose::Link, expires, &claims);
        let [redirect, embed] = PATHS;
        let path = if kind == LinkKind::Embed { embed } else { redirect };
        let (cid, resource) = (&self.account.cid, self.id(node).resource());
        self.origin.url(&format!("{path}?cid={cid}&resid={resource}&authkey=!{sealed}"))
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
    let (node, ()) = asked.change_extra(node, |extra| Ok(((), extra.links.insert(kind)))).await?;
    let link = asked.objects.shared_link(&node, kind);
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
    let (objects, node, _) = follow(app, origin, link).await?;
    if matches!(ObjectType::of(&node), ObjectType::File) {
        return Err(LiveError::url("Resource type 'file' doesn't support the path 'picture'."));
    }
    let pictures = objects.pictures(&node, false);
    let pictures = pictures.ok_or_else(|| LiveError::not_found(&node.name))?;
    redirect(&pictures(size))
}

/// The item that a link leads to, by the link's query.
async fn follow(app: &Arc<App>, origin: &Origin, query: &str) -> Result<(Objects, Node, LinkKind)> {
    let gone = || LiveError::not_found("link");
    let (account, item, kind) = redeem(app, query).ok_or_else(gone)?;
    let account = app.account(&account).await.map_err(|error| LiveError::tree(error, "link"))?;
    let node = app.tree.node(account.drive, item).await;
    let node = node.map_err(|error| LiveError::tree(error, "link"))?;
    Ok((Objects { app: Arc::clone(app), origin: origin.clone(), account }, node, kind))
}

fn redeem(app: &App, query: &str) -> Option<Claims> {
    let key = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "authkey")?.1;
    app.seal.open(Purpose::Link, key.strip_prefix('!')?, Timestamp::now()).ok()
}

/// Serves links.
pub(in crate::server) struct Links;

const GET: &str = "live.link";
const UNKNOWN: &str = "live.link.unknown";

#[async_trait]
impl FrontEnd for Links {
    fn operations(&self) -> &'static [&'static str] {
        &[GET, UNKNOWN]
    }

    fn serves(&self, path: &str) -> bool {
        PATHS.contains(&path)
    }

    fn operation(&self, request: &Parts) -> &'static str {
        if request.method == Method::GET || request.method == Method::HEAD { GET } else { UNKNOWN }
    }

    fn drive(&self, app: &App, request: &Parts) -> Option<String> {
        redeem(app, request.uri.query().unwrap_or_default()).map(|(account, ..)| account)
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
    let (objects, node, kind) = follow(app, origin, query).await?;
    match (node.kind, kind) {
        (NodeKind::Folder, _) => folder_page(&objects, &node, kind).await,
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

async fn folder_page(objects: &Objects, folder: &Node, kind: LinkKind) -> Result<Response> {
    let children =
        objects.app.tree.children(objects.account.drive, folder.no, Listing::default()).await;
    let children = children.map_err(|error| LiveError::tree(error, "link"))?;
    let mut list = String::from("<ul>");
    for node in &children {
        let (url, name) = (escaped(&objects.shared_link(node, kind)), escaped(&node.name));
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
