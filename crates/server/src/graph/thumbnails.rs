//! Thumbnails of photos and films (onedrive-graph#thumbnails): made when they are looked at, at
//! URLs that need no token. Other files have none.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    address::{Call, ItemAddress},
    drive_context::DriveContext,
    error::{Error, Result},
    reply,
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

/// The one set that an item has.
const SET: &str = "0";

/// Serves `item/thumbnails`, `…/0`, `…/0/SIZE` and `…/0/SIZE/content`.
pub(super) async fn answer(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    calls: &[Call],
) -> Result<Response> {
    let node = scope.locate(address).await?.node;
    let selection = Selection::of(&scope.request.query)?;
    let ok = |body: &Value| Ok(reply::json(StatusCode::OK, body));
    let of_size = |size: &str| -> Result<Value> {
        let frame = frame(size)?.ok_or_else(|| {
            Error::invalid(format!("The size of a thumbnail cannot be {size:?}."))
        })?;
        let source = Source::of(scope, &node).ok_or_else(Error::not_found)?;
        Ok(source.thumbnail(scope, frame))
    };
    match calls {
        [] => ok(&json!({
            "@odata.context": scope.request.url("/$metadata#Collection(thumbnailSet)"),
            "value": sets(scope, &node, &selection)?,
        })),
        [which, ..] if which.name != SET => Err(Error::not_found()),
        [_] => {
            let set = set(scope, &node, &selection)?.ok_or_else(Error::not_found)?;
            ok(&selection.project(set))
        }
        [_, size] => ok(&selection.project(of_size(&size.name)?)),
        [_, size, ..] => {
            let thumbnail: Value = of_size(&size.name)?;
            reply::elsewhere(StatusCode::FOUND, thumbnail["url"].as_str().unwrap_or_default())
        }
    }
}

/// The sets of an item with the selected sizes, or those that are there by default.
///
/// # Errors
/// 400 for a size that is too large.
pub(super) fn sets(
    scope: &DriveContext<'_>,
    node: &Node,
    selection: &Selection,
) -> Result<Vec<Value>> {
    Ok(set(scope, node, selection)?.map(|set| selection.project(set)).into_iter().collect())
}

fn set(scope: &DriveContext<'_>, node: &Node, selection: &Selection) -> Result<Option<Value>> {
    let Some(source) = Source::of(scope, node) else { return Ok(None) };
    let mut set = json!({ "id": SET });
    let names = selection.names();
    for size in DEFAULT.into_iter().chain(names.iter().map(String::as_str)) {
        // A name that is no size selects nothing.
        if let Some(frame) = frame(size)? {
            set[size] = source.thumbnail(scope, frame);
        }
    }
    Ok(Some(set))
}

/// Sizes that a set has unless others are selected.
const DEFAULT: [&str; 3] = ["large", "medium", "small"];

/// The frame of a size: one of the reference's names, or `c300x400`, `c300x400_crop`. `None` for
/// any other name.
///
/// # Errors
/// 400 for a frame without pixels, or with more than the largest side.
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
            "The size of a thumbnail cannot be {size:?}: each side has 1 to {} pixels.",
            Frame::LARGEST
        ))
    };
    match Frame::parse(size) {
        Some(frame) if frame.is_allowed() => Ok(Some(frame)),
        Some(_) => Err(refuse()),
        None => Ok(None),
    }
}

/// A picture to make thumbnails of.
struct Source {
    /// Pixels; 0 where the file does not say.
    size: (u32, u32),
    /// The path of a thumbnail by its frame.
    path: Box<dyn Fn(Frame) -> String>,
}

impl Source {
    fn of(scope: &DriveContext<'_>, node: &Node) -> Option<Self> {
        let size = match node.content.as_ref()?.media.as_deref()? {
            Media::Photo(photo) if !is_decodable(photo) => return None,
            Media::Photo(photo) => (photo.width, photo.height),
            Media::Video(video) => (video.width, video.height),
            Media::Audio(_) => return None,
        };
        let path = picture_urls::thumbnails(&scope.request.state, &scope.account, node)?;
        Some(Self { size, path })
    }

    fn thumbnail(&self, scope: &DriveContext<'_>, frame: Frame) -> Value {
        let (width, height) = match self.size {
            (0, _) | (_, 0) => (frame.width, frame.height),
            size => frame.fit(size),
        };
        let url = scope.content_url(&(self.path)(frame));
        json!({"height": height, "width": width, "url": url})
    }
}
