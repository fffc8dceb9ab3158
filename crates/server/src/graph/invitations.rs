//! Permissions that were given to people by an invitation (onedrive-graph#invite). They are
//! told, changed and taken back; nobody is sent a message, and no other account is let in by them.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    address::ItemAddress,
    contract::Payload,
    drive_context::DriveContext,
    drive_item::planted,
    error::{Error, Result},
    permissions, reply,
    select::project,
};
use crate::{signed_token::random_name, tree::Node};

/// Under which name an item keeps them.
pub(super) const KEPT: &str = "grants";

/// People of one invitation at most. Inferred; an item keeps them all.
const MOST: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct InviteBody {
    recipients: Vec<Recipient>,
    roles: Vec<String>,
    require_sign_in: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Recipient {
    email: Option<String>,
    alias: Option<String>,
    object_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RolesBody {
    roles: Vec<String>,
}

/// `POST item/invite`.
pub(super) async fn invite(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: InviteBody = payload.parse()?;
    let role = role(&body.roles)?;
    if body.recipients.is_empty() || body.recipients.len() > MOST {
        return Err(Error::invalid(format!("An invitation is for 1 to {MOST} recipients.")));
    }
    let node = scope.locate(address).await?.node;
    let names = body.recipients.into_iter().map(|recipient| {
        let who = recipient.email.or(recipient.alias).or(recipient.object_id);
        let who = who.filter(|who| !who.is_empty());
        who.ok_or_else(|| Error::invalid("A recipient has an email, an alias or an objectId."))
    });
    let names = names.collect::<Result<Vec<_>>>()?;
    let sign_in = body.require_sign_in.unwrap_or(true);
    let given = permissions::change(scope, node, |node| {
        let mut all: Vec<Value> = of(node).into_iter().cloned().collect();
        let mut given = Vec::new();
        for who in &names {
            let kept = json!({
                "id": random_name(),
                "item": node.no,
                "who": who,
                "role": role,
                "signIn": sign_in,
            });
            // Who is invited again has the new role only.
            all.retain(|other| other["who"] != kept["who"]);
            given.push(permission(scope, &kept));
            all.push(kept);
        }
        Ok((given, permissions::kept(node, KEPT, all)))
    })
    .await?;
    let context = scope.request.url("/$metadata#Collection(permission)");
    Ok(reply::json(StatusCode::OK, &json!({"@odata.context": context, "value": given})))
}

/// `PATCH item/permissions/ID`.
pub(super) async fn change(
    scope: &DriveContext<'_>,
    node: Node,
    id: &str,
    payload: Payload,
) -> Result<Response> {
    let body: RolesBody = payload.parse()?;
    let role = role(&body.roles)?;
    let changed = permissions::change(scope, node, |node| {
        let mut all: Vec<Value> = of(node).into_iter().cloned().collect();
        let grant = all.iter_mut().find(|grant| grant["id"] == id).ok_or_else(|| {
            Error::invalid("The roles of a link cannot be changed: make another link.")
        })?;
        grant["role"] = role.into();
        let changed = permission(scope, grant);
        Ok((changed, permissions::kept(node, KEPT, all)))
    })
    .await?;
    let changed = project(scope.request.query.get("select"), changed);
    Ok(reply::json(StatusCode::OK, &changed))
}

/// Those of an item. A copy has its original's among its own; those are not its.
pub(super) fn of(node: &Node) -> Vec<&Value> {
    let kept = planted(node, KEPT).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    kept.iter().filter(|grant| grant["item"] == node.no.0).collect()
}

/// The role that is asked for; who may write may read, said or not.
fn role(roles: &[String]) -> Result<&'static str> {
    let known = |role: &String| matches!(role.as_str(), "read" | "write");
    if roles.is_empty() || !roles.iter().all(known) {
        return Err(Error::invalid(format!("The roles are read or write, not {roles:?}.")));
    }
    Ok(if roles.iter().any(|role| role == "write") { "write" } else { "read" })
}

/// A grant as Graph's permission; consumers' say whose it is by another name.
pub(super) fn permission(scope: &DriveContext<'_>, grant: &Value) -> Value {
    let user = json!({"user": {"displayName": grant["who"], "email": grant["who"]}});
    let granted = if scope.kind.is_personal() { "grantedTo" } else { "grantedToV2" };
    json!({
        "id": grant["id"],
        "roles": [grant["role"]],
        granted: user,
        "invitation": {"email": grant["who"], "signInRequired": grant["signIn"]},
    })
}
