//! Thumbnails of photos and videos (onedrive-graph#thumbnails). This module lists their URLs. They
//! need no token, unless the drive has no pre-authenticated URLs. The pictures are created when a
//! client downloads them. Other files have no thumbnails.

use std::io;

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
    content::encoded,
    download_urls::SHOWN_VERSION,
    item_pictures,
    media::{
        Media, ThumbnailSource,
        picture::{Frame, is_decodable},
    },
    picture_urls,
    tree::{ItemKey, Node, TreeError},
};

/// The id of the only thumbnail set of an item.
const SET: &str = "0";

/// Serves `item/thumbnails`, `…/0`, `…/0/SIZE` and `…/0/SIZE/content`.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 for a size that is unknown or
/// outside of 1 to the maximum, an `originalOrientation` that is neither `true` nor `false`, and if
/// the request's host cannot be part of a URL; 404 for another
/// set than `0`, and if the item has no thumbnails.
pub(super) async fn serve(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    segments: &[PathSegment],
) -> Result<Response> {
    let node = context.locate(address).await?.node;
    let selection = &context.request.selection;
    // Business drives do not support the option: it has no effect there.
    let is_unrotated = context.request.query.flag("originalOrientation")? == Some(true)
        && context.kind.is_personal();
    let ok = |body: &Value| Ok(response::json(StatusCode::OK, body));
    let frame_of_size = |size: &str| -> Result<Frame> {
        let frame = frame(size)?.ok_or_else(|| {
            Error::invalid(format!("cannot create a thumbnail of size {size:?}: it is unknown"))
        })?;
        Ok(frame.unrotated(is_unrotated))
    };
    let source = || FileThumbnails::for_node(context, &node).ok_or_else(Error::not_found);
    match segments {
        [] => ok(&json!({
            "@odata.context": context.request.url("/$metadata#Collection(thumbnailSet)"),
            "value": sets(context, &node, selection, is_unrotated)?,
        })),
        [which, ..] if which.name != SET => Err(Error::not_found()),
        [_] => {
            let set = set(context, &node, selection, is_unrotated)?.ok_or_else(Error::not_found)?;
            ok(&selection.project(set))
        }
        [_, size] => {
            let frame = frame_of_size(&size.name)?;
            ok(&selection.project(source()?.thumbnail(context, &size.name, frame)))
        }
        [_, size, ..] => {
            let frame = frame_of_size(&size.name)?;
            let source = source()?;
            if context.pre_authenticates() {
                let url = context.content_url(&(source.path)(frame));
                return response::with_location(StatusCode::FOUND, &url);
            }
            source.picture(context, &node, frame).await
        }
    }
}

/// Returns the thumbnail sets of an item: one set with the default and the selected sizes, or none.
/// `is_unrotated` is whether the pictures are not rotated as their EXIF data say.
///
/// # Errors
/// 400 for a selected size with a side of 0 pixels, or of more than [`Frame::LARGEST`].
pub(super) fn sets(
    context: &DriveContext<'_>,
    node: &Node,
    selection: &Selection,
    is_unrotated: bool,
) -> Result<Vec<Value>> {
    let set = set(context, node, selection, is_unrotated)?;
    Ok(set.map(|set| selection.project(set)).into_iter().collect())
}

/// Returns the thumbnail set of an item, with the default and the selected sizes; `None` if it has
/// no thumbnails.
///
/// # Errors
/// 400 for a selected size with a side of 0 pixels, or of more than [`Frame::LARGEST`].
fn set(
    context: &DriveContext<'_>,
    node: &Node,
    selection: &Selection,
    is_unrotated: bool,
) -> Result<Option<Value>> {
    let Some(source) = FileThumbnails::for_node(context, node) else { return Ok(None) };
    let mut set = json!({ "id": SET });
    let names = selection.names();
    for size in DEFAULT_SIZES.into_iter().chain(names.iter().map(String::as_str)) {
        // Other names have no effect.
        if let Some(frame) = frame(size)? {
            let frame = frame.unrotated(is_unrotated);
            set[size] = source.thumbnail(context, size, frame);
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
    item: ItemKey,
    /// Width and height in pixels after the rotation; 0 if the file does not contain them.
    size: (u32, u32),
    /// Whether the rotation exchanges width and height.
    is_turned: bool,
    source: ThumbnailSource,
    /// Returns the URL path of the thumbnail in a frame.
    path: Box<dyn Fn(Frame) -> String + Send + Sync>,
}

impl FileThumbnails {
    /// Returns the thumbnails of a file; `None` if it has none, because the item is no photo and no
    /// video, or the photo cannot be decoded.
    fn for_node(context: &DriveContext<'_>, node: &Node) -> Option<Self> {
        // The pictures are those of the current bytes.
        if node.facets.contains_key(SHOWN_VERSION) {
            return None;
        }
        let (size, is_turned, source) = match node.content.as_ref()?.media.as_deref()? {
            Media::Photo(photo) if !is_decodable(photo) => return None,
            Media::Photo(photo) => {
                ((photo.width, photo.height), photo.is_turned, ThumbnailSource::Whole)
            }
            Media::Video(video) => ((video.width, video.height), false, ThumbnailSource::Cover),
            Media::Audio(_) => return None,
        };
        let path = picture_urls::thumbnails(&context.request.state, &context.account, node)?;
        Some(Self { item: node.no, size, is_turned, source, path })
    }

    /// Returns the thumbnail resource for a frame; `name` is the name of its size.
    fn thumbnail(&self, context: &DriveContext<'_>, name: &str, frame: Frame) -> Value {
        let (width, height) = match self.size {
            (0, _) | (_, 0) => (frame.width, frame.height),
            (width, height) if self.is_turned && frame.is_unrotated => frame.fit((height, width)),
            size => frame.fit(size),
        };
        let url = match context.pre_authenticates() {
            true => context.content_url(&(self.path)(frame)),
            false => {
                let relation = format!("/thumbnails/{SET}/{}/content", encoded(name));
                context.relation_url(self.item, &relation)
            }
        };
        json!({"height": height, "width": width, "url": url})
    }

    /// Returns the response with the picture in a frame.
    ///
    /// # Errors
    /// 404 if the item has no bytes or they cannot be decoded; 500 if the storage fails.
    async fn picture(
        &self,
        context: &DriveContext<'_>,
        node: &Node,
        frame: Frame,
    ) -> Result<Response> {
        let content = node.content.as_ref().ok_or_else(Error::not_found)?;
        let state = &context.request.state;
        match item_pictures::thumbnail(state, content, self.source, frame).await {
            Ok(picture) => Ok(item_pictures::response(picture, false)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Error::not_found()),
            Err(error) => Err(TreeError::Storage(error.into()).into()),
        }
    }
}
