//! Items as the reference's objects (A.8).

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{ids::LiveId, route::BASE};
use crate::server::{
    account::Account,
    app::App,
    origin::Origin,
    tree::{Node, NodeKind, ROOT, cid},
};

/// What the root folder is called.
const ROOT_NAME: &str = "SkyDrive";

/// Who can see an item that nobody shared.
const PRIVATE: &str = "Just me";

/// What `type` says that an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ObjectType {
    Folder,
    File,
    Notebook,
}

impl ObjectType {
    pub(super) fn of(node: &Node) -> Self {
        match node.kind {
            NodeKind::Folder => Self::Folder,
            NodeKind::File => Self::File,
            NodeKind::Notebook => Self::Notebook,
        }
    }

    /// Its name as the reference writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::File => "file",
            Self::Notebook => "notebook",
        }
    }
}

/// An item, with every structure that the reference's table has for its type.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Object<'a> {
    Folder(Box<Folder<'a>>),
    File(Box<File<'a>>),
}

#[derive(Serialize)]
pub(super) struct Folder<'a> {
    id: String,
    from: From<'a>,
    name: &'a str,
    description: Option<&'a str>,
    parent_id: Option<String>,
    size: u64,
    upload_location: String,
    comments_count: u64,
    comments_enabled: bool,
    is_embeddable: bool,
    count: u64,
    link: String,
    #[serde(rename = "type")]
    object_type: ObjectType,
    shared_with: SharedWith,
    created_time: String,
    updated_time: String,
    client_updated_time: String,
}

#[derive(Serialize)]
pub(super) struct File<'a> {
    id: String,
    from: From<'a>,
    name: &'a str,
    description: Option<&'a str>,
    parent_id: Option<String>,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_location: Option<String>,
    comments_count: u64,
    comments_enabled: bool,
    is_embeddable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    link: String,
    #[serde(rename = "type")]
    object_type: ObjectType,
    shared_with: SharedWith,
    created_time: String,
    updated_time: String,
    client_updated_time: String,
}

/// Who made it.
#[derive(Serialize)]
struct From<'a> {
    name: &'a str,
    id: String,
}

/// Who can see it.
#[derive(Serialize)]
struct SharedWith {
    access: &'static str,
}

/// What an upload answers.
#[derive(Serialize)]
pub(super) struct Uploaded<'a> {
    id: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

/// Turns items into objects.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    pub app: Arc<App>,
    pub origin: Origin,
    pub account: Arc<Account>,
}

impl Objects {
    /// An item's id.
    pub(super) fn id(&self, node: &Node) -> LiveId {
        LiveId::new(&self.account.cid, node.kind, node.no)
    }

    /// An item's URL, for `Location`.
    pub(super) fn location(&self, node: &Node) -> String {
        self.origin.url(&format!("{BASE}/{}", self.id(node)))
    }

    /// A ticket to a file's bytes. `attachment`: a browser is to save them and not to show them.
    pub(super) fn source(&self, node: &Node, attachment: bool) -> Option<String> {
        self.app.ticket(&self.account, node, attachment).map(|path| self.origin.url(&path))
    }

    /// What an upload answers.
    pub(super) fn uploaded<'a>(&self, node: &'a Node) -> Uploaded<'a> {
        Uploaded {
            id: self.id(node).to_string(),
            name: &node.name,
            source: self.source(node, false),
        }
    }

    /// An item with all its structures. `attachment`: as for [`source`](Self::source).
    pub(super) fn object<'a>(&'a self, node: &'a Node, attachment: bool) -> Object<'a> {
        match node.kind {
            NodeKind::Folder => Object::Folder(Box::new(self.folder(node))),
            NodeKind::File | NodeKind::Notebook => {
                Object::File(Box::new(self.file(node, attachment)))
            }
        }
    }

    fn folder<'a>(&'a self, node: &'a Node) -> Folder<'a> {
        Folder {
            id: self.id(node).to_string(),
            from: self.from(node),
            name: if node.no == ROOT { ROOT_NAME } else { &node.name },
            description: node.description.as_deref(),
            parent_id: self.parent(node),
            size: node.size,
            upload_location: format!("{}/files/", self.location(node)),
            comments_count: 0,
            comments_enabled: false,
            is_embeddable: false,
            count: node.children,
            link: self.link(node),
            object_type: ObjectType::of(node),
            shared_with: SharedWith { access: PRIVATE },
            created_time: time(node.created),
            updated_time: time(node.modified),
            client_updated_time: time(node.client_modified),
        }
    }

    fn file<'a>(&'a self, node: &'a Node, attachment: bool) -> File<'a> {
        let has_bytes = node.kind == NodeKind::File;
        File {
            id: self.id(node).to_string(),
            from: self.from(node),
            name: &node.name,
            description: node.description.as_deref(),
            parent_id: self.parent(node),
            size: node.size,
            upload_location: has_bytes.then(|| format!("{}/content/", self.location(node))),
            comments_count: 0,
            comments_enabled: false,
            is_embeddable: false,
            source: self.source(node, attachment),
            link: self.link(node),
            object_type: ObjectType::of(node),
            shared_with: SharedWith { access: PRIVATE },
            created_time: time(node.created),
            updated_time: time(node.modified),
            client_updated_time: time(node.client_modified),
        }
    }

    fn from<'a>(&'a self, node: &'a Node) -> From<'a> {
        match &node.owner {
            Some(owner) => From { name: owner, id: cid(owner) },
            None => From { name: self.account.display_name(), id: self.account.cid.clone() },
        }
    }

    fn parent(&self, node: &Node) -> Option<String> {
        let parent = *node.parents.first()?;
        Some(LiveId::folder(&self.account.cid, parent).to_string())
    }

    /// Where people look at it.
    fn link(&self, node: &Node) -> String {
        let Account { cid, .. } = &*self.account;
        let resource = self.id(node).resource();
        let parent = node.parents.first().map_or_else(String::new, |&parent| {
            format!("&parid={}", LiveId::folder(cid, parent).resource())
        });
        let path = match node.kind {
            // Type 5 is a folder in every sample of the reference.
            NodeKind::Folder => format!("?cid={cid}&page=self&resid={resource}{parent}&type=5"),
            NodeKind::File | NodeKind::Notebook => {
                format!("?cid={cid}&page=view&resid={resource}{parent}")
            }
        };
        self.origin.url(&format!("/redir.aspx{path}"))
    }
}

/// A time as the reference writes it: UTC, whole seconds, an offset without colon.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_with_an_offset_without_colon() {
        let moment: Timestamp = "2011-10-13T01:18:23.999+02:00".parse().expect("a time");
        assert_eq!(time(moment), "2011-10-12T23:18:23+0000");
    }
}
