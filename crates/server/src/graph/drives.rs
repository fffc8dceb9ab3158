//! Drives (onedrive-graph#drive-requests).

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    address::{DriveRef, Owner},
    drive_context::DriveContext,
    drive_item::View,
    error::Result,
    lists,
    owner::AccountIdentity,
    paging::{MAX_PAGE_SIZE, SKIP_TOKEN, decode_position, encode_position},
    request::GraphRequest,
    response,
    tenant::{EntityType, sort},
    timestamp::format_time,
};
use crate::tree::{ListOptions, ListingKey, ROOT};

/// Maximum number of items of the recycle bin that one query of the tree reads.
const SCAN_PAGE_SIZE: u64 = 1000;

/// The type of drives.
const DRIVE: EntityType = EntityType {
    name: "drive",
    context: "drives",
    properties: &[
        "createdBy",
        "createdDateTime",
        "description",
        "driveType",
        "id",
        "lastModifiedDateTime",
        "name",
        "owner",
        "quota",
        "webUrl",
    ],
    unimplemented: &["eTag", "lastModifiedBy", "parentReference", "sharePointIds", "system"],
    is_directory_object: false,
    page_size: (MAX_PAGE_SIZE, MAX_PAGE_SIZE),
};

/// `GET drive`: returns the properties and the quota of the drive.
///
/// # Errors
/// 404 if the drive was removed meanwhile, 500 if the storage fails.
pub(super) async fn drive(context: &DriveContext<'_>) -> Result<Response> {
    let mut drive = describe_drive(context).await?;
    drive["@odata.context"] = context.request.url("/$metadata#drives/$entity").into();
    Ok(response::json(StatusCode::OK, &context.request.selection.project_resource(drive)))
}

/// `GET /me/drives`, `GET /sites/ID/drives` and so on: returns the drives of the owner in which the
/// caller has access to an item. A user has one drive, a site and its group one for each library.
///
/// # Errors
/// 400 for `/me` with an application's own token, a site of a personal account, a `$top` that is no
/// number above 0, and an order by an unknown property; 401 if the token is missing, unknown, expired
/// or for another resource; 403 for an owner in another tenant, and a site that is not open to the
/// user; 404 for another owner; 403 or 404 if the caller has access to none of the drives; 507 if an account's drive cannot be created because the disk of the storage is full; 500 if the
/// storage fails.
pub(super) async fn drives(request: &GraphRequest, owner: Owner) -> Result<Response> {
    let context = DriveContext::open(request, &DriveRef::OwnedBy(owner)).await?;
    let top = request.query.count("top")?.unwrap_or(MAX_PAGE_SIZE);
    let mut drives = Vec::new();
    if context.has_any().await? {
        drives.push(expanded_drive(&context).await?);
    }
    if let Some(library) = &context.account.library {
        for library in library.site.libraries.iter().skip(1) {
            let account = request.state.accounts.open(&library.account).await?;
            let further = DriveContext::for_caller(request, account).await?;
            if further.has_any().await? {
                drives.push(expanded_drive(&further).await?);
            }
        }
    }
    if drives.is_empty() {
        return Err(context.hidden());
    }
    if let Some(text) = request.query.get("orderby") {
        sort(&mut drives, text, &DRIVE)?;
    }
    let after = request.query.get("skiptoken").map(decode_position).transpose()?.unwrap_or(0);
    let next = after.saturating_add(top);
    let all = drives.len() as u64;
    let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let page = drives.into_iter().skip(size(after)).take(size(top));
    let value: Vec<_> = page.map(|drive| request.selection.project(drive)).collect();
    let mut body = json!({"@odata.context": request.url("/$metadata#drives"), "value": value});
    if next < all {
        body["@odata.nextLink"] = request.link(SKIP_TOKEN, &encode_position(next)).into();
    }
    Ok(response::json(StatusCode::OK, &body))
}

/// Returns the drive resource with the relations that the request expands: `root`, and `list` of a
/// drive with a list. A caller without access to the root folder gets neither.
///
/// # Errors
/// 404 if the drive no longer exists, 500 if the storage fails.
async fn expanded_drive(context: &DriveContext<'_>) -> Result<Value> {
    let mut drive = describe_drive(context).await?;
    for relation in &context.request.selection.expanded {
        match relation.name.as_str() {
            _ if context.role(ROOT).await?.is_none() => {}
            "root" => {
                let root = context.tree().node(context.drive(), ROOT).await?;
                let root = context.describe(&root, View::WithPath(&[]));
                drive["root"] = relation.selection.project(root);
            }
            // A personal drive has no list.
            _ if context.kind.is_personal() => {}
            _ => {
                let list = lists::describe(context).await?;
                drive["list"] = relation.selection.project_resource(list);
            }
        }
    }
    Ok(drive)
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
        "name": identity.drive_name(),
        "description": "",
        "webUrl": context.content_url(&identity.drive_path()),
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
