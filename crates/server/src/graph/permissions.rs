//! The permissions of an item (onedrive-graph#permissions): lists, returns, changes and deletes them.
//!
//! An item has its own permissions and those of the folders above. The owner sees all of them, another
//! user only those that give access to that user.

use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    address::ItemAddress,
    contract::Payload,
    drive_context::DriveContext,
    error::{Error, Result},
    invitations,
    permission_resource::OWNER_ID,
    response,
    sharing_actions::PermissionAction,
};
use crate::{
    account_scope,
    permissions::{ItemPermissions, hash_password},
    time,
    tree::{Node, Permission, PermissionKind, Role, TreeError},
};

/// The body of a PATCH of a permission.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct UpdateBody {
    roles: Vec<String>,
    expiration_date_time: Option<String>,
    password: Option<String>,
}

/// Serves `item/permissions` and `item/permissions/ID`.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 for an invalid body, for roles other
/// than `read` and `write`, and for a change of a link's roles, of an inherited permission and of the
/// owner's; 403 if the caller may not change the permission; 404 if the item has no permission with the
/// id; 412 if `If-Match` names another version; 507 if the disk of the storage is full; 500 if the
/// storage fails.
pub(super) async fn serve(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    action: PermissionAction,
    payload: Payload,
) -> Result<Response> {
    let node = context.locate(address).await?.node;
    let selection = &context.request.selection;
    match action {
        PermissionAction::List if context.if_none_match(&node) => {
            Ok(response::empty(StatusCode::NOT_MODIFIED))
        }
        PermissionAction::List => {
            let all = permissions(context, &node).await?.into_iter();
            let value: Value = all.map(|one| selection.project_resource(one)).collect();
            Ok(response::json(StatusCode::OK, &json!({ "value": value })))
        }
        PermissionAction::Get(id) => {
            let all = permissions(context, &node).await?;
            let found = all.into_iter().find(|one| one["id"] == id).ok_or_else(Error::not_found)?;
            Ok(response::json(StatusCode::OK, &selection.project_resource(found)))
        }
        PermissionAction::Update(id) => {
            context.if_match(Some(&node))?;
            update(context, node, id, payload).await
        }
        PermissionAction::Delete(id) => {
            context.if_match(Some(&node))?;
            delete(context, node, id).await?;
            Ok(response::empty(StatusCode::NO_CONTENT))
        }
        PermissionAction::Grant(id) => invitations::grant(context, &node, &id, payload).await,
    }
}

/// Returns the permissions of an item that the caller may see, as JSON: those of the item itself first.
///
/// # Errors
/// 404 if a folder above was removed meanwhile, 507 if the disk of the storage is full, 500 if the
/// storage fails.
pub(super) async fn permissions(context: &DriveContext<'_>, node: &Node) -> Result<Vec<Value>> {
    let all = ItemPermissions::load(context.tree(), context.drive(), node.no).await?;
    let role = context.role(node.no).await?;
    let is_owner = role >= Some(Role::Owner);
    let mut resources = Vec::new();
    for permission in all.valid(account_scope::now()) {
        if is_owner || context.principal.is_among(&permission.grantees) {
            let secrets = role >= Some(Role::Write);
            resources.push(context.describe_permission(node.no, permission, secrets).await?);
        }
    }
    if is_owner && !context.kind.is_personal() {
        resources.push(context.owner_permission());
    }
    Ok(resources)
}

/// Returns the permission of the item itself with an id.
///
/// # Errors
/// 400 for the owner's and for an inherited permission, 404 if the item has no permission with the id,
/// 500 if the storage fails.
async fn own_permission(context: &DriveContext<'_>, node: &Node, id: &str) -> Result<Permission> {
    if id == OWNER_ID && !context.kind.is_personal() {
        return Err(Error::invalid("cannot change the owner's permission"));
    }
    let all = ItemPermissions::load(context.tree(), context.drive(), node.no).await?;
    let found = all.valid(account_scope::now()).find(|one| one.id == id);
    let found = found.ok_or_else(Error::not_found)?;
    match all.is_own(found) {
        true => Ok(found.clone()),
        false => Err(Error::invalid(
            "cannot change an inherited permission: change that of the folder it is inherited from",
        )),
    }
}

/// `PATCH item/permissions/ID`: changes the role, the expiry or the password of a permission.
///
/// # Errors
/// 400 for a body with a member of another type or without a change, roles other than `read` and
/// `write`, the roles of a link, an expiry that is no time in the future, a password of a permission
/// that is no link of a personal drive, and as of [`own_permission`]; 403 if the caller does not own the
/// drive; 404 if the item or the permission no longer exists; 507 if the disk of the storage is full;
/// 500 if the storage fails.
async fn update(
    context: &DriveContext<'_>,
    node: Node,
    id: String,
    payload: Payload,
) -> Result<Response> {
    let body: UpdateBody = payload.parse()?;
    context.require(node.no, Role::Owner).await?;
    let old = own_permission(context, &node, &id).await?;
    let is_link = matches!(old.kind, PermissionKind::Link(_));
    let role = match body.roles.as_slice() {
        [] => None,
        _ if is_link => {
            let message = "cannot change the roles of a link: create another link instead";
            return Err(Error::invalid(message));
        }
        roles => Some(invitations::role(roles)?),
    };
    let expires = expiry(body.expiration_date_time.as_deref())?;
    let password = match body.password.filter(|password| !password.is_empty()) {
        Some(_) if !is_link || !context.kind.is_personal() => {
            return Err(Error::invalid(
                "cannot set the password: only links of personal drives have one",
            ));
        }
        Some(password) => Some(hash_password(password).await),
        None => None,
    };
    if role.is_none() && expires.is_none() && password.is_none() {
        return Err(Error::invalid("cannot change the permission: the body has no change"));
    }
    let change = move |all: &mut Vec<Permission>| {
        let permission = all.iter_mut().find(|one| one.id == id).ok_or(TreeError::NotFound)?;
        permission.role = role.unwrap_or(permission.role);
        permission.expires = expires.or(permission.expires);
        permission.details.password = password.or(permission.details.password.take());
        Ok(permission.clone())
    };
    let changed = change_permissions(context, &node, change).await?;
    let changed = context.describe_permission(node.no, &changed, true).await?;
    let changed = context.request.selection.project_resource(changed);
    Ok(response::json(StatusCode::OK, &changed))
}

/// Deletes the permission of an item with an id. Other users than the owner can delete their own
/// grants only.
///
/// # Errors
/// 400 as of [`own_permission`]; 403 if the caller may not delete it; 404 if the item or the permission
/// does not exist; 507 if the disk of the storage is full; 500 if the storage fails.
async fn delete(context: &DriveContext<'_>, node: Node, id: String) -> Result<()> {
    let old = own_permission(context, &node, &id).await?;
    let is_own_grant =
        old.kind == PermissionKind::Users && context.principal.is_among(&old.grantees);
    if !is_own_grant {
        context.require(node.no, Role::Owner).await?;
    }
    let change = move |all: &mut Vec<Permission>| {
        let count = all.len();
        all.retain(|one| one.id != id);
        if all.len() == count { Err(TreeError::NotFound) } else { Ok(()) }
    };
    change_permissions(context, &node, change).await
}

/// Changes the permissions of an item in one transaction. Returns the value of `change`.
///
/// # Errors
/// That of `change`; 404 if the item no longer exists; 507 if the disk of the storage is full; 500 if
/// the storage fails.
pub(super) async fn change_permissions<T: Send + 'static>(
    context: &DriveContext<'_>,
    node: &Node,
    change: impl FnOnce(&mut Vec<Permission>) -> Result<T, TreeError> + Send + 'static,
) -> Result<T> {
    let changed = context.tree().change_permissions(context.drive(), node.no, change).await?;
    Ok(changed?.1)
}

/// Ends the inheritance at an item without own permissions: the option
/// `retainInheritedPermissions=false` (onedrive-graph#retain-inherited-permissions).
pub(super) fn end_inheritance(all: &mut Vec<Permission>, node: &Node) {
    if all.is_empty() {
        all.push(Permission::new(node.no, "boundary", PermissionKind::Boundary, Role::Read));
    }
}

/// Parses `expirationDateTime`; `None` if it is absent or empty.
///
/// # Errors
/// 400 for a text that is no time, or not in the future.
pub(super) fn expiry(text: Option<&str>) -> Result<Option<Timestamp>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    match time::parse(text) {
        Some(expires) if expires > account_scope::now() => Ok(Some(expires)),
        Some(_) => Err(Error::invalid(format!(
            "cannot set expirationDateTime: {text:?} is not in the future"
        ))),
        None => {
            Err(Error::invalid(format!("cannot read expirationDateTime: {text:?} is not a time")))
        }
    }
}
