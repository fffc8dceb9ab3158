//! The sites that a user follows. Source: the reference's pages on `followedSites`.
//!
//! The server stores them as objects of the user's account, by the GUID of the site.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    FollowAction, account_of_user, page,
    sites::{SITE, describe_site},
};
use crate::{
    graph::{
        address::{Owner, Site},
        contract::Payload,
        error::{Error, Result},
        request::GraphRequest,
        response,
    },
    tree::{AccountObject, AccountObjectKind, AccountObjectQuery, TreeError},
};

/// Maximum number of sites in one request. Inferred.
const MAX_SITES: usize = 100;

/// The body of `add` and `remove`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SitesBody {
    value: Vec<SiteId>,
}

#[derive(Debug, Deserialize)]
struct SiteId {
    id: String,
}

/// Serves a request to the followed sites of a user.
///
/// # Errors
/// Those of [`account_of_user`], [`GraphRequest::tenant`] and [`page`]; 403 for a change of another
/// user's sites; 400 for a body without sites, or with more than [`MAX_SITES`]; 507 or 500 if the
/// storage fails. A site that the token does not open is reported in the response, which is 207 then.
pub(super) async fn serve(
    request: &GraphRequest,
    owner: &Owner,
    action: FollowAction,
    payload: Payload,
) -> Result<Response> {
    let account = account_of_user(request, owner).await?;
    let tenant = request.tenant().await?;
    let (tree, drive) = (&request.state.tree, account.drive);
    let kind = AccountObjectKind::FollowedSite;
    if action == FollowAction::List {
        let objects = tree.account_objects(drive, AccountObjectQuery::all(kind)).await?;
        let mut followed = Vec::new();
        for object in objects {
            if let Some(site) = tenant.sites.iter().find(|site| site.guid() == object.id) {
                followed.push(describe_site(request, site).await?);
            }
        }
        return page(request, &SITE, followed);
    }
    if request.caller().await?.user.is_some_and(|user| user.name != account.name) {
        return Err(Error::access_denied());
    }
    let SitesBody { value: ids } = payload.parse()?;
    if ids.is_empty() || ids.len() > MAX_SITES {
        let message = format!("the body needs a value with 1 to {MAX_SITES} sites");
        return Err(Error::invalid(message));
    }
    let (mut changed, mut failed) = (Vec::new(), Vec::new());
    for SiteId { id } in ids {
        let named = Site { id: id.clone(), path: Vec::new() };
        let Some(site) = tenant.sites.iter().find(|site| site.is_named(&named, request)) else {
            failed.push(unknown_site(&id));
            continue;
        };
        match action {
            FollowAction::Remove => {
                match tree.remove_account_object(drive, kind, &site.guid()).await {
                    Ok(()) => {}
                    Err(TreeError::NotFound) => failed.push(unknown_site(&id)),
                    Err(error) => return Err(error.into()),
                }
            }
            FollowAction::Add | FollowAction::List => {
                tree.put_account_object(drive, AccountObject::new(kind, site.guid())).await?;
                changed.push(describe_site(request, site).await?);
            }
        }
    }
    if action == FollowAction::Remove && failed.is_empty() {
        return Ok(response::empty(StatusCode::NO_CONTENT));
    }
    let status = if failed.is_empty() { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    changed.extend(failed);
    let odata_context = request.url("/$metadata#Collection(site)");
    Ok(response::json(status, &json!({"@odata.context": odata_context, "value": changed})))
}

/// Returns the entry of a response for a site that cannot be followed or is not followed.
fn unknown_site(id: &str) -> Value {
    json!({
        "id": id,
        "error": {
            "@odata.type": "#oneDrive.error",
            "code": "invalidRequest",
            "message": "The site Id information that is provided in the request is incorrect",
        },
    })
}
