//! Handlers of file content: uploads by `PUT` and `POST`, downloads by redirect
//! (live-connect#endpoints-content, live-connect#uploads).

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use futures::TryStreamExt;
use multer::{Constraints, Multipart, SizeLimit};
use serde_json::json;

use super::{
    account_objects::applications,
    error::{LiveError, MAX_BODY, Result},
    names,
    object_type::ObjectType,
    pictures::redirect,
    request::LiveRequest,
    response_format::ResponseFormat,
    sharing::is_boundary,
};
use crate::{
    content::encoded,
    form::{self, FormBody},
    headers::content_length,
    media::{Fetch, Reading, picture},
    tree::{
        Bytestream, ChildName, ItemKey, Media, NewItem, NodeKind, OnConflict, Precondition, Stored,
        TreeError, WriteGuard, Written,
    },
    upload::discard,
};

/// Maximum length of the longer side of an uploaded photo, in pixels. Larger photos are scaled down
/// (live-connect#photo-max-size).
const MAX_PHOTO_SIDE: u32 = 2048;

/// Maximum length of an upload response in the redirect of a page, in bytes.
const MAX_RESULT: usize = 64 << 10;

/// Maximum length of a form without its file, in bytes.
const FORM_OVERHEAD: u64 = 64 << 10;

/// Minimum body length, in bytes, for which [`preflight`] checks the target and the quota. For a
/// shorter body the check costs more than receiving it.
const PREFLIGHT_MIN: u64 = 1 << 20;

/// Handles `GET {file}/content`: redirects to a download URL, or returns that URL with
/// `suppress_redirects`.
///
/// # Errors
/// 400 for an item without content, and if `suppress_redirects` is neither `true` nor `false`; 403
/// if the token's scopes do not cover the item; 404 if the item does not exist; 500 if the storage
/// fails.
pub(super) async fn get_content(request: &LiveRequest) -> Result<Response> {
    let suppress = request.query.flag("suppress_redirects")?.unwrap_or(false);
    let node = request.readable_node().await?;
    let source = request.objects.source(&node, request.view.attachment);
    let source = source.ok_or_else(|| request.unsupported(&node, "content"))?;
    match suppress {
        true => Ok(request.format.json(StatusCode::OK, &json!({ "location": source }))),
        false => redirect(&source),
    }
}

/// Handles `PUT {folder}/files/{name}`: creates or replaces a file with the bytes of the body.
/// `name` is percent-decoded.
///
/// # Errors
/// 400 if the name is not allowed, `overwrite` or `downsize_photo_uploads` has another value than
/// the documented ones, the subject is a file, or the body ends early; 404 if the folder does not
/// exist; 409 if a folder has the name, or a file has it and may not be overwritten; 413 for a body
/// over [`MAX_BODY`]; 415 for a `Content-Encoding`; 503 if a photo is still being read; 507 if the
/// file does not fit into the drive's quota, or the disk of the storage is full; 500 if the storage
/// fails.
pub(super) async fn put(
    request: &LiveRequest,
    name: &str,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    names::check(name).map_err(|reason| LiveError::invalid_name(name, reason))?;
    let on_conflict = on_conflict(request, parts)?;
    let (parent, folder_id) = request.folder_key()?;
    let stored = receive(request, parts, body).await?;
    let stored = downsize_photo(request, name, stored).await?;
    let written = put_file(request, parent, name, stored, on_conflict)
        .await
        .map_err(|error| LiveError::in_folder(error, name, &folder_id))?;
    Ok(upload_response(request, &written))
}

/// Handles `PUT {file}/content`, which always overwrites.
///
/// # Errors
/// 400 for an item that is not a file, if `downsize_photo_uploads` is neither `true` nor `false`,
/// and if the body ends early; 404 if the item does not exist, or was deleted during the upload;
/// 413 for a body over [`MAX_BODY`]; 415 for a `Content-Encoding`; 503 if a photo is still being
/// read; 507 if the file does not fit into the drive's quota, or the disk of the storage is full;
/// 500 if the storage fails.
pub(super) async fn put_content(
    request: &LiveRequest,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    wants_downsizing(request)?;
    let node = request.node().await?;
    if node.kind != NodeKind::File {
        return Err(request.unsupported(&node, "content"));
    }
    let stored = receive(request, parts, body).await?;
    let stored = downsize_photo(request, &node.name, stored).await?;
    let node = request
        .state()
        .tree
        .overwrite(request.drive(), node.no, stored, NewItem::default(), Precondition::Any)
        .await
        .map_err(|error| LiveError::tree(error, request.subject_id()))?;
    Ok(upload_response(request, &Written { node, created: false }))
}

/// Handles `POST {folder}/files`: a multipart form with exactly one part. The file takes the
/// `filename` of the part.
///
/// # Errors
/// 400 if the form has no part, several parts or a part without an allowed file name, the subject
/// is a file, `overwrite` or `downsize_photo_uploads` has another value than the documented ones,
/// or the body ends early; 404 if the folder does not exist; 409 if a folder has the name, or a
/// file has it and may not be overwritten; 413 for a file over [`MAX_BODY`]; 415 if the body is no
/// multipart form or has a `Content-Encoding`; 503 if a photo is still being read; 507 if the file
/// does not fit into the drive's quota, or the disk of the storage is full; 500 if the storage
/// fails.
pub(super) async fn post(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let on_conflict = on_conflict(request, parts)?;
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type).map_err(|error| {
        LiveError::media_type(format!("The request isn't multipart/form-data: {error}."))
    })?;
    let (parent, folder_id) = request.folder_key()?;
    preflight(request, parts, MAX_BODY + FORM_OVERHEAD).await?;
    let limit = SizeLimit::new().whole_stream(MAX_BODY + FORM_OVERHEAD);
    let constraints = Constraints::new().size_limit(limit);
    let mut form =
        Multipart::with_constraints(FormBody::new(body, &boundary), boundary, constraints);
    let part = form
        .next_field()
        .await
        .map_err(form_error)?
        .ok_or_else(|| LiveError::body("The request has no part."))?;
    let name = part.file_name().ok_or_else(|| LiveError::missing("filename"))?.to_owned();
    names::check(&name).map_err(|reason| LiveError::invalid_name(&name, reason))?;
    let stored = store(request, Box::pin(part.map_err(form_io_error))).await?;
    let only_part = match form.next_field().await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(LiveError::body("Only one part is supported in a request.")),
        Err(error) => Err(form_error(error)),
    };
    if let Err(error) = only_part {
        discard(&request.state().tree, stored).await;
        return Err(error);
    }
    let stored = downsize_photo(request, &name, stored).await?;
    let written = put_file(request, parent, &name, stored, on_conflict)
        .await
        .map_err(|error| LiveError::in_folder(error, &name, &folder_id))?;
    Ok(upload_response(request, &written))
}

/// Handles `POST {folder}/files?state=…&redirect_uri=…`: a page whose script redirects the browser
/// to `redirect_uri`, with the response or the error in the fragment
/// (live-connect#upload-html-mode). Without `redirect_uri` it is [`post`].
///
/// # Errors
/// 400 if `redirect_uri` leads to another domain than that of the application, or the response exceeds
/// [`MAX_RESULT`]; 500 if the storage fails. The errors of [`post`] are in the page, whose status is 200. Without
/// `redirect_uri`, those of [`post`].
pub(super) async fn post_from_page(
    request: &LiveRequest,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    let Some(redirect) = request.query.get("redirect_uri") else {
        return post(request, parts, body).await;
    };
    let mut target = applications::redirect_target(request, redirect).await?.ok_or_else(|| {
        LiveError::parameter("The 'redirect_uri' doesn't lead to the application's domain.")
    })?;
    let response = match post(request, parts, body).await {
        Ok(response) => response,
        Err(error) => ResponseFormat { pretty: false, ..ResponseFormat::default() }.error(&error),
    };
    let result = axum::body::to_bytes(response.into_body(), MAX_RESULT).await;
    let result = result.map_err(|error| LiveError::body(error.to_string()))?;
    let state = request.query.get("state");
    let state = state.map(|state| format!("state={}&", encoded(state))).unwrap_or_default();
    let result = String::from_utf8_lossy(&result);
    target.set_fragment(Some(&format!("{state}result={}", encoded(&result))));
    // The URL serializer escapes quotes and angle brackets. A JSON string is also a JavaScript
    // string.
    let location = serde_json::Value::from(target.as_str()).to_string().replace('<', "\\u003c");
    let page = format!(
        "<html><head><script type=\"text/javascript\">window.location = {location};</script></head></html>"
    );
    let mut response = Response::new(Body::from(page));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
    Ok(response)
}

/// Returns the conflict behaviour: `overwrite` in the query, else in the header, else overwriting.
/// The values are `true`, `false` and `ChooseNewName`, in any case.
///
/// # Errors
/// 400 for another value, and if `downsize_photo_uploads` is neither `true` nor `false`.
fn on_conflict(request: &LiveRequest, parts: &Parts) -> Result<OnConflict> {
    wants_downsizing(request)?;
    let header = parts.headers.get("overwrite").and_then(|value| value.to_str().ok());
    let value = request.query.get("overwrite").or(header).unwrap_or("true");
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(OnConflict::Replace),
        "false" => Ok(OnConflict::Fail),
        "choosenewname" => Ok(OnConflict::Rename),
        _ => Err(LiveError::parameter(format!(
            "The value '{value}' of 'overwrite' isn't 'true', 'false' or 'ChooseNewName'."
        ))),
    }
}

/// Returns whether large photos are scaled down, which is the default
/// (live-connect#param-downsize-photo-uploads).
///
/// # Errors
/// 400 if the parameter is neither `true` nor `false`.
fn wants_downsizing(request: &LiveRequest) -> Result<bool> {
    Ok(request.query.flag("downsize_photo_uploads")?.unwrap_or(true))
}

/// Scales a photo down to [`MAX_PHOTO_SIDE`] pixels unless the client opted out, and returns the
/// content to store. The extension of `name` decides whether the file is a photo. Returns all other
/// content unchanged, also photos that cannot be decoded.
///
/// # Errors
/// 400 if `downsize_photo_uploads` is neither `true` nor `false`; 503 if the content is still being
/// read; 507 if the disk of the storage is full; 500 if the storage fails.
async fn downsize_photo(request: &LiveRequest, name: &str, stored: Stored) -> Result<Stored> {
    let large = match stored.media.as_deref() {
        Some(Media::Photo(photo)) => photo.width.max(photo.height) > MAX_PHOTO_SIDE,
        _ => false,
    };
    if !large || ObjectType::from_name(name) != ObjectType::Photo || !wants_downsizing(request)? {
        return Ok(stored);
    }
    let (size, stored) = (stored.size, Arc::new(stored));
    let (tree, shared) = (Arc::clone(&request.state().tree), Arc::clone(&stored));
    let fetch = Fetch::new(move |range| {
        let (tree, shared) = (Arc::clone(&tree), Arc::clone(&shared));
        async move {
            let bytes = tree.open_stored(&shared, range).await.map_err(std::io::Error::other)?;
            let chunks: Vec<_> = bytes.try_collect().await?;
            Ok(chunks.concat().into())
        }
    });
    match picture::shrunk(Reading::new(size, fetch), MAX_PHOTO_SIDE).await {
        Ok(Some(smaller)) => {
            store(request, Box::pin(futures::stream::once(async { Ok(smaller) }))).await
        }
        Ok(None) => unwrap_stored(stored),
        Err(error) => {
            tracing::debug!(%error, name, "cannot scale a photo down: it is stored unchanged");
            unwrap_stored(stored)
        }
    }
}

/// Returns the content that `stored` was the last reference to.
///
/// # Errors
/// 503 if another reference exists, because a reader has not ended yet.
fn unwrap_stored(stored: Arc<Stored>) -> Result<Stored> {
    Arc::into_inner(stored).ok_or_else(LiveError::busy)
}

/// Stores the body of a request as bytes that do not belong to a file yet.
///
/// # Errors
/// 415 for a `Content-Encoding`; 413 over [`MAX_BODY`] bytes; 400 if the body ends early; 404 if
/// the body has at least [`PREFLIGHT_MIN`] bytes or an unknown length and the target does not
/// exist; 507 if the file is larger than the drive's quota, or the disk of the storage is full; 500
/// if the storage fails.
async fn receive(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Stored> {
    preflight(request, parts, MAX_BODY).await?;
    store(request, Box::pin(body.into_data_stream().map_err(std::io::Error::other))).await
}

/// Rejects a body by its headers, before it is received. `limit` is the maximum length of the body
/// in bytes.
///
/// # Errors
/// 415 for a `Content-Encoding` other than `identity`; 413 for a `Content-Length` over `limit`. For
/// a body of at least [`PREFLIGHT_MIN`] bytes or of unknown length also 404 if the target does not
/// exist, and 507 for a file that exceeds the drive's whole quota; 500 if the storage fails.
async fn preflight(request: &LiveRequest, parts: &Parts, limit: u64) -> Result<()> {
    if let Some(encoding) = parts.headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(LiveError::media_type("A body with a Content-Encoding isn't supported."));
    }
    let length = content_length(&parts.headers);
    if length.is_some_and(|length| length > limit) {
        return Err(LiveError::too_large(MAX_BODY));
    }
    if length.is_none_or(|length| length >= PREFLIGHT_MIN) {
        request.node().await?;
        let drive = request.state().tree.drive_info(request.drive()).await;
        let drive = drive.map_err(|error| LiveError::tree(error, request.subject_id()))?;
        // Overwriting a file may free space, so only a file that can never fit is rejected here.
        if length.unwrap_or(0).saturating_sub(FORM_OVERHEAD) > drive.quota {
            return Err(LiveError::full());
        }
    }
    Ok(())
}

/// Stores a body in the tree, without a name.
///
/// # Errors
/// 413 over [`MAX_BODY`] bytes; 400 if the body cannot be read to its end; 507 if the disk is full;
/// 500 for other errors of the storage.
async fn store(request: &LiveRequest, body: Bytestream) -> Result<Stored> {
    let stored = request.state().tree.store(body, MAX_BODY).await;
    stored.map_err(|error| LiveError::tree(error, request.subject_id()))
}

/// Creates the file `name` in the folder `parent`, or replaces it, with stored content.
///
/// # Errors
/// [`TreeError`] as of [`Tree::put`](crate::tree::Tree::put): `NotFound` and `NotAFolder` for the
/// parent, `BadName`, `NameTaken`, also for a file of another user that does not inherit the permissions
/// of its folder, `NotAFile` if a folder has the name and is to be replaced, `QuotaExceeded`, `NoRoom` if the disk is full, and `Storage`. The caller knows the folder's id
/// for the message.
async fn put_file(
    request: &LiveRequest,
    parent: ItemKey,
    name: &str,
    stored: Stored,
    on_conflict: OnConflict,
) -> Result<Written, TreeError> {
    let is_foreign = request.is_foreign();
    // The role of the caller was checked for the folder.
    let guard = WriteGuard::new(move |replaced| match replaced {
        Some(node) if is_foreign && is_boundary(node) => Err(TreeError::NameTaken(node.no)),
        _ => Ok(()),
    });
    let new = NewItem { guard, ..NewItem::default() };
    request
        .state()
        .tree
        .put(
            ChildName::new(request.drive(), parent, name),
            stored,
            new,
            on_conflict,
            Precondition::Any,
        )
        .await
}

/// Returns the response of a completed upload: 201 for a new file, 200 for an overwritten one.
fn upload_response(request: &LiveRequest, Written { node, created }: &Written) -> Response {
    let status = if *created { StatusCode::CREATED } else { StatusCode::OK };
    let response = request.format.json(status, &request.objects.uploaded(node));
    request.with_location(response, node)
}

/// Converts an error of the form parser to a response: 413 for a form over its limit, 400 for all
/// others.
fn form_error(error: multer::Error) -> LiveError {
    match error {
        multer::Error::StreamSizeExceeded { .. } => LiveError::too_large(MAX_BODY),
        error if form::has_too_long_headers(&error) => LiveError::body(
            "The request isn't valid multipart/form-data: the headers of a part are too long.",
        ),
        error => LiveError::body(format!("The request isn't valid multipart/form-data: {error}.")),
    }
}

/// Converts an error of the form parser to an I/O error of the body that the tree reads: of kind
/// `FileTooLarge` for a form over its limit, of kind `Other` for all others.
fn form_io_error(error: multer::Error) -> std::io::Error {
    match error {
        multer::Error::StreamSizeExceeded { .. } => {
            std::io::Error::new(std::io::ErrorKind::FileTooLarge, error)
        }
        error if form::has_too_long_headers(&error) => {
            std::io::Error::other("the headers of a part are too long")
        }
        error => std::io::Error::other(error),
    }
}
