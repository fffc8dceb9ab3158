//! Folders, whole or page by page.

use std::{cmp::Reverse, collections::HashMap};

use super::{
    client::ROOT,
    drive::LiveDrive,
    item::{is_file_id, item},
    model::Object,
    names,
    options::Listing,
};
use crate::drive::{
    Context, Cursor, Error, ErrorKind, Item, ItemId, Page, PageGuard, Result, Secret,
};

/// Everything in a folder.
pub(super) async fn whole(drive: &LiveDrive, cx: &Context, folder: &ItemId) -> Result<Vec<Item>> {
    let (mut objects, mut pages) = (Vec::new(), PageGuard::default());
    let mut part = Listing::default();
    loop {
        let (more, next) = ask(drive, cx, folder, &part).await?;
        pages.record(more.len(), next.as_ref().map(|next| cursor(next).0).as_ref())?;
        objects.extend(more);
        match next {
            Some(next) => part = next,
            None => return Ok(items(newest(objects, folder), folder)),
        }
    }
}

/// One page. Of the items of one name on it the newest comes first; the others follow, for the
/// adapter to report.
pub(super) async fn page(
    drive: &LiveDrive,
    cx: &Context,
    folder: &ItemId,
    from: Option<&Cursor>,
) -> Result<Page> {
    let part = from.map_or_else(|| Ok(Listing::default()), part)?;
    let (objects, next) = ask(drive, cx, folder, &part).await?;
    let items = items(newest_first(objects), folder);
    Ok(Page { items, next: next.map(|next| cursor(&next)) })
}

/// One request: the objects of a part, and where the next part is.
async fn ask(
    drive: &LiveDrive,
    cx: &Context,
    folder: &ItemId,
    part: &Listing,
) -> Result<(Vec<Object>, Option<Listing>)> {
    if is_file_id(folder) {
        return Err(Error::new(ErrorKind::NotAFolder, "a file has no children"));
    }
    let answer = drive.client.files(cx, folder.as_str(), part).await?;
    if folder.as_str() == ROOT
        && let Some(id) = answer.data.iter().find_map(|object| object.parent_id.as_deref())
    {
        drive.root_seen(id);
    }
    let next = match &answer.paging {
        Some(paging) => paging.next_part()?,
        None => None,
    };
    let next = match next {
        Some((_, offset)) if offset <= part.offset.unwrap_or(0) => {
            let text = format!("the listing goes on at {offset}, where it has been already");
            return Err(Error::new(ErrorKind::Unexpected, text));
        }
        Some((limit, offset)) => {
            Some(Listing { limit, offset: Some(offset), ..Listing::default() })
        }
        None => None,
    };
    Ok((answer.data, next))
}

fn cursor(part: &Listing) -> Cursor {
    let offset = part.offset.unwrap_or(0);
    Cursor(Secret::from(match part.limit {
        Some(limit) => format!("{offset}/{limit}"),
        None => offset.to_string(),
    }))
}

fn part(cursor: &Cursor) -> Result<Listing> {
    let text = cursor.0.expose();
    let (offset, limit) = match text.split_once('/') {
        Some((offset, limit)) => (offset, Some(limit.parse().map_err(|_| foreign())?)),
        None => (text, None),
    };
    let offset = Some(offset.parse().map_err(|_| foreign())?);
    Ok(Listing { limit, offset, ..Listing::default() })
}

fn foreign() -> Error {
    Error::new(ErrorKind::InvalidInput, "the cursor is not one of this drive's")
}

/// As items of that folder.
fn items(objects: Vec<Object>, folder: &ItemId) -> Vec<Item> {
    objects
        .into_iter()
        .map(|object| Item { parents: vec![folder.clone()], ..item(object) })
        .collect()
}

/// The same objects, the newest of each name before the others of the name.
fn newest_first(objects: Vec<Object>) -> Vec<Object> {
    let mut first_of = HashMap::with_capacity(objects.len());
    let mut ordered: Vec<Object> = Vec::with_capacity(objects.len());
    for object in objects {
        let name = names::fold(&object.name).into_owned();
        let at = *first_of.entry(name).or_insert(ordered.len());
        let is_newer = ordered.get(at).is_some_and(|rival| age(&object) < age(rival));
        ordered.push(object);
        if is_newer {
            let last = ordered.len() - 1;
            ordered.swap(at, last);
        }
    }
    ordered
}

/// Of the objects of one name the newest alone.
fn newest(objects: Vec<Object>, folder: &ItemId) -> Vec<Object> {
    let mut first_of = HashMap::with_capacity(objects.len());
    let mut kept: Vec<Object> = Vec::with_capacity(objects.len());
    for object in objects {
        let at = *first_of.entry(names::fold(&object.name).into_owned()).or_insert(kept.len());
        let Some(rival) = kept.get_mut(at) else {
            kept.push(object);
            continue;
        };
        let older =
            if age(&object) < age(rival) { std::mem::replace(rival, object) } else { object };
        tracing::warn!(
            folder = %folder,
            name = older.name,
            hidden = older.id,
            shown = kept[at].id,
            "two items have one name: the newer one is shown"
        );
    }
    kept
}

/// Smaller is newer: by time, then by the number at the id's end, which only grows
/// (live-connect#id-numbers).
fn age(object: &Object) -> impl Ord + use<> {
    let number = object.id.rsplit_once('!').and_then(|(_, number)| number.parse::<u64>().ok());
    Reverse((object.updated_time, number))
}
