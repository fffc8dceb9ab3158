//! The users of a tenant.

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::{EntityType, account_of_user, page};
use crate::{
    graph::{
        address::Owner,
        error::Result,
        owner::{AccountIdentity, MORE_USER_PROPERTIES, USER_PROPERTIES, check_user_properties},
        request::GraphRequest,
        response,
    },
    tree::fold,
};

/// The type of users. `$top` is documented with 100 by default and 999 at most.
pub(super) const USER: EntityType = EntityType {
    name: "user",
    context: "users",
    properties: &USER_PROPERTIES,
    unimplemented: &MORE_USER_PROPERTIES,
    is_directory_object: true,
    page_size: (100, 999),
};

/// `GET /me`, `GET /users/ID`: returns the profile of a user.
///
/// # Errors
/// 400 for `/me` with an application's own token, and for an unknown property; 401 if the token is
/// missing, unknown, expired or for another resource; 403 for another user if the token does not
/// have the permission; 404 for a user that the tenant does not have; 501 for a property that only
/// the cloud has; 507 if the account's drive cannot be created because the disk of the storage is
/// full; 500 if the storage fails.
pub(in crate::graph) async fn user(request: &GraphRequest, owner: &Owner) -> Result<Response> {
    let account = account_of_user(request, owner).await?;
    let identity = AccountIdentity::new(request.kind(&account), &account);
    request.query.get("select").map_or(Ok(()), check_user_properties)?;
    let user = request.selection.project_resource(identity.user(request));
    Ok(response::json(StatusCode::OK, &user))
}

/// `GET /users`: returns the users of the tenant by their displayed names.
///
/// # Errors
/// Those of [`GraphRequest::tenant`] and [`page`].
pub(super) async fn list(request: &GraphRequest) -> Result<Response> {
    let tenant = request.tenant().await?;
    let mut users: Vec<_> = tenant
        .users
        .iter()
        .map(|account| {
            without_context(AccountIdentity::new(request.kind(account), account).user(request))
        })
        .collect();
    sort_by_name(&mut users);
    page(request, &USER, users)
}

/// Sorts resources by their displayed names, in any case, and then by their ids.
pub(super) fn sort_by_name(resources: &mut [Value]) {
    let key = |resource: &Value| {
        let text = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
        (fold(&text("displayName")), text("id"))
    };
    resources.sort_by_cached_key(key);
}

/// Returns a resource as a member of a collection.
pub(super) fn without_context(mut resource: Value) -> Value {
    if let Value::Object(members) = &mut resource {
        members.remove("@odata.context");
    }
    resource
}
