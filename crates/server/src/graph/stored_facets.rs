//! The facets that this protocol stores with an item in the tree.
//!
//! Tests set facets through the control interface, for instance `malware`. The server stores the
//! target of a shortcut in the same object.

use http::StatusCode;
use serde_json::{Map, Value};

use super::{
    check_out::CHECKED_OUT,
    drive_context::DriveContext,
    error::{Error, Result},
    labels::{RETENTION_LABEL, SENSITIVITY_LABEL},
};
use crate::tree::{Change, Node, OnConflict, Precondition, TreeError};

/// Maximum number of attempts to change an item that other requests change at the same time.
const MAX_ATTEMPTS: usize = 100;

/// Name of the object in `Node::facets` that has the facets of this protocol.
pub(super) const FACETS: &str = "graph";

/// Facet of an item that refuses every change with 423.
pub(super) const LOCKED: &str = "locked";

/// Facet with the values of the library's columns.
pub(super) const FIELDS: &str = "fields";

/// Facets that never appear in a response.
pub(super) const INTERNAL: [&str; 5] =
    [CHECKED_OUT, FIELDS, LOCKED, RETENTION_LABEL, SENSITIVITY_LABEL];

/// Facet, beside [`FACETS`], with the sources that an upload session declared: `source` and `media`
/// as they are in `/beta`. v1.0 does not return them.
pub(super) const UPLOAD_SOURCES: &str = "uploadSources";

/// Returns a facet of an item, or `None` if the item does not have it.
pub(super) fn stored_facet<'n>(node: &'n Node, name: &str) -> Option<&'n Value> {
    node.facets.get(FACETS)?.get(name)
}

/// Returns the item's facets with another value of one of them, in the form of
/// [`Change::facets`]; `None` removes the facet.
pub(super) fn with_facet(node: &Node, name: &str, value: Option<Value>) -> Map<String, Value> {
    let mut facets = match node.facets.get(FACETS) {
        Some(Value::Object(facets)) => facets.clone(),
        _ => Map::new(),
    };
    match value {
        Some(value) => facets.insert(name.into(), value),
        None => facets.remove(name),
    };
    Map::from_iter([(FACETS.to_owned(), facets.into())])
}

/// Replaces facets of an item by those that `facets_of` computes from its current state, and returns the
/// changed item. `facets_of` runs again if another request changed the item in between.
///
/// # Errors
/// Those of `facets_of`; 404 if the item no longer exists; 503 if other requests changed it during
/// each of [`MAX_ATTEMPTS`] attempts; 507 if the disk of the storage is full; 500 if the storage
/// fails.
pub(super) async fn change_facets(
    context: &DriveContext<'_>,
    mut node: Node,
    facets_of: impl Fn(&Node) -> Result<Map<String, Value>>,
) -> Result<Node> {
    let (tree, drive) = (context.tree(), context.drive());
    for _ in 0..MAX_ATTEMPTS {
        let change = Change { facets: facets_of(&node)?, ..Change::default() };
        let expect = Precondition::Version(node.version);
        match tree.update(drive, node.no, change, OnConflict::Fail, expect).await {
            Ok(changed) => return Ok(changed),
            Err(TreeError::Changed) => node = tree.node(drive, node.no).await?,
            Err(error) => return Err(error.into()),
        }
    }
    let message = "cannot change the item: other requests keep changing it";
    Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, "serviceNotAvailable", message))
}
