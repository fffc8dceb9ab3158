//! Operations within the storage of one endpoint.

use opendal::ErrorKind;

use crate::{
    endpoint::Endpoint,
    entry::TreeEntry,
    error::FailureCause,
    local::{self, blocking},
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
    Ok(endpoint.operator().delete(&endpoint.folder_path(folder)?).await?)
}

/// Returns whether the storage can copy a file without sending its content.
pub(crate) fn can_copy(endpoint: &Endpoint) -> bool {
    endpoint.is_local() || endpoint.operator().info().capability().copy
}

/// Returns whether the storage can rename a file.
pub(crate) fn can_rename(endpoint: &Endpoint) -> bool {
    endpoint.is_local() || endpoint.operator().info().capability().rename
}

/// Copies a file within one storage. A file at the new path is replaced.
///
/// # Errors
/// `Service`, `Disk`, or `Refused` for a path that an endpoint cannot have.
pub(crate) async fn copy(
    from: (&Endpoint, &str),
    to: (&Endpoint, &str),
    entry: &TreeEntry,
) -> Result<(), FailureCause> {
    if let (Some(source), Some(target)) = (from.0.local_path(from.1)?, to.0.local_path(to.1)?) {
        let (size, time) = (entry.size, entry.modified);
        return blocking(move || {
            let copied = local::copy_file(&source, &target, time)?;
            match size.is_none_or(|size| size == copied) {
                true => Ok(()),
                false => Err(FailureCause::refused("the file changed while it was read")),
            }
        })
        .await;
    }
    let (source, target) = (from.0.path(from.1)?, to.0.path(to.1)?);
    from.0.operator().copy(&source, &target).await?;
    Ok(())
}

/// Moves a file within one storage. A file at the new path is replaced.
///
/// # Errors
/// `Service`, `Disk`, or `Refused` for a path that an endpoint cannot have.
pub(crate) async fn rename(
    from: (&Endpoint, &str),
    to: (&Endpoint, &str),
) -> Result<(), FailureCause> {
    if let (Some(source), Some(target)) = (from.0.local_path(from.1)?, to.0.local_path(to.1)?) {
        return blocking(move || Ok(local::move_file(&source, &target)?)).await;
    }
    let (source, target) = (from.0.path(from.1)?, to.0.path(to.1)?);
    Ok(from.0.operator().rename(&source, &target).await?)
}

/// Moves a file of the target to the backup folder.
///
/// # Errors
/// `Service`, `Disk`, or `Refused`. The file is then still at its path, or a complete copy of it is
/// in the backup folder.
pub(crate) async fn back_up(
    target: &Endpoint,
    backup: &Endpoint,
    path: &str,
    entry: &TreeEntry,
) -> Result<(), FailureCause> {
    if can_rename(target) {
        return rename((target, path), (backup, path)).await;
    }
    copy((target, path), (backup, path), entry).await?;
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
    match can_copy(target) {
        true => copy((target, path), (backup, path), entry).await,
        false => rename((target, path), (backup, path)).await,
    }
}
