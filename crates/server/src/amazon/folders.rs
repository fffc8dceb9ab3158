//! Handlers of the parent folders of a node: move, add, remove (amazon-drive#requests-parents).

use axum::{body::Body, response::Response};
use serde::Deserialize;

use super::{
    error::{AmazonError, Result},
    request::{AmazonRequest, MAX_ATTEMPTS, json_body},
};
use crate::tree::{Change, ItemKey, ItemState, Node, OnConflict, Precondition, ROOT, TreeError};

/// Handles `POST nodes/{id}/children`: moves the node `childId` of the body from its parent
/// `fromParent` to the folder with the id `to`.
///
/// # Errors
/// 400 if the body is over 1 MiB, ends early or lacks a member, the node is not a child of
/// `fromParent`, or `to` is a file; 403 for a node in the trash, and if the disk of the storage is
/// full; 404 if a node does not exist or is not visible to the token; 409 if the name is in use, a
/// folder would be below itself, or after [`MAX_ATTEMPTS`] concurrent changes; 500 if the storage
/// fails.
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

/// Handles `PUT nodes/{parent}/children/{child}`: adds the folder with the id `parent` to the
/// parents of the node with the id `child`. Inferred: a node that is already a child stays
/// unchanged.
///
/// # Errors
/// 400 if `parent` is a file; 403 for a node in the trash, for the root folder as a child, and if
/// the disk of the storage is full; 404 if a node does not exist or is not visible to the token;
/// 409 if the name is in use, a folder would be below itself, or after [`MAX_ATTEMPTS`] concurrent
/// changes; 500 if the storage fails.
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

/// Handles `DELETE nodes/{parent}/children/{child}`: removes the folder with the id `parent` from
/// the parents of the node with the id `child`. A node without further parents moves to the root
/// folder.
///
/// # Errors
/// 403 for a node in the trash, and if the disk of the storage is full; 404 if a node does not
/// exist or is not visible to the token, or `child` is not a child of `parent`; 409 if the root
/// folder has a node of the same name, or after [`MAX_ATTEMPTS`] concurrent changes; 500 if the
/// storage fails.
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
    /// several times, because the update is repeated after a concurrent change. It receives the
    /// keys of the present parents. If it leaves them as they are, nothing is written.
    ///
    /// # Errors
    /// Those of `change`; 400 if a new parent is a file; 403 for a node in the trash, for the root
    /// folder, and if the disk of the storage is full; 404 if the node or a new parent does not
    /// exist; 409 if a parent has a node of the same name, a folder would be below itself, or after
    /// [`MAX_ATTEMPTS`] concurrent changes; 500 if the storage fails.
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
