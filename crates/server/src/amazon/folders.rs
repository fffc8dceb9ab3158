//! Handlers of the parent folders of a node: move, add, remove (amazon-drive#requests-parents).

use axum::{body::Body, response::Response};
use serde::Deserialize;

use super::{
    error::{AmazonError, Result},
    request::{AmazonRequest, MAX_ATTEMPTS, json_body},
};
use crate::tree::{Change, ItemKey, ItemState, Node, OnConflict, Precondition, ROOT, TreeError};

/// Handles `POST nodes/{id}/children`: moves a node from one of its parents to the folder `to`.
///
/// # Errors
/// 400 if the node is not a child of the first, or the body is invalid; 403 for a node in the
/// trash; 404 if a node does not exist; 409 if the name is in use, or after too many concurrent
/// changes; 500 if the storage fails.
pub(super) async fn move_child(request: &AmazonRequest, to: &str, body: Body) -> Result<Response> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Move {
        from_parent: String,
        child_id: String,
    }
    let Move { from_parent, child_id } = json_body(body).await?;
    let (from, to) = (request.item_key(&from_parent)?, request.item_key(to)?);
    let node = request
        .update_parents(&child_id, |parents| {
            let place = parents.iter().position(|parent| *parent == from);
            let place = place.ok_or_else(|| {
                AmazonError::invalid(format!("Node {child_id} is not a child of {from_parent}"))
            })?;
            match parents.contains(&to) {
                true => drop(parents.remove(place)),
                false => parents[place] = to,
            }
            Ok(())
        })
        .await?;
    Ok(request.node_response(&node))
}

/// Handles `PUT nodes/{parent}/children/{child}`. Inferred: a node that is already a child stays
/// unchanged.
///
/// # Errors
/// 403 for a node in the trash; 404 if a node does not exist; 409 if the name is in use, or after
/// too many concurrent changes; 500 if the storage fails.
pub(super) async fn add_child(
    request: &AmazonRequest,
    parent: &str,
    child: &str,
) -> Result<Response> {
    let folder = request.item_key(parent)?;
    let node = request
        .update_parents(child, |parents| {
            if !parents.contains(&folder) {
                parents.push(folder);
            }
            Ok(())
        })
        .await?;
    Ok(request.node_response(&node))
}

/// Handles `DELETE nodes/{parent}/children/{child}`. A node without further parents moves to the
/// root folder.
///
/// # Errors
/// 404 if the node is not a child; 403 for a node in the trash; 404 if a node does not exist; 409
/// if the name is in use, or after too many concurrent changes; 500 if the storage fails.
pub(super) async fn remove_child(
    request: &AmazonRequest,
    parent: &str,
    child: &str,
) -> Result<Response> {
    let folder = request.item_key(parent)?;
    let node = request
        .update_parents(child, |parents| {
            if !parents.contains(&folder) {
                let what = format!("Node {child} is not a child of {parent}");
                return Err(AmazonError::part_not_found(what));
            }
            parents.retain(|parent| *parent != folder);
            if parents.is_empty() {
                parents.push(ROOT);
            }
            Ok(())
        })
        .await?;
    Ok(request.node_response(&node))
}

impl AmazonRequest {
    /// Changes the parents of the node with the id `child` atomically. `change` may be called
    /// several times, because the update is repeated after a concurrent change.
    ///
    /// # Errors
    /// Those of `change`; 403 for a node in the trash; 404 if the node or a parent does not exist;
    /// 409 if a parent has a node of the same name, or after [`MAX_ATTEMPTS`] concurrent changes;
    /// 500 if the storage fails.
    async fn update_parents(
        &self,
        child: &str,
        change: impl Fn(&mut Vec<ItemKey>) -> Result<()>,
    ) -> Result<Node> {
        for _ in 0..MAX_ATTEMPTS {
            let node = self.find_node(child).await?;
            if node.state == ItemState::Trashed {
                return Err(AmazonError::in_trash());
            }
            let mut parents = node.parents.clone();
            change(&mut parents)?;
            if parents == node.parents {
                return Ok(node);
            }
            let joined = parents.iter().find(|parent| !node.parents.contains(parent)).copied();
            let change = Change { parents: Some(parents), ..Change::default() };
            let precondition = Precondition::Version(node.version);
            let tree = &self.state.tree;
            match tree.update(self.drive(), node.no, change, OnConflict::Fail, precondition).await {
                Ok(node) => return Ok(node),
                // A concurrent request changed the node. Its changes must be preserved.
                Err(TreeError::Changed) => {}
                Err(error) => {
                    return Err(self.tree_error(error, &node.name, joined.unwrap_or(ROOT)));
                }
            }
        }
        Err(AmazonError::busy())
    }
}
