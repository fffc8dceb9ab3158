//! The change feed of the drive (onedrive-graph#delta).

use jiff::Timestamp;

use super::{
    address::{Address, IdInDrive, ParsedId, Shortcut},
    item,
    list::check_next,
    model::{ItemPage, ListEntry},
    recursive_list::{incomplete_feed, is_expired},
    state::GraphDrive,
};
use crate::drive::{ChangePage, Context, Cursor, Error, ItemId, ItemKind, ItemRef, Result};

/// Returns one page of changes after `since`. With `None`, or if the cloud no longer knows the
/// cursor, the page is empty and its cursor denotes the current state.
///
/// # Errors
/// `Unexpected` if the page has no link to continue or leads to itself; `DriveNotFound` if the
/// drive does not exist; [request errors](crate::drive::Error#request-errors).
pub(super) async fn page(
    drive: &GraphDrive,
    cx: &Context,
    since: Option<&Cursor>,
) -> Result<ChangePage> {
    let Some(Cursor(link)) = since else { return current_state(drive, cx).await };
    let page = match drive.client.page(cx, link).await {
        Err(error) if is_expired(&error) => return resynchronized(drive, cx).await,
        page => page?,
    };
    check_next(Some(link), &page)?;
    let root = ItemRef::from_id(&drive.root_folder_id(cx).await?);
    let address = drive.address(cx, &root, Shortcut::Follow).await?;
    convert(drive, &address, page)
}

/// Returns the first page of changes since a point in time. A time before the start of the feed has
/// the result of a cursor that the cloud no longer knows.
///
/// # Errors
/// `Unsupported` in a drive that is known to be a personal one (onedrive-graph#delta-timestamp);
/// those of [`page`].
pub(super) async fn page_since(
    drive: &GraphDrive,
    cx: &Context,
    since: Timestamp,
) -> Result<ChangePage> {
    if drive.kind.is_some_and(super::AccountKind::is_personal) {
        return Err(Error::unsupported("a change feed that starts at a time (personal drives)"));
    }
    let root = ItemRef::from_id(&drive.root_folder_id(cx).await?);
    let address = drive.address(cx, &root, Shortcut::Follow).await?;
    match drive.client.delta_since(cx, &address, since).await {
        Err(error) if is_expired(&error) => resynchronized(drive, cx).await,
        Err(error) => Err(drive.item_error(cx, &address, error).await),
        Ok(page) => convert(drive, &address, page),
    }
}

/// Returns the page for a position that the cloud no longer knows: the current state of the drive.
///
/// # Errors
/// Those of [`current_state`].
async fn resynchronized(drive: &GraphDrive, cx: &Context) -> Result<ChangePage> {
    Ok(ChangePage { reset: true, ..current_state(drive, cx).await? })
}

/// Converts a page of the feed. `address` is that of the root folder of the service.
///
/// # Errors
/// `Unexpected` if the page has no link to continue.
fn convert(drive: &GraphDrive, address: &Address, mut page: ItemPage) -> Result<ChangePage> {
    let (next, more) = take_next(&mut page)?;
    let foreign_drive = drive.foreign_drive(address);
    let mut removed = Vec::new();
    page.value.retain(|entry| match entry {
        ListEntry::Item(item) if item.deleted.is_some() => {
            let id = IdInDrive { drive: foreign_drive, id: &item.id }.to_id();
            removed.push((id, kind(item.file.is_some(), item.folder.is_some())));
            false
        }
        _ => true,
    });
    let items = page.value.into_iter();
    let items = items.filter_map(|entry| item::from_complete_entry(entry, foreign_drive)).collect();
    Ok(ChangePage { items, removed, next, more, reset: false })
}

/// Returns an empty page whose cursor denotes the current state of the drive.
///
/// # Errors
/// `Unexpected` if the response has no link to continue; [request
/// errors](crate::drive::Error#request-errors).
async fn current_state(drive: &GraphDrive, cx: &Context) -> Result<ChangePage> {
    let root = ItemRef::from_id(&drive.root_folder_id(cx).await?);
    let address = drive.address(cx, &root, Shortcut::Follow).await?;
    let mut page = drive.client.delta_latest(cx, &address).await?;
    let (next, more) = take_next(&mut page)?;
    Ok(ChangePage { items: Vec::new(), removed: Vec::new(), next, more, reset: false })
}

/// Takes the cursor of the next page out of a page. The flag is `true` if that page is available
/// now, and `false` if it will contain later changes.
///
/// # Errors
/// `Unexpected` if the page has neither link.
fn take_next(page: &mut ItemPage) -> Result<(Cursor, bool)> {
    match (page.next.take(), page.delta.take()) {
        (Some(next), _) => Ok((Cursor(next), true)),
        (None, Some(delta)) => Ok((Cursor(delta), false)),
        (None, None) => Err(incomplete_feed()),
    }
}

/// Returns the kind of a deleted item, from the presence of its facets `file` and `folder`; `None`
/// if they do not say.
fn kind(file: bool, folder: bool) -> Option<ItemKind> {
    match (file, folder) {
        (true, false) => Some(ItemKind::File),
        (false, true) => Some(ItemKind::Folder),
        _ => None,
    }
}

/// Returns whether the feed contains changes of the item with this id. It does not contain items of
/// other drives, nor the targets of shortcuts.
pub(super) fn covers(id: &ItemId) -> bool {
    let id = ParsedId::parse(id);
    !id.is_shortcut() && id.item.drive.is_none()
}
