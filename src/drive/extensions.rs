//! What some clouds offer beyond files and folders: the types of the optional verbs of
//! [`Drive`](super::Drive).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{ItemId, ItemRef, Secret};

/// Which optional verbs a drive has. A verb whose field is false returns
/// [`Unsupported`](super::ErrorKind::Unsupported).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extensions {
    /// [`Drive::versions`](super::Drive::versions).
    pub versions: bool,
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
    /// No optional verb.
    pub const NONE: Self = Self {
        versions: false,
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
    /// Size in bytes.
    pub size: Option<u64>,
    /// When the version was written.
    pub modified: Option<Timestamp>,
    /// Whether it is the current one.
    pub is_current: bool,
}

impl FileVersion {
    /// A version of which only the id is known.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), size: None, modified: None, is_current: false }
    }
}

/// A search below a folder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SearchRequest {
    /// The folder to search, with everything below it; `None`: the whole drive.
    pub folder: Option<ItemRef>,
    /// The words of the user, in the cloud's own syntax.
    pub query: String,
    /// Wished size of a page.
    pub limit: Option<usize>,
}

impl SearchRequest {
    /// A search of the whole drive.
    pub fn new(query: impl Into<String>) -> Self {
        Self { folder: None, query: query.into(), limit: None }
    }
}

/// An image of a file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Thumbnail {
    /// The cloud's name of the size, such as `small`.
    pub size: String,
    /// Width in pixels.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// URL of the image; often pre-authenticated.
    pub url: Secret,
}

impl Thumbnail {
    /// A thumbnail of unknown width and height.
    pub fn new(size: impl Into<String>, url: impl Into<Secret>) -> Self {
        Self { size: size.into(), width: None, height: None, url: url.into() }
    }
}

/// Properties of an item that a program has stored; names are the cloud's.
pub type Properties = BTreeMap<String, String>;

/// A change of properties: a value sets a property, `None` removes it.
pub type PropertyChanges = BTreeMap<String, Option<String>>;

/// What a link or a permission allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Read the item.
    Read,
    /// Read and change the item.
    Write,
    /// As the owner.
    Owner,
}

/// Who may use a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkAudience {
    /// Everybody who has the link.
    #[default]
    Anyone,
    /// The members of the owner's organization.
    Organization,
    /// Only the people whom the item is shared with.
    ExistingUsers,
}

/// A link to create.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinkRequest {
    /// The item to link to.
    pub item: ItemRef,
    /// What the link allows.
    pub access: Access,
    /// Who may use it.
    pub audience: LinkAudience,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// The password that it asks for.
    pub password: Option<Secret>,
}

impl LinkRequest {
    /// A link that anyone can use, without end.
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
    /// The URL. A secret, because it opens the item.
    pub url: Secret,
    /// What the link allows.
    pub access: Access,
    /// Who may use it.
    pub audience: LinkAudience,
    /// When it expires.
    pub expires: Option<Timestamp>,
}

impl Link {
    /// A link without end that anyone can use.
    pub fn new(id: impl Into<String>, url: impl Into<Secret>, access: Access) -> Self {
        let audience = LinkAudience::default();
        Self { id: id.into(), url: url.into(), access, audience, expires: None }
    }
}

/// A permission to grant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GrantRequest {
    /// The item to share.
    pub item: ItemRef,
    /// The e-mail addresses of the people.
    pub recipients: Vec<String>,
    /// What they may do.
    pub access: Access,
    /// Text of the invitation; `None`: no invitation is sent.
    pub message: Option<String>,
}

impl GrantRequest {
    /// A permission without an invitation.
    pub fn new(item: ItemRef, recipients: Vec<String>, access: Access) -> Self {
        Self { item, recipients, access, message: None }
    }
}

/// Somebody who may use an item.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permission {
    /// The cloud's id of the permission; unique within the item.
    pub id: String,
    /// Name or e-mail address of the user or group, if the cloud shows it.
    pub grantee: Option<String>,
    /// What the grantee may do.
    pub access: Access,
    /// The folder that the permission is inherited from.
    pub inherited_from: Option<ItemId>,
}

impl Permission {
    /// A permission of the item itself, of an unknown grantee.
    pub fn new(id: impl Into<String>, access: Access) -> Self {
        Self { id: id.into(), grantee: None, access, inherited_from: None }
    }
}
