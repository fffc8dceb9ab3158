//! The JSON object of a node (amazon-drive#node-object).

use serde_json::{Map, Value};

use super::{
    content_properties::content_properties,
    ids::etag,
    links::Placement,
    node::{creator, facet, kind, labels, status, time},
    request::AmazonRequest,
};
use crate::{
    download_urls,
    tree::{Node, ROOT},
};

impl AmazonRequest {
    /// Returns the JSON object of a node, with the members that the query of the request selects.
    pub(super) fn node_object(&self, node: &Node) -> Value {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("id", self.ids.id(node.no).into());
        if node.no == ROOT {
            put("isRoot", true.into());
        } else {
            put("name", node.name.clone().into());
        }
        put("kind", kind(node).into());
        put("version", node.version.into());
        put("eTagResponse", etag(node.no, node.version).into());
        put("status", status(node).into());
        put(
            "parents",
            Placement::from_node(node).all().map(|parent| self.ids.id(parent)).collect(),
        );
        put("createdBy", node.owner.clone().unwrap_or_else(|| creator(&self.account)).into());
        put("createdDate", time(node.created).into());
        put("modifiedDate", time(node.modified).into());
        put("labels", labels(node).into());
        put("restricted", false.into());
        put("isShared", false.into());
        put("description", node.description.clone().unwrap_or_default().into());
        if let Some(properties) = facet(node, "properties") {
            put("properties", properties.clone());
        }
        if let Some(content) = &node.content {
            put("contentProperties", content_properties(node, content));
            if self.query.flag("tempLink")
                && let Some(path) = download_urls::path(&self.state, &self.account, node, false)
            {
                put("tempLink", self.content_host_url(&path).into());
            }
        }
        if self.selects_assets() {
            put("assets", self.asset_object(node).into_iter().collect());
        }
        Value::Object(object)
    }

    /// Returns whether node objects have the member `assets`.
    pub(super) fn selects_assets(&self) -> bool {
        let selects =
            |value: &str| ["ALL", "FIRST"].iter().any(|is| value.eq_ignore_ascii_case(is));
        self.query.get("asset").is_some_and(selects)
    }

    /// Returns the URL of a path that needs no token, on the host for content.
    pub(super) fn content_host_url(&self, path: &str) -> String {
        self.base_url.url_on("content-na.drive.amazonaws.com", path)
    }
}
