//! The caller's access to the items of a drive.

use super::{
    drive_context::DriveContext,
    error::{Error, Result},
};
use crate::{
    permissions::{access, visible_items},
    tree::{ItemKey, Node, ROOT, Role},
};

impl DriveContext<'_> {
    /// Returns the caller's role for an item; `None` without access.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn role(&self, item: ItemKey) -> Result<Option<Role>> {
        if self.base_role == Some(Role::Owner) {
            return Ok(self.base_role);
        }
        let (state, link) = (&self.request.state, self.presented.as_ref());
        let granted = access(state, &self.account, item, &self.principal, link).await?;
        Ok(granted.max(self.base_role))
    }

    /// Checks that the caller has a role for an item.
    ///
    /// # Errors
    /// 403 if the caller has a lower role; without any, 404 on personal drives and 403 on others; 500 if
    /// the storage fails.
    pub(super) async fn require(&self, item: ItemKey, role: Role) -> Result<()> {
        match self.role(item).await? {
            Some(has) if has >= role => Ok(()),
            Some(_) => Err(Error::access_denied()),
            None => Err(self.hidden()),
        }
    }

    /// Checks that the caller has access to an item of the drive.
    ///
    /// # Errors
    /// 404 on personal drives and 403 on others if the caller has access to none; 500 if the storage
    /// fails.
    pub(super) async fn require_any(&self) -> Result<()> {
        if self.has_any().await? { Ok(()) } else { Err(self.hidden()) }
    }

    /// Returns whether the caller has access to an item of the drive.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn has_any(&self) -> Result<bool> {
        if self.role(ROOT).await?.is_some() || self.presented.is_some() {
            return Ok(true);
        }
        let shared = self.tree().shared_with(self.principal.identities()).await?;
        Ok(shared.iter().any(|shared| shared.drive == self.drive()))
    }

    /// Returns whether the caller has access to a node.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn is_visible(&self, node: &Node) -> Result<bool> {
        Ok(self.role(node.no).await?.is_some())
    }

    /// Returns the nodes that the caller has access to, as the caller sees them: see
    /// [`published`](super::check_out::published).
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn visible(&self, mut nodes: Vec<Node>) -> Result<Vec<Node>> {
        if self.base_role.is_none() {
            let (state, link) = (&self.request.state, self.presented.as_ref());
            nodes = visible_items(state, &self.account, nodes, &self.principal, link).await?;
        }
        let mut published = Vec::with_capacity(nodes.len());
        for node in nodes {
            published.push(self.published(node).await?);
        }
        Ok(published)
    }

    /// Returns a page of the items below a folder that the caller has access to, as
    /// [`Tree::below`](crate::tree::Tree::below).
    ///
    /// # Errors
    /// 404 if the folder is not live, 400 for a file, 500 if the storage fails.
    pub(super) async fn below(
        &self,
        folder: ItemKey,
        from: i64,
        limit: u64,
    ) -> Result<(Vec<Node>, Option<i64>)> {
        let (nodes, next) = self.tree().below(self.drive(), folder, from, limit).await?;
        Ok((self.visible(nodes).await?, next))
    }

    /// Returns the error for an item that the caller has no access to, as if it did not exist. Inferred:
    /// personal drives respond with 404, business drives with 403.
    pub(super) fn hidden(&self) -> Error {
        if self.kind.is_personal() { Error::not_found() } else { Error::access_denied() }
    }
}
