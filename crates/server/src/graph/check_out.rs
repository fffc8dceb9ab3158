//! Check-out and check-in of files of business drives and libraries (onedrive-graph#versions).
//!
//! While a file is checked out, only the caller of the check-out can change the file; others get 423.
//! Until the check-in, others see the version of the check-out.

use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    address::ItemAddress,
    contract::Payload,
    drive_context::DriveContext,
    error::{Error, Result},
    response,
    stored_facets::{change_facets, stored_facet, with_facet},
    versions,
};
use crate::{
    download_urls::SHOWN_VERSION,
    tree::{DriveKey, Node, NodeKind, Tree, TreeError, VERSION_COMMENT},
};

/// Facet with the check-out of a file.
pub(super) const CHECKED_OUT: &str = "checkedOut";

/// The check-out of a file. Items store it, so the serialized names must not change.
#[derive(Debug, Serialize, Deserialize)]
struct CheckOut {
    /// The caller, as of [`DriveContext::caller`].
    by: String,
    /// The displayed name of the caller.
    name: String,
    /// The version of the file at the check-out.
    revision: i64,
}

/// The body of `checkin`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckInBody {
    comment: Option<String>,
    check_in_as: Option<String>,
}

impl CheckOut {
    /// Returns the check-out of a file; `None` if it is not checked out.
    fn of(node: &Node) -> Option<Self> {
        serde_json::from_value(stored_facet(node, CHECKED_OUT)?.clone()).ok()
    }
}

/// `POST item/checkout`: checks a file out.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 if the item is not a file; 423 if
/// it is locked or checked out; 501 on personal drives; 503 if other requests keep changing the
/// file; 507 if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn check_out(
    context: &DriveContext<'_>,
    address: &ItemAddress,
) -> Result<Response> {
    let node = file(context, address, "checkout").await?;
    let (by, name) = (context.caller()?, caller_name(context).await?);
    change_facets(context, node, |node| {
        context.check_unlocked(node)?;
        if CheckOut::of(node).is_some() {
            return Err(Error::locked("cannot check the file out: it is checked out already"));
        }
        let (by, name) = (by.clone(), name.clone());
        Ok(with_check_out(node, Some(&CheckOut { by, name, revision: node.revision })))
    })
    .await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// `POST item/checkin`: ends the check-out of a file. The comment belongs to its current version.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 if the item is not a file or not
/// checked out, and for a `checkInAs` other than `published` and `unspecified`; 423 if it is locked
/// or checked out by another caller; 501 on personal drives; 503 if other requests keep changing the
/// file; 507 if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn check_in(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: CheckInBody = payload.parse()?;
    if let Some(other) = body.check_in_as.as_deref()
        && !matches!(other, "" | "published" | "unspecified")
    {
        return Err(Error::invalid(format!(
            "cannot check the file in: checkInAs {other:?} is not published or unspecified"
        )));
    }
    let node = file(context, address, "checkin").await?;
    let comment = body.comment.filter(|comment| !comment.is_empty());
    change_facets(context, node, |node| {
        own_check_out(context, node)?;
        let mut facets = with_check_out(node, None);
        facets.insert(VERSION_COMMENT.into(), comment.clone().into());
        Ok(facets)
    })
    .await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// `POST item/discardCheckout`: ends the check-out of a file, and restores the bytes that it had
/// before. The versions since are deleted.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 if the item is not a file or not
/// checked out; 404 if the version before was deleted meanwhile; 423 if another user has checked it
/// out: an application's own token can discard any check-out (onedrive-graph#discard-checkout); 501
/// on personal drives; 503 if other requests keep changing the file; 507 if the disk of the storage
/// is full; 500 if the storage fails.
pub(super) async fn discard(context: &DriveContext<'_>, address: &ItemAddress) -> Result<Response> {
    let node = file(context, address, "discardCheckout").await?;
    let check_out = match context.request.valid_grant()?.is_app {
        true => CheckOut::of(&node).ok_or_else(not_checked_out)?,
        false => own_check_out(context, &node)?,
    };
    let (tree, drive) = (context.tree(), context.drive());
    let node = match node.revision == check_out.revision {
        true => node,
        // First: if the server stops here, the file is still checked out.
        false => tree.roll_back(drive, node.no, check_out.revision).await?,
    };
    change_facets(context, node, |node| Ok(with_check_out(node, None))).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Checks that a file is not checked out by another caller.
///
/// # Errors
/// 423 if it is; 401 if the file is checked out and the request has no valid token.
pub(super) fn check_not_by_another(context: &DriveContext<'_>, node: &Node) -> Result<()> {
    match CheckOut::of(node) {
        Some(check_out) if check_out.by != context.caller()? => Err(by_another(&check_out)),
        _ => Ok(()),
    }
}

/// Returns whether a file is checked out by another caller than `caller`, which is `None` for a request
/// without a token.
pub(super) fn is_by_another(node: &Node, caller: Option<&str>) -> bool {
    CheckOut::of(node).is_some_and(|check_out| Some(check_out.by.as_str()) != caller)
}

/// Returns an item as a caller sees it: a file that another caller has checked out and changed has the
/// bytes of the check-out, unless that version was deleted. `caller` is as of [`DriveContext::caller`];
/// `None` for a request without a token.
///
/// # Errors
/// Storage errors.
pub(super) async fn published(
    tree: &Tree,
    drive: DriveKey,
    node: Node,
    caller: Option<&str>,
) -> std::result::Result<Node, TreeError> {
    let Some(check_out) = CheckOut::of(&node) else { return Ok(node) };
    if caller == Some(check_out.by.as_str()) || node.revision == check_out.revision {
        return Ok(node);
    }
    match tree.version(drive, node.no, check_out.revision).await {
        Ok(version) => {
            let mut shown = versions::as_node(&node, &version);
            shown.revision = version.no;
            shown.facets.insert(SHOWN_VERSION.to_owned(), version.no.into());
            Ok(shown)
        }
        Err(TreeError::NotFound) => Ok(node),
        Err(error) => Err(error),
    }
}

impl DriveContext<'_> {
    /// Returns an item as the caller sees it, as of [`published`].
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn published(&self, node: Node) -> Result<Node> {
        let caller = self.caller().ok();
        Ok(published(self.tree(), self.drive(), node, caller.as_deref()).await?)
    }
}

/// Returns the publication facet of a file: whether it is checked out, and the current version.
pub(super) fn publication(node: &Node) -> Value {
    let check_out = CheckOut::of(node);
    let level = if check_out.is_some() { "checkout" } else { "published" };
    let mut facet = json!({"level": level, "versionId": format!("{}.0", node.revision)});
    if let Some(check_out) = check_out {
        facet["checkedOutBy"] = json!({"user": {"displayName": check_out.name}});
    }
    facet
}

/// Returns the file at an address on a business drive or library. `action` is the name of the
/// request.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 if the item is not a file; 404 if it was
/// deleted meanwhile; 501 on personal drives.
async fn file(context: &DriveContext<'_>, address: &ItemAddress, action: &str) -> Result<Node> {
    if context.kind.is_personal() {
        let message = format!("{action} is not supported for this account.");
        return Err(Error::not_supported(message));
    }
    let item = context.locate(address).await?.node.no;
    // The caller may see another version than the current one.
    let node = context.tree().node(context.drive(), item).await?;
    match node.kind {
        NodeKind::File => Ok(node),
        NodeKind::Folder | NodeKind::Notebook => {
            Err(Error::invalid(format!("cannot apply {action}: the item is not a file")))
        }
    }
}

/// Returns the check-out of a file by the caller.
///
/// # Errors
/// 400 if the file is not checked out; 401 if the request has no valid token; 423 if the file is
/// locked or checked out by another caller.
fn own_check_out(context: &DriveContext<'_>, node: &Node) -> Result<CheckOut> {
    context.check_unlocked(node)?;
    CheckOut::of(node).ok_or_else(not_checked_out)
}

/// Returns 400 for a file that is not checked out.
fn not_checked_out() -> Error {
    Error::invalid("The file is not checked out.")
}

/// Returns 423 for a file that another caller has checked out.
fn by_another(check_out: &CheckOut) -> Error {
    let name = &check_out.name;
    Error::locked(format!("cannot change the file: it is checked out by {name}"))
        .inner("lockOwnerMismatch")
}

/// Returns the displayed name of the caller.
///
/// # Errors
/// 401 if the request has no valid token; 507 if the caller's drive cannot be created because the
/// disk of the storage is full; 500 if the storage fails.
async fn caller_name(context: &DriveContext<'_>) -> Result<String> {
    let grant = context.request.valid_grant()?;
    if grant.is_app {
        return Ok(grant.client.clone().unwrap_or_default());
    }
    let account = context.request.state.accounts.open(&grant.account).await?;
    Ok(account.display_name().to_owned())
}

/// Returns the item's facets with another check-out, in the form of
/// [`Change::facets`](crate::tree::Change::facets).
fn with_check_out(node: &Node, check_out: Option<&CheckOut>) -> Map<String, Value> {
    with_facet(node, CHECKED_OUT, check_out.and_then(|it| serde_json::to_value(it).ok()))
}
