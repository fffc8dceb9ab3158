//! Lists of folders, complete or page by page.
//!
//! Two siblings may have the same name (live-connect#duplicate-names). The newest one counts.

use std::{cmp::Reverse, collections::HashMap};

use super::{
    client::ROOT,
    item::{from_object_in, is_file_id},
    model::Object,
    names::fold,
    options::ListQuery,
    state::LiveDrive,
};
use crate::drive::{
    Context, Cursor, Error, ErrorKind, Item, ItemId, Page, PageGuard, Result, Secret,
};

/// Returns all items in a folder, without older items of the same name.
///
/// # Errors
/// `NotFound` if the folder does not exist, `NotAFolder` for a file, `Unexpected` if the cloud
/// repeats a page or the listing has more pages than [`PageGuard`] accepts, and [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn all(drive: &LiveDrive, cx: &Context, folder: &ItemId) -> Result<Vec<Item>> {
    let (mut objects, mut guard) = (Vec::new(), PageGuard::default());
    let mut query = ListQuery::default();
    loop {
        let (page, next) = request_page(drive, cx, folder, &query).await?;
        guard.record(page.len(), next.as_ref().map(|next| to_cursor(next).0).as_ref())?;
        objects.extend(page);
        match next {
            Some(next) => query = next,
            None => return Ok(to_items(newest_only(objects, folder), folder)),
        }
    }
}

/// Returns the newest item of that name in a folder, a file or a folder; `None` if it has none.
/// Names are compared by [`fold`], without regard to case. Lists the whole folder.
///
/// # Errors
/// Those of [`all`]: `NotFound` means that the folder does not exist.
pub(super) async fn find(
    drive: &LiveDrive,
    cx: &Context,
    folder: &ItemId,
    name: &str,
) -> Result<Option<Item>> {
    let wanted = fold(name);
    let items = all(drive, cx, folder).await?;
    Ok(items.into_iter().find(|item| fold(&item.name) == wanted))
}

/// Returns one page. The newest item of a name precedes the older ones, which the adapter reports.
///
/// # Errors
/// `InvalidInput` if the cursor does not belong to this service, and those of [`all`].
pub(super) async fn page(
    drive: &LiveDrive,
    cx: &Context,
    folder: &ItemId,
    from: Option<&Cursor>,
) -> Result<Page> {
    let query = from.map_or_else(|| Ok(ListQuery::default()), from_cursor)?;
    let (objects, next) = request_page(drive, cx, folder, &query).await?;
    let items = to_items(newest_first(objects), folder);
    Ok(Page { items, next: next.as_ref().map(to_cursor) })
}

/// Returns the objects of a page and the query of the next page; `None` on the last page.
///
/// # Errors
/// `NotFound` if the folder does not exist, `NotAFolder` for a file, `Unexpected` if the offset of
/// the next page is not above that of this one, and [request
/// errors](crate::drive::Error#request-errors).
async fn request_page(
    drive: &LiveDrive,
    cx: &Context,
    folder: &ItemId,
    query: &ListQuery,
) -> Result<(Vec<Object>, Option<ListQuery>)> {
    if is_file_id(folder) {
        return Err(Error::new(ErrorKind::NotAFolder, "a file has no children"));
    }
    let page = drive.client.files(cx, folder.as_str(), query).await?;
    if folder.as_str() == ROOT
        && let Some(id) = page.data.iter().find_map(|object| object.parent_id.as_deref())
    {
        drive.remember_root(id);
    }
    let next = match &page.paging {
        Some(paging) => paging.next_page()?,
        None => None,
    };
    if let Some(offset) = next.as_ref().and_then(|next| next.offset)
        && offset <= query.offset.unwrap_or(0)
    {
        let text = format!("cannot end the list: the next page is at {offset} again");
        return Err(Error::new(ErrorKind::Unexpected, text));
    }
    Ok((page.data, next))
}

/// Encodes offset and limit as `OFFSET/LIMIT` or `OFFSET`.
pub(super) fn to_cursor(query: &ListQuery) -> Cursor {
    let offset = query.offset.unwrap_or(0);
    Cursor(Secret::from(match query.limit {
        Some(limit) => format!("{offset}/{limit}"),
        None => offset.to_string(),
    }))
}

/// Parses a cursor of [`to_cursor`].
///
/// # Errors
/// `InvalidInput` for any other text.
pub(super) fn from_cursor(cursor: &Cursor) -> Result<ListQuery> {
    let text = cursor.0.expose();
    let (offset, limit) = match text.split_once('/') {
        Some((offset, limit)) => (offset, Some(limit.parse().map_err(|_| foreign_cursor())?)),
        None => (text, None),
    };
    let offset = Some(offset.parse().map_err(|_| foreign_cursor())?);
    Ok(ListQuery { limit, offset, ..ListQuery::default() })
}

/// Returns the `InvalidInput` error for a cursor of another drive.
fn foreign_cursor() -> Error {
    Error::new(ErrorKind::InvalidInput, "the cursor does not belong to this drive")
}

/// Converts the objects of a folder.
fn to_items(objects: Vec<Object>, folder: &ItemId) -> Vec<Item> {
    objects.into_iter().map(|object| from_object_in(folder.clone(), object)).collect()
}

/// Moves the newest object of each name before the others of the name.
fn newest_first(objects: Vec<Object>) -> Vec<Object> {
    let mut first_of = HashMap::with_capacity(objects.len());
    let mut ordered: Vec<Object> = Vec::with_capacity(objects.len());
    for object in objects {
        let name = fold(&object.name).into_owned();
        let at = *first_of.entry(name).or_insert(ordered.len());
        let is_newer = ordered.get(at).is_some_and(|first| age(&object) < age(first));
        ordered.push(object);
        if is_newer {
            let last = ordered.len() - 1;
            ordered.swap(at, last);
        }
    }
    ordered
}

/// Removes all but the newest object of each name, and logs the removed ones.
fn newest_only(objects: Vec<Object>, folder: &ItemId) -> Vec<Object> {
    let mut index_of = HashMap::with_capacity(objects.len());
    let mut kept: Vec<Object> = Vec::with_capacity(objects.len());
    for object in objects {
        let at = *index_of.entry(fold(&object.name).into_owned()).or_insert(kept.len());
        let Some(first) = kept.get_mut(at) else {
            kept.push(object);
            continue;
        };
        let older =
            if age(&object) < age(first) { std::mem::replace(first, object) } else { object };
        tracing::warn!(
            folder = %folder,
            name = older.name,
            hidden = older.id,
            shown = kept[at].id,
            "two items have the same name: only the newer one is visible"
        );
    }
    kept
}

/// Returns the sort key of an object's age; the newest object has the smallest key. The key is the
/// time, then the number at the end of the id, which grows with each object
/// (live-connect#id-numbers).
fn age(object: &Object) -> impl Ord + use<> {
    let number = object.id.rsplit_once('!').and_then(|(_, number)| number.parse::<u64>().ok());
    Reverse((object.updated_time, number))
}
