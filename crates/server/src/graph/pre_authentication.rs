//! Which URLs authorize by themselves, and which need a token (onedrive-graph#pre-auth-retirement).
//!
//! URLs of content, upload sessions and copy monitors are pre-authenticated: the secret in them is
//! the authorization. A server that [retires](crate::CloudBehavior::without_pre_authenticated_urls)
//! them serves content on the host of Graph, for a token of Graph, and sessions and monitors on the
//! drive's own host, for a token of SharePoint.

use super::{
    address::DriveRef,
    dialect::Dialect,
    drive_context::DriveContext,
    error::Result,
    ids::IdCodec,
    request::GraphRequest,
    scopes::{Permissions, ScopeRequirement},
};
use crate::{
    account::Account,
    tree::{ItemKey, Role},
};

/// The base of the protocol at the drive's own host, whose tokens are for SharePoint.
const DIRECT_BASE: &str = "/_api/v2.0";

impl DriveContext<'_> {
    /// Returns whether the URLs in responses are pre-authenticated. Those of personal drives, and
    /// those for requests at the drive's own host, always are.
    pub(super) fn pre_authenticates(&self) -> bool {
        let retired = self.request.state.settings.behavior.retires_pre_authentication;
        !retired || self.kind.is_personal() || self.request.dialect == Dialect::Direct
    }

    /// Returns the URL of a relation of an item at the base of the request. `relation` begins with a
    /// slash and is percent-encoded.
    pub(super) fn relation_url(&self, item: ItemKey, relation: &str) -> String {
        self.request.url(&self.relation_path(item, relation))
    }

    /// Returns the URL of a relation of an item at the drive's own host, which needs a token for
    /// SharePoint. `relation` begins with a slash and is percent-encoded.
    pub(super) fn direct_relation_url(&self, item: ItemKey, relation: &str) -> String {
        self.content_url(&format!("{DIRECT_BASE}{}", self.relation_path(item, relation)))
    }

    /// Returns the path of a relation of an item, without a base. See [`Self::relation_url`].
    fn relation_path(&self, item: ItemKey, relation: &str) -> String {
        format!("/drives/{}/items/{}{relation}", self.ids.drive_id(), self.ids.item_id(item))
    }
}

impl GraphRequest {
    /// Checks that the request has a token of SharePoint with which the caller has a role for an item
    /// of the drive of `account`; without an item, for any item of it. The request is then one at the
    /// drive's own host.
    ///
    /// # Errors
    /// 401 if the token is missing, unknown, expired, for another resource or grants nothing; 403
    /// if it does not have the permission or the role, or the drive belongs to another tenant; 404
    /// instead if the caller has no access to a personal drive; 507 if the user's drive cannot be
    /// created because the disk of the storage is full; 500 if the storage fails.
    pub(super) async fn authorize_at_drive(
        &mut self,
        account: &Account,
        role: Role,
        item: Option<ItemKey>,
    ) -> Result<()> {
        self.use_base(DIRECT_BASE);
        let permissions = Permissions::from_grant(self.valid_grant()?);
        if permissions.is_empty() {
            return Err(Self::no_permissions());
        }
        let writes = role > Role::Read;
        let requirement = if writes { ScopeRequirement::Write } else { ScopeRequirement::Read };
        self.files = permissions.check(requirement)?;
        self.writable = permissions.writable();
        self.needs = role;
        self.covers_others = permissions.covers_others(writes);
        let id = IdCodec::new(self.kind(account), &account.cid).drive_id();
        let context = DriveContext::open(self, &DriveRef::Id { id, site: None }).await?;
        match item {
            Some(item) => {
                context.check_covered(item).await?;
                context.require(item, role).await
            }
            None => context.require_any().await,
        }
    }
}
