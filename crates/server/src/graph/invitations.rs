//! Permissions that are granted to people: invitations, and the users of a link
//! (onedrive-graph#invite, onedrive-graph#grant).
//!
//! The recipients have access at once. The server sends no message.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    address::ItemAddress,
    contract::Payload,
    drive_context::DriveContext,
    error::{Error, Result},
    permissions::{change_permissions, end_inheritance, expiry},
    response,
};
use crate::{
    permissions::{Grantee, find_user},
    signed_token::random_name,
    tree::{Node, Permission, PermissionKind, Role, TreeError},
};

/// Maximum number of recipients of one invitation. Inferred: the item stores a permission for each of
/// them.
const MAX_RECIPIENTS: usize = 100;

/// The body of `invite`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct InviteBody {
    recipients: Vec<Recipient>,
    roles: Vec<String>,
    require_sign_in: Option<bool>,
    expiration_date_time: Option<String>,
    retain_inherited_permissions: Option<bool>,
}

/// The body of `grant`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GrantBody {
    recipients: Vec<Recipient>,
    roles: Vec<String>,
}

/// A person, by the first of these that is present.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Recipient {
    email: Option<String>,
    alias: Option<String>,
    object_id: Option<String>,
}

/// A recipient as a user.
#[derive(Clone, Debug)]
pub(super) struct ResolvedRecipient {
    pub(super) grantee: Grantee,
    /// The address, alias or id in the request.
    pub(super) given: String,
}

/// Returns the users that recipients stand for. A recipient without an account gets access when an
/// account with the address exists.
///
/// # Errors
/// 400 for a recipient without email, alias and object id, and for more than [`MAX_RECIPIENTS`]; 507 if
/// the disk of the storage is full; 500 if the storage fails.
pub(super) async fn resolve_recipients(
    context: &DriveContext<'_>,
    recipients: Vec<Recipient>,
) -> Result<Vec<ResolvedRecipient>> {
    if recipients.len() > MAX_RECIPIENTS {
        return Err(Error::invalid(format!(
            "cannot share: a request can have at most {MAX_RECIPIENTS} recipients"
        )));
    }
    let mut resolved = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        let names = [recipient.email, recipient.alias, recipient.object_id];
        let given = names.into_iter().flatten().find(|name| !name.is_empty()).ok_or_else(|| {
            Error::invalid("cannot share: a recipient has no email, alias or objectId")
        })?;
        let account = find_user(&context.request.state.accounts, &given).await?;
        let grantee = match account {
            Some(account) => Grantee::User(account.name.clone()),
            None => Grantee::for_name(&given),
        };
        resolved.push(ResolvedRecipient { grantee, given });
    }
    Ok(resolved)
}

/// `POST item/invite`: grants each recipient a permission. An existing permission of a recipient
/// gets the new role.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 for a body with a member of another
/// type, no role or other roles than `read` and `write`, no recipients, as of [`resolve_recipients`],
/// for an expiry that is no time in the future, and for the root folder of a personal drive; 403 if the
/// caller may not change the item, or does not own it and ends the inheritance; 507 if the disk of the
/// storage is full; 500 if the storage fails.
pub(super) async fn invite(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: InviteBody = payload.parse()?;
    let role = role(&body.roles)?;
    if body.recipients.is_empty() {
        return Err(Error::invalid("cannot invite: the invitation has no recipients"));
    }
    let expires = expiry(body.expiration_date_time.as_deref())?;
    let node = context.locate(address).await?.node;
    let retain = body.retain_inherited_permissions.unwrap_or(true);
    context.require_sharing(&node, retain).await?;
    let recipients = resolve_recipients(context, body.recipients).await?;
    let sign_in = body.require_sign_in.unwrap_or(true);
    let of = node.clone();
    let change = move |all: &mut Vec<Permission>| {
        if !retain {
            end_inheritance(all, &of);
        }
        let mut granted = Vec::with_capacity(recipients.len());
        for ResolvedRecipient { grantee, given } in recipients {
            let mut permission = Permission::new(of.no, random_name(), PermissionKind::Users, role);
            permission.grantees = vec![grantee.to_string()];
            permission.expires = expires;
            permission.details.sign_in = sign_in;
            permission.details.invited = Some(given);
            granted.push(replace_grant(all, permission));
        }
        Ok(granted)
    };
    let granted = change_permissions(context, &node, change).await?;
    collection(context, &node, &granted).await
}

impl DriveContext<'_> {
    /// Checks that the caller can share an item. With `retain`, the item keeps the permissions of its
    /// folder; to remove them is up to the owner, as for other permissions.
    ///
    /// # Errors
    /// 400 for the root folder of a personal drive; 403 if the caller does not have the role, and 404 or
    /// 403 without any access; 500 if the storage fails.
    pub(super) async fn require_sharing(&self, node: &Node, retain: bool) -> Result<()> {
        self.require(node.no, if retain { Role::Write } else { Role::Owner }).await?;
        self.check_shareable(node.no)
    }
}

/// Adds the grant of a user. It replaces the user's grant, whose id it gets. Returns the stored grant.
fn replace_grant(all: &mut Vec<Permission>, mut new: Permission) -> Permission {
    let is_same = |old: &&mut Permission| (old.kind, &old.grantees) == (new.kind, &new.grantees);
    match all.iter_mut().find(is_same) {
        Some(old) => {
            (new.id, new.created) = (old.id.clone(), old.created);
            *old = new.clone();
        }
        None => all.push(new.clone()),
    }
    new
}

/// `POST item/permissions/ID/grant` and `POST shares/TOKEN/permission/grant`: gives users access by a
/// link. Returns the link.
///
/// # Errors
/// 400 for a body with a member of another type, no recipients, as of [`resolve_recipients`], roles that
/// the link does not have, and a permission that is no link; 403 if the caller may not change the item;
/// 404 if the item has no permission with the id; 507 if the disk of the storage is full; 500 if the
/// storage fails.
pub(super) async fn grant(
    context: &DriveContext<'_>,
    node: &Node,
    id: &str,
    payload: Payload,
) -> Result<Response> {
    let body: GrantBody = payload.parse()?;
    context.require(node.no, Role::Write).await?;
    if body.recipients.is_empty() {
        return Err(Error::invalid("cannot grant access: the request has no recipients"));
    }
    let all = context.tree().permissions(context.drive(), node.no).await?;
    let link = all.iter().find(|one| one.id == id).ok_or_else(Error::not_found)?;
    if !matches!(link.kind, PermissionKind::Link(_)) {
        return Err(Error::invalid("cannot grant access: the permission is not a link"));
    }
    if !body.roles.is_empty() && role(&body.roles)? != link.role {
        let name = link.role.graph_name();
        return Err(Error::invalid(format!(
            "cannot grant roles {:?}: the role of the link is {name}",
            body.roles
        )));
    }
    let recipients = resolve_recipients(context, body.recipients).await?;
    let id = id.to_owned();
    let change = move |all: &mut Vec<Permission>| {
        let link = all.iter_mut().find(|one| one.id == id).ok_or(TreeError::NotFound)?;
        for ResolvedRecipient { grantee, given } in recipients {
            let grantee = grantee.to_string();
            if !link.grantees.contains(&grantee) {
                link.grantees.push(grantee.clone());
            }
            link.details.names.insert(grantee, given);
        }
        Ok(link.clone())
    };
    let link = change_permissions(context, node, change).await?;
    collection(context, node, &[link]).await
}

/// Returns the response with permissions that were granted.
///
/// # Errors
/// 507 if the disk of the storage is full, 500 if the storage fails.
async fn collection(
    context: &DriveContext<'_>,
    node: &Node,
    granted: &[Permission],
) -> Result<Response> {
    let mut value: Vec<Value> = Vec::with_capacity(granted.len());
    for permission in granted {
        value.push(context.describe_permission(node.no, permission, true).await?);
    }
    let odata_context = context.request.url("/$metadata#Collection(permission)");
    let body = json!({"@odata.context": odata_context, "value": value});
    Ok(response::json(StatusCode::OK, &body))
}

/// Returns the highest of the requested roles: `write` includes `read`.
///
/// # Errors
/// 400 if the list is empty or has another role than these two.
pub(super) fn role(roles: &[String]) -> Result<Role> {
    let parse = |role: &String| match role.as_str() {
        "read" => Some(Role::Read),
        "write" => Some(Role::Write),
        _ => None,
    };
    let known = roles.iter().map(parse).collect::<Option<Vec<_>>>();
    known.and_then(|roles| roles.into_iter().max()).ok_or_else(|| {
        Error::invalid(format!("cannot grant roles {roles:?}: the roles are read and write"))
    })
}
