//! Renaming, moving and setting times: one request for all of it.

use std::borrow::Cow;

use super::{
    address::{Address, DriveRef, ParsedId, Side},
    conflict,
    drive::{GraphDrive, behavior},
    item,
    model::{FileSystemInfo, FolderReference, ItemPatch},
    names,
};
use crate::drive::{Context, Error, ErrorKind, Item, ItemRef, ItemUpdate, Result};

/// Changes an item's name, folder or time.
///
/// # Errors
/// `Conflict` for a folder below itself, `Unsupported` for the root, `Exists`.
pub(super) async fn perform(
    drive: &GraphDrive,
    cx: &Context,
    at: &ItemRef,
    item: Option<&Item>,
    change: &ItemUpdate,
) -> Result<Item> {
    let address = drive.at(cx, at, Side::Entry).await?;
    if address.is_alias() {
        return Err(Error::new(ErrorKind::Unsupported, "the root folder stays as it is"));
    }
    if let (ItemRef::Path { base, path }, Some(ItemRef::Path { base: to, path: below })) =
        (at, &change.folder)
        && base == to
        && is_within(below, path, names::fold_of(drive.kind))
    {
        return Err(Error::new(ErrorKind::Conflict, "a folder cannot be moved below itself"));
    }
    let parent_reference = match &change.folder {
        Some(folder) => Some(reference(drive, cx, folder, &address.drive).await?),
        None => None,
    };
    let moves = change.name.is_some() || change.folder.is_some();
    let patch = ItemPatch {
        name: change.name.clone(),
        parent_reference,
        file_system_info: times(item.filter(|_| moves), change),
    };
    let behavior = behavior(change.if_exists);
    match (drive.client.update(cx, &address, &patch, behavior).await, &change.folder) {
        (Ok(wire), _) => item::item(wire, drive.drive_of(cx, &address).await?),
        (Err(error), None) => Err(error),
        (Err(error), Some(folder)) => {
            let folder = drive.at(cx, folder, Side::Contents).await?;
            Err(conflict::in_the_way(drive, cx, folder, error).await)
        }
    }
}

/// How a request names a folder in its body: by path where that is possible, else by id, which
/// may have to be asked for.
pub(super) async fn reference(
    drive: &GraphDrive,
    cx: &Context,
    folder: &ItemRef,
    from: &DriveRef,
) -> Result<FolderReference> {
    let at = drive.at(cx, folder, Side::Contents).await?;
    let elsewhere = match &at.drive {
        same if same == from => None,
        DriveRef::Id(id) => Some(id.to_string()),
        _ => match drive.home.by_id(&drive.client, cx).await? {
            DriveRef::Id(id) => Some(id.to_string()),
            _ => None,
        },
    };
    if elsewhere.is_none() {
        let home = drive.home.get(&drive.client, cx).await?;
        let named = match &at.drive == home {
            true => drive.home.referable(&drive.client, cx).await?.clone(),
            false => at.drive.clone(),
        };
        if let Some(path) = (Address { drive: named, ..at.clone() }).reference_path() {
            return Ok(FolderReference::Path { path });
        }
    }
    let id = match at.known_id() {
        Some(id) => id.to_owned(),
        None => drive.client.item(cx, &at, None).await?.id,
    };
    Ok(FolderReference::Id { drive_id: elsewhere, id })
}

/// The times that go with a change. A move or a new name would reset them
/// (onedrive-graph#file-system-info), so what is known of them is said again; a shortcut's are
/// those of what it stands for, and not its own to change.
fn times(item: Option<&Item>, change: &ItemUpdate) -> Option<FileSystemInfo> {
    let item = item.filter(|item| ParsedId::parse(&item.id).stands_for.is_none());
    let times = FileSystemInfo {
        created_date_time: item.and_then(|item| item.created),
        last_modified_date_time: change.modified.or(item.and_then(|item| item.modified)),
    };
    (times != FileSystemInfo::default()).then_some(times)
}

fn is_within(path: &str, folder: &str, fold: fn(&str) -> Cow<'_, str>) -> bool {
    let mut names = path.split('/').map(fold);
    folder.split('/').all(|name| names.next() == Some(fold(name)))
}
