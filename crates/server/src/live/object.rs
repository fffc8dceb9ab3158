//! The JSON object of an item (live-connect#object-schemas).

use serde::Serialize;

use super::{
    details::Details,
    facets::{LiveFacets, SortBy},
    object_access::ObjectAccess,
    object_type::ObjectType,
    objects::{ObjectView, Objects, UserName, time},
};
use crate::tree::{Node, NodeKind, ROOT};

/// Display name of the root folder.
const ROOT_NAME: &str = "SkyDrive";

/// An item, with the members that the reference documents for its type.
#[derive(Serialize)]
pub(super) struct Object<'a> {
    id: String,
    from: UserName<'a>,
    name: &'a str,
    description: Option<&'a str>,
    parent_id: Option<String>,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_location: Option<String>,
    comments_count: usize,
    comments_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags_enabled: Option<bool>,
    is_embeddable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sort_by: Option<SortBy>,
    #[serde(flatten)]
    details: Option<Details>,
    link: String,
    #[serde(rename = "type")]
    object_type: ObjectType,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_with: Option<SharedWith>,
    created_time: String,
    updated_time: String,
    client_updated_time: String,
}

/// Who can see an item.
#[derive(Serialize)]
struct SharedWith {
    access: &'static str,
}

impl Objects {
    /// Returns the object of an item. `above` is the access of its parent folder.
    pub(super) fn object<'a>(
        &'a self,
        node: &'a Node,
        view: ObjectView,
        above: ObjectAccess,
    ) -> Object<'a> {
        let facets = LiveFacets::from_node(node);
        let object_type = ObjectType::from_node(node);
        let is_folder = node.kind == NodeKind::Folder;
        let has_tags = matches!(object_type, ObjectType::Photo | ObjectType::Video);
        let access = ObjectAccess::from_node(node, above);
        Object {
            id: self.id(node).to_string(),
            from: self.from(node),
            name: if node.no == ROOT { ROOT_NAME } else { &node.name },
            description: node.description.as_deref(),
            parent_id: self.parent(node),
            size: node.size,
            upload_location: self.upload_location(node).filter(|_| view.full),
            comments_count: facets.comments.len(),
            comments_enabled: node.kind == NodeKind::File,
            tags_count: has_tags.then_some(facets.tags.len()),
            tags_enabled: has_tags.then_some(true),
            is_embeddable: node.kind != NodeKind::Notebook,
            count: is_folder.then_some(node.children),
            source: self.source(node, view.attachment),
            sort_by: facets.sort_by.filter(|_| is_folder),
            details: self.details(node, object_type, &facets, view),
            link: self.link(node),
            object_type,
            shared_with: (view.full || !is_folder)
                .then(|| SharedWith { access: view.locale.access_name(access) }),
            created_time: time(node.created),
            updated_time: time(node.modified),
            client_updated_time: time(node.client_modified),
        }
    }

    /// Returns the URL for uploads into a folder, or of a file's content. `None` for a notebook.
    fn upload_location(&self, node: &Node) -> Option<String> {
        match node.kind {
            NodeKind::Folder => Some(format!("{}/files/", self.location(node))),
            NodeKind::File => Some(format!("{}/content/", self.location(node))),
            NodeKind::Notebook => None,
        }
    }
}
