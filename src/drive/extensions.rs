//! The types of the optional verbs of [`Drive`](super::Drive): versions, search, recycle bin,
//! thumbnails and properties. Those of links and permissions are beside [`Sharing`](super::Sharing).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{ItemRef, Secret};

/// Declares [`Extensions`], its list without verbs, and the names of its fields.
macro_rules! extensions {
    ($($(#[$documentation:meta])* $name:ident,)*) => {
        /// The optional verbs that a drive implements. A verb whose field is false returns
        /// [`Unsupported`](super::ErrorKind::Unsupported).
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Extensions {
            $($(#[$documentation])* pub $name: bool,)*
        }

        impl Extensions {
            /// No optional verbs.
            pub const NONE: Self = Self { $($name: false,)* };

            /// Returns the name of each field, with its value.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, bool)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

extensions! {
    /// [`Drive::versions`](super::Drive::versions),
    /// [`Drive::download_version`](super::Drive::download_version) and
    /// [`Drive::restore_version`](super::Drive::restore_version).
    versions,
    /// [`Drive::delete_version`](super::Drive::delete_version).
    delete_versions,
    /// [`Drive::download_url`](super::Drive::download_url).
    download_urls,
    /// [`Drive::upload_url`](super::Drive::upload_url).
    upload_urls,
    /// [`Drive::search`](super::Drive::search).
    search,
    /// [`Drive::changes_since_time`](super::Drive::changes_since_time).
    changes_since_time,
    /// [`Drive::deleted_items`](super::Drive::deleted_items).
    deleted_items,
    /// [`Drive::restore_deleted`](super::Drive::restore_deleted).
    restore_deleted,
    /// [`Drive::purge_deleted`](super::Drive::purge_deleted).
    purge_deleted,
    /// [`Drive::purge`](super::Drive::purge).
    purge,
    /// [`Drive::thumbnail_urls`](super::Drive::thumbnail_urls).
    thumbnail_urls,
    /// [`Drive::thumbnail`](super::Drive::thumbnail).
    thumbnails,
    /// [`Drive::preview_url`](super::Drive::preview_url).
    previews,
    /// [`Drive::properties`](super::Drive::properties) and
    /// [`Drive::set_properties`](super::Drive::set_properties).
    properties,
    /// [`Drive::check_out`](super::Drive::check_out), [`Drive::check_in`](super::Drive::check_in)
    /// and [`Drive::discard_check_out`](super::Drive::discard_check_out).
    check_out,
    /// [`Sharing::create_link`](super::Sharing::create_link).
    create_links,
    /// [`Sharing::links`](super::Sharing::links) and
    /// [`Sharing::delete_link`](super::Sharing::delete_link).
    links,
    /// [`Sharing::permissions`](super::Sharing::permissions),
    /// [`Sharing::grant`](super::Sharing::grant),
    /// [`Sharing::update_permission`](super::Sharing::update_permission) and
    /// [`Sharing::revoke`](super::Sharing::revoke).
    permissions,
    /// [`Sharing::shared_with_me`](super::Sharing::shared_with_me).
    shared_with_me,
}

/// A version of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileVersion {
    /// The cloud's id of the version; unique within the file.
    pub id: String,
    /// Size in bytes. `None` if the cloud does not report it.
    pub size: Option<u64>,
    /// When the version was written. `None` if the cloud does not report it.
    pub modified: Option<Timestamp>,
    /// Whether it is the current version.
    pub is_current: bool,
}

impl FileVersion {
    /// Returns a version of which only the cloud's id is known.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), size: None, modified: None, is_current: false }
    }
}

/// A URL to which another program can write a file, with one request and without a token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UploadUrl {
    /// The URL. The bytes of the whole file are the body of a `PUT` request.
    pub url: Secret,
    /// Names and values of the headers that the request must have, besides `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// Size of the file in bytes. The request must have exactly these.
    pub size: u64,
    /// Expiry of the URL. `None` if the cloud does not report it.
    pub expires: Option<Timestamp>,
}

impl UploadUrl {
    /// Returns a URL for a file of `size` bytes, without headers and without a known expiry.
    pub fn new(url: impl Into<Secret>, size: u64) -> Self {
        Self { url: url.into(), headers: Vec::new(), size, expires: None }
    }
}

/// The arguments of [`Drive::search`](super::Drive::search).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SearchRequest {
    /// The folder whose descendants are searched. `None` for the whole drive.
    pub folder: Option<ItemRef>,
    /// The query, in the cloud's own syntax.
    pub query: String,
    /// Preferred number of items in a page. `None`: the drive chooses.
    pub limit: Option<usize>,
}

impl SearchRequest {
    /// Returns a search of the whole drive. `query` has the cloud's own syntax.
    pub fn new(query: impl Into<String>) -> Self {
        Self { folder: None, query: query.into(), limit: None }
    }
}

/// A small image of a file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Thumbnail {
    /// The cloud's name of the size, such as `small`.
    pub size: String,
    /// Width in pixels. `None` if the cloud does not report it.
    pub width: Option<u32>,
    /// Height in pixels. `None` if the cloud does not report it.
    pub height: Option<u32>,
    /// URL of the image; often pre-authenticated.
    pub url: Secret,
}

impl Thumbnail {
    /// Returns a thumbnail of unknown width and height. `size` is the cloud's name of the size.
    pub fn new(size: impl Into<String>, url: impl Into<Secret>) -> Self {
        Self { size: size.into(), width: None, height: None, url: url.into() }
    }
}

/// Properties that programs have stored with an item, by name. The cloud defines which names are
/// valid.
pub type Properties = BTreeMap<String, String>;

/// Changes of properties, by name: a value sets the property, `None` removes it.
pub type PropertyChanges = BTreeMap<String, Option<String>>;
