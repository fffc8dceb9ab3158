//! The photo of a user, which is the picture of the account's profile. Live Connect shows the same.

use std::io::{self, Cursor};

use axum::{body::Body, response::Response};
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use http::{HeaderValue, StatusCode, header};
use image::{ImageFormat, ImageReader};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{PhotoAction, account_of_user};
use crate::{
    account::Account,
    graph::{
        address::Owner,
        contract::Payload,
        error::{Error, Result},
        request::GraphRequest,
        response,
    },
    media::{Fetch, Reading, ThumbnailSource, picture::Frame},
    tree::{AccountObject, AccountObjectKind, TreeError},
};

/// Maximum size of a photo in bytes
/// (<https://learn.microsoft.com/en-us/graph/api/profilephoto-update>).
const MAX_PHOTO: usize = 4 << 20;

/// The sides of the square sizes in pixels
/// (<https://learn.microsoft.com/en-us/graph/api/profilephoto-get>).
const SIZES: [u32; 9] = [48, 64, 96, 120, 240, 360, 432, 504, 648];

/// Serves a request to the photo of a user.
///
/// # Errors
/// Those of [`account_of_user`]; 400 for an unknown size, and for a new photo that is neither JPEG
/// nor PNG or cannot be decoded; 403 for the photo of another user; 404 if the user has no photo, or
/// a smaller one than the size; 413 for a new photo of more than [`MAX_PHOTO`] bytes; 507 or 500 if
/// the storage fails.
pub(super) async fn serve(
    request: &GraphRequest,
    owner: &Owner,
    action: PhotoAction,
    payload: Payload,
) -> Result<Response> {
    let account = account_of_user(request, owner).await?;
    match action {
        PhotoAction::List => {
            let photo = Photo::load(request, &account).await?;
            let sizes = SIZES.into_iter().filter(|side| *side <= photo.side());
            let value: Vec<_> = sizes.map(|side| describe(side, side, photo.media_type)).collect();
            let body =
                json!({"@odata.context": request.url("/$metadata#profilePhotos"), "value": value});
            Ok(response::json(StatusCode::OK, &body))
        }
        PhotoAction::Get(size) => {
            let photo = Photo::load(request, &account).await?;
            let mut body = match photo.sized(size.as_deref())? {
                Some(side) => describe(side, side, photo.media_type),
                None => describe(photo.width, photo.height, photo.media_type),
            };
            body["@odata.context"] = request.url("/$metadata#profilePhotos/$entity").into();
            Ok(response::json(StatusCode::OK, &request.selection.project_resource(body)))
        }
        PhotoAction::Content(size) => {
            let photo = Photo::load(request, &account).await?;
            match photo.sized(size.as_deref())? {
                Some(side) => photo.scaled(request, side).await,
                None => Ok(picture(photo.bytes, photo.media_type)),
            }
        }
        PhotoAction::Put => put(request, &account, payload).await,
    }
}

/// A stored photo.
struct Photo {
    bytes: Bytes,
    media_type: &'static str,
    /// In pixels.
    width: u32,
    height: u32,
}

impl Photo {
    /// Reads the photo of a user.
    ///
    /// # Errors
    /// 404 if the user has none; 500 if it cannot be decoded, or the storage fails.
    async fn load(request: &GraphRequest, account: &Account) -> Result<Self> {
        let (tree, kind) = (&request.state.tree, AccountObjectKind::Profile);
        match tree.account_object_data(account.drive, kind, "").await {
            Ok(Some(bytes)) => Self::parse(bytes.into()).map_err(undecodable),
            Ok(None) | Err(TreeError::NotFound) => Err(no_photo()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads format and size of a picture.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if it is neither JPEG nor PNG, or its header is malformed.
    fn parse(bytes: Bytes) -> io::Result<Self> {
        let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
        let reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format()?;
        let media_type = match reader.format() {
            Some(ImageFormat::Jpeg) => "image/jpeg",
            Some(ImageFormat::Png) => "image/png",
            _ => return Err(invalid("it is neither JPEG nor PNG".to_owned())),
        };
        let (width, height) =
            reader.into_dimensions().map_err(|error| invalid(error.to_string()))?;
        Ok(Self { bytes, media_type, width, height })
    }

    /// Returns the shorter side in pixels.
    fn side(&self) -> u32 {
        self.width.min(self.height)
    }

    /// Returns the side of a size such as `48x48`, in pixels; `None` if no size is given.
    ///
    /// # Errors
    /// 400 for a size that the reference does not have, 404 for one larger than the photo.
    fn sized(&self, size: Option<&str>) -> Result<Option<u32>> {
        let Some(size) = size else { return Ok(None) };
        let side =
            SIZES.into_iter().find(|side| format!("{side}x{side}").eq_ignore_ascii_case(size));
        match side {
            Some(side) if side <= self.side() => Ok(Some(side)),
            Some(_) => Err(no_photo()),
            None => {
                Err(Error::bad_query(format!("The size '{size}' of a photo is not supported.")))
            }
        }
    }

    /// Returns the response with the photo as a square.
    ///
    /// # Errors
    /// 500 if the photo cannot be decoded.
    async fn scaled(self, request: &GraphRequest, side: u32) -> Result<Response> {
        let data = self.bytes;
        let reading = || Reading::new(data.len() as u64, Fetch::from_bytes(data.clone()));
        let (hash, frame) = (Sha256::digest(&data).into(), Frame::square(side));
        let scaled = request.state.thumbnails.get(hash, ThumbnailSource::Whole, frame, reading);
        match scaled.await.map_err(undecodable)? {
            Some(scaled) => Ok(picture(scaled.bytes, scaled.media_type)),
            None => Err(no_photo()),
        }
    }
}

/// `PUT photo/$value`: replaces the photo of the own user.
///
/// # Errors
/// 400 if the body ends early, is neither JPEG nor PNG, or cannot be decoded; 403 for another user;
/// 413 for more than [`MAX_PHOTO`] bytes; 507 or 500 if the storage fails.
async fn put(request: &GraphRequest, account: &Account, payload: Payload) -> Result<Response> {
    // An application may change all users.
    if request.caller().await?.user.is_some_and(|user| user.name != account.name) {
        return Err(Error::access_denied());
    }
    let mut stream = payload.into_stream();
    let mut bytes = BytesMut::new();
    let unreadable = |error| Error::invalid(format!("cannot read the request body: {error}"));
    while let Some(piece) = stream.try_next().await.map_err(unreadable)? {
        if bytes.len() + piece.len() > MAX_PHOTO {
            return Err(Error::too_large(MAX_PHOTO as u64));
        }
        bytes.extend_from_slice(&piece);
    }
    let photo = Photo::parse(bytes.freeze()).map_err(refused)?;
    // A file that is only a header is no picture.
    let data = photo.bytes.clone();
    let reading = || Reading::new(data.len() as u64, Fetch::from_bytes(data.clone()));
    let (hash, frame) = (Sha256::digest(&data).into(), Frame::square(SIZES[0]));
    let decoded = request.state.thumbnails.get(hash, ThumbnailSource::Whole, frame, reading);
    decoded.await.map_err(refused)?;
    let (tree, kind) = (&request.state.tree, AccountObjectKind::Profile);
    let profile = match tree.account_object(account.drive, kind, "").await {
        Ok(profile) => profile,
        Err(TreeError::NotFound) => AccountObject::new(kind, ""),
        Err(error) => return Err(error.into()),
    };
    let profile = AccountObject { data: Some(photo.bytes), ..profile };
    tree.put_account_object(account.drive, profile).await?;
    Ok(response::empty(StatusCode::OK))
}

/// Returns the properties of a photo. Sides are in pixels.
fn describe(width: u32, height: u32, media_type: &str) -> Value {
    json!({
        "id": format!("{width}x{height}"),
        "@odata.mediaContentType": media_type,
        "width": width,
        "height": height,
    })
}

/// Returns the response with a picture.
fn picture(bytes: Bytes, media_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Returns 404 for a user without a photo of the size.
fn no_photo() -> Error {
    Error::new(StatusCode::NOT_FOUND, "ImageNotFound", "The photo wasn't found.")
}

/// Returns 500 for a stored picture that cannot be decoded.
fn undecodable(error: io::Error) -> Error {
    let message = format!("cannot decode the stored photo: {error}");
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, "generalException", message)
}

/// Returns 400 for a new photo that cannot be used.
fn refused(error: io::Error) -> Error {
    Error::invalid(format!("cannot use the photo: {error}"))
}
