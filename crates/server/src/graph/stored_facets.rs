//! The facets that this protocol stores with an item in the tree.
//!
//! Tests set facets through the control interface, for instance `malware`. The server stores the
//! target of a shortcut in the same object.

use serde_json::Value;

use super::check_out::CHECKED_OUT;
use crate::tree::Node;

/// Name of the object in `Node::facets` that has the facets of this protocol.
pub(super) const FACETS: &str = "graph";

/// Facet of an item that refuses every change with 423.
pub(super) const LOCKED: &str = "locked";

/// Facet with the values of the library's columns.
pub(super) const FIELDS: &str = "fields";

/// Facets that never appear in a response.
pub(super) const INTERNAL: [&str; 3] = [CHECKED_OUT, FIELDS, LOCKED];

/// Facet, beside [`FACETS`], with the sources that an upload session declared: `source` and `media`
/// as they are in `/beta`. v1.0 does not return them.
pub(super) const UPLOAD_SOURCES: &str = "uploadSources";

/// Returns a facet of an item, or `None` if the item does not have it.
pub(super) fn stored_facet<'n>(node: &'n Node, name: &str) -> Option<&'n Value> {
    node.facets.get(FACETS)?.get(name)
}
