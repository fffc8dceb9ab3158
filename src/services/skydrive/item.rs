//! From what is on the wire to items, and what ids tell.

use super::{
    client::ROOT,
    model::{Object, ObjectKind},
};
use crate::drive::{DownloadUrl, Item, ItemId, ItemKind};

/// An id under which a folder is known here: the root's is its alias. Only the root's id has no
/// second dot (live-connect#id-kind).
pub(super) fn known_id(id: &str) -> ItemId {
    let is_root = id.strip_prefix("folder.").is_some_and(|cid| !cid.contains('.'));
    ItemId::from(if is_root { ROOT } else { id })
}

/// Ids tell files from folders (live-connect#id-kind).
pub(super) fn is_file_id(id: &ItemId) -> bool {
    id.as_str().starts_with("file.")
}

pub(super) fn is_folder_id(id: &ItemId) -> bool {
    let id = id.as_str();
    id == ROOT || id.starts_with("folder.") || id.starts_with("album.")
}

pub(super) fn item(object: Object) -> Item {
    let kind = match object.kind {
        ObjectKind::Folder | ObjectKind::Album => ItemKind::Folder,
        ObjectKind::File | ObjectKind::Photo | ObjectKind::Video | ObjectKind::Audio => {
            ItemKind::File
        }
        ObjectKind::Notebook | ObjectKind::Untold | ObjectKind::Other(_) => ItemKind::Opaque,
    };
    Item {
        parents: object.parent_id.iter().map(|id| known_id(id)).collect(),
        size: object.size.filter(|_| kind == ItemKind::File),
        children: object.count.filter(|_| kind == ItemKind::Folder),
        created: object.created_time,
        modified: object.client_updated_time.or(object.updated_time),
        download_url: object.source.map(|url| DownloadUrl { url, expires: None }),
        ..Item::new(known_id(&object.id), object.name, kind)
    }
}
