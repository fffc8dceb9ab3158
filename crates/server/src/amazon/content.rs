//! Bytes in and out (amazon-drive#requests-content, amazon-drive#upload-multipart): multipart forms
//! as real clients send them, ranges.

use std::io;

use axum::{
    body::Body,
    http::{header, request::Parts},
    response::Response,
};
use futures::TryStreamExt;
use multer::Multipart;

use super::{
    AmazonRequest,
    error::{AmazonError, Result},
    node::md5,
    nodes::Metadata,
};
use crate::{
    content::{self, LongSuffix},
    form::{self, FormBody},
    tree::{
        ChildName, ItemKey, NewItem, Node, NodeKind, OnConflict, Precondition, State, Stored,
        TreeError,
    },
    upload::discard,
};

/// The largest file, in bytes: about 50 GiB (amazon-drive#max-file-size).
const FILE_MAX: u64 = 50 << 30;

/// The longest metadata part, in bytes.
const METADATA_MAX: usize = 256 << 10;

/// What a form may have around its file, in bytes.
const FORM_AROUND: u64 = 64 << 10;

/// How often a download begins anew because the file was overwritten just then.
const TRIES: usize = 16;

/// What an upload brought.
struct Form {
    metadata: Option<Metadata>,
    stored: Stored,
    media_type: Option<String>,
}

/// `POST nodes` at the content endpoint: makes a file.
pub(super) async fn upload(request: &AmazonRequest, parts: &Parts, body: Body) -> Result<Response> {
    acceptable(request, parts).await?;
    let local_id = request.local_id().await?;
    let Form { metadata, stored, media_type } = form(request, parts, body).await?;
    let checked = check(request, metadata, &stored).await;
    let (metadata, name, parents) = match checked {
        Ok(checked) => checked,
        Err(error) => return Err(forgotten(request, stored, error).await),
    };
    let new = NewItem { media_type, ..metadata.new_item(local_id.as_deref()) };
    let made = request
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
    let made = made.map_err(|error| request.refused(error, &name, parents[0]))?;
    let node = request.put_into(made.node, &name, &parents).await?;
    Ok(request.created(&node))
}

async fn check(
    request: &AmazonRequest,
    metadata: Option<Metadata>,
    stored: &Stored,
) -> Result<(Metadata, String, Vec<ItemKey>)> {
    let metadata = metadata.ok_or_else(|| AmazonError::bad("The part metadata is missing"))?;
    if metadata.kind.as_deref() != Some("FILE") {
        return Err(AmazonError::bad("kind must be FILE"));
    }
    let name = metadata.name()?.to_owned();
    let parents = request.parents(&metadata).await?;
    deduplicated(request, stored, None).await?;
    Ok((metadata, name, parents))
}

/// `PUT nodes/{id}/content`: replaces a file's bytes.
pub(super) async fn overwrite(
    request: &AmazonRequest,
    id: &str,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    let node = request.known(id).await?;
    if node.kind != NodeKind::File {
        return Err(AmazonError::bad(format!("Node {id} is not a file")));
    }
    if node.state == State::Trashed {
        return Err(AmazonError::forbidden("The node is in the trash"));
    }
    acceptable(request, parts).await?;
    let Form { stored, media_type, .. } = form(request, parts, body).await?;
    if let Err(error) = deduplicated(request, &stored, Some(node.no)).await {
        return Err(forgotten(request, stored, error).await);
    }
    let new = NewItem { media_type, ..NewItem::default() };
    let tree = &request.state.tree;
    let node = tree.overwrite(request.drive(), node.no, stored, new, Precondition::Any).await;
    Ok(request.ok(&node.map_err(|error| AmazonError::tree(error, id))?))
}

/// `GET nodes/{id}/content`.
pub(super) async fn download(request: &AmazonRequest, id: &str, parts: &Parts) -> Result<Response> {
    for _ in 0..TRIES {
        let node = request.known(id).await?;
        match content::serve(&request.state.tree, &node, parts, true, LongSuffix::Satisfied).await {
            // Other bytes have taken the place of those that were to be read.
            Err(TreeError::Changed) => {}
            served => return served.map_err(|error| AmazonError::tree(error, id)),
        }
    }
    Err(AmazonError::conflict("The node is being changed by other requests"))
}

/// Without `suppress=deduplication` bytes that the drive has are refused, but no bytes at all
/// (amazon-drive#deduplication). Looking for them is a look at every file.
async fn deduplicated(
    request: &AmazonRequest,
    stored: &Stored,
    but: Option<ItemKey>,
) -> Result<()> {
    // No other value passes the check of parameters.
    let suppressed = request.query.get("suppress").is_some_and(|value| !value.is_empty());
    if suppressed || stored.size == 0 {
        return Ok(());
    }
    let same = |node: &Node| {
        node.state == State::Live
            && Some(node.no) != but
            && node.content.as_ref().is_some_and(|content| {
                content.hashes.md5 == stored.hashes.md5 && content.size == stored.size
            })
    };
    match request.find(same).await? {
        Some(twin) => {
            Err(AmazonError::duplicate(&md5(&twin).unwrap_or_default(), request.ids.id(twin.no)))
        }
        None => Ok(()),
    }
}

/// What can never fit is refused before it is taken in; what it overwrites may make room for less.
async fn acceptable(request: &AmazonRequest, parts: &Parts) -> Result<()> {
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let length: u64 = length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
    let bytes = length.saturating_sub(FORM_AROUND);
    if bytes > FILE_MAX {
        return Err(AmazonError::bad("Cannot complete upload: the file is too large"));
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

/// The form's parts, in either order, the bytes taken in as they come. What follows the closing
/// boundary is nobody's business: a client sends its own content type there
/// (amazon-drive#upload-epilogue).
async fn form(request: &AmazonRequest, parts: &Parts, body: Body) -> Result<Form> {
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type)
        .map_err(|_| AmazonError::bad("The request is not multipart/form-data"))?;
    let body = FormBody::new(body, &boundary);
    let mut form = Multipart::new(body, boundary);
    let mut metadata = None;
    let mut content: Option<(Stored, Option<String>)> = None;
    let broken = loop {
        let mut part = match form.next_field().await {
            Ok(Some(part)) => part,
            Ok(None) => break None,
            Err(error) => break Some(unreadable(&error)),
        };
        match (part.name(), &content) {
            (Some("metadata"), _) => match text(&mut part).await.and_then(parsed) {
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
            (Some("content"), Some(_)) => break Some(AmazonError::bad("More than one content")),
            (name, _) => {
                let name = name.unwrap_or_default();
                break Some(AmazonError::bad(format!("There is no part '{name}'")));
            }
        }
    };
    match (content, broken) {
        (Some((stored, media_type)), None) => Ok(Form { metadata, stored, media_type }),
        (None, None) => Err(AmazonError::bad("The part content is missing")),
        (Some((stored, _)), Some(error)) => Err(forgotten(request, stored, error).await),
        (None, Some(error)) => Err(error),
    }
}

/// A small part's text, whatever its content type, or without one.
async fn text(part: &mut multer::Field<'_>) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    while let Some(piece) = part.chunk().await.map_err(|error| unreadable(&error))? {
        if text.len() + piece.len() > METADATA_MAX {
            return Err(AmazonError::bad("The part metadata is too long"));
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

fn parsed(text: Vec<u8>) -> Result<Metadata> {
    serde_json::from_slice(&text)
        .map_err(|error| AmazonError::bad(format!("The part metadata is no JSON: {error}")))
}

fn unreadable(error: &multer::Error) -> AmazonError {
    tracing::debug!(%error, "a form could not be read");
    if form::has_too_long_headers(error) {
        return AmazonError::bad("Cannot read from request: the headers of a part are too long.");
    }
    AmazonError::bad("Cannot read from request.")
}

/// The refusal of an upload, whose bytes were taken in for nothing.
async fn forgotten(request: &AmazonRequest, stored: Stored, error: AmazonError) -> AmazonError {
    discard(&request.state.tree, stored).await;
    error
}

/// Whether a request without a body should have told so (amazon-drive#error-length-required: 411).
pub(super) fn tells_length(parts: &Parts) -> bool {
    parts.version >= axum::http::Version::HTTP_2
        || parts.headers.contains_key(header::CONTENT_LENGTH)
        || parts.headers.contains_key(header::TRANSFER_ENCODING)
}
