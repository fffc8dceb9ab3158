//! The types of the optional verbs of [`Drive`](super::Drive): versions, search, recycle bin,
//! thumbnails, properties, links and sharing.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{ItemId, ItemRef, Secret};

/// The optional verbs that a drive implements. A verb whose field is false returns
/// [`Unsupported`](super::ErrorKind::Unsupported).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extensions {
    /// [`Drive::versions`](super::Drive::versions),
    /// [`Drive::download_version`](super::Drive::download_version) and
    /// [`Drive::restore_version`](super::Drive::restore_version).
    pub versions: bool,
    /// [`Drive::delete_version`](super::Drive::delete_version).
    pub delete_versions: bool,
    /// [`Drive::download_url`](super::Drive::download_url).
    pub download_urls: bool,
    /// [`Drive::upload_url`](super::Drive::upload_url).
    pub upload_urls: bool,
    /// [`Drive::search`](super::Drive::search).
    pub search: bool,
    /// [`Drive::deleted_items`](super::Drive::deleted_items) and
    /// [`Drive::restore_deleted`](super::Drive::restore_deleted).
    pub recycle_bin: bool,
    /// [`Drive::thumbnails`](super::Drive::thumbnails).
    pub thumbnails: bool,
    /// [`Drive::properties`](super::Drive::properties) and
    /// [`Drive::set_properties`](super::Drive::set_properties).
    pub properties: bool,
    /// [`Drive::links`](super::Drive::links), [`Drive::create_link`](super::Drive::create_link) and
    /// [`Drive::delete_link`](super::Drive::delete_link).
    pub links: bool,
    /// [`Drive::permissions`](super::Drive::permissions), [`Drive::grant`](super::Drive::grant) and
    /// [`Drive::revoke`](super::Drive::revoke).
    pub sharing: bool,
}

impl Extensions {
    /// No optional verbs.
    pub const NONE: Self = Self {
        versions: false,
        delete_versions: false,
        download_urls: false,
        upload_urls: false,
        search: false,
        recycle_bin: false,
        thumbnails: false,
        properties: false,
        links: false,
        sharing: false,
    };
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

/// The access that a link or a permission grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Read the item.
    Read,
    /// Read and change the item.
    Write,
    /// Full control, like the owner.
    Owner,
}

/// The users that a link works for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkAudience {
    /// Everyone with the URL.
    #[default]
    Anyone,
    /// Members of the owner's organization.
    Organization,
    /// Users that the item is already shared with.
    ExistingUsers,
}

/// The arguments of [`Drive::create_link`](super::Drive::create_link).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinkRequest {
    /// The item to link to.
    pub item: ItemRef,
    /// The access that the link grants.
    pub access: Access,
    /// The users that the link works for.
    pub audience: LinkAudience,
    /// Expiry of the link. `None` if it does not expire.
    pub expires: Option<Timestamp>,
    /// Password that users of the link must enter. `None` for no password.
    pub password: Option<Secret>,
}

impl LinkRequest {
    /// Returns a request for a link to `item` for everyone, without expiry or password.
    pub fn new(item: ItemRef, access: Access) -> Self {
        Self { item, access, audience: LinkAudience::default(), expires: None, password: None }
    }
}

/// A link to an item.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Link {
    /// The cloud's id of the link; unique within the item.
    pub id: String,
    /// The URL. Secret, because it gives access to the item.
    pub url: Secret,
    /// The access that the link grants.
    pub access: Access,
    /// The users that the link works for.
    pub audience: LinkAudience,
    /// Expiry of the link. `None` if it does not expire.
    pub expires: Option<Timestamp>,
}

impl Link {
    /// Returns a link for everyone, without expiry. `id` is the cloud's id of the link.
    pub fn new(id: impl Into<String>, url: impl Into<Secret>, access: Access) -> Self {
        let audience = LinkAudience::default();
        Self { id: id.into(), url: url.into(), access, audience, expires: None }
    }
}

/// The arguments of [`Drive::grant`](super::Drive::grant).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GrantRequest {
    /// The item to share.
    pub item: ItemRef,
    /// E-mail addresses of the users.
    pub recipients: Vec<String>,
    /// The access that they receive.
    pub access: Access,
    /// Text of the invitation. `None`: the cloud sends no invitation.
    pub message: Option<String>,
}

impl GrantRequest {
    /// Returns a request to share `item` with users, by their e-mail addresses, without an
    /// invitation.
    pub fn new(item: ItemRef, recipients: Vec<String>, access: Access) -> Self {
        Self { item, recipients, access, message: None }
    }
}

/// A permission of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permission {
    /// The cloud's id of the permission; unique within the item.
    pub id: String,
    /// Name or e-mail address of the user or group. `None` if the cloud does not report it.
    pub grantee: Option<String>,
    /// The access that the grantee has.
    pub access: Access,
    /// Id of the folder that the permission is inherited from. `None` for a permission of the item
    /// itself.
    pub inherited_from: Option<ItemId>,
}

impl Permission {
    /// Returns a permission of the item itself, with an unknown grantee. `id` is the cloud's id of
    /// the permission.
    pub fn new(id: impl Into<String>, access: Access) -> Self {
        Self { id: id.into(), grantee: None, access, inherited_from: None }
    }
}
