//! What has changed in the drive since it was last asked (onedrive-graph#delta).

use super::{
    address::{IdInDrive, ParsedId, Side, root_id},
    drive::GraphDrive,
    item,
    list::advanced,
    model::{ItemPage, ListEntry},
    recursive_list::is_too_old,
};
use crate::drive::{
    ChangePage, Context, Cursor, Error, ErrorKind, ItemId, ItemKind, ItemRef, Result,
};

/// One page of changes; the cursor is the cloud's own link.
pub(super) async fn changes(
    drive: &GraphDrive,
    cx: &Context,
    since: Option<&Cursor>,
) -> Result<ChangePage> {
    let Some(Cursor(link)) = since else { return from_now_on(drive, cx).await };
    let mut items = match drive.client.page(cx, link).await {
        // 410: the link has become too old.
        Err(error) if is_too_old(&error) => {
            return Ok(ChangePage { reset: true, ..from_now_on(drive, cx).await? });
        }
        items => items?,
    };
    advanced(Some(link), &items)?;
    let (next, more) = end_of(&mut items)?;
    let at =
        drive.at(cx, &ItemRef::from_id(&root_id(drive.special.as_deref())), Side::Contents).await?;
    let within = drive.drive_of(cx, &at).await?;
    let mut removed = Vec::new();
    items.value.retain(|entry| match entry {
        ListEntry::Item(item) if item.deleted.is_some() => {
            let id = IdInDrive { drive: within, id: &item.id }.to_id();
            removed.push((id, kind(item.file.is_some(), item.folder.is_some())));
            false
        }
        _ => true,
    });
    let items = items.value.into_iter().filter_map(|entry| item::entry(entry, within)).collect();
    Ok(ChangePage { items, removed, next, more, reset: false })
}

async fn from_now_on(drive: &GraphDrive, cx: &Context) -> Result<ChangePage> {
    let at =
        drive.at(cx, &ItemRef::from_id(&root_id(drive.special.as_deref())), Side::Contents).await?;
    let mut items = drive.client.latest(cx, &at).await?;
    let (next, more) = end_of(&mut items)?;
    Ok(ChangePage { items: Vec::new(), removed: Vec::new(), next, more, reset: false })
}

/// Where a page says to go on, and whether at once.
fn end_of(items: &mut ItemPage) -> Result<(Cursor, bool)> {
    match (items.next.take(), items.delta.take()) {
        (Some(next), _) => Ok((Cursor(next), true)),
        (None, Some(delta)) => Ok((Cursor(delta), false)),
        (None, None) => Err(Error::new(
            ErrorKind::Unexpected,
            "the change feed breaks off: its page names neither the next one nor the end",
        )),
    }
}

fn kind(file: bool, folder: bool) -> Option<ItemKind> {
    match (file, folder) {
        (true, false) => Some(ItemKind::File),
        (false, true) => Some(ItemKind::Folder),
        _ => None,
    }
}

/// Whether the drive's feed tells what becomes of an item: not of what is in another drive.
pub(super) fn tells_of(id: &ItemId) -> bool {
    let ids = ParsedId::parse(id);
    ids.stands_for.is_none() && ids.own.drive.is_none()
}
