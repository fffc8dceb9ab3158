//! URLs that another program can use without a token.

use jiff::Timestamp;

use super::{
    address::Shortcut, capabilities::DOWNLOAD_URL_LIFETIME, download, session, state::GraphDrive,
};
use crate::drive::{
    Conditions, Context, DownloadUrl, Error, ErrorKind, ItemRef, Result, SessionLimits, Target,
    UploadUrl, WriteOptions,
};

/// Requests a new pre-authenticated download URL of a file, without a request for the content.
///
/// # Errors
/// `NotFound` if the file does not exist; `IsAFolder`; `Unsupported` for an item without content and
/// in a tenant whose download URLs need a token (onedrive-graph#graph-content-urls); [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn download_url(
    drive: &GraphDrive,
    cx: &Context,
    file: &ItemRef,
) -> Result<DownloadUrl> {
    let address = drive.address(cx, file, Shortcut::Follow).await?;
    let now = Timestamp::now();
    let item = download::get_item(drive, cx, &address, Conditions::NONE).await?;
    download::check_has_content(item.kind)?;
    let (_, url) = download::content_source(drive, cx, address, &item).await?;
    let Some(url) = url else { return Err(Error::unsupported("a download URL of this file")) };
    if drive.client.is_graph_url(&url.url) {
        return Err(token_needed("download"));
    }
    Ok(DownloadUrl { expires: now.checked_add(DOWNLOAD_URL_LIFETIME).ok(), ..url })
}

/// Opens an upload session that another program uses for the whole file, with one request.
///
/// # Errors
/// `InvalidInput` for an empty file and for one that is larger than a fragment; `Unsupported` in a
/// tenant whose upload sessions need a token; those of [`session::open`].
pub(super) async fn upload_url(
    drive: &GraphDrive,
    cx: &Context,
    target: &Target,
    total: u64,
    options: &WriteOptions,
) -> Result<UploadUrl> {
    let max =
        drive.capabilities.session.map_or(0, |SessionLimits { max_fragment, .. }| max_fragment);
    if total == 0 || total > max {
        let text = format!(
            "cannot create an upload URL for {total} bytes: one request of an upload session has \
             at least 1 and at most {max} bytes"
        );
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    let session = session::open(drive, cx, target, total, options).await?;
    if drive.client.may_need_token(&session.url) {
        let status = session::status(drive, cx, &session).await;
        if drive.client.uses_sharepoint_token() || status.is_err() {
            // The session expires if it cannot be cancelled.
            let _ = session::cancel(drive, cx, &session).await;
            status?;
            return Err(token_needed("upload"));
        }
    }
    let range = format!("bytes 0-{}/{total}", total - 1);
    let mut url = UploadUrl::new(session.url, total);
    url.headers.push(("Content-Range".to_owned(), range));
    url.expires = session.expires;
    Ok(url)
}

/// Returns the `Unsupported` error for a URL that needs a token. `purpose` is that of the URL.
fn token_needed(purpose: &str) -> Error {
    let text = format!(
        "cannot create a {purpose} URL for another program: this organization has retired \
         pre-authenticated URLs, so each request needs a token"
    );
    Error::new(ErrorKind::Unsupported, text)
}
