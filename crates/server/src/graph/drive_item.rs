//! The JSON of a driveItem. Its properties depend on the account kind (onedrive-graph#drive-item,
//! onedrive-graph#delta-deleted-items, onedrive-graph#hash-availability).

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    check_out,
    dialect::Dialect,
    drive_context::DriveContext,
    lists::list_item_number,
    media::facets,
    owner::AccountIdentity,
    special_folders,
    stored_facets::{FACETS, INTERNAL, UPLOAD_SOURCES},
    timestamp::format_time,
};
use crate::{
    account_kind::AccountKind,
    account_scope,
    content::encoded,
    directory::ORGANIZATION as ONLY_TENANT,
    download_urls,
    tree::{Content, Node, NodeKind, ROOT, SharingAudience, SharingSummary},
};

/// The sort of response that an item appears in. It decides which properties the item has.
#[derive(Clone, Copy, Debug)]
pub(super) enum View<'a> {
    /// A single item or a listing, with the names of the folders from below the root down to the
    /// parent.
    WithPath(&'a [String]),
    /// The root of the user's own drive, requested as such. Only this view of a root has
    /// `parentReference.id` and `.path`: some clients need them, others fail if another view has
    /// them (onedrive-graph#root-parent-reference).
    OwnRoot,
    /// A search result, which has no path.
    SearchResult,
    /// An entry of a change feed, with the names of the folders from below the root down to the
    /// parent; `None` if the feed omits paths.
    Feed(Option<&'a [String]>),
}

impl DriveContext<'_> {
    /// Returns an item as JSON, with the properties of the view.
    pub(super) fn describe(&self, node: &Node, view: View<'_>) -> Value {
        let time = |at| format_time(self.kind, at);
        let identity = AccountIdentity::new(self.kind, &self.account);
        let by = identity.identity_set(node.owner.as_deref());
        let mut item = json!({
            "id": self.ids.item_id(node.no),
            "name": if node.no == ROOT { "root" } else { &node.name },
            "size": node.size,
            "eTag": self.ids.etag(node),
            "createdDateTime": time(node.created),
            "lastModifiedDateTime": time(node.modified),
            "createdBy": by,
            "lastModifiedBy": by,
            "webUrl": self.web_url(node, view),
            "parentReference": self.parent_reference(node, view),
            "fileSystemInfo": {
                "createdDateTime": time(node.client_created),
                "lastModifiedDateTime": time(node.client_modified),
            },
        });
        let omits_ctag = matches!(view, View::Feed(_)) && !self.kind.is_personal();
        if let Some(ctag) = self.ids.ctag(node).filter(|_| !omits_ctag) {
            item["cTag"] = ctag.into();
        }
        if node.no == ROOT {
            item["root"] = json!({});
        }
        if let View::WithPath(parent_path) = view
            && let Some(special) = special_folders::name_of(parent_path, &node.name)
        {
            item["specialFolder"] = json!({"name": special});
        }
        if let Some(description) = &node.description {
            item["description"] = description.as_str().into();
        }
        if let Some(shared) = self.shared_facet(node) {
            item["shared"] = shared;
        }
        self.add_facets(node, &mut item);
        if !self.kind.is_personal() {
            self.add_selected(node, view, &mut item);
        }
        if matches!(view, View::SearchResult) && !self.kind.is_personal() {
            for absent in ["createdBy", "lastModifiedBy", "parentReference"] {
                remove(&mut item, absent);
            }
        }
        item
    }

    /// Adds the properties of SharePoint that an item has only if `$select` names them
    /// (onedrive-graph#properties-not-by-default).
    fn add_selected(&self, node: &Node, view: View<'_>, item: &mut Value) {
        for name in self.request.selection.names() {
            match name.as_str() {
                "publication" if node.kind == NodeKind::File => {
                    item["publication"] = check_out::publication(node);
                }
                "sharepointIds" => item["sharepointIds"] = self.sharepoint_ids(node),
                // Without the path, `webUrl` is another page.
                "webDavUrl" if matches!(view, View::WithPath(_)) => {
                    item["webDavUrl"] = item["webUrl"].clone();
                }
                _ => {}
            }
        }
    }

    /// Returns the ids of an item in SharePoint's own API. The root of a library is no item of its
    /// list.
    fn sharepoint_ids(&self, node: &Node) -> Value {
        let identity = AccountIdentity::new(self.kind, &self.account);
        let site = identity.site();
        let mut ids = json!({
            "listId": identity.list_id(),
            "siteId": site.guid(),
            "siteUrl": site.web_url(self.request),
            "webId": site.web_guid(),
            "tenantId": if site.tenant.is_empty() { ONLY_TENANT } else { &site.tenant },
        });
        if node.no != ROOT {
            ids["listItemId"] = list_item_number(node).to_string().into();
            ids["listItemUniqueId"] = self.ids.unique_id(node).into();
        }
        ids
    }

    /// Returns a deleted item as an entry of a change feed. The account kind decides which
    /// properties it has (onedrive-graph#delta-deleted-items).
    pub(super) fn describe_deleted(&self, node: &Node) -> Value {
        let mut item = json!({
            "id": self.ids.item_id(node.no),
            "parentReference": self.parent_reference(node, View::Feed(None)),
            "deleted": {"state": "deleted"},
        });
        match node.kind {
            NodeKind::Folder => item["folder"] = json!({}),
            NodeKind::File => item["file"] = json!({}),
            NodeKind::Notebook => item["package"] = json!({"type": "oneNote"}),
        }
        if self.kind.is_personal() {
            item["name"] = node.name.as_str().into();
            item["eTag"] = self.ids.etag(node).into();
        } else {
            item["size"] = 0.into();
        }
        item
    }

    /// Returns an item of the recycle bin, as `includeDeletedItems` shows it.
    pub(super) fn describe_in_bin(&self, node: &Node) -> Value {
        let mut item = self.describe(node, View::SearchResult);
        remove(&mut item, self.download_url());
        item["deleted"] = json!({"state": "deleted"});
        item
    }

    /// Adds the facets of the item's kind to its JSON, and the stored facets that are not internal.
    fn add_facets(&self, node: &Node, item: &mut Value) {
        match node.kind {
            NodeKind::Folder => item["folder"] = self.folder_facet(node),
            NodeKind::Notebook => item["package"] = json!({"type": "oneNote"}),
            NodeKind::File => {
                let media_type = node.media_type.as_deref().unwrap_or("application/octet-stream");
                item["file"] = json!({"mimeType": media_type});
                if let Some(content) = &node.content {
                    item["file"]["hashes"] = self.hashes(content);
                    let media = content.media.as_deref();
                    for (name, facet) in media.into_iter().flat_map(|of| facets(of, self.kind)) {
                        item[name] = facet;
                    }
                }
                if let Some(url) = self.content_download_url(node) {
                    item[self.download_url()] = url.into();
                }
            }
        }
        if self.request.base == "/beta"
            && let Some(Value::Object(sources)) = node.facets.get(UPLOAD_SOURCES)
        {
            for (name, value) in sources {
                item[name] = value.clone();
            }
        }
        let Some(Value::Object(stored)) = node.facets.get(FACETS) else { return };
        for (name, value) in stored.iter().filter(|(name, _)| !INTERNAL.contains(&name.as_str())) {
            item[name] = value.clone();
        }
        // A shortcut is neither file nor folder; its target is (onedrive-graph#remote-item).
        if stored.contains_key("remoteItem") {
            for absent in ["file", "folder", self.download_url()] {
                remove(item, absent);
            }
        }
    }

    /// Returns the facet `shared` of an item that has permissions of its own; `None` for other items.
    fn shared_facet(&self, node: &Node) -> Option<Value> {
        let summary = SharingSummary::from_node(node)?;
        let scope = match summary.audience(account_scope::now())? {
            SharingAudience::Users => "users",
            SharingAudience::Organization => "organization",
            SharingAudience::Anonymous | SharingAudience::Everyone => "anonymous",
        };
        let owner = AccountIdentity::new(self.kind, &self.account).identity_set(None);
        Some(json!({
            "scope": scope,
            "owner": owner,
            "sharedDateTime": format_time(self.kind, summary.since),
        }))
    }

    /// Returns the download URL of a file; `None` for an item without bytes.
    fn content_download_url(&self, node: &Node) -> Option<String> {
        if !self.pre_authenticates() {
            return node.content.as_ref().map(|_| self.relation_url(node.no, "/contentStream"));
        }
        let path = download_urls::path(&self.request.state, &self.account, node, true)?;
        Some(self.content_url(&path))
    }

    /// Returns the name of the annotation that has the download URL.
    pub(super) fn download_url(&self) -> &'static str {
        match self.request.dialect {
            Dialect::Graph => "@microsoft.graph.downloadUrl",
            Dialect::Direct => "@content.downloadUrl",
        }
    }

    /// Returns the facet of a folder: its child count, and on personal drives its view.
    fn folder_facet(&self, node: &Node) -> Value {
        let mut folder = json!({"childCount": node.children});
        if self.kind.is_personal() {
            let view = match self.request.dialect {
                Dialect::Graph => "view",
                Dialect::Direct => "folderView",
            };
            folder[view] =
                json!({"sortBy": "name", "sortOrder": "ascending", "viewType": "thumbnails"});
        }
        folder
    }

    /// Returns the hashes that the account kind provides (onedrive-graph#hash-availability).
    fn hashes(&self, content: &Content) -> Value {
        let mut hashes = Map::new();
        hashes.insert("quickXorHash".into(), STANDARD.encode(content.hashes.quick_xor).into());
        if self.kind.is_personal() {
            hashes.insert("sha1Hash".into(), upper_hex(&content.hashes.sha1).into());
            hashes.insert("sha256Hash".into(), upper_hex(&content.hashes.sha256).into());
        }
        hashes.into()
    }

    /// Returns the reference to the item's parent. That of the root has no folder, except in the
    /// drive's own root.
    fn parent_reference(&self, node: &Node, view: View<'_>) -> Value {
        let mut reference = json!({
            "driveType": self.kind.drive_type(),
            "driveId": self.ids.drive_id(),
        });
        let Some(&folder) = node.parents.first() else {
            if let View::OwnRoot = view {
                reference["id"] = self.ids.item_id(node.no).into();
                reference["path"] = self.root_path().into();
            }
            return reference;
        };
        reference["id"] = self.ids.item_id(folder).into();
        if let View::WithPath(parent_path) | View::Feed(Some(parent_path)) = view {
            reference["name"] = parent_path.last().map_or("root", String::as_str).into();
            reference["path"] = self.path_of(parent_path).into();
        }
        if self.kind != AccountKind::PersonalLegacy {
            let identity = AccountIdentity::new(self.kind, &self.account);
            reference["siteId"] = identity.site_guid().into();
        }
        reference
    }

    /// Returns a folder's path in percent-encoding (onedrive-graph#parent-reference-path).
    pub(super) fn path_of(&self, names: &[String]) -> String {
        let mut path = self.root_path();
        for name in names {
            // Writing to a String cannot fail.
            let _ = write!(path, "/{}", encoded(name));
        }
        path
    }

    /// Returns the URL of the item's page on the drive's web site.
    fn web_url(&self, node: &Node, view: View<'_>) -> String {
        let identity = AccountIdentity::new(self.kind, &self.account);
        match view {
            View::WithPath(parent_path) if !self.kind.is_personal() => {
                let mut path = identity.drive_path();
                for name in parent_path.iter().chain(std::iter::once(&node.name)) {
                    let _ = write!(path, "/{}", encoded(name));
                }
                self.content_url(&path)
            }
            _ => {
                let path =
                    format!("/?cid={}&id={}", self.ids.drive_id(), self.ids.item_id(node.no));
                self.request.base_url.url_on("onedrive.live.com", &path)
            }
        }
    }
}

/// Removes a property of a JSON object, if it exists.
fn remove(object: &mut Value, name: &str) {
    if let Value::Object(properties) = object {
        properties.remove(name);
    }
}

/// Returns bytes as upper-case hexadecimal digits.
pub(super) fn upper_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
