//! Operations within the storage of one endpoint.

use std::{io, path::Path};

use futures::TryStreamExt;
use opendal::ErrorKind;

use crate::{
    endpoint::Endpoint,
    entry::TreeEntry,
    error::FailureCause,
    list,
    local::{self, blocking},
    version::FileVersion,
};

/// Creates a folder, and those above it.
///
/// # Errors
/// `Service`, `Disk`, or `Refused` for a path that the endpoint cannot have.
pub(crate) async fn create_folder(endpoint: &Endpoint, folder: &str) -> Result<(), FailureCause> {
    if let Some(path) = endpoint.local_path(folder)? {
        return blocking(move || Ok(std::fs::create_dir_all(path)?)).await;
    }
    Ok(endpoint.operator().create_dir(&endpoint.folder_path(folder)?).await?)
}

/// Deletes a file. A file that does not exist is no error.
///
/// # Errors
/// `Service`, `Disk`, or `Refused` for a path that the endpoint cannot have.
pub(crate) async fn delete_file(endpoint: &Endpoint, file: &str) -> Result<(), FailureCause> {
    if let Some(path) = endpoint.local_path(file)? {
        return blocking(move || Ok(local::remove(&path, false)?)).await;
    }
    Ok(endpoint.operator().delete(&endpoint.path(file)?).await?)
}

/// Deletes an empty folder. A folder that does not exist is no error.
///
/// # Errors
/// `Service` or `Disk`, for example if the folder is not empty; `Refused` for a path that the
/// endpoint cannot have.
pub(crate) async fn delete_folder(endpoint: &Endpoint, folder: &str) -> Result<(), FailureCause> {
    if let Some(path) = endpoint.local_path(folder)? {
        return blocking(move || Ok(local::remove(&path, true)?)).await;
    }
    let path = endpoint.folder_path(folder)?;
    if endpoint.features().deletes_recursively() && !is_empty(endpoint, &path).await? {
        return Err(FailureCause::refused("the folder is not empty"));
    }
    Ok(endpoint.operator().delete(&path).await?)
}

/// Returns whether a folder of a service has no entries. `path` is its path within the operator.
///
/// # Errors
/// `Service` if it cannot be listed.
async fn is_empty(endpoint: &Endpoint, path: &str) -> Result<bool, FailureCause> {
    let mut lister = endpoint.operator().lister(path).await?;
    while let Some(entry) = lister.try_next().await? {
        if entry.path() != path {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns whether the storage can copy a file without sending its content.
pub(crate) fn can_copy(endpoint: &Endpoint) -> bool {
    endpoint.is_local() || endpoint.operator().info().capability().copy
}

/// Returns whether the storage can rename a file.
pub(crate) fn can_rename(endpoint: &Endpoint) -> bool {
    endpoint.is_local() || endpoint.operator().info().capability().rename
}

/// Copies a file within one storage. A file at the new path is replaced. A local copy is written to
/// the disk.
///
/// # Errors
/// `Service`, `Disk`, or `Refused` for a path that an endpoint cannot have, and for a local file that
/// is not the listed version. The copy is then complete.
pub(crate) async fn copy(
    from: (&Endpoint, &str),
    to: (&Endpoint, &str),
    entry: &TreeEntry,
) -> Result<(), FailureCause> {
    if let (Some(source), Some(target)) = (from.0.local_path(from.1)?, to.0.local_path(to.1)?) {
        let root = to.0.local_root().map(Path::to_owned);
        let copy = move || local::copy_file(&source, &target, root.as_deref());
        let copied = blocking(copy).await?;
        return match copied.difference(entry) {
            None => Ok(()),
            Some(_) => Err(FailureCause::refused("the file changed after it was listed")),
        };
    }
    let (source, target) = (from.0.path(from.1)?, to.0.path(to.1)?);
    from.0.operator().copy(&source, &target).await?;
    Ok(())
}

/// Renames a file within one storage. A file at the new path is replaced.
///
/// # Errors
/// `Service`, `Disk`, or `Refused` for a path that an endpoint cannot have. If the paths are on
/// different local file systems, see [`is_other_device`].
pub(crate) async fn rename(
    from: (&Endpoint, &str),
    to: (&Endpoint, &str),
) -> Result<(), FailureCause> {
    if let (Some(source), Some(target)) = (from.0.local_path(from.1)?, to.0.local_path(to.1)?) {
        return blocking(move || Ok(local::rename(&source, &target)?)).await;
    }
    let (source, target) = (from.0.path(from.1)?, to.0.path(to.1)?);
    Ok(from.0.operator().rename(&source, &target).await?)
}

/// Returns whether a local file could not be renamed because the new path is on another file system.
pub(crate) fn is_other_device(cause: &FailureCause) -> bool {
    matches!(cause, FailureCause::Disk(error) if error.kind() == io::ErrorKind::CrossesDevices)
}

/// Returns the path of a file in the backup folder. An endpoint that is a file has its name there.
fn backup_path<'p>(target: &'p Endpoint, path: &'p str) -> &'p str {
    if path.is_empty() { target.file_name() } else { path }
}

/// Moves a file of the target to the backup folder.
///
/// # Errors
/// `Service`, `Disk`, or `Refused`, also if the file changed while it was copied. The file is then
/// still at its path, or a complete copy of it is in the backup folder.
pub(crate) async fn back_up(
    target: &Endpoint,
    backup: &Endpoint,
    path: &str,
    entry: &TreeEntry,
) -> Result<(), FailureCause> {
    let to = (backup, backup_path(target, path));
    if can_rename(target) {
        match rename((target, path), to).await {
            Err(cause) if is_other_device(&cause) => {}
            renamed => return renamed,
        }
    }
    copy((target, path), to, entry).await?;
    let now = list::stat(target, path).await?;
    if now.is_some_and(|now| FileVersion::from_entry(entry).difference(&now).is_some()) {
        return Err(FailureCause::refused("the file changed while it was copied to the backup"));
    }
    match delete_file(target, path).await {
        Err(FailureCause::Service(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
        deleted => deleted,
    }
}

/// Copies a file of the target to the backup folder, because it is about to be replaced.
///
/// # Errors
/// `Service`, `Disk`, or `Refused`. The file is still at its path.
pub(crate) async fn back_up_copy(
    target: &Endpoint,
    backup: &Endpoint,
    path: &str,
    entry: &TreeEntry,
) -> Result<(), FailureCause> {
    let to = (backup, backup_path(target, path));
    match can_copy(target) {
        true => copy((target, path), to, entry).await,
        false => rename((target, path), to).await,
    }
}
