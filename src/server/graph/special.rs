//! Special folders: ordinary folders with a name that every client knows (`onedrive-graph.md`,
//! A23).

use http::Method;

use super::{
    error::{Error, Result},
    scope::Scope,
};
use crate::server::tree::{ItemNo, NewItem, NodeKind, OnConflict, ROOT};

/// Each special folder's name, and where it is. The names that people see are inferred.
const FOLDERS: [(&str, &[&str]); 6] = [
    ("approot", &["Apps", "drivedal"]),
    ("cameraroll", &["Pictures", "Camera Roll"]),
    ("desktop", &["Desktop"]),
    ("documents", &["Documents"]),
    ("music", &["Music"]),
    ("photos", &["Pictures"]),
];

/// A special folder, made when it is first asked for; a HEAD makes none (A1).
pub(super) async fn folder(scope: &Scope<'_>, name: &str) -> Result<ItemNo> {
    let (_, path) = FOLDERS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
        Error::invalid(format!("The special folder identifier '{name}' isn't valid."))
    })?;
    let found = scope.tree().walk(scope.drive(), ROOT, path).await?;
    if let Some(folder) = found.get(path.len()) {
        return Ok(folder.no);
    }
    if scope.visit.method == Method::HEAD {
        return Err(Error::not_found());
    }
    let mut folder = ROOT;
    for name in *path {
        let new = NewItem::default();
        let made = scope
            .tree()
            .make(scope.drive(), folder, name, NodeKind::Folder, new, OnConflict::Replace)
            .await?;
        folder = made.node.no;
    }
    Ok(folder)
}

/// What special folder an item is, by where it is: the names of the folders above it, and its own.
pub(super) fn name_of(above: &[String], name: &str) -> Option<&'static str> {
    let is = |path: &[&str]| {
        path.split_last().is_some_and(|(last, folders)| *last == name && above == folders)
    };
    FOLDERS.iter().find(|(_, path)| is(path)).map(|(special, _)| *special)
}
