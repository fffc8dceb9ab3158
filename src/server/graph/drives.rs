//! Users, drives and sites (`onedrive-graph.md`, A2).

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    address::{Call, DriveRef, Owner, Site},
    describe,
    error::{Error, Result},
    gather,
    owner::Identity,
    query::Query,
    reply,
    scope::Scope,
    search,
    task::is_shared,
    visit::Visit,
};
use crate::server::tree::{Listing, ROOT};

/// Items of the recycle bin that are added up with one question to the tree.
const STRIDE: u64 = 1000;

/// `GET /me`, `GET /users/ID`.
pub(super) async fn user(visit: &Visit, owner: &Owner) -> Result<Response> {
    let account = visit.account().await?;
    let identity = Identity::new(visit.kind(&account), &account);
    if let Owner::User(id) = owner {
        identity.check_user(id)?;
    }
    Ok(reply::json(StatusCode::OK, &identity.user(visit)))
}

/// `GET drive`, and what is asked of a drive.
pub(super) async fn drive(scope: &Scope<'_>, calls: &[Call]) -> Result<Response> {
    match calls {
        [] => {
            let mut drive = describe_drive(scope).await?;
            drive["@odata.context"] = scope.visit.url("/$metadata#drives/$entity").into();
            Ok(reply::json(StatusCode::OK, &project(&scope.visit.query, drive)))
        }
        [call] if call.name == "search" => search::below(scope, ROOT, call).await,
        [call] if call.name == "recent" => gather::recent(scope).await,
        [call] if is_shared(call) => gather::shared_with_me(scope).await,
        [call, ..] => {
            Err(Error::not_supported(format!("'{}' of a drive is not served.", call.name)))
        }
    }
}

/// `GET /me/drives` and the like: the one drive.
pub(super) async fn drives(visit: &Visit, owner: &Owner) -> Result<Response> {
    let scope = Scope::of(visit, &DriveRef::Of(owner.clone())).await?;
    let drive = project(&visit.query, describe_drive(&scope).await?);
    let body = json!({"@odata.context": visit.url("/$metadata#drives"), "value": [drive]});
    Ok(reply::json(StatusCode::OK, &body))
}

/// `GET /sites/ID`.
pub(super) async fn site(visit: &Visit, site: &Site) -> Result<Response> {
    let account = visit.account().await?;
    let identity = Identity::new(visit.kind(&account), &account);
    identity.check_site(site, visit)?;
    Ok(reply::json(StatusCode::OK, &identity.site(visit)))
}

/// `GET /sites?search=TEXT`: the account's site, if its name contains the text.
pub(super) async fn sites(visit: &Visit) -> Result<Response> {
    let account = visit.account().await?;
    let kind = visit.kind(&account);
    let identity = Identity::new(kind, &account);
    let sought = visit.query.get("search").unwrap_or("*").to_lowercase();
    let found = sought == "*" || account.display_name().to_lowercase().contains(&sought);
    let value: Vec<Value> =
        (found && !kind.is_personal()).then(|| identity.site(visit)).into_iter().collect();
    let body = json!({"@odata.context": visit.url("/$metadata#sites"), "value": value});
    Ok(reply::json(StatusCode::OK, &body))
}

async fn describe_drive(scope: &Scope<'_>) -> Result<Value> {
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
    let time = |at| describe::time(scope.kind, at);
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
async fn trashed(scope: &Scope<'_>) -> Result<u64> {
    let mut bytes = 0;
    let mut offset = 0;
    loop {
        let which = Listing { offset, limit: Some(STRIDE), ..Listing::default() };
        let nodes = scope.tree().trashed(scope.drive(), which).await?;
        bytes += nodes.iter().map(|node| node.size).sum::<u64>();
        offset += STRIDE;
        if (nodes.len() as u64) < STRIDE {
            return Ok(bytes);
        }
    }
}

/// Leaves of a drive what `$select` names.
fn project(query: &Query, drive: Value) -> Value {
    let Some(select) = query.get("select").filter(|select| !select.is_empty()) else {
        return drive;
    };
    let wanted: Vec<&str> = select.split(',').map(str::trim).collect();
    match drive {
        Value::Object(properties) => properties
            .into_iter()
            .filter(|(name, _)| name.starts_with('@') || wanted.contains(&name.as_str()))
            .collect(),
        other => other,
    }
}
