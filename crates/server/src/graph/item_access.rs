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
        if self.has_all_rights {
            return Ok(Some(Role::Owner));
        }
        let (state, link) = (&self.request.state, self.presented.as_ref());
        Ok(access(state, &self.account, item, &self.principal, link).await?)
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
        if self.role(ROOT).await?.is_some() || self.presented.is_some() {
            return Ok(());
        }
        let shared = self.tree().shared_with(self.principal.identities()).await?;
        match shared.iter().any(|shared| shared.drive == self.drive()) {
            true => Ok(()),
            false => Err(self.hidden()),
        }
    }

    /// Returns whether the caller has access to a node.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn is_visible(&self, node: &Node) -> Result<bool> {
        Ok(self.has_all_rights || self.role(node.no).await?.is_some())
    }

    /// Returns the nodes that the caller has access to.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn visible(&self, nodes: Vec<Node>) -> Result<Vec<Node>> {
        if self.has_all_rights {
            return Ok(nodes);
        }
        let (state, link) = (&self.request.state, self.presented.as_ref());
        Ok(visible_items(state, &self.account, nodes, &self.principal, link).await?)
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
