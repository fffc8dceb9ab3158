//! A piece of a file (live-connect#bits-fragment).

use std::io;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    RECEIVED, ack,
    error::{BitsError, Result},
    expiry, named,
};
use crate::{
    content_range::ContentRange,
    state::ServerState,
    tree::{Bytestream, Session, UploadFragment},
};

/// Bytes of a fragment: "60 MB".
const LARGEST_FRAGMENT: u64 = 60 << 20;

/// Bytes of a file: "10 GB".
const LARGEST_FILE: u64 = 10 << 30;

/// Adds a fragment to its session.
pub(super) async fn take(
    state: &ServerState,
    request: &Parts,
    session: Session,
    body: Body,
) -> Result<Response> {
    let text = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
    let range = text(header::CONTENT_RANGE).and_then(ContentRange::parse);
    let range = range.ok_or_else(BitsError::invalid)?;
    // Of a body in chunks the length shows at its end only.
    let told = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if told.is_some_and(|told| told != range.length()) {
        return Err(BitsError::invalid());
    }
    if range.length() > LARGEST_FRAGMENT {
        return Err(BitsError::status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    if range.total > LARGEST_FILE {
        return Err(BitsError::too_large());
    }
    match session.total {
        Some(total) if total != range.total => return Err(BitsError::invalid()),
        Some(_) => {}
        // Now that it is known how much will come.
        None => has_room(state, &session, range.total).await?,
    }
    if range.first != session.received {
        return Err(BitsError::goes_on_at(session.received));
    }
    let bytes = exactly(range.length(), body);
    let (at, total, most) = (range.first, Some(range.total), range.length());
    let session = state
        .tree
        .append(
            &session.id,
            UploadFragment { at, total, body: bytes, max: most, expires: expiry(state) },
        )
        .await?;
    let mut response = ack(StatusCode::OK);
    named(&mut response, &session);
    response.headers_mut().insert(RECEIVED, HeaderValue::from(session.received));
    Ok(response)
}

/// Whether the drive has room for a file that takes the place of the one there.
async fn has_room(state: &ServerState, session: &Session, total: u64) -> Result<()> {
    let drive = state.tree.drive_info(session.drive).await?;
    let there = state.tree.child(session.drive, session.parent, &session.name).await;
    let replaced = there.map_or(0, |node| node.size);
    match drive.used.saturating_sub(replaced).saturating_add(total) > drive.quota {
        true => Err(BitsError::full()),
        false => Ok(()),
    }
}

/// A body that fails if it ends too early.
fn exactly(length: u64, body: Body) -> Bytestream {
    let bytes = body.into_data_stream().map_err(io::Error::other);
    let missing = stream::once(async { None });
    let pieces = bytes.map(Some).chain(missing);
    Box::pin(pieces.scan(length, |left, piece| {
        let piece = match piece {
            Some(Ok(piece)) => {
                *left = left.saturating_sub(piece.len() as u64);
                Some(Ok(piece))
            }
            Some(Err(error)) => Some(Err(error)),
            None if *left > 0 => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            None => None,
        };
        std::future::ready(piece)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_ends_early_fails() {
        let read = async |length, body: &'static str| {
            exactly(length, Body::from(body)).try_collect::<Vec<_>>().await
        };
        assert_eq!(read(3, "abc").await.unwrap().concat(), b"abc");
        assert_eq!(read(4, "abc").await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        // One that is too long the tree refuses.
        assert!(read(2, "abc").await.is_ok());
    }
}
