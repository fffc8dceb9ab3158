//! Handlers of nodes: get, create, change, trash, restore (amazon-drive#requests-nodes,
//! amazon-drive#requests-trash).

use axum::{body::Body, http::StatusCode, response::Response};
use serde_json::Value;

use super::{
    error::{AmazonError, Result},
    folders::NodeChange,
    links::Placement,
    metadata::{Metadata, check_name},
    node::facet,
    request::{AmazonRequest, MAX_ATTEMPTS, json_body},
    response::json_response,
};
use crate::tree::{
    Change, ChildName, ItemKey, ItemState, Node, NodeKind, OnConflict, Precondition, ROOT,
    TreeError,
};

/// Handles `GET nodes/{id}`: returns the metadata of the node with the id, also of an asset and of a
/// node in the trash.
///
/// # Errors
/// 404 if the node does not exist or is not visible to the token; 500 if the storage fails.
pub(super) async fn get(request: &AmazonRequest, id: &str) -> Result<Response> {
    if let Some(file) = request.find_file_of_asset(id).await? {
        return request.asset_response(&file, id).await;
    }
    let node = request.find_node(id).await?;
    let mut object = request.node_object(&node);
    if request.selects_assets() {
        object["assets"] = request.whole_asset_object(&node).await?.into_iter().collect();
    }
    Ok(json_response(StatusCode::OK, &object))
}

/// Handles `POST nodes` of the metadata endpoint: creates a folder.
///
/// # Errors
/// 400 if the kind is not FOLDER, the body is over 1 MiB, ends early or has a member of another
/// type, the name is missing, empty, longer than 256 characters or cannot be stored, or a parent is
/// a file; 403 if the disk of the storage is full; 404 if a parent does not exist; 409 if the name
/// or the `localId` is in use; 500 if the storage fails.
pub(super) async fn create(request: &AmazonRequest, body: Body) -> Result<Response> {
    let metadata: Metadata = json_body(body).await?;
    match metadata.kind.as_deref() {
        Some("FOLDER") => {}
        Some("FILE") => {
            return Err(AmazonError::invalid("Files are created at the content endpoint"));
        }
        _ => return Err(AmazonError::invalid("kind must be FOLDER")),
    }
    let name = metadata.name()?.to_owned();
    let parents = request.parents(&metadata).await?;
    request.check_linked_names(&parents, &name, None).await?;
    let local_id = request.local_id().await?;
    let new = metadata.new_item(local_id.as_deref());
    let result = request
        .state
        .tree
        .make(
            ChildName::new(request.drive(), parents[0], &name),
            NodeKind::Folder,
            new,
            OnConflict::Fail,
        )
        .await;
    let written = result.map_err(|error| request.tree_error(error, &name, parents[0]))?;
    let node = request.add_parents(written.node, &name, &parents).await?;
    Ok(request.created_response(&node))
}

/// Handles `PATCH nodes/{id}`: changes the metadata, the parents or the status. The status is
/// changed first. It stays changed if a later part of the change fails.
///
/// # Errors
/// 400 if the body is over 1 MiB, ends early or has a member of another type, the status is neither
/// AVAILABLE nor TRASH, the name is longer than 256 characters or cannot be stored, or a parent is
/// a file; 403 if the body has `contentProperties`, another member than the status is changed of a
/// node in the trash, the root folder is moved, renamed or trashed, a restored node does not fit
/// into the drive's quota, or the disk of the storage is full; 404 if the node, a parent or every
/// former folder of a restored node does not exist; 409 if the name is in use, or a folder would be
/// only below itself; 500 if the storage fails.
pub(super) async fn patch(request: &AmazonRequest, id: &str, body: Body) -> Result<Response> {
    let metadata: Metadata = json_body(body).await?;
    if metadata.content_properties.is_some() {
        return Err(AmazonError::forbidden("contentProperties cannot be changed"));
    }
    let mut node = request.find_node(id).await?;
    if let Some(status) = &metadata.status {
        node = set_status(request, node, status).await?;
    }
    if node.state == ItemState::Trashed && metadata.changes_anything_else() {
        return Err(AmazonError::in_trash());
    }
    if let Some(name) = &metadata.name {
        check_name(name)?;
    }
    if metadata.changes_anything_else() {
        node = change(request, node, metadata).await?;
    }
    Ok(request.node_response(&node))
}

/// Changes the metadata of a node, except its status. `node` is its state before, `metadata` the
/// members to change. The change is repeated after a concurrent one.
///
/// # Errors
/// 400 if the name cannot be stored or a parent is a file; 403 for a move or a new name of the root
/// folder, and if the disk of the storage is full; 404 if the node or a parent does not exist; 409
/// if the name is in use, a folder would be only below itself, or after [`MAX_ATTEMPTS`] concurrent
/// changes; 500 if the storage fails.
async fn change(request: &AmazonRequest, mut node: Node, metadata: Metadata) -> Result<Node> {
    let id = request.ids.id(node.no);
    let facet = metadata.facet(None);
    for _ in 0..MAX_ATTEMPTS {
        let placement = match &metadata.parents {
            Some(_) => Placement { folders: request.parents(&metadata).await?, links: Vec::new() },
            None => Placement::from_node(&node),
        };
        let change = NodeChange {
            name: metadata.name.clone(),
            description: metadata.description.clone(),
            facet: facet.clone(),
        };
        if let Some(node) = request.place(&node, placement, change).await? {
            return Ok(node);
        }
        node = request.find_node(&id).await?;
    }
    Err(AmazonError::busy())
}

/// Applies a change of the status, and returns the changed node: `AVAILABLE` restores a node in the
/// trash, `TRASH` moves it there. A node that has the status is returned unchanged. Statuses are in
/// upper case.
///
/// # Errors
/// 400 for any other status; 403 for the root folder, if a restored node does not fit into the
/// drive's quota, and if the disk of the storage is full; 404 if the node was deleted or restored
/// meanwhile, or none of the folders of a restored node exists; 409 if the name of a restored node
/// is in use, or its folder is now below it; 500 if the storage fails.
async fn set_status(request: &AmazonRequest, node: Node, status: &str) -> Result<Node> {
    match (status, node.state) {
        ("AVAILABLE", ItemState::Trashed) => request.restore_from_trash(&node).await,
        ("AVAILABLE", _) | ("TRASH", ItemState::Trashed) => Ok(node),
        ("TRASH", _) => request.move_to_trash(&node).await,
        _ => Err(AmazonError::invalid(format!("Invalid status: {status}"))),
    }
}

/// Handles `PUT trash/{id}`: moves the node with the id to the trash, and returns it. Inferred: a
/// node that is already in the trash stays unchanged.
///
/// # Errors
/// 403 for the root folder, and if the disk of the storage is full; 404 if the node does not exist
/// or is not visible to the token; 500 if the storage fails.
pub(super) async fn trash(request: &AmazonRequest, id: &str) -> Result<Response> {
    let node = request.find_node(id).await?;
    let node = match node.state {
        ItemState::Trashed => node,
        _ => request.move_to_trash(&node).await?,
    };
    Ok(request.node_response(&node))
}

/// Handles `POST trash/{id}/restore`: takes the node with the id out of the trash, and returns it.
///
/// # Errors
/// 400 if the node is not in the trash (inferred); 403 if it does not fit into the drive's quota,
/// or the disk of the storage is full; 404 if the node or all of its folders do not exist; 409 if
/// its name is in use, or its folder is now below it; 500 if the storage fails.
pub(super) async fn restore(request: &AmazonRequest, id: &str) -> Result<Response> {
    let node = request.find_node(id).await?;
    if node.state != ItemState::Trashed {
        return Err(AmazonError::invalid(format!("Node {id} is not in the trash")));
    }
    let node = request.restore_from_trash(&node).await?;
    Ok(request.node_response(&node))
}

/// Handles `DELETE nodes/{id}`: removes the node with the id for good, a folder with everything
/// below it that is in no other folder, and returns the node with the status `PURGED`. The cloud
/// allowed it to its own applications only, so it needs
/// [`Builder::allow_purge`](crate::Builder::allow_purge).
///
/// # Errors
/// 403 unless the server allows it, and for the root folder; 404 if the node does not exist or is
/// not visible to the token; 500 if the storage fails.
pub(super) async fn purge(request: &AmazonRequest, id: &str) -> Result<Response> {
    if !request.state.settings.allow_purge {
        let message = "Insufficient permissions granted for operation: purgeNode";
        return Err(AmazonError::forbidden(message));
    }
    let node = request.find_node(id).await?;
    let tree = &request.state.tree;
    let error = |error| AmazonError::tree(error, id);
    tree.purge(request.drive(), node.no).await.map_err(error)?;
    let purged = tree.any_node(request.drive(), node.no).await.map_err(error)?;
    Ok(request.node_response(&purged))
}

impl AmazonRequest {
    /// Moves a node, which is not in the trash yet, to the trash, and returns it with its new
    /// status.
    ///
    /// # Errors
    /// 403 for the root folder, and if the disk of the storage is full; 404 if the node does not
    /// exist or is already in the trash; 500 if the storage fails.
    async fn move_to_trash(&self, node: &Node) -> Result<Node> {
        let trashed = self.state.tree.trash(self.drive(), node.no, Precondition::Any).await;
        trashed.map_err(|error| AmazonError::tree(error, &self.ids.id(node.no)))
    }

    /// Restores a node from the trash to those of its folders that exist, and returns it.
    ///
    /// # Errors
    /// 403 if it does not fit into the drive's quota, or the disk of the storage is full; 404 if it
    /// is no longer in the trash, or none of its folders exists; 409 if its name is in use in one
    /// of them, or one is now below it; 500 if the storage fails.
    async fn restore_from_trash(&self, node: &Node) -> Result<Node> {
        self.check_linked_names(&node.parents, &node.name, Some(node.no)).await?;
        let restored = self.state.tree.restore(self.drive(), node.no, None, None).await;
        let folder = node.parents.first().copied().unwrap_or(ROOT);
        restored.map_err(|error| match error {
            TreeError::NameTaken(_) => self.tree_error(error, &node.name, folder),
            error => AmazonError::tree(error, &self.ids.id(node.no)),
        })
    }

    /// Returns the parent folders that `metadata` gives to a node to create or to change, at least
    /// one. The default, also for an empty list, is the root folder. It does not check whether the
    /// folders exist.
    ///
    /// # Errors
    /// 404 for an id that is not one of this account.
    pub(super) async fn parents(&self, metadata: &Metadata) -> Result<Vec<ItemKey>> {
        let Some(ids) = metadata.parents.as_ref().filter(|ids| !ids.is_empty()) else {
            return Ok(vec![ROOT]);
        };
        ids.iter().map(|id| self.item_key(id)).collect()
    }

    /// Adds a new node called `name` to all its `parents`, the first of which already contains it,
    /// and returns the node. With one parent nothing is changed. If a parent rejects the node, the
    /// node is removed from the drive again.
    ///
    /// # Errors
    /// 400 if a parent is a file; 403 if the disk of the storage is full; 404 if a parent does not
    /// exist, or the node was removed meanwhile; 409 if a parent has a node of the same name; 500
    /// if the storage fails.
    pub(super) async fn add_parents(
        &self,
        node: Node,
        name: &str,
        parents: &[ItemKey],
    ) -> Result<Node> {
        if parents.len() < 2 {
            return Ok(node);
        }
        let change = Change { parents: Some(parents.to_vec()), ..Change::default() };
        let (tree, drive) = (&self.state.tree, self.drive());
        match tree.update(drive, node.no, change, OnConflict::Fail, Precondition::Any).await {
            Ok(node) => Ok(node),
            Err(error) => {
                if let Err(error) = tree.purge(drive, node.no).await {
                    tracing::warn!(%error, "cannot remove a node that is missing from some of its folders");
                }
                Err(self.tree_error(error, name, parents[1]))
            }
        }
    }

    /// Converts an error of the tree. `name` and `folder` are the name and the folder that the
    /// operation gives to a node. A name conflict is 409 with the id of the other node; all others
    /// as [`AmazonError::tree`].
    pub(super) fn tree_error(&self, error: TreeError, name: &str, folder: ItemKey) -> AmazonError {
        let folder = self.ids.id(folder);
        match error {
            TreeError::NameTaken(occupant) => {
                AmazonError::name_taken(name, &folder, self.ids.id(occupant))
            }
            error => AmazonError::tree(error, &folder),
        }
    }

    /// Returns the `localId` of a new node, an id that the client chooses; `None` without one.
    ///
    /// # Errors
    /// 409 if another node has it, also one in the trash; 500 if the storage fails.
    pub(super) async fn local_id(&self) -> Result<Option<String>> {
        let Some(id) = self.query.get("localId").filter(|id| !id.is_empty()) else {
            return Ok(None);
        };
        let has_id = |node: &Node| facet(node, "localId").and_then(Value::as_str) == Some(id);
        match self.find_first(has_id).await? {
            Some(node) => Err(AmazonError::conflict(format!(
                "Node {} was created with the localId {id}",
                self.ids.id(node.no)
            ))),
            None => Ok(Some(id.to_owned())),
        }
    }

    /// Responds with 200 and the node object.
    pub(super) fn node_response(&self, node: &Node) -> Response {
        json_response(StatusCode::OK, &self.node_object(node))
    }

    /// Responds with 201, the node object and its location.
    pub(super) fn created_response(&self, node: &Node) -> Response {
        let mut response = json_response(StatusCode::CREATED, &self.node_object(node));
        self.set_location(&mut response, node);
        response
    }
}
