//! Which folders a node is in: moved, added, removed (amazon-drive#requests-parents).

use axum::{body::Body, response::Response};
use serde::Deserialize;

use super::{
    AmazonRequest,
    error::{AmazonError, Result},
    nodes::TRIES,
};
use crate::tree::{Change, ItemKey, Node, OnConflict, Precondition, ROOT, State, TreeError};

/// `POST nodes/{id}/children`: from one of its folders to another.
pub(super) async fn move_child(request: &AmazonRequest, to: &str, body: Body) -> Result<Response> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Move {
        from_parent: String,
        child_id: String,
    }
    let Move { from_parent, child_id } = super::json_body(body).await?;
    let (from, to) = (request.number(&from_parent)?, request.number(to)?);
    let node = request
        .rehang(&child_id, |parents| {
            let place = parents.iter().position(|parent| *parent == from);
            let place = place.ok_or_else(|| {
                AmazonError::bad(format!("Node {child_id} is not a child of {from_parent}"))
            })?;
            match parents.contains(&to) {
                true => drop(parents.remove(place)),
                false => parents[place] = to,
            }
            Ok(())
        })
        .await?;
    Ok(request.ok(&node))
}

/// `PUT nodes/{parent}/children/{child}`. A node that is there already stays as it is: inferred.
pub(super) async fn add_child(
    request: &AmazonRequest,
    parent: &str,
    child: &str,
) -> Result<Response> {
    let folder = request.number(parent)?;
    let node = request
        .rehang(child, |parents| {
            if !parents.contains(&folder) {
                parents.push(folder);
            }
            Ok(())
        })
        .await?;
    Ok(request.ok(&node))
}

/// `DELETE nodes/{parent}/children/{child}`: out of its last folder, into the root.
pub(super) async fn remove_child(
    request: &AmazonRequest,
    parent: &str,
    child: &str,
) -> Result<Response> {
    let folder = request.number(parent)?;
    let node = request
        .rehang(child, |parents| {
            if !parents.contains(&folder) {
                let what = format!("Node {child} is not a child of {parent}");
                return Err(AmazonError::missing(what));
            }
            parents.retain(|parent| *parent != folder);
            if parents.is_empty() {
                parents.push(ROOT);
            }
            Ok(())
        })
        .await?;
    Ok(request.ok(&node))
}

impl AmazonRequest {
    /// Changes the folders that a node is in, as one step.
    async fn rehang(
        &self,
        child: &str,
        change: impl Fn(&mut Vec<ItemKey>) -> Result<()>,
    ) -> Result<Node> {
        for _ in 0..TRIES {
            let node = self.known(child).await?;
            if node.state == State::Trashed {
                return Err(AmazonError::forbidden("The node is in the trash"));
            }
            let mut parents = node.parents.clone();
            change(&mut parents)?;
            if parents == node.parents {
                return Ok(node);
            }
            let joined = parents.iter().find(|parent| !node.parents.contains(parent)).copied();
            let change = Change { parents: Some(parents), ..Change::default() };
            let expect = Precondition::Version(node.version);
            let tree = &self.state.tree;
            match tree.update(self.drive(), node.no, change, OnConflict::Fail, expect).await {
                Ok(node) => return Ok(node),
                // Another request came between; what it did is to stay.
                Err(TreeError::Changed) => {}
                Err(error) => {
                    return Err(self.refused(error, &node.name, joined.unwrap_or(ROOT)));
                }
            }
        }
        Err(AmazonError::conflict("The node is being changed by other requests"))
    }
}
