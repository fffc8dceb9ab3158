//! What only Live Connect knows of an item: links, comments, tags, an album's being one, what the
//! user said of a song. Kept as the item's facet `live`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    sharing_links::{FACET, LinkKeys, deserialize_keys},
    tree::{ItemKey, Node},
};

/// What only Live Connect knows of an item. A [`FixtureItem`](crate::FixtureItem)'s facet `live` has
/// the same fields.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct LiveFacets {
    /// Whose links, comments and tags these are: a copy has its original's among its own, and they
    /// are not its. `None`: whoever's they are found with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) of: Option<ItemKey>,
    /// A folder is an album.
    #[serde(skip_serializing_if = "is_false")]
    pub album: bool,
    /// A folder's order, where a listing does not name another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort_by: Option<SortBy>,
    /// Everyone may look at it and what is below.
    #[serde(skip_serializing_if = "is_false")]
    pub public: bool,
    /// The links that there are, each with a key: a link without the key is revoked.
    #[serde(skip_serializing_if = "LinkKeys::is_empty", deserialize_with = "deserialize_keys")]
    pub links: LinkKeys,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<Comment>,
    /// The number of the last comment there was.
    #[serde(skip_serializing_if = "is_zero")]
    pub last_comment: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// What the user said of a song.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<Song>,
    /// What is not understood here.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// An order of a folder's contents (live-connect#param-sort-by).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SortBy {
    Updated,
    Name,
    Size,
    Default,
}

impl SortBy {
    /// Reads a value, in any case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(text.to_ascii_lowercase().into()).ok()
    }
}

/// A comment on an item.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Comment {
    pub number: u64,
    /// The account's name.
    pub from: String,
    pub message: String,
    pub created: Timestamp,
}

/// A person on a photo or in a film.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Tag {
    pub user: Person,
    /// Percent from the left edge.
    #[serde(default)]
    pub x: f64,
    /// Percent from the top edge.
    #[serde(default)]
    pub y: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<Timestamp>,
}

/// Who is on a photo; not everyone has an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Person {
    pub name: String,
    #[serde(default)]
    pub id: Option<String>,
}

/// What the user said of a song, in place of what its file says; of no other bytes than those.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Song {
    /// The content's number in the tree.
    pub content: Option<i64>,
    #[serde(flatten)]
    pub said: Map<String, Value>,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl LiveFacets {
    /// What is known of an item. What was planted and is not understood counts as nothing.
    pub(super) fn of(node: &Node) -> Self {
        let Some(value) = node.facets.get(FACET) else { return Self::default() };
        let mut extra: Self = serde_json::from_value(value.clone()).unwrap_or_else(|error| {
            tracing::warn!(%error, item = %node.no, "the facet `live` of an item is not understood");
            Self::default()
        });
        if extra.of.is_some_and(|of| of != node.no) {
            extra.links.clear();
            extra.comments.clear();
            extra.last_comment = 0;
            extra.tags.clear();
        }
        if extra.audio.as_ref().is_some_and(|song| song.content != content(node)) {
            extra.audio = None;
        }
        extra
    }

    /// What is known of a new folder.
    pub(super) fn of_folder(album: bool, sort_by: Option<SortBy>) -> Self {
        Self { album, sort_by, ..Self::default() }
    }

    /// What lets everybody see a folder.
    pub(super) fn of_public() -> Self {
        Self { public: true, ..Self::default() }
    }

    /// Whether a folder is an album.
    pub(super) fn is_album(node: &Node) -> bool {
        node.facets.get(FACET).and_then(|extra| extra.get("album")?.as_bool()).unwrap_or(false)
    }

    /// As the facets of an item that is new or changed.
    pub(super) fn facets(&self) -> Map<String, Value> {
        let value = serde_json::to_value(self).unwrap_or_default();
        Map::from_iter([(FACET.to_owned(), value)])
    }

    /// Takes over what the user says of a song.
    pub(super) fn set_song(&mut self, node: &Node, said: Map<String, Value>) {
        let song = self.audio.get_or_insert_default();
        song.content = content(node);
        song.said.extend(said);
    }
}

fn content(node: &Node) -> Option<i64> {
    node.content.as_ref().map(|content| content.no)
}
