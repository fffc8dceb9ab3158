//! From a [`Drive`] to an OpenDAL service, once for all drives.
//!
//! [`DriveService`] implements [`opendal::raw::Service`]; each of its bodies has a file of its own:
//! reading, writing, listing, removing, copying. Beneath them lie the walk from paths to places and
//! the index of what is known (how old an answer may be is decided there), the task that owns an
//! upload, and the spool for bytes whose length is not known yet. No protocol is known here.

mod announce;
#[cfg(feature = "layers-cache")]
mod changes;
mod copy;
mod core;
mod delete;
mod error;
mod failures;
mod file;
mod handle;
mod index;
mod left_out;
mod list;
mod metadata;
mod pace;
mod path;
mod read;
mod rename;
mod session;
mod source;
mod spool;
#[cfg(test)]
mod tests;
mod told;
mod tree;
mod turns;
mod upload;
mod walk;
mod write;

use std::{sync::Arc, time::Duration};

use opendal::{
    Capability, Error, ErrorKind, OperationContext, Result,
    raw::{
        OpCopy, OpCreateDir, OpList, OpPresign, OpRead, OpRename, OpStat, OpWrite, RpCreateDir,
        RpPresign, RpRename, RpStat, Service, ServiceInfo, normalize_root,
    },
};

pub(crate) use self::spool::slice;
pub use self::{
    announce::{Announce, announce},
    copy::DriveCopier,
    delete::DriveDeleter,
    file::{FileUpload, SavedUpload, UploadedFile},
    handle::DriveHandle,
    left_out::{LeftOut, Twin},
    list::DriveLister,
    metadata::known_size,
    read::{DriveReader, DriveStream},
    write::DriveWriter,
};
use self::{core::Core, error::to_opendal};
use crate::drive::{Conditions, Context, Drive, IfExists};

/// How a drive is shown as a service.
#[derive(Clone, Debug)]
pub struct Settings {
    /// OpenDAL's name of the service.
    pub scheme: &'static str,
    /// The account or drive, for people; may be empty.
    pub name: String,
    /// The folder that paths begin at, `/` for the whole drive. Made by the first write.
    pub root: String,
    /// How long an id is trusted in a drive that is walked by id: an answer is what a path meant
    /// at most that long ago. Zero: every path is walked anew. The default is 10 s.
    pub index_ttl: Duration,
    /// How many folders of a recursive listing are asked for at once. The default is 8.
    pub concurrent_lists: usize,
    /// Whether reads compare the bytes of a file with the size and the hash that the cloud has of
    /// it. The default is true. See also [`DriveHandle::set_checked_reads`].
    pub checked_reads: bool,
}

impl Settings {
    /// The defaults, for the whole drive.
    pub fn new(scheme: &'static str, name: impl Into<String>) -> Self {
        Self {
            scheme,
            name: name.into(),
            root: "/".to_owned(),
            index_ttl: Duration::from_secs(10),
            concurrent_lists: 8,
            checked_reads: true,
        }
    }
}

/// A [`Drive`] as an OpenDAL service.
#[derive(Clone, Debug)]
pub struct DriveService {
    core: Arc<Core>,
}

impl DriveService {
    /// Shows a drive as a service.
    pub fn new(drive: Arc<dyn Drive>, settings: Settings) -> Self {
        let settings = Settings { root: normalize_root(&settings.root), ..settings };
        Self { core: Arc::new(Core::new(drive, settings)) }
    }

    /// The drive's extras. An operator cannot be asked for them later.
    pub fn handle(&self) -> DriveHandle {
        DriveHandle::new(Arc::clone(&self.core))
    }
}

fn if_exists(if_not_exists: bool) -> IfExists {
    if if_not_exists { IfExists::Fail } else { IfExists::Replace }
}

#[deny(clippy::missing_trait_methods)]
impl Service for DriveService {
    type Reader = DriveReader;
    type Writer = DriveWriter;
    type Lister = DriveLister;
    type Deleter = DriveDeleter;
    type Copier = DriveCopier;
    type Composer = ();

    fn info(&self) -> ServiceInfo {
        let settings = &self.core.settings;
        ServiceInfo::new(settings.scheme, &settings.root, &settings.name)
    }

    fn capability(&self) -> Capability {
        let drive = self.core.capabilities();
        Capability {
            stat: true,
            stat_with_if_none_match: drive.if_none_match,
            read: true,
            read_with_suffix: true,
            read_with_if_match: drive.download_if_match,
            read_with_if_none_match: drive.if_none_match,
            write: true,
            write_can_multi: true,
            write_can_empty: true,
            write_with_if_not_exists: drive.if_not_exists,
            write_with_if_match: drive.if_match,
            write_total_max_size: usize::try_from(drive.max_file_size).ok(),
            create_dir: true,
            delete: true,
            delete_with_recursive: true,
            delete_max_size: Some(drive.delete_max_size.max(1)),
            copy: drive.copy_files,
            copy_with_if_not_exists: drive.copy_files && drive.if_not_exists,
            rename: true,
            rename_with_if_not_exists: drive.if_not_exists,
            list: true,
            list_with_limit: true,
            list_with_recursive: true,
            shared: true,
            ..Capability::default()
        }
    }

    async fn create_dir(
        &self,
        ctx: &OperationContext,
        path: &str,
        _: OpCreateDir,
    ) -> Result<RpCreateDir> {
        self.core.create_dir(&Context::from(ctx), path).await.map_err(to_opendal)?;
        Ok(RpCreateDir::default())
    }

    async fn stat(&self, ctx: &OperationContext, path: &str, args: OpStat) -> Result<RpStat> {
        let conditions = Conditions {
            if_match: args.if_match().map(str::to_owned),
            if_none_match: args.if_none_match().map(str::to_owned),
        };
        let asked = path;
        let path = self.core.path(path).map_err(to_opendal)?;
        let looked = self.core.look(&Context::from(ctx), &path, &conditions).await;
        let (found, item) = looked.map_err(to_opendal)?;
        let item = self.core.with_size(&Context::from(ctx), &found, item).await;
        self.core.told.record(asked, &item.id);
        // OpenDAL's own check asks for a folder only; a file is no answer to a path with a slash.
        if path.folder && !item.is_folder() {
            return Err(Error::new(ErrorKind::NotFound, "there is a file, not a folder"));
        }
        Ok(RpStat::new(metadata::of(&item, self.core.capabilities().set_modified)))
    }

    fn read(&self, ctx: &OperationContext, path: &str, args: OpRead) -> Result<DriveReader> {
        Ok(DriveReader::new(Arc::clone(&self.core), Context::from(ctx), path, &args))
    }

    fn write(&self, ctx: &OperationContext, path: &str, args: OpWrite) -> Result<DriveWriter> {
        DriveWriter::new(Arc::clone(&self.core), Context::from(ctx), path, &args)
            .map_err(to_opendal)
    }

    fn delete(&self, ctx: &OperationContext) -> Result<DriveDeleter> {
        Ok(DriveDeleter::new(Arc::clone(&self.core), Context::from(ctx)))
    }

    fn list(&self, ctx: &OperationContext, path: &str, args: OpList) -> Result<DriveLister> {
        Ok(DriveLister::new(Arc::clone(&self.core), Context::from(ctx), path, &args))
    }

    fn copy(
        &self,
        ctx: &OperationContext,
        from: &str,
        to: &str,
        args: OpCopy,
    ) -> Result<DriveCopier> {
        if !self.core.capabilities().copy_files {
            return Err(Error::new(ErrorKind::Unsupported, "this cloud makes no copies"));
        }
        let cx = Context::from(ctx);
        Ok(DriveCopier::new(Arc::clone(&self.core), cx, from, to, if_exists(args.if_not_exists())))
    }

    fn compose(
        &self,
        _: &OperationContext,
        _: &str,
        _: opendal::raw::OpCompose,
    ) -> Result<Self::Composer> {
        Err(Error::new(ErrorKind::Unsupported, "no drive composes files of others"))
    }

    async fn rename(
        &self,
        ctx: &OperationContext,
        from: &str,
        to: &str,
        args: OpRename,
    ) -> Result<RpRename> {
        let (from, to) =
            (self.core.path(from).map_err(to_opendal)?, self.core.path(to).map_err(to_opendal)?);
        let if_exists = if_exists(args.if_not_exists());
        let renamed = self.core.rename(&Context::from(ctx), &from, &to, if_exists).await;
        renamed.map_err(to_opendal)?;
        Ok(RpRename::default())
    }

    async fn restore(
        &self,
        _: &OperationContext,
        _: &str,
        _: opendal::raw::OpRestore,
    ) -> Result<opendal::raw::RpRestore> {
        Err(Error::new(ErrorKind::Unsupported, "restoring is not offered"))
    }

    async fn presign(&self, _: &OperationContext, _: &str, _: OpPresign) -> Result<RpPresign> {
        Err(Error::new(ErrorKind::Unsupported, "presigning is not offered"))
    }
}

impl Core {
    /// Makes a folder and those above it; fine if it is there.
    async fn create_dir(&self, cx: &Context, path: &str) -> crate::drive::Result<()> {
        let path = self.path(path)?;
        if self.capabilities().paths {
            return self.create_folder_by_path(cx, path.names()).await;
        }
        match self.ensure_folder(cx, path.names()).await {
            Err(error) if error.kind() == crate::drive::ErrorKind::NotFound => {
                self.forget_way(path.names());
                self.ensure_folder(cx, path.names()).await?;
            }
            made => {
                made?;
            }
        }
        Ok(())
    }
}
