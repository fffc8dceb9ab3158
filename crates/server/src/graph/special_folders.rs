//! Special folders: ordinary folders with a name that every client knows
//! (onedrive-graph#special-folders).

use super::error::{Error, Result};
use crate::tree::{ChildName, DriveKey, ItemKey, NewItem, NodeKind, OnConflict, ROOT, Tree};

/// The names of the special folders, and their paths. The paths are inferred.
const FOLDERS: [(&str, &[&str]); 6] = [
    ("approot", &["Apps", "drivedal"]),
    ("cameraroll", &["Pictures", "Camera Roll"]),
    ("desktop", &["Desktop"]),
    ("documents", &["Documents"]),
    ("music", &["Music"]),
    ("photos", &["Pictures"]),
];

/// Returns the folder with a special name. If it does not exist, creates it and its parents, unless
/// `create` is false.
///
/// # Errors
/// 400 for an unknown name, 404 if the folder does not exist and `create` is false, 500 if the
/// storage fails.
pub(super) async fn folder(
    tree: &Tree,
    drive: DriveKey,
    name: &str,
    create: bool,
) -> Result<ItemKey> {
    let (_, path) = FOLDERS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
        Error::invalid(format!("The special folder identifier '{name}' isn't valid."))
    })?;
    let found = tree.walk(drive, ROOT, path).await?;
    if let Some(folder) = found.get(path.len()) {
        return Ok(folder.no);
    }
    if !create {
        return Err(Error::not_found());
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

/// Returns the special name of the folder at a path, or `None` for an ordinary item. `parent_path`
/// has the names from the root down to the item's parent.
pub(super) fn name_of(parent_path: &[String], name: &str) -> Option<&'static str> {
    let is_at = |path: &[&str]| {
        path.split_last().is_some_and(|(last, folders)| *last == name && parent_path == folders)
    };
    FOLDERS.iter().find(|(_, path)| is_at(path)).map(|(special, _)| *special)
}
