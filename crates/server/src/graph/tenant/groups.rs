//! The groups of a tenant, and their members.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    EntityType, Tenant, account_of_user, page,
    users::{USER, sort_by_name, without_context},
};
use crate::{
    directory::GroupProfile,
    graph::{
        address::Owner,
        error::{Error, Result},
        owner::AccountIdentity,
        request::GraphRequest,
        response,
    },
};

/// Properties of a group that this server has.
const PROPERTIES: [&str; 9] = [
    "description",
    "displayName",
    "groupTypes",
    "id",
    "mail",
    "mailEnabled",
    "mailNickname",
    "securityEnabled",
    "visibility",
];

/// Properties of a group that only Graph has.
const UNIMPLEMENTED: [&str; 17] = [
    "allowExternalSenders",
    "assignedLabels",
    "autoSubscribeNewMembers",
    "classification",
    "createdDateTime",
    "creationOptions",
    "deletedDateTime",
    "expirationDateTime",
    "isAssignableToRole",
    "membershipRule",
    "onPremisesSyncEnabled",
    "preferredLanguage",
    "proxyAddresses",
    "renewedDateTime",
    "resourceProvisioningOptions",
    "securityIdentifier",
    "theme",
];

/// The type of groups. `$top` is documented with 100 by default and 999 at most.
const GROUP: EntityType = EntityType {
    name: "group",
    context: "groups",
    properties: &PROPERTIES,
    unimplemented: &UNIMPLEMENTED,
    is_directory_object: true,
    page_size: (100, 999),
};

/// Groups as the value of `memberOf`, whose members have a type.
const DIRECTORY_GROUP: EntityType = EntityType { context: "directoryObjects", ..GROUP };

/// Users as the members of a group.
const DIRECTORY_USER: EntityType = EntityType { context: "directoryObjects", ..USER };

/// `GET /groups`: returns the groups of the tenant by their displayed names.
///
/// # Errors
/// Those of [`GraphRequest::tenant`] and [`page`].
pub(super) async fn list(request: &GraphRequest) -> Result<Response> {
    let tenant = request.tenant().await?;
    let mut groups: Vec<_> = tenant.groups.iter().map(|group| describe(group)).collect();
    sort_by_name(&mut groups);
    page(request, &GROUP, groups)
}

/// `GET /groups/ID`: returns a group.
///
/// # Errors
/// Those of [`GraphRequest::tenant`]; 404 for an unknown group; 400 for an unknown property, 501 for
/// one that only the cloud has.
pub(super) async fn get(request: &GraphRequest, id: &str) -> Result<Response> {
    let tenant = request.tenant().await?;
    let mut group = describe(tenant.group(id)?);
    GROUP.check_select(request)?;
    group["@odata.context"] = request.url("/$metadata#groups/$entity").into();
    Ok(response::json(StatusCode::OK, &request.selection.project_resource(group)))
}

/// `GET /groups/ID/members` and `/owners`: returns the users of a group by their displayed names.
///
/// # Errors
/// Those of [`GraphRequest::tenant`] and [`page`]; 404 for an unknown group.
pub(super) async fn members(
    request: &GraphRequest,
    owner: &Owner,
    owners: bool,
) -> Result<Response> {
    let Owner::Group(id) = owner else { return Err(Error::not_found()) };
    let tenant = request.tenant().await?;
    let group = tenant.group(id)?;
    let mut users = Vec::new();
    // An owner is not listed as a member unless the directory says so.
    for name in if owners { &group.owners } else { &group.members } {
        let account = request.state.accounts.open(name).await?;
        let user = AccountIdentity::new(request.kind(&account), &account).user(request);
        users.push(typed(without_context(user), "user"));
    }
    sort_by_name(&mut users);
    page(request, &DIRECTORY_USER, users)
}

/// `GET /me/memberOf`, `/users/ID/memberOf`: returns the groups that a user is a member of.
///
/// # Errors
/// Those of [`account_of_user`], [`GraphRequest::tenant`] and [`page`].
pub(super) async fn of_user(request: &GraphRequest, owner: &Owner) -> Result<Response> {
    let account = account_of_user(request, owner).await?;
    let Tenant { groups, .. } = request.tenant().await?;
    let of = groups.iter().filter(|group| group.members.contains(&account.name));
    let mut groups: Vec<_> = of.map(|group| typed(describe(group), "group")).collect();
    sort_by_name(&mut groups);
    page(request, &DIRECTORY_GROUP, groups)
}

/// Returns a directory object with its type.
fn typed(mut resource: Value, name: &str) -> Value {
    resource["@odata.type"] = format!("#microsoft.graph.{name}").into();
    resource
}

/// Returns the resource of a group.
fn describe(group: &GroupProfile) -> Value {
    json!({
        "id": group.guid(),
        "displayName": group.display_name,
        "description": group.description,
        "groupTypes": ["Unified"],
        "mail": group.address,
        "mailEnabled": true,
        "mailNickname": group.name,
        "securityEnabled": false,
        "visibility": if group.is_public { "Public" } else { "Private" },
    })
}
