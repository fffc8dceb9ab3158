//! Handlers of the account: its endpoints, quota and usage (amazon-drive#endpoint-discovery,
//! amazon-drive#requests-account).

use axum::{http::StatusCode, response::Response};
use serde_json::json;

use super::{
    error::{AmazonError, Result},
    node::time,
    request::{AmazonRequest, BATCH},
    response::json_response,
    route::{CONTENT, METADATA},
};
use crate::{
    account_scope,
    tree::{ItemState, NodeKind},
};

/// Handles `GET account/endpoint`. On one of the vendor's host names, the response contains the
/// vendor's other host names, else the host of the request.
pub(super) fn endpoint(request: &AmazonRequest) -> Response {
    let is_vendor_host = request.base_url.host().ends_with(".amazonaws.com");
    let (content, metadata) = match is_vendor_host {
        true => (
            format!("https://content-na.drive.amazonaws.com{CONTENT}/"),
            format!("https://cdws.us-east-1.amazonaws.com{METADATA}/"),
        ),
        false => (
            request.base_url.url(&format!("{CONTENT}/")),
            request.base_url.url(&format!("{METADATA}/")),
        ),
    };
    json_response(
        StatusCode::OK,
        &json!({ "customerExists": true, "contentUrl": content, "metadataUrl": metadata }),
    )
}

/// Handles `GET account/info`: returns the status of the account, which is always active.
pub(super) fn info() -> Response {
    json_response(StatusCode::OK, &json!({ "termsOfUse": "1.0.0", "status": "ACTIVE" }))
}

/// Handles `GET account/quota`: returns the size of the drive and the available space in bytes.
///
/// # Errors
/// 404 if the drive was removed meanwhile; 500 if the storage fails.
pub(super) async fn quota(request: &AmazonRequest) -> Result<Response> {
    let drive = request.state.tree.drive_info(request.drive()).await;
    let drive = drive.map_err(|error| AmazonError::tree(error, "?"))?;
    Ok(json_response(
        StatusCode::OK,
        &json!({
            "quota": drive.quota,
            "lastCalculated": time(account_scope::now()),
            "available": drive.quota.saturating_sub(drive.used),
        }),
    ))
}

/// Handles `GET account/usage`: the number and the size of all live files, by category.
///
/// # Errors
/// 500 if the storage fails.
pub(super) async fn usage(request: &AmazonRequest) -> Result<Response> {
    let mut sums = [("other", (0u64, 0u64)), ("doc", (0, 0)), ("photo", (0, 0)), ("video", (0, 0))];
    let mut after = -1;
    loop {
        let batch = request.state.tree.changes(request.drive(), after, BATCH).await;
        let batch = batch.map_err(|error| AmazonError::tree(error, "?"))?;
        let full = batch.len() as u64 == BATCH;
        for node in batch {
            after = node.feed;
            if node.kind != NodeKind::File || node.state != ItemState::Live {
                continue;
            }
            let category = usage_category(node.media_type.as_deref().unwrap_or_default());
            if let Some((_, (bytes, count))) = sums.iter_mut().find(|(name, _)| *name == category) {
                *bytes += node.size;
                *count += 1;
            }
        }
        if !full {
            break;
        }
    }
    let mut body = json!({ "lastCalculated": time(account_scope::now()) });
    for (name, (bytes, count)) in sums {
        let amount = json!({ "bytes": bytes, "count": count });
        body[name] = json!({ "total": amount, "billable": amount });
    }
    Ok(json_response(StatusCode::OK, &body))
}

/// Returns the category of `account/usage` that counts a file: `photo`, `video`, `doc` or `other`.
/// `media_type` is the file's media type, and empty if it is unknown. Inferred: the cloud does not
/// document which types are documents.
pub(super) fn usage_category(media_type: &str) -> &'static str {
    match media_type.split_once('/') {
        Some(("image", _)) => "photo",
        Some(("video", _)) => "video",
        Some(("text", _)) => "doc",
        Some(("application", kind))
            if kind == "pdf"
                || kind == "rtf"
                || kind == "msword"
                || kind.starts_with("vnd.ms-")
                || kind.starts_with("vnd.openxmlformats-officedocument")
                || kind.starts_with("vnd.oasis.opendocument") =>
        {
            "doc"
        }
        _ => "other",
    }
}
