//! Items as the reference's objects (live-connect#object-schemas).

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    details::Details,
    facets::{LiveFacets, SortBy},
    ids::LiveId,
    object_access::{Access, Locale},
    object_type::ObjectType,
    route::BASE,
};
use crate::{
    account::Account,
    base_url::BaseUrl,
    download_urls,
    state::ServerState,
    tree::{Node, NodeKind, ROOT, cid},
};

/// What the root folder is called.
const ROOT_NAME: &str = "SkyDrive";

/// An item, with every structure that the reference's table has for its type.
#[derive(Serialize)]
pub(super) struct Object<'a> {
    id: String,
    from: From<'a>,
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

/// Who made it.
#[derive(Serialize)]
pub(super) struct From<'a> {
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

/// How objects are shown to whoever asks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ObjectView {
    /// A browser is to save what links lead to, and not to show it.
    pub attachment: bool,
    /// With the structures that need `wl.skydrive`.
    pub whole: bool,
    /// In which language.
    pub locale: Locale,
}

/// Turns items into objects.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    pub state: Arc<ServerState>,
    pub base_url: BaseUrl,
    pub account: Arc<Account>,
}

/// The cloud's host for bytes and pictures (live-connect#op-download): `….livefilestore.com`.
pub(super) const CONTENT_HOST: &str = "public.livefilestore.com";

impl Objects {
    /// An item's id.
    pub(super) fn id(&self, node: &Node) -> LiveId {
        LiveId::new(&self.account.cid, node.kind, node.no)
    }

    /// An item's URL, for `Location`.
    pub(super) fn location(&self, node: &Node) -> String {
        self.base_url.url(&format!("{BASE}/{}", self.id(node)))
    }

    /// A ticket to a file's bytes. `attachment`: a browser is to save them and not to show them.
    pub(super) fn source(&self, node: &Node, attachment: bool) -> Option<String> {
        download_urls::path(&self.state, &self.account, node, attachment)
            .map(|path| self.base_url.url_on(CONTENT_HOST, &path))
    }

    /// What an upload answers.
    pub(super) fn uploaded<'a>(&self, node: &'a Node) -> Uploaded<'a> {
        Uploaded {
            id: self.id(node).to_string(),
            name: &node.name,
            source: self.source(node, false),
        }
    }

    /// An item with all its structures. `above`: who can see the folder it is in.
    pub(super) fn object<'a>(
        &'a self,
        node: &'a Node,
        shown: ObjectView,
        above: Access,
    ) -> Object<'a> {
        let extra = LiveFacets::of(node);
        let object_type = ObjectType::of(node);
        let is_folder = node.kind == NodeKind::Folder;
        let has_tags = matches!(object_type, ObjectType::Photo | ObjectType::Video);
        let access = above.max(Access::of(&extra));
        Object {
            id: self.id(node).to_string(),
            from: self.from(node),
            name: if node.no == ROOT { ROOT_NAME } else { &node.name },
            description: node.description.as_deref(),
            parent_id: self.parent(node),
            size: node.size,
            upload_location: self.upload_location(node).filter(|_| shown.whole),
            comments_count: extra.comments.len(),
            comments_enabled: node.kind == NodeKind::File,
            tags_count: has_tags.then_some(extra.tags.len()),
            tags_enabled: has_tags.then_some(true),
            is_embeddable: node.kind != NodeKind::Notebook,
            count: is_folder.then_some(node.children),
            source: self.source(node, shown.attachment),
            sort_by: extra.sort_by.filter(|_| is_folder),
            details: self.details(node, object_type, &extra, shown),
            link: self.link(node),
            object_type,
            shared_with: (shown.whole || !is_folder)
                .then(|| SharedWith { access: access.name(shown.locale) }),
            created_time: time(node.created),
            updated_time: time(node.modified),
            client_updated_time: time(node.client_modified),
        }
    }

    /// Where bytes, or files, are sent to.
    fn upload_location(&self, node: &Node) -> Option<String> {
        match node.kind {
            NodeKind::Folder => Some(format!("{}/files/", self.location(node))),
            NodeKind::File => Some(format!("{}/content/", self.location(node))),
            NodeKind::Notebook => None,
        }
    }

    pub(super) fn from<'a>(&'a self, node: &'a Node) -> From<'a> {
        match &node.owner {
            Some(owner) => From { name: owner, id: cid(owner) },
            None => self.person(&self.account.name),
        }
    }

    /// The account of that name as the one who did something.
    pub(super) fn person<'a>(&'a self, account: &'a str) -> From<'a> {
        if account == self.account.name {
            From { name: self.account.display_name(), id: self.account.cid.clone() }
        } else {
            From { name: account, id: cid(account) }
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
        self.base_url.page_url(&format!("/redir.aspx{path}"))
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
