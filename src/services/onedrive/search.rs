//! Search (onedrive-graph#search).

use super::{
    address::Shortcut,
    list::{check_next, convert, page_size},
    state::GraphDrive,
};
use crate::drive::{Context, Cursor, ItemRef, Page, Result, SearchRequest};

/// Returns one page of the items below a folder that a text finds. The cloud's index is not
/// immediately consistent. Business drives do not return the parents of the items.
///
/// # Errors
/// `NotFound` if the folder does not exist; `DriveNotFound` if the drive does not; `Unexpected` if
/// the page names itself as the next one; [request errors](crate::drive::Error#request-errors).
pub(super) async fn page(
    drive: &GraphDrive,
    cx: &Context,
    request: &SearchRequest,
    cursor: Option<&Cursor>,
) -> Result<Page> {
    let folder = match &request.folder {
        Some(folder) => folder.clone(),
        None => ItemRef::from_id(&drive.root_folder_id(cx).await?),
    };
    let address = drive.address(cx, &folder, Shortcut::Follow).await?;
    let page = match cursor {
        Some(Cursor(link)) => drive.client.page(cx, link).await?,
        None => {
            let top = page_size(request.limit);
            let page = drive.client.search(cx, &address, &request.query, top).await;
            drive.explained(cx, &address, page).await?
        }
    };
    check_next(cursor.map(|Cursor(link)| link), &page)?;
    let mut page = convert(drive, page, &address);
    page.items.retain(|item| !item.id.as_str().is_empty() && !item.name.is_empty());
    Ok(page)
}
