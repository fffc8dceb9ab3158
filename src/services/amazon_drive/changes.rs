//! The change feed of the drive (amazon-drive#changes).

use futures::StreamExt;

use super::{
    client::{ChangesQuery, Client},
    item::{from_node, has_path},
    model::NodeKind,
};
use crate::drive::{ChangePage, Context, Cursor, Error, ErrorKind, ItemKind, Result, Secret};

/// Maximum number of changes in memory. With more of them, the page is a reset.
const CHANGES_MAX: usize = 200_000;

/// Requests all changes since a checkpoint, in one request.
///
/// The cloud has no request for the present checkpoint alone: without `since` it lists the whole
/// drive, and this function discards all but the last checkpoint.
///
/// # Errors
/// `Unexpected` if the response is incomplete or has no checkpoint; [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn page(
    client: &Client,
    cx: &Context,
    since: Option<&Cursor>,
) -> Result<ChangePage> {
    let query = ChangesQuery {
        checkpoint: since.map(|Cursor(checkpoint)| checkpoint.expose().to_owned()),
        include_purged: since.is_some(),
        ..ChangesQuery::default()
    };
    let mut sets = std::pin::pin!(client.changes(cx, &query).await?);
    let mut page = ChangePage {
        items: Vec::new(),
        removed: Vec::new(),
        next: since.cloned().unwrap_or_else(|| Cursor(Secret::from(""))),
        more: false,
        reset: false,
    };
    while let Some(set) = sets.next().await {
        let set = set?;
        page.next = Cursor(Secret::from(set.checkpoint));
        if since.is_none() {
            continue;
        }
        page.reset |= set.reset || page.items.len() + page.removed.len() > CHANGES_MAX;
        if page.reset {
            page.items.clear();
            page.removed.clear();
            continue;
        }
        for node in set.nodes {
            if has_path(&node) || node.is_root {
                page.items.push(from_node(node));
                continue;
            }
            let kind = match node.kind {
                NodeKind::File => Some(ItemKind::File),
                NodeKind::Folder => Some(ItemKind::Folder),
                NodeKind::Asset | NodeKind::Unknown => None,
            };
            page.removed.push((node.id.into(), kind));
        }
    }
    if page.next.0.is_empty() {
        let text = "cannot read the changes: the response has no checkpoint";
        return Err(Error::new(ErrorKind::Unexpected, text));
    }
    Ok(page)
}
