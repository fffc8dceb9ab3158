//! The permissions of an item (onedrive-graph#permissions, onedrive-graph#create-link).
//!
//! An item has three sorts of permission: its sharing links, its links of Live Connect, and the
//! grants of its invitations. Links of Live Connect are included so that clients can delete them.
//!
//! A link gives access to everybody who has it. Options that would restrict a link (an audience, a
//! password, an expiry) are refused, because this server does not enforce them.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    address::ItemAddress,
    contract::Payload,
    drive_context::DriveContext,
    error::{Error, Result},
    invitations,
    links::{self, ANONYMOUS, links},
    response,
    route::PermissionAction,
    stored_facets::{GRANTS, LINKS, update_facets, with_list},
};
use crate::{account_kind::AccountKind, sharing_links, tree::Node};

/// Prefix of the permission id of a Live Connect link; the link's type follows.
const LIVE_PREFIX: &str = "live!";

/// The body of `createLink`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LinkBody {
    r#type: String,
    scope: Option<String>,
}

impl LinkBody {
    /// Checks type and scope.
    ///
    /// # Errors
    /// 400 for another type than `view`, `edit` and `embed`, an unknown scope, and `organization`
    /// on a personal drive; 501 for `organization` and `users`, which this server does not enforce.
    fn check(&self, kind: AccountKind) -> Result<()> {
        if !["view", "edit", "embed"].contains(&self.r#type.as_str()) {
            return Err(Error::invalid(format!(
                "cannot create the link: type {:?} is not view, edit or embed",
                self.r#type
            )));
        }
        match self.scope.as_deref() {
            // An empty scope counts as absent (onedrive-graph#create-link-scope).
            None | Some("" | ANONYMOUS) => Ok(()),
            Some("organization") if kind.is_personal() => Err(Error::invalid(
                "cannot create the link: scope organization is for business accounts only",
            )),
            Some(scope @ ("organization" | "users")) => Err(Error::not_supported(format!(
                "cannot create the link: this server does not enforce scope {scope}"
            ))),
            Some(scope) => Err(Error::invalid(format!(
                "cannot create the link: scope {scope:?} is not anonymous, organization or users"
            ))),
        }
    }
}

/// `POST item/createLink`: returns the item's link of that type, and creates it if necessary.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 for a body with a member of
/// another type, an unknown type or scope, and a scope that the account kind does not have; 501 for
/// a scope that this server does not enforce; 503 if other requests change the item at the same
/// time; 507 if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn create_link(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: LinkBody = payload.parse()?;
    body.check(context.kind)?;
    let node = context.locate(address).await?.node;
    let state = &context.request.state;
    let (status, link) = update_facets(context.tree(), context.drive(), node, |node| {
        let all = links(state, node);
        let is_requested =
            |link: &&&Value| link["type"] == body.r#type.as_str() && link["scope"] == ANONYMOUS;
        if let Some(&link) = all.iter().find(is_requested) {
            return Ok(((StatusCode::OK, link.clone()), Map::new()));
        }
        let link = links::create(state, &context.account, node.no, &body.r#type);
        let facets = with_list(node, LINKS, all.into_iter().chain([&link]).cloned().collect());
        Ok(((StatusCode::CREATED, link), facets))
    })
    .await?;
    Ok(response::json(status, &link_permission(context, &link)))
}

/// Serves `item/permissions` and `item/permissions/ID`.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 for roles other than `read` and
/// `write`, and for a change of a link's roles; 404 if the item has no permission with the id; 412
/// if `If-Match` names another version; 503 if other requests change the item at the same time; 507
/// if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn serve(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    action: PermissionAction,
    payload: Payload,
) -> Result<Response> {
    let node = context.locate(address).await?.node;
    let all = permissions(context, &node);
    let selection = &context.request.selection;
    let find = |id: &str| all.iter().find(|one| one["id"] == id).ok_or_else(Error::not_found);
    match action {
        PermissionAction::List if context.if_none_match(&node) => {
            Ok(response::empty(StatusCode::NOT_MODIFIED))
        }
        PermissionAction::List => {
            let value: Value = all.into_iter().map(|one| selection.project_resource(one)).collect();
            Ok(response::json(StatusCode::OK, &json!({ "value": value })))
        }
        PermissionAction::Get(id) => {
            let found = find(&id)?.clone();
            Ok(response::json(StatusCode::OK, &selection.project_resource(found)))
        }
        PermissionAction::Update(id) => {
            find(&id)?;
            context.if_match(Some(&node))?;
            invitations::change_roles(context, node, &id, payload).await
        }
        PermissionAction::Delete(id) => {
            find(&id)?;
            context.if_match(Some(&node))?;
            delete(context, node, &id).await?;
            Ok(response::empty(StatusCode::NO_CONTENT))
        }
    }
}

/// Deletes the permission of an item with an id. The cloud has one link of each type, so deleting a
/// link also deletes the Live Connect link of the same type.
///
/// # Errors
/// 404 if the item no longer exists, 503 if other requests change it at the same time, 507 if the
/// disk of the storage is full, 500 if the storage fails. An id that the item does not have is no
/// error.
async fn delete(context: &DriveContext<'_>, node: Node, id: &str) -> Result<()> {
    let is_deleted = |one: &&Value| one["id"] == id;
    update_facets(context.tree(), context.drive(), node, |node| {
        let links = links(&context.request.state, node);
        let kind = match links.iter().find(|link| is_deleted(link)) {
            Some(link) => link["type"].as_str(),
            None => id.strip_prefix(LIVE_PREFIX),
        };
        let rest =
            |all: Vec<&Value>| all.into_iter().filter(|one| !is_deleted(one)).cloned().collect();
        let mut facets = match kind {
            Some(_) => with_list(node, LINKS, rest(links)),
            None => with_list(node, GRANTS, rest(invitations::grants(node))),
        };
        if let Some(kind) = kind {
            facets.extend(sharing_links::without_link(node, kind).unwrap_or_default());
        }
        Ok(((), facets))
    })
    .await
}

/// Returns the permissions of an item: its links, its links of Live Connect, and its grants.
pub(super) fn permissions(context: &DriveContext<'_>, node: &Node) -> Vec<Value> {
    let request = context.request;
    let links = links(&request.state, node).into_iter().map(|link| link_permission(context, link));
    let live = sharing_links::links_of(&request.state, &request.base_url, &context.account, node);
    let live = live
        .into_iter()
        .map(|(kind, url)| permission(&format!("{LIVE_PREFIX}{kind}"), kind, ANONYMOUS, url));
    let grants =
        invitations::grants(node).into_iter().map(|one| invitations::permission(context, one));
    links.chain(live).chain(grants).collect()
}

/// Returns a stored link as a permission resource.
fn link_permission(context: &DriveContext<'_>, link: &Value) -> Value {
    let text = |name: &str| link[name].as_str().unwrap_or_default();
    let url = context.request.base_url.url(&format!("{}{}", links::PREFIX, text("id")));
    permission(text("id"), text("type"), text("scope"), url)
}

/// Returns the permission resource of a link, by the link's id. `kind` is its type, such as `view`;
/// `scope` is who can use it, such as `anonymous`.
fn permission(id: &str, kind: &str, scope: &str, url: String) -> Value {
    json!({
        "id": id,
        "roles": [if kind == "edit" { "write" } else { "read" }],
        "shareId": id,
        "hasPassword": false,
        "link": {"type": kind, "scope": scope, "webUrl": url, "preventsDownload": false},
    })
}
