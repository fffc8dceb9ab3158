//! Thumbnails: the content of a picture, or the cover picture in a video or a song, scaled down
//! (amazon-drive#thumbnails).

use std::{io, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};

use super::{
    error::{AmazonError, Result},
    request::{AmazonRequest, MAX_ATTEMPTS},
};
use crate::{
    media::{
        Media, Reading, ThumbnailSource,
        picture::{Frame, Picture},
    },
    state::ServerState,
    tree::Content,
};

impl AmazonRequest {
    /// Returns the frame that `viewBox` selects: a square with a side of that many pixels. `None`
    /// if the request has no such parameter, which requests the whole content.
    ///
    /// # Errors
    /// 400 if the value is not a number from 1 to [`Frame::LARGEST`].
    pub(super) fn view_box(&self) -> Result<Option<Frame>> {
        let Some(text) = self.query.get("viewBox").filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let frame = text.parse().ok().map(Frame::within).filter(|frame| frame.is_allowed());
        frame.map(Some).ok_or_else(|| {
            let largest = Frame::LARGEST;
            AmazonError::invalid(format!("Invalid viewBox: {text} is not from 1 to {largest}"))
        })
    }

    /// Responds with the thumbnail of the file with the id `id`. It is created again if the content
    /// is replaced meanwhile.
    ///
    /// # Errors
    /// 400 for a folder, for a file that is neither a picture, a video nor a song, and for one that
    /// contains no picture that can be decoded; 404 if the node does not exist or is not visible to
    /// the token; 409 after [`MAX_ATTEMPTS`] concurrent overwrites; 500 if the content cannot be
    /// read.
    pub(super) async fn thumbnail(&self, id: &str, frame: Frame) -> Result<Response> {
        for _ in 0..MAX_ATTEMPTS {
            let node = self.find_node(id).await?;
            let content = node.content.as_ref().ok_or_else(|| AmazonError::not_a_file(id))?;
            match decoded(&self.state, content, frame).await {
                Ok(Some(picture)) => return Ok(picture_response(picture)),
                Ok(None) => return Err(AmazonError::no_thumbnail(id)),
                Err(error) => {
                    let version = self.find_node(id).await?.content_version;
                    if version == node.content_version {
                        return Err(error);
                    }
                }
            }
        }
        Err(AmazonError::busy())
    }
}

/// Returns the picture in a file's content, scaled down to a frame; `None` if the content has no
/// picture that can be decoded.
///
/// # Errors
/// 500 if the content cannot be read.
pub(super) async fn decoded(
    state: &Arc<ServerState>,
    content: &Content,
    frame: Frame,
) -> Result<Option<Picture>> {
    let source = match content.media.as_deref() {
        Some(Media::Photo(_)) => ThumbnailSource::Whole,
        Some(Media::Video(_) | Media::Audio(_)) => ThumbnailSource::Cover,
        None => return Ok(None),
    };
    let reading = || Reading::from_content(&state.tree, content);
    match state.thumbnails.get(content.hashes.sha256, source, frame, reading).await {
        Ok(picture) => Ok(picture),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => {
            tracing::error!(%error, "cannot read a file for its thumbnail");
            Err(AmazonError::internal())
        }
    }
}

/// Returns a response with a picture.
pub(super) fn picture_response(picture: Picture) -> Response {
    let mut response = Response::new(Body::from(picture.bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(picture.media_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
