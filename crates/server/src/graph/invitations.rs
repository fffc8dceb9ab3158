//! Permissions that an invitation grants to people (onedrive-graph#invite).
//!
//! Grants are stored with the item, listed, changed and deleted. The server sends no message, and a
//! grant does not give another account access to the item.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    address::ItemAddress,
    contract::Payload,
    drive_context::DriveContext,
    error::{Error, Result},
    response,
    stored_facets::{GRANTS, stored_list, update_facets, with_list},
};
use crate::{signed_token::random_name, tree::Node};

/// Maximum number of recipients of one invitation. Inferred: the item stores a grant for each of
/// them.
const MAX_RECIPIENTS: usize = 100;

/// The body of `invite`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct InviteBody {
    recipients: Vec<Recipient>,
    roles: Vec<String>,
    require_sign_in: Option<bool>,
}

/// A person, by the first of these that is present.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Recipient {
    email: Option<String>,
    alias: Option<String>,
    object_id: Option<String>,
}

/// The body of a PATCH of a permission.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RolesBody {
    roles: Vec<String>,
}

/// `POST item/invite`: stores a grant for each recipient. A recipient who has a grant already gets
/// the new role instead.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 for a body with a member of
/// another type, no role or other roles than `read` and `write`, a recipient without email, alias
/// and object id, and fewer than 1 or more than [`MAX_RECIPIENTS`] recipients; 503 if other
/// requests change the item at the same time; 507 if the disk of the storage is full; 500 if the
/// storage fails.
pub(super) async fn invite(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: InviteBody = payload.parse()?;
    let role = role(&body.roles)?;
    if body.recipients.is_empty() || body.recipients.len() > MAX_RECIPIENTS {
        return Err(Error::invalid(format!(
            "cannot invite: an invitation must have 1 to {MAX_RECIPIENTS} recipients"
        )));
    }
    let node = context.locate(address).await?.node;
    let names = body.recipients.into_iter().map(|recipient| {
        let name = recipient.email.or(recipient.alias).or(recipient.object_id);
        let name = name.filter(|name| !name.is_empty());
        name.ok_or_else(|| {
            Error::invalid("cannot invite: a recipient has no email, alias or objectId")
        })
    });
    let names = names.collect::<Result<Vec<_>>>()?;
    let sign_in = body.require_sign_in.unwrap_or(true);
    let created = update_facets(context.tree(), context.drive(), node, |node| {
        let mut all: Vec<Value> = grants(node).into_iter().cloned().collect();
        let mut created = Vec::new();
        for name in &names {
            let grant = json!({
                "id": random_name(),
                "item": node.no,
                "who": name,
                "role": role,
                "signIn": sign_in,
            });
            all.retain(|other| other["who"] != grant["who"]);
            created.push(permission(context, &grant));
            all.push(grant);
        }
        Ok((created, with_list(node, GRANTS, all)))
    })
    .await?;
    let odata_context = context.request.url("/$metadata#Collection(permission)");
    let body = json!({"@odata.context": odata_context, "value": created});
    Ok(response::json(StatusCode::OK, &body))
}

/// `PATCH item/permissions/ID`: changes the role of the grant with an id.
///
/// # Errors
/// 400 for a body with a member of another type, no role or other roles than `read` and `write`,
/// and for an id that is not that of a grant, such as that of a link; 404 if the item no longer
/// exists; 503 if other requests change the item at the same time; 507 if the disk of the storage
/// is full; 500 if the storage fails.
pub(super) async fn change_roles(
    context: &DriveContext<'_>,
    node: Node,
    id: &str,
    payload: Payload,
) -> Result<Response> {
    let body: RolesBody = payload.parse()?;
    let role = role(&body.roles)?;
    let changed = update_facets(context.tree(), context.drive(), node, |node| {
        let mut all: Vec<Value> = grants(node).into_iter().cloned().collect();
        let grant = all.iter_mut().find(|grant| grant["id"] == id).ok_or_else(|| {
            Error::invalid("cannot change the roles of a link: create another link instead")
        })?;
        grant["role"] = role.into();
        let changed = permission(context, grant);
        Ok((changed, with_list(node, GRANTS, all)))
    })
    .await?;
    let changed = context.request.selection.project_resource(changed);
    Ok(response::json(StatusCode::OK, &changed))
}

/// Returns the grants of an item. A copy also stores the grants of its original; those name another
/// item and are left out.
pub(super) fn grants(node: &Node) -> Vec<&Value> {
    stored_list(node, GRANTS).iter().filter(|grant| grant["item"] == node.no.0).collect()
}

/// Returns the highest of the requested roles: `write` includes `read`.
///
/// # Errors
/// 400 if the list is empty or has another role than these two.
fn role(roles: &[String]) -> Result<&'static str> {
    let is_known = |role: &String| matches!(role.as_str(), "read" | "write");
    if roles.is_empty() || !roles.iter().all(is_known) {
        return Err(Error::invalid(format!(
            "cannot grant roles {roles:?}: the roles are read and write"
        )));
    }
    Ok(if roles.iter().any(|role| role == "write") { "write" } else { "read" })
}

/// Returns a grant as a permission resource. The name of the member with the user depends on the
/// account kind.
pub(super) fn permission(context: &DriveContext<'_>, grant: &Value) -> Value {
    let user = json!({"user": {"displayName": grant["who"], "email": grant["who"]}});
    let granted_to = if context.kind.is_personal() { "grantedTo" } else { "grantedToV2" };
    json!({
        "id": grant["id"],
        "roles": [grant["role"]],
        granted_to: user,
        "invitation": {"email": grant["who"], "signInRequired": grant["signIn"]},
    })
}
