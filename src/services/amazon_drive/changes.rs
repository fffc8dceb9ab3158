//! What has changed in the drive since it was last asked (amazon-drive#changes).

use futures::StreamExt;

use super::{
    client::{ChangesQuery, Client},
    drive::{is_item, item_of},
    model::NodeKind,
};
use crate::drive::{ChangePage, Context, Cursor, Error, ErrorKind, ItemKind, Result, Secret};

/// The most changes that are held at once. With more, all that is known of the drive is out of date.
const CHANGES_MAX: usize = 200_000;

/// Everything since a checkpoint, in one request. There is no way to be told of nothing but the
/// present checkpoint: from the beginning, all there is comes by and is let go.
pub(super) async fn changes(
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
    let mut changes = ChangePage {
        items: Vec::new(),
        removed: Vec::new(),
        next: since.cloned().unwrap_or_else(|| Cursor(Secret::from(""))),
        more: false,
        reset: false,
    };
    while let Some(set) = sets.next().await {
        let set = set?;
        changes.next = Cursor(Secret::from(set.checkpoint));
        if since.is_none() {
            continue;
        }
        changes.reset |= set.reset || changes.items.len() + changes.removed.len() > CHANGES_MAX;
        if changes.reset {
            changes.items.clear();
            changes.removed.clear();
            continue;
        }
        for node in set.nodes {
            if is_item(&node) || node.is_root {
                changes.items.push(item_of(node));
                continue;
            }
            let kind = match node.kind {
                NodeKind::File => Some(ItemKind::File),
                NodeKind::Folder => Some(ItemKind::Folder),
                NodeKind::Asset | NodeKind::Unknown => None,
            };
            changes.removed.push((node.id.into(), kind));
        }
    }
    match changes.next.0.expose().is_empty() {
        false => Ok(changes),
        true => {
            Err(Error::new(ErrorKind::Unexpected, "the changes name no checkpoint to go on from"))
        }
    }
}
