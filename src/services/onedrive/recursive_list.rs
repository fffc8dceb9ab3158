//! A whole tree in one paged answer: the change feed from its beginning (onedrive-graph#delta).
//!
//! A page names its items' parents by id, and the listed folder's own id is known only from the
//! feed itself, so it travels in the cursor. Items come more than once, in the state they have now;
//! what is gone is left out.

use serde::{Deserialize, Serialize};

use super::{
    address::{Address, BaseItem, IdInDrive, Side},
    drive::GraphDrive,
    error::has_code,
    list::{advanced, entries, page_size},
    model::{ItemPage, ListEntry},
};
use crate::drive::{Context, Cursor, Error, ErrorKind, ItemRef, Page, Result, Secret};

/// How often a feed may say that it must be read anew before that is an error.
const ANEW_MAX: u32 = 3;

/// Where a feed goes on.
#[derive(Deserialize, Serialize)]
struct Position {
    /// The next page; `None`: from the beginning.
    link: Option<String>,
    /// The listed folder's own id.
    folder: String,
    /// How often the feed was begun anew.
    anew: u32,
}

/// One page of everything below a folder.
///
/// # Errors
/// `NotFound` for a missing folder.
pub(super) async fn page(
    drive: &GraphDrive,
    cx: &Context,
    folder: &ItemRef,
    limit: Option<usize>,
    from: Option<&Cursor>,
) -> Result<Page> {
    let at = drive.at(cx, folder, Side::Contents).await?;
    let position = from.map(Position::of).transpose()?;
    let link = position.as_ref().and_then(|position| position.link.as_deref()).map(Secret::from);
    let items = match &link {
        Some(link) => drive.client.page(cx, link).await,
        None => drive.client.delta(cx, &at, page_size(limit)).await,
    };
    let mut items = match (items, &position) {
        // A page that is gone is the same as a link that is too old.
        (Err(error), Some(position))
            if is_too_old(&error) || error.kind() == ErrorKind::NotFound =>
        {
            return anew(position, error);
        }
        (Err(error), None) if is_too_old(&error) => {
            return Err(error.with_kind(ErrorKind::Conflict));
        }
        (Err(error), Some(_)) => return Err(error),
        (Err(error), None) => return Err(drive.item_error(cx, &at, error).await),
        (Ok(items), _) => items,
    };
    advanced(link.as_ref(), &items)?;
    if items.next.is_none() && items.delta.is_none() {
        return Err(Error::new(
            ErrorKind::Unexpected,
            "the change feed breaks off: its page names neither the next one nor the end",
        ));
    }
    let folder = match position.as_ref() {
        Some(position) => position.folder.clone(),
        None => own_id(drive, cx, &at, &items).await?,
    };
    items.value.retain(|entry| match entry {
        ListEntry::Item(item) => item.deleted.is_none() && item.root.is_none() && item.id != folder,
        ListEntry::Other(_) => true,
    });
    let next = items.next.take();
    let mut page = entries(drive, cx, items, &at).await?;
    let anew = position.map_or(0, |position| position.anew);
    page.next = next
        .map(|link| Position { link: Some(link.expose().to_owned()), folder: folder.clone(), anew })
        .map(Position::cursor);
    let folder = IdInDrive { drive: drive.drive_of(cx, &at).await?, id: &folder }.to_id();
    // What is in no folder is not below this one; what is in this one needs no parent's name.
    page.items.retain(|item| !item.parents.is_empty());
    for item in &mut page.items {
        item.parents.retain(|parent| *parent != folder);
    }
    Ok(page)
}

/// The listed folder's own id: what the caller named it by, what the feed says of it, or asked for.
async fn own_id(
    drive: &GraphDrive,
    cx: &Context,
    at: &Address,
    items: &ItemPage,
) -> Result<String> {
    if let Some(id) = at.known_id() {
        return Ok(id.to_owned());
    }
    let is_root = at.path.is_empty() && at.anchor == BaseItem::Root;
    let root = |entry: &ListEntry| match entry {
        ListEntry::Item(item) if item.root.is_some() && !item.id.is_empty() => {
            Some(item.id.clone())
        }
        _ => None,
    };
    let ask = async || Ok(drive.client.item(cx, at, None).await?.id);
    if !is_root {
        return ask().await;
    }
    drive
        .root
        .get_or_try_init(|| async {
            match items.value.iter().find_map(root) {
                Some(id) => Ok(id),
                None => ask().await,
            }
        })
        .await
        .cloned()
}

/// 410: the link has become too old. What it would have led to is asked for again from the
/// beginning: items come more than once anyway.
pub(super) fn is_too_old(error: &Error) -> bool {
    error.status() == Some(410)
        || has_code(error, "resyncRequired")
        || has_code(error, "syncStateNotFound")
}

fn anew(position: &Position, error: Error) -> Result<Page> {
    if position.anew >= ANEW_MAX {
        return Err(error.with_kind(ErrorKind::Conflict));
    }
    let next = Position { link: None, folder: position.folder.clone(), anew: position.anew + 1 };
    Ok(Page { items: Vec::new(), next: Some(next.cursor()) })
}

impl Position {
    fn of(Cursor(text): &Cursor) -> Result<Self> {
        serde_json::from_str(text.expose()).map_err(|_| {
            Error::new(ErrorKind::InvalidInput, "the cursor is not one of this listing's")
        })
    }

    fn cursor(self) -> Cursor {
        let text = serde_json::to_string(&self).expect("text and numbers are always JSON");
        Cursor(text.into())
    }
}
