//! Copies, and the monitors by which clients follow them (onedrive-graph#copy,
//! onedrive-graph#copy-monitor).
//!
//! A copy shares the bytes, so it is done when its request is answered; the answer is a monitor
//! all the same. The monitor's URL carries the outcome, signed: there is nothing to remember.

use axum::response::Response;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    address::ItemAddress,
    body::ItemBody,
    contract::Payload,
    drive_context::DriveContext,
    error::{Error, Result},
    names, reply,
    request::GraphRequest,
};
use crate::{
    secret_urls::SecretUrl,
    signed_token::Purpose,
    state::ServerState,
    tree::{ItemKey, Listing, Node, NodeKind, OnConflict, TreeError},
};

/// How a monitor's path begins.
pub(super) const PREFIX: &str = "/monitor/";

/// A monitor's URL gives the id of the copy to anybody.
pub(super) const SECRET_URL: SecretUrl = SecretUrl::Path(PREFIX);

/// How long a monitor answers. No source says it.
const MONITOR_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// How a copy ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// With the new item's id.
    Completed(String),
    /// With a code and its words.
    Failed(String, String),
}

/// `POST item/copy`.
pub(super) async fn start(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: ItemBody = payload.parse()?;
    let located = scope.locate(address).await?;
    let name = body.name.as_deref().filter(|name| !name.is_empty());
    let children_only = body.children_only.unwrap_or(false);
    if children_only && located.node.kind != NodeKind::Folder {
        return Err(Error::invalid("childrenOnly option is not valid for file items."));
    }
    if children_only && name.is_some() {
        return Err(Error::invalid("Cannot use name parameter alongside childrenOnly."));
    }
    let folder = match &body.parent_reference {
        Some(reference) => reference.folder(scope).await?,
        None => None,
    };
    let into = folder
        .or(located.node.parents.first().copied())
        .ok_or_else(|| Error::invalid("Cannot copy the root folder."))?;
    if located.node.parents.is_empty() && !children_only {
        return Err(Error::invalid("Cannot copy the root folder."));
    }
    // Consumers' copies know no conflictBehavior (onedrive-graph#copy-conflict).
    let asked = body.on_conflict(&scope.request.query)?.filter(|_| !scope.kind.is_personal());
    let on_conflict = asked.unwrap_or(OnConflict::Fail);
    let outcome = if children_only {
        children(scope, &located.node, into, on_conflict).await?
    } else {
        let above = scope.tree().path(scope.drive(), into).await?;
        let is_folder = located.node.kind == NodeKind::Folder;
        names::check(name.unwrap_or(&located.node.name), is_folder, scope.kind, into, &above)?;
        match copy(scope, &located.node, into, name, on_conflict).await {
            Ok(node) => Outcome::Completed(scope.ids.item(node.no)),
            Err(error) => Outcome::failed(error),
        }
    };
    let expires = Timestamp::now() + MONITOR_LIFE;
    let claims = (&scope.account.name, outcome);
    let sealed = scope.request.state.signer.sign(Purpose::Monitor, expires, &claims);
    let url = scope.request.base_url.plain_url(&format!("{PREFIX}{sealed}"));
    reply::elsewhere(StatusCode::ACCEPTED, &url)
}

impl Outcome {
    fn failed(error: impl Into<Error>) -> Self {
        let error = error.into();
        Self::Failed(error.code.into(), error.message)
    }
}

async fn copy(
    scope: &DriveContext<'_>,
    node: &Node,
    into: ItemKey,
    name: Option<&str>,
    on_conflict: OnConflict,
) -> Result<Node, TreeError> {
    let on_conflict = match on_conflict {
        // Folders cannot be overwritten.
        OnConflict::Replace if node.kind != NodeKind::File => OnConflict::Fail,
        behavior => behavior,
    };
    scope.tree().copy(scope.drive(), node.no, into, name, on_conflict).await
}

/// Copies the children of a folder. The copy ends with the first one that fails; those before it
/// stay. The monitor names the folder that they are in.
async fn children(
    scope: &DriveContext<'_>,
    folder: &Node,
    into: ItemKey,
    on_conflict: OnConflict,
) -> Result<Outcome> {
    // Listed before anything is copied, since the copies may be in the same folder.
    let all = scope.tree().children(scope.drive(), folder.no, Listing::default()).await?;
    for child in &all {
        if let Err(error) = copy(scope, child, into, None, on_conflict).await {
            return Ok(Outcome::failed(error));
        }
    }
    Ok(Outcome::Completed(scope.ids.item(into)))
}

/// Opens a monitor's path. Returns whose copy it is about, and how the copy ended.
pub(super) fn open(state: &ServerState, path: &str) -> Option<(String, Outcome)> {
    let signed = path.strip_prefix(PREFIX)?;
    state.signer.verify(Purpose::Monitor, signed, Timestamp::now()).ok()
}

/// `GET` of a monitor.
pub(super) fn monitor(request: &GraphRequest, outcome: Option<Outcome>) -> Result<Response> {
    let outcome = outcome.ok_or_else(Error::not_found)?;
    let (status, mut body) = match outcome {
        Outcome::Completed(id) => (
            StatusCode::OK,
            json!({"percentageComplete": 100.0, "resourceId": id, "status": "completed"}),
        ),
        Outcome::Failed(code, message) => (
            StatusCode::OK,
            json!({
                "percentageComplete": 0.0,
                "status": "failed",
                "error": {"code": code, "message": message},
            }),
        ),
    };
    body["operation"] = "ItemCopy".into();
    body["@odata.context"] =
        request.base_url.url("/_api/v2.0/$metadata#oneDrive.asynchronousOperationStatus").into();
    Ok(reply::json(status, &body))
}
