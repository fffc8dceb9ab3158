//! Bytes out.

use super::{
    drive::{LiveDrive, id_of, unconditional},
    item::is_folder_id,
};
use crate::{
    drive::{
        ByteRange, Conditions, Context, Download, DownloadUrl, Error, ErrorKind, Item, ItemKind,
        ItemRef, Result,
    },
    services::renewals::overtaken,
};

/// A file's bytes: one request with a download URL that still works, else two.
pub(super) async fn bytes(
    drive: &LiveDrive,
    cx: &Context,
    file: &ItemRef,
    known: Option<&Item>,
    range: ByteRange,
    conditions: &Conditions,
) -> Result<Download> {
    unconditional(conditions)?;
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
            // Expired, or the file is gone: the cloud itself will tell which.
            Err(error) if matches!(error.status(), Some(401 | 403 | 404 | 410)) => {}
            Err(error) => return Err(error),
            Ok(download) => return Ok(Download { download_url: Some(download_url), ..download }),
        }
    }
    let ask = drive.client.content_location(cx, id.as_str());
    let url = match known {
        Some(stale) => drive.renewals.renewed(id, |url| *url != stale.url, ask).await?,
        None => ask.await?,
    };
    let download = drive.client.source(cx, &url, &range, size).await.map_err(overtaken)?;
    Ok(Download { download_url: Some(DownloadUrl { url, expires: None }), ..download })
}
