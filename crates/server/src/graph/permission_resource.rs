//! The JSON of a permission (onedrive-graph#permissions).

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{
    drive_context::DriveContext,
    error::{Error, Result},
    links,
    owner::AccountIdentity,
    timestamp::format_time,
};
use crate::{
    account::Account,
    permissions::{Grantee, LinkType},
    sharing_links::{self, LinkClaims},
    tree::{ItemKey, Permission, PermissionKind, Role},
};

/// The id of the owner's permission, which no request can change.
pub(super) const OWNER_ID: &str = "b3duZXI";

impl Role {
    /// Returns Graph's name of the role.
    pub(super) fn graph_name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Manage => "manage",
            Self::Owner => "owner",
        }
    }

    /// Parses Graph's name of a role of a site; `None` for another text.
    pub(super) fn parse_graph(name: &str) -> Option<Self> {
        match name {
            "read" => Some(Self::Read),
            "write" => Some(Self::Write),
            "manage" => Some(Self::Manage),
            "owner" | "fullcontrol" => Some(Self::Owner),
            _ => None,
        }
    }
}

impl DriveContext<'_> {
    /// Returns a permission of an item as JSON. `item` is the item whose permissions are listed; the
    /// permission may be inherited. `secrets` is whether the caller may see the URL of a link.
    ///
    /// # Errors
    /// 404 if an account or a folder was removed meanwhile, 507 if the disk of the storage is full,
    /// 500 if the storage fails.
    pub(super) async fn describe_permission(
        &self,
        item: ItemKey,
        permission: &Permission,
        secrets: bool,
    ) -> Result<Value> {
        let mut resource = json!({
            "id": permission.id,
            "roles": [permission.role.graph_name()],
        });
        if let Some(expires) = permission.expires {
            resource["expirationDateTime"] = format_time(self.kind, expires).into();
        }
        match permission.kind {
            PermissionKind::Link(audience) => {
                resource["hasPassword"] = permission.details.password.is_some().into();
                let mut link = self.describe_link(permission, secrets);
                link["scope"] = audience.name().into();
                resource["link"] = link;
                if secrets {
                    resource["shareId"] = self.share_id(permission).into();
                }
                let identities = self.identities(permission).await?;
                if !identities.is_empty() {
                    resource[self.granted_to_identities()] = identities.into();
                }
            }
            PermissionKind::Everyone => {
                resource[self.granted_to()] = json!({"user": {"displayName": "Everyone"}});
            }
            PermissionKind::Users | PermissionKind::Application | PermissionKind::Boundary => {
                if let Some(identity) = self.identities(permission).await?.into_iter().next() {
                    resource[self.granted_to()] = identity;
                }
            }
        }
        if let Some(address) = &permission.details.invited {
            let sign_in = permission.details.sign_in;
            resource["invitation"] = json!({"email": address, "signInRequired": sign_in});
        }
        // Business drives do not return it (documented remark of the resource).
        if permission.item != item && self.kind.is_personal() {
            resource["inheritedFrom"] = self.reference(permission.item).await?;
        }
        Ok(resource)
    }

    /// Returns the link of a permission, without its scope. Without `secrets` it has no URL.
    fn describe_link(&self, permission: &Permission, secrets: bool) -> Value {
        let link_type = LinkType::from_permission(permission);
        let mut link = json!({"type": link_type.name(), "preventsDownload": false});
        if secrets {
            let url = self.link_url(permission);
            if link_type == LinkType::Embed {
                let html = format!(
                    "<iframe src=\"{url}\" width=\"98\" height=\"120\" frameborder=\"0\" \
                     scrolling=\"no\"></iframe>"
                );
                link["webHtml"] = html.into();
            }
            link["webUrl"] = url.into();
        }
        if let Some(id) = &permission.details.application {
            let directory = self.request.state.accounts.directory();
            let application = directory.as_ref().and_then(|it| it.application(id));
            let name = application.map_or(id.as_str(), |it| it.display_name());
            link["application"] = json!({"id": id, "displayName": name});
        }
        link
    }

    /// Returns the URL of a link. A link that Live Connect created in an earlier version has only the
    /// URL of Live Connect.
    pub(super) fn link_url(&self, link: &Permission) -> String {
        let (request, account) = (self.request, &self.account);
        if link.id.starts_with("s!") {
            return request.base_url.url(&format!("{}{}", links::PREFIX, link.id));
        }
        let claims = LinkClaims::from_permission(account, link);
        sharing_links::url(&request.state, &request.base_url, account, link.item, &claims)
    }

    /// Returns the sharing token of a link, for `/shares/TOKEN`.
    pub(super) fn share_id(&self, link: &Permission) -> String {
        if link.id.starts_with("s!") {
            return link.id.clone();
        }
        format!("u!{}", URL_SAFE_NO_PAD.encode(self.link_url(link)))
    }

    /// Returns the member with the user of a permission. Its name depends on the account kind.
    fn granted_to(&self) -> &'static str {
        if self.kind.is_personal() { "grantedTo" } else { "grantedToV2" }
    }

    /// Returns the member with the users of a link. Its name depends on the account kind.
    fn granted_to_identities(&self) -> &'static str {
        if self.kind.is_personal() { "grantedToIdentities" } else { "grantedToIdentitiesV2" }
    }

    /// Returns the users and applications that a permission names.
    ///
    /// # Errors
    /// 507 if the disk of the storage is full, 500 if the storage fails.
    async fn identities(&self, permission: &Permission) -> Result<Vec<Value>> {
        let mut identities = Vec::with_capacity(permission.grantees.len());
        for text in &permission.grantees {
            identities.push(match Grantee::parse(text) {
                Some(Grantee::User(name)) => {
                    let account = self.request.state.accounts.open(&name).await?;
                    self.identity_of(&account)
                }
                Some(Grantee::Application(id)) => {
                    let name = permission.details.names.get(text).unwrap_or(&id).clone();
                    json!({"application": {"id": id, "displayName": name}})
                }
                Some(Grantee::Name(_)) | None => {
                    let name = permission.details.names.get(text);
                    let name = name.or(permission.details.invited.as_ref());
                    let name =
                        name.map_or_else(|| text.trim_start_matches("name:"), String::as_str);
                    json!({"user": {"displayName": name, "email": name}})
                }
            });
        }
        Ok(identities)
    }

    /// Returns the identity of an account.
    fn identity_of(&self, account: &Account) -> Value {
        AccountIdentity::new(self.request.kind(account), account).identity_set(None)
    }

    /// Returns the permission of the owner, which business drives list.
    pub(super) fn owner_permission(&self) -> Value {
        let owner = AccountIdentity::new(self.kind, &self.account).owner();
        json!({"id": OWNER_ID, "roles": [Role::Owner.graph_name()], self.granted_to(): owner})
    }

    /// Returns a reference to an item.
    ///
    /// # Errors
    /// 404 if the item no longer exists, 500 if the storage fails.
    async fn reference(&self, item: ItemKey) -> Result<Value> {
        let mut reference = Map::new();
        reference.insert("driveId".into(), self.ids.drive_id().into());
        reference.insert("id".into(), self.ids.item_id(item).into());
        reference.insert("path".into(), self.path_of(&self.path(item).await?).into());
        Ok(reference.into())
    }

    /// Returns 400 for a change of the root folder's permissions on a personal drive
    /// (onedrive-graph#personal-root-permissions).
    ///
    /// # Errors
    /// 400 if the item is that folder.
    pub(super) fn check_shareable(&self, item: ItemKey) -> Result<()> {
        if item == crate::tree::ROOT && self.kind.is_personal() {
            return Err(Error::new(
                StatusCode::BAD_REQUEST,
                "invalidRequest",
                "cannot share the root folder of a personal drive",
            ));
        }
        Ok(())
    }
}
