//! The logos of applications (live-connect#application-logo).
//!
//! A logo has a signed URL, as the pictures of items. A client may also upload a logo to that URL.

use std::io::Cursor;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use image::{ImageFormat, ImageReader};
use multer::{Constraints, Multipart, SizeLimit};
use serde_json::json;

use super::{AccountObjectId, with_location};
use crate::{
    account::Account,
    form::FormBody,
    grant::Audience,
    live::{
        error::{LiveError, Result},
        objects::Objects,
        picture_size::PictureSize,
        pictures,
        request::LiveRequest,
        response_format::ResponseFormat,
        route::BASE,
        scopes::Scopes,
    },
    picture_urls::{LOGO, PictureClaims},
    protocol::RequestContext,
    tree::{AccountObject, AccountObjectKind, Tree, TreeError},
};

/// Width and height of a logo, in pixels.
pub(in crate::live) const LOGO_SIDE: u32 = 48;

/// Maximum length of an upload, in bytes. Inferred.
const MAX_UPLOAD: usize = 1 << 20;

/// The error for other pictures.
const UNSUPPORTED: &str = "The logo isn't a PNG or GIF picture of 48 x 48 pixels.";

/// Handles `GET {application}/picture`: a redirect, or the URL with `suppress_redirects`. An
/// application without a logo has a default picture.
///
/// # Errors
/// 404 if the application does not exist; 400 if `suppress_redirects` is neither `true` nor
/// `false`; 500 if the storage fails.
pub(super) async fn get(request: &LiveRequest, id: &AccountObjectId) -> Result<Response> {
    request.account_object(id).await?;
    pictures::redirect_or_location(request, &signed_url(request, id))
}

/// Returns the URL of an application's logo; `None` if it has none.
pub(super) fn url(request: &LiveRequest, application: &AccountObject) -> Option<String> {
    application.fields.get("logo")?;
    Some(signed_url(request, &AccountObjectId::parse(&application.id)?))
}

/// Returns the URL of an application's logo, which needs no token.
fn signed_url(request: &LiveRequest, id: &AccountObjectId) -> String {
    let account = request.objects.account.name.clone();
    let claims = PictureClaims(account, LOGO, id.client_id().to_owned(), request.view.attachment);
    request.objects.signed_picture_urls(&claims, "logo").url(PictureSize::Thumbnail)
}

/// Handles `PUT` and `POST {application}/picture`: replaces the logo of an application.
///
/// # Errors
/// 400 if the body ends early, is a form without exactly one part, or is no PNG or GIF picture of
/// 48 x 48 pixels; 404 if the application does not exist; 413 over [`MAX_UPLOAD`] bytes; 507 if the
/// disk of the storage is full; 500 if the storage fails.
pub(super) async fn put(
    request: &LiveRequest,
    id: &AccountObjectId,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    upload(&request.objects, &request.format, id, parts, body).await
}

/// Handles `PUT` and `POST` to the signed URL of a logo. They need a token, too.
///
/// # Errors
/// 401 if the token is missing, unknown, expired or for another audience; 403 if it lacks the
/// scope; 404 if it is that of another account, or the application does not exist; 400 if the body
/// is no PNG or GIF picture of 48 x 48 pixels; 413 over [`MAX_UPLOAD`] bytes; 507 if the disk of
/// the storage is full; 500 if the storage fails.
pub(in crate::live) async fn put_signed(
    context: RequestContext,
    PictureClaims(account, _, client_id, _): PictureClaims,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    let grant = context.grant?;
    grant.check_audience(&Audience::Live)?;
    let id = AccountObjectId::for_client(&client_id);
    if grant.account != account {
        return Err(LiveError::not_found(&id));
    }
    Scopes::from_grant(&grant).require_one(super::AccountAction::PutLogo.scopes())?;
    let account = context.state.accounts.open(&account).await;
    let account = account.map_err(|error| LiveError::tree(error, &id))?;
    let objects = Objects { state: context.state, base_url: context.base_url, account };
    upload(&objects, &ResponseFormat::default(), &id, parts, body).await
}

/// Replaces the logo of an application.
///
/// # Errors
/// 400 if the body ends early or is no PNG or GIF picture of 48 x 48 pixels; 404 if the application
/// does not exist; 413 over [`MAX_UPLOAD`] bytes; 507 if the disk of the storage is full; 500 if
/// the storage fails.
async fn upload(
    objects: &Objects,
    format: &ResponseFormat,
    id: &AccountObjectId,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    let bytes = receive(parts, body).await?;
    let kind = check(&bytes)?;
    let set = move |application: &mut AccountObject| {
        application.data = Some(bytes);
        application.fields.insert("logo".to_owned(), kind.media_type.into());
        Ok::<(), LiveError>(())
    };
    let (tree, drive) = (&objects.state.tree, objects.account.drive);
    let changed =
        tree.change_account_object(drive, AccountObjectKind::Application, id.as_str(), set);
    changed.await.map_err(|error| LiveError::tree(error, id))??;
    let url = objects.base_url.url(&format!("{BASE}/{id}/picture"));
    let body = json!({ "id": id.as_str(), "name": kind.file_name, "source": url });
    Ok(with_location(format.json(StatusCode::CREATED, &body), &url))
}

/// The format of a logo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogoFormat {
    /// The media type of the file.
    pub media_type: &'static str,
    /// The name of the file in responses: the name in a request is ignored.
    pub file_name: &'static str,
}

/// Checks a logo, and returns its format.
///
/// # Errors
/// 400 if it is no PNG or GIF picture, has another size than 48 x 48 pixels, or cannot be decoded.
pub(super) fn check(bytes: &[u8]) -> Result<LogoFormat> {
    let unsupported = || LiveError::parameter(UNSUPPORTED);
    let reader = || ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let format = match reader().map_err(|_| unsupported())?.format() {
        Some(ImageFormat::Png) => LogoFormat { media_type: "image/png", file_name: "logo.png" },
        Some(ImageFormat::Gif) => LogoFormat { media_type: "image/gif", file_name: "logo.gif" },
        _ => return Err(unsupported()),
    };
    let size = reader().map_err(|_| unsupported())?.into_dimensions();
    if !size.is_ok_and(|size| size == (LOGO_SIDE, LOGO_SIDE)) {
        return Err(unsupported());
    }
    // A file that is only a header is no picture.
    let decoded = reader().map_err(|_| unsupported())?.decode();
    decoded.map(|_| format).map_err(|_| unsupported())
}

/// Reads the picture of an upload: the body, or the only part of a multipart form.
///
/// # Errors
/// 413 over [`MAX_UPLOAD`] bytes; 400 if the body ends early, or if the form does not have one part.
async fn receive(parts: &Parts, body: Body) -> Result<Bytes> {
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let Ok(boundary) = multer::parse_boundary(content_type.unwrap_or_default()) else {
        let read = Limited::new(body, MAX_UPLOAD).collect().await;
        return read.map(|read| read.to_bytes()).map_err(|error| {
            match error.is::<LengthLimitError>() {
                true => LiveError::too_large(MAX_UPLOAD as u64),
                false => LiveError::unreadable_body(error),
            }
        });
    };
    let limit = SizeLimit::new().whole_stream(MAX_UPLOAD as u64);
    let constraints = Constraints::new().size_limit(limit);
    let body = FormBody::new(body, &boundary);
    let mut form = Multipart::with_constraints(body, boundary, constraints);
    let failed = |error| match error {
        multer::Error::StreamSizeExceeded { .. } => LiveError::too_large(MAX_UPLOAD as u64),
        error => LiveError::body(format!("The request isn't valid multipart/form-data: {error}.")),
    };
    let part = form.next_field().await.map_err(failed)?;
    let part = part.ok_or_else(|| LiveError::body("The request has no part."))?;
    let bytes = part.bytes().await.map_err(failed)?;
    match form.next_field().await.map_err(failed)? {
        None => Ok(bytes),
        Some(_) => Err(LiveError::body("Only one part is supported in a request.")),
    }
}

/// Responds to `GET` of the signed URL of the logo of the application with `client_id`; `None` if
/// the application has none.
///
/// # Errors
/// 404 if the application does not exist; 400 if the stored logo is no picture; 500 if the storage
/// fails.
pub(in crate::live) async fn serve(
    tree: &Tree,
    account: &Account,
    client_id: &str,
) -> Result<Option<Response>> {
    let id = AccountObjectId::for_client(client_id);
    let failed = |error: TreeError| LiveError::tree(error, &id);
    let data =
        tree.account_object_data(account.drive, AccountObjectKind::Application, id.as_str()).await;
    let Some(data) = data.map_err(failed)? else { return Ok(None) };
    let media_type = check(&data)?.media_type;
    let mut response = Response::new(Body::from(data));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(Some(response))
}
