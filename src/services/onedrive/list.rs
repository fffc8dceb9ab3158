//! Folders, page by page.

use super::{
    address::{Address, Side},
    client::PAGE_MAX,
    drive::GraphDrive,
    error::has_code,
    item,
    model::ItemPage,
};
use crate::drive::{Context, Cursor, Error, ErrorKind, ItemRef, Page, Result, Secret};

/// One page of a folder's children.
///
/// # Errors
/// `NotFound` for a missing folder, `NotAFolder` for a locked one.
pub(super) async fn page(
    drive: &GraphDrive,
    cx: &Context,
    folder: &ItemRef,
    limit: Option<usize>,
    from: Option<&Cursor>,
) -> Result<Page> {
    let at = drive.at(cx, folder, Side::Contents).await?;
    let items = match from {
        None => drive.client.children(cx, &at, page_size(limit)).await,
        Some(Cursor(link)) => drive.client.page(cx, link).await,
    };
    let items = match (items, from) {
        (Ok(items), _) => items,
        (Err(error), Some(_)) => return Err(broken_off(error)),
        // The response of a locked Personal Vault (onedrive-graph#personal-vault).
        (Err(error), None) if has_code(&error, "invalidResourceId") => {
            return Err(error.with_kind(ErrorKind::NotAFolder));
        }
        (Err(error), None) => return Err(drive.item_error(cx, &at, error).await),
    };
    drive.note_seen();
    advanced(from.map(|Cursor(link)| link), &items)?;
    entries(drive, cx, items, &at).await
}

/// A page's items, as this drive names them.
pub(super) async fn entries(
    drive: &GraphDrive,
    cx: &Context,
    items: ItemPage,
    folder: &Address,
) -> Result<Page> {
    let elsewhere = drive.drive_of(cx, folder).await?;
    let entries = items.value.into_iter().map(|entry| item::listed(entry, elsewhere));
    Ok(Page { items: entries.collect(), next: items.next.map(Cursor) })
}

/// A listing that has begun is not whole if a later page is missing: that must not look like a
/// folder that is not there.
pub(super) fn broken_off(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => error.with_kind(ErrorKind::Conflict),
        _ => error,
    }
}

/// A page that names itself as the next one would be asked for for ever.
pub(super) fn advanced(asked: Option<&Secret>, items: &ItemPage) -> Result<()> {
    match (asked, &items.next) {
        (Some(asked), Some(next)) if asked == next => Err(Error::new(
            ErrorKind::Unexpected,
            "the listing does not go on: a page names itself as the next one",
        )),
        _ => Ok(()),
    }
}

pub(super) fn page_size(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX)
}
