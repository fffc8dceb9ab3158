//! The node object (amazon-drive#node-object).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    AmazonRequest,
    filter::Field,
    ids::{Ids, etag},
};
use crate::{
    account::Account,
    download_urls,
    tree::{Node, NodeKind, ROOT, State},
};

/// The security profile that everything here was made with: what comes before the user in
/// `createdBy`.
pub(super) const PROFILE: &str = "drivedal";

/// What only Amazon knows of an item, as it is kept with it.
pub(super) const FACET: &str = "amazon";

/// Whoever makes nodes in an account.
pub(super) fn creator(account: &Account) -> String {
    format!("{PROFILE}-{}", account.cid)
}

/// Whether this protocol shows an item at all: it has no notebooks.
pub(super) fn is_shown(node: &Node) -> bool {
    node.kind != NodeKind::Notebook
}

/// What a node is called in `kind`.
pub(super) fn kind(node: &Node) -> &'static str {
    if node.kind == NodeKind::Folder { "FOLDER" } else { "FILE" }
}

/// What is below a trashed folder keeps its status (amazon-drive#trash-descendants).
pub(super) fn status(node: &Node) -> &'static str {
    match node.state {
        State::Live | State::Hidden => "AVAILABLE",
        State::Trashed => "TRASH",
        State::Purged => "PURGED",
    }
}

/// As the cloud writes times: to the millisecond.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// What only Amazon knows of an item, under a name.
pub(super) fn facet<'a>(node: &'a Node, name: &str) -> Option<&'a Value> {
    node.facets.get(FACET)?.get(name)
}

/// The user's labels.
pub(super) fn labels(node: &Node) -> Vec<String> {
    let labels = facet(node, "labels").and_then(Value::as_array);
    labels.into_iter().flatten().filter_map(|label| label.as_str().map(str::to_owned)).collect()
}

fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension).filter(|text| !text.is_empty())
}

/// The MD5 of a file's bytes, in hexadecimal digits.
pub(super) fn md5(node: &Node) -> Option<String> {
    node.content.as_ref().map(|content| hex::encode(content.hashes.md5))
}

/// What a node has in a field that can be filtered by.
pub(super) fn values(node: &Node, field: Field, ids: Ids, account: &Account) -> Vec<String> {
    let file = node.kind != NodeKind::Folder;
    let one = |value: String| vec![value];
    match field {
        Field::Id => one(ids.id(node.no)),
        Field::Kind => one(kind(node).to_owned()),
        Field::Status => one(status(node).to_owned()),
        Field::IsRoot => one((node.no == ROOT).to_string()),
        Field::Name if node.no == ROOT => Vec::new(),
        Field::Name => one(node.name.clone()),
        Field::Parents => node.parents.iter().map(|parent| ids.id(*parent)).collect(),
        Field::Labels => labels(node),
        Field::Description => node.description.clone().into_iter().collect(),
        Field::CreatedBy => one(node.owner.clone().unwrap_or_else(|| creator(account))),
        Field::CreatedDate => one(time(node.created)),
        Field::ModifiedDate => one(time(node.modified)),
        Field::Md5 => md5(node).into_iter().collect(),
        Field::Size if file => one(node.size.to_string()),
        Field::ContentType if file => node.media_type.clone().into_iter().collect(),
        Field::Extension if file => extension(&node.name).map(str::to_owned).into_iter().collect(),
        Field::Size | Field::ContentType | Field::Extension => Vec::new(),
    }
}

impl AmazonRequest {
    /// A node as clients see it.
    pub(super) fn shown(&self, node: &Node) -> Value {
        let mut shown = Map::new();
        let mut put = |name: &str, value: Value| shown.insert(name.to_owned(), value);
        put("id", self.ids.id(node.no).into());
        if node.no == ROOT {
            put("isRoot", true.into());
        } else {
            put("name", node.name.clone().into());
        }
        put("kind", kind(node).into());
        put("version", node.version.into());
        put("eTagResponse", etag(node).into());
        put("status", status(node).into());
        put("parents", node.parents.iter().map(|parent| self.ids.id(*parent)).collect());
        put("createdBy", node.owner.clone().unwrap_or_else(|| creator(&self.account)).into());
        put("createdDate", time(node.created).into());
        put("modifiedDate", time(node.modified).into());
        put("labels", labels(node).into());
        put("restricted", false.into());
        put("isShared", false.into());
        if let Some(description) = &node.description {
            put("description", description.clone().into());
        }
        if let Some(properties) = facet(node, "properties") {
            put("properties", properties.clone());
        }
        if let Some(content) = &node.content {
            put(
                "contentProperties",
                json!({
                    "version": node.content_version,
                    "md5": hex::encode(content.hashes.md5),
                    "size": content.size,
                    "contentType": node.media_type,
                    "extension": extension(&node.name).unwrap_or_default(),
                }),
            );
            if self.query.flag("tempLink")
                && let Some(path) = download_urls::path(&self.state, &self.account, node, false)
            {
                put(
                    "tempLink",
                    self.base_url.url_on("content-na.drive.amazonaws.com", &path).into(),
                );
            }
        }
        let has_assets =
            |value: &str| ["ALL", "FIRST"].iter().any(|is| value.eq_ignore_ascii_case(is));
        if self.query.get("asset").is_some_and(has_assets) {
            put("assets", json!([]));
        }
        Value::Object(shown)
    }
}
