//! Special folders: ordinary folders with a name that every client knows (`onedrive-graph.md`,
//! A23).

use http::Method;
use serde_json::json;

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
    for (depth, segment) in path.iter().enumerate() {
        let mut new = NewItem::default();
        if depth + 1 == path.len() {
            new.facets.insert("graph".into(), json!({"specialFolder": {"name": name}}));
        }
        let made = scope
            .tree()
            .make(scope.drive(), folder, segment, NodeKind::Folder, new, OnConflict::Replace)
            .await?;
        folder = made.node.no;
    }
    Ok(folder)
}
