//! The item data that only Live Connect has: comments, tags, albums, edited audio metadata.
//! The tree stores it as the facet `live` of the item.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::tree::{ItemKey, Node};

/// Name of the facet.
const FACET: &str = "live";

/// The item data that only Live Connect has. The facet `live` of a
/// [`FixtureItem`](crate::FixtureItem) has the same members.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct LiveFacets {
    /// The item that the comments and tags belong to. A copied item carries the data of its
    /// original, which [`from_node`](Self::from_node) discards. `None`: they belong to the item
    /// that has the facet.
    #[serde(rename = "of", skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<ItemKey>,
    /// Whether the folder is an album.
    #[serde(skip_serializing_if = "is_false")]
    pub album: bool,
    /// The order of the folder's lists that request no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort_by: Option<SortBy>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<Comment>,
    /// The number of the newest comment, including deleted ones.
    #[serde(skip_serializing_if = "is_zero")]
    pub last_comment: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Audio metadata that the user edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioOverrides>,
    /// Members that this version does not know. They are preserved.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// A sort order of a list (live-connect#param-sort-by).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SortBy {
    Updated,
    Name,
    Size,
    Default,
}

impl SortBy {
    /// Parses a parameter value, ignoring case; `None` if it is not an order.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(text.to_ascii_lowercase().into()).ok()
    }
}

/// A comment on a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Comment {
    /// Number of the comment on its item, from 1.
    pub number: u64,
    /// The name of the account that wrote it.
    pub from: String,
    pub message: String,
    pub created: Timestamp,
}

/// A person in a photo or a video.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Tag {
    pub user: Person,
    /// Distance from the left edge, in percent of the width.
    #[serde(default)]
    pub x: f64,
    /// Distance from the top edge, in percent of the height.
    #[serde(default)]
    pub y: f64,
    /// When the person was tagged. `None`: when the item was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<Timestamp>,
}

/// The person of a tag, with or without an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Person {
    pub name: String,
    /// Id of the person's account; `None` without an account.
    #[serde(default)]
    pub id: Option<String>,
}

/// Audio metadata that the user edited. It replaces the values from the file until the content
/// changes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct AudioOverrides {
    /// The key of the content that the values belong to.
    pub content: Option<i64>,
    /// JSON members of the audio object, by name. A null value removes the value of the file.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// Returns whether a flag need not be stored.
fn is_false(value: &bool) -> bool {
    !value
}

/// Returns whether a number need not be stored.
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl LiveFacets {
    /// Reads the data of an item. A facet that cannot be parsed is logged and ignored.
    pub(super) fn from_node(node: &Node) -> Self {
        let Some(value) = node.facets.get(FACET) else { return Self::default() };
        let mut facets: Self = serde_json::from_value(value.clone()).unwrap_or_else(|error| {
            tracing::warn!(%error, item = %node.no, "cannot parse the facet `live` of an item");
            Self::default()
        });
        if facets.item.is_some_and(|item| item != node.no) {
            facets.comments.clear();
            facets.last_comment = 0;
            facets.tags.clear();
        }
        if facets.audio.as_ref().is_some_and(|audio| audio.content != content_key(node)) {
            facets.audio = None;
        }
        facets
    }

    /// Returns the data of a new folder. `album` is whether it is an album; `sort_by` is the order
    /// of its lists, unless a request sets another.
    pub(super) fn for_folder(album: bool, sort_by: Option<SortBy>) -> Self {
        Self { album, sort_by, ..Self::default() }
    }

    /// Returns whether an item is an album.
    pub(super) fn is_album(node: &Node) -> bool {
        node.facets.get(FACET).and_then(|facets| facets.get("album")?.as_bool()).unwrap_or(false)
    }

    /// Returns the facets of an item to create or to update.
    pub(super) fn to_map(&self) -> Map<String, Value> {
        let value = serde_json::to_value(self).unwrap_or_default();
        Map::from_iter([(FACET.to_owned(), value)])
    }

    /// Sets audio metadata of `node`'s current content. Keeps the values that are not in `fields`.
    pub(super) fn set_audio(&mut self, node: &Node, fields: Map<String, Value>) {
        let audio = self.audio.get_or_insert_default();
        audio.content = content_key(node);
        audio.fields.extend(fields);
    }
}

/// Returns the key of the current content, or `None` if the item has none.
fn content_key(node: &Node) -> Option<i64> {
    node.content.as_ref().map(|content| content.no)
}
