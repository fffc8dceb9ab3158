//! Users, drives and sites (onedrive-graph#drive-requests).

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    address::{DriveRef, Owner, Site},
    drive_context::DriveContext,
    error::Result,
    owner::{AccountIdentity, check_user_properties},
    request::GraphRequest,
    response,
    scopes::FileScope,
    timestamp::format_time,
};
use crate::{
    account::Account,
    tree::{ListOptions, ListingKey, ROOT, Role},
};

/// Maximum number of items of the recycle bin that one query of the tree reads.
const SCAN_PAGE_SIZE: u64 = 1000;

/// `GET /me`, `GET /users/ID`: returns the profile of a user.
///
/// # Errors
/// 400 for `/me` with an application's own token, and for an unknown property; 401 if the token is
/// missing, unknown, expired or for another resource; 403 for a user of another tenant; 404 for
/// another user; 501 for a property that only the cloud has; 507 if the account's drive cannot be
/// created because the disk of the storage is full; 500 if the storage fails.
pub(super) async fn user(request: &GraphRequest, owner: Owner) -> Result<Response> {
    let account = request.account_of_drive(&DriveRef::OwnedBy(owner)).await?;
    let identity = AccountIdentity::new(request.kind(&account), &account);
    request.query.get("select").map_or(Ok(()), check_user_properties)?;
    let user = request.selection.project_resource(identity.user(request));
    Ok(response::json(StatusCode::OK, &user))
}

/// `GET drive`: returns the properties and the quota of the drive.
///
/// # Errors
/// 404 if the drive was removed meanwhile, 500 if the storage fails.
pub(super) async fn drive(context: &DriveContext<'_>) -> Result<Response> {
    let mut drive = describe_drive(context).await?;
    drive["@odata.context"] = context.request.url("/$metadata#drives/$entity").into();
    Ok(response::json(StatusCode::OK, &context.request.selection.project_resource(drive)))
}

/// `GET /me/drives`, `GET /sites/ID/drives` and so on: returns the owner's only drive.
///
/// # Errors
/// 400 for `/me` with an application's own token, a site of a personal account, and a `$top` that
/// is no number above 0; 401 if the token is missing, unknown, expired or for another resource; 403
/// for an owner in another tenant; 404 for another owner; 507 if the account's drive cannot be
/// created because the disk of the storage is full; 500 if the storage fails.
pub(super) async fn drives(request: &GraphRequest, owner: Owner) -> Result<Response> {
    let context = DriveContext::open(request, &DriveRef::OwnedBy(owner)).await?;
    request.query.count("top")?;
    let drive = request.selection.project_resource(describe_drive(&context).await?);
    let body = json!({"@odata.context": request.url("/$metadata#drives"), "value": [drive]});
    Ok(response::json(StatusCode::OK, &body))
}

/// `GET /sites/ID`: returns the properties of a site.
///
/// # Errors
/// 400 for a personal account; 401 if the token is missing, unknown, expired or for another
/// resource; 403 for a site of another tenant, or one that the application has no permission for; 404
/// for another site; 507 if the account's drive
/// cannot be created because the disk of the storage is full; 500 if the storage fails.
pub(super) async fn site(request: &GraphRequest, site: Site) -> Result<Response> {
    let account = request.account_of_drive(&DriveRef::OwnedBy(Owner::Site(site))).await?;
    if request.files == FileScope::Selected {
        DriveContext::for_caller(request, account.clone()).await?.require(ROOT, Role::Read).await?;
    }
    site_of(request, &account)
}

/// Returns the response with the site of an account.
///
/// # Errors
/// Never: as the other handlers.
pub(super) fn site_of(request: &GraphRequest, account: &Account) -> Result<Response> {
    let identity = AccountIdentity::new(request.kind(account), account);
    let site = request.selection.project_resource(identity.site(request));
    Ok(response::json(StatusCode::OK, &site))
}

/// `GET /sites?search=TEXT`: returns the sites that the token opens and whose name contains the
/// text, in any case; all for `*` and without the option.
///
/// # Errors
/// 400 for a `$top` that is no number above 0; 401 if the token is missing, unknown, expired or for
/// another resource; 507 if the account's drive cannot be created because the disk of the storage
/// is full; 500 if the storage fails.
pub(super) async fn sites(request: &GraphRequest) -> Result<Response> {
    let text = request.query.get("search").unwrap_or("*").to_lowercase();
    request.query.count("top")?;
    let mut sites = Vec::new();
    for account in request.accounts().await? {
        let kind = request.kind(&account);
        let found = text == "*" || account.display_name().to_lowercase().contains(&text);
        if request.files == FileScope::Selected {
            let context = DriveContext::for_caller(request, account.clone()).await?;
            if context.role(ROOT).await?.is_none() {
                continue;
            }
        }
        if found && !kind.is_personal() {
            let site = AccountIdentity::new(kind, &account).site(request);
            sites.push(request.selection.project_resource(site));
        }
    }
    let body = json!({"@odata.context": request.url("/$metadata#sites"), "value": sites});
    Ok(response::json(StatusCode::OK, &body))
}

/// Returns the drive resource, with its quota.
///
/// # Errors
/// 404 if the drive no longer exists, 500 if the storage fails.
async fn describe_drive(context: &DriveContext<'_>) -> Result<Value> {
    let info = context.tree().drive_info(context.drive()).await?;
    let identity = AccountIdentity::new(context.kind, &context.account);
    let remaining = info.quota.saturating_sub(info.used);
    let state = match remaining {
        0 => "exceeded",
        // Inferred: the reference does not define the limits of "nearing" and "critical".
        left if left < info.quota / 100 => "critical",
        left if left < info.quota / 10 => "nearing",
        _ => "normal",
    };
    let time = |at| format_time(context.kind, at);
    let root = context.tree().node(context.drive(), ROOT).await?;
    Ok(json!({
        "id": context.ids.drive_id(),
        "driveType": context.kind.drive_type(),
        "name": if context.kind.is_personal() { "OneDrive" } else { "Documents" },
        "description": "",
        "webUrl": context.content_url(&format!("{}/Documents", identity.site_path())),
        "createdDateTime": time(info.created),
        "lastModifiedDateTime": time(root.modified),
        "createdBy": identity.identity_set(None),
        "owner": identity.owner(),
        "quota": {
            "total": info.quota,
            "used": info.used,
            "remaining": remaining,
            "deleted": bytes_in_recycle_bin(context).await?,
            "state": state,
        },
    }))
}

/// Returns the number of bytes of the files and folders in the recycle bin.
///
/// # Errors
/// 500 if the storage fails.
async fn bytes_in_recycle_bin(context: &DriveContext<'_>) -> Result<u64> {
    let mut bytes = 0;
    let mut after = None;
    loop {
        let which = ListOptions { after, limit: Some(SCAN_PAGE_SIZE), ..ListOptions::default() };
        let nodes = context.tree().trashed(context.drive(), which).await?;
        bytes += nodes.iter().map(|node| node.size).sum::<u64>();
        after = nodes.last().map(|node| ListingKey { number: node.feed, ..ListingKey::default() });
        if (nodes.len() as u64) < SCAN_PAGE_SIZE {
            return Ok(bytes);
        }
    }
}
