//! The JSON bodies of the protocol (amazon-drive#nodes, amazon-drive#requests,
//! amazon-drive#changes, amazon-drive#errors).
//!
//! A member that real drives have been seen to omit is an `Option`, or empty by default.

mod account;
mod content;

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(super) use self::account::EndpointResponse;
pub use self::{
    account::{AccountInfo, AccountQuota, AccountUsage, Endpoints, TokenInfo, Usage, UsageTotal},
    content::{ContentProperties, ImageProperties, VideoProperties},
};
use crate::{
    drive::{ItemId, Secret},
    services::lenient,
};

/// The kind of a node.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum NodeKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A rendering of a photo or video; belongs to a file.
    Asset,
    /// A kind that this version of the crate does not know.
    #[serde(other)]
    Unknown,
}

/// The state of a node.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum NodeStatus {
    /// Not in the trash itself. A node below a folder in the trash has this status, too.
    Available,
    /// In the trash itself.
    Trash,
    /// Permanently deleted.
    Purged,
    /// Its content is not complete yet.
    Pending,
    /// A status that this version of the crate does not know.
    #[serde(other)]
    Unknown,
}

/// A file or folder (amazon-drive#node-object).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Node {
    /// Unique in the drive; 22 characters (amazon-drive#node-ids). Empty for an entry of a list
    /// that could not be decoded.
    pub id: String,
    /// File, folder or asset.
    pub kind: NodeKind,
    /// Name with its extension, at most 256 characters. `None` for the root.
    #[serde(default)]
    pub name: Option<String>,
    /// Ids of the folders that contain the node: empty for the root, several for a node in several
    /// folders. `None` if the response omits them.
    #[serde(default)]
    pub parents: Option<Vec<String>>,
    /// State of the node. `None` if the response omits it.
    #[serde(default)]
    pub status: Option<NodeStatus>,
    /// Whether the node is the root of the drive.
    #[serde(default)]
    pub is_root: bool,
    /// Version of the node; grows with each change (amazon-drive#node-versions).
    #[serde(default)]
    pub version: Option<u64>,
    /// Time of the last change of content or metadata. Clients cannot set it
    /// (amazon-drive#modification-time).
    #[serde(default)]
    pub modified_date: Option<Timestamp>,
    /// Time of creation.
    #[serde(default)]
    pub created_date: Option<Timestamp>,
    /// The application's security profile and the user, as `PROFILE-USER`.
    #[serde(default)]
    pub created_by: Option<String>,
    /// Labels that the user has set.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Description that the user has set.
    #[serde(default)]
    pub description: Option<String>,
    /// Entity tag of the node; changes with its content and its metadata
    /// (amazon-drive#node-etag).
    #[serde(default)]
    pub e_tag_response: Option<String>,
    /// Properties of a file's content. `None` for folders.
    #[serde(default)]
    pub content_properties: Option<ContentProperties>,
    /// Pre-authenticated URL of the content, if the request had the parameter `tempLink`.
    #[serde(default, deserialize_with = "secret")]
    pub temp_link: Option<Secret>,
    /// Properties that applications have set, by owner, then by key.
    #[serde(default)]
    pub properties: HashMap<String, HashMap<String, String>>,
    /// Renderings of the file, such as thumbnails: nodes of the kind [`NodeKind::Asset`]. Empty
    /// unless the request had the parameter `asset`.
    #[serde(default, deserialize_with = "nodes")]
    pub assets: Vec<Node>,
    /// Whether the content may not be downloaded. Always `false` in known responses.
    #[serde(default)]
    pub restricted: bool,
    /// `false` even for a node that is shared (amazon-drive#node-is-shared).
    #[serde(default)]
    pub is_shared: bool,
}

/// Decodes a text as a secret; `None` for `null`.
///
/// # Errors
/// If the value is not a string.
fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::from))
}

/// A property of a node: a response to `PUT nodes/{id}/properties/{owner}/{key}`
/// (amazon-drive#op-put-property).
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeProperty {
    /// The key.
    pub key: String,
    /// The value, at most 500 characters.
    pub value: String,
    /// URL of the property. `None` if the response omits it.
    #[serde(default)]
    pub location: Option<String>,
}

/// Response to `GET nodes/{id}/properties/{owner}`.
#[derive(Debug, Deserialize)]
pub(super) struct PropertyList {
    #[serde(default)]
    pub(super) data: std::collections::BTreeMap<String, String>,
}

/// A page of nodes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NodeList {
    /// Number of matching nodes on all pages.
    #[serde(default)]
    pub count: Option<u64>,
    /// Token of the next page, valid for 10 minutes (amazon-drive#next-token). `None` on the last
    /// page.
    #[serde(default)]
    pub next_token: Option<String>,
    /// The nodes. An entry that cannot be decoded is a node with an empty id.
    #[serde(default, deserialize_with = "nodes")]
    pub data: Vec<Node>,
}

/// Decodes the entries of a page. An entry that is not a node has an empty id, and its name and
/// parents as far as they can be read.
///
/// # Errors
/// If the value is not a list.
fn nodes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Node>, D::Error> {
    lenient::entries(deserializer, |value| {
        let name = value["name"].as_str().unwrap_or_default();
        let parents = value["parents"].as_array().map_or(&[][..], Vec::as_slice);
        let parents: Vec<_> = parents.iter().filter_map(|parent| parent.as_str()).collect();
        let rest = json!({"id": "", "kind": "FILE", "name": name, "parents": parents});
        serde_json::from_value(rest).expect("a node requires only an id and a kind")
    })
}

/// Metadata of a new file or folder: the body of `POST nodes`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NewNode {
    /// [`NodeKind::File`] or [`NodeKind::Folder`].
    pub kind: NodeKind,
    /// Name with its extension.
    pub name: String,
    /// Ids of the folders that will contain it; empty for the root folder.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// Labels of the user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Description of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Properties by owner, then by key.
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    pub properties: HashMap<String, HashMap<String, String>>,
}

impl NewNode {
    /// Creates the metadata of a node in the folder `parent`, without labels and description.
    pub fn new(kind: NodeKind, name: impl Into<String>, parent: &ItemId) -> Self {
        Self {
            kind,
            name: name.into(),
            parents: vec![parent.to_string()],
            labels: Vec::new(),
            description: None,
            properties: HashMap::new(),
        }
    }
}

/// Changes of a node's metadata: the body of `PATCH nodes/{id}`. `None` keeps a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NodePatch {
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Ids of all folders that will contain the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parents: Option<Vec<String>>,
    /// All labels of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// Description of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// [`NodeStatus::Available`] or [`NodeStatus::Trash`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<NodeStatus>,
}

/// One line of the changes stream (amazon-drive#changes-stream).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ChangeSet {
    /// Position after this set, for a later request.
    pub checkpoint: String,
    /// Whether the client must discard its knowledge of the drive (amazon-drive#changes-reset).
    #[serde(default)]
    pub reset: bool,
    /// Changed nodes in their present state. [`NodeStatus::Purged`] means permanently deleted. Nodes
    /// from before the checkpoint may be repeated (amazon-drive#changes-repeated).
    #[serde(default)]
    pub nodes: Vec<Node>,
}

/// Body of an error response (amazon-drive#error-body).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorBody {
    pub(super) logref: Option<String>,
    pub(super) message: Option<String>,
    pub(super) code: Option<String>,
    pub(super) info: Option<ErrorInfo>,
}

/// The node that an error is about.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ErrorInfo {
    pub(super) node_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_has_no_name_and_unknown_values_are_no_error() {
        let root: Node = serde_json::from_str(
            r#"{"id":"0123AbCdEfGhIjKlMnOpQr","kind":"FOLDER","isRoot":true,"parents":[],
                "status":"AVAILABLE","name":null,"isShared":false,"assets":[]}"#,
        )
        .unwrap();
        assert!(root.is_root && root.name.is_none());
        let odd: Node =
            serde_json::from_str(r#"{"id":"x","kind":"ALBUM","status":"FROZEN"}"#).unwrap();
        assert_eq!((odd.kind, odd.status), (NodeKind::Unknown, Some(NodeStatus::Unknown)));
    }

    #[test]
    fn the_documented_sample_of_a_file_is_decoded() {
        let node: Node = serde_json::from_str(
            r#"{"contentProperties": {"contentType": "text/plain", "extension": "txt",
                "md5": "d41d8cd98f00b204e9800998ecf8427e", "size": 0, "version": 1},
              "createdBy": "<security-profile-nm>-<user>",
              "createdDate": "2015-01-01T00:00:00.00Z", "description": "",
              "eTagResponse": "AbCdEfGhI01", "id": "AbCdEfGhIjKlMnOpQr0123", "isShared": false,
              "kind": "FILE", "labels": [], "modifiedDate": "2015-01-01T00:00:00.000Z",
              "name": "empty.txt", "parents": ["0123AbCdEfGhIjKlMnOpQr"], "restricted": false,
              "status": "AVAILABLE", "version": 1, "tempLink": "https://hunter2/"}"#,
        )
        .unwrap();
        let content = node.content_properties.as_ref().unwrap();
        assert_eq!(content.size, Some(0));
        assert_eq!(node.created_date.unwrap().to_string(), "2015-01-01T00:00:00Z");
        assert_eq!(node.e_tag_response.as_deref(), Some("AbCdEfGhI01"));
        assert!(!format!("{node:?}").contains("hunter2"));
    }
}
