//! Versions of files (onedrive-graph#versions).
//!
//! Graph numbers the versions of a file. The metadata of an item does not contain the number of its
//! current version, so only a list of the versions returns ids.

use super::{
    address::{Address, Shortcut},
    download,
    model::FileVersionResource,
    state::GraphDrive,
};
use crate::drive::{
    ByteRange, Conditions, Context, Download, DownloadRequest, Error, ErrorKind, FileVersion,
    ItemKind, ItemRef, PageGuard, Result,
};

/// Returns all versions of a file, newest first. The first one is the current version.
///
/// # Errors
/// `NotFound` if the file does not exist; `IsAFolder` for a folder; [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn list(
    drive: &GraphDrive,
    cx: &Context,
    file: &ItemRef,
) -> Result<Vec<FileVersion>> {
    let address = drive.address(cx, file, Shortcut::Follow).await?;
    let mut page = match drive.client.versions(cx, &address).await {
        Ok(page) => page,
        Err(error) => return Err(explain(drive, cx, &address, error).await),
    };
    let (mut versions, mut guard) = (Vec::new(), PageGuard::default());
    loop {
        guard.record(page.value.len(), page.next.as_ref())?;
        versions.append(&mut page.value);
        match page.next {
            Some(next) => page = drive.client.versions_page(cx, &next).await?,
            None => break,
        }
    }
    let versions = versions.into_iter().enumerate();
    Ok(versions.map(|(number, version)| convert(version, number == 0)).collect())
}

/// Converts a version of a response.
fn convert(version: FileVersionResource, is_current: bool) -> FileVersion {
    FileVersion {
        id: version.id,
        size: version.size,
        modified: version.last_modified_date_time,
        is_current,
    }
}

/// Downloads bytes of a version. The current version is that of the file itself: Graph rejects a
/// request for its content by number.
///
/// # Errors
/// `NotFound` if the file or the version does not exist; `IsAFolder`; `RangeNotSatisfied` if the range
/// starts after the end; [request errors](crate::drive::Error#request-errors).
pub(super) async fn download(
    drive: &GraphDrive,
    cx: &Context,
    file: &ItemRef,
    version: &str,
    range: ByteRange,
) -> Result<Download> {
    let address = drive.address(cx, file, Shortcut::Follow).await?;
    let rejected = match drive.client.version_content(cx, &address, version, &range, None).await {
        Err(error) if is_current_version_error(&error) => error,
        result => return result,
    };
    let current = list(drive, cx, file).await?.into_iter().find(|it| it.is_current);
    if current.is_none_or(|current| current.id != version) {
        return Err(explain(drive, cx, &address, rejected).await);
    }
    // A newer version has another etag.
    let item = download::get_item(drive, cx, &address, Conditions::NONE).await?;
    let conditions = Conditions { if_match: item.etag, if_none_match: None };
    let request = DownloadRequest::new(file).with_range(range).with_conditions(&conditions);
    download::download(drive, cx, &request).await
}

/// Returns whether a request for the content of a version may have failed because it is the current
/// one.
fn is_current_version_error(error: &Error) -> bool {
    error.status() == Some(400) || error.kind() == ErrorKind::Unsupported
}

/// Makes a copy of a version the current one.
///
/// # Errors
/// `NotFound` if the file or the version does not exist; `Conflict` if the file is locked; [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn restore(
    drive: &GraphDrive,
    cx: &Context,
    file: &ItemRef,
    version: &str,
) -> Result<()> {
    let address = drive.address(cx, file, Shortcut::Follow).await?;
    match drive.client.restore_version(cx, &address, version).await {
        Err(error) => Err(explain(drive, cx, &address, error).await),
        restored => restored,
    }
}

/// Deletes a version.
///
/// # Errors
/// `NotFound` if the file or the version does not exist; `Unsupported` in a drive that is known to be
/// a personal one; [request errors](crate::drive::Error#request-errors), also for the current version.
pub(super) async fn delete(
    drive: &GraphDrive,
    cx: &Context,
    file: &ItemRef,
    version: &str,
) -> Result<()> {
    if drive.kind.is_some_and(super::AccountKind::is_personal) {
        return Err(Error::unsupported("the deletion of versions in personal drives"));
    }
    let address = drive.address(cx, file, Shortcut::Follow).await?;
    match drive.client.delete_version(cx, &address, version).await {
        Err(error) => Err(explain(drive, cx, &address, error).await),
        deleted => deleted,
    }
}

/// Refines the error of a request for versions: `IsAFolder` if the item is a folder, and those of a
/// drive that does not exist.
async fn explain(drive: &GraphDrive, cx: &Context, address: &Address, error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => drive.item_error(cx, address, error).await,
        _ if error.status() == Some(400) => {
            match download::get_item(drive, cx, address, Conditions::NONE).await {
                Ok(item) if item.kind == ItemKind::Folder => error.with_kind(ErrorKind::IsAFolder),
                _ => error,
            }
        }
        _ => error,
    }
}
