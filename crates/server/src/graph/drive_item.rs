//! A driveItem as JSON, as the account's kind has it (onedrive-graph#drive-item,
//! onedrive-graph#delta-deleted-items, onedrive-graph#hash-availability).

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    dialect::Dialect, drive_context::DriveContext, invitations, media::facets, owner::Identity,
    permissions, special_folders,
};
use crate::{
    account_kind::AccountKind,
    content::encoded,
    download_urls,
    tree::{Content, Node, NodeKind, ROOT},
};

/// The name of this protocol's facets in the tree.
pub(super) const FACETS: &str = "graph";

/// Facets that are the server's own and never shown.
const HIDDEN: [&str; 3] = [invitations::KEPT, permissions::KEPT, "locked"];

/// In which answer an item is described; each leaves something out.
#[derive(Clone, Copy, Debug)]
pub(super) enum View<'a> {
    /// By itself or in a listing; the names from the root down to the folder it is in.
    In(&'a [String]),
    /// As the root of one's own drive, asked for as such: only there its place is told. Some
    /// clients need that, others fail where it is told elsewhere
    /// (onedrive-graph#root-parent-reference).
    OwnRoot,
    /// In a search, where no path is told.
    Found,
    /// In a feed, with the names from the root down if they are told there.
    Feed(Option<&'a [String]>),
}

/// What was planted in an item by the control interface for this protocol.
pub(super) fn planted<'n>(node: &'n Node, facet: &str) -> Option<&'n Value> {
    node.facets.get(FACETS)?.get(facet)
}

/// A time as the kind of account writes it: consumers' to the millisecond, others' to the second.
pub(super) fn time(kind: AccountKind, time: Timestamp) -> String {
    let millisecond = time.as_millisecond().rem_euclid(1000);
    let mut text = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    if kind.is_personal() && millisecond != 0 {
        let digits = format!("{millisecond:03}");
        // Writing to a String cannot fail.
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

impl DriveContext<'_> {
    /// An item.
    pub(super) fn describe(&self, node: &Node, shown: View<'_>) -> Value {
        let time = |at| time(self.kind, at);
        let identity = Identity::new(self.kind, &self.account);
        let by = identity.identity_set(node.owner.as_deref());
        let mut item = json!({
            "id": self.ids.item(node.no),
            "name": if node.no == ROOT { "root" } else { &node.name },
            "size": node.size,
            "eTag": self.ids.etag(node),
            "createdDateTime": time(node.created),
            "lastModifiedDateTime": time(node.modified),
            "createdBy": by,
            "lastModifiedBy": by,
            "webUrl": self.web_url(node, shown),
            "parentReference": self.parent_reference(node, shown),
            "fileSystemInfo": {
                "createdDateTime": time(node.client_created),
                "lastModifiedDateTime": time(node.client_modified),
            },
        });
        let omits_ctag = matches!(shown, View::Feed(_)) && !self.kind.is_personal();
        if let Some(ctag) = self.ids.ctag(node).filter(|_| !omits_ctag) {
            item["cTag"] = ctag.into();
        }
        if node.no == ROOT {
            item["root"] = json!({});
        }
        if let View::In(above) = shown
            && let Some(special) = special_folders::name_of(above, &node.name)
        {
            item["specialFolder"] = json!({"name": special});
        }
        if let Some(description) = &node.description {
            item["description"] = description.as_str().into();
        }
        self.add_facets(node, &mut item);
        if matches!(shown, View::Found) && !self.kind.is_personal() {
            for absent in ["createdBy", "lastModifiedBy", "parentReference"] {
                remove(&mut item, absent);
            }
        }
        item
    }

    /// An item that is no more, as the feed tells it: which properties are left out depends on the
    /// kind (onedrive-graph#delta-deleted-items).
    pub(super) fn describe_deleted(&self, node: &Node) -> Value {
        let mut item = json!({
            "id": self.ids.item(node.no),
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

    /// An item in the recycle bin, as `includeDeletedItems` returns it.
    pub(super) fn describe_in_bin(&self, node: &Node) -> Value {
        let mut item = self.describe(node, View::Found);
        remove(&mut item, self.download_url());
        item["deleted"] = json!({"state": "deleted"});
        item
    }

    /// What kind of thing it is, and what was planted.
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
                if let Some(path) =
                    download_urls::path(&self.request.state, &self.account, node, true)
                {
                    item[self.download_url()] = self.content_url(&path).into();
                }
            }
        }
        let Some(Value::Object(planted)) = node.facets.get(FACETS) else { return };
        for (name, value) in planted.iter().filter(|(name, _)| !HIDDEN.contains(&name.as_str())) {
            item[name] = value.clone();
        }
        // A shortcut is neither file nor folder: what it stands for is
        // (onedrive-graph#remote-item).
        if planted.contains_key("remoteItem") {
            for absent in ["file", "folder", self.download_url()] {
                remove(item, absent);
            }
        }
    }

    /// The annotation under which a ticket is told.
    pub(super) fn download_url(&self) -> &'static str {
        match self.request.dialect {
            Dialect::Graph => "@microsoft.graph.downloadUrl",
            Dialect::Direct => "@content.downloadUrl",
        }
    }

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

    /// The hashes that the kind tells (onedrive-graph#hash-availability).
    fn hashes(&self, content: &Content) -> Value {
        let mut hashes = Map::new();
        hashes.insert("quickXorHash".into(), STANDARD.encode(content.hashes.quick_xor).into());
        if self.kind.is_personal() {
            hashes.insert("sha1Hash".into(), upper_hex(&content.hashes.sha1).into());
            hashes.insert("sha256Hash".into(), upper_hex(&content.hashes.sha256).into());
        }
        hashes.into()
    }

    fn parent_reference(&self, node: &Node, shown: View<'_>) -> Value {
        let mut reference = json!({
            "driveType": self.kind.drive_type(),
            "driveId": self.ids.drive(),
        });
        let Some(&folder) = node.parents.first() else {
            if let View::OwnRoot = shown {
                reference["id"] = self.ids.item(node.no).into();
                reference["path"] = self.root_path().into();
            }
            return reference;
        };
        reference["id"] = self.ids.item(folder).into();
        if let View::In(above) | View::Feed(Some(above)) = shown {
            reference["name"] = above.last().map_or("root", String::as_str).into();
            reference["path"] = self.path_of(above).into();
        }
        if self.kind != AccountKind::PersonalLegacy {
            let identity = Identity::new(self.kind, &self.account);
            reference["siteId"] = identity.site_guid().into();
        }
        reference
    }

    /// A folder's path as answers have it: percent-encoded (onedrive-graph#parent-reference-path).
    fn path_of(&self, names: &[String]) -> String {
        let mut path = self.root_path();
        for name in names {
            // Writing to a String cannot fail.
            let _ = write!(path, "/{}", encoded(name));
        }
        path
    }

    /// The page where people would look at it.
    fn web_url(&self, node: &Node, shown: View<'_>) -> String {
        let identity = Identity::new(self.kind, &self.account);
        match shown {
            View::In(above) if !self.kind.is_personal() => {
                let mut path = format!("{}/Documents", identity.site_path());
                for name in above.iter().chain(std::iter::once(&node.name)) {
                    let _ = write!(path, "/{}", encoded(name));
                }
                self.content_url(&path)
            }
            _ => {
                let path = format!("/?cid={}&id={}", self.ids.drive(), self.ids.item(node.no));
                self.request.base_url.url_on("onedrive.live.com", &path)
            }
        }
    }
}

fn remove(object: &mut Value, name: &str) {
    if let Value::Object(properties) = object {
        properties.remove(name);
    }
}

pub(super) fn upper_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_digits_of_its_kind() {
        let at = |text: &str| text.parse().unwrap();
        for (text, personal, business) in [
            ("2025-02-16T19:49:05Z", "2025-02-16T19:49:05Z", "2025-02-16T19:49:05Z"),
            ("2025-02-16T19:49:05.9137Z", "2025-02-16T19:49:05.913Z", "2025-02-16T19:49:05Z"),
            ("2025-02-16T19:49:05.72Z", "2025-02-16T19:49:05.72Z", "2025-02-16T19:49:05Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(time(AccountKind::Personal, at(text)), personal);
            assert_eq!(time(AccountKind::Business, at(text)), business);
        }
    }
}
