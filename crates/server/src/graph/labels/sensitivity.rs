//! Sensitivity labels. Source: the reference's pages on `extractSensitivityLabels` and
//! `assignSensitivityLabel`.

use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{SENSITIVITY_LABEL, check_kind};
use crate::{
    account::Account,
    directory::ORGANIZATION as ONLY_TENANT,
    graph::{
        address::ItemAddress,
        contract::Payload,
        copy::{CopyOutcome, MonitoredOperation, monitor_url},
        drive_context::DriveContext,
        error::{Error, Result},
        response,
        stored_facets::{change_facets, stored_facet, with_facet},
    },
    tree::{Node, NodeKind},
};

/// Extensions of files that can have a sensitivity label. Source: "Enable sensitivity labels for files
/// in SharePoint and OneDrive", learn.microsoft.com.
const SUPPORTED: [&str; 13] = [
    "docx", "docm", "dotx", "dotm", "xlsx", "xlsm", "xlsb", "pptx", "pptm", "ppsx", "potx", "potm",
    "pdf",
];

/// The label of a file. Items store it, so the serialized names must not change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssignedLabel {
    sensitivity_label_id: String,
    assignment_method: AssignmentMethod,
    tenant_id: String,
}

/// How a label was assigned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum AssignmentMethod {
    #[default]
    Standard,
    Privileged,
    Auto,
}

/// The body of `assignSensitivityLabel`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssignBody {
    /// Empty to remove the label.
    sensitivity_label_id: Option<String>,
    #[serde(default)]
    assignment_method: Option<AssignmentMethod>,
    justification_text: Option<String>,
}

/// `POST item/extractSensitivityLabels`: returns the label of a file, in a list.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 if the item is no file whose format
/// can have labels.
pub(in crate::graph) async fn extract(
    context: &DriveContext<'_>,
    address: &ItemAddress,
) -> Result<Response> {
    let node = labelled_file(context, address).await?;
    let label = stored_facet(&node, SENSITIVITY_LABEL);
    let odata_context = "/$metadata#microsoft.graph.extractSensitivityLabelsResult";
    Ok(response::json(
        StatusCode::OK,
        &json!({
            "@odata.context": context.request.url(odata_context),
            "labels": label.into_iter().collect::<Vec<_>>(),
        }),
    ))
}

/// `POST item/assignSensitivityLabel`: sets or removes the label of a file, and responds with the URL of
/// a monitor.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 if the item is no file whose format
/// can have labels, for a label id that is no GUID, and for a removal without a justification; 423 if
/// the file is locked or checked out; 501 on personal drives; 503 if other requests keep changing the
/// file; 507 or 500 if the storage fails.
pub(in crate::graph) async fn assign(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    check_kind(context, "assignSensitivityLabel")?;
    let body: AssignBody = payload.parse()?;
    let id = body.sensitivity_label_id.ok_or_else(|| {
        Error::invalid("cannot assign a label: the body has no sensitivityLabelId")
    })?;
    if !id.is_empty() && !is_guid(&id) {
        let message = format!("cannot assign a label: sensitivityLabelId '{id}' is not a GUID");
        return Err(Error::invalid(message));
    }
    if id.is_empty() && body.justification_text.is_none_or(|text| text.trim().is_empty()) {
        return Err(Error::invalid("cannot remove the label: the body has no justificationText"));
    }
    let node = labelled_file(context, address).await?;
    let label = (!id.is_empty()).then(|| AssignedLabel {
        sensitivity_label_id: id,
        assignment_method: body.assignment_method.unwrap_or_default(),
        tenant_id: tenant_of(&context.account),
    });
    let label = label.and_then(|label| serde_json::to_value(label).ok());
    let node = change_facets(context, node, |node| {
        context.check_unlocked(node)?;
        Ok(with_facet(node, SENSITIVITY_LABEL, label.clone()))
    })
    .await?;
    let outcome = CopyOutcome::Completed(context.ids.item_id(node.no));
    let url = monitor_url(context, MonitoredOperation::AssignLabel, outcome);
    response::with_location(StatusCode::ACCEPTED, &url)
}

/// Returns the id of the tenant of an account. All accounts of a server without a directory have one
/// tenant.
fn tenant_of(account: &Account) -> String {
    match (&account.profile, &account.library) {
        (Some(profile), _) => profile.tenant.clone(),
        (None, Some(library)) => library.site.tenant.clone(),
        (None, None) => ONLY_TENANT.to_owned(),
    }
}

/// Returns whether a text is a GUID: hexadecimal digits and hyphens, as in
/// `5feba255-812e-446a-ac59-a7044ef827b5`.
fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// Returns the file at an address, whose format can have labels.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 for another item.
async fn labelled_file(context: &DriveContext<'_>, address: &ItemAddress) -> Result<Node> {
    let node = context.locate(address).await?.node;
    let extension = node.name.rsplit_once('.').map(|(_, extension)| extension);
    let is_supported = extension
        .is_some_and(|extension| SUPPORTED.iter().any(|one| extension.eq_ignore_ascii_case(one)));
    match node.kind {
        NodeKind::File if is_supported => Ok(node),
        _ => {
            let name = &node.name;
            let message = format!("cannot use labels of '{name}': its format has no labels");
            Err(Error::new(StatusCode::BAD_REQUEST, "notSupported", message))
        }
    }
}
