//! A file's versions, as far as they are kept: the current one (`onedrive-graph.md`, A17).

use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    address::{Call, ItemAddress},
    describe,
    error::{Error, Result},
    owner::Identity,
    reply,
    scope::Scope,
};
use crate::server::tree::{Node, NodeKind};

/// What is asked of `item/versions…`.
pub(super) async fn answer(
    scope: &Scope<'_>,
    address: &ItemAddress,
    calls: &[Call],
) -> Result<Response> {
    let node = scope.locate(address).await?.node;
    if node.kind != NodeKind::File {
        return Err(Error::invalid("Only files have versions."));
    }
    let current = version(scope, &node);
    match (calls, &scope.visit.method) {
        ([], &Method::GET) => Ok(reply::json(
            StatusCode::OK,
            &json!({
                "@odata.context": scope.visit.url("/$metadata#Collection(driveItemVersion)"),
                "value": [current],
            }),
        )),
        ([id], method) if current["id"] == id.name => match *method {
            Method::GET => Ok(reply::json(StatusCode::OK, &current)),
            Method::DELETE if scope.kind.is_personal() => {
                Err(Error::not_supported("API not found: versions of this account stay."))
            }
            Method::DELETE => Err(Error::invalid("The current version cannot be deleted.")),
            _ => Err(Error::method("GET, DELETE")),
        },
        ([id, content], &Method::GET) if current["id"] == id.name && content.name == "content" => {
            Err(Error::invalid("You cannot get the content of the current version."))
        }
        _ => Err(Error::not_found()),
    }
}

fn version(scope: &Scope<'_>, node: &Node) -> Value {
    let identity = Identity::new(scope.kind, &scope.account);
    json!({
        "id": format!("{}.0", node.content_version),
        "size": node.size,
        "lastModifiedDateTime": describe::time(scope.kind, node.client_modified),
        "lastModifiedBy": identity.identity_set(node.owner.as_deref()),
    })
}
