//! Actions on one item: thumbnails, preview, permanent deletion, restore, check-out.

use super::{
    AccountKind,
    address::{Address, Shortcut},
    item,
    model::{FolderReference, ItemPatch, ThumbnailSize},
    state::GraphDrive,
};
use crate::drive::{
    Conditions, Context, Download, Error, ErrorKind, Item, ItemId, ItemRef, Result, Secret, Target,
    Thumbnail,
};

/// Largest side of a thumbnail in pixels. The documentation does not limit custom sizes; larger ones
/// are rejected.
const THUMBNAIL_SIDE_MAX: u32 = 2048;

/// Returns the thumbnails of a file in all sizes.
///
/// # Errors
/// `NotFound` if the file does not exist; [request errors](crate::drive::Error#request-errors).
pub(super) async fn thumbnail_urls(
    drive: &GraphDrive,
    cx: &Context,
    file: &ItemRef,
) -> Result<Vec<Thumbnail>> {
    let address = drive.address(cx, file, Shortcut::Follow).await?;
    let page = drive.client.thumbnails(cx, &address).await;
    let sets = drive.explained(cx, &address, page).await?.value;
    let sizes = sets.into_iter().flat_map(|set| set.sizes);
    let thumbnails = sizes.filter_map(|(size, image)| match image {
        ThumbnailSize::Image(image) => {
            let thumbnail = Thumbnail::new(size, image.url?);
            Some(Thumbnail { width: image.width, height: image.height, ..thumbnail })
        }
        ThumbnailSize::Unknown(_) => None,
    });
    Ok(thumbnails.collect())
}

/// Downloads a thumbnail of a file that fits into a square.
///
/// # Errors
/// `NotFound` if the file does not exist or has no thumbnail; `InvalidInput` for a side of 0 or more
/// than 2,048 pixels; [request errors](crate::drive::Error#request-errors).
pub(super) async fn thumbnail(
    drive: &GraphDrive,
    cx: &Context,
    file: &ItemRef,
    side: u32,
) -> Result<Download> {
    if !(1..=THUMBNAIL_SIDE_MAX).contains(&side) {
        let text = format!(
            "cannot request a thumbnail of {side} pixels: its side has 1 to {THUMBNAIL_SIDE_MAX}"
        );
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    let address = drive.address(cx, file, Shortcut::Follow).await?;
    let download = drive.client.thumbnail(cx, &address, side).await;
    drive.explained(cx, &address, download).await
}

/// Returns the URL of a page that shows a file.
///
/// # Errors
/// `NotFound` if the file does not exist; `Unsupported` if the cloud has no URL for a GET request;
/// [request errors](crate::drive::Error#request-errors).
pub(super) async fn preview_url(
    drive: &GraphDrive,
    cx: &Context,
    file: &ItemRef,
) -> Result<Secret> {
    let address = drive.address(cx, file, Shortcut::Follow).await?;
    let preview = drive.client.preview(cx, &address).await;
    let preview = drive.explained(cx, &address, preview).await?;
    preview.get_url.ok_or_else(|| Error::unsupported("a preview of this file"))
}

/// Deletes an item for good. Graph documents the request for items by id, so an item that is addressed
/// by path is requested first.
///
/// # Errors
/// `Unsupported` for the root; `NotFound` if the item does not exist; [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn purge(drive: &GraphDrive, cx: &Context, item: &ItemRef) -> Result<()> {
    let mut address = drive.address(cx, item, Shortcut::Keep).await?;
    if drive.is_root(&address) {
        return Err(Error::new(ErrorKind::Unsupported, "cannot delete the root folder"));
    }
    if address.known_id().is_none() {
        let found = super::download::get_item(drive, cx, &address, Conditions::NONE).await?;
        address = by_id(drive, cx, &found.id).await?;
    }
    let purged = drive.client.permanent_delete(cx, &address).await;
    drive.explained(cx, &address, purged).await
}

/// Restores an item from the recycle bin of a personal drive.
///
/// # Errors
/// `Unsupported` in a drive that is known not to be a personal one; `NotFound` if the item is not in
/// the recycle bin; `AlreadyExists` if the name is taken; [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn restore(
    drive: &GraphDrive,
    cx: &Context,
    id: &ItemId,
    target: Option<&Target>,
) -> Result<Item> {
    if drive.kind.is_some_and(|kind: AccountKind| !kind.is_personal()) {
        return Err(Error::unsupported("a restore from the recycle bin (personal drives only)"));
    }
    let address = by_id(drive, cx, id).await?;
    let mut patch = ItemPatch::default();
    if let Some(target) = target {
        patch.name = Some(target.name.clone());
        let folder = drive.address(cx, &target.folder, Shortcut::Follow).await?;
        let folder = drive.client.item(cx, &folder, None).await?;
        patch.parent_reference = Some(FolderReference::Id { drive_id: None, id: folder.id });
    }
    let restored = drive.client.restore(cx, &address, &patch).await?;
    item::from_response(restored, drive.foreign_drive(&address))
}

/// Returns the address of an item by its id. A shortcut is not followed.
///
/// # Errors
/// Those of [`GraphDrive::address`].
async fn by_id(drive: &GraphDrive, cx: &Context, id: &ItemId) -> Result<Address> {
    drive.address(cx, &ItemRef::from_id(id), Shortcut::Keep).await
}

/// Checks a file out.
///
/// # Errors
/// `NotFound` if the file does not exist; `Unsupported` in a drive that is known to be a personal
/// one; `Conflict` if the file is locked or checked out; [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn check_out(drive: &GraphDrive, cx: &Context, file: &ItemRef) -> Result<()> {
    let address = address_for_check_out(drive, cx, file).await?;
    let done = drive.client.check_out(cx, &address).await;
    drive.explained(cx, &address, done).await
}

/// Checks a file in.
///
/// # Errors
/// Those of [`check_out`]; [request errors](crate::drive::Error#request-errors) if the file is not
/// checked out.
pub(super) async fn check_in(
    drive: &GraphDrive,
    cx: &Context,
    file: &ItemRef,
    comment: &str,
) -> Result<()> {
    let address = address_for_check_out(drive, cx, file).await?;
    let done = drive.client.check_in(cx, &address, comment).await;
    drive.explained(cx, &address, done).await
}

/// Discards the check-out of a file.
///
/// # Errors
/// Those of [`check_in`].
pub(super) async fn discard_check_out(
    drive: &GraphDrive,
    cx: &Context,
    file: &ItemRef,
) -> Result<()> {
    let address = address_for_check_out(drive, cx, file).await?;
    let done = drive.client.discard_check_out(cx, &address).await;
    drive.explained(cx, &address, done).await
}

/// Returns the address of a file to check out or in.
///
/// # Errors
/// `Unsupported` in a drive that is known to be a personal one; those of [`GraphDrive::address`].
async fn address_for_check_out(
    drive: &GraphDrive,
    cx: &Context,
    file: &ItemRef,
) -> Result<Address> {
    if drive.kind.is_some_and(AccountKind::is_personal) {
        return Err(Error::unsupported("check-outs in personal drives"));
    }
    drive.address(cx, file, Shortcut::Follow).await
}
