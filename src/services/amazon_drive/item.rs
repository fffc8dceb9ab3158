//! Conversion of nodes into items.

use super::{
    md5::{parse_hex, to_hex},
    model::{Node, NodeKind, NodeStatus},
};
use crate::drive::{
    Conditions, Error, ErrorKind, HashKind, Item, ItemId, ItemKind, ItemRef, Result,
};

/// Returns the id in a reference. Capabilities exclude references by path.
///
/// # Errors
/// `Unsupported` for a reference by path.
pub(super) fn id_of(item: &ItemRef) -> Result<&ItemId> {
    match item {
        ItemRef::Item { id, .. } => Ok(id),
        ItemRef::Path { .. } => Err(Error::unsupported("a reference by path")),
    }
}

/// Returns the folder through which the caller found the item, or `None` if the reference does not
/// name it.
pub(super) fn parent_of(item: &ItemRef) -> Option<&ItemId> {
    match item {
        ItemRef::Item { parent, .. } => parent.as_ref(),
        ItemRef::Path { .. } => None,
    }
}

/// Returns whether a path can lead to a node: a named file or folder outside the trash.
pub(super) fn has_path(node: &Node) -> bool {
    is_live(node) && node.name.as_ref().is_some_and(|name| !name.is_empty())
}

/// Returns whether a node is a file or folder outside the trash. It may lack a name.
pub(super) fn is_live(node: &Node) -> bool {
    matches!(node.kind, NodeKind::File | NodeKind::Folder)
        && !node.is_root
        && is_available(node.status)
}

/// Returns whether a node of that status is outside the trash. `true` without a status: some
/// responses omit it.
pub(super) fn is_available(status: Option<NodeStatus>) -> bool {
    matches!(status, Some(NodeStatus::Available) | None)
}

/// Converts a node.
///
/// The item's etag is the MD5 of its content: `eTagResponse` changes with a rename, too, and
/// responses with content carry neither of the two.
pub(super) fn from_node(node: Node) -> Item {
    let kind = match node.kind {
        NodeKind::File => ItemKind::File,
        NodeKind::Folder => ItemKind::Folder,
        NodeKind::Asset | NodeKind::Unknown => ItemKind::Opaque,
    };
    let mut item = Item::new(node.id, node.name.unwrap_or_default(), kind);
    item.parents = node.parents.into_iter().flatten().map(ItemId::from).collect();
    item.created = node.created_date;
    item.modified = node.modified_date;
    if let Some(content) = node.content_properties {
        item.size = content.size;
        item.content_type = content.content_type;
        if let Some(sum) = content.md5.as_deref().and_then(parse_hex) {
            item.etag = Some(to_hex(&sum));
            item.hashes.push((HashKind::Md5, Box::new(sum)));
        }
    }
    item
}

/// Compares an item's etag with the caller's conditions. Quotes around an etag do not count; `*`
/// has no meaning.
///
/// # Errors
/// `ConditionNotMatch` if `if_match` differs from the etag, or the item has none; or if
/// `if_none_match` equals it.
pub(super) fn check_conditions(conditions: &Conditions, item: &Item) -> Result<()> {
    let matches = |etag: &str| item.etag.as_deref() == Some(etag.trim_matches('"'));
    if conditions.if_match.as_deref().is_some_and(|etag| !matches(etag)) {
        return Err(Error::new(ErrorKind::ConditionNotMatch, "the etag does not match `if_match`"));
    }
    if conditions.if_none_match.as_deref().is_some_and(matches) {
        return Err(Error::new(ErrorKind::ConditionNotMatch, "the etag matches `if_none_match`"));
    }
    Ok(())
}
