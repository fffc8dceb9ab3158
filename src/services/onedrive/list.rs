//! Listing of a folder's children, page by page.

use super::{
    address::{Address, Shortcut},
    client::PAGE_MAX,
    error::has_code,
    item,
    model::ItemPage,
    state::GraphDrive,
};
use crate::drive::{Context, Cursor, Error, ErrorKind, ListRequest, Page, Result, Secret};

/// Returns one page of a folder's children. The cursor is the URL of the next page. The cloud lists
/// a file as an empty folder.
///
/// # Errors
/// `NotFound` if the folder does not exist, `NotAFolder` for a locked Personal Vault, `Conflict` if
/// a later page does not exist any more, `Unexpected` if the page names itself as the next one,
/// `DriveNotFound` if the drive does not exist; [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn page(
    drive: &GraphDrive,
    cx: &Context,
    request: ListRequest<'_>,
) -> Result<Page> {
    let ListRequest { folder, limit, cursor, .. } = request;
    let address = drive.address(cx, folder, Shortcut::Follow).await?;
    let page = match cursor {
        None => drive.client.children(cx, &address, page_size(limit)).await,
        Some(Cursor(link)) => drive.client.page(cx, link).await,
    };
    let page = match (page, cursor) {
        (Ok(page), _) => page,
        (Err(error), Some(_)) => return Err(later_page_error(error)),
        // The response of a locked Personal Vault (onedrive-graph#personal-vault).
        (Err(error), None) if has_code(&error, "invalidResourceId") => {
            return Err(error.with_kind(ErrorKind::NotAFolder));
        }
        (Err(error), None) => return Err(drive.item_error(cx, &address, error).await),
    };
    drive.note_reachable();
    check_next(cursor.map(|Cursor(link)| link), &page)?;
    Ok(convert(drive, page, &address))
}

/// Converts a page of items in, or below, `folder`.
pub(super) fn convert(drive: &GraphDrive, page: ItemPage, folder: &Address) -> Page {
    let foreign_drive = drive.foreign_drive(folder);
    let items = page.value.into_iter().map(|entry| item::from_entry(entry, foreign_drive));
    Page { items: items.collect(), next: page.next.map(Cursor) }
}

/// Returns the error for a page after the first. `NotFound` becomes `Conflict`: the listing is
/// incomplete, which callers must not mistake for a folder that does not exist.
fn later_page_error(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => error.with_kind(ErrorKind::Conflict),
        _ => error,
    }
}

/// Checks that a page does not name itself as the next one, which would be an infinite listing.
/// `link` is the URL from which `page` was requested; `None` for the first page.
///
/// # Errors
/// `Unexpected` if the page's next link is `link`.
pub(super) fn check_next(link: Option<&Secret>, page: &ItemPage) -> Result<()> {
    match (link, &page.next) {
        (Some(link), Some(next)) if link == next => Err(Error::new(
            ErrorKind::Unexpected,
            "cannot continue the listing: the link to the next page leads to the same page",
        )),
        _ => Ok(()),
    }
}

/// Returns the page size for a request: `limit`, but at least 1 and at most [`PAGE_MAX`], which is
/// also the default.
pub(super) fn page_size(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX)
}
