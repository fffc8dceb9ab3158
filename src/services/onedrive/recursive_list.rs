//! Listing of everything below a folder: the change feed from its beginning (onedrive-graph#delta).
//!
//! The items of a page name their parents by id. The id of the listed folder is known only from the
//! feed or from a request of its own, so the cursor contains it. The feed may contain an item more
//! than once, each time in its current state. Deleted items are left out.

use serde::{Deserialize, Serialize};

use super::{
    address::{Address, BaseItem, IdInDrive, Shortcut},
    error::has_code,
    list::{check_next, convert, page_size},
    model::{ItemPage, ListEntry},
    state::GraphDrive,
};
use crate::drive::{Context, Cursor, Error, ErrorKind, ListRequest, Page, Result, Secret};

/// Maximum number of times that one listing follows the cloud's request to restart the feed.
const RESTARTS_MAX: u32 = 3;

/// Content of the cursor.
#[derive(Deserialize, Serialize)]
struct FeedPosition {
    /// URL of the next page; `None` for the beginning of the feed.
    link: Option<String>,
    /// Id of the listed folder.
    folder: String,
    /// Number of restarts so far.
    restarts: u32,
}

/// Returns one page of the items below a folder.
///
/// # Errors
/// `NotFound` if the folder does not exist, `Conflict` if the cloud restarts the feed again and
/// again, `Unexpected` if a page has no link to continue or leads to itself, `InvalidInput` if the
/// cursor is not one of a recursive listing, `DriveNotFound` if the drive does not exist; [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn page(
    drive: &GraphDrive,
    cx: &Context,
    request: ListRequest<'_>,
) -> Result<Page> {
    let ListRequest { folder, limit, cursor, .. } = request;
    let address = drive.address(cx, folder, Shortcut::Follow).await?;
    let position = cursor.map(FeedPosition::parse).transpose()?;
    let link = position.as_ref().and_then(|position| position.link.as_deref()).map(Secret::from);
    let page = match &link {
        Some(link) => drive.client.page(cx, link).await,
        None => drive.client.delta(cx, &address, page_size(limit)).await,
    };
    let mut page = match (page, &position) {
        // A later page that does not exist means the same as an expired link.
        (Err(error), Some(position))
            if is_expired(&error) || error.kind() == ErrorKind::NotFound =>
        {
            return restart(position, error);
        }
        (Err(error), None) if is_expired(&error) => {
            return Err(error.with_kind(ErrorKind::Conflict));
        }
        (Err(error), Some(_)) => return Err(error),
        (Err(error), None) => return Err(drive.item_error(cx, &address, error).await),
        (Ok(page), _) => page,
    };
    check_next(link.as_ref(), &page)?;
    if page.next.is_none() && page.delta.is_none() {
        return Err(incomplete_feed());
    }
    let (folder, restarts) = match position {
        Some(position) => (position.folder, position.restarts),
        None => (folder_id(drive, cx, &address, &page).await?, 0),
    };
    page.value.retain(|entry| match entry {
        ListEntry::Item(item) => item.deleted.is_none() && item.root.is_none() && item.id != folder,
        ListEntry::Unknown(_) => true,
    });
    let next = page.next.take();
    let mut page = convert(drive, page, &address);
    let folder_id = IdInDrive { drive: drive.foreign_drive(&address), id: &folder };
    let folder_id = folder_id.to_id();
    // An item without parent is not below the folder. The contract allows items directly in the
    // folder to name no parent, and the caller may know the folder by another id.
    page.items.retain(|item| !item.parents.is_empty());
    for item in &mut page.items {
        item.parents.retain(|parent| *parent != folder_id);
    }
    page.next = next
        .map(|link| FeedPosition { link: Some(link.expose().to_owned()), folder, restarts })
        .map(FeedPosition::into_cursor);
    Ok(page)
}

/// Returns the id of the listed folder: from its address, from the first page of the feed, or by a
/// request. The id of the drive's root is cached.
///
/// # Errors
/// Those of [`Client::item`](super::Client::item).
async fn folder_id(
    drive: &GraphDrive,
    cx: &Context,
    folder: &Address,
    page: &ItemPage,
) -> Result<String> {
    if let Some(id) = folder.known_id() {
        return Ok(id.to_owned());
    }
    let request_id = async || Ok(drive.client.item(cx, folder, None).await?.id);
    let is_root = folder.path.is_empty() && folder.base == BaseItem::Root;
    if !is_root {
        return request_id().await;
    }
    let root_id = |entry: &ListEntry| match entry {
        ListEntry::Item(item) if item.root.is_some() && !item.id.is_empty() => {
            Some(item.id.clone())
        }
        _ => None,
    };
    drive
        .root_id
        .get_or_try_init(|| async {
            match page.value.iter().find_map(root_id) {
                Some(id) => Ok(id),
                None => request_id().await,
            }
        })
        .await
        .cloned()
}

/// Returns the error for a page of the feed that is not the last one and has no next page.
pub(super) fn incomplete_feed() -> Error {
    Error::new(
        ErrorKind::Unexpected,
        "cannot continue the change feed: the page has neither a next link nor a delta link",
    )
}

/// Returns whether a request for a page failed because the link has expired: the feed must then be
/// requested from its beginning. `true` for the status 410 and for the codes `resyncRequired` and
/// `syncStateNotFound`.
pub(super) fn is_expired(error: &Error) -> bool {
    error.status() == Some(410)
        || has_code(error, "resyncRequired")
        || has_code(error, "syncStateNotFound")
}

/// Returns an empty page whose cursor is the beginning of the feed. Repeated items are no problem,
/// because the feed may contain items more than once anyway. `error` is the one that says that the
/// link has expired.
///
/// # Errors
/// `error` as `Conflict` after [`RESTARTS_MAX`] restarts.
fn restart(position: &FeedPosition, error: Error) -> Result<Page> {
    if position.restarts >= RESTARTS_MAX {
        return Err(error.with_kind(ErrorKind::Conflict));
    }
    let start = FeedPosition {
        link: None,
        folder: position.folder.clone(),
        restarts: position.restarts + 1,
    };
    Ok(Page { items: Vec::new(), next: Some(start.into_cursor()) })
}

impl FeedPosition {
    /// Parses a cursor that [`into_cursor`](Self::into_cursor) returned.
    ///
    /// # Errors
    /// `InvalidInput` if the cursor belongs to another listing.
    fn parse(Cursor(text): &Cursor) -> Result<Self> {
        serde_json::from_str(text.expose()).map_err(|_| {
            let text = "cannot continue the listing: the cursor belongs to another listing";
            Error::new(ErrorKind::InvalidInput, text)
        })
    }

    /// Returns the position as a cursor.
    fn into_cursor(self) -> Cursor {
        let text = serde_json::to_string(&self).expect("strings and numbers serialize to JSON");
        Cursor(text.into())
    }
}
