//! A file's content: download URLs, downloads, upload in one request, previews
//! (onedrive-graph#download, onedrive-graph#simple-upload).

use std::io;

use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    address::ItemAddress,
    body::on_conflict,
    contract::Payload,
    drive_context::{DriveContext, ItemWithPath},
    error::{Error, Result},
    item_response::written,
    office_rewriting,
    request::GraphRequest,
    response,
    shortcuts::REMOTE_ITEM,
    stored_facets::stored_facet,
};
use crate::{
    content::{self, ContentRequest, LongSuffix, encoded},
    download_urls,
    item_activity::ItemActivity,
    tree::{ChildName, NewItem, Node, OnConflict, TreeError},
};

/// Maximum size of the body of one PUT, in bytes (onedrive-graph#simple-upload-limit).
pub(super) const MAX_PUT_SIZE: u64 = 250 * 1024 * 1024;

/// `GET item/content`: redirects to the file's download URL, or returns the bytes if the drive has
/// no pre-authenticated URLs.
///
/// # Errors
/// Those of [`stream`], and 400 if the request's host cannot be part of a URL.
pub(super) async fn get(context: &DriveContext<'_>, address: &ItemAddress) -> Result<Response> {
    if !context.pre_authenticates() {
        return stream(context, address).await;
    }
    let node = readable(context, address).await?;
    if context.if_none_match(&node) {
        return Ok(response::empty(StatusCode::NOT_MODIFIED));
    }
    let path = download_urls::path(&context.request.state, &context.account, &node, true);
    let path = path.ok_or(TreeError::NotAFile(node.no))?;
    context.count_activity(node.no, ItemActivity::Access);
    response::with_location(StatusCode::FOUND, &context.content_url(&path))
}

/// `GET item/contentStream`: returns the bytes of a file, or the range that the request wants.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 if the item is not a file, or
/// `AVOverride` has an unknown value; 403 if malware was detected in the file and the client does
/// not accept that; 412 if the content was replaced meanwhile; 500 if the storage fails.
pub(super) async fn stream(context: &DriveContext<'_>, address: &ItemAddress) -> Result<Response> {
    let node = readable(context, address).await?;
    if context.if_none_match(&node) {
        return Ok(response::empty(StatusCode::NOT_MODIFIED));
    }
    context.count_activity(node.no, ItemActivity::Access);
    bytes_response(context, &node).await
}

/// Returns the response with the bytes of a file, or the range that the request wants.
///
/// # Errors
/// 400 if the item is not a file; 412 if the content was replaced meanwhile; 500 if the storage
/// fails.
pub(super) async fn bytes_response(context: &DriveContext<'_>, node: &Node) -> Result<Response> {
    let request =
        ContentRequest { method: &context.request.method, headers: &context.request.headers };
    Ok(content::serve(context.tree(), node, request, true, LongSuffix::Refused).await?)
}

/// Returns the file at an address, if the client may download it.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 if the item is not a file, or
/// `AVOverride` has an unknown value; 403 if malware was detected in the file and the client does
/// not accept that.
async fn readable(context: &DriveContext<'_>, address: &ItemAddress) -> Result<Node> {
    let ItemWithPath { node, .. } = context.locate(address).await?;
    if stored_facet(&node, "malware").is_some() && !accepts_malware(context.request)? {
        let infected = HeaderName::from_static("x-virus-infected");
        let error = Error::new(
            StatusCode::FORBIDDEN,
            "malwareDetected",
            "The file is blocked: malware was detected in it.",
        );
        return Err(error.header(infected, HeaderValue::from_static("true")));
    }
    if stored_facet(&node, REMOTE_ITEM).is_some() {
        return Err(Error::invalid(
            "cannot read the content: the item is a shortcut, address the item of its remoteItem",
        ));
    }
    match node.content {
        Some(_) => Ok(node),
        None => Err(TreeError::NotAFile(node.no).into()),
    }
}

/// Returns whether a client accepts a file in which malware was detected. Older clients send
/// `AVOverride=1`, newer ones `Prefer: forceInfectedDownload` (onedrive-graph#malware).
///
/// # Errors
/// 400 for a value of `AVOverride` other than `1`, `true`, `0` and `false`.
fn accepts_malware(request: &GraphRequest) -> Result<bool> {
    let preferred = request.header("prefer").is_some_and(|value| {
        value.split(',').any(|one| one.trim().eq_ignore_ascii_case("forceInfectedDownload"))
    });
    match request.query.get("AVOverride") {
        None => Ok(preferred),
        Some("1" | "true") => Ok(true),
        Some("0" | "false") => Ok(preferred),
        Some(other) => Err(Error::invalid(format!(
            "cannot download the file: AVOverride {other:?} is not 1 or 0"
        ))),
    }
}

/// `PUT item/content`: creates a file, or replaces the content of an existing one.
///
/// # Errors
/// The errors of the address's anchor, as of [`DriveContext::locate`]; 400 for a name that is not
/// allowed, an unknown conflict behavior, the root folder, a file in the path, or a body that ends
/// early; 404 if an item that is addressed by its id was deleted meanwhile; 409 if the name is
/// taken or the item is no file; 411 on business drives without `Content-Length`; 412 if `If-Match`
/// names another version; 413 over [`MAX_PUT_SIZE`]; 423 if the file is locked; 507 if the file
/// does not fit into the drive's quota, or the disk of the storage is full; 403 if the file would be
/// created in a folder that the caller cannot change; 500 if the storage fails.
pub(super) async fn put(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    // Personal drives accept a body without Content-Length, SharePoint does not
    // (onedrive-graph#content-length-required, MicrosoftDocs/TeamBlogFeedback#27). The npm package
    // onedrive-api never sends the header.
    let has_length = context.request.headers.contains_key(header::CONTENT_LENGTH);
    let limit = match context.kind.is_personal() && !has_length {
        true => MAX_PUT_SIZE,
        false => context.request.content_length()?,
    };
    if limit > MAX_PUT_SIZE {
        return Err(Error::too_large(MAX_PUT_SIZE));
    }
    let behavior =
        context.request.query.annotation("conflictBehavior").map(on_conflict).transpose()?;
    let location = context.new_item_location(address).await?;
    location.check(context.kind, false)?;
    let expect = match &location.existing {
        Some(node) => {
            context.check_unlocked(node)?;
            if node.content.is_none() {
                return Err(Error::name_taken());
            }
            context.if_match(Some(node))?
        }
        None => context.if_match(None)?,
    };
    let rights = location.rights(context).await?;
    let body = payload.into_stream();
    let stored = context.tree().store(body, limit).await.map_err(|error| match error {
        TreeError::Body(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Error::too_large(MAX_PUT_SIZE)
        }
        error => error.into(),
    })?;
    let new = NewItem {
        guard: rights.guard(),
        folders: location.missing_folders,
        max_versions: context.max_versions(),
        ..NewItem::default()
    };
    let parent_path = location.parent_path;
    match location.existing {
        // An item that is addressed by its id is replaced even if another request moved it
        // meanwhile.
        Some(node) if address.path.is_empty() => {
            let node =
                context.tree().overwrite(context.drive(), node.no, stored, new, expect).await?;
            let node = office_rewriting::rewrite(context, node).await?;
            context.count_activity(node.no, ItemActivity::Edit);
            written(context, &ItemWithPath { node, parent_path }, false).await
        }
        _ => {
            let behavior = behavior.unwrap_or(OnConflict::Replace);
            let child = ChildName::new(context.drive(), location.folder, &location.name);
            let result = context.tree().put(child, stored, new, behavior, expect).await;
            let result = result.map_err(Error::from_write)?;
            let node = office_rewriting::rewrite(context, result.node).await?;
            context.count_activity(node.no, ItemActivity::of_write(result.created));
            written(context, &ItemWithPath { node, parent_path }, result.created).await
        }
    }
}

/// The body of `preview`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PreviewBody {
    /// The page to start at, a number or a text.
    page: Option<Value>,
    zoom: Option<f64>,
}

impl PreviewBody {
    /// Returns the fragment of the preview's URL, with which browsers open a page of a PDF file at a
    /// zoom level; empty without either.
    ///
    /// # Errors
    /// 400 for a page that is no number and no text, and a zoom level that is not above 0.
    fn fragment(&self) -> Result<String> {
        let mut parameters = Vec::new();
        match &self.page {
            None => {}
            Some(Value::String(page)) => parameters.push(format!("page={}", encoded(page))),
            Some(Value::Number(page)) => parameters.push(format!("page={page}")),
            Some(other) => {
                return Err(Error::invalid(format!(
                    "cannot preview page {other}: it is no number"
                )));
            }
        }
        match self.zoom {
            Some(zoom) if zoom > 0.0 => parameters.push(format!("zoom={zoom}")),
            None => {}
            Some(zoom) => {
                return Err(Error::invalid(format!(
                    "cannot preview at zoom {zoom}: it is not above 0"
                )));
            }
        }
        let hash = if parameters.is_empty() { "" } else { "#" };
        Ok(format!("{hash}{}", parameters.join("&")))
    }
}

/// `POST item/preview`: returns a short-lived download URL that needs no token, or one at the
/// drive's host that needs a token for SharePoint if the drive has no pre-authenticated URLs. The
/// server has no viewers: the browser decides whether it shows or saves the file. Page and zoom are
/// in the fragment of the URL.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 if the item is not a file, for a
/// body with a member of another type, and as of [`PreviewBody::fragment`].
pub(super) async fn preview(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let fragment = payload.parse::<PreviewBody>()?.fragment()?;
    let node = context.locate(address).await?.node;
    let Some(path) = download_urls::path(&context.request.state, &context.account, &node, false)
    else {
        return Err(Error::invalid("cannot preview the item: it is not a file"));
    };
    let url = match context.pre_authenticates() {
        true => context.content_url(&path),
        false => context.direct_relation_url(node.no, "/contentStream"),
    };
    let body = json!({
        "@odata.context": context.request.url("/$metadata#microsoft.graph.itemPreviewInfo"),
        "getUrl": format!("{url}{fragment}"),
    });
    Ok(response::json(StatusCode::OK, &body))
}
