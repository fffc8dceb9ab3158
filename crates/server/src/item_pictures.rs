//! Thumbnails of stored contents, for all protocols.

use std::{io, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};

use crate::{
    media::{
        Reading, ThumbnailSource,
        picture::{self, Frame, Picture},
    },
    state::ServerState,
    tree::Content,
};

/// Returns the thumbnail of a content in a frame. A content without a cover has a placeholder.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for a picture that cannot be decoded; another kind if the bytes
/// cannot be read.
pub(crate) async fn thumbnail(
    state: &Arc<ServerState>,
    content: &Content,
    source: ThumbnailSource,
    frame: Frame,
) -> io::Result<Picture> {
    let hash = content.hashes.sha256;
    let reading = Reading::from_content(&state.tree, content);
    let found = state.thumbnails.get(hash, source, frame, move || reading).await?;
    match found {
        Some(picture) => Ok(picture),
        None => picture::plain(frame.width.max(frame.height)).await,
    }
}

/// Returns a response with the picture, which browsers may cache for an hour. With `attachment`
/// they save it instead of showing it.
pub(crate) fn response(picture: Picture, attachment: bool) -> Response {
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
