//! A request of an authenticated account, and the lookups that its handlers share.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;

use super::{
    assets::file_of_asset,
    error::{AmazonError, Result},
    ids::Ids,
    node::is_shown,
    query::AmazonQuery,
    route::METADATA,
    scopes::AmazonScopes,
};
use crate::{
    account::Account,
    base_url::BaseUrl,
    state::ServerState,
    tree::{DriveKey, ItemKey, ItemState, Node, TreeError},
};

/// Maximum length of a JSON body, in bytes.
const JSON_MAX: usize = 1 << 20;

/// Number of nodes per query to the tree, where all nodes are read.
pub(super) const BATCH: u64 = 1_000;

/// Maximum number of attempts at an update that concurrent requests interfere with.
pub(super) const MAX_ATTEMPTS: usize = 16;

/// A request of an authenticated account.
pub(super) struct AmazonRequest {
    pub(super) state: Arc<ServerState>,
    pub(super) base_url: BaseUrl,
    pub(super) account: Arc<Account>,
    pub(super) ids: Ids,
    pub(super) query: AmazonQuery,
    /// The scopes of the request's token.
    pub(super) scopes: AmazonScopes,
}

impl AmazonRequest {
    /// Returns the drive of the account.
    pub(super) fn drive(&self) -> DriveKey {
        self.account.drive
    }

    /// Returns whether a node is visible to the request: in this protocol, and by its token.
    pub(super) fn shows(&self, node: &Node) -> bool {
        is_shown(node) && self.scopes.covers(node)
    }

    /// Returns the item of a node's id. It does not check whether the item exists.
    ///
    /// # Errors
    /// 404 if the id was not issued by this server for this account: it has another length or a
    /// wrong checksum.
    pub(super) fn item_key(&self, id: &str) -> Result<ItemKey> {
        self.ids.item_key(id).ok_or_else(|| AmazonError::not_found(id))
    }

    /// Returns the node with the id `id`. It may be in the trash, or below a folder in the trash.
    ///
    /// # Errors
    /// 403 for an asset, which no request changes; 404 if the id is not one of this account, or the
    /// node does not exist, was purged, is a notebook, or is not covered by the token's scopes; 500
    /// if the storage fails.
    pub(super) async fn find_node(&self, id: &str) -> Result<Node> {
        let key = self.item_key(id)?;
        match file_of_asset(key) {
            Some(_) => Err(AmazonError::asset()),
            None => self.find_node_by_key(key, id).await,
        }
    }

    /// Returns the node of an item. `id` is the id in the message of an error.
    ///
    /// # Errors
    /// 404 if the node does not exist, was purged, is a notebook, or is not covered by the token's
    /// scopes; 500 if the storage fails.
    pub(super) async fn find_node_by_key(&self, key: ItemKey, id: &str) -> Result<Node> {
        match self.state.tree.any_node(self.drive(), key).await {
            Ok(node) if node.state != ItemState::Purged && self.shows(&node) => Ok(node),
            Ok(_) | Err(TreeError::NotFound) => Err(AmazonError::not_found(id)),
            Err(error) => Err(AmazonError::tree(error, id)),
        }
    }

    /// Returns the first node of the drive, in the order of the change feed, that satisfies
    /// `predicate`; `None` if none does. Nodes in every state are included: also trashed, purged
    /// and invisible ones. It reads all nodes of the drive.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn find_first(
        &self,
        predicate: impl Fn(&Node) -> bool,
    ) -> Result<Option<Node>> {
        let mut after = -1;
        loop {
            let batch = self.state.tree.changes(self.drive(), after, BATCH).await;
            let batch = batch.map_err(|error| AmazonError::tree(error, "?"))?;
            let Some(last) = batch.last() else { return Ok(None) };
            after = last.feed;
            let full = batch.len() as u64 == BATCH;
            if let Some(found) = batch.into_iter().find(|node| predicate(node)) {
                return Ok(Some(found));
            }
            if !full {
                return Ok(None);
            }
        }
    }

    /// Returns the URL of the node with the id `id` at the metadata endpoint, without a slash at
    /// the end.
    pub(super) fn node_url(&self, id: &str) -> String {
        self.base_url.url(&format!("{METADATA}/nodes/{id}"))
    }

    /// Adds the header `Location` with the URL of `node` to a response.
    pub(super) fn set_location(&self, response: &mut Response, node: &Node) {
        if let Ok(url) = HeaderValue::try_from(self.node_url(&self.ids.id(node.no))) {
            response.headers_mut().insert(header::LOCATION, url);
        }
    }
}

/// Parses a JSON body, whatever its content type is: clients do not send one. An empty body is an
/// empty object.
///
/// # Errors
/// 400 if the body has more than [`JSON_MAX`] bytes, ends early, is not JSON, or does not have the
/// members of `T` in their types.
pub(super) async fn json_body<T: DeserializeOwned>(body: Body) -> Result<T> {
    let bytes = Limited::new(body, JSON_MAX)
        .collect()
        .await
        .map_err(|_| AmazonError::unreadable_body())?
        .to_bytes();
    let bytes = if bytes.trim_ascii().is_empty() { b"{}".as_slice() } else { &bytes };
    serde_json::from_slice(bytes)
        .map_err(|error| AmazonError::invalid(format!("Invalid body: {error}")))
}
