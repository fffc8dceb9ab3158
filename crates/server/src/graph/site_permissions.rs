//! The permissions of applications for a site (onedrive-graph#site-permissions). An application with
//! `Sites.Selected` has access to a site only by such a permission.
//!
//! A permission of a site is a permission of the root folder of its drive.

use std::collections::BTreeMap;

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    address::{DriveRef, Owner, Site},
    contract::Payload,
    drive_context::DriveContext,
    error::{Error, Result},
    permissions::change_permissions,
    request::GraphRequest,
    response,
    sharing_actions::SitePermissionAction,
};
use crate::{
    account_scope,
    directory::SiteRole,
    permissions::Grantee,
    signed_token::random_name,
    tree::{Permission, PermissionKind, ROOT, Role, TreeError},
};

/// The body of a request that creates or changes a permission of a site.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SitePermissionBody {
    roles: Vec<String>,
    #[serde(alias = "grantedToIdentitiesV2")]
    granted_to_identities: Vec<IdentitySet>,
    #[serde(alias = "grantedToV2")]
    granted_to: Option<IdentitySet>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct IdentitySet {
    application: Option<ApplicationIdentity>,
}

/// An application in a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApplicationIdentity {
    id: String,
    display_name: Option<String>,
}

impl SitePermissionBody {
    /// Returns the highest role of the body.
    ///
    /// # Errors
    /// 400 without a role, and for another role than `read`, `write`, `manage`, `owner` and
    /// `fullcontrol`.
    fn role(&self) -> Result<Role> {
        let roles: Option<Vec<_>> = self.roles.iter().map(|role| Role::parse_graph(role)).collect();
        roles.and_then(|roles| roles.into_iter().max()).ok_or_else(|| {
            Error::invalid(format!(
                "cannot grant roles {:?}: the roles are read, write, manage, owner and fullcontrol",
                self.roles
            ))
        })
    }

    /// Returns the applications of the body: their grantees, and the displayed names.
    ///
    /// # Errors
    /// 400 if the body names no application.
    fn applications(self) -> Result<BTreeMap<String, String>> {
        let identities = self.granted_to_identities.into_iter().chain(self.granted_to);
        let mut applications = BTreeMap::new();
        for identity in identities {
            let application = identity.application.filter(|it| !it.id.is_empty());
            let ApplicationIdentity { id, display_name } = application.ok_or_else(|| {
                Error::invalid("cannot grant access to the site: an identity has no application")
            })?;
            let name = display_name.unwrap_or_else(|| id.clone());
            applications.insert(Grantee::for_application(&id).to_string(), name);
        }
        match applications.is_empty() {
            true => Err(Error::invalid("cannot grant access to the site: no application is named")),
            false => Ok(applications),
        }
    }
}

/// Serves `sites/ID/permissions` and `sites/ID/permissions/ID`.
///
/// # Errors
/// 400 for a personal account, an invalid body, and as of [`SitePermissionBody`]; 401 if the token is
/// missing, unknown, expired or for another resource; 403 for a site of another tenant, and if the user
/// does not own the site; 404 for an unknown site or permission; 507 if the disk of the storage is
/// full; 500 if the storage fails.
pub(super) async fn serve(
    request: &GraphRequest,
    site: Site,
    action: SitePermissionAction,
    payload: Payload,
) -> Result<Response> {
    let context = DriveContext::open(request, &DriveRef::OwnedBy(Owner::Site(site))).await?;
    context.require(ROOT, request.needs).await?;
    if request.site_role(&context.account).await?.is_some_and(|role| role < SiteRole::Owner) {
        return Err(Error::access_denied());
    }
    let root = context.tree().node(context.drive(), ROOT).await?;
    match action {
        SitePermissionAction::List => {
            let all = context.tree().permissions(context.drive(), ROOT).await?;
            let now = account_scope::now();
            let granted = all
                .iter()
                .filter(|it| it.kind == PermissionKind::Application && it.is_valid(now))
                .map(|one| request.selection.project_resource(describe(one)));
            let value: Vec<Value> = granted.collect();
            Ok(response::json(StatusCode::OK, &json!({ "value": value })))
        }
        SitePermissionAction::Create => {
            let body: SitePermissionBody = payload.parse()?;
            let role = body.role()?;
            let names = body.applications()?;
            let kind = PermissionKind::Application;
            let mut new = Permission::new(ROOT, random_name(), kind, role);
            new.grantees = names.keys().cloned().collect();
            new.details.names = names;
            let change = move |all: &mut Vec<Permission>| {
                all.push(new.clone());
                Ok(new)
            };
            let new = change_permissions(&context, &root, change).await?;
            Ok(response::json(StatusCode::CREATED, &describe(&new)))
        }
        SitePermissionAction::Get(id) => {
            let all = context.tree().permissions(context.drive(), ROOT).await?;
            let found = all.iter().find(|it| is_named(it, &id)).ok_or_else(Error::not_found)?;
            let resource = request.selection.project_resource(describe(found));
            Ok(response::json(StatusCode::OK, &resource))
        }
        SitePermissionAction::Update(id) => {
            let role = payload.parse::<SitePermissionBody>()?.role()?;
            let change = move |all: &mut Vec<Permission>| {
                let found = all.iter_mut().find(|it| is_named(it, &id));
                let found = found.ok_or(TreeError::NotFound)?;
                found.role = role;
                Ok(found.clone())
            };
            let changed = change_permissions(&context, &root, change).await?;
            Ok(response::json(StatusCode::OK, &describe(&changed)))
        }
        SitePermissionAction::Delete(id) => {
            let change = move |all: &mut Vec<Permission>| {
                let count = all.len();
                all.retain(|it| !is_named(it, &id));
                if all.len() == count { Err(TreeError::NotFound) } else { Ok(()) }
            };
            change_permissions(&context, &root, change).await?;
            Ok(response::empty(StatusCode::NO_CONTENT))
        }
    }
}

/// Returns whether a permission is that of an application with an id.
fn is_named(permission: &Permission, id: &str) -> bool {
    permission.kind == PermissionKind::Application && permission.id == id
}

/// Returns a permission of a site as JSON.
fn describe(permission: &Permission) -> Value {
    let identities = permission.grantees.iter().filter_map(|text| {
        let Some(Grantee::Application(id)) = Grantee::parse(text) else { return None };
        let name = permission.details.names.get(text).unwrap_or(&id).clone();
        Some(json!({"application": {"id": id, "displayName": name}}))
    });
    let identities: Vec<Value> = identities.collect();
    json!({
        "id": permission.id,
        "roles": [permission.role.graph_name()],
        "grantedToIdentities": identities,
        "grantedToIdentitiesV2": identities,
    })
}
