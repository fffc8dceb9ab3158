//! Renames, moves and changes of times, in one request.

use std::borrow::Cow;

use super::{
    address::{Address, DriveRef, ParsedId, Shortcut},
    conflict, item,
    model::{FileSystemInfo, FolderReference, ItemPatch},
    names,
    state::GraphDrive,
};
use crate::drive::{Context, Error, ErrorKind, Item, ItemRef, ItemUpdate, Result};

/// Changes name, folder or modification time of an item. `known` is the item as the caller knows
/// it, whose times are preserved.
///
/// # Errors
/// `NotFound` if the item or the new folder does not exist, `Conflict` if a folder would move below
/// itself, `Unsupported` for the root folder, `AlreadyExists` if the new name is in use and is not
/// replaced, which a folder never is, `NotAFolder` if the new folder is a file; [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn update(
    drive: &GraphDrive,
    cx: &Context,
    item: &ItemRef,
    known: Option<&Item>,
    change: &ItemUpdate,
) -> Result<Item> {
    let address = drive.address(cx, item, Shortcut::Keep).await?;
    if drive.is_root(&address) {
        return Err(Error::new(ErrorKind::Unsupported, "cannot rename or move the root folder"));
    }
    if let (ItemRef::Path { base, path }, Some(ItemRef::Path { base: to_base, path: to })) =
        (item, &change.folder)
        && base == to_base
        && is_within(to, path, names::fold_for(drive.kind))
    {
        return Err(Error::new(ErrorKind::Conflict, "cannot move a folder below itself"));
    }
    let parent_reference = match &change.folder {
        Some(folder) => Some(folder_reference(drive, cx, folder, &address.drive).await?),
        None => None,
    };
    let moves = change.name.is_some() || change.folder.is_some();
    let patch = ItemPatch {
        name: change.name.clone(),
        parent_reference,
        file_system_info: file_system_info(known.filter(|_| moves), change),
    };
    let updated = drive.client.update(cx, &address, &patch, change.if_exists.into()).await;
    match (updated, &change.folder) {
        (Ok(wire), _) => item::from_response(wire, drive.foreign_drive(&address)),
        (Err(error), None) => Err(error),
        (Err(error), Some(folder)) => {
            let folder = drive.address(cx, folder, Shortcut::Follow).await?;
            Err(conflict::file_in_path(drive, cx, folder, error).await)
        }
    }
}

/// Returns a folder in the form for a request's body: by path if Graph supports it, and otherwise
/// by id, which may need a request. `item_drive` is the drive of the item that the request changes
/// or copies.
///
/// # Errors
/// `NotFound` if the folder does not exist; `DriveNotFound` if the drive does not exist; [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn folder_reference(
    drive: &GraphDrive,
    cx: &Context,
    folder: &ItemRef,
    item_drive: &DriveRef,
) -> Result<FolderReference> {
    let address = drive.address(cx, folder, Shortcut::Follow).await?;
    let other_drive = match &address.drive {
        same if same == item_drive => None,
        DriveRef::Id(id) => Some(id.to_string()),
        _ => match drive.lookup.by_id(&drive.client, cx).await? {
            DriveRef::Id(id) => Some(id.to_string()),
            _ => None,
        },
    };
    if other_drive.is_none() {
        let own_drive = drive.lookup.get(&drive.client, cx).await?;
        let drive_ref = match &address.drive == own_drive {
            true => drive.lookup.for_reference_path(&drive.client, cx).await?.clone(),
            false => address.drive.clone(),
        };
        if let Some(path) = (Address { drive: drive_ref, ..address.clone() }).reference_path() {
            return Ok(FolderReference::Path { path });
        }
    }
    let id = match address.known_id() {
        Some(id) => id.to_owned(),
        None => drive.client.item(cx, &address, None).await?.id,
    };
    Ok(FolderReference::Id { drive_id: other_drive, id })
}

/// Returns the times for a request; `None` if it sets none.
///
/// A rename or a move would reset the times (onedrive-graph#file-system-info), so the times of
/// `known` are sent again. Those of a shortcut belong to its target and are not sent.
fn file_system_info(known: Option<&Item>, change: &ItemUpdate) -> Option<FileSystemInfo> {
    let known = known.filter(|item| !ParsedId::parse(&item.id).is_shortcut());
    let times = FileSystemInfo {
        created_date_time: known.and_then(|item| item.created),
        last_modified_date_time: change.modified.or(known.and_then(|item| item.modified)),
    };
    (times != FileSystemInfo::default()).then_some(times)
}

/// Returns whether a path is that of `folder` or below it. Both have no slashes at their ends.
/// Names are compared by `fold`.
fn is_within(path: &str, folder: &str, fold: fn(&str) -> Cow<'_, str>) -> bool {
    let mut names = path.split('/').map(fold);
    folder.split('/').all(|name| names.next() == Some(fold(name)))
}
