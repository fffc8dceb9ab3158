//! Links and permissions of items, by their paths.

use std::sync::Arc;

use opendal::{Operator, Result};

use super::{DriveHandle, to_opendal};
use crate::drive::{
    self, Access, Drive, Error, GrantRequest, Link, LinkRequest, Permission, Sharing,
};

/// Returns the verbs of a drive for links and permissions.
///
/// # Errors
/// `Unsupported` if the drive has none.
pub(super) fn require_sharing(drive: &Arc<dyn Drive>) -> drive::Result<&dyn Sharing> {
    drive.sharing().ok_or_else(|| Error::unsupported("links and permissions"))
}

impl DriveHandle {
    /// Creates a link to the item of the request, or returns an existing link with the same
    /// properties. [`item_ref`](Self::item_ref) returns the reference to an item at a path.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `PermissionDenied` or `Unsupported` if the account or
    /// the cloud does not permit such links; [request errors](crate::drive::Error#request-errors).
    pub async fn create_link(&self, operator: &Operator, request: &LinkRequest) -> Result<Link> {
        let sharing = require_sharing(&self.state.drive).map_err(to_opendal)?;
        sharing.create_link(&Self::context(operator), request).await.map_err(to_opendal)
    }

    /// Returns the links to the item at a path.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unsupported` if the drive does not list links;
    /// [request errors](crate::drive::Error#request-errors).
    pub async fn links(&self, operator: &Operator, path: &str) -> Result<Vec<Link>> {
        let (cx, item) = self.located(operator, path).await?;
        let sharing = require_sharing(&self.state.drive).map_err(to_opendal)?;
        sharing.links(&cx, &item).await.map_err(to_opendal)
    }

    /// Deletes a link to the item at a path. Succeeds if the link does not exist. `id` is a
    /// [`Link::id`].
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unsupported` if the drive does not delete links;
    /// [request errors](crate::drive::Error#request-errors).
    pub async fn delete_link(&self, operator: &Operator, path: &str, id: &str) -> Result<()> {
        let (cx, item) = self.located(operator, path).await?;
        let sharing = require_sharing(&self.state.drive).map_err(to_opendal)?;
        sharing.delete_link(&cx, &item, id).await.map_err(to_opendal)
    }

    /// Returns the permissions of the item at a path, with inherited ones and those of links.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unsupported` if the drive has no permissions; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn permissions(&self, operator: &Operator, path: &str) -> Result<Vec<Permission>> {
        let (cx, item) = self.located(operator, path).await?;
        let sharing = require_sharing(&self.state.drive).map_err(to_opendal)?;
        sharing.permissions(&cx, &item).await.map_err(to_opendal)
    }

    /// Shares the item of the request with users. Returns one permission for each of them.
    /// [`item_ref`](Self::item_ref) returns the reference to an item at a path.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `PermissionDenied` or `Unsupported` if the account or
    /// the cloud does not permit it; [request errors](crate::drive::Error#request-errors).
    pub async fn grant(
        &self,
        operator: &Operator,
        request: &GrantRequest,
    ) -> Result<Vec<Permission>> {
        let sharing = require_sharing(&self.state.drive).map_err(to_opendal)?;
        sharing.grant(&Self::context(operator), request).await.map_err(to_opendal)
    }

    /// Changes the access of a permission of the item at a path, and returns the permission. `id` is
    /// a [`Permission::id`].
    ///
    /// # Errors
    /// `NotFound` if the item or the permission does not exist; `PermissionDenied` or `Unsupported`
    /// for a permission that cannot be changed; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn update_permission(
        &self,
        operator: &Operator,
        path: &str,
        id: &str,
        access: Access,
    ) -> Result<Permission> {
        let (cx, item) = self.located(operator, path).await?;
        let sharing = require_sharing(&self.state.drive).map_err(to_opendal)?;
        sharing.update_permission(&cx, &item, id, access).await.map_err(to_opendal)
    }

    /// Revokes a permission of the item at a path. Succeeds if the permission does not exist. `id` is
    /// a [`Permission::id`].
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `PermissionDenied` or `Unsupported` for a permission
    /// that cannot be revoked; [request errors](crate::drive::Error#request-errors).
    pub async fn revoke(&self, operator: &Operator, path: &str, id: &str) -> Result<()> {
        let (cx, item) = self.located(operator, path).await?;
        let sharing = require_sharing(&self.state.drive).map_err(to_opendal)?;
        sharing.revoke(&cx, &item, id).await.map_err(to_opendal)
    }
}
