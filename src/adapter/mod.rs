//! The adapter: makes any [`Drive`] an OpenDAL service.
//!
//! [`DriveService`] implements [`opendal::raw::Service`]. Each of its operations has a file:
//! reading, writing, listing, deleting, renaming, copying. Below them are the resolution of paths
//! to items, the index that caches items, the task that owns an upload, and the spool for files
//! whose size is not known yet. The adapter resumes interrupted reads and uploads and falls back to
//! other requests. It does not retry, which is the job of the layers, and it knows no protocol.

mod announce;
mod body;
#[cfg(feature = "layers-cache")]
mod changes;
mod channel;
mod conditions;
mod content_version;
mod copy;
mod copy_folder;
mod delete;
mod download;
mod error;
mod failures;
mod file;
mod file_snapshot;
mod folders;
mod fragment_size;
mod handle;
mod index;
pub(crate) mod key_locks;
mod left_out;
mod list;
mod list_entries;
mod list_job;
mod metadata;
mod name_encoding;
mod operator;
mod options;
mod path;
mod path_registry;
mod presign;
mod read;
mod rename;
mod resolve;
mod saved_upload;
mod session;
mod spool;
mod state;
mod stream_buffer;
#[cfg(test)]
mod tests;
mod tree_assembler;
mod upload;
mod upload_task;
mod versions;
mod walk;
mod write;

use std::{sync::Arc, time::Duration};

use opendal::{
    Capability, Error, ErrorKind, OperationContext, Result,
    raw::{
        OpCompose, OpCopy, OpCreateDir, OpList, OpPresign, OpRead, OpRename, OpRestore, OpStat,
        OpWrite, RpCreateDir, RpPresign, RpRename, RpRestore, RpStat, Service, ServiceInfo,
        normalize_root,
    },
};

#[cfg(any(test, feature = "services-skydrive", feature = "testing"))]
pub(crate) use self::spool::slice;
pub use self::{
    announce::{Announce, announce},
    copy::DriveCopier,
    delete::DriveDeleter,
    file::{FileUpload, UploadedFile},
    handle::{ChangeStream, ChangesSince, DriveHandle, ItemPaths, ItemStream},
    left_out::{LeftOut, Twin},
    list::DriveLister,
    metadata::known_size,
    name_encoding::{NameEncoding, ParseEncodingError, local_name_from_path, path_name_from_local},
    read::{DriveReader, DriveStream},
    saved_upload::SavedUpload,
    write::DriveWriter,
};
use self::{
    conditions::TimeConditions,
    error::to_opendal,
    state::{AdapterState, if_exists},
};
use crate::drive::{Conditions, Context, Drive};

/// The configuration of a [`DriveService`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceSettings {
    /// The scheme of the service, which is its name in OpenDAL.
    pub scheme: &'static str,
    /// The name of the account or drive, for people. It may be empty.
    pub name: String,
    /// The folder that paths are relative to; `/` is the whole drive. The first write creates it.
    pub root: String,
    /// The maximum age of a cached item. A drive that is addressed by id may resolve a path to the
    /// item that it meant at most this long ago. With zero, each operation resolves its path from
    /// the root. The default is 10 s.
    pub index_ttl: Duration,
    /// The maximum number of concurrent requests of a recursive listing. The default is 8.
    pub concurrent_lists: usize,
    /// Whether reads compare the bytes with the size and the hash that the cloud has of the file.
    /// The default is true. See also [`DriveHandle::set_checked_reads`].
    pub checked_reads: bool,
    /// The mapping of names that the cloud forbids. `None`, the default, maps none: such a name is an
    /// error.
    pub name_encoding: Option<NameEncoding>,
}

impl ServiceSettings {
    /// Returns the default settings, for the whole drive.
    pub fn new(scheme: &'static str, name: impl Into<String>) -> Self {
        Self {
            scheme,
            name: name.into(),
            root: "/".to_owned(),
            index_ttl: Duration::from_secs(10),
            concurrent_lists: 8,
            checked_reads: true,
            name_encoding: None,
        }
    }
}

/// An OpenDAL service for a [`Drive`].
#[derive(Clone, Debug)]
pub struct DriveService {
    state: Arc<AdapterState>,
}

impl DriveService {
    /// Creates a service. Sends no request.
    pub fn new(drive: Arc<dyn Drive>, settings: ServiceSettings) -> Self {
        let settings = ServiceSettings { root: normalize_root(&settings.root), ..settings };
        Self { state: Arc::new(AdapterState::new(drive, settings)) }
    }

    /// Returns a handle for the features of the drive that OpenDAL has no operation for. Take it
    /// before the service becomes an operator, which gives no access to its service.
    pub fn handle(&self) -> DriveHandle {
        DriveHandle::new(Arc::clone(&self.state))
    }
}

#[deny(clippy::missing_trait_methods)]
impl Service for DriveService {
    type Reader = DriveReader;
    type Writer = DriveWriter;
    type Lister = DriveLister;
    type Deleter = DriveDeleter;
    type Copier = DriveCopier;
    type Composer = ();

    /// Returns the scheme, the root and the name from the settings.
    fn info(&self) -> ServiceInfo {
        let settings = &self.state.settings;
        ServiceInfo::new(settings.scheme, &settings.root, &settings.name)
    }

    /// Returns the operations and options that this drive supports.
    fn capability(&self) -> Capability {
        let drive = self.state.capabilities();
        Capability {
            stat: true,
            stat_with_if_match: drive.download_if_match,
            stat_with_if_none_match: drive.if_none_match,
            stat_with_if_modified_since: true,
            stat_with_if_unmodified_since: true,
            stat_with_version: drive.extensions.versions,
            read: true,
            read_with_suffix: true,
            read_with_if_match: drive.download_if_match,
            read_with_if_none_match: drive.if_none_match,
            // The etag of the item that was checked is a condition of the download.
            read_with_if_modified_since: drive.download_if_match,
            read_with_if_unmodified_since: drive.download_if_match,
            read_with_version: drive.extensions.versions,
            write: true,
            write_can_multi: true,
            write_can_empty: true,
            write_with_if_not_exists: drive.if_not_exists,
            write_with_if_match: drive.if_match,
            write_total_max_size: usize::try_from(drive.max_file_size).ok(),
            create_dir: true,
            delete: true,
            delete_with_recursive: true,
            delete_with_version: drive.extensions.delete_versions,
            delete_with_if_match: drive.delete_if_match,
            delete_max_size: Some(drive.delete_max_size.max(1)),
            copy: drive.copy_files,
            copy_with_if_not_exists: drive.copy_files && drive.if_not_exists,
            rename: true,
            rename_with_if_not_exists: drive.if_not_exists,
            list: true,
            list_with_limit: true,
            list_with_start_after: true,
            list_with_recursive: true,
            list_with_versions: drive.extensions.versions,
            presign: drive.download_url_lifetime.is_some(),
            presign_read: drive.download_url_lifetime.is_some(),
            shared: true,
            ..Capability::default()
        }
    }

    /// Creates a folder and its missing parents. Succeeds if the folder exists.
    ///
    /// # Errors
    /// `NotADirectory` if a file has one of the names, or `AlreadyExists` for the last one in a
    /// drive that resolves paths itself; `Unsupported` for a path with the name `.` or `..` and for
    /// a name that the cloud rejects; [request errors](crate::drive::Error#request-errors).
    async fn create_dir(
        &self,
        ctx: &OperationContext,
        path: &str,
        _: OpCreateDir,
    ) -> Result<RpCreateDir> {
        let (state, cx) = (&self.state, Context::from(ctx));
        let path = state.find_path(&cx, path).await.map_err(to_opendal)?;
        state.create_dir(&cx, &path).await.map_err(to_opendal)?;
        Ok(RpCreateDir::default())
    }

    /// Requests the item at a path and returns its metadata.
    ///
    /// # Errors
    /// `NotFound` if the item or the version does not exist, or is a file although the path ends with
    /// a slash; `ConditionNotMatch` if a condition does not hold; `Unsupported` for an option that the
    /// drive does not support and for a path with the name `.` or `..`; [request
    /// errors](crate::drive::Error#request-errors).
    async fn stat(&self, ctx: &OperationContext, path: &str, args: OpStat) -> Result<RpStat> {
        options::check_stat(&args, &self.capability())?;
        let (state, cx) = (&self.state, Context::from(ctx));
        if let Some(version) = args.version() {
            let path = state.find_path(&cx, path).await.map_err(to_opendal)?;
            let metadata = state.stat_version(&cx, &path, version).await.map_err(to_opendal)?;
            return Ok(RpStat::new(metadata));
        }
        let conditions = Conditions {
            if_match: args.if_match().map(str::to_owned),
            if_none_match: args.if_none_match().map(str::to_owned),
        };
        let parsed = state.find_path(&cx, path).await.map_err(to_opendal)?;
        let requested = state.request_item(&cx, &parsed, &conditions).await;
        let (resolved, item) = requested.map_err(to_opendal)?;
        TimeConditions::from_stat(&args).check(&item).map_err(to_opendal)?;
        let item = state.with_size(&cx, &resolved, item).await;
        state.returned_paths.record(path, &item.id);
        // OpenDAL checks only that a path without a slash is not a folder.
        if parsed.is_folder && !item.is_folder() {
            return Err(Error::new(
                ErrorKind::NotFound,
                "cannot find the folder: a file has this name",
            ));
        }
        Ok(RpStat::new(state.metadata(&item)))
    }

    /// Creates a reader. Sends no request; a path with the name `.` or `..` is an error of the
    /// first read.
    ///
    /// # Errors
    /// `Unsupported` for an option that the drive does not support.
    fn read(&self, ctx: &OperationContext, path: &str, args: OpRead) -> Result<DriveReader> {
        options::check_read(&args, &self.capability())?;
        Ok(DriveReader::new(Arc::clone(&self.state), Context::from(ctx), path, &args))
    }

    /// Creates a writer. Sends no request.
    ///
    /// # Errors
    /// `Unsupported` for a path with the name `.` or `..`, for user metadata that
    /// [`Announce`] did not create, for another option that the drive does not support, and for an
    /// announced size above the drive's `max_file_size`.
    fn write(&self, ctx: &OperationContext, path: &str, args: OpWrite) -> Result<DriveWriter> {
        options::check_write(&args, &self.capability())?;
        DriveWriter::new(Arc::clone(&self.state), Context::from(ctx), path, &args)
            .map_err(to_opendal)
    }

    /// Creates a deleter. Sends no request.
    fn delete(&self, ctx: &OperationContext) -> Result<DriveDeleter> {
        let (state, cx) = (Arc::clone(&self.state), Context::from(ctx));
        Ok(DriveDeleter::new(state, cx, self.capability()))
    }

    /// Creates a lister. Sends no request; a path with the name `.` or `..` is an error of the
    /// first call.
    ///
    /// # Errors
    /// `Unsupported` for an option that the drive does not support.
    fn list(&self, ctx: &OperationContext, path: &str, args: OpList) -> Result<DriveLister> {
        options::check_list(&args, &self.capability())?;
        Ok(DriveLister::new(Arc::clone(&self.state), Context::from(ctx), path, &args))
    }

    /// Creates a copy that has not started. Sends no request; a path with the name `.` or `..` is
    /// an error of the first call.
    ///
    /// # Errors
    /// `Unsupported` if the cloud has no server-side copies, and for an option that the drive does not
    /// support.
    fn copy(
        &self,
        ctx: &OperationContext,
        from: &str,
        to: &str,
        args: OpCopy,
    ) -> Result<DriveCopier> {
        if !self.state.capabilities().copy_files {
            return Err(unsupported("copy: this cloud has no server-side copies"));
        }
        options::check_copy(&args, &self.capability())?;
        let (state, cx) = (Arc::clone(&self.state), Context::from(ctx));
        Ok(DriveCopier::new(state, cx, from, to, if_exists(args.if_not_exists())))
    }

    /// Drives cannot concatenate files.
    ///
    /// # Errors
    /// Always `Unsupported`.
    fn compose(&self, _: &OperationContext, _: &str, _: OpCompose) -> Result<Self::Composer> {
        Err(unsupported("compose: drives cannot concatenate files"))
    }

    /// Moves the item at `from` to `to`, and replaces a file there unless the arguments forbid it.
    ///
    /// # Errors
    /// The errors of `AdapterState::rename` as OpenDAL's kinds: `NotFound` if `from` does not
    /// exist; `ConditionNotMatch` if `to` exists and must not; `IsADirectory` or `AlreadyExists` if
    /// `to` is a folder; `NotADirectory` or `AlreadyExists` if a folder would replace a file, or a
    /// file is in the path of `to`; `Conflict` if `to` is below `from`; `Unsupported` for a path
    /// with the name `.` or `..` and for a name that the cloud rejects; [request
    /// errors](crate::drive::Error#request-errors).
    async fn rename(
        &self,
        ctx: &OperationContext,
        from: &str,
        to: &str,
        args: OpRename,
    ) -> Result<RpRename> {
        options::check_rename(&args, &self.capability())?;
        let (state, cx) = (&self.state, Context::from(ctx));
        let from = state.find_path(&cx, from).await.map_err(to_opendal)?;
        let to = state.find_path(&cx, to).await.map_err(to_opendal)?;
        let if_exists = if_exists(args.if_not_exists());
        let renamed = state.rename(&cx, &from, &to, if_exists).await;
        renamed.map_err(to_opendal)?;
        Ok(RpRename::default())
    }

    /// Drives cannot restore a deleted item by its path.
    ///
    /// # Errors
    /// Always `Unsupported`.
    async fn restore(&self, _: &OperationContext, _: &str, _: OpRestore) -> Result<RpRestore> {
        Err(unsupported("restore: drives do not support it"))
    }

    /// Requests a URL of the file's content, as a request that another program can send. Only reads
    /// have such URLs.
    ///
    /// # Errors
    /// `Unsupported` for another operation, for an option, for a longer validity than that of the
    /// cloud's URLs, and for a file without such a URL; `NotFound`, `IsADirectory`, and [request
    /// errors](crate::drive::Error#request-errors).
    async fn presign(
        &self,
        ctx: &OperationContext,
        path: &str,
        args: OpPresign,
    ) -> Result<RpPresign> {
        let (state, cx) = (&self.state, Context::from(ctx));
        let path = state.find_path(&cx, path).await.map_err(to_opendal)?;
        state.presign(&cx, &path, &args, &self.capability()).await
    }
}

/// Returns the `Unsupported` error of an operation. `operation` names the operation and the reason.
fn unsupported(operation: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("cannot {operation}"))
}
