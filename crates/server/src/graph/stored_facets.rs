//! The facets that this protocol stores with an item in the tree.
//!
//! Tests set facets through the control interface, for instance `remoteItem`. The server stores its
//! own lists in the same object: the sharing links of an item and the grants of its invitations.

use http::StatusCode;
use serde_json::{Map, Value};

use super::error::{Error, Result};
use crate::tree::{Change, DriveKey, Node, OnConflict, Precondition, Tree, TreeError};

/// Name of the object in `Node::facets` that has the facets of this protocol.
pub(super) const FACETS: &str = "graph";

/// Facet with the list of an item's sharing links.
pub(super) const LINKS: &str = "links";

/// Facet with the list of permissions that invitations granted.
pub(super) const GRANTS: &str = "grants";

/// Facet of an item that refuses every change with 423.
pub(super) const LOCKED: &str = "locked";

/// Facets that never appear in a response.
pub(super) const INTERNAL: [&str; 3] = [GRANTS, LINKS, LOCKED];

/// Maximum number of attempts to change an item that other requests change at the same time.
/// Another request succeeds whenever one attempt fails, so this many requests can run concurrently.
const MAX_ATTEMPTS: usize = 100;

/// Returns a facet of an item, or `None` if the item does not have it.
pub(super) fn stored_facet<'n>(node: &'n Node, name: &str) -> Option<&'n Value> {
    node.facets.get(FACETS)?.get(name)
}

/// Returns the entries of a list facet. The list is empty if the item does not have the facet.
pub(super) fn stored_list<'n>(node: &'n Node, name: &str) -> &'n [Value] {
    stored_facet(node, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns the item's facets with one list replaced, in the form of [`Change::facets`].
pub(super) fn with_list(node: &Node, name: &str, list: Vec<Value>) -> Map<String, Value> {
    let mut facets = match node.facets.get(FACETS) {
        Some(Value::Object(facets)) => facets.clone(),
        _ => Map::new(),
    };
    facets.insert(name.into(), list.into());
    Map::from_iter([(FACETS.to_owned(), facets.into())])
}

/// Replaces facets of an item, and returns the value that `facets_of` computed with them.
///
/// `facets_of` computes the new facets from the current state of the item. It runs again if another
/// request changed the item in between, so that no change is lost. If it returns an empty map,
/// nothing is written.
///
/// # Errors
/// Those of `facets_of`; 404 if the item no longer exists; 503 if other requests changed the item
/// during each of [`MAX_ATTEMPTS`] attempts; 507 if the disk of the storage is full; 500 if the
/// storage fails.
pub(super) async fn update_facets<T>(
    tree: &Tree,
    drive: DriveKey,
    mut node: Node,
    facets_of: impl Fn(&Node) -> Result<(T, Map<String, Value>)>,
) -> Result<T> {
    for _ in 0..MAX_ATTEMPTS {
        let (value, facets) = facets_of(&node)?;
        if facets.is_empty() {
            return Ok(value);
        }
        let change = Change { facets, ..Change::default() };
        let expect = Precondition::Version(node.version);
        match tree.update(drive, node.no, change, OnConflict::Fail, expect).await {
            Ok(_) => return Ok(value),
            Err(TreeError::Changed) => node = tree.node(drive, node.no).await?,
            Err(error) => return Err(error.into()),
        }
    }
    let message = "cannot change the item: other requests keep changing it";
    Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, "serviceNotAvailable", message))
}
