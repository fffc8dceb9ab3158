//! Folders that have a name of their own in the API (live-connect#op-friendly-folders).

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

/// Each friendly name, and where the folder is. The names that people see are inferred; they are
/// those of OneDrive's special folders here, so that both protocols mean the same folder.
const FOLDERS: [(&str, &[&str]); 4] = [
    ("camera_roll", &["Pictures", "Camera Roll"]),
    ("my_documents", &["Documents"]),
    ("my_photos", &["Pictures"]),
    ("public_documents", &["Public"]),
];

/// The one that everybody can see.
const PUBLIC: &str = "public_documents";

/// A friendly name as it is known.
pub(super) fn known(name: &str) -> Option<&'static str> {
    FOLDERS.iter().find(|(known, _)| *known == name).map(|(known, _)| *known)
}

/// The folder of a friendly name, made when it is first asked for.
pub(super) async fn folder(
    state: &ServerState,
    account: &Account,
    name: &'static str,
) -> Result<ItemKey> {
    let path = FOLDERS.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, path)| path);
    let failed = |error| LiveError::tree(error, format!("me/skydrive/{name}"));
    let found = state.tree.walk(account.drive, ROOT, path).await.map_err(failed)?;
    if let Some(folder) = found.get(path.len()) {
        return match folder.kind {
            NodeKind::Folder => Ok(folder.no),
            NodeKind::File | NodeKind::Notebook => {
                Err(LiveError::not_found(format!("me/skydrive/{name}")))
            }
        };
    }
    let mut folder = ROOT;
    for step in path {
        let facets = match name == PUBLIC {
            true => LiveFacets::of_public().facets(),
            false => Map::new(),
        };
        let new = NewItem { facets, ..NewItem::default() };
        let made = state.tree.make(
            ChildName::new(account.drive, folder, step),
            NodeKind::Folder,
            new,
            OnConflict::Replace,
        );
        folder = made.await.map_err(failed)?.node.no;
    }
    Ok(folder)
}
