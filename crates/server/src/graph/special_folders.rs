//! Special folders: ordinary folders with a name that every client knows
//! (onedrive-graph#special-folders).

use super::error::{Error, Result};
use crate::tree::{ChildName, DriveKey, ItemKey, NewItem, NodeKind, OnConflict, ROOT, Tree};

/// The names of the special folders, and their paths. The paths are inferred.
const FOLDERS: [(&str, &[&str]); 6] = [
    (APP_ROOT, &["Apps", "drivedal"]),
    ("cameraroll", &["Pictures", "Camera Roll"]),
    ("desktop", &["Desktop"]),
    ("documents", &["Documents"]),
    ("music", &["Music"]),
    ("photos", &["Pictures"]),
];

/// The folder of the application.
pub(super) const APP_ROOT: &str = "approot";

/// The response to a request for a special folder that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnMissing {
    /// The folder and its parents are created.
    Create,
    /// 404.
    NotFound,
    /// 403: the token cannot create it.
    Denied,
}

/// Returns the item at the path of a special folder. `name` is the special name in lower case, such
/// as `documents`. `on_missing` decides whether it is created. It does not check whether the item
/// is a folder.
///
/// # Errors
/// 400 for an unknown name; 404 or 403 if the folder does not exist and is not created, as
/// `on_missing` says; 409 if a file has the name of a folder above it; 507 if the disk of the
/// storage is full; 500 if the storage fails.
pub(super) async fn folder(
    tree: &Tree,
    drive: DriveKey,
    name: &str,
    on_missing: OnMissing,
) -> Result<ItemKey> {
    let (_, path) = FOLDERS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
        Error::invalid(format!("The special folder identifier '{name}' isn't valid."))
    })?;
    let found = tree.walk(drive, ROOT, path).await?;
    if let Some(folder) = found.get(path.len()) {
        return Ok(folder.no);
    }
    match on_missing {
        OnMissing::Create => {}
        OnMissing::NotFound => return Err(Error::not_found()),
        OnMissing::Denied => return Err(Error::access_denied()),
    }
    let Some((name, folders)) = path.split_last() else { return Ok(ROOT) };
    let new = NewItem {
        folders: folders.iter().map(|&folder| folder.to_owned()).collect(),
        ..NewItem::default()
    };
    let child = ChildName::new(drive, ROOT, name);
    let made = tree.make(child, NodeKind::Folder, new, OnConflict::Replace).await?;
    Ok(made.node.no)
}

/// Returns the special name of the folder at a path; `None` for an ordinary item. `parent_path` has
/// the names from below the root down to the item's parent. Names are compared with their case.
pub(super) fn name_of(parent_path: &[String], name: &str) -> Option<&'static str> {
    let is_at = |path: &[&str]| {
        path.split_last().is_some_and(|(last, folders)| *last == name && parent_path == folders)
    };
    FOLDERS.iter().find(|(_, path)| is_at(path)).map(|(special, _)| *special)
}
