//! Parameters and bodies of requests (live-connect#query-parameters).

use serde::Serialize;

use crate::transport::ApiRequest;

/// Parameters of a list.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListQuery {
    /// Maximum number of objects of the page. `None` for all objects.
    pub limit: Option<u64>,
    /// Number of objects to skip (live-connect#offset-base). `None` for the start of the list.
    pub offset: Option<u64>,
    /// Kinds of objects to list; empty for all kinds.
    pub filter: Vec<ListFilter>,
    /// Sort key. `None` for the cloud's default.
    pub sort_by: Option<SortBy>,
    /// Sort direction. `None` for the cloud's default.
    pub sort_order: Option<SortOrder>,
}

impl ListQuery {
    /// Creates a query for a page of at most `limit` objects from `offset` on.
    pub fn with_range(offset: u64, limit: u64) -> Self {
        Self { limit: Some(limit), offset: Some(offset), ..Self::default() }
    }

    /// Adds the parameters to the query of a request.
    pub(super) fn add_to(&self, mut request: ApiRequest) -> ApiRequest {
        if let Some(limit) = self.limit {
            request = request.query("limit", limit.to_string());
        }
        if let Some(offset) = self.offset {
            request = request.query("offset", offset.to_string());
        }
        if !self.filter.is_empty() {
            let kinds: Vec<_> = self.filter.iter().map(|filter| filter.as_str()).collect();
            request = request.query("filter", kinds.join(","));
        }
        if let Some(sort_by) = self.sort_by {
            request = request.query("sort_by", sort_by.as_str());
        }
        if let Some(sort_order) = self.sort_order {
            request = request.query("sort_order", sort_order.as_str());
        }
        request
    }
}

/// A kind of objects (live-connect#param-filter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListFilter {
    /// Folders of photos.
    Albums,
    /// Audio files.
    Audio,
    /// Folders.
    Folders,
    /// Photos.
    Photos,
    /// Videos.
    Videos,
}

impl ListFilter {
    /// Returns the cloud's name of the kind.
    fn as_str(self) -> &'static str {
        match self {
            Self::Albums => "albums",
            Self::Audio => "audio",
            Self::Folders => "folders",
            Self::Photos => "photos",
            Self::Videos => "videos",
        }
    }
}

/// The sort key of a list (live-connect#param-sort-by).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SortBy {
    /// Time of the last change.
    Updated,
    /// Name.
    Name,
    /// Size.
    Size,
    /// The folder's own key.
    Default,
}

impl SortBy {
    /// Returns the cloud's name of the key.
    fn as_str(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Name => "name",
            Self::Size => "size",
            Self::Default => "default",
        }
    }
}

/// The sort direction of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SortOrder {
    /// Smallest value first.
    Ascending,
    /// Largest value first.
    Descending,
}

impl SortOrder {
    /// Returns the cloud's name of the direction.
    fn as_str(self) -> &'static str {
        match self {
            Self::Ascending => "ascending",
            Self::Descending => "descending",
        }
    }
}

/// The effect of an upload if the name is in use (live-connect#overwrite).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overwrite {
    /// Replaces the content of the file, which keeps its id.
    #[default]
    Yes,
    /// Fails with `AlreadyExists`.
    No,
    /// Creates a file with another name, which the response contains.
    ChooseNewName,
}

/// Parameters of an upload.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct UploadOptions {
    /// The effect if the name is in use.
    pub overwrite: Overwrite,
    /// Whether the cloud reduces photos larger than 2048 × 2048 pixels. A download then returns
    /// other bytes than were uploaded.
    pub downsize_photos: bool,
}

impl UploadOptions {
    /// Creates options with this effect if the name is in use.
    pub fn with_overwrite(overwrite: Overwrite) -> Self {
        Self { overwrite, ..Self::default() }
    }

    /// Adds the parameters to the query of a request.
    pub(super) fn add_to(&self, request: ApiRequest) -> ApiRequest {
        let overwrite = match self.overwrite {
            Overwrite::Yes => "true",
            Overwrite::No => "false",
            Overwrite::ChooseNewName => "ChooseNewName",
        };
        request
            .query("overwrite", overwrite)
            .query("downsize_photo_uploads", if self.downsize_photos { "true" } else { "false" })
    }
}

/// Properties of an object that is created or changed. `None` keeps a value.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ObjectProperties<'a> {
    /// Name with its extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    /// Title of an audio file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<&'a str>,
    /// Artist of an audio file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<&'a str>,
    /// Album of an audio file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album: Option<&'a str>,
    /// Artist of an audio file's album.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album_artist: Option<&'a str>,
    /// Genre of an audio file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genre: Option<&'a str>,
}

impl<'a> ObjectProperties<'a> {
    /// Creates properties with a name alone.
    pub fn with_name(name: &'a str) -> Self {
        Self { name: Some(name), ..Self::default() }
    }
}

/// The kind of a link (live-connect#op-sharing-links, live-connect#op-embed).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkType {
    /// A URL that grants read access.
    #[default]
    Read,
    /// A URL that grants write access.
    Edit,
    /// HTML that shows the object in a web page.
    Embed,
}

impl LinkType {
    /// Returns the last segment of the request's path.
    pub(super) fn segment(self) -> &'static str {
        match self {
            Self::Read => "shared_read_link",
            Self::Edit => "shared_edit_link",
            Self::Embed => "embed",
        }
    }
}

/// The size of a picture (live-connect#param-type): the maximum length of its longer side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PictureSize {
    /// 96 pixels.
    Thumbnail,
    /// 96 pixels.
    Small,
    /// 176 pixels.
    Album,
    /// 800 pixels.
    #[default]
    Normal,
    /// 2048 pixels.
    Full,
    /// 180 pixels, of a user's picture.
    Medium,
    /// 360 pixels, of a user's picture.
    Large,
}

impl PictureSize {
    /// Returns the cloud's name of the size.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Thumbnail => "thumbnail",
            Self::Small => "small",
            Self::Album => "album",
            Self::Normal => "normal",
            Self::Full => "full",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }
}

/// Objects that other users share with the account (live-connect#op-shared-with-me).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SharedItems {
    /// All objects.
    #[default]
    All,
    /// Files and folders.
    Files,
    /// Albums.
    Albums,
    /// Photos.
    Photos,
    /// Videos.
    Videos,
}

impl SharedItems {
    /// Returns the path of the list below the endpoint.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::All => "me/skydrive/shared",
            Self::Files => "me/skydrive/shared/files",
            Self::Albums => "me/skydrive/shared/albums",
            Self::Photos => "me/skydrive/shared/photos",
            Self::Videos => "me/skydrive/shared/videos",
        }
    }
}
