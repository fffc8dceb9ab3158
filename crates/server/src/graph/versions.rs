//! A file's versions, as far as they are kept: the current one (onedrive-graph#versions).

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    address::ItemAddress,
    drive_context::DriveContext,
    drive_item,
    error::{Error, Result},
    owner::Identity,
    reply,
    route::VersionTask,
    select::project,
};
use crate::tree::{Node, NodeKind};

/// Serves `item/versions` and `item/versions/ID`.
pub(super) async fn answer(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    task: &VersionTask,
) -> Result<Response> {
    let node = scope.locate(address).await?.node;
    if node.kind != NodeKind::File {
        return Err(Error::invalid("Only files have versions."));
    }
    let current = version(scope, &node);
    let select = scope.request.query.get("select");
    match task {
        VersionTask::List => {
            let context = scope.request.url("/$metadata#Collection(driveItemVersion)");
            let value = [project(select, current)];
            Ok(reply::json(StatusCode::OK, &json!({ "@odata.context": context, "value": value })))
        }
        VersionTask::Get(id) | VersionTask::Content(id) | VersionTask::Delete(id)
            if current["id"] != id.as_str() =>
        {
            Err(Error::not_found())
        }
        VersionTask::Get(_) => Ok(reply::json(StatusCode::OK, &project(select, current))),
        VersionTask::Delete(_) if scope.kind.is_personal() => {
            Err(Error::not_supported("API not found: versions of this account stay."))
        }
        VersionTask::Delete(_) => Err(Error::invalid("The current version cannot be deleted.")),
        VersionTask::Content(_) => {
            Err(Error::invalid("You cannot get the content of the current version."))
        }
    }
}

fn version(scope: &DriveContext<'_>, node: &Node) -> Value {
    let identity = Identity::new(scope.kind, &scope.account);
    json!({
        "id": format!("{}.0", node.content_version),
        "size": node.size,
        "lastModifiedDateTime": drive_item::time(scope.kind, node.client_modified),
        "lastModifiedBy": identity.identity_set(node.owner.as_deref()),
    })
}
