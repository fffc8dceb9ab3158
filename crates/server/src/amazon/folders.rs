//! Handlers of the parent folders of a node: move, add, remove (amazon-drive#requests-parents).

use axum::{body::Body, response::Response};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    error::{AmazonError, Result},
    links::{Placement, set_links},
    node::FACET,
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
/// folder would be only below itself, or after [`MAX_ATTEMPTS`] concurrent changes; 500 if the storage
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
        .update_parents(&child_id, |parents| match parents.replace(from, to) {
            true => Ok(()),
            false => {
                let what = format!("Node {child_id} is not a child of {from_parent}");
                Err(AmazonError::invalid(what))
            }
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
/// 409 if the name is in use, or after [`MAX_ATTEMPTS`] concurrent changes; 500 if the storage fails.
pub(super) async fn add_child(
    request: &AmazonRequest,
    parent: &str,
    child: &str,
) -> Result<Response> {
    let folder = request.item_key(parent)?;
    let node = request
        .update_parents(child, |parents| {
            parents.add(folder);
            Ok(())
        })
        .await?;
    Ok(request.node_response(&node))
}

/// Handles `DELETE nodes/{parent}/children/{child}`: removes the folder with the id `parent` from
/// the parents of the node with the id `child`. A node without further parents moves to the root
/// folder, also a folder whose only other parents are below it.
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
            if !parents.remove(folder) {
                let what = format!("Node {child} is not a child of {parent}");
                return Err(AmazonError::part_not_found(what));
            }
            if parents.folders.is_empty() {
                parents.folders.push(ROOT);
            }
            Ok(())
        })
        .await?;
    Ok(request.node_response(&node))
}

impl AmazonRequest {
    /// Changes the parents of the node with the id `child` atomically. `change` may be called
    /// several times, because the update is repeated after a concurrent change. It receives the
    /// present parents. If it leaves them as they are, nothing is written.
    ///
    /// # Errors
    /// Those of `change`; 400 if a new parent is a file; 403 for an asset, for a node in the trash,
    /// for the root folder, and if the disk of the storage is full; 404 if the node or a new parent
    /// does not exist; 409 if a parent has a node of the same name, a folder would be only below
    /// itself, or after [`MAX_ATTEMPTS`] concurrent changes; 500 if the storage fails.
    async fn update_parents(
        &self,
        child: &str,
        change: impl Fn(&mut Placement) -> Result<()>,
    ) -> Result<Node> {
        for _ in 0..MAX_ATTEMPTS {
            let node = self.find_node(child).await?;
            if node.state == ItemState::Trashed {
                return Err(AmazonError::in_trash());
            }
            let mut placement = Placement::from_node(&node);
            change(&mut placement)?;
            if placement == Placement::from_node(&node) {
                return Ok(node);
            }
            if let Some(node) = self.place(&node, placement, NodeChange::default()).await? {
                return Ok(node);
            }
        }
        Err(AmazonError::busy())
    }

    /// Gives a node new parents, together with other changes, if it still has the version of `node`.
    /// Returns the changed node; `None` if a concurrent request changed it.
    ///
    /// # Errors
    /// 400 if a new parent is a file or the name cannot be stored; 403 for the root folder, and if
    /// the disk of the storage is full; 404 if the node or a new parent does not exist; 409 if a
    /// parent has a node of the same name, or a folder would be only below itself; 500 if the
    /// storage fails.
    pub(super) async fn place(
        &self,
        node: &Node,
        placement: Placement,
        change: NodeChange,
    ) -> Result<Option<Node>> {
        let before = Placement::from_node(node);
        if node.no == ROOT && placement != before {
            return Err(AmazonError::tree(TreeError::Root, &self.ids.id(ROOT)));
        }
        let placement = match placement == before {
            true => placement,
            false => self.resolve_links(node, placement).await?,
        };
        let NodeChange { name, description, facet } = change;
        let new_name = name.as_deref().unwrap_or(&node.name);
        self.check_links(node, new_name, &placement).await?;
        self.register_links(node.no, &difference(&placement.links, &before.links)).await?;
        let old = node.facets.get(FACET).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut new = old.clone();
        new.extend(facet);
        set_links(&mut new, node, &placement.links);
        let facets = (new != old).then(|| (FACET.to_owned(), Value::Object(new)));
        let joined = placement.folders.iter().find(|parent| !node.parents.contains(parent));
        let folder = joined.or(placement.folders.first()).copied().unwrap_or(ROOT);
        let change = Change {
            name: name.clone(),
            parents: (placement.folders != before.folders).then(|| placement.folders.clone()),
            description: description.map(Some),
            facets: facets.into_iter().collect(),
            ..Change::default()
        };
        let version = Precondition::Version(node.version);
        let tree = &self.state.tree;
        match tree.update(self.drive(), node.no, change, OnConflict::Fail, version).await {
            Ok(node) => {
                let removed = difference(&before.links, &placement.links);
                self.forget_links(node.no, &removed).await;
                Ok(Some(node))
            }
            // A concurrent request changed the node. Its changes must be preserved.
            Err(TreeError::Changed) => Ok(None),
            Err(TreeError::NotFound) => {
                let is_live = self.find_node(&self.ids.id(node.no)).await?.state == ItemState::Live;
                let missing = if is_live { folder } else { node.no };
                Err(AmazonError::not_found(&self.ids.id(missing)))
            }
            Err(error) => Err(self.tree_error(error, new_name, folder)),
        }
    }
}

/// Changes of a node besides its parents.
#[derive(Debug, Default)]
pub(super) struct NodeChange {
    /// The new name; `None` keeps the name.
    pub(super) name: Option<String>,
    /// The new description; `None` keeps it.
    pub(super) description: Option<String>,
    /// Changed members of the data that only this protocol has.
    pub(super) facet: Map<String, Value>,
}

/// Returns the keys of `keys` that are not among `others`.
fn difference(keys: &[ItemKey], others: &[ItemKey]) -> Vec<ItemKey> {
    keys.iter().copied().filter(|key| !others.contains(key)).collect()
}
