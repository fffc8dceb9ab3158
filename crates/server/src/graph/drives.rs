//! Users, drives and sites (onedrive-graph#drive-requests).

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    address::{DriveRef, Owner, Site},
    drive_context::DriveContext,
    drive_item,
    error::Result,
    owner::{Identity, check_user_properties},
    reply,
    request::GraphRequest,
    select::project,
};
use crate::tree::{Listing, ListingKey, ROOT};

/// Items of the recycle bin that are added up with one question to the tree.
const STRIDE: u64 = 1000;

/// `GET /me`, `GET /users/ID`.
pub(super) async fn user(request: &GraphRequest, owner: &Owner) -> Result<Response> {
    let account = request.account().await?;
    let identity = Identity::new(request.kind(&account), &account);
    if let Owner::User(id) = owner {
        identity.check_user(id)?;
    }
    let select = request.query.get("select");
    select.map_or(Ok(()), check_user_properties)?;
    Ok(reply::json(StatusCode::OK, &project(select, identity.user(request))))
}

/// `GET drive`.
pub(super) async fn drive(scope: &DriveContext<'_>) -> Result<Response> {
    let mut drive = describe_drive(scope).await?;
    drive["@odata.context"] = scope.request.url("/$metadata#drives/$entity").into();
    Ok(reply::json(StatusCode::OK, &project(scope.request.query.get("select"), drive)))
}

/// `GET /me/drives` and the like: the one drive.
pub(super) async fn drives(request: &GraphRequest, owner: &Owner) -> Result<Response> {
    let scope = DriveContext::of(request, &DriveRef::Of(owner.clone())).await?;
    request.query.count("top")?;
    let drive = project(request.query.get("select"), describe_drive(&scope).await?);
    let body = json!({"@odata.context": request.url("/$metadata#drives"), "value": [drive]});
    Ok(reply::json(StatusCode::OK, &body))
}

/// `GET /sites/ID`.
pub(super) async fn site(request: &GraphRequest, site: &Site) -> Result<Response> {
    let account = request.account().await?;
    let identity = Identity::new(request.kind(&account), &account);
    identity.check_site(site, request)?;
    let site = project(request.query.get("select"), identity.site(request));
    Ok(reply::json(StatusCode::OK, &site))
}

/// `GET /sites?search=TEXT`: the account's site, if its name contains the text.
pub(super) async fn sites(request: &GraphRequest) -> Result<Response> {
    let account = request.account().await?;
    let kind = request.kind(&account);
    let identity = Identity::new(kind, &account);
    let sought = request.query.get("search").unwrap_or("*").to_lowercase();
    let found = sought == "*" || account.display_name().to_lowercase().contains(&sought);
    request.query.count("top")?;
    let site = || project(request.query.get("select"), identity.site(request));
    let value: Vec<Value> = (found && !kind.is_personal()).then(site).into_iter().collect();
    let body = json!({"@odata.context": request.url("/$metadata#sites"), "value": value});
    Ok(reply::json(StatusCode::OK, &body))
}

async fn describe_drive(scope: &DriveContext<'_>) -> Result<Value> {
    let info = scope.tree().drive_info(scope.drive()).await?;
    let identity = Identity::new(scope.kind, &scope.account);
    let remaining = info.quota.saturating_sub(info.used);
    let state = match remaining {
        0 => "exceeded",
        // Inferred: where "nearing" and "critical" begin is not said.
        left if left < info.quota / 100 => "critical",
        left if left < info.quota / 10 => "nearing",
        _ => "normal",
    };
    let time = |at| drive_item::time(scope.kind, at);
    let root = scope.tree().node(scope.drive(), ROOT).await?;
    Ok(json!({
        "id": scope.ids.drive(),
        "driveType": scope.kind.drive_type(),
        "name": if scope.kind.is_personal() { "OneDrive" } else { "Documents" },
        "description": "",
        "webUrl": scope.content_url(&format!("{}/Documents", identity.site_path())),
        "createdDateTime": time(info.created),
        "lastModifiedDateTime": time(root.modified),
        "createdBy": identity.identity_set(None),
        "owner": identity.owner(),
        "quota": {
            "total": info.quota,
            "used": info.used,
            "remaining": remaining,
            "deleted": trashed(scope).await?,
            "state": state,
        },
    }))
}

/// Bytes in the recycle bin.
async fn trashed(scope: &DriveContext<'_>) -> Result<u64> {
    let mut bytes = 0;
    let mut after = None;
    loop {
        let which = Listing { after, limit: Some(STRIDE), ..Listing::default() };
        let nodes = scope.tree().trashed(scope.drive(), which).await?;
        bytes += nodes.iter().map(|node| node.size).sum::<u64>();
        after = nodes.last().map(|node| ListingKey { number: node.feed, ..ListingKey::default() });
        if (nodes.len() as u64) < STRIDE {
            return Ok(bytes);
        }
    }
}
