//! What requests can be told (live-connect#query-parameters).

use serde::Serialize;

use crate::transport::ApiRequest;

/// Which part of a folder is listed, and how.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Most objects of the part. `None`: all there are.
    pub limit: Option<u64>,
    /// How many objects are passed over.
    pub offset: Option<u64>,
    /// Only objects of these kinds; empty: of all.
    pub filter: Vec<Filter>,
    /// By what they are sorted. `None`: as the cloud likes.
    pub sort_by: Option<SortBy>,
    /// In which direction.
    pub sort_order: Option<SortOrder>,
}

/// Kinds of objects to be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Folders of photos.
    Albums,
    /// Sound.
    Audio,
    /// Folders.
    Folders,
    /// Pictures.
    Photos,
    /// Films.
    Videos,
}

/// What a listing is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// When the cloud last changed it.
    Updated,
    /// Its name.
    Name,
    /// Its size.
    Size,
    /// As the folder says.
    Default,
}

/// The direction of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortOrder {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// What an upload does when the name is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// Replaces the file's content; its id stays.
    #[default]
    Yes,
    /// Fails with `Exists`.
    No,
    /// Takes another name, which the answer tells.
    ChooseNewName,
}

/// How a file is uploaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct UploadOptions {
    /// What happens when the name is taken.
    pub overwrite: Overwrite,
    /// Photos larger than 2048 × 2048 are made smaller by the cloud: what is downloaded later is
    /// not what was uploaded.
    pub downsize_photos: bool,
}

/// What can be said of an object that is made or changed; `None` is left as it is.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Properties<'a> {
    /// Its name, with its extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// The user's words on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    /// A song's title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<&'a str>,
    /// Who plays it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<&'a str>,
    /// On which album.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album: Option<&'a str>,
    /// Whose album that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album_artist: Option<&'a str>,
    /// What kind of music.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genre: Option<&'a str>,
}

/// What a link lets its holder do (live-connect#op-sharing-links, live-connect#op-embed).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkType {
    /// Look at it.
    #[default]
    Read,
    /// Change it.
    Edit,
    /// Show it in a page: not an address, but a piece of HTML.
    Embed,
}

impl LinkType {
    pub(super) fn segment(self) -> &'static str {
        match self {
            Self::Read => "shared_read_link",
            Self::Edit => "shared_edit_link",
            Self::Embed => "embed",
        }
    }
}

/// The size of a picture (live-connect#param-type): pixels of its longer side, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PictureSize {
    /// 96.
    Thumbnail,
    /// 96.
    Small,
    /// 176.
    Album,
    /// 800.
    #[default]
    Normal,
    /// 2048.
    Full,
    /// 180, of a user.
    Medium,
    /// 360, of a user.
    Large,
}

impl PictureSize {
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

/// What others share with the account (live-connect#op-shared-with-me).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shared {
    /// Everything.
    #[default]
    All,
    /// Files and folders.
    Files,
    /// Albums.
    Albums,
    /// Photos.
    Photos,
    /// Films.
    Videos,
}

impl Shared {
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

impl Listing {
    pub(super) fn onto(&self, mut call: ApiRequest) -> ApiRequest {
        if let Some(limit) = self.limit {
            call = call.query("limit", limit.to_string());
        }
        if let Some(offset) = self.offset {
            call = call.query("offset", offset.to_string());
        }
        if !self.filter.is_empty() {
            let kinds: Vec<_> = self.filter.iter().map(|filter| filter.as_str()).collect();
            call = call.query("filter", kinds.join(","));
        }
        if let Some(sort_by) = self.sort_by {
            call = call.query("sort_by", sort_by.as_str());
        }
        if let Some(sort_order) = self.sort_order {
            call = call.query("sort_order", sort_order.as_str());
        }
        call
    }
}

impl Filter {
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

impl SortBy {
    fn as_str(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Name => "name",
            Self::Size => "size",
            Self::Default => "default",
        }
    }
}

impl SortOrder {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ascending => "ascending",
            Self::Descending => "descending",
        }
    }
}

impl UploadOptions {
    pub(super) fn onto(&self, call: ApiRequest) -> ApiRequest {
        let overwrite = match self.overwrite {
            Overwrite::Yes => "true",
            Overwrite::No => "false",
            Overwrite::ChooseNewName => "ChooseNewName",
        };
        call.query("overwrite", overwrite)
            .query("downsize_photo_uploads", if self.downsize_photos { "true" } else { "false" })
    }
}
