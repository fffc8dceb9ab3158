//! Retention labels. The items in a folder have the folder's label, unless they have one of their own.
//! Source: the reference's pages on `getRetentionLabel`, `setRetentionLabel`, `removeRetentionLabel`
//! and `lockOrUnlockRecord`.

use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{RETENTION_LABEL, check_kind};
use crate::{
    account_scope,
    graph::{
        address::ItemAddress,
        contract::Payload,
        drive_context::DriveContext,
        error::{Error, Result},
        owner::AccountIdentity,
        response,
        stored_facets::{change_facets, stored_facet, with_facet},
        timestamp::format_time,
    },
    tree::Node,
};

/// A retention label of an item. Items store it, so the serialized names must not change.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct RetentionLabel {
    name: String,
    applied: Timestamp,
    /// The account that applied it; `None` for an application's own token.
    by: Option<String>,
    #[serde(default)]
    is_locked: bool,
}

/// The body of a PATCH.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LabelBody {
    name: Option<String>,
    retention_settings: Option<RetentionSettings>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetentionSettings {
    is_record_locked: Option<bool>,
}

impl RetentionLabel {
    /// Returns the label of the item itself; `None` if it has none.
    fn of(node: &Node) -> Option<Self> {
        serde_json::from_value(stored_facet(node, RETENTION_LABEL)?.clone()).ok()
    }

    /// Returns the label of an item, which may be that of a folder above, and whether it is the item's
    /// own.
    ///
    /// # Errors
    /// 404 if a folder above was removed meanwhile, 500 if the storage fails.
    async fn effective(context: &DriveContext<'_>, node: &Node) -> Result<Option<(Self, bool)>> {
        let (mut node, mut is_own) = (node.clone(), true);
        loop {
            if let Some(label) = Self::of(&node) {
                return Ok(Some((label, is_own)));
            }
            let Some(folder) = node.parents.first() else { return Ok(None) };
            node = context.tree().node(context.drive(), *folder).await?;
            is_own = false;
        }
    }

    /// Returns the resource of the label. `is_own` is whether it is not that of a folder above.
    ///
    /// # Errors
    /// 507 or 500 if the account that applied the label cannot be opened.
    async fn describe(&self, context: &DriveContext<'_>, is_own: bool) -> Result<Value> {
        let is_changeable = !self.is_locked;
        let mut resource = json!({
            "name": self.name,
            "retentionSettings": {
                "behaviorDuringRetentionPeriod": "retain",
                "isDeleteAllowed": is_changeable,
                "isRecordLocked": self.is_locked,
                "isMetadataUpdateAllowed": is_changeable,
                "isContentUpdateAllowed": is_changeable,
                "isLabelUpdateAllowed": is_changeable,
            },
            "isLabelAppliedExplicitly": is_own,
            "labelAppliedDateTime": format_time(context.kind, self.applied),
        });
        if let Some(name) = &self.by {
            let account = context.request.state.accounts.open(name).await?;
            let identity = AccountIdentity::new(context.request.kind(&account), &account);
            resource["labelAppliedBy"] = identity.identity_set(None);
        }
        Ok(resource)
    }
}

/// Returns whether an item is a locked record.
pub(in crate::graph) fn is_locked(node: &Node) -> bool {
    RetentionLabel::of(node).is_some_and(|label| label.is_locked)
}

/// Returns the resource of an item's label for `$expand`; null if the item has none.
///
/// # Errors
/// 404 if a folder above was removed meanwhile; 507 or 500 if the storage fails.
pub(in crate::graph) async fn expand(context: &DriveContext<'_>, node: &Node) -> Result<Value> {
    match RetentionLabel::effective(context, node).await? {
        Some((label, is_own)) => label.describe(context, is_own).await,
        None => Ok(Value::Null),
    }
}

/// `GET item/retentionLabel`: returns the label of an item or of the nearest folder above with a label.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 404 if the item has no label (inferred);
/// 501 on personal drives; 507 or 500 if the storage fails.
pub(in crate::graph) async fn get(
    context: &DriveContext<'_>,
    address: &ItemAddress,
) -> Result<Response> {
    check_kind(context, RETENTION_LABEL)?;
    let node = context.locate(address).await?.node;
    let effective = RetentionLabel::effective(context, &node).await?;
    let (label, is_own) = effective.ok_or_else(Error::not_found)?;
    respond(context, StatusCode::OK, &label, is_own).await
}

/// `PATCH item/retentionLabel`: applies a label, or locks or unlocks the record. A record in a folder
/// with a label gets the label as its own.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 for a body without a name and a lock,
/// and for a lock of an item without a label; 423 if another label is applied to a locked record; 501 on
/// personal drives; 503 if other requests keep changing the item; 507 or 500 if the storage fails.
pub(in crate::graph) async fn set(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    check_kind(context, RETENTION_LABEL)?;
    let body: LabelBody = payload.parse()?;
    let name = body.name.filter(|name| !name.is_empty());
    let lock = body.retention_settings.and_then(|settings| settings.is_record_locked);
    if name.is_none() && lock.is_none() {
        let message = "cannot change the label: the body has no name and no isRecordLocked";
        return Err(Error::invalid(message));
    }
    let node = context.locate(address).await?.node;
    let inherited = RetentionLabel::effective(context, &node).await?.map(|(label, _)| label);
    let grant = context.request.valid_grant()?;
    let by = (!grant.is_app).then(|| grant.account.clone());
    let is_first = RetentionLabel::of(&node).is_none();
    let label_of = |node: &Node| -> Result<RetentionLabel> {
        let current = RetentionLabel::of(node).or_else(|| inherited.clone());
        let mut label = match (&name, current) {
            (Some(name), Some(current)) if current.is_locked && *name != current.name => {
                return Err(locked());
            }
            (None, None) => {
                return Err(Error::invalid("cannot lock the record: the item has no label"));
            }
            (Some(name), current) => RetentionLabel {
                name: name.clone(),
                applied: account_scope::now(),
                by: by.clone(),
                is_locked: current.is_some_and(|label| label.is_locked),
            },
            (None, Some(current)) => current,
        };
        label.is_locked = lock.unwrap_or(label.is_locked);
        Ok(label)
    };
    let node = change_facets(context, node, |node| {
        let label = serde_json::to_value(label_of(node)?).ok();
        Ok(with_facet(node, RETENTION_LABEL, label))
    })
    .await?;
    let status = if is_first && name.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    let label = RetentionLabel::of(&node).ok_or_else(Error::not_found)?;
    respond(context, status, &label, true).await
}

/// `DELETE item/retentionLabel`: removes the label of the item itself.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 404 if the item itself has no label; 423
/// for a locked record; 501 on personal drives; 503 if other requests keep changing the item; 507 or 500
/// if the storage fails.
pub(in crate::graph) async fn remove(
    context: &DriveContext<'_>,
    address: &ItemAddress,
) -> Result<Response> {
    check_kind(context, RETENTION_LABEL)?;
    let node = context.locate(address).await?.node;
    change_facets(context, node, |node| {
        let label = RetentionLabel::of(node).ok_or_else(Error::not_found)?;
        match label.is_locked {
            true => Err(locked()),
            false => Ok(with_facet(node, RETENTION_LABEL, None)),
        }
    })
    .await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Returns 423 for a change of a locked record's label.
fn locked() -> Error {
    Error::locked("cannot change the label: the record is locked")
}

/// Returns the response with a label.
///
/// # Errors
/// Those of [`RetentionLabel::describe`].
async fn respond(
    context: &DriveContext<'_>,
    status: StatusCode,
    label: &RetentionLabel,
    is_own: bool,
) -> Result<Response> {
    let mut resource = label.describe(context, is_own).await?;
    let odata_context = "/$metadata#microsoft.graph.itemRetentionLabel";
    resource["@odata.context"] = context.request.url(odata_context).into();
    Ok(response::json(status, &context.request.selection.project_resource(resource)))
}
