//! What is on the wire (amazon-drive#nodes, amazon-drive#requests, amazon-drive#changes,
//! amazon-drive#errors). What a real drive has been seen to leave out is optional.

use std::{collections::HashMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    drive::{ItemId, Secret},
    services::lenient,
};

/// Where an account's requests go (amazon-drive#endpoint-discovery,
/// amazon-drive#endpoint-trailing-slash). Both end with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Where bytes go and come from.
    pub content_url: String,
    /// Where everything else is asked.
    pub metadata_url: String,
}

/// The answer of `account/endpoint`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndpointAnswer {
    pub(super) customer_exists: Option<bool>,
    pub(super) content_url: Option<String>,
    pub(super) metadata_url: Option<String>,
}

/// The answer of `account/info`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountInfo {
    /// The version of the terms that the user has accepted.
    pub terms_of_use: Option<String>,
    /// `ACTIVE`, if all is well.
    pub status: Option<String>,
}

/// The answer of `account/quota`, in bytes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AccountQuota {
    /// What the drive may hold.
    pub quota: u64,
    /// What may still come.
    pub available: u64,
    /// When that was counted.
    #[serde(default)]
    pub last_calculated: Option<Timestamp>,
}

/// The answer of `account/usage`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountUsage {
    /// When it was counted.
    pub last_calculated: Option<Timestamp>,
    /// What is none of the following.
    pub other: Usage,
    /// Documents.
    pub doc: Usage,
    /// Photos.
    pub photo: Usage,
    /// Videos.
    pub video: Usage,
}

/// What files of one sort take.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Usage {
    /// All of them.
    pub total: Amount,
    /// Those that count for the quota.
    pub billable: Amount,
}

/// How many files, and how much they hold.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Amount {
    /// Bytes.
    pub bytes: u64,
    /// Files.
    pub count: u64,
}

/// What a node is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum NodeKind {
    /// Has bytes.
    File,
    /// Has children.
    Folder,
    /// Belongs to a file: a rendering of a photo or video.
    Asset,
    /// What this crate does not know.
    #[serde(other)]
    Unknown,
}

/// Whether a node can be reached.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Live; also what is below a trashed folder.
    Available,
    /// In the trash by itself.
    Trash,
    /// Gone for good.
    Purged,
    /// Its bytes are not all there yet.
    Pending,
    /// What this crate does not know.
    #[serde(other)]
    Unknown,
}

/// A file or a folder (amazon-drive#node-object).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// 22 characters.
    pub id: String,
    /// What it is.
    pub kind: NodeKind,
    /// Its name, up to 256 characters; the root has none.
    #[serde(default)]
    pub name: Option<String>,
    /// The folders it is in; none for the root, and not told in every answer.
    #[serde(default)]
    pub parents: Option<Vec<String>>,
    /// Whether it can be reached.
    #[serde(default)]
    pub status: Option<Status>,
    /// Whether it is the drive's root.
    #[serde(default)]
    pub is_root: bool,
    /// Raised by every change of it.
    #[serde(default)]
    pub version: Option<u64>,
    /// When anything of it last changed; a client cannot set it.
    #[serde(default)]
    pub modified_date: Option<Timestamp>,
    /// When it was made.
    #[serde(default)]
    pub created_date: Option<Timestamp>,
    /// `PROFILE-USER`: the application's security profile and the user.
    #[serde(default)]
    pub created_by: Option<String>,
    /// The user's labels.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The user's description.
    #[serde(default)]
    pub description: Option<String>,
    /// Changes with every change of the node, its metadata included.
    #[serde(default)]
    pub e_tag_response: Option<String>,
    /// What is known of a file's bytes.
    #[serde(default)]
    pub content_properties: Option<ContentProperties>,
    /// A pre-authenticated way to the bytes, where it was asked for.
    #[serde(default, deserialize_with = "secret")]
    pub temp_link: Option<Secret>,
    /// The applications' own values: by owner, then by key.
    #[serde(default)]
    pub properties: HashMap<String, HashMap<String, String>>,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::from))
}

/// What the cloud says of a file's bytes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ContentProperties {
    /// Raised by every change of the bytes.
    pub version: Option<u64>,
    /// 32 hexadecimal digits.
    pub md5: Option<String>,
    /// Bytes.
    #[serde(deserialize_with = "lenient::size")]
    pub size: Option<u64>,
    /// Media type.
    pub content_type: Option<String>,
    /// What follows the last dot of the name.
    pub extension: Option<String>,
}

/// A page of nodes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeList {
    /// How many nodes match in all.
    #[serde(default)]
    pub count: Option<u64>,
    /// Where the next page starts; it can be asked for within 10 minutes. `None`: that was the last.
    #[serde(default)]
    pub next_token: Option<String>,
    /// The nodes. One that cannot be read has no id.
    #[serde(default, deserialize_with = "nodes")]
    pub data: Vec<Node>,
}

fn nodes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Node>, D::Error> {
    lenient::entries(deserializer, |value| {
        let name = value["name"].as_str().unwrap_or_default();
        let parents = value["parents"].as_array().map_or(&[][..], Vec::as_slice);
        let parents: Vec<_> = parents.iter().filter_map(|parent| parent.as_str()).collect();
        let rest = json!({"id": "", "kind": "FILE", "name": name, "parents": parents});
        serde_json::from_value(rest).expect("a node needs no more than an id and a kind")
    })
}

/// What a node is made of: metadata of `POST nodes`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewNode {
    /// [`NodeKind::File`] or [`NodeKind::Folder`].
    pub kind: NodeKind,
    /// Its name.
    pub name: String,
    /// Its folders; none: the root.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// The user's labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The user's description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl NewNode {
    /// A node of that name in a folder.
    pub fn new(kind: NodeKind, name: impl Into<String>, parent: &ItemId) -> Self {
        Self {
            kind,
            name: name.into(),
            parents: vec![parent.to_string()],
            labels: Vec::new(),
            description: None,
        }
    }
}

/// What `PATCH nodes/{id}` changes; `None`: stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodePatch {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its folders, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parents: Option<Vec<String>>,
    /// The user's labels, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// The user's description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// One line of the changes stream (amazon-drive#changes-stream).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeSet {
    /// Where to go on from another time.
    pub checkpoint: String,
    /// Everything known before is to be forgotten.
    #[serde(default)]
    pub reset: bool,
    /// What changed, as it is now; [`Status::Purged`] is gone. May tell again what was told before.
    #[serde(default)]
    pub nodes: Vec<Node>,
}

/// An error's body (amazon-drive#error-body).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorBody {
    pub(super) logref: Option<String>,
    pub(super) message: Option<String>,
    pub(super) code: Option<String>,
    pub(super) info: Option<ErrorInfo>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ErrorInfo {
    pub(super) node_id: Option<String>,
}

/// A condition on nodes: what `filters` takes (amazon-drive#filter-grammar).
///
/// ```
/// use drivedal::services::amazon_drive::Filter;
///
/// let filter = Filter::is("parents", "AbCdEfGhIjKlMnOpQr0123").and("name", "my file (2).txt");
/// assert_eq!(
///     filter.to_string(),
///     r#"parents:"AbCdEfGhIjKlMnOpQr0123" AND name:"my\ file\ \(2\).txt""#
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// The field has that value. Names are compared without regard to case.
    pub fn is(field: &str, value: &str) -> Self {
        Self(format!("{field}:\"{}\"", escaped(value)))
    }

    /// And that field has that value.
    pub fn and(mut self, field: &str, value: &str) -> Self {
        self.0 = format!("{} AND {}", self.0, Self::is(field, value).0);
        self
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// With a backslash before each character that means something in a filter
/// (amazon-drive#filter-escaping, the list that rclone and duplicati agree on).
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if "+-&|!(){}[]^'\"~*?:\\ ".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_that_means_something_in_a_filter_is_escaped_and_no_other() {
        assert_eq!(
            Filter::is("name", r#"+-&|!(){}[]^'"~*?:\ é.x_#%"#).to_string(),
            r#"name:"\+\-\&\|\!\(\)\{\}\[\]\^\'\"\~\*\?\:\\\ é.x_#%""#
        );
    }

    #[test]
    fn the_root_has_no_name_and_what_is_not_known_is_no_error() {
        let root: Node = serde_json::from_str(
            r#"{"id":"0123AbCdEfGhIjKlMnOpQr","kind":"FOLDER","isRoot":true,"parents":[],
                "status":"AVAILABLE","name":null,"isShared":false,"assets":[]}"#,
        )
        .unwrap();
        assert!(root.is_root && root.name.is_none());
        let odd: Node =
            serde_json::from_str(r#"{"id":"x","kind":"ALBUM","status":"FROZEN"}"#).unwrap();
        assert_eq!((odd.kind, odd.status), (NodeKind::Unknown, Some(Status::Unknown)));
    }

    #[test]
    fn the_documents_file_node_is_understood() {
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
