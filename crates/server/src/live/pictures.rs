//! Pictures of items (live-connect#op-pictures): a redirect to a URL that needs no token, for a
//! while, and where that leads: the picture in one of the reference's sizes.
//!
//! Photos are scaled when they are looked at; songs and films show the cover that is in their file,
//! or a plain picture. Such a URL dies with the item, and with the bytes it was made for.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::json;

use super::{
    error::{LiveError, Result},
    object_type::ObjectType,
    objects::{CONTENT_HOST, Objects},
    request::LiveRequest,
    response_format::{OVER_BUDGET, ResponseFormat, failure},
};
use crate::{
    content::{encoded, fingerprint},
    media::{
        Fetch, Reading, Source,
        picture::{self, Frame, Picture},
    },
    picture_urls::{self, OWNER, PictureClaims},
    protocol::{Declaration, Protocol, RequestContext, Routed},
    state::ServerState,
    tree::{Content, Listing, Node, NodeKind, Order, Tree},
};

/// How many items of an album are looked at for its cover.
const COVER_AMONG: u64 = 200;

/// A picture's size (live-connect#param-type, live-connect#photo-images).
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

impl Objects {
    /// The URLs of an item's picture; `None` if it has no bytes.
    pub(super) fn pictures(
        &self,
        node: &Node,
        attachment: bool,
    ) -> Option<Box<dyn Fn(Size) -> String>> {
        let bytes = fingerprint(node.content.as_ref()?);
        let claims = PictureClaims(self.account.name.clone(), node.no, bytes, attachment);
        Some(self.sealed(&claims, &node.name))
    }

    fn sealed(&self, claims: &PictureClaims, name: &str) -> Box<dyn Fn(Size) -> String> {
        let start = self.base_url.url_on(CONTENT_HOST, &picture_urls::start(&self.state, claims));
        let name = encoded(name).to_string();
        Box::new(move |size| format!("{start}/{}/{name}", size.name()))
    }
}

/// `GET {item}/picture`, `{album}/picture`, `{user}/picture`: a redirect, or the URL in the answer.
pub(super) async fn of_item(request: &LiveRequest) -> Result<Response> {
    let node = request.readable().await?;
    let size = Size::asked(request.query.get("type"), &Size::OF_PHOTOS, Size::Normal)?;
    let node = match node.kind {
        NodeKind::Folder => cover(request, &node).await?,
        _ => node,
    };
    if matches!(ObjectType::of(&node), ObjectType::File | ObjectType::Notebook) {
        return Err(request.unsupported(&node, "picture"));
    }
    let pictures = request.objects.pictures(&node, request.shown_how.attachment);
    let pictures = pictures.ok_or_else(|| request.unsupported(&node, "picture"))?;
    led_to(request, &pictures(size))
}

/// The photo that stands for a folder: its first.
async fn cover(request: &LiveRequest, folder: &Node) -> Result<Node> {
    let which = Listing { order: Order::Name, limit: Some(COVER_AMONG), ..Listing::default() };
    let children = request.state().tree.children(request.drive(), folder.no, which).await;
    let children = children.map_err(|error| LiveError::tree(error, request.shown()))?;
    children
        .into_iter()
        .find(|node| ObjectType::of(node) == ObjectType::Photo)
        .ok_or_else(|| LiveError::not_found(format!("{}/picture", request.shown())))
}

/// `GET {user}/picture`.
pub(super) fn of_user(request: &LiveRequest) -> Result<Response> {
    let size = Size::asked(request.query.get("type"), &Size::OF_USERS, Size::Small)?;
    let account = request.objects.account.name.clone();
    let claims = PictureClaims(account, OWNER, String::new(), request.shown_how.attachment);
    led_to(request, &request.objects.sealed(&claims, "picture")(size))
}

fn led_to(request: &LiveRequest, url: &str) -> Result<Response> {
    match request.query.flag("suppress_redirects")?.unwrap_or(false) {
        true => Ok(request.format.json(StatusCode::OK, &json!({ "location": url }))),
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
pub(super) fn reading(tree: &Arc<Tree>, content: &Content) -> Reading {
    let (tree, whole) = (Arc::clone(tree), content.clone());
    let fetch = Fetch::new(move |range| {
        let (tree, whole) = (Arc::clone(&tree), whole.clone());
        async move {
            let bytes = tree.open_content(&whole, range).await.map_err(std::io::Error::other)?;
            let pieces: Vec<_> = bytes.try_collect().await?;
            Ok(pieces.concat().into())
        }
    });
    Reading::new(content.size, fetch)
}

/// Pictures.
pub(crate) struct Pictures;

/// A request as it was parsed: the claims of the URL and the size, if it is valid.
pub(crate) struct PictureCall(Option<(PictureClaims, Frame)>);

const GET: &str = "live.picture";
const UNKNOWN: &str = "live.picture.unknown";

impl Protocol for Pictures {
    type Request = PictureCall;

    const DECLARATION: Declaration = Declaration {
        operations: || &[GET, UNKNOWN],
        secret_urls: &[picture_urls::SECRET_URL],
        hash_members: &[],
        over_budget: OVER_BUDGET,
        failure,
    };

    fn route(state: &ServerState, parts: &Parts) -> Option<Routed<PictureCall>> {
        let path = parts.uri.path();
        if !path.starts_with(picture_urls::PREFIX) {
            return None;
        }
        let (claims, size) = picture_urls::open(state, path);
        let call = claims.zip(frame(size));
        let account = call.as_ref().map(|(PictureClaims(account, ..), _)| account.clone());
        let is_look = matches!(parts.method, Method::GET | Method::HEAD);
        let operation = if is_look { GET } else { UNKNOWN };
        Some(Routed::new(operation, PictureCall(call)).cost(1).account(account))
    }

    async fn handle(
        PictureCall(call): PictureCall,
        context: RequestContext,
        parts: Parts,
        _: Body,
    ) -> Response {
        let response = match (parts.method, call) {
            (Method::GET | Method::HEAD, Some((claims, frame))) => {
                answer(&context.state, claims, frame).await
            }
            (Method::GET | Method::HEAD, None) => {
                Err(LiveError::url("The picture's URL isn't valid, or has expired."))
            }
            (method, _) => Err(LiveError::method(method.as_str())),
        };
        response.unwrap_or_else(|error| ResponseFormat::default().error(&error))
    }
}

/// Parses the size in a picture's path.
fn frame(size: &str) -> Option<Frame> {
    match Size::ALL.into_iter().find(|(name, ..)| *name == size) {
        Some((.., pixels)) => Some(Frame::within(pixels)),
        None => Frame::parse(size).filter(|frame| frame.is_allowed()),
    }
}

async fn answer(state: &Arc<ServerState>, claims: PictureClaims, frame: Frame) -> Result<Response> {
    let PictureClaims(account, item, bytes, attachment) = claims;
    let longer = frame.width.max(frame.height);
    let account =
        state.accounts.open(&account).await.map_err(|error| LiveError::tree(error, &account))?;
    if item == OWNER {
        return Ok(shown(picture::plain(longer).await.map_err(undecodable)?, attachment));
    }
    let node = state.tree.node(account.drive, item).await;
    let node = node.map_err(|error| LiveError::tree(error, "picture"))?;
    let content = node.content.as_ref().filter(|content| fingerprint(content) == bytes);
    let content = content.ok_or_else(|| LiveError::not_found(&node.name))?;
    let source = match ObjectType::of(&node) {
        ObjectType::Photo => Source::Whole,
        _ => Source::Cover,
    };
    let hash = content.hashes.sha256;
    let made = state.thumbnails.get(hash, source, frame, || reading(&state.tree, content)).await;
    let picture = match made.map_err(undecodable)? {
        Some(picture) => picture,
        None => picture::plain(longer).await.map_err(undecodable)?,
    };
    Ok(shown(picture, attachment))
}

/// A thumbnail of what has none is asked for in the wrong way (live-connect#error-url-invalid).
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
