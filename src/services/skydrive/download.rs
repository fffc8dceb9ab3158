//! Downloads by pre-authenticated URLs.

use super::{
    item::{id_of, is_folder_id, reject_conditions},
    state::LiveDrive,
};
use crate::{
    drive::{Context, Download, DownloadRequest, DownloadUrl, Error, ErrorKind, ItemKind, Result},
    services::url_refresher::as_conflict,
};

/// Downloads a range of a file: in one request with a URL from `known` that has not expired, in two
/// without one, in three after the URL has expired.
///
/// # Errors
/// `NotFound` if the file does not exist, `IsAFolder` for a folder, `Unsupported` for a notebook
/// that `known` describes, for conditions and for a reference by path, `RangeNotSatisfied` if the
/// range begins after the end of the file, `Conflict` if the file was replaced between two
/// requests, and [request errors](crate::drive::Error#request-errors).
pub(super) async fn download(
    drive: &LiveDrive,
    cx: &Context,
    request: DownloadRequest<'_>,
) -> Result<Download> {
    let DownloadRequest { file, known, range, conditions } = request;
    reject_conditions(conditions)?;
    let id = id_of(file)?;
    if is_folder_id(id) {
        return Err(Error::new(ErrorKind::IsAFolder, "a folder has no content"));
    }
    if known.is_some_and(|item| item.kind == ItemKind::Opaque) {
        return Err(Error::unsupported("the content of a notebook"));
    }
    let size = known.and_then(|item| item.size);
    let known = known.and_then(|item| item.download_url.clone());
    if let Some(download_url) = known.clone() {
        match drive.client.source(cx, &download_url.url, &range, size).await {
            // The URL has expired or the file is deleted; the API's response shows which.
            Err(error) if matches!(error.status(), Some(401 | 403 | 404 | 410)) => {}
            Err(error) => return Err(error),
            Ok(download) => return Ok(Download { download_url: Some(download_url), ..download }),
        }
    }
    let location = drive.client.content_location(cx, id.as_str());
    let url = match known {
        Some(stale) => drive.url_refresher.refresh(id, |url| *url != stale.url, location).await?,
        None => location.await?,
    };
    let download = drive.client.source(cx, &url, &range, size).await.map_err(as_conflict)?;
    Ok(Download { download_url: Some(DownloadUrl { url, expires: None }), ..download })
}
