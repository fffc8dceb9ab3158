//! Upload of metadata and bytes in one request, `multipart/related`
//! (onedrive-graph#multipart-upload). Only the drives of personal accounts have it.
//!
//! The first part is the item as JSON; its `@content.sourceUrl` is `cid:` and the `Content-ID` of the
//! second part, which has the bytes.

use std::io;

use axum::{body::Body, response::Response};
use futures::TryStreamExt;
use http::{HeaderMap, header};
use multer::{Constraints, Field, Multipart, SizeLimit};

use super::{
    address::ItemAddress,
    body::ItemBody,
    children::location_in_folder,
    content::MAX_PUT_SIZE,
    contract::{Payload, parse_json},
    drive_context::{DriveContext, ItemWithPath},
    error::{Error, Result},
    item_response::written,
    table,
};
use crate::{
    form::FormBody,
    tree::{Bytestream, ChildName, NewItem, OnConflict, Precondition, TreeError},
};

/// Maximum size of the part with the metadata, in bytes.
const MAX_METADATA: u64 = 1 << 20;

/// Returns whether the body of a request is `multipart/related`.
pub(super) fn is_related(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("multipart/related")
    })
}

/// `POST item/children` with `multipart/related`: creates a file.
///
/// # Errors
/// 400 for a body without a boundary, one of the two parts or the end, metadata that are malformed
/// or do not name the second part, a name that is not allowed and an unknown conflict behavior; the
/// errors of the address's anchor, as of [`DriveContext::locate`]; 409 if the name is taken; 413
/// over [`MAX_PUT_SIZE`]; 501 on business drives, and for a member of the metadata that is not
/// implemented; 507 if the file does not fit into the drive's quota, or the disk of the storage is
/// full; 500 if the storage fails.
pub(super) async fn create(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    if !context.kind.is_personal() {
        let message = "multipart/related is not supported for this account.";
        return Err(Error::not_supported(message));
    }
    let mut parts = multipart(context.request.header(header::CONTENT_TYPE), payload)?;
    let metadata = next(&mut parts).await?;
    let metadata = metadata.bytes().await.map_err(unreadable)?;
    let body: ItemBody = Payload::Json(parse_json(&metadata, &table::CREATE)?).parse()?;
    let (Some(name), None) = (body.name.clone(), &body.folder) else {
        return Err(Error::invalid("cannot create the file: it has no name, or a folder facet"));
    };
    let content = next(&mut parts).await?;
    check_content_id(&content, body.source_url.as_deref())?;
    let on_conflict = body.on_conflict(&context.request.query)?.unwrap_or(OnConflict::Fail);
    let location = location_in_folder(context, address, name, false).await?;
    let tree = context.tree();
    let bytes: Bytestream = Box::pin(content.map_err(io::Error::other));
    let stored = tree.store(bytes, MAX_PUT_SIZE).await.map_err(|error| match error {
        TreeError::Body(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Error::too_large(MAX_PUT_SIZE)
        }
        error => error.into(),
    })?;
    match parts.next_field().await {
        Ok(None) => {}
        Ok(Some(_)) => return Err(Error::invalid("cannot create the file: the body has 3 parts")),
        Err(error) => return Err(unreadable(error)),
    }
    let new = NewItem {
        guard: location.rights(context).await?.guard(),
        folders: location.missing_folders,
        description: body.description.clone(),
        max_versions: context.max_versions(),
        ..NewItem::default()
    };
    let child = ChildName::new(context.drive(), location.folder, &location.name);
    let result = tree.put(child, stored, new, on_conflict, Precondition::Any).await;
    let result = result.map_err(Error::from_write)?;
    let located = ItemWithPath { node: result.node, parent_path: location.parent_path };
    written(context, &located, result.created).await
}

/// Returns the parts of a body.
///
/// # Errors
/// 400 if the media type has no boundary.
fn multipart(media_type: Option<&str>, payload: Payload) -> Result<Multipart<'static>> {
    let boundary = media_type.and_then(boundary).ok_or_else(|| {
        Error::invalid("cannot read the request body: its media type has no boundary")
    })?;
    let body = match payload {
        Payload::Bytes(body) => body,
        Payload::None | Payload::Json(_) | Payload::Form(_) => Body::empty(),
    };
    let size = SizeLimit::new().whole_stream(MAX_PUT_SIZE + MAX_METADATA);
    let limits = Constraints::new().size_limit(size);
    Ok(Multipart::with_constraints(FormBody::new(body, &boundary), boundary, limits))
}

/// Returns the boundary of a media type, without quotes; `None` if it has none.
fn boundary(media_type: &str) -> Option<String> {
    let parameter = media_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    });
    parameter.filter(|boundary| !boundary.is_empty()).map(str::to_owned)
}

/// Returns the next part.
///
/// # Errors
/// 400 if the body has no further part, or is malformed.
async fn next(parts: &mut Multipart<'static>) -> Result<Field<'static>> {
    let part = parts.next_field().await.map_err(unreadable)?;
    part.ok_or_else(|| Error::invalid("cannot read the request body: a part is missing"))
}

/// Checks that the metadata name the part with the bytes.
///
/// # Errors
/// 400 if they do not.
fn check_content_id(content: &Field<'_>, source_url: Option<&str>) -> Result<()> {
    let id = content.headers().get("content-id").and_then(|value| value.to_str().ok());
    let id = id.map(|id| id.trim().trim_start_matches('<').trim_end_matches('>'));
    let named = source_url.and_then(|url| url.strip_prefix("cid:"));
    match (named, id) {
        (Some(named), Some(id)) if named == id => Ok(()),
        _ => Err(Error::invalid(
            "cannot create the file: @content.sourceUrl is not \"cid:\" and the Content-ID of the \
             second part",
        )),
    }
}

/// Returns 400 for a body that is malformed or ends early, 413 for one that is too large.
fn unreadable(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamSizeExceeded { limit } => Error::too_large(limit),
        error => Error::invalid(format!("cannot read the request body: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_is_a_parameter_of_the_media_type() {
        let plain = "multipart/related; boundary=abc; type=\"application/json\"";
        assert_eq!(boundary(plain).as_deref(), Some("abc"));
        assert_eq!(boundary("multipart/related;Boundary=\"a b\"").as_deref(), Some("a b"));
        assert_eq!(boundary("multipart/related"), None);
        assert_eq!(boundary("multipart/related; boundary="), None);
    }
}
