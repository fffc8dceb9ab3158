//! The JSON object of a node (amazon-drive#node-object).

use serde_json::{Map, Value, json};

use super::{
    ids::etag,
    node::{creator, extension, facet, kind, labels, status, time},
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
        put("eTagResponse", etag(node).into());
        put("status", status(node).into());
        put("parents", node.parents.iter().map(|parent| self.ids.id(*parent)).collect());
        put("createdBy", node.owner.clone().unwrap_or_else(|| creator(&self.account)).into());
        put("createdDate", time(node.created).into());
        put("modifiedDate", time(node.modified).into());
        put("labels", labels(node).into());
        put("restricted", false.into());
        put("isShared", false.into());
        if let Some(description) = &node.description {
            put("description", description.clone().into());
        }
        if let Some(properties) = facet(node, "properties") {
            put("properties", properties.clone());
        }
        if let Some(content) = &node.content {
            put(
                "contentProperties",
                json!({
                    "version": node.content_version,
                    "md5": hex::encode(content.hashes.md5),
                    "size": content.size,
                    "contentType": node.media_type,
                    "extension": extension(&node.name).unwrap_or_default(),
                }),
            );
            if self.query.flag("tempLink")
                && let Some(path) = download_urls::path(&self.state, &self.account, node, false)
            {
                put(
                    "tempLink",
                    self.base_url.url_on("content-na.drive.amazonaws.com", &path).into(),
                );
            }
        }
        let has_assets =
            |value: &str| ["ALL", "FIRST"].iter().any(|is| value.eq_ignore_ascii_case(is));
        if self.query.get("asset").is_some_and(has_assets) {
            put("assets", json!([]));
        }
        Value::Object(object)
    }
}
