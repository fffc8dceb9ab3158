//! Thumbnails of photos and videos (onedrive-graph#thumbnails). This module lists their URLs, which
//! need no token; the pictures are created when a client downloads them. Other files have no
//! thumbnails.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    address::{ItemAddress, PathSegment},
    drive_context::DriveContext,
    error::{Error, Result},
    response,
    select::Selection,
};
use crate::{
    media::{
        Media,
        picture::{Frame, is_decodable},
    },
    picture_urls,
    tree::Node,
};

/// The id of the only thumbnail set of an item.
const SET: &str = "0";

/// Serves `item/thumbnails`, `…/0`, `…/0/SIZE` and `…/0/SIZE/content`.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 for a size that is unknown or
/// outside of 1 to the maximum, and if the request's host cannot be part of a URL; 404 for another
/// set than `0`, and if the item has no thumbnails.
pub(super) async fn serve(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    segments: &[PathSegment],
) -> Result<Response> {
    let node = context.locate(address).await?.node;
    let selection = &context.request.selection;
    let ok = |body: &Value| Ok(response::json(StatusCode::OK, body));
    let thumbnail_of_size = |size: &str| -> Result<Value> {
        let frame = frame(size)?.ok_or_else(|| {
            Error::invalid(format!("cannot create a thumbnail of size {size:?}: it is unknown"))
        })?;
        let source = FileThumbnails::for_node(context, &node).ok_or_else(Error::not_found)?;
        Ok(source.thumbnail(context, frame))
    };
    match segments {
        [] => ok(&json!({
            "@odata.context": context.request.url("/$metadata#Collection(thumbnailSet)"),
            "value": sets(context, &node, selection)?,
        })),
        [which, ..] if which.name != SET => Err(Error::not_found()),
        [_] => {
            let set = set(context, &node, selection)?.ok_or_else(Error::not_found)?;
            ok(&selection.project(set))
        }
        [_, size] => ok(&selection.project(thumbnail_of_size(&size.name)?)),
        [_, size, ..] => {
            let thumbnail: Value = thumbnail_of_size(&size.name)?;
            response::with_location(
                StatusCode::FOUND,
                thumbnail["url"].as_str().unwrap_or_default(),
            )
        }
    }
}

/// Returns the thumbnail sets of an item: one set with the default and the selected sizes, or none.
///
/// # Errors
/// 400 for a selected size with a side of 0 pixels, or of more than [`Frame::LARGEST`].
pub(super) fn sets(
    context: &DriveContext<'_>,
    node: &Node,
    selection: &Selection,
) -> Result<Vec<Value>> {
    Ok(set(context, node, selection)?.map(|set| selection.project(set)).into_iter().collect())
}

/// Returns the thumbnail set of an item, with the default and the selected sizes; `None` if it has
/// no thumbnails.
///
/// # Errors
/// 400 for a selected size with a side of 0 pixels, or of more than [`Frame::LARGEST`].
fn set(context: &DriveContext<'_>, node: &Node, selection: &Selection) -> Result<Option<Value>> {
    let Some(source) = FileThumbnails::for_node(context, node) else { return Ok(None) };
    let mut set = json!({ "id": SET });
    let names = selection.names();
    for size in DEFAULT_SIZES.into_iter().chain(names.iter().map(String::as_str)) {
        // Other names have no effect.
        if let Some(frame) = frame(size)? {
            set[size] = source.thumbnail(context, frame);
        }
    }
    Ok(Some(set))
}

/// The sizes that every set has.
const DEFAULT_SIZES: [&str; 3] = ["large", "medium", "small"];

/// Returns the frame of a size: a name of the reference, or `c300x400`, `c300x400_crop`. Returns
/// `None` for any other name.
///
/// # Errors
/// 400 for a side of 0 pixels, or of more than [`Frame::LARGEST`].
fn frame(size: &str) -> Result<Option<Frame>> {
    let named = match size {
        "small" => Some(Frame::within(96)),
        "medium" => Some(Frame::within(176)),
        "large" => Some(Frame::within(800)),
        "smallSquare" => Some(Frame::square(96)),
        "mediumSquare" => Some(Frame::square(176)),
        "largeSquare" => Some(Frame::square(800)),
        _ => None,
    };
    if named.is_some() {
        return Ok(named);
    }
    let refuse = || {
        Error::invalid(format!(
            "cannot create a thumbnail of size {size:?}: each side must have 1 to {} pixels",
            Frame::LARGEST
        ))
    };
    match Frame::parse(size) {
        Some(frame) if frame.is_allowed() => Ok(Some(frame)),
        Some(_) => Err(refuse()),
        None => Ok(None),
    }
}

/// A file with thumbnails.
struct FileThumbnails {
    /// Width and height in pixels; 0 if the file does not contain them.
    size: (u32, u32),
    /// Returns the URL path of the thumbnail in a frame.
    path: Box<dyn Fn(Frame) -> String>,
}

impl FileThumbnails {
    /// Returns the thumbnails of a file; `None` if it has none, because the item is no photo and no
    /// video, or the photo cannot be decoded.
    fn for_node(context: &DriveContext<'_>, node: &Node) -> Option<Self> {
        let size = match node.content.as_ref()?.media.as_deref()? {
            Media::Photo(photo) if !is_decodable(photo) => return None,
            Media::Photo(photo) => (photo.width, photo.height),
            Media::Video(video) => (video.width, video.height),
            Media::Audio(_) => return None,
        };
        let path = picture_urls::thumbnails(&context.request.state, &context.account, node)?;
        Some(Self { size, path })
    }

    /// Returns the thumbnail resource for a frame.
    fn thumbnail(&self, context: &DriveContext<'_>, frame: Frame) -> Value {
        let (width, height) = match self.size {
            (0, _) | (_, 0) => (frame.width, frame.height),
            size => frame.fit(size),
        };
        let url = context.content_url(&(self.path)(frame));
        json!({"height": height, "width": width, "url": url})
    }
}
