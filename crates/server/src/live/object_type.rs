//! What `type` says that an object is (live-connect#object-schemas).

use serde::Serialize;

use super::facets::LiveFacets;
use crate::{
    file_class::FileClass,
    tree::{Node, NodeKind},
};

/// What `type` says that an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ObjectType {
    Folder,
    Album,
    File,
    Photo,
    Video,
    Audio,
    Notebook,
}

impl ObjectType {
    pub(super) fn of(node: &Node) -> Self {
        match node.kind {
            NodeKind::Folder if LiveFacets::is_album(node) => Self::Album,
            NodeKind::Folder => Self::Folder,
            NodeKind::File => Self::of_name(&node.name),
            NodeKind::Notebook => Self::Notebook,
        }
    }

    /// Returns the type of a file with that name.
    pub(super) fn of_name(name: &str) -> Self {
        match FileClass::from_name(name) {
            FileClass::Photo => Self::Photo,
            FileClass::Audio => Self::Audio,
            FileClass::Video => Self::Video,
            FileClass::Other => Self::File,
        }
    }

    /// Its name as the reference writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Album => "album",
            Self::File => "file",
            Self::Photo => "photo",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Notebook => "notebook",
        }
    }

    /// Whether `wl.photos` is enough to read it (live-connect#scopes-by-operation).
    pub(super) fn is_visual(self) -> bool {
        matches!(self, Self::Album | Self::Photo | Self::Video)
    }
}
