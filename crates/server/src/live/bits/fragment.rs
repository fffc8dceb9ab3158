//! Handler of a fragment (live-connect#bits-fragment).

use std::io;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    error::{BitsError, Result},
    packet::header_text,
    response::{RECEIVED, ack, set_session_id},
    session::expiry,
};
use crate::{
    content_range::ContentRange,
    headers::content_length,
    state::ServerState,
    tree::{self, Bytestream, Node, Session, TreeError, UploadFragment},
};

/// Maximum length of a fragment in bytes: "60 MB".
const MAX_FRAGMENT: u64 = 60 << 20;

/// Maximum length of a file in bytes: "10 GB".
const MAX_FILE: u64 = 10 << 30;

/// Handles Fragment: appends the body of the request to its upload session, at the position in
/// `Content-Range`.
///
/// # Errors
/// 400 if `Content-Range` is missing or malformed, its length is not that of the body, its total is
/// not that of earlier fragments, or the body ends early; 413 for a fragment over [`MAX_FRAGMENT`];
/// 416 with the expected offset if the fragment does not begin where the session continues; 500 if
/// the file is over [`MAX_FILE`] or does not fit into the drive's quota, the session ended
/// meanwhile, or the storage fails or its disk is full.
pub(super) async fn append(
    state: &ServerState,
    request: &Parts,
    session: Session,
    body: Body,
) -> Result<Response> {
    let range = header_text(request, &header::CONTENT_RANGE).and_then(ContentRange::parse);
    let range = range.ok_or_else(BitsError::invalid)?;
    // A chunked body has no declared length.
    if content_length(&request.headers).is_some_and(|length| length != range.length()) {
        return Err(BitsError::invalid());
    }
    if range.length() > MAX_FRAGMENT {
        return Err(BitsError::status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    if range.total > MAX_FILE {
        return Err(BitsError::too_large());
    }
    match session.total {
        Some(total) if total != range.total => return Err(BitsError::invalid()),
        Some(_) => {}
        // The first fragment declares the length of the file.
        None => check_quota(state, &session, range.total).await?,
    }
    if range.first != session.received {
        return Err(BitsError::resume_at(session.received));
    }
    let bytes = require_length(range.length(), body);
    let (offset, total, max) = (range.first, Some(range.total), range.length());
    let session = state
        .tree
        .append(
            &session.id,
            UploadFragment { at: offset, total, body: bytes, max, expires: expiry(state) },
        )
        .await?;
    let mut response = ack(StatusCode::OK);
    set_session_id(&mut response, &session);
    response.headers_mut().insert(RECEIVED, HeaderValue::from(session.received));
    Ok(response)
}

/// Checks that a file of `total` bytes fits into the quota, in place of the file that it replaces.
///
/// # Errors
/// 500 if it does not fit, or if the storage fails; 404 if the drive was removed meanwhile.
async fn check_quota(state: &ServerState, session: &Session, total: u64) -> Result<()> {
    let drive = state.tree.drive_info(session.drive).await?;
    let existing = state.tree.child(session.drive, session.parent, &session.name).await;
    let replaced = replaced_bytes(existing)?;
    match drive.used.saturating_sub(replaced).saturating_add(total) > drive.quota {
        true => Err(BitsError::full()),
        false => Ok(()),
    }
}

/// Returns the size of the file that an upload replaces, in bytes; 0 if it does not exist.
/// `existing` is the result of its lookup.
///
/// # Errors
/// `TreeError::Storage` if the lookup failed.
fn replaced_bytes(existing: tree::Result<Node>) -> tree::Result<u64> {
    match existing {
        Ok(node) => Ok(node.size),
        Err(TreeError::NotFound) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Returns a body that fails with `UnexpectedEof` if it has fewer than `length` bytes. A longer
/// body is not an error here.
fn require_length(length: u64, body: Body) -> Bytestream {
    let bytes = body.into_data_stream().map_err(io::Error::other);
    let missing = stream::once(async { None });
    let chunks = bytes.map(Some).chain(missing);
    Box::pin(chunks.scan(length, |left, chunk| {
        let chunk = match chunk {
            Some(Ok(chunk)) => {
                *left = left.saturating_sub(chunk.len() as u64);
                Some(Ok(chunk))
            }
            Some(Err(error)) => Some(Err(error)),
            None if *left > 0 => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            None => None,
        };
        std::future::ready(chunk)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_lookup_is_not_an_absent_file() {
        assert_eq!(replaced_bytes(Err(TreeError::NotFound)).unwrap(), 0);
        let failed = replaced_bytes(Err(TreeError::Storage("no connection".into())));
        assert!(matches!(failed, Err(TreeError::Storage(_))), "{failed:?}");
    }

    #[tokio::test]
    async fn a_body_that_ends_early_fails() {
        let read = async |length, body: &'static str| {
            require_length(length, Body::from(body)).try_collect::<Vec<_>>().await
        };
        assert_eq!(read(3, "abc").await.unwrap().concat(), b"abc");
        assert_eq!(read(4, "abc").await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        // The tree rejects a body that is too long.
        assert!(read(2, "abc").await.is_ok());
    }
}
