//! Versions of files: their metadata, and the methods of the handle for them.

use opendal::{Metadata, MetadataBuilder, Operator, raw::Timestamp};

use super::{DriveHandle, error::to_opendal, metadata, path::Path, state::AdapterState};
use crate::drive::{
    ByteRange, Conditions, Context, Download, Error, ErrorKind, FileVersion, Item, Result,
};

/// Returns the metadata of a version. `current` is the metadata of the file itself, if the caller has
/// it: the current version then has all of it.
pub(super) fn version_metadata(version: &FileVersion, current: Option<&Metadata>) -> Metadata {
    let mut metadata = match current.filter(|_| version.is_current) {
        Some(current) => current.clone().into_builder(),
        None => {
            let mut metadata = MetadataBuilder::file(version.size.unwrap_or_default());
            if let Some(modified) = version.modified {
                metadata.last_modified(Timestamp::from(modified));
            }
            if version.size.is_none() {
                metadata.user_metadata([metadata::unknown_size()]);
            }
            metadata
        }
    };
    metadata.version(&version.id);
    metadata.is_current(Some(version.is_current));
    metadata.build()
}

impl AdapterState {
    /// Returns the metadata of the version `id` of the file at a path.
    ///
    /// # Errors
    /// `NotFound` if the file or the version does not exist; `IsAFolder` for a folder; [request
    /// errors](crate::drive::Error#request-errors).
    pub(super) async fn stat_version(
        &self,
        cx: &Context,
        path: &Path,
        id: &str,
    ) -> Result<Metadata> {
        let (resolved, item) = self.request_item(cx, path, Conditions::NONE).await?;
        if item.is_folder() {
            return Err(super::error::is_a_folder("stat a version of", &item.name));
        }
        let versions = self.drive.versions(cx, &resolved.item_ref).await?;
        let Some(version) = versions.into_iter().find(|version| version.id == id) else {
            let text = format!("cannot find version {id} of {:?}", path.to_operator_path());
            return Err(Error::new(ErrorKind::NotFound, text));
        };
        Ok(version_metadata(&version, Some(&self.metadata(&item))))
    }

    /// Returns the metadata of an item.
    pub(super) fn metadata(&self, item: &Item) -> Metadata {
        metadata::from_item(item, self.capabilities().set_modified)
    }
}

impl DriveHandle {
    /// Returns the versions of the file at a path, newest first.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist, `IsADirectory` for a folder, `Unsupported` if the drive
    /// keeps no versions, and [request errors](crate::drive::Error#request-errors).
    pub async fn versions(
        &self,
        operator: &Operator,
        path: &str,
    ) -> opendal::Result<Vec<FileVersion>> {
        let (state, cx) = (&self.state, Self::context(operator));
        let path = state.find_path(&cx, path).await.map_err(to_opendal)?;
        let found =
            state.resolve(&cx, &path, state.settings.index_ttl).await.map_err(to_opendal)?;
        state.drive.versions(&cx, &found.item_ref).await.map_err(to_opendal)
    }

    /// Makes a copy of a version of the file at a path the current one. Newer versions are kept.
    /// `version` is a [`FileVersion::id`].
    ///
    /// # Errors
    /// `NotFound` if the file or the version does not exist, `Conflict` if the file is locked,
    /// `Unsupported` if the drive keeps no versions, and [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn restore_version(
        &self,
        operator: &Operator,
        path: &str,
        version: &str,
    ) -> opendal::Result<()> {
        let (state, cx) = (&self.state, Self::context(operator));
        let path = state.find_path(&cx, path).await.map_err(to_opendal)?;
        let max_age = super::state::DESTRUCTIVE_MAX_AGE;
        let resolved = state.resolve(&cx, &path, max_age).await.map_err(to_opendal)?;
        let restored = state.drive.restore_version(&cx, &resolved.item_ref, version).await;
        state.invalidate(&resolved);
        restored.map_err(to_opendal)
    }

    /// Deletes an old version of the file at a path. `version` is a [`FileVersion::id`].
    ///
    /// # Errors
    /// `NotFound` if the file or the version does not exist; `Unsupported` if the drive does not
    /// delete versions; [request errors](crate::drive::Error#request-errors), among them those for the
    /// current version, which cannot be deleted.
    pub async fn delete_version(
        &self,
        operator: &Operator,
        path: &str,
        version: &str,
    ) -> opendal::Result<()> {
        let (state, cx) = (&self.state, Self::context(operator));
        let path = state.find_path(&cx, path).await.map_err(to_opendal)?;
        let max_age = super::state::DESTRUCTIVE_MAX_AGE;
        let resolved = state.resolve(&cx, &path, max_age).await.map_err(to_opendal)?;
        let deleted = state.drive.delete_version(&cx, &resolved.item_ref, version).await;
        deleted.map_err(to_opendal)
    }

    /// Opens a stream of the bytes of a version of the file at a path. `version` is a
    /// [`FileVersion::id`].
    ///
    /// # Errors
    /// `NotFound` if the file or the version does not exist; `IsADirectory` for a folder;
    /// `Unsupported` if the drive keeps no versions; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn download_version(
        &self,
        operator: &Operator,
        path: &str,
        version: &str,
    ) -> opendal::Result<Download> {
        let (state, cx) = (&self.state, Self::context(operator));
        let path = state.find_path(&cx, path).await.map_err(to_opendal)?;
        let resolved =
            state.resolve(&cx, &path, state.settings.index_ttl).await.map_err(to_opendal)?;
        let file = &resolved.item_ref;
        let download = state.drive.download_version(&cx, file, version, ByteRange::Full).await;
        download.map_err(to_opendal)
    }
}
