//! A file's bytes in one request (onedrive-graph#download, onedrive-graph#simple-upload).

use std::io;

use axum::{body::Body, response::Response};
use futures::TryStreamExt;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use super::{
    address::ItemAddress,
    body::on_conflict,
    children::occupied,
    contract::Payload,
    drive_context::{DriveContext, ItemWithPath},
    drive_item::planted,
    error::{Error, Result},
    items, reply,
    request::GraphRequest,
};
use crate::{
    download_urls,
    tree::{Bytestream, ChildName, NewItem, OnConflict, TreeError},
};

/// Bytes that one PUT may carry (onedrive-graph#simple-upload-limit).
pub(super) const LARGEST_PUT: u64 = 250 * 1024 * 1024;

/// `GET item/content`: where the bytes are.
pub(super) async fn get(scope: &DriveContext<'_>, address: &ItemAddress) -> Result<Response> {
    let ItemWithPath { node, .. } = scope.locate(address).await?;
    if planted(&node, "malware").is_some() && !takes_malware(scope.request)? {
        let found = HeaderName::from_static("x-virus-infected");
        let refusal = Error::new(
            StatusCode::FORBIDDEN,
            "malwareDetected",
            "The file is blocked: malware was detected in it.",
        );
        return Err(refusal.header(found, HeaderValue::from_static("true")));
    }
    let Some(path) = download_urls::path(&scope.request.state, &scope.account, &node, true) else {
        return Err(Error::invalid("The item has no content: it is not a file."));
    };
    if scope.if_none_match(&node) {
        return Ok(reply::empty(StatusCode::NOT_MODIFIED));
    }
    reply::elsewhere(StatusCode::FOUND, &scope.content_url(&path))
}

/// Whether a client asks for a file although malware was detected in it: `AVOverride=1` formerly,
/// `Prefer: forceInfectedDownload` now (onedrive-graph#malware).
fn takes_malware(request: &GraphRequest) -> Result<bool> {
    let preferred = request.header("prefer").is_some_and(|value| {
        value.split(',').any(|one| one.trim().eq_ignore_ascii_case("forceInfectedDownload"))
    });
    match request.query.get("AVOverride") {
        None => Ok(preferred),
        Some("1" | "true") => Ok(true),
        Some("0" | "false") => Ok(preferred),
        Some(other) => Err(Error::invalid(format!("AVOverride is 1 or 0, not {other:?}."))),
    }
}

/// `PUT item/content`: makes a file, or replaces the bytes of the one there.
pub(super) async fn put(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    // Consumers' storage takes a body that does not say how long it is, SharePoint's does not
    // (onedrive-graph#content-length-required, MicrosoftDocs/TeamBlogFeedback#27); the client
    // onedrive-api of npm sends all so.
    let says_length = scope.request.headers.contains_key(header::CONTENT_LENGTH);
    let most = match scope.kind.is_personal() && !says_length {
        true => LARGEST_PUT,
        false => scope.request.content_length()?,
    };
    if most > LARGEST_PUT {
        return Err(Error::too_large(LARGEST_PUT));
    }
    let behavior =
        scope.request.query.annotation("conflictBehavior").map(on_conflict).transpose()?;
    let spot = scope.spot(address).await?;
    spot.check(scope.kind, false)?;
    let expect = match &spot.occupant {
        Some(node) => {
            scope.check_unlocked(node)?;
            if node.content.is_none() {
                return Err(Error::name_taken());
            }
            scope.if_match(Some(node))?
        }
        None => scope.if_match(None)?,
    };
    let stored =
        scope.tree().store(bytes(payload.into_bytes()), most).await.map_err(
            |error| match error {
                TreeError::Body(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                    Error::too_large(LARGEST_PUT)
                }
                error => error.into(),
            },
        )?;
    let new = NewItem { folders: spot.missing, ..NewItem::default() };
    let written = match spot.occupant {
        // An item that is addressed by its id is replaced, wherever it has gone meanwhile.
        Some(node) if address.path.is_empty() => {
            let node = scope.tree().overwrite(scope.drive(), node.no, stored, new, expect).await?;
            return items::changed(scope, &ItemWithPath { node, above: spot.above }, false).await;
        }
        _ => {
            let behavior = behavior.unwrap_or(OnConflict::Replace);
            let (folder, name) = (spot.folder, &spot.name);
            let tree = scope.tree();
            let written = tree
                .put(ChildName::new(scope.drive(), folder, name), stored, new, behavior, expect)
                .await;
            written.map_err(occupied)?
        }
    };
    items::changed(scope, &ItemWithPath { node: written.node, above: spot.above }, written.created)
        .await
}

/// `POST item/preview`: a URL that shows the file, without a token and for a while. There are no
/// viewers here: what a browser does not show by itself it will offer to save.
pub(super) async fn preview(scope: &DriveContext<'_>, address: &ItemAddress) -> Result<Response> {
    let node = scope.locate(address).await?.node;
    let Some(path) = download_urls::path(&scope.request.state, &scope.account, &node, false) else {
        return Err(Error::invalid("Only files have a preview."));
    };
    let body = json!({
        "@odata.context": scope.request.url("/$metadata#microsoft.graph.itemPreviewInfo"),
        "getUrl": scope.content_url(&path),
    });
    Ok(reply::json(StatusCode::OK, &body))
}

/// A body as the tree takes it.
pub(super) fn bytes(body: Body) -> Bytestream {
    Box::pin(body.into_data_stream().map_err(std::io::Error::other))
}
