//! The versions of a file (onedrive-graph#versions). The server stores only the current one.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    address::ItemAddress,
    drive_context::DriveContext,
    error::{Error, Result},
    owner::AccountIdentity,
    response,
    route::VersionAction,
    timestamp::format_time,
};
use crate::tree::{Node, NodeKind};

/// Serves `item/versions` and `item/versions/ID`.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 if the item is not a file, for
/// the content of the current version, and for its deletion on business drives; 404 for another
/// version than the current one; 501 for a deletion on personal drives.
pub(super) async fn serve(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    action: &VersionAction,
) -> Result<Response> {
    let node = context.locate(address).await?.node;
    if node.kind != NodeKind::File {
        return Err(Error::invalid("cannot list the versions: the item is not a file"));
    }
    let current = version(context, &node);
    let selection = &context.request.selection;
    match action {
        VersionAction::List => {
            let odata_context = context.request.url("/$metadata#Collection(driveItemVersion)");
            let value = [selection.project_resource(current)];
            Ok(response::json(
                StatusCode::OK,
                &json!({ "@odata.context": odata_context, "value": value }),
            ))
        }
        VersionAction::Get(id) | VersionAction::Content(id) | VersionAction::Delete(id)
            if current["id"] != id.as_str() =>
        {
            Err(Error::not_found())
        }
        VersionAction::Get(_) => {
            Ok(response::json(StatusCode::OK, &selection.project_resource(current)))
        }
        VersionAction::Delete(_) if context.kind.is_personal() => Err(Error::not_supported(
            "cannot delete the version: personal drives do not support it",
        )),
        VersionAction::Delete(_) => {
            Err(Error::invalid("cannot delete the version: it is the current one"))
        }
        VersionAction::Content(_) => {
            Err(Error::invalid("You cannot get the content of the current version."))
        }
    }
}

/// Returns the current version as a resource.
fn version(context: &DriveContext<'_>, node: &Node) -> Value {
    let identity = AccountIdentity::new(context.kind, &context.account);
    json!({
        "id": format!("{}.0", node.content_version),
        "size": node.size,
        "lastModifiedDateTime": format_time(context.kind, node.client_modified),
        "lastModifiedBy": identity.identity_set(node.owner.as_deref()),
    })
}
