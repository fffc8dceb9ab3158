//! Deletion: an item leaves one folder, and its last folder for the trash.

use std::sync::Arc;

use super::{
    client::Client,
    item::{from_node, id_of, parent_of},
    model::Node,
};
use crate::drive::{Context, DeleteTarget, ItemId, Result};

/// Removes an item from the folder through which the caller found it. An item in no other folder,
/// or one without a known folder, moves to the trash, a folder with everything below it.
///
/// # Errors
/// `NotFound` if the item or its folder does not exist; `Unsupported` for a reference by path;
/// [request errors](crate::drive::Error#request-errors), among them that of the cloud for the root,
/// with a note if the item is in the trash although another folder contains it.
pub(super) async fn delete(
    client: &Arc<Client>,
    cx: &Context,
    target: &DeleteTarget,
) -> Result<()> {
    let id = id_of(&target.item)?.clone();
    let Some(parent) = parent_of(&target.item).cloned() else {
        return client.trash(cx, id.as_str()).await.map(drop);
    };
    let mut parents = target.parents.clone();
    if parents.is_empty() {
        parents = from_node(client.node(cx, id.as_str(), false).await?).parents;
    }
    let (client, context) = (Arc::clone(client), cx.clone());
    // Another client may change the parents meanwhile. The second request that corrects this must
    // not be interrupted.
    cx.spawn_and_wait(async move {
        match parents.len() > 1 && parents.contains(&parent) {
            true => remove_edge(&client, &context, &id, &parent, &parents).await,
            false => trash_item(&client, &context, &id, &parent).await,
        }
    })
    .await
}

/// Removes an item from the folder `parent`; the caller knows several folders that contain it,
/// `known_parents`. Moves it to the trash if another client has removed it from the others.
///
/// # Errors
/// `NotFound` if the item or the folder does not exist; [request
/// errors](crate::drive::Error#request-errors).
async fn remove_edge(
    client: &Client,
    cx: &Context,
    id: &ItemId,
    parent: &ItemId,
    known_parents: &[ItemId],
) -> Result<()> {
    let node = client.remove_child(cx, parent.as_str(), id.as_str()).await?;
    // If it was in no other folder any more, the cloud has moved it to the root folder.
    match node.parents.as_deref() {
        Some([only]) if !known_parents.iter().any(|known| known.as_str() == only) => {
            client.trash(cx, id.as_str()).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// Moves an item to the trash; the caller knows only the folder `parent`. Restores it if another
/// client has added it to a further folder.
///
/// # Errors
/// `NotFound` if the item does not exist; [request errors](crate::drive::Error#request-errors),
/// with a note if the item could not be restored.
async fn trash_item(client: &Client, cx: &Context, id: &ItemId, parent: &ItemId) -> Result<()> {
    let node = client.trash(cx, id.as_str()).await?;
    if !is_shared(&node, parent) {
        return Ok(());
    }
    // Another client has added it to a further folder meanwhile. It must remain there.
    let correction = async {
        client.restore(cx, id.as_str()).await?;
        client.remove_child(cx, parent.as_str(), id.as_str()).await
    };
    correction.await.map(drop).map_err(|error| {
        error.with_note("the item is now in the trash, although another folder contained it, too")
    })
}

/// Returns whether `parent` and at least one other folder contain the node. `false` if the response
/// does not contain the node's parents.
fn is_shared(node: &Node, parent: &ItemId) -> bool {
    node.parents.as_ref().is_some_and(|parents| {
        parents.len() > 1 && parents.iter().any(|each| each == parent.as_str())
    })
}
