//! The data folder of a tree: its files and its lock.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::{
    super::Result,
    blob_location::BlobDirectory,
    open_error::{OpenError, failed},
};
use crate::disk;

/// The files in a data folder.
pub(super) struct DataFiles {
    pub(super) folder: PathBuf,
    pub(super) database: PathBuf,
    /// The write-ahead log of the database.
    pub(super) log: PathBuf,
    pub(super) blobs: BlobDirectory,
    /// Locked while a process uses the folder.
    lock: PathBuf,
    /// Names that process. It is a file of its own, because a locked file may not be readable.
    owner: PathBuf,
    /// Takes disk space in reserve.
    pub(super) reserve: PathBuf,
    /// The folder to which a repair moves damaged bytes.
    pub(super) quarantine: PathBuf,
}

impl DataFiles {
    /// Opens a folder. It is created if it does not exist, and becomes private to its owner.
    ///
    /// # Errors
    /// [`OpenError::File`] if the folder cannot be created, found or made private.
    pub(super) fn new(folder: &Path) -> Result<Self, OpenError> {
        disk::make_private_folder(folder).map_err(failed("cannot create the folder", folder))?;
        let folder = folder.canonicalize().map_err(failed("cannot find the folder", folder))?;
        disk::make_private(&folder).map_err(failed("cannot make private", &folder))?;
        Ok(Self {
            database: folder.join("tree.db"),
            log: folder.join("tree.db-wal"),
            lock: folder.join("lock"),
            owner: folder.join("owner"),
            reserve: folder.join("reserve"),
            quarantine: folder.join("quarantine"),
            blobs: BlobDirectory::new(folder.join("blobs")),
            folder,
        })
    }

    /// Locks the folder for this process, until the returned file is dropped.
    ///
    /// # Errors
    /// [`OpenError::InUse`] if another process has it locked; [`OpenError::File`] if the lock file
    /// cannot be opened or locked.
    pub(super) fn lock(&self) -> Result<File, OpenError> {
        let lock = disk::private_file()
            .create(true)
            .truncate(false)
            .open(&self.lock)
            .map_err(failed("cannot open", &self.lock))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = fs::read_to_string(&self.owner).ok().filter(|owner| !owner.is_empty());
                let owner = owner.unwrap_or_else(|| "an unknown process".into());
                return Err(OpenError::InUse { folder: self.folder.clone(), owner });
            }
            Err(TryLockError::Error(error)) => {
                return Err(failed("cannot lock", &self.lock)(error));
            }
        }
        Ok(lock)
    }

    /// Takes the rights on the files from other users, which an earlier version or another umask may
    /// have left.
    ///
    /// # Errors
    /// [`OpenError::File`] if rights cannot be changed.
    pub(super) fn make_private(&self) -> Result<(), OpenError> {
        let private =
            |path: &Path| disk::make_private(path).map_err(failed("cannot make private", path));
        for name in ["tree.db", "tree.db-wal", "tree.db-shm", "lock", "owner", "reserve"] {
            private(&self.folder.join(name))?;
        }
        for name in ["start.lock", "users.lock", "server.json", "key"] {
            private(&self.folder.join(name))?;
        }
        self.blobs.make_private()
    }

    /// Writes the number of this process for the error of the next process that wants the folder.
    /// A full disk is no error.
    ///
    /// # Errors
    /// [`OpenError::File`] if the file cannot be written.
    pub(super) fn sign(&self) -> Result<(), OpenError> {
        let sign = || {
            let mut file = disk::private_file().create(true).truncate(true).open(&self.owner)?;
            io::Write::write_all(&mut file, format!("process {}", std::process::id()).as_bytes())
        };
        match sign() {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
            signed => signed.map_err(failed("cannot write", &self.owner)),
        }
    }

    /// Creates the database's file, empty and private, if it does not exist.
    ///
    /// # Errors
    /// [`OpenError::File`] if it cannot be created or opened.
    pub(super) fn create_database(&self) -> Result<(), OpenError> {
        let created = disk::private_file().create(true).truncate(false).open(&self.database);
        created.map(drop).map_err(failed("cannot create", &self.database))
    }
}
