//! Links, permissions, and items that other users share: the optional part of a drive that makes
//! items accessible to others.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Context, Cursor, Error, ItemId, ItemRef, Page, Result, Secret};

/// The verbs of a drive for links and permissions.
///
/// [`Drive::sharing`](super::Drive::sharing) returns it. The default implementation of each verb
/// returns `Unsupported`; [`Extensions`](super::Extensions) says which ones a drive implements.
#[async_trait]
pub trait Sharing: Send + Sync {
    /// Creates a link, or returns an existing link with the same properties.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `PermissionDenied` or `InvalidInput` if the account
    /// does not permit such links; `Unsupported` without
    /// [`Extensions::create_links`](super::Extensions::create_links), and for a property that the
    /// cloud's links do not have; [request errors](crate::drive::Error#request-errors).
    async fn create_link(&self, cx: &Context, request: &LinkRequest) -> Result<Link> {
        let _ = (cx, request);
        Err(Error::unsupported("links"))
    }

    /// Returns the links to an item.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unsupported` without
    /// [`Extensions::links`](super::Extensions::links); [request
    /// errors](crate::drive::Error#request-errors).
    async fn links(&self, cx: &Context, item: &ItemRef) -> Result<Vec<Link>> {
        let _ = (cx, item);
        Err(Error::unsupported("a list of links"))
    }

    /// Deletes a link to an item. Succeeds if the link does not exist. `id` is a [`Link::id`].
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unsupported` without
    /// [`Extensions::links`](super::Extensions::links); [request
    /// errors](crate::drive::Error#request-errors).
    async fn delete_link(&self, cx: &Context, item: &ItemRef, id: &str) -> Result<()> {
        let _ = (cx, item, id);
        Err(Error::unsupported("the deletion of links"))
    }

    /// Returns the permissions of an item, including inherited ones, and those of links.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unsupported` without
    /// [`Extensions::permissions`](super::Extensions::permissions); [request
    /// errors](crate::drive::Error#request-errors).
    async fn permissions(&self, cx: &Context, item: &ItemRef) -> Result<Vec<Permission>> {
        let _ = (cx, item);
        Err(Error::unsupported("permissions"))
    }

    /// Shares an item with users. Returns one permission for each recipient.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `PermissionDenied` or `InvalidInput` if the account
    /// does not permit it; `Unsupported` without
    /// [`Extensions::permissions`](super::Extensions::permissions); [request
    /// errors](crate::drive::Error#request-errors).
    async fn grant(&self, cx: &Context, request: &GrantRequest) -> Result<Vec<Permission>> {
        let _ = (cx, request);
        Err(Error::unsupported("permissions"))
    }

    /// Changes the access of a permission, and returns the permission. `id` is a
    /// [`Permission::id`].
    ///
    /// # Errors
    /// `NotFound` if the item or the permission does not exist; `InvalidInput` or
    /// `PermissionDenied` for a permission that cannot be changed, such as the owner's or an
    /// inherited one; `Unsupported` without
    /// [`Extensions::permissions`](super::Extensions::permissions); [request
    /// errors](crate::drive::Error#request-errors).
    async fn update_permission(
        &self,
        cx: &Context,
        item: &ItemRef,
        id: &str,
        access: Access,
    ) -> Result<Permission> {
        let _ = (cx, item, id, access);
        Err(Error::unsupported("permissions"))
    }

    /// Revokes a permission of an item. Succeeds if the permission does not exist. `id` is a
    /// [`Permission::id`].
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unsupported` without
    /// [`Extensions::permissions`](super::Extensions::permissions); [request
    /// errors](crate::drive::Error#request-errors).
    async fn revoke(&self, cx: &Context, item: &ItemRef, id: &str) -> Result<()> {
        let _ = (cx, item, id);
        Err(Error::unsupported("permissions"))
    }

    /// Returns one page of the items that other users share with the account. Their ids name the
    /// drives that contain them, so that all verbs accept them. `cursor` is [`Page::next`] of the
    /// previous page.
    ///
    /// # Errors
    /// `Unsupported` without [`Extensions::shared_with_me`](super::Extensions::shared_with_me);
    /// [request errors](crate::drive::Error#request-errors).
    async fn shared_with_me(&self, cx: &Context, cursor: Option<&Cursor>) -> Result<Page> {
        let _ = (cx, cursor);
        Err(Error::unsupported("a list of items that others share"))
    }
}

/// The access that a permission grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Read the item.
    Read,
    /// Read and change the item.
    Write,
    /// Full control, like the owner.
    Owner,
    /// Access that the cloud has no such word for. No request can grant it.
    Other,
}

/// The use of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkKind {
    /// Read the item.
    #[default]
    View,
    /// Read and change the item.
    Edit,
    /// Show the item in a web page.
    Embed,
}

/// The users that a link works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkAudience {
    /// Everyone with the URL.
    Anyone,
    /// Members of the owner's organization.
    Organization,
    /// Users that the item is already shared with.
    ExistingUsers,
}

/// The arguments of [`Sharing::create_link`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinkRequest {
    /// The item to link to.
    pub item: ItemRef,
    /// The use of the link.
    pub kind: LinkKind,
    /// The users that the link works for. `None`: the cloud chooses, by the settings of the
    /// account.
    pub audience: Option<LinkAudience>,
    /// Expiry of the link. `None` if it does not expire.
    pub expires: Option<Timestamp>,
    /// Password that users of the link must enter. `None` for no password.
    pub password: Option<Secret>,
    /// Whether the permissions of the folders above continue to apply to an item that is shared for
    /// the first time.
    pub keep_inherited: bool,
}

impl LinkRequest {
    /// Returns a request for a link to `item`, without expiry or password. The cloud chooses the
    /// audience, and inherited permissions are kept.
    pub fn new(item: ItemRef, kind: LinkKind) -> Self {
        Self { item, kind, audience: None, expires: None, password: None, keep_inherited: true }
    }
}

/// A link to an item.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// The cloud's id of the link; unique within the item. Empty if the cloud's links have no ids.
    pub id: String,
    /// The URL, or for [`LinkKind::Embed`] HTML that contains it. Secret, because it gives access
    /// to the item. `None` if the caller may not see it.
    pub url: Option<Secret>,
    /// The use of the link.
    pub kind: LinkKind,
    /// The users that the link works for. `None` if the cloud does not report it.
    pub audience: Option<LinkAudience>,
    /// Expiry of the link. `None` if it does not expire, or if the cloud does not report it.
    pub expires: Option<Timestamp>,
    /// Whether users of the link must enter a password.
    pub has_password: bool,
}

impl Link {
    /// Returns a link of an unknown audience, without expiry and password. `id` is the cloud's id
    /// of the link.
    pub fn new(id: impl Into<String>, url: impl Into<Secret>, kind: LinkKind) -> Self {
        let (id, url) = (id.into(), Some(url.into()));
        Self { id, url, kind, audience: None, expires: None, has_password: false }
    }
}

/// The arguments of [`Sharing::grant`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GrantRequest {
    /// The item to share.
    pub item: ItemRef,
    /// E-mail addresses of the users.
    pub recipients: Vec<String>,
    /// The access that they receive.
    pub access: Access,
    /// Whether the cloud sends an invitation to the users.
    pub invite: bool,
    /// Text of the invitation. `None` for the cloud's own text.
    pub message: Option<String>,
    /// Whether the users must sign in. Without it the invitation contains a link that works for
    /// everyone.
    pub require_sign_in: bool,
    /// Expiry of the permissions. `None` if they do not expire.
    pub expires: Option<Timestamp>,
    /// Whether the permissions of the folders above continue to apply to an item that is shared for
    /// the first time.
    pub keep_inherited: bool,
}

impl GrantRequest {
    /// Returns a request to share `item` with users, by their e-mail addresses. They must sign in,
    /// and receive no invitation. Inherited permissions are kept.
    pub fn new(item: ItemRef, recipients: Vec<String>, access: Access) -> Self {
        Self {
            item,
            recipients,
            access,
            invite: false,
            message: None,
            require_sign_in: true,
            expires: None,
            keep_inherited: true,
        }
    }
}

/// A user, group or application that a permission is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grantee {
    /// The cloud's id. `None` if the cloud does not report it.
    pub id: Option<String>,
    /// Display name. `None` if the cloud does not report it.
    pub name: Option<String>,
    /// E-mail address. `None` if it has none or the cloud does not report it.
    pub email: Option<String>,
}

impl Grantee {
    /// Returns a grantee with a display name alone.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }
}

/// A permission of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permission {
    /// The cloud's id of the permission; unique within the item.
    pub id: String,
    /// The access that the grantees have.
    pub access: Access,
    /// The users and groups. Empty if the cloud does not report them, and for a link that works for
    /// everyone.
    pub grantees: Vec<Grantee>,
    /// The link that grants the access. `None` for a permission of users.
    pub link: Option<Link>,
    /// Expiry of the permission. `None` if it does not expire.
    pub expires: Option<Timestamp>,
    /// Id of the folder that the permission is inherited from. `None` for a permission of the item
    /// itself, and if the cloud does not report it.
    pub inherited_from: Option<ItemId>,
}

impl Permission {
    /// Returns a permission of the item itself, without grantees. `id` is the cloud's id of the
    /// permission.
    pub fn new(id: impl Into<String>, access: Access) -> Self {
        Self {
            id: id.into(),
            access,
            grantees: Vec::new(),
            link: None,
            expires: None,
            inherited_from: None,
        }
    }
}
