//! Causes of rejected writes that the cloud's error leaves open. Each function requests the item at
//! the address that was rejected; it is called only after a failure.

use super::{address::Address, error::has_code, item, model::ConflictBehavior, state::GraphDrive};
use crate::drive::{Context, Error, ErrorKind, ItemKind};

/// Refines the error of a write to a name that is in use, although the write would replace a file:
/// the kind of the existing item decides. Other errors are returned unchanged. `item` and
/// `behavior` are those of the rejected request.
pub(super) async fn name_in_use(
    drive: &GraphDrive,
    cx: &Context,
    item: &Address,
    behavior: ConflictBehavior,
    error: Error,
) -> Error {
    if error.kind() != ErrorKind::AlreadyExists || behavior != ConflictBehavior::Replace {
        return error;
    }
    match kind_at(drive, cx, item).await {
        Ok(kind) => name_in_use_by(kind, error),
        Err(_) => error,
    }
}

/// Refines the error of a write to a name that an item of this kind has: `IsAFolder` for a folder,
/// `Conflict` otherwise.
pub(super) fn name_in_use_by(kind: ItemKind, error: Error) -> Error {
    match kind {
        ItemKind::Folder => error.with_kind(ErrorKind::IsAFolder),
        ItemKind::Opaque => {
            let text = format!("{} (is it a OneNote notebook?)", error.message());
            Error::new(ErrorKind::Conflict, text).with_code(error.code().unwrap_or_default())
        }
        ItemKind::File => error.with_kind(ErrorKind::Conflict),
    }
}

/// Refines the error of a request below `folder`: `NotAFolder` if `folder`, or a folder above it, is
/// a file. Other errors are returned unchanged.
pub(super) async fn file_in_path(
    drive: &GraphDrive,
    cx: &Context,
    folder: Address,
    error: Error,
) -> Error {
    if !has_code(&error, "invalidPath") {
        return error;
    }
    let mut address = Some(folder);
    while let Some(folder) = address {
        match kind_at(drive, cx, &folder).await {
            Ok(ItemKind::Folder) => break,
            Ok(ItemKind::File | ItemKind::Opaque) => return error.with_kind(ErrorKind::NotAFolder),
            Err(missing)
                if matches!(missing.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) =>
            {
                address = folder.parent();
            }
            Err(_) => break,
        }
    }
    error
}

/// Requests the item at an address and returns its kind.
///
/// # Errors
/// Those of [`Client::item`](super::Client::item), such as `NotFound`.
pub(super) async fn kind_at(
    drive: &GraphDrive,
    cx: &Context,
    item: &Address,
) -> Result<ItemKind, Error> {
    let wire = drive.client.item(cx, item, None).await?;
    Ok(item::from_response(wire, None)?.kind)
}
