//! Copies, and the monitors by which clients follow them (`onedrive-graph.md`, A13).
//!
//! A copy shares the bytes, so it is done when its request is answered; the answer is a monitor
//! all the same. The monitor's URL carries the outcome, signed: there is nothing to remember.

use axum::{body::Body, response::Response};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    address::ItemAddress,
    body::ItemBody,
    error::{Error, Result},
    names, reply,
    scope::Scope,
    visit::{Visit, read_json},
};
use crate::server::{
    app::App,
    seal::Purpose,
    tree::{NodeKind, OnConflict},
};

/// How a monitor's path begins.
pub(super) const PREFIX: &str = "/monitor/";

/// How long a monitor answers. No source says it.
const MONITOR_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// How a copy ended.
#[derive(Debug, Serialize, Deserialize)]
enum Outcome {
    /// With the new item's id.
    Completed(String),
    /// With a code and its words.
    Failed(String, String),
}

/// `POST item/copy`.
pub(super) async fn start(
    scope: &Scope<'_>,
    address: &ItemAddress,
    body: Body,
) -> Result<Response> {
    let body: ItemBody = read_json(body).await?;
    let located = scope.locate(address).await?;
    let folder = match &body.parent_reference {
        Some(reference) => reference.folder(scope).await?,
        None => None,
    };
    let into = folder
        .or(located.node.parents.first().copied())
        .ok_or_else(|| Error::invalid("The root folder cannot be copied."))?;
    // Consumers' copies know no conflictBehavior (A13).
    let asked = body.on_conflict(&scope.visit.query)?.filter(|_| !scope.kind.is_personal());
    let on_conflict = match asked.unwrap_or(OnConflict::Fail) {
        // Folders cannot be overwritten.
        OnConflict::Replace if located.node.kind != NodeKind::File => OnConflict::Fail,
        behavior => behavior,
    };
    let name = body.name.as_deref().filter(|name| !name.is_empty());
    let above = scope.tree().path(scope.drive(), into).await?;
    let is_folder = located.node.kind == NodeKind::Folder;
    names::check(name.unwrap_or(&located.node.name), is_folder, scope.kind, into, &above)?;
    let copied = scope.tree().copy(scope.drive(), located.node.no, into, name, on_conflict).await;
    let outcome = match copied {
        Ok(node) => Outcome::Completed(scope.ids.item(node.no)),
        Err(error) => {
            let error = Error::from(error);
            Outcome::Failed(error.code.into(), error.message)
        }
    };
    let expires = Timestamp::now() + MONITOR_LIFE;
    let claims = (&scope.account.name, outcome);
    let sealed = scope.visit.app.seal.seal(Purpose::Monitor, expires, &claims);
    let url = scope.visit.origin.plain_url(&format!("{PREFIX}{sealed}"));
    reply::elsewhere(StatusCode::ACCEPTED, &url)
}

/// Whose copy a monitor's path is about, and how it ended.
fn open(app: &App, path: &str) -> Option<(String, Outcome)> {
    let sealed = path.strip_prefix(PREFIX)?;
    app.seal.open(Purpose::Monitor, sealed, Timestamp::now()).ok()
}

/// The account that a monitor's path names.
pub(super) fn account_of(app: &App, path: &str) -> Option<String> {
    open(app, path).map(|(account, _)| account)
}

/// `GET` of a monitor.
pub(super) fn monitor(visit: &Visit) -> Result<Response> {
    let (_, outcome) = open(&visit.app, &visit.path).ok_or_else(Error::not_found)?;
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
        visit.origin.url("/_api/v2.0/$metadata#oneDrive.asynchronousOperationStatus").into();
    Ok(reply::json(status, &body))
}
