//! The properties of a node, which objects, filters and sort orders share
//! (amazon-drive#node-object).

use jiff::Timestamp;
use serde_json::Value;

use super::{content_properties::content_date, filter::Field, ids::Ids, links::Placement};
use crate::{
    account::Account,
    tree::{ItemState, Node, NodeKind, ROOT},
};

/// The security profile of all clients of this server: the first part of `createdBy`.
pub(super) const PROFILE: &str = "drivedal";

/// Name of the facet that stores the item data that only Amazon Cloud Drive has.
pub(super) const FACET: &str = "amazon";

/// Returns the `createdBy` of nodes that the account created.
pub(super) fn creator(account: &Account) -> String {
    format!("{PROFILE}-{}", account.cid)
}

/// Returns whether this protocol shows an item: folders and files in any state, but no notebooks.
pub(super) fn is_shown(node: &Node) -> bool {
    node.kind != NodeKind::Notebook
}

/// Returns the member `kind`: `FOLDER` or `FILE`.
pub(super) fn kind(node: &Node) -> &'static str {
    if node.kind == NodeKind::Folder { "FOLDER" } else { "FILE" }
}

/// Returns the member `status`: `AVAILABLE`, `TRASH` or `PURGED`. Nodes below a trashed folder keep
/// their status (amazon-drive#trash-descendants).
pub(super) fn status(node: &Node) -> &'static str {
    match node.state {
        ItemState::Live | ItemState::Hidden => "AVAILABLE",
        ItemState::Trashed => "TRASH",
        ItemState::Purged => "PURGED",
    }
}

/// Formats a time as the cloud does: UTC with milliseconds and a `Z` at the end.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Returns the member `name` of the node's facet [`FACET`], which has the data of this protocol;
/// `None` if the node has no such facet or member.
pub(super) fn facet<'a>(node: &'a Node, name: &str) -> Option<&'a Value> {
    node.facets.get(FACET)?.get(name)
}

/// Returns the labels of a node, which users attach for their searches.
pub(super) fn labels(node: &Node) -> Vec<String> {
    let labels = facet(node, "labels").and_then(Value::as_array);
    labels.into_iter().flatten().filter_map(|label| label.as_str().map(str::to_owned)).collect()
}

/// Returns the extension of a file name in its case and without the dot; `None` if the name has no
/// dot or ends with one. The extension of `.profile` is `profile`.
pub(super) fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension).filter(|text| !text.is_empty())
}

/// Returns the MD5 of a file's content as 32 lower-case hexadecimal digits; `None` for a folder.
pub(super) fn md5(node: &Node) -> Option<String> {
    node.content.as_ref().map(|content| hex::encode(content.hashes.md5))
}

/// Returns the values of a field as text, for filters: several for parents and labels, none for a
/// field that the node does not have, otherwise one. `ids` and `account` are those of the drive's
/// account.
pub(super) fn values(node: &Node, field: Field, ids: Ids, account: &Account) -> Vec<String> {
    let is_file = node.kind != NodeKind::Folder;
    let single = |value: String| vec![value];
    match field {
        Field::Id => single(ids.id(node.no)),
        Field::Kind => single(kind(node).to_owned()),
        Field::Status => single(status(node).to_owned()),
        Field::IsRoot => single((node.no == ROOT).to_string()),
        Field::Name if node.no == ROOT => Vec::new(),
        Field::Name => single(node.name.clone()),
        Field::Parents => Placement::from_node(node).all().map(|parent| ids.id(parent)).collect(),
        Field::Labels => labels(node),
        Field::Description => node.description.clone().into_iter().collect(),
        Field::CreatedBy => single(node.owner.clone().unwrap_or_else(|| creator(account))),
        Field::CreatedDate => single(time(node.created)),
        Field::ModifiedDate => single(time(node.modified)),
        Field::ContentDate => single(time(content_date(node))),
        Field::Md5 => md5(node).into_iter().collect(),
        Field::Size if is_file => single(node.size.to_string()),
        Field::ContentType if is_file => node.media_type.clone().into_iter().collect(),
        Field::Extension if is_file => {
            extension(&node.name).map(str::to_owned).into_iter().collect()
        }
        Field::Size | Field::ContentType | Field::Extension => Vec::new(),
    }
}
