//! Conversion of objects into items, and the information in ids (live-connect#id-kind).

use super::{
    client::ROOT,
    model::{Object, ObjectKind},
};
use crate::drive::{Conditions, DownloadUrl, Error, Item, ItemId, ItemKind, ItemRef, Result};

/// Returns the id in a reference. Capabilities exclude references by path.
///
/// # Errors
/// `Unsupported` for a reference by a path that is not empty.
pub(super) fn id_of(item: &ItemRef) -> Result<&ItemId> {
    match item {
        ItemRef::Item { id, .. } => Ok(id),
        ItemRef::Path { base, path } if path.is_empty() => Ok(base),
        ItemRef::Path { .. } => Err(Error::unsupported("a reference by path")),
    }
}

/// Rejects conditions: Live Connect has no etags.
///
/// # Errors
/// `Unsupported` for any condition.
pub(super) fn reject_conditions(conditions: &Conditions) -> Result<()> {
    match conditions {
        Conditions { if_match: None, if_none_match: None } => Ok(()),
        _ => Err(Error::unsupported("a conditional request")),
    }
}

/// Returns the id that this drive uses for an object: the root's alias [`ROOT`] in place of its
/// real id, the only id without a second dot.
pub(super) fn normalize_id(id: &str) -> ItemId {
    let is_root = id.strip_prefix("folder.").is_some_and(|cid| !cid.contains('.'));
    ItemId::from(if is_root { ROOT } else { id })
}

/// Returns whether an id belongs to a file: it begins with `file.`. Lower case only.
pub(super) fn is_file_id(id: &ItemId) -> bool {
    id.as_str().starts_with("file.")
}

/// Returns whether an id belongs to a folder or album: it is the root's alias, or begins with
/// `folder.` or `album.`. Lower case only.
pub(super) fn is_folder_id(id: &ItemId) -> bool {
    let id = id.as_str();
    id == ROOT || id.starts_with("folder.") || id.starts_with("album.")
}

/// Converts an object.
pub(super) fn from_object(object: Object) -> Item {
    let kind = match object.kind {
        ObjectKind::Folder | ObjectKind::Album => ItemKind::Folder,
        ObjectKind::File | ObjectKind::Photo | ObjectKind::Video | ObjectKind::Audio => {
            ItemKind::File
        }
        ObjectKind::Notebook | ObjectKind::Unspecified | ObjectKind::Other(_) => ItemKind::Opaque,
    };
    Item {
        parents: object.parent_id.iter().map(|id| normalize_id(id)).collect(),
        size: object.size.filter(|_| kind == ItemKind::File),
        children: object.count.filter(|_| kind == ItemKind::Folder),
        created: object.created_time,
        modified: object.client_updated_time.or(object.updated_time),
        download_url: object.source.map(|url| DownloadUrl { url, expires: None }),
        ..Item::new(normalize_id(&object.id), object.name, kind)
    }
}

/// Converts an object whose folder is known.
pub(super) fn from_object_in(folder: ItemId, object: Object) -> Item {
    Item { parents: vec![folder], ..from_object(object) }
}
