//! Folders that have a well-known name in the API (live-connect#op-friendly-folders).

use super::error::{LiveError, Result};
use crate::{
    account::Account,
    state::ServerState,
    tree::{
        ChildName, ItemKey, NewItem, NodeKind, OnConflict, Permission, PermissionKind, ROOT, Role,
        TreeError,
    },
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
    if let Some(folder) = existing(state, account, name).await? {
        return Ok(folder);
    }
    let mut folder = ROOT;
    for step in path {
        let created = state.tree.make(
            ChildName::new(account.drive, folder, step),
            NodeKind::Folder,
            NewItem::default(),
            OnConflict::Replace,
        );
        folder = created.await.map_err(failed)?.node.no;
    }
    if name == PUBLIC_FOLDER {
        let everyone = Permission::new(folder, "everyone", PermissionKind::Everyone, Role::Read);
        let publish = |all: &mut Vec<Permission>| {
            if all.is_empty() {
                all.push(everyone);
            }
            Ok::<_, TreeError>(())
        };
        let published = state.tree.change_permissions(account.drive, folder, publish).await;
        published.and_then(|published| published).map_err(failed)?;
    }
    Ok(folder)
}

/// Returns the folder of a well-known name, without creating it.
///
/// # Errors
/// 404 if it does not exist or is a file; 500 if the storage fails.
pub(super) async fn find(
    state: &ServerState,
    account: &Account,
    name: &'static str,
) -> Result<ItemKey> {
    let path = || format!("{}/skydrive/{name}", account.cid);
    existing(state, account, name).await?.ok_or_else(|| LiveError::not_found(path()))
}

/// Returns the folder of a well-known name; `None` if it does not exist.
///
/// # Errors
/// 404 if the last step of the path is a file; 500 if the storage fails.
async fn existing(
    state: &ServerState,
    account: &Account,
    name: &'static str,
) -> Result<Option<ItemKey>> {
    let subject = || format!("me/skydrive/{name}");
    let path =
        FOLDERS.iter().find(|(candidate, _)| *candidate == name).map_or(&[][..], |(_, path)| path);
    let nodes = state.tree.walk(account.drive, ROOT, path).await;
    let nodes = nodes.map_err(|error| LiveError::tree(error, subject()))?;
    match nodes.get(path.len()) {
        None => Ok(None),
        Some(folder) if folder.kind == NodeKind::Folder => Ok(Some(folder.no)),
        Some(_) => Err(LiveError::not_found(subject())),
    }
}
