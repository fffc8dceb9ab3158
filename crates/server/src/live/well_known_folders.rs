//! Folders that have a well-known name in the API (live-connect#op-friendly-folders).

use serde_json::Map;

use super::{
    error::{LiveError, Result},
    facets::LiveFacets,
};
use crate::{
    account::Account,
    state::ServerState,
    tree::{ChildName, ItemKey, NewItem, NodeKind, OnConflict, ROOT},
};

/// Well-known names and the paths of their folders. The folder names are inferred: they are those
/// of OneDrive's special folders, so that both protocols use the same folders.
const FOLDERS: [(&str, &[&str]); 4] = [
    ("camera_roll", &["Pictures", "Camera Roll"]),
    ("my_documents", &["Documents"]),
    ("my_photos", &["Pictures"]),
    ("public_documents", &["Public"]),
];

/// The folder that everyone can see.
const PUBLIC_FOLDER: &str = "public_documents";

/// Returns `name` as a static text if it is exactly the name of a well-known folder, such as
/// `my_documents`; else `None`.
pub(super) fn canonical_name(name: &str) -> Option<&'static str> {
    FOLDERS.iter().find(|(candidate, _)| *candidate == name).map(|(name, _)| *name)
}

/// Returns the folder of a well-known name. Creates it on first use. `name` is a result of
/// [`canonical_name`].
///
/// # Errors
/// 404 if the last step of the path is a file, or a folder of it was deleted meanwhile; 409 if an
/// earlier step is a file; 507 if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn find_or_create(
    state: &ServerState,
    account: &Account,
    name: &'static str,
) -> Result<ItemKey> {
    let path =
        FOLDERS.iter().find(|(candidate, _)| *candidate == name).map_or(&[][..], |(_, path)| path);
    let failed = |error| LiveError::tree(error, format!("me/skydrive/{name}"));
    let nodes = state.tree.walk(account.drive, ROOT, path).await.map_err(failed)?;
    if let Some(folder) = nodes.get(path.len()) {
        return match folder.kind {
            NodeKind::Folder => Ok(folder.no),
            NodeKind::File | NodeKind::Notebook => {
                Err(LiveError::not_found(format!("me/skydrive/{name}")))
            }
        };
    }
    let mut folder = ROOT;
    for step in path {
        let facets = match name == PUBLIC_FOLDER {
            true => LiveFacets::for_public_folder().to_map(),
            false => Map::new(),
        };
        let new = NewItem { facets, ..NewItem::default() };
        let created = state.tree.make(
            ChildName::new(account.drive, folder, step),
            NodeKind::Folder,
            new,
            OnConflict::Replace,
        );
        folder = created.await.map_err(failed)?.node.no;
    }
    Ok(folder)
}
