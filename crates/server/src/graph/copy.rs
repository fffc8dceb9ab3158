//! Copies, and the monitor URLs of their progress (onedrive-graph#copy,
//! onedrive-graph#copy-monitor).
//!
//! A copy shares the stored bytes with its original, so it is complete when the request returns. As
//! in the cloud, the response has a monitor URL. The URL contains the signed outcome, so the server
//! stores none. If copies [take time](crate::CloudBehavior::copy_duration), the new items are
//! invisible until then, and the monitor reports progress.

use std::{collections::HashSet, time::Duration};

use axum::response::Response;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::{
    address::ItemAddress,
    body::ItemBody,
    check_out::CHECKED_OUT,
    contract::Payload,
    drive_context::DriveContext,
    error::{Error, Result},
    request::GraphRequest,
    response,
    stored_facets::{FACETS, LOCKED},
};
use crate::{
    item_names,
    secret_urls::SecretUrl,
    signed_token::Purpose,
    state::ServerState,
    tree::{
        ItemCopy, ItemKey, ListOptions, Node, NodeKind, OnConflict, ROOT, Role, VERSION_COMMENT,
        WriteGuard,
    },
};

/// Prefix of the path of a monitor URL.
pub(super) const PREFIX: &str = "/monitor/";

/// A monitor URL needs no token and names the copy, so logs must not contain it.
pub(super) const SECRET_URL: SecretUrl = SecretUrl::Path(PREFIX);

/// Facets that describe the use of the original and not of its copy.
const DROPPED_FACETS: [(&str, Option<&str>); 3] =
    [(FACETS, Some(CHECKED_OUT)), (FACETS, Some(LOCKED)), (VERSION_COMMENT, None)];

/// Maximum number of items that one query of the tree reads.
const SCAN_PAGE_SIZE: u64 = 1000;

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

/// The claims of a monitor URL. Signed URLs contain it, so the serialized shape must not change.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CopyMonitor(
    /// The account's name.
    String,
    CopyOutcome,
    /// The default in URLs of earlier versions.
    #[serde(default)]
    MonitorOptions,
);

/// Properties of a monitor URL that differ from those of a pre-authenticated one for a copy that is
/// complete at once.
#[derive(Debug, Default, Serialize, Deserialize)]
struct MonitorOptions {
    /// Whether requests need a token for SharePoint.
    #[serde(default, rename = "t")]
    needs_token: bool,
    /// When the copy began and when it is complete; `None` if it is complete.
    #[serde(default, rename = "r", skip_serializing_if = "Option::is_none")]
    running: Option<(Timestamp, Timestamp)>,
    #[serde(default, rename = "o")]
    operation: MonitoredOperation,
}

/// The operation that a monitor reports. Signed URLs contain it, so the serialized names must not
/// change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum MonitoredOperation {
    #[default]
    #[serde(rename = "c")]
    Copy,
    /// An upload from a URL.
    #[serde(rename = "d")]
    Download,
    /// The assignment of a sensitivity label.
    #[serde(rename = "l")]
    AssignLabel,
}

impl MonitoredOperation {
    /// Returns the name in responses.
    fn name(self) -> &'static str {
        match self {
            Self::Copy => "ItemCopy",
            Self::Download => "DownloadUrl",
            Self::AssignLabel => "AssignSensitivityLabel",
        }
    }
}

impl CopyMonitor {
    /// Returns the name of the account whose request began the copy.
    pub(super) fn account(&self) -> &str {
        &self.0
    }
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
    let other = match &body.parent_reference {
        Some(reference) => reference.other_drive(context).await?,
        None => None,
    };
    let target = other.as_ref().unwrap_or(context);
    if target.kind.folding() != context.kind.folding() {
        // Inferred: Microsoft's services for consumers and for organizations are separate.
        let message = "cannot copy between personal drives and those of organizations";
        return Err(Error::new(StatusCode::BAD_REQUEST, "notSupported", message));
    }
    let folder = match &body.parent_reference {
        Some(reference) => reference.folder(target).await?,
        None => None,
    };
    let into = match (folder, &other) {
        (Some(folder), _) => folder,
        (None, Some(_)) => ROOT,
        (None, None) => {
            let own = located.node.parents.first().copied();
            own.ok_or_else(|| Error::invalid("Cannot copy the root folder."))?
        }
    };
    target.require(into, Role::Write).await?;
    if located.node.parents.is_empty() && !children_only {
        return Err(Error::invalid("Cannot copy the root folder."));
    }
    // Personal drives ignore conflictBehavior of a copy (onedrive-graph#copy-conflict).
    let requested =
        body.on_conflict(&context.request.query)?.filter(|_| !context.kind.is_personal());
    let mut copy = ItemCopy {
        drive: context.drive(),
        item: located.node.no,
        to_drive: target.drive(),
        to: into,
        name: name.map(str::to_owned),
        on_conflict: requested.unwrap_or(OnConflict::Fail),
        // Ignored for a copy with another name (onedrive-graph#copy-not-preserved).
        with_versions: body.include_all_version_history.unwrap_or(false) && name.is_none(),
        max_versions: target.max_versions(),
        guard: WriteGuard::default(),
        excluded: Vec::new(),
        dropped: &DROPPED_FACETS,
    };
    let outcome = if children_only {
        copy_children(context, target, &located.node, copy).await?
    } else {
        let parent_path = target.path(into).await?;
        let is_folder = located.node.kind == NodeKind::Folder;
        item_names::check(
            name.unwrap_or(&located.node.name),
            is_folder,
            target.kind,
            into,
            &parent_path,
        )?;
        copy.excluded = hidden_below(context, &located.node).await?;
        match copy_one(context, target, &located.node, copy).await {
            Ok(node) => CopyOutcome::Completed(target.ids.item_id(node.no)),
            Err(error) => CopyOutcome::failed(error),
        }
    };
    let url = monitor_url(context, MonitoredOperation::Copy, outcome);
    response::with_location(StatusCode::ACCEPTED, &url)
}

/// Returns the URL of the monitor of an operation that begins now.
pub(super) fn monitor_url(
    context: &DriveContext<'_>,
    operation: MonitoredOperation,
    outcome: CopyOutcome,
) -> String {
    let now = crate::account_scope::now();
    let duration = copy_duration(context);
    let end = now + duration;
    let needs_token = !context.pre_authenticates();
    let running = (!duration.is_zero()).then_some((now, end));
    let options = MonitorOptions { needs_token, running, operation };
    let claims = CopyMonitor(context.account.name.clone(), outcome, options);
    let signer = &context.request.state.signer;
    let token = signer.sign(Purpose::Monitor, end + MONITOR_LIFETIME, &claims);
    let path = format!("{PREFIX}{token}");
    match needs_token {
        true => context.content_url(&path),
        false => context.request.base_url.plain_url(&path),
    }
}

/// Returns how long copies take.
fn copy_duration(context: &DriveContext<'_>) -> Duration {
    context.request.state.settings.behavior.copy_duration
}

impl CopyOutcome {
    /// Returns the outcome of a copy that failed, with the code and message of the error.
    pub(super) fn failed(error: impl Into<Error>) -> Self {
        let error = error.into();
        Self::Failed(error.code.into(), error.message)
    }
}

/// Returns the items below a folder that the caller has no access to, without those below them. A file
/// has none.
///
/// # Errors
/// 404 if the folder no longer exists, 500 if the storage fails.
async fn hidden_below(context: &DriveContext<'_>, folder: &Node) -> Result<Vec<ItemKey>> {
    let mut hidden = Vec::new();
    if context.base_role.is_some() || folder.kind != NodeKind::Folder {
        return Ok(hidden);
    }
    let mut all_hidden = HashSet::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let page = context.tree().below(context.drive(), folder.no, from, SCAN_PAGE_SIZE).await?;
        next = page.1;
        let all: Vec<_> = page.0.iter().map(|node| (node.no, node.parents.clone())).collect();
        let visible = context.visible(page.0).await?;
        let visible: HashSet<ItemKey> = visible.into_iter().map(|node| node.no).collect();
        // Parents are before their children.
        for (item, parents) in all.into_iter().filter(|(item, _)| !visible.contains(item)) {
            all_hidden.insert(item);
            if !parents.iter().any(|parent| all_hidden.contains(parent)) {
                hidden.push(item);
            }
        }
    }
    Ok(hidden)
}

/// Copies one item, with its descendants. The copy is invisible as long as copies take.
///
/// # Errors
/// Those of [`Tree::copy_item`](crate::tree::Tree::copy_item): 404 if the item or the folder is not live;
/// 400 for a folder that is a file, the root folder and a name that cannot be stored; 409 if the name is
/// taken; 423 if the file that is replaced is locked; 507 for a full drive or disk; 500 if the storage
/// fails. The monitor reports them.
async fn copy_one(
    context: &DriveContext<'_>,
    target: &DriveContext<'_>,
    node: &Node,
    mut copy: ItemCopy,
) -> Result<Node> {
    // Folders cannot be overwritten.
    if copy.on_conflict == OnConflict::Replace && node.kind != NodeKind::File {
        copy.on_conflict = OnConflict::Fail;
    }
    let name = copy.name.as_deref().unwrap_or(&node.name);
    copy.guard = target.write_rights_for(copy.to, name).await?.guard();
    let to_drive = copy.to_drive;
    let copied = context.tree().copy_item(copy).await?;
    let duration = copy_duration(context);
    if !duration.is_zero() {
        context.tree().hide(to_drive, copied.no, Instant::now() + duration);
    }
    Ok(copied)
}

/// Copies the children of `folder` that the caller has access to, to the folder that `copy` names. Stops at the first child that
/// fails; the children copied before it remain. The outcome names the target folder, or the failure.
///
/// # Errors
/// 404 if the folder does not exist, 500 if it cannot be listed.
async fn copy_children(
    context: &DriveContext<'_>,
    target: &DriveContext<'_>,
    folder: &Node,
    copy: ItemCopy,
) -> Result<CopyOutcome> {
    // The list is complete before the first copy, because the target may be the same folder.
    let all = context.tree().children(context.drive(), folder.no, ListOptions::default()).await?;
    for child in &context.visible(all).await? {
        let excluded = hidden_below(context, child).await?;
        let one = ItemCopy { item: child.no, excluded, ..copy.clone() };
        if let Err(error) = copy_one(context, target, child, one).await {
            return Ok(CopyOutcome::failed(error));
        }
    }
    Ok(CopyOutcome::Completed(target.ids.item_id(copy.to)))
}

/// Opens the path of a monitor URL, with its prefix. Returns its claims; `None` if the path has
/// another prefix, the signature is not one of this server, or the URL has expired.
pub(super) fn open(state: &ServerState, path: &str) -> Option<CopyMonitor> {
    let signed = path.strip_prefix(PREFIX)?;
    let now = |claims: &CopyMonitor| state.scopes.now(&claims.0);
    state.signer.verify_at(Purpose::Monitor, signed, now).ok()
}

/// `GET` of a monitor URL: returns the state of the copy that the URL names.
///
/// # Errors
/// 404 if `monitor` is `None`, which [`open`] returns for a URL that is unsigned or expired; for a
/// URL that is not pre-authenticated those of [`GraphRequest::authorize_at_drive`].
pub(super) async fn status(
    request: &mut GraphRequest,
    monitor: Option<CopyMonitor>,
) -> Result<Response> {
    let CopyMonitor(account, outcome, options) = monitor.ok_or_else(Error::not_found)?;
    if options.needs_token {
        let account = request.state.accounts.open(&account).await?;
        request.authorize_at_drive(&account, Role::Read, None).await?;
    }
    let (status, mut body) = match (options.running.and_then(progress), outcome) {
        (Some(percentage), _) => (
            StatusCode::ACCEPTED,
            json!({"percentageComplete": percentage, "status": "inProgress"}),
        ),
        (None, CopyOutcome::Completed(id)) => (
            StatusCode::OK,
            json!({"percentageComplete": 100.0, "resourceId": id, "status": "completed"}),
        ),
        (None, CopyOutcome::Failed(code, message)) => (
            StatusCode::OK,
            json!({
                "percentageComplete": 0.0,
                "status": "failed",
                "error": {"code": code, "message": message},
            }),
        ),
    };
    body["operation"] = options.operation.name().into();
    body["@odata.context"] =
        request.base_url.url("/_api/v2.0/$metadata#oneDrive.asynchronousOperationStatus").into();
    Ok(response::json(status, &body))
}

/// Returns the percentage of a copy that is complete now, from 0 to 100 without fraction; `None` if
/// all of it is. `start` and `end` are the times of its begin and end.
fn progress((start, end): (Timestamp, Timestamp)) -> Option<f64> {
    let now = crate::account_scope::now();
    if now >= end {
        return None;
    }
    let (whole, done) = (end.duration_since(start), now.duration_since(start));
    Some((100.0 * done.as_secs_f64() / whole.as_secs_f64()).floor().clamp(0.0, 99.0))
}
