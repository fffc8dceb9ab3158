//! Nodes: got, made, changed, trashed, restored (amazon-drive#requests-nodes,
//! amazon-drive#requests-trash).

use axum::{body::Body, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    AmazonRequest,
    error::{AmazonError, Result, json_answer},
    node::FACET,
};
use crate::tree::{
    Change, ChildName, ItemKey, NewItem, Node, NodeKind, OnConflict, Precondition, ROOT, State,
    TreeError,
};

/// The longest name, in characters (amazon-drive#node-names).
const NAME_MAX: usize = 256;

/// How often a change that depends on what a node is like is tried again because another request
/// came between.
pub(super) const TRIES: usize = 16;

/// What a node is made of, or changed to.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub kind: Option<String>,
    pub name: Option<String>,
    pub parents: Option<Vec<String>>,
    pub labels: Option<Vec<String>>,
    pub description: Option<String>,
    pub properties: Option<Map<String, Value>>,
    pub status: Option<String>,
    pub content_properties: Option<Value>,
}

impl Metadata {
    /// The name, which must be there.
    pub(super) fn name(&self) -> Result<&str> {
        let name = self.name.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| AmazonError::bad("name is missing"))?;
        check_name(name)?;
        Ok(name)
    }

    /// What the tree keeps of it besides name and folders.
    pub(super) fn new_item(&self, local_id: Option<&str>) -> NewItem {
        let mut facets = Map::new();
        let facet = self.facet(local_id);
        if !facet.is_empty() {
            facets.insert(FACET.to_owned(), Value::Object(facet));
        }
        NewItem { description: self.description.clone(), facets, ..NewItem::default() }
    }

    fn facet(&self, local_id: Option<&str>) -> Map<String, Value> {
        let mut facet = Map::new();
        if let Some(labels) = &self.labels {
            facet.insert("labels".into(), labels.clone().into());
        }
        if let Some(properties) = &self.properties {
            facet.insert("properties".into(), Value::Object(properties.clone()));
        }
        if let Some(id) = local_id {
            facet.insert("localId".into(), id.into());
        }
        facet
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.chars().count() > NAME_MAX {
        return Err(AmazonError::bad(format!("name has more than {NAME_MAX} characters")));
    }
    Ok(())
}

/// `GET nodes/{id}`.
pub(super) async fn get(request: &AmazonRequest, id: &str) -> Result<Response> {
    let node = request.known(id).await?;
    Ok(request.ok(&node))
}

/// `POST nodes`: makes a folder.
pub(super) async fn create(request: &AmazonRequest, body: Body) -> Result<Response> {
    let metadata: Metadata = super::json_body(body).await?;
    match metadata.kind.as_deref() {
        Some("FOLDER") => {}
        Some("FILE") => {
            return Err(AmazonError::bad("A file is made at the content endpoint"));
        }
        _ => return Err(AmazonError::bad("kind must be FOLDER")),
    }
    let name = metadata.name()?.to_owned();
    let parents = request.parents(&metadata).await?;
    let local_id = request.local_id().await?;
    let new = metadata.new_item(local_id.as_deref());
    let made = request
        .state
        .tree
        .make(
            ChildName::new(request.drive(), parents[0], &name),
            NodeKind::Folder,
            new,
            OnConflict::Fail,
        )
        .await;
    let made = made.map_err(|error| request.refused(error, &name, parents[0]))?;
    let node = request.put_into(made.node, &name, &parents).await?;
    Ok(request.created(&node))
}

/// `PATCH nodes/{id}`.
pub(super) async fn patch(request: &AmazonRequest, id: &str, body: Body) -> Result<Response> {
    let metadata: Metadata = super::json_body(body).await?;
    if metadata.content_properties.is_some() {
        return Err(AmazonError::forbidden("contentProperties cannot be changed"));
    }
    let mut node = request.known(id).await?;
    if let Some(status) = &metadata.status {
        node = set_status(request, node, status).await?;
    }
    if node.state == State::Trashed && metadata.changes_anything_else() {
        return Err(AmazonError::forbidden("The node is in the trash"));
    }
    if let Some(name) = &metadata.name {
        check_name(name)?;
    }
    let parents = match &metadata.parents {
        Some(_) => Some(request.parents(&metadata).await?),
        None => None,
    };
    if metadata.changes_anything_else() {
        node = change(request, &node, &metadata, parents).await?;
    }
    Ok(request.ok(&node))
}

impl Metadata {
    fn changes_anything_else(&self) -> bool {
        self.name.is_some()
            || self.parents.is_some()
            || self.labels.is_some()
            || self.description.is_some()
            || self.properties.is_some()
    }
}

async fn change(
    request: &AmazonRequest,
    node: &Node,
    metadata: &Metadata,
    parents: Option<Vec<ItemKey>>,
) -> Result<Node> {
    let mut facets = Map::new();
    let facet = metadata.facet(None);
    if !facet.is_empty() {
        let mut merged = node.facets.get(FACET).and_then(Value::as_object).cloned();
        merged.get_or_insert_default().extend(facet);
        facets.insert(FACET.to_owned(), Value::Object(merged.unwrap_or_default()));
    }
    let change = Change {
        name: metadata.name.clone(),
        parents: parents.clone(),
        description: metadata.description.clone().map(Some),
        facets,
        ..Change::default()
    };
    let name = metadata.name.as_deref().unwrap_or(&node.name);
    let changed = request
        .state
        .tree
        .update(request.drive(), node.no, change, OnConflict::Fail, Precondition::Any)
        .await;
    match changed {
        Ok(node) => Ok(node),
        Err(TreeError::NotFound) => Err(AmazonError::not_found(&request.ids.id(node.no))),
        Err(error) => {
            let folders = parents.as_deref().unwrap_or(&node.parents);
            Err(request.refused(error, name, folders.first().copied().unwrap_or(ROOT)))
        }
    }
}

/// `AVAILABLE` brings a node back, `TRASH` puts it into the trash.
async fn set_status(request: &AmazonRequest, node: Node, status: &str) -> Result<Node> {
    match (status, node.state) {
        ("AVAILABLE", State::Trashed) => request.bring_back(&node).await,
        ("AVAILABLE", _) | ("TRASH", State::Trashed) => Ok(node),
        ("TRASH", _) => request.put_away(&node).await,
        _ => Err(AmazonError::bad(format!("Invalid status: {status}"))),
    }
}

/// `PUT trash/{id}`. What is in the trash already is answered as it is: inferred.
pub(super) async fn trash(request: &AmazonRequest, id: &str) -> Result<Response> {
    let node = request.known(id).await?;
    let node = match node.state {
        State::Trashed => node,
        _ => request.put_away(&node).await?,
    };
    Ok(request.ok(&node))
}

/// `POST trash/{id}/restore`. What is not in the trash is 400: inferred.
pub(super) async fn restore(request: &AmazonRequest, id: &str) -> Result<Response> {
    let node = request.known(id).await?;
    if node.state != State::Trashed {
        return Err(AmazonError::bad(format!("Node {id} is not in the trash")));
    }
    let node = request.bring_back(&node).await?;
    Ok(request.ok(&node))
}

/// `DELETE nodes/{id}`: nobody but Amazon may.
pub(super) fn purge() -> AmazonError {
    AmazonError::forbidden("Insufficient permissions granted for operation: purgeNode")
}

impl AmazonRequest {
    async fn put_away(&self, node: &Node) -> Result<Node> {
        let trashed = self.state.tree.trash(self.drive(), node.no, Precondition::Any).await;
        trashed.map_err(|error| AmazonError::tree(error, &self.ids.id(node.no)))
    }

    async fn bring_back(&self, node: &Node) -> Result<Node> {
        let restored = self.state.tree.restore(self.drive(), node.no, None, None).await;
        let folder = node.parents.first().copied().unwrap_or(ROOT);
        restored.map_err(|error| match error {
            TreeError::NameTaken(_) => self.refused(error, &node.name, folder),
            error => AmazonError::tree(error, &self.ids.id(node.no)),
        })
    }

    /// The folders that a node is to be in: the root, unless it says others.
    pub(super) async fn parents(&self, metadata: &Metadata) -> Result<Vec<ItemKey>> {
        let Some(ids) = metadata.parents.as_ref().filter(|ids| !ids.is_empty()) else {
            return Ok(vec![ROOT]);
        };
        ids.iter().map(|id| self.number(id)).collect()
    }

    /// Puts a node just made into the rest of its folders; if that fails it is gone again.
    pub(super) async fn put_into(
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
                    tracing::warn!(%error, "a node that could not be made whole stays");
                }
                Err(self.refused(error, name, parents[1]))
            }
        }
    }

    /// What the tree said of a name in a folder.
    pub(super) fn refused(&self, error: TreeError, name: &str, folder: ItemKey) -> AmazonError {
        let folder = self.ids.id(folder);
        match error {
            TreeError::NameTaken(occupant) => {
                AmazonError::name_taken(name, &folder, self.ids.id(occupant))
            }
            error => AmazonError::tree(error, &folder),
        }
    }

    /// The client's own name of a new node, which no other may have.
    pub(super) async fn local_id(&self) -> Result<Option<String>> {
        let Some(id) = self.query.get("localId").filter(|id| !id.is_empty()) else {
            return Ok(None);
        };
        let same =
            |node: &Node| super::node::facet(node, "localId").and_then(Value::as_str) == Some(id);
        match self.find(same).await? {
            Some(node) => Err(AmazonError::conflict(format!(
                "Node {} was made with the localId {id}",
                self.ids.id(node.no)
            ))),
            None => Ok(Some(id.to_owned())),
        }
    }

    pub(super) fn ok(&self, node: &Node) -> Response {
        json_answer(StatusCode::OK, &self.shown(node))
    }

    /// 201, and where the node is.
    pub(super) fn created(&self, node: &Node) -> Response {
        let mut response = json_answer(StatusCode::CREATED, &self.shown(node));
        self.locate(&mut response, node);
        response
    }
}
