//! Thumbnails of photos and films (`onedrive-graph.md`, A15): made when they are looked at, at URLs
//! that need no token. Other files have none.

use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    address::{Call, ItemAddress},
    error::{Error, Result},
    reply,
    scope::Scope,
    select::Selection,
};
use crate::server::{
    live::pictures,
    media::{Media, picture::fit},
    tree::Node,
};

/// The one set that an item has.
const SET: &str = "0";

/// What is asked of `item/thumbnails…`.
pub(super) async fn answer(
    scope: &Scope<'_>,
    address: &ItemAddress,
    calls: &[Call],
) -> Result<Response> {
    if !matches!(scope.visit.method, Method::GET | Method::HEAD) {
        return Err(Error::not_supported("Thumbnails of one's own are not served."));
    }
    let node = scope.locate(address).await?.node;
    let selection = Selection::of(&scope.visit.query)?;
    let ok = |body: &Value| Ok(reply::json(StatusCode::OK, body));
    let set = || set(scope, &node).ok_or_else(Error::not_found);
    match calls {
        [] => ok(&json!({
            "@odata.context": scope.visit.url("/$metadata#Collection(thumbnailSet)"),
            "value": sets(scope, &node, &selection),
        })),
        [which, ..] if which.name != SET => Err(Error::not_found()),
        [_] => ok(&selection.project(set()?)),
        [_, size] => ok(&of_size(&set()?, &size.name)?),
        [_, size, content] if content.name == "content" => {
            let thumbnail = of_size(&set()?, &size.name)?;
            reply::elsewhere(StatusCode::FOUND, thumbnail["url"].as_str().unwrap_or_default())
        }
        _ => Err(Error::not_found()),
    }
}

/// The sets of an item, as `$expand` has them too.
pub(super) fn sets(scope: &Scope<'_>, node: &Node, selection: &Selection) -> Vec<Value> {
    set(scope, node).map(|set| selection.project(set)).into_iter().collect()
}

fn set(scope: &Scope<'_>, node: &Node) -> Option<Value> {
    let media = node.content.as_ref()?.media.as_deref()?;
    let (width, height) = match media {
        Media::Photo(photo) => (photo.width, photo.height),
        Media::Video(video) => (video.width, video.height),
        Media::Audio(_) => return None,
    };
    let mut set = json!({ "id": SET });
    let thumbnails = pictures::thumbnails(&scope.visit.app, &scope.account, node);
    for (name, pixels, path) in thumbnails {
        let (width, height) = match (width, height) {
            (0, _) | (_, 0) => (pixels, pixels),
            size => fit(size, pixels),
        };
        set[name] = json!({"height": height, "width": width, "url": scope.content_url(&path)});
    }
    Some(set)
}

fn of_size(set: &Value, size: &str) -> Result<Value> {
    match set.get(size) {
        Some(thumbnail @ Value::Object(_)) => Ok(thumbnail.clone()),
        _ => Err(Error::not_supported(format!(
            "Thumbnails are small, medium or large here, not {size:?}."
        ))),
    }
}
