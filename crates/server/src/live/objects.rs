//! The ids and URLs of items that responses contain.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{ids::LiveId, locale::Locale, picture_size::PictureSize, route::BASE};
use crate::{
    account::Account,
    base_url::BaseUrl,
    content::{encoded, fingerprint},
    download_urls,
    picture_urls::{self, PictureClaims},
    state::ServerState,
    tree::{Node, NodeKind, cid},
};

/// The user who created an item or a comment.
#[derive(Serialize)]
pub(super) struct UserName<'a> {
    name: &'a str,
    id: String,
}

/// The response to an upload.
#[derive(Serialize)]
pub(super) struct UploadedObject<'a> {
    id: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

/// Options of the objects in a response.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ObjectView {
    /// Whether browsers save linked content instead of displaying it.
    pub attachment: bool,
    /// Whether objects include the members that need the scope `wl.skydrive`.
    pub full: bool,
    /// The language of translated members.
    pub locale: Locale,
    /// Whether the objects belong to another user than the one who sends the request.
    pub is_foreign: bool,
}

/// The URLs of a picture. They need no token, and expire.
#[derive(Clone, Debug)]
pub(super) struct PictureUrls {
    /// Everything before the size, without a slash at the end.
    start: String,
    /// The percent-encoded name of the item.
    name: String,
}

impl PictureUrls {
    /// Returns the URL of the picture in a size.
    pub(super) fn url(&self, size: PictureSize) -> String {
        format!("{}/{}/{}", self.start, size.name(), self.name)
    }
}

/// Builds the objects of an account's items.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    pub state: Arc<ServerState>,
    pub base_url: BaseUrl,
    pub account: Arc<Account>,
}

/// The cloud's host for content and pictures (live-connect#op-download): `….livefilestore.com`.
pub(super) const CONTENT_HOST: &str = "public.livefilestore.com";

impl Objects {
    /// Returns the id of an item.
    pub(super) fn id(&self, node: &Node) -> LiveId {
        LiveId::new(&self.account.cid, node.kind, node.no)
    }

    /// Returns the URL of an item, for `Location`.
    pub(super) fn location(&self, node: &Node) -> String {
        self.base_url.url(&format!("{BASE}/{}", self.id(node)))
    }

    /// Returns a download URL of a file's content, which needs no token and expires; `None` if the
    /// item has no content, as folders and notebooks. With `attachment`, browsers save it instead
    /// of displaying it.
    pub(super) fn source(&self, node: &Node, attachment: bool) -> Option<String> {
        download_urls::path(&self.state, &self.account, node, attachment)
            .map(|path| self.base_url.url_on(CONTENT_HOST, &path))
    }

    /// Returns the URLs of an item's picture; `None` if the item has no content, as folders and
    /// notebooks. The content may have no picture: its URL is then 400. With `attachment`, a
    /// browser saves the picture instead of displaying it.
    pub(super) fn picture_urls(&self, node: &Node, attachment: bool) -> Option<PictureUrls> {
        let bytes = fingerprint(node.content.as_ref()?);
        let claims = PictureClaims(self.account.name.clone(), node.no, bytes, attachment);
        Some(self.signed_picture_urls(&claims, &node.name))
    }

    /// Returns picture URLs for `claims`. `name` is only the last segment of their path.
    pub(super) fn signed_picture_urls(&self, claims: &PictureClaims, name: &str) -> PictureUrls {
        let start = self.base_url.url_on(CONTENT_HOST, &picture_urls::start(&self.state, claims));
        PictureUrls { start, name: encoded(name).to_string() }
    }

    /// Returns the response to an upload.
    pub(super) fn uploaded<'a>(&self, node: &'a Node) -> UploadedObject<'a> {
        UploadedObject {
            id: self.id(node).to_string(),
            name: &node.name,
            source: self.source(node, false),
        }
    }

    /// Returns the user who created an item: its `owner`, or else the account.
    pub(super) fn from<'a>(&'a self, node: &'a Node) -> UserName<'a> {
        match &node.owner {
            Some(owner) => UserName { name: owner, id: cid(owner) },
            None => self.person(&self.account.name),
        }
    }

    /// Returns the user of an account name, with the account's display name if it is the account of
    /// the request.
    pub(super) fn person<'a>(&'a self, account: &'a str) -> UserName<'a> {
        if account == self.account.name {
            UserName { name: self.account.display_name(), id: self.account.cid.clone() }
        } else {
            UserName { name: account, id: cid(account) }
        }
    }

    /// Returns the id of the first parent folder; `None` for the root folder.
    pub(super) fn parent(&self, node: &Node) -> Option<String> {
        let parent = *node.parents.first()?;
        Some(LiveId::folder(&self.account.cid, parent).to_string())
    }

    /// Returns the URL of the item's web page.
    pub(super) fn link(&self, node: &Node) -> String {
        let Account { cid, .. } = &*self.account;
        let resource = self.id(node).resource_id();
        let parent = node.parents.first().map_or_else(String::new, |&parent| {
            format!("&parid={}", LiveId::folder(cid, parent).resource_id())
        });
        let path = match node.kind {
            // In all samples of the reference, type 5 is a folder.
            NodeKind::Folder => format!("?cid={cid}&page=self&resid={resource}{parent}&type=5"),
            NodeKind::File | NodeKind::Notebook => {
                format!("?cid={cid}&page=view&resid={resource}{parent}")
            }
        };
        self.base_url.page_url(&format!("/redir.aspx{path}"))
    }
}

/// Formats a time as the reference does: UTC, whole seconds, an offset without a colon.
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
