//! Thumbnails and previews (onedrive-graph#search-and-thumbnails).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::secret;
use crate::drive::Secret;

/// The thumbnails of an item: one set, or none.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct ThumbnailPage {
    /// The sets.
    pub value: Vec<ThumbnailSet>,
}

/// A thumbnail in several sizes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ThumbnailSet {
    /// Id of the set.
    pub id: String,
    /// The thumbnails by the name of their size: `small`, `medium`, `large`, …
    #[serde(flatten)]
    pub sizes: BTreeMap<String, ThumbnailSize>,
}

/// A thumbnail in one size, or another member of the set.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ThumbnailSize {
    /// A thumbnail.
    Image(ThumbnailImage),
    /// A member that is not a thumbnail, such as an annotation.
    Unknown(serde::de::IgnoredAny),
}

/// A thumbnail in one size.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct ThumbnailImage {
    /// URL of the picture, often pre-authenticated.
    #[serde(deserialize_with = "secret")]
    pub url: Option<Secret>,
    /// Width in pixels.
    #[serde(default)]
    pub width: Option<u32>,
    /// Height in pixels.
    #[serde(default)]
    pub height: Option<u32>,
}

/// URLs of a page that shows a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Preview {
    /// URL for a GET request.
    #[serde(deserialize_with = "secret")]
    pub get_url: Option<Secret>,
    /// URL for a POST request with [`post_parameters`](Self::post_parameters).
    #[serde(deserialize_with = "secret")]
    pub post_url: Option<Secret>,
    /// Form of the POST request.
    #[serde(deserialize_with = "secret")]
    pub post_parameters: Option<Secret>,
}
