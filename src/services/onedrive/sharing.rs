//! Links, permissions and shared items: the requests of the client as the verbs of [`Sharing`].

use async_trait::async_trait;

use super::{
    address::{Address, IdInDrive, Shortcut},
    item,
    list::check_next,
    model::{Identity, IdentitySet, Invitation, LinkOptions, PermissionResource, SharingLink},
    state::GraphDrive,
};
use crate::drive::{
    Access, Context, Cursor, Error, ErrorKind, GrantRequest, Grantee, ItemRef, Link, LinkAudience,
    LinkKind, LinkRequest, Page, PageGuard, Permission, Result, Sharing,
};

#[async_trait]
impl Sharing for GraphDrive {
    /// Creates a link, or returns the existing one of its kind and audience.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `InvalidInput`, `PermissionDenied` or `Unsupported` if
    /// the account does not permit such a link; [request
    /// errors](crate::drive::Error#request-errors).
    async fn create_link(&self, cx: &Context, request: &LinkRequest) -> Result<Link> {
        let mut options = LinkOptions::new(match request.kind {
            LinkKind::View => "view",
            LinkKind::Edit => "edit",
            LinkKind::Embed => "embed",
        });
        options.scope = request.audience.map(|audience| match audience {
            LinkAudience::Anyone => "anonymous",
            LinkAudience::Organization => "organization",
            LinkAudience::ExistingUsers => "users",
        });
        options.password = request.password.clone();
        options.expiration_date_time = request.expires;
        options.retain_inherited_permissions = (!request.keep_inherited).then_some(false);
        let address = self.address(cx, &request.item, Shortcut::Follow).await?;
        let created = self.client.create_link(cx, &address, &options).await;
        let created = self.explained(cx, &address, created).await?;
        link(&created).ok_or_else(|| {
            let text = "cannot read the response: the permission has no link";
            Error::new(ErrorKind::Unexpected, text)
        })
    }

    /// Returns the permissions that are links.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; [request errors](crate::drive::Error#request-errors).
    async fn links(&self, cx: &Context, item: &ItemRef) -> Result<Vec<Link>> {
        let (_, permissions) = self.all_permissions(cx, item).await?;
        Ok(permissions.iter().filter_map(link).collect())
    }

    /// Deletes the permission of a link.
    ///
    /// # Errors
    /// Those of [`revoke`](Sharing::revoke).
    async fn delete_link(&self, cx: &Context, item: &ItemRef, id: &str) -> Result<()> {
        self.revoke(cx, item, id).await
    }

    /// Returns all permissions of an item.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; [request errors](crate::drive::Error#request-errors).
    async fn permissions(&self, cx: &Context, item: &ItemRef) -> Result<Vec<Permission>> {
        let (address, permissions) = self.all_permissions(cx, item).await?;
        let drive = self.foreign_drive(&address);
        Ok(permissions.into_iter().map(|permission| convert(permission, drive)).collect())
    }

    /// Invites users.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `InvalidInput` for another access than to read or to
    /// write, without recipients, and if the account does not permit it; [request
    /// errors](crate::drive::Error#request-errors).
    async fn grant(&self, cx: &Context, request: &GrantRequest) -> Result<Vec<Permission>> {
        if request.recipients.is_empty() {
            let text = "cannot share the item: the request names no user";
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        let mut invitation = Invitation::new(request.recipients.clone(), role(request.access)?);
        invitation.require_sign_in = request.require_sign_in;
        invitation.send_invitation = request.invite;
        invitation.message = request.message.clone();
        invitation.expiration_date_time = request.expires;
        invitation.retain_inherited_permissions = (!request.keep_inherited).then_some(false);
        let address = self.address(cx, &request.item, Shortcut::Follow).await?;
        let granted = self.client.invite(cx, &address, &invitation).await;
        let granted = self.explained(cx, &address, granted).await?;
        let drive = self.foreign_drive(&address);
        Ok(granted.value.into_iter().map(|permission| convert(permission, drive)).collect())
    }

    /// Replaces the role of a permission.
    ///
    /// # Errors
    /// `NotFound` if the item or the permission does not exist; `InvalidInput` for another access
    /// than to read or to write; `InvalidInput` or `PermissionDenied` for a permission that cannot be
    /// changed, such as that of a link on Business; [request
    /// errors](crate::drive::Error#request-errors).
    async fn update_permission(
        &self,
        cx: &Context,
        item: &ItemRef,
        id: &str,
        access: Access,
    ) -> Result<Permission> {
        let role = role(access)?;
        let address = self.address(cx, item, Shortcut::Follow).await?;
        let updated = self.client.update_permission(cx, &address, id, &[role]).await;
        let updated = self.explained(cx, &address, updated).await?;
        Ok(convert(updated, self.foreign_drive(&address)))
    }

    /// Deletes a permission. After a 404 it requests the item: either may be missing.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `InvalidInput` or `PermissionDenied` for a permission
    /// that cannot be deleted; [request errors](crate::drive::Error#request-errors).
    async fn revoke(&self, cx: &Context, item: &ItemRef, id: &str) -> Result<()> {
        let address = self.address(cx, item, Shortcut::Follow).await?;
        match self.client.delete_permission(cx, &address, id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match self.client.item(cx, &address, None).await {
                    Ok(_) => Ok(()),
                    Err(missing) => Err(self.item_error(cx, &address, missing).await),
                }
            }
            deleted => deleted,
        }
    }

    /// Returns one page of the items that other users share.
    ///
    /// # Errors
    /// `DriveNotFound` if the drive does not exist; `Unexpected` if the page names itself as the next
    /// one; [request errors](crate::drive::Error#request-errors).
    async fn shared_with_me(&self, cx: &Context, cursor: Option<&Cursor>) -> Result<Page> {
        let page = match cursor {
            Some(Cursor(link)) => self.client.page(cx, link).await?,
            None => {
                let drive = self.lookup.get(&self.client, cx).await?;
                let page = self.client.shared_with_me(cx, drive).await;
                page.map_err(|error| self.lookup.missing(error))?
            }
        };
        check_next(cursor.map(|Cursor(link)| link), &page)?;
        let items = page.value.into_iter();
        let items = items.filter_map(|entry| item::from_complete_entry(entry, None)).collect();
        Ok(Page { items, next: page.next.map(Cursor) })
    }
}

impl GraphDrive {
    /// Returns the address of an item and all its permissions, of all pages.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unexpected` if the pages form a cycle; [request
    /// errors](crate::drive::Error#request-errors).
    async fn all_permissions(
        &self,
        cx: &Context,
        item: &ItemRef,
    ) -> Result<(Address, Vec<PermissionResource>)> {
        let address = self.address(cx, item, Shortcut::Follow).await?;
        let first = self.client.permissions(cx, &address).await;
        let mut page = self.explained(cx, &address, first).await?;
        let (mut permissions, mut guard) = (Vec::new(), PageGuard::default());
        loop {
            guard.record(page.value.len(), page.next.as_ref())?;
            permissions.append(&mut page.value);
            match page.next {
                Some(next) => page = self.client.permissions_page(cx, &next).await?,
                None => return Ok((address, permissions)),
            }
        }
    }
}

/// Returns Graph's name of the role that an access needs.
///
/// # Errors
/// `InvalidInput` for another access than to read or to write: no request grants it.
fn role(access: Access) -> Result<&'static str> {
    match access {
        Access::Read => Ok("read"),
        Access::Write => Ok("write"),
        Access::Owner | Access::Other => {
            let text = "cannot grant this access: the cloud grants only read and write access";
            Err(Error::new(ErrorKind::InvalidInput, text))
        }
    }
}

/// Converts a permission. `drive` is the id of the item's drive; `None` for the service's own drive.
fn convert(wire: PermissionResource, drive: Option<&str>) -> Permission {
    let has_role = |role: &str| wire.roles.iter().any(|has| has == role);
    let access = match () {
        () if has_role("owner") => Access::Owner,
        () if has_role("write") => Access::Write,
        () if has_role("read") => Access::Read,
        () => Access::Other,
    };
    let link = link(&wire);
    let inherited_from = wire.inherited_from.and_then(|folder| folder.id);
    let users = match wire.granted_to_identities_v2.as_slice() {
        [] => &wire.granted_to_identities,
        users => users,
    };
    let user = wire.granted_to_v2.as_ref().or(wire.granted_to.as_ref());
    let mut grantees: Vec<_> = user.into_iter().chain(users).filter_map(grantee).collect();
    if let Some(email) = wire.invitation.and_then(|invitation| invitation.email) {
        match grantees.first_mut() {
            Some(grantee) if grantee.email.is_none() => grantee.email = Some(email),
            Some(_) => {}
            None => grantees.push(Grantee { email: Some(email), ..Grantee::default() }),
        }
    }
    Permission {
        id: wire.id,
        access,
        grantees,
        link,
        expires: wire.expiration_date_time,
        inherited_from: inherited_from.map(|id| IdInDrive { drive, id: &id }.to_id()),
    }
}

/// Returns the link of a permission, or `None` for a permission of users.
fn link(wire: &PermissionResource) -> Option<Link> {
    let SharingLink { kind, scope, web_url, web_html } = wire.link.as_ref()?;
    let kind = match kind.as_deref() {
        Some("edit") => LinkKind::Edit,
        Some("embed") => LinkKind::Embed,
        _ => LinkKind::View,
    };
    let audience = match scope.as_deref() {
        Some("anonymous") => Some(LinkAudience::Anyone),
        Some("organization") => Some(LinkAudience::Organization),
        Some("users") => Some(LinkAudience::ExistingUsers),
        _ => None,
    };
    Some(Link {
        id: wire.id.clone(),
        url: web_html.as_ref().filter(|_| kind == LinkKind::Embed).or(web_url.as_ref()).cloned(),
        kind,
        audience,
        expires: wire.expiration_date_time,
        has_password: wire.has_password,
    })
}

/// Returns the grantee in a set, or `None` for an empty set. A user of the directory is preferred to
/// the user of a site, whose id is only valid there.
fn grantee(set: &IdentitySet) -> Option<Grantee> {
    let IdentitySet { user, group, application, site_user, site_group } = set;
    let mut identities = [user, group, application, site_user, site_group].into_iter().flatten();
    let Identity { id, display_name, email } = identities.next()?.clone();
    let email = email.or_else(|| identities.find_map(|identity| identity.email.clone()));
    Some(Grantee { id, name: display_name, email })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn permission(wire: serde_json::Value) -> Permission {
        convert(serde_json::from_value(wire).expect("a permission"), None)
    }

    #[test]
    fn permissions_of_all_account_kinds_name_their_grantees() {
        let personal = permission(json!({"id": "1", "roles": ["write"],
            "grantedTo": {"user": {"id": "u", "displayName": "Ann"}},
            "invitation": {"email": "ann@example.com"}, "inheritedFrom": {"id": "F"}}));
        assert_eq!(personal.access, Access::Write);
        assert_eq!(personal.grantees[0].name.as_deref(), Some("Ann"));
        assert_eq!(personal.grantees[0].email.as_deref(), Some("ann@example.com"));
        assert_eq!(personal.inherited_from, Some("F".into()));
        let business = permission(json!({"id": "2", "roles": ["sp.full control"],
            "grantedToV2": {"siteUser": {"id": "7", "displayName": "Ann", "email": "a@x"},
                "user": {"id": "u", "displayName": "Ann"}}}));
        assert_eq!((business.access, business.grantees.len()), (Access::Other, 1));
        assert_eq!(business.grantees[0].id.as_deref(), Some("u"));
        assert_eq!(business.grantees[0].email.as_deref(), Some("a@x"));
    }

    #[test]
    fn a_link_without_a_url_is_a_link_that_the_caller_may_not_see() {
        let link = permission(json!({"id": "1", "roles": ["read"], "hasPassword": true,
            "link": {"type": "view", "scope": "users"},
            "grantedToIdentitiesV2": [{"group": {"displayName": "Staff"}}]}));
        assert_eq!(link.grantees[0].name.as_deref(), Some("Staff"));
        let link = link.link.expect("a link");
        assert_eq!((link.url, link.has_password), (None, true));
        assert_eq!(link.audience, Some(LinkAudience::ExistingUsers));
    }
}
