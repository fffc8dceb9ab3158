//! Reads pages of a folder's children from the tree.

use super::{
    drive_context::DriveContext,
    error::Result,
    paging::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE},
};
use crate::tree::{ListOptions, ListingKey, Node, NodeKind};

/// Returns a page of the children that `which` selects, and the sort key of the last one if more
/// pages follow, else `None`. Children that the caller has no access to are left out. Without a limit a page has [`DEFAULT_PAGE_SIZE`] items.
///
/// # Errors
/// 404 if the folder was deleted meanwhile, 500 if the storage fails.
pub(super) async fn page(
    context: &DriveContext<'_>,
    folder: &Node,
    which: ListOptions,
) -> Result<(Vec<Node>, Option<ListingKey>)> {
    let (order, limit) = (which.order, which.limit.unwrap_or(DEFAULT_PAGE_SIZE));
    // One item more than the page holds shows whether another page follows.
    let which = ListOptions { limit: Some(limit + 1), ..which };
    let mut nodes = children(context, folder, which).await?;
    let more = nodes.len() as u64 > limit;
    nodes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let last = nodes.last().filter(|_| more).map(|node| ListingKey::new(node, order));
    Ok((context.visible(nodes).await?, last))
}

/// Like [`page`], with only the children for which `matches` returns true.
///
/// # Errors
/// 404 if the folder was deleted meanwhile, 500 if the storage fails.
pub(super) async fn filtered_page(
    context: &DriveContext<'_>,
    folder: &Node,
    mut which: ListOptions,
    matches: impl Fn(&Node) -> bool,
) -> Result<(Vec<Node>, Option<ListingKey>)> {
    let wanted = which.limit.unwrap_or(DEFAULT_PAGE_SIZE);
    let mut found = Vec::new();
    loop {
        which.limit = Some((wanted - found.len() as u64).max(MAX_PAGE_SIZE / 10));
        let (nodes, last) = page(context, folder, which.clone()).await?;
        for node in nodes {
            if found.len() as u64 == wanted {
                return Ok((found, which.after));
            }
            which.after = Some(ListingKey::new(&node, which.order));
            if matches(&node) {
                found.push(node);
            }
        }
        if last.is_none() || found.len() as u64 == wanted {
            return Ok((found, last));
        }
        which.after = last;
    }
}

/// Returns an item's children. An item that is not a folder has none
/// (onedrive-graph#children-of-a-file, inferred).
///
/// # Errors
/// 404 if the folder was deleted meanwhile, 500 if the storage fails.
async fn children(
    context: &DriveContext<'_>,
    node: &Node,
    which: ListOptions,
) -> Result<Vec<Node>> {
    match node.kind {
        NodeKind::Folder => Ok(context.tree().children(context.drive(), node.no, which).await?),
        NodeKind::File | NodeKind::Notebook => Ok(Vec::new()),
    }
}
