//! Copies, and the monitor URLs of their progress (onedrive-graph#copy,
//! onedrive-graph#copy-monitor).
//!
//! A copy shares the stored bytes with its original, so it is complete when the request returns. As
//! in the cloud, the response has a monitor URL. The URL contains the signed outcome, so the server
//! stores none.

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
    request::GraphRequest,
    response,
};
use crate::{
    item_names,
    secret_urls::SecretUrl,
    signed_token::Purpose,
    state::ServerState,
    tree::{ItemKey, ListOptions, Node, NodeKind, OnConflict, Role, TreeError},
};

/// Prefix of the path of a monitor URL.
pub(super) const PREFIX: &str = "/monitor/";

/// A monitor URL needs no token and names the copy, so logs must not contain it.
pub(super) const SECRET_URL: SecretUrl = SecretUrl::Path(PREFIX);

/// Lifetime of a monitor URL. Inferred: no source gives one.
const MONITOR_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// The outcome of a copy. Signed URLs contain it, so the serialized shape must not change.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum CopyOutcome {
    /// The id of the new item.
    Completed(String),
    /// Error code and message.
    Failed(String, String),
}

/// `POST item/copy`: copies an item, and responds with the monitor URL.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 for a body with a member of
/// another type, an unknown conflict behavior, a name that is not allowed, another drive,
/// `childrenOnly` for a file or with a name, and a copy of the root folder; 403 or 404 for the
/// target folder; 500 if the storage fails. A failure of the copy itself, such as a taken name or a
/// full drive, is reported by the monitor.
pub(super) async fn start(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: ItemBody = payload.parse()?;
    let located = context.locate(address).await?;
    let name = body.name.as_deref().filter(|name| !name.is_empty());
    let children_only = body.children_only.unwrap_or(false);
    if children_only && located.node.kind != NodeKind::Folder {
        return Err(Error::invalid("childrenOnly option is not valid for file items."));
    }
    if children_only && name.is_some() {
        return Err(Error::invalid("Cannot use name parameter alongside childrenOnly."));
    }
    let folder = match &body.parent_reference {
        Some(reference) => reference.folder(context).await?,
        None => None,
    };
    let into = folder
        .or(located.node.parents.first().copied())
        .ok_or_else(|| Error::invalid("Cannot copy the root folder."))?;
    context.require(into, Role::Write).await?;
    if located.node.parents.is_empty() && !children_only {
        return Err(Error::invalid("Cannot copy the root folder."));
    }
    // Personal drives ignore conflictBehavior of a copy (onedrive-graph#copy-conflict).
    let requested =
        body.on_conflict(&context.request.query)?.filter(|_| !context.kind.is_personal());
    let on_conflict = requested.unwrap_or(OnConflict::Fail);
    let outcome = if children_only {
        copy_children(context, &located.node, into, on_conflict).await?
    } else {
        let parent_path = context.path(into).await?;
        let is_folder = located.node.kind == NodeKind::Folder;
        item_names::check(
            name.unwrap_or(&located.node.name),
            is_folder,
            context.kind,
            into,
            &parent_path,
        )?;
        match copy(context, &located.node, into, name, on_conflict).await {
            Ok(node) => CopyOutcome::Completed(context.ids.item_id(node.no)),
            Err(error) => CopyOutcome::failed(error),
        }
    };
    let expires = Timestamp::now() + MONITOR_LIFETIME;
    let claims = (&context.account.name, outcome);
    let token = context.request.state.signer.sign(Purpose::Monitor, expires, &claims);
    let url = context.request.base_url.plain_url(&format!("{PREFIX}{token}"));
    response::with_location(StatusCode::ACCEPTED, &url)
}

impl CopyOutcome {
    /// Returns the outcome of a copy that failed, with the code and message of the error.
    fn failed(error: impl Into<Error>) -> Self {
        let error = error.into();
        Self::Failed(error.code.into(), error.message)
    }
}

/// Copies one item, with its descendants, into a folder. `name` is the name of the copy; `None`
/// keeps that of the item.
///
/// # Errors
/// Those of [`Tree::copy`](crate::tree::Tree::copy): `NotFound` if the item or the folder is not
/// live, `NotAFolder`, `Root`, `BadName`, `NameTaken`, `QuotaExceeded`, `NoRoom` if the disk is
/// full, and `Storage`. The monitor reports them.
async fn copy(
    context: &DriveContext<'_>,
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
    context.tree().copy(context.drive(), node.no, into, name, on_conflict).await
}

/// Copies the children of `folder` into the folder `into`. Stops at the first child that fails; the
/// children copied before it remain. The outcome names the target folder, or the failure.
///
/// # Errors
/// 404 if the folder does not exist, 500 if it cannot be listed.
async fn copy_children(
    context: &DriveContext<'_>,
    folder: &Node,
    into: ItemKey,
    on_conflict: OnConflict,
) -> Result<CopyOutcome> {
    // The list is complete before the first copy, because the target may be the same folder.
    let all = context.tree().children(context.drive(), folder.no, ListOptions::default()).await?;
    for child in &all {
        if let Err(error) = copy(context, child, into, None, on_conflict).await {
            return Ok(CopyOutcome::failed(error));
        }
    }
    Ok(CopyOutcome::Completed(context.ids.item_id(into)))
}

/// Opens the path of a monitor URL, with its prefix. Returns the account's name and the outcome of
/// the copy; `None` if the path has another prefix, the signature is not one of this server, or the
/// URL has expired.
pub(super) fn open(state: &ServerState, path: &str) -> Option<(String, CopyOutcome)> {
    let signed = path.strip_prefix(PREFIX)?;
    state.signer.verify(Purpose::Monitor, signed, Timestamp::now()).ok()
}

/// `GET` of a monitor URL: returns the state of the copy that the URL names.
///
/// # Errors
/// 404 if `outcome` is `None`, which [`open`] returns for a URL that is unsigned or expired.
pub(super) fn monitor(request: &GraphRequest, outcome: Option<CopyOutcome>) -> Result<Response> {
    let outcome = outcome.ok_or_else(Error::not_found)?;
    let (status, mut body) = match outcome {
        CopyOutcome::Completed(id) => (
            StatusCode::OK,
            json!({"percentageComplete": 100.0, "resourceId": id, "status": "completed"}),
        ),
        CopyOutcome::Failed(code, message) => (
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
    Ok(response::json(status, &body))
}
