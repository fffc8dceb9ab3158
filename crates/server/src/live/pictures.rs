//! Pictures of items (A.5, row 26): a redirect to a URL that needs no token, for a while, and where
//! that leads: the picture in one of the reference's sizes.
//!
//! Photos are scaled when they are looked at; songs and films show the cover that is in their file,
//! or a plain picture. Such a URL dies with the item, and with the bytes it was made for.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use futures::TryStreamExt;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{
    Asked,
    error::{LiveError, Result},
    kinds::ObjectType,
    objects::{CONTENT_HOST, Objects},
    present::Presentation,
};
use crate::{
    account::Account,
    app::{App, Exchange, FrontEnd},
    content::{self, fingerprint},
    media::{
        Fetch, Reading, Source,
        picture::{self, Frame, Picture},
    },
    seal::Purpose,
    secret_urls::SecretUrl,
    tree::{Content, ItemNo, Listing, Node, NodeKind, Order, Tree},
};

/// How a picture's path begins.
const PREFIX: &str = "/p1p";

/// How many items of an album are looked at for its cover.
const COVER_AMONG: u64 = 200;

/// A picture's size (A.3, A.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Size {
    Thumbnail,
    Small,
    Album,
    Normal,
    Full,
    /// Of a user's picture.
    Medium,
    /// Of a user's picture.
    Large,
}

impl Size {
    const ALL: [(&str, Self, u32); 7] = [
        ("thumbnail", Self::Thumbnail, 96),
        ("small", Self::Small, 96),
        ("album", Self::Album, 176),
        ("normal", Self::Normal, 800),
        ("full", Self::Full, 2048),
        ("medium", Self::Medium, 180),
        ("large", Self::Large, 360),
    ];

    /// The sizes of a photo, in the order of the reference's sample.
    pub(super) const OF_PHOTOS: [Self; 5] =
        [Self::Normal, Self::Album, Self::Thumbnail, Self::Small, Self::Full];

    const OF_USERS: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// Pixels of its longer side, at most.
    pub(super) fn pixels(self) -> u32 {
        self.entry().2
    }

    fn name(self) -> &'static str {
        self.entry().0
    }

    fn entry(self) -> (&'static str, Self, u32) {
        let found = Self::ALL.into_iter().find(|(_, size, _)| *size == self);
        found.unwrap_or(Self::ALL[0])
    }

    fn parse(name: &str, among: &[Self]) -> Option<Self> {
        let (_, size, _) =
            Self::ALL.into_iter().find(|(known, ..)| name.eq_ignore_ascii_case(known))?;
        among.contains(&size).then_some(size)
    }

    /// The size that `type` asks for.
    pub(super) fn asked(name: Option<&str>, among: &[Self], default: Self) -> Result<Self> {
        let Some(name) = name else { return Ok(default) };
        Self::parse(name, among).ok_or_else(|| {
            LiveError::parameter(format!("The value '{name}' of 'type' isn't valid."))
        })
    }
}

/// What a picture's URL stands for: account, item, bytes, whether to be saved. A user's picture has
/// no item.
type Claims = (String, ItemNo, String, bool);

/// In place of an item's number: the account's owner.
const OWNER: ItemNo = 0;

/// Returns the paths of an item's pictures by their frame; `None` for an item that is neither photo
/// nor film.
pub(crate) fn thumbnails(
    app: &App,
    account: &Account,
    node: &Node,
) -> Option<Box<dyn Fn(Frame) -> String>> {
    let shows = matches!(ObjectType::of(node), ObjectType::Photo | ObjectType::Video);
    let content = node.content.as_ref().filter(|_| shows)?;
    let claims = (account.name.clone(), node.no, fingerprint(content), false);
    let start = sealed(app, &claims);
    let name = content::encoded(&node.name).to_string();
    Some(Box::new(move |frame| {
        let Frame { width, height, crop } = frame;
        let crop = if crop { "_crop" } else { "" };
        format!("{start}/c{width}x{height}{crop}/{name}")
    }))
}

/// What the paths of a picture's URLs begin with; the size and a name follow.
fn sealed(app: &App, claims: &Claims) -> String {
    let expires = Timestamp::now() + app.settings.ticket_life;
    format!("{PREFIX}{}", app.seal.seal(Purpose::Picture, expires, claims))
}

impl Objects {
    /// The URLs of an item's picture; `None` if it has no bytes.
    pub(super) fn pictures(
        &self,
        node: &Node,
        attachment: bool,
    ) -> Option<Box<dyn Fn(Size) -> String>> {
        let bytes = fingerprint(node.content.as_ref()?);
        let claims = (self.account.name.clone(), node.no, bytes, attachment);
        Some(self.sealed(&claims, &node.name))
    }

    fn sealed(&self, claims: &Claims, name: &str) -> Box<dyn Fn(Size) -> String> {
        let start = self.origin.url_on(CONTENT_HOST, &sealed(&self.app, claims));
        let name = content::encoded(name).to_string();
        Box::new(move |size| format!("{start}/{}/{name}", size.name()))
    }
}

/// `GET {item}/picture`, `{album}/picture`, `{user}/picture`: a redirect, or the URL in the answer.
pub(super) async fn of_item(asked: &Asked) -> Result<Response> {
    let node = asked.readable().await?;
    let size = Size::asked(asked.query.get("type"), &Size::OF_PHOTOS, Size::Normal)?;
    let node = match node.kind {
        NodeKind::Folder => cover(asked, &node).await?,
        _ => node,
    };
    if matches!(ObjectType::of(&node), ObjectType::File | ObjectType::Notebook) {
        return Err(asked.unsupported(&node, "picture"));
    }
    let pictures = asked.objects.pictures(&node, asked.shown_how.attachment);
    let pictures = pictures.ok_or_else(|| asked.unsupported(&node, "picture"))?;
    led_to(asked, &pictures(size))
}

/// The photo that stands for a folder: its first.
async fn cover(asked: &Asked, folder: &Node) -> Result<Node> {
    let which = Listing { order: Order::Name, limit: Some(COVER_AMONG), ..Listing::default() };
    let children = asked.app().tree.children(asked.drive(), folder.no, which).await;
    let children = children.map_err(|error| LiveError::tree(error, asked.shown()))?;
    children
        .into_iter()
        .find(|node| ObjectType::of(node) == ObjectType::Photo)
        .ok_or_else(|| LiveError::not_found(format!("{}/picture", asked.shown())))
}

/// `GET {user}/picture`.
pub(super) fn of_user(asked: &Asked) -> Result<Response> {
    let size = Size::asked(asked.query.get("type"), &Size::OF_USERS, Size::Small)?;
    let account = asked.objects.account.name.clone();
    let claims = (account, OWNER, String::new(), asked.shown_how.attachment);
    led_to(asked, &asked.objects.sealed(&claims, "picture")(size))
}

fn led_to(asked: &Asked, url: &str) -> Result<Response> {
    match asked.query.flag("suppress_redirects")?.unwrap_or(false) {
        true => Ok(asked.presentation.json(StatusCode::OK, &json!({ "location": url }))),
        false => redirect(url),
    }
}

/// A redirect to a URL.
pub(super) fn redirect(url: &str) -> Result<Response> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    let location = HeaderValue::try_from(url)
        .map_err(|_| LiveError::url("The URL can't be told in a header."))?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// A node's bytes for libraries that read and seek.
pub(super) fn reading(tree: &Arc<dyn Tree>, content: &Content) -> Reading {
    let (tree, whole) = (Arc::clone(tree), content.clone());
    let fetch = Fetch::new(move |range| {
        let (tree, whole) = (Arc::clone(&tree), whole.clone());
        async move {
            let bytes = tree.open(&whole, range).await.map_err(std::io::Error::other)?;
            let pieces: Vec<_> = bytes.try_collect().await?;
            Ok(pieces.concat().into())
        }
    });
    Reading::new(content.size, fetch)
}

/// Serves pictures.
pub(crate) struct Pictures;

const GET: &str = "live.picture";
const UNKNOWN: &str = "live.picture.unknown";

#[async_trait]
impl FrontEnd for Pictures {
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
        redeem(app, request.uri.path()).ok().map(|((account, ..), _)| account)
    }

    async fn answer(&self, app: &Arc<App>, _: Exchange, request: Request) -> Response {
        let answer = match *request.method() {
            Method::GET | Method::HEAD => answer(app, request.uri().path()).await,
            _ => Err(LiveError::method(request.method().as_str())),
        };
        answer.unwrap_or_else(|error| error.response(&Presentation::default()))
    }

    fn failure(&self, status: StatusCode) -> Response {
        LiveError::on_demand(status).response(&Presentation::default())
    }
}

fn redeem(app: &App, path: &str) -> Result<(Claims, Frame)> {
    let broken = || LiveError::url("The picture's URL isn't valid, or has expired.");
    let mut parts = path.strip_prefix(PREFIX).unwrap_or_default().split('/');
    let (sealed, size) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let claims = app.seal.open(Purpose::Picture, sealed, Timestamp::now()).map_err(|_| broken())?;
    let frame = match Size::ALL.into_iter().find(|(name, ..)| *name == size) {
        Some((.., pixels)) => Some(Frame::within(pixels)),
        None => Frame::parse(size).filter(|frame| frame.is_allowed()),
    };
    Ok((claims, frame.ok_or_else(broken)?))
}

async fn answer(app: &Arc<App>, path: &str) -> Result<Response> {
    let ((account, item, bytes, attachment), frame) = redeem(app, path)?;
    let longer = frame.width.max(frame.height);
    let account = app.account(&account).await.map_err(|error| LiveError::tree(error, &account))?;
    if item == OWNER {
        return Ok(shown(picture::plain(longer).await.map_err(undecodable)?, attachment));
    }
    let node = app.tree.node(account.drive, item).await;
    let node = node.map_err(|error| LiveError::tree(error, "picture"))?;
    let content = node.content.as_ref().filter(|content| fingerprint(content) == bytes);
    let content = content.ok_or_else(|| LiveError::not_found(&node.name))?;
    let source = match ObjectType::of(&node) {
        ObjectType::Photo => Source::Whole,
        _ => Source::Cover,
    };
    let hash = content.hashes.sha256;
    let made = app.thumbnails.get(hash, source, frame, || reading(&app.tree, content)).await;
    let picture = match made.map_err(undecodable)? {
        Some(picture) => picture,
        None => picture::plain(longer).await.map_err(undecodable)?,
    };
    Ok(shown(picture, attachment))
}

/// A thumbnail of what has none is asked for in the wrong way (A.4).
fn undecodable(error: std::io::Error) -> LiveError {
    LiveError::url(format!("The resource has no picture that can be shown: {error}."))
}

fn shown(picture: Picture, attachment: bool) -> Response {
    let mut response = Response::new(Body::from(picture.bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(picture.media_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    if attachment {
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    response
}
