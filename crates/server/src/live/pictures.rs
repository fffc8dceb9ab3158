//! Pictures of items (live-connect#op-pictures). The API redirects to a signed URL that needs no
//! token and expires. This module also serves those URLs, under a protocol of their own.
//!
//! Photos are scaled on request. Songs and videos show the cover in their file, or a placeholder. A
//! URL becomes invalid when the item is deleted or its content changes.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    account_objects::logos::{self, LOGO_SIDE},
    error::{LiveError, Result},
    object_type::ObjectType,
    picture_size::PictureSize,
    request::LiveRequest,
    response_format::{OVER_BUDGET, ResponseFormat, failure},
};
use crate::{
    account::Account,
    content::fingerprint,
    item_pictures,
    media::{
        Fetch, Reading, ThumbnailSource,
        picture::{self, Frame, Picture},
    },
    picture_urls::{self, LOGO, OWNER, PictureClaims},
    protocol::{Declaration, Protocol, RequestContext, Routed},
    state::ServerState,
    tree::{AccountObjectKind, ListOptions, Node, NodeKind, Order, TreeError},
};

/// Number of an album's items that are searched for its cover.
const COVER_CANDIDATES: u64 = 200;

/// Handles `GET {item}/picture` and `{album}/picture`: a redirect, or the URL with
/// `suppress_redirects`.
///
/// # Errors
/// 400 for an item whose type has no pictures, an unknown `type`, and a `suppress_redirects` that
/// is neither `true` nor `false`; 403 if the token's scopes do not cover the item; 404 if the item
/// does not exist, or the folder has no cover; 500 if the storage fails.
pub(super) async fn item_picture(request: &LiveRequest) -> Result<Response> {
    let node = request.readable_node().await?;
    let size = PictureSize::from_parameter(
        request.query.get("type"),
        &PictureSize::FOR_PHOTOS,
        PictureSize::Normal,
    )?;
    let node = match node.kind {
        NodeKind::Folder => cover(request, &node).await?,
        _ => node,
    };
    if matches!(ObjectType::from_node(&node), ObjectType::File | ObjectType::Notebook) {
        return Err(request.unsupported(&node, "picture"));
    }
    let pictures = request.objects.picture_urls(&node, request.view.attachment);
    let pictures = pictures.ok_or_else(|| request.unsupported(&node, "picture"))?;
    redirect_or_location(request, &pictures.url(size))
}

/// Returns the cover of a folder: its first photo by name that the caller has access to.
///
/// # Errors
/// 404 if the folder no longer exists, or has no photo among its first [`COVER_CANDIDATES`] items;
/// 500 if the storage fails.
async fn cover(request: &LiveRequest, folder: &Node) -> Result<Node> {
    let listing =
        ListOptions { order: Order::Name, limit: Some(COVER_CANDIDATES), ..ListOptions::default() };
    let children = request.state().tree.children(request.drive(), folder.no, listing).await;
    let children = children.map_err(|error| LiveError::tree(error, request.subject_id()))?;
    let visible = request.visible(children).await?;
    visible
        .into_iter()
        .find(|node| ObjectType::from_node(node) == ObjectType::Photo)
        .ok_or_else(|| LiveError::not_found(format!("{}/picture", request.subject_id())))
}

/// Handles `GET {user}/picture`: a redirect, or the URL with `suppress_redirects`.
///
/// # Errors
/// 400 for an unknown `type`, and a `suppress_redirects` that is neither `true` nor `false`.
pub(super) fn user_picture(request: &LiveRequest) -> Result<Response> {
    let size = PictureSize::from_parameter(
        request.query.get("type"),
        &PictureSize::FOR_USERS,
        PictureSize::Small,
    )?;
    let account = request.objects.account.name.clone();
    let claims = PictureClaims(account, OWNER, String::new(), request.view.attachment);
    let urls = request.objects.signed_picture_urls(&claims, "picture");
    redirect_or_location(request, &urls.url(size))
}

/// Responds with a redirect to `url`, or with the URL in the body with `suppress_redirects`.
///
/// # Errors
/// 400 if `suppress_redirects` is neither `true` nor `false`, or if `url` contains characters that
/// are invalid in a header.
pub(super) fn redirect_or_location(request: &LiveRequest, url: &str) -> Result<Response> {
    match request.query.flag("suppress_redirects")?.unwrap_or(false) {
        true => Ok(request.format.json(StatusCode::OK, &json!({ "location": url }))),
        false => redirect(url),
    }
}

/// Returns a 302 response.
///
/// # Errors
/// 400 if `url` contains characters that are invalid in a header.
pub(super) fn redirect(url: &str) -> Result<Response> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    let location = HeaderValue::try_from(url)
        .map_err(|_| LiveError::url("The URL can't be sent in a header."))?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// The protocol of signed picture URLs.
pub(crate) struct Pictures;

/// A parsed request: the claims of the URL and the size; `None` if the URL is not signed by this
/// server or has expired, or the size is unknown or larger than allowed.
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

    /// Parses a request with the path of a picture URL; `None` for any other path.
    fn route(state: &ServerState, parts: &Parts) -> Option<Routed<PictureCall>> {
        let path = parts.uri.path();
        if !path.starts_with(picture_urls::PREFIX) {
            return None;
        }
        let (claims, size) = picture_urls::open(state, path);
        let call = claims.zip(parse_frame(size));
        let account = call.as_ref().map(|(PictureClaims(account, ..), _)| account.clone());
        let is_look = matches!(parts.method, Method::GET | Method::HEAD);
        let operation = if is_look { GET } else { UNKNOWN };
        Some(Routed::new(operation, PictureCall(call)).cost(1).account(account))
    }

    /// Serves the picture; 400 for an invalid URL, 405 for another method than `GET` and `HEAD`.
    async fn handle(
        PictureCall(call): PictureCall,
        context: RequestContext,
        parts: Parts,
        body: Body,
    ) -> Response {
        let response = match (parts.method.clone(), call) {
            (Method::PUT | Method::POST, Some((claims, _))) if claims.1 == LOGO => {
                logos::put_signed(context, claims, &parts, body).await
            }
            (Method::GET | Method::HEAD, Some((claims, frame))) => {
                respond(&context.state, claims, frame).await
            }
            (Method::GET | Method::HEAD, None) => {
                Err(LiveError::url("The picture's URL isn't valid, or has expired."))
            }
            (method, _) => Err(LiveError::method(method.as_str())),
        };
        response.unwrap_or_else(|error| ResponseFormat::default().error(&error))
    }
}

/// Parses the size segment of a picture URL, a name or a frame in pixels; `None` if it is neither,
/// or if the frame is larger than [`Frame::is_allowed`] permits.
fn parse_frame(size: &str) -> Option<Frame> {
    match PictureSize::ALL.into_iter().find(|(name, ..)| *name == size) {
        Some((.., pixels)) => Some(Frame::within(pixels)),
        None => {
            let rotated = size.strip_prefix(picture_urls::UNROTATED);
            let frame = Frame::parse(rotated.unwrap_or(size))?.unrotated(rotated.is_some());
            Some(frame).filter(|frame| frame.is_allowed())
        }
    }
}

/// Responds with the picture of an item, with the logo of an application, or with the picture of
/// the account's owner. An item without a cover has a placeholder.
///
/// # Errors
/// 404 if the item does not exist or its content is not the one of `claims`; 400 if the picture
/// cannot be decoded; 500 if the storage fails.
async fn respond(
    state: &Arc<ServerState>,
    claims: PictureClaims,
    frame: Frame,
) -> Result<Response> {
    let PictureClaims(account, item, bytes, attachment) = claims;
    let longer = frame.width.max(frame.height);
    let account =
        state.accounts.open(&account).await.map_err(|error| LiveError::tree(error, &account))?;
    if item == LOGO {
        return match logos::serve(&state.tree, &account, &bytes).await? {
            Some(response) => Ok(response),
            None => plain_response(LOGO_SIDE, attachment).await,
        };
    }
    if item == OWNER {
        return match owner_picture(state, &account, longer).await? {
            Some(picture) => Ok(item_pictures::response(picture, attachment)),
            None => plain_response(longer, attachment).await,
        };
    }
    let node = state.tree.node(account.drive, item).await;
    let node = node.map_err(|error| LiveError::tree(error, "picture"))?;
    let content = node.content.as_ref().filter(|content| fingerprint(content) == bytes);
    let content = content.ok_or_else(|| LiveError::not_found(&node.name))?;
    let source = match ObjectType::from_node(&node) {
        ObjectType::Photo => ThumbnailSource::Whole,
        _ => ThumbnailSource::Cover,
    };
    let picture = item_pictures::thumbnail(state, content, source, frame).await;
    let picture = picture.map_err(undecodable)?;
    Ok(item_pictures::response(picture, attachment))
}

/// Returns the picture of an account's owner in a size; `None` if there is none. If the picture is
/// smaller, it has the next smaller size (live-connect#user-picture-sizes). `pixels` is the length
/// of a side.
///
/// # Errors
/// 400 if the picture cannot be decoded; 500 if the storage fails.
async fn owner_picture(
    state: &ServerState,
    account: &Account,
    pixels: u32,
) -> Result<Option<Picture>> {
    let data = state.tree.account_object_data(account.drive, AccountObjectKind::Profile, "").await;
    let data = match data {
        Ok(Some(data)) => Bytes::from(data),
        Ok(None) | Err(TreeError::NotFound) => return Ok(None),
        Err(error) => return Err(LiveError::tree(error, &account.cid)),
    };
    let side = picture::shorter_side(&data).map_err(undecodable)?;
    let sizes = PictureSize::FOR_USERS.map(PictureSize::pixels).into_iter();
    let available = sizes.filter(|&size| size <= side.min(pixels)).max();
    let frame = Frame::square(available.unwrap_or(PictureSize::Small.pixels()));
    let reading = || Reading::new(data.len() as u64, Fetch::from_bytes(data.clone()));
    let hash = Sha256::digest(&data).into();
    state.thumbnails.get(hash, ThumbnailSource::Whole, frame, reading).await.map_err(undecodable)
}

/// Responds with the default picture. `pixels` is the length of a side; with `attachment` browsers
/// save the picture.
///
/// # Errors
/// 400 if the picture cannot be encoded.
async fn plain_response(pixels: u32, attachment: bool) -> Result<Response> {
    Ok(item_pictures::response(picture::plain(pixels).await.map_err(undecodable)?, attachment))
}

/// Returns 400 for content that has no picture, with the reason
/// (live-connect#error-url-invalid).
fn undecodable(error: std::io::Error) -> LiveError {
    LiveError::url(format!("The resource has no picture that can be shown: {error}."))
}
