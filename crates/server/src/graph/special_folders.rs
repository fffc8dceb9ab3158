//! Special folders: ordinary folders with a name that every client knows
//! (onedrive-graph#special-folders).

use http::Method;

use super::{
    drive_context::DriveContext,
    error::{Error, Result},
};
use crate::tree::{ChildName, ItemKey, NewItem, NodeKind, OnConflict, ROOT};

/// Each special folder's name, and where it is. The names that people see are inferred.
const FOLDERS: [(&str, &[&str]); 6] = [
    ("approot", &["Apps", "drivedal"]),
    ("cameraroll", &["Pictures", "Camera Roll"]),
    ("desktop", &["Desktop"]),
    ("documents", &["Documents"]),
    ("music", &["Music"]),
    ("photos", &["Pictures"]),
];

/// A special folder, made when it is first asked for; a HEAD makes none
/// (onedrive-graph#head-requests).
pub(super) async fn folder(scope: &DriveContext<'_>, name: &str) -> Result<ItemKey> {
    let (_, path) = FOLDERS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
        Error::invalid(format!("The special folder identifier '{name}' isn't valid."))
    })?;
    let found = scope.tree().walk(scope.drive(), ROOT, path).await?;
    if let Some(folder) = found.get(path.len()) {
        return Ok(folder.no);
    }
    if scope.request.method == Method::HEAD {
        return Err(Error::not_found());
    }
    let Some((name, folders)) = path.split_last() else { return Ok(ROOT) };
    let new = NewItem {
        folders: folders.iter().map(|&folder| folder.to_owned()).collect(),
        ..NewItem::default()
    };
    let (tree, kind) = (scope.tree(), NodeKind::Folder);
    Ok(tree
        .make(ChildName::new(scope.drive(), ROOT, name), kind, new, OnConflict::Replace)
        .await?
        .node
        .no)
}

/// What special folder an item is, by where it is: the names of the folders above it, and its own.
pub(super) fn name_of(above: &[String], name: &str) -> Option<&'static str> {
    let is = |path: &[&str]| {
        path.split_last().is_some_and(|(last, folders)| *last == name && above == folders)
    };
    FOLDERS.iter().find(|(_, path)| is(path)).map(|(special, _)| *special)
}
