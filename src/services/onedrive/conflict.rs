//! Why something was refused, where the cloud's own words leave it open: one look more, after a
//! failure only.

use super::{address::Address, drive::GraphDrive, error::has_code, item, model::ConflictBehavior};
use crate::drive::{Context, Error, ErrorKind, ItemKind, Retry};

/// A name that is taken although a file was to be replaced: by what?
pub(super) async fn taken(
    drive: &GraphDrive,
    cx: &Context,
    at: &Address,
    behavior: ConflictBehavior,
    error: Error,
) -> Error {
    // Two writers of one name: the cloud lets one finish first
    // (onedrive-graph#session-name-in-use).
    if error.message().contains("currently being uploaded") {
        return error.with_kind(ErrorKind::Conflict).with_retry(Retry::Again { after: None });
    }
    if behavior != ConflictBehavior::Replace {
        return error;
    }
    match kind(drive, cx, at).await {
        Ok(kind) => taken_by(kind, error),
        Err(_) => error,
    }
}

/// A name is taken by something of that kind, that a file was to replace.
pub(super) fn taken_by(kind: ItemKind, error: Error) -> Error {
    match kind {
        ItemKind::Folder => error.with_kind(ErrorKind::IsAFolder),
        ItemKind::Opaque => {
            let text = format!("{} (is it a OneNote notebook?)", error.message());
            Error::new(ErrorKind::Conflict, text).with_code(error.code().unwrap_or_default())
        }
        ItemKind::File => error.with_kind(ErrorKind::Conflict),
    }
}

/// A path that the cloud does not take: is there a file where a folder should be?
pub(super) async fn in_the_way(
    drive: &GraphDrive,
    cx: &Context,
    folder: Address,
    error: Error,
) -> Error {
    if !has_code(&error, "invalidPath") {
        return error;
    }
    let mut at = Some(folder);
    while let Some(folder) = at {
        match kind(drive, cx, &folder).await {
            Ok(ItemKind::Folder) => break,
            Ok(ItemKind::File | ItemKind::Opaque) => return error.with_kind(ErrorKind::NotAFolder),
            Err(missing)
                if matches!(missing.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) =>
            {
                at = folder.parent();
            }
            Err(_) => break,
        }
    }
    error
}

pub(super) async fn kind(
    drive: &GraphDrive,
    cx: &Context,
    at: &Address,
) -> Result<ItemKind, Error> {
    let wire = drive.client.item(cx, at, None).await?;
    Ok(item::item(wire, None)?.kind)
}
