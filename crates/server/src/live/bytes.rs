//! Contents: uploaded by PUT and POST, downloaded by ticket (live-connect#endpoints-content,
//! live-connect#uploads).

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
    error::{LARGEST_BODY, LiveError, Result},
    items::bad_name,
    names,
    object_type::ObjectType,
    pictures::redirect,
    request::LiveRequest,
    response_format::ResponseFormat,
};
use crate::{
    content::encoded,
    form::{self, FormBody},
    media::{Fetch, Reading, picture},
    tree::{
        Bytestream, ChildName, ItemKey, Media, NewItem, NodeKind, OnConflict, Precondition, Stored,
        TreeError, Written,
    },
    upload::discard,
};

/// The longer side of a photo that is kept as it comes, in pixels (live-connect#photo-max-size).
const LARGEST_PHOTO: u32 = 2048;

/// The longest answer that fits into a page's redirect, in bytes.
const LARGEST_RESULT: usize = 64 << 10;

/// What a form may have around its file, in bytes.
const FORM_AROUND: u64 = 64 << 10;

/// From what length on there is a look at the target and the quota before the body is taken in; a
/// shorter one is sooner taken in than looked ahead for.
const LOOK_AHEAD: u64 = 1 << 20;

/// `GET {file}/content`: a redirect to a ticket, or the ticket's URL in the answer.
pub(super) async fn get_content(request: &LiveRequest) -> Result<Response> {
    let suppress = request.query.flag("suppress_redirects")?.unwrap_or(false);
    let node = request.readable().await?;
    let source = request.objects.source(&node, request.shown_how.attachment);
    let source = source.ok_or_else(|| request.unsupported(&node, "content"))?;
    match suppress {
        true => Ok(request.format.json(StatusCode::OK, &json!({ "location": source }))),
        false => redirect(&source),
    }
}

/// `PUT {folder}/files/{name}`.
pub(super) async fn put(
    request: &LiveRequest,
    name: &str,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    names::check(name).map_err(|reason| bad_name(name, reason))?;
    let on_conflict = on_conflict(request, parts)?;
    let (parent, shown) = request.folder()?;
    let stored = take_in(request, parts, body).await?;
    let stored = downsized(request, name, stored).await?;
    let written = name_it(request, parent, name, stored, on_conflict)
        .await
        .map_err(|error| LiveError::in_folder(error, name, &shown))?;
    Ok(uploaded(request, &written))
}

/// `PUT {file}/content`: always overwrites.
pub(super) async fn put_content(
    request: &LiveRequest,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    downsize(request)?;
    let node = request.node().await?;
    if node.kind != NodeKind::File {
        return Err(request.unsupported(&node, "content"));
    }
    let stored = take_in(request, parts, body).await?;
    let stored = downsized(request, &node.name, stored).await?;
    let node = request
        .state()
        .tree
        .overwrite(request.drive(), node.no, stored, NewItem::default(), Precondition::Any)
        .await
        .map_err(|error| LiveError::tree(error, request.shown()))?;
    Ok(uploaded(request, &Written { node, created: false }))
}

/// `POST {folder}/files`, multipart: exactly one part, whose file name is the file's.
pub(super) async fn post(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let on_conflict = on_conflict(request, parts)?;
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type).map_err(|error| {
        LiveError::media_type(format!("The request isn't multipart/form-data: {error}."))
    })?;
    let (parent, shown) = request.folder()?;
    acceptable(request, parts, LARGEST_BODY + FORM_AROUND).await?;
    let limit = SizeLimit::new().whole_stream(LARGEST_BODY + FORM_AROUND);
    let constraints = Constraints::new().size_limit(limit);
    let mut form =
        Multipart::with_constraints(FormBody::new(body, &boundary), boundary, constraints);
    let part = form
        .next_field()
        .await
        .map_err(bad_form)?
        .ok_or_else(|| LiveError::body("The request has no part."))?;
    let name = part.file_name().ok_or_else(|| LiveError::missing("filename"))?.to_owned();
    names::check(&name).map_err(|reason| bad_name(&name, reason))?;
    let stored = store(request, Box::pin(part.map_err(as_io))).await?;
    let alone = match form.next_field().await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(LiveError::body("Only one part is supported in a request.")),
        Err(error) => Err(bad_form(error)),
    };
    if let Err(error) = alone {
        discard(&request.state().tree, stored).await;
        return Err(error);
    }
    let stored = downsized(request, &name, stored).await?;
    let written = name_it(request, parent, &name, stored, on_conflict)
        .await
        .map_err(|error| LiveError::in_folder(error, &name, &shown))?;
    Ok(uploaded(request, &written))
}

/// `POST {folder}/files?state=…&redirect_uri=…`: the answer, good or bad, as a page that leads a
/// browser back to whoever sent it (live-connect#upload-html-mode).
pub(super) async fn post_from_page(
    request: &LiveRequest,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    let Some(redirect) = request.query.get("redirect_uri") else {
        return post(request, parts, body).await;
    };
    // Where an application's own domain would be asked for; this server knows only its machine.
    let mut target = request.objects.base_url.redirect_target(redirect).ok_or_else(|| {
        LiveError::parameter("The 'redirect_uri' doesn't lead to the application's domain.")
    })?;
    let answer = match post(request, parts, body).await {
        Ok(answer) => answer,
        Err(error) => ResponseFormat { pretty: false, ..ResponseFormat::default() }.error(&error),
    };
    let result = axum::body::to_bytes(answer.into_body(), LARGEST_RESULT).await;
    let result = result.map_err(|error| LiveError::body(error.to_string()))?;
    let state = request.query.get("state");
    let state = state.map(|state| format!("state={}&", encoded(state))).unwrap_or_default();
    let result = String::from_utf8_lossy(&result);
    target.set_fragment(Some(&format!("{state}result={}", encoded(&result))));
    // A URL has neither quotes nor angle brackets as they are; JSON's quotes are JavaScript's.
    let place = serde_json::Value::from(target.as_str()).to_string().replace('<', "\\u003c");
    let page = format!(
        "<html><head><script type=\"text/javascript\">window.location = {place};</script></head></html>"
    );
    let mut response = Response::new(Body::from(page));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
    Ok(response)
}

/// What happens when the name is taken: `overwrite`, in the query or as a header.
fn on_conflict(request: &LiveRequest, parts: &Parts) -> Result<OnConflict> {
    downsize(request)?;
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

/// Whether large photos are made smaller: unless the client says no
/// (live-connect#param-downsize-photo-uploads).
fn downsize(request: &LiveRequest) -> Result<bool> {
    Ok(request.query.flag("downsize_photo_uploads")?.unwrap_or(true))
}

/// A photo of more than 2048 × 2048 made to fit, where the client did not say no; everything else
/// as it came.
async fn downsized(request: &LiveRequest, name: &str, stored: Stored) -> Result<Stored> {
    let large = match stored.media.as_deref() {
        Some(Media::Photo(photo)) => photo.width.max(photo.height) > LARGEST_PHOTO,
        _ => false,
    };
    if !large || ObjectType::of_name(name) != ObjectType::Photo || !downsize(request)? {
        return Ok(stored);
    }
    let (size, stored) = (stored.size, Arc::new(stored));
    let (tree, taken) = (Arc::clone(&request.state().tree), Arc::clone(&stored));
    let fetch = Fetch::new(move |range| {
        let (tree, taken) = (Arc::clone(&tree), Arc::clone(&taken));
        async move {
            let bytes = tree.open_stored(&taken, range).await.map_err(std::io::Error::other)?;
            let pieces: Vec<_> = bytes.try_collect().await?;
            Ok(pieces.concat().into())
        }
    });
    match picture::shrunk(Reading::new(size, fetch), LARGEST_PHOTO).await {
        Ok(Some(smaller)) => {
            store(request, Box::pin(futures::stream::once(async { Ok(smaller) }))).await
        }
        Ok(None) => given_back(stored),
        Err(error) => {
            tracing::debug!(%error, name, "a photo that cannot be made smaller stays as it is");
            given_back(stored)
        }
    }
}

/// What nobody reads any more.
fn given_back(stored: Arc<Stored>) -> Result<Stored> {
    Arc::into_inner(stored).ok_or_else(LiveError::busy)
}

/// Takes a request's body in.
async fn take_in(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Stored> {
    acceptable(request, parts, LARGEST_BODY).await?;
    store(request, Box::pin(body.into_data_stream().map_err(std::io::Error::other))).await
}

/// Whether a body may come, as far as that shows before it does.
async fn acceptable(request: &LiveRequest, parts: &Parts, most: u64) -> Result<()> {
    if let Some(encoding) = parts.headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(LiveError::media_type("A body with a Content-Encoding isn't supported."));
    }
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let length: Option<u64> = length.and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length| length > most) {
        return Err(LiveError::too_large(LARGEST_BODY));
    }
    if length.is_none_or(|length| length >= LOOK_AHEAD) {
        request.node().await?;
        let drive = request.state().tree.drive_info(request.drive()).await;
        let drive = drive.map_err(|error| LiveError::tree(error, request.shown()))?;
        // What it overwrites may make room, so only what can never fit is refused here.
        if length.unwrap_or(0).saturating_sub(FORM_AROUND) > drive.quota {
            return Err(LiveError::full());
        }
    }
    Ok(())
}

async fn store(request: &LiveRequest, body: Bytestream) -> Result<Stored> {
    let stored = request.state().tree.store(body, LARGEST_BODY).await;
    stored.map_err(|error| LiveError::tree(error, request.shown()))
}

async fn name_it(
    request: &LiveRequest,
    parent: ItemKey,
    name: &str,
    stored: Stored,
    on_conflict: OnConflict,
) -> Result<Written, TreeError> {
    let new = NewItem::default();
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

fn uploaded(request: &LiveRequest, Written { node, created }: &Written) -> Response {
    let status = if *created { StatusCode::CREATED } else { StatusCode::OK };
    let response = request.format.json(status, &request.objects.uploaded(node));
    request.located(response, node)
}

fn bad_form(error: multer::Error) -> LiveError {
    match error {
        multer::Error::StreamSizeExceeded { .. } => LiveError::too_large(LARGEST_BODY),
        error if form::has_too_long_headers(&error) => {
            LiveError::body("The request isn't good: the headers of a part are too long.")
        }
        error => LiveError::body(format!("The request isn't good multipart/form-data: {error}.")),
    }
}

fn as_io(error: multer::Error) -> std::io::Error {
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
