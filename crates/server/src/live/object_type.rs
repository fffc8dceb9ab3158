//! The types of objects (live-connect#object-schemas).

use serde::Serialize;

use super::facets::LiveFacets;
use crate::{
    file_class::FileClass,
    tree::{Node, NodeKind},
};

/// The member `type` of an object.
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
    /// Returns the type of an item.
    pub(super) fn from_node(node: &Node) -> Self {
        match node.kind {
            NodeKind::Folder if LiveFacets::is_album(node) => Self::Album,
            NodeKind::Folder => Self::Folder,
            NodeKind::File => Self::from_name(&node.name),
            NodeKind::Notebook => Self::Notebook,
        }
    }

    /// Returns the type of a file by its name.
    pub(super) fn from_name(name: &str) -> Self {
        match FileClass::from_name(name) {
            FileClass::Photo => Self::Photo,
            FileClass::Audio => Self::Audio,
            FileClass::Video => Self::Video,
            FileClass::Other => Self::File,
        }
    }

    /// Returns the value of `type`.
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

    /// Returns whether the scope `wl.photos` is sufficient to read the object
    /// (live-connect#scopes-by-operation).
    pub(super) fn is_visual(self) -> bool {
        matches!(self, Self::Album | Self::Photo | Self::Video)
    }
}
