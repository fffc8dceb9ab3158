//! Handlers of file content: multipart uploads, and downloads with ranges
//! (amazon-drive#requests-content, amazon-drive#upload-multipart).

use std::io;

use axum::{
    body::Body,
    http::{header, request::Parts},
    response::Response,
};
use futures::TryStreamExt;
use multer::Multipart;

use super::{
    error::{AmazonError, Result},
    metadata::Metadata,
    node::md5,
    request::AmazonRequest,
};
use crate::{
    content::{self, LongSuffix},
    form::{self, FormBody},
    headers::content_length,
    tree::{
        ChildName, ItemKey, ItemState, NewItem, Node, NodeKind, OnConflict, Precondition, Stored,
        TreeError,
    },
    upload::discard,
};

/// Maximum length of a file in bytes, about 50 GiB (amazon-drive#max-file-size).
const FILE_MAX: u64 = 50 << 30;

/// Maximum length of the metadata part, in bytes.
const METADATA_MAX: usize = 256 << 10;

/// Maximum length of a form without its file, in bytes.
const FORM_OVERHEAD: u64 = 64 << 10;

/// Maximum number of attempts at a download that concurrent overwrites interfere with.
const MAX_ATTEMPTS: usize = 16;

/// A received upload form. The content is already stored in the tree.
struct UploadForm {
    metadata: Option<Metadata>,
    stored: Stored,
    media_type: Option<String>,
}

/// Handles `POST nodes` of the content endpoint: creates a file.
///
/// # Errors
/// 400 for an invalid form or metadata, a file over [`FILE_MAX`], a body that ends early, or a
/// parent that is a file; 403 if the file does not fit into the drive's quota, or the disk of the
/// storage is full; 404 if a parent does not exist; 409 if the name or the `localId` is in use, or
/// another file has the content; 500 if the storage fails.
pub(super) async fn upload(request: &AmazonRequest, parts: &Parts, body: Body) -> Result<Response> {
    preflight(request, parts).await?;
    let local_id = request.local_id().await?;
    let UploadForm { metadata, stored, media_type } = form(request, parts, body).await?;
    let checked = check(request, metadata, &stored).await;
    let (metadata, name, parents) = match checked {
        Ok(checked) => checked,
        Err(error) => return Err(discard_upload(request, stored, error).await),
    };
    let new = NewItem { media_type, ..metadata.new_item(local_id.as_deref()) };
    let result = request
        .state
        .tree
        .put(
            ChildName::new(request.drive(), parents[0], &name),
            stored,
            new,
            OnConflict::Fail,
            Precondition::Any,
        )
        .await;
    let written = result.map_err(|error| request.tree_error(error, &name, parents[0]))?;
    let node = request.add_parents(written.node, &name, &parents).await?;
    Ok(request.created_response(&node))
}

/// Checks the metadata of a new file. Returns it with the name and the parent folders.
///
/// # Errors
/// 400 if the metadata is missing, its kind is not FILE, or its name is missing, empty or longer
/// than 256 characters; 404 for a parent id that is not one of this account; 409 if a linked
/// folder has the name, or another file has the content; 500 if the storage fails.
async fn check(
    request: &AmazonRequest,
    metadata: Option<Metadata>,
    stored: &Stored,
) -> Result<(Metadata, String, Vec<ItemKey>)> {
    let metadata = metadata.ok_or_else(|| AmazonError::invalid("The part metadata is missing"))?;
    if metadata.kind.as_deref() != Some("FILE") {
        return Err(AmazonError::invalid("kind must be FILE"));
    }
    let name = metadata.name()?.to_owned();
    let parents = request.parents(&metadata).await?;
    request.check_linked_names(&parents, &name, None).await?;
    check_duplicate(request, stored, None).await?;
    Ok((metadata, name, parents))
}

/// Handles `PUT nodes/{id}/content`: replaces the content of a file.
///
/// # Errors
/// 400 for a folder, an invalid form, a file over [`FILE_MAX`], and a body that ends early; 403 for
/// a node in the trash, if the file does not fit into the drive's quota, and if the disk of the
/// storage is full; 404 if the node does not exist, is not visible to the token, or was deleted
/// during the upload; 409 if another file has the content; 500 if the storage fails.
pub(super) async fn overwrite(
    request: &AmazonRequest,
    id: &str,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    let node = request.find_node(id).await?;
    if node.kind != NodeKind::File {
        return Err(AmazonError::not_a_file(id));
    }
    if node.state == ItemState::Trashed {
        return Err(AmazonError::in_trash());
    }
    preflight(request, parts).await?;
    let UploadForm { stored, media_type, .. } = form(request, parts, body).await?;
    if let Err(error) = check_duplicate(request, &stored, Some(node.no)).await {
        return Err(discard_upload(request, stored, error).await);
    }
    let new = NewItem { media_type, ..NewItem::default() };
    let tree = &request.state.tree;
    let node = tree.overwrite(request.drive(), node.no, stored, new, Precondition::Any).await;
    Ok(request.node_response(&node.map_err(|error| AmazonError::tree(error, id))?))
}

/// Handles `GET nodes/{id}/content`: returns the bytes of the file or the asset with the id, or the
/// range that the request names; with `viewBox` a thumbnail. A range outside the file is the
/// response 416, a match of `If-None-Match` is 304; both are `Ok`. Thumbnails and assets are always
/// returned whole.
///
/// # Errors
/// 400 for a folder, for an invalid `viewBox`, and with `viewBox` for a file without a picture; 404
/// if the node does not exist or is not visible to the token; 409 after [`MAX_ATTEMPTS`] concurrent
/// overwrites; 500 if the storage fails.
pub(super) async fn download(request: &AmazonRequest, id: &str, parts: &Parts) -> Result<Response> {
    let view_box = request.view_box()?;
    if let Some(file) = request.find_file_of_asset(id).await? {
        return request.asset_content(&file, id, view_box).await;
    }
    if let Some(frame) = view_box {
        return request.thumbnail(id, frame).await;
    }
    for _ in 0..MAX_ATTEMPTS {
        let node = request.find_node(id).await?;
        match content::serve(&request.state.tree, &node, parts.into(), true, LongSuffix::Satisfied)
            .await
        {
            // The content was replaced after the lookup of the node.
            Err(TreeError::Changed) => {}
            served => return served.map_err(|error| AmazonError::tree(error, id)),
        }
    }
    Err(AmazonError::busy())
}

/// Rejects content that a live file of the drive already has, by MD5 and size, unless the request
/// has a `suppress` parameter or the content is empty (amazon-drive#deduplication). The node
/// `except` may have it; `None` for a new file. The check reads every node of the drive.
///
/// # Errors
/// 409 with the id of the other node, 500 if the storage fails.
async fn check_duplicate(
    request: &AmazonRequest,
    stored: &Stored,
    except: Option<ItemKey>,
) -> Result<()> {
    // The parameter check admits no other value.
    let suppressed = request.query.get("suppress").is_some_and(|value| !value.is_empty());
    if suppressed || stored.size == 0 {
        return Ok(());
    }
    let is_duplicate = |node: &Node| {
        node.state == ItemState::Live
            && Some(node.no) != except
            && node.content.as_ref().is_some_and(|content| {
                content.hashes.md5 == stored.hashes.md5 && content.size == stored.size
            })
    };
    match request.find_first(is_duplicate).await? {
        Some(other) => {
            Err(AmazonError::duplicate(&md5(&other).unwrap_or_default(), request.ids.id(other.no)))
        }
        None => Ok(()),
    }
}

/// Rejects an upload by the `Content-Length` in `parts`, before it is received. A request without
/// one is accepted. Overwriting a file may free space, so only a file that can never fit is
/// rejected. [`FORM_OVERHEAD`] bytes are not counted.
///
/// # Errors
/// 400 over [`FILE_MAX`]; 403 if the file exceeds the whole quota; 500 if the storage fails.
async fn preflight(request: &AmazonRequest, parts: &Parts) -> Result<()> {
    let length = content_length(&parts.headers).unwrap_or(0);
    let bytes = length.saturating_sub(FORM_OVERHEAD);
    if bytes > FILE_MAX {
        return Err(AmazonError::too_large());
    }
    if bytes > 0 {
        let drive = request.state.tree.drive_info(request.drive()).await;
        let drive = drive.map_err(|error| AmazonError::tree(error, "?"))?;
        if bytes > drive.quota {
            return Err(AmazonError::full());
        }
    }
    Ok(())
}

/// Receives the parts `metadata` and `content` of a form in any order. The content is stored while
/// it arrives. Data after the closing boundary is ignored, because one client sends its own content
/// type there (amazon-drive#upload-epilogue).
///
/// # Errors
/// 400 if the request is no multipart form, a part is unknown or repeated, the metadata is over 256
/// KiB or not JSON with members of the right types, the content is missing or over [`FILE_MAX`], or
/// the body ends early; 403 if the disk of the storage is full; 500 if the storage fails. Stored
/// content is discarded.
async fn form(request: &AmazonRequest, parts: &Parts, body: Body) -> Result<UploadForm> {
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type)
        .map_err(|_| AmazonError::invalid("The request is not multipart/form-data"))?;
    let body = FormBody::new(body, &boundary);
    let mut form = Multipart::new(body, boundary);
    let mut metadata = None;
    let mut content: Option<(Stored, Option<String>)> = None;
    let error = loop {
        let mut part = match form.next_field().await {
            Ok(Some(part)) => part,
            Ok(None) => break None,
            Err(error) => break Some(form_error(&error)),
        };
        match (part.name(), &content) {
            (Some("metadata"), _) => match read_part(&mut part).await.and_then(parse_metadata) {
                Ok(parsed) => metadata = Some(parsed),
                Err(error) => break Some(error),
            },
            (Some("content"), None) => {
                let media_type = part
                    .content_type()
                    .map(ToString::to_string)
                    .filter(|kind| kind != "application/octet-stream");
                let bytes = Box::pin(part.map_err(io::Error::other));
                match request.state.tree.store(bytes, FILE_MAX).await {
                    Ok(stored) => content = Some((stored, media_type)),
                    Err(error) => break Some(AmazonError::tree(error, "?")),
                }
            }
            (Some("content"), Some(_)) => {
                break Some(AmazonError::invalid("More than one part content"));
            }
            (name, _) => {
                let name = name.unwrap_or_default();
                break Some(AmazonError::invalid(format!("Unknown part '{name}'")));
            }
        }
    };
    match (content, error) {
        (Some((stored, media_type)), None) => Ok(UploadForm { metadata, stored, media_type }),
        (None, None) => Err(AmazonError::invalid("The part content is missing")),
        (Some((stored, _)), Some(error)) => Err(discard_upload(request, stored, error).await),
        (None, Some(error)) => Err(error),
    }
}

/// Reads the metadata part, whatever its content type is.
///
/// # Errors
/// 400 over [`METADATA_MAX`] bytes, or if the body ends early.
async fn read_part(part: &mut multer::Field<'_>) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    while let Some(piece) = part.chunk().await.map_err(|error| form_error(&error))? {
        if text.len() + piece.len() > METADATA_MAX {
            return Err(AmazonError::invalid("The part metadata is too long"));
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

/// Parses the metadata part of a multipart upload, which is JSON.
///
/// # Errors
/// 400 if it is not JSON, or a member has the wrong type.
fn parse_metadata(text: Vec<u8>) -> Result<Metadata> {
    serde_json::from_slice(&text).map_err(|error| {
        AmazonError::invalid(format!("The part metadata is not valid JSON: {error}"))
    })
}

/// Converts an error of the form parser to 400. A form with a part whose headers are longer than 16
/// KiB has its own message; all others are a body that cannot be read.
fn form_error(error: &multer::Error) -> AmazonError {
    tracing::debug!(%error, "cannot read an upload form");
    if form::has_too_long_headers(error) {
        return AmazonError::invalid(
            "Cannot read from request: the headers of a part are too long.",
        );
    }
    AmazonError::unreadable_body()
}

/// Discards the stored content of a rejected upload, and returns `error`, the reason of the
/// rejection.
async fn discard_upload(
    request: &AmazonRequest,
    stored: Stored,
    error: AmazonError,
) -> AmazonError {
    discard(&request.state.tree, stored).await;
    error
}

/// Returns whether a request over HTTP/1 has a `Content-Length` or a `Transfer-Encoding`; always
/// `true` over HTTP/2, which needs neither (amazon-drive#error-length-required).
pub(super) fn declares_length(parts: &Parts) -> bool {
    parts.version >= axum::http::Version::HTTP_2
        || parts.headers.contains_key(header::CONTENT_LENGTH)
        || parts.headers.contains_key(header::TRANSFER_ENCODING)
}
