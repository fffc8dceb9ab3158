//! Folder of one process, below a folder that several processes share.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use opendal::{Error, ErrorKind, Result};

/// Maximum number of processes that use one shared folder at the same time.
const MAX_PROCESSES: usize = 64;

/// Folder that no other process uses while this value exists. Its lock file is locked. The
/// operating system releases the lock when the process ends.
#[derive(Debug)]
pub(super) struct CacheFolder {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl CacheFolder {
    /// Locks the first of the subfolders `00` to `63` of `shared` that no process has locked.
    /// Creates missing folders. After a restart, it is the same as before if no other process took
    /// it.
    ///
    /// # Errors
    /// `ConfigInvalid` if the folder cannot be created, made private or locked, or if all
    /// subfolders are in use.
    pub(super) fn lock(shared: &Path) -> Result<Self> {
        let failed = |path: &Path, error: std::io::Error| unusable(path, error);
        for number in 0..MAX_PROCESSES {
            let path = shared.join(format!("{number:02}"));
            make_private(&path).map_err(|error| failed(&path, error))?;
            let lock =
                File::options().create(true).write(true).truncate(false).open(path.join("lock"));
            let lock = lock.map_err(|error| failed(&path, error))?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { path, _lock: lock }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(&path, error)),
            }
        }
        Err(Error::new(
            ErrorKind::ConfigInvalid,
            format!(
                "cannot use the cache folder {}: {MAX_PROCESSES} processes use it already",
                shared.display()
            ),
        ))
    }

    /// Returns the subfolder of this process.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the free space on the disk in bytes. `None` if the operating system does not report
    /// it.
    pub(super) fn free(&self) -> Option<u64> {
        fs4::available_space(&self.path).ok()
    }

    /// Converts an error of the block store into one that names the folder.
    pub(super) fn unusable(&self, error: foyer::Error) -> Error {
        unusable(&self.path, error)
    }

    /// Returns the folder of the blocks.
    pub(super) fn blocks(&self) -> PathBuf {
        self.path.join("blocks")
    }
}

/// Returns the `ConfigInvalid` error for a folder that cannot be used.
fn unusable(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let text = format!("cannot use the cache folder {}", path.display());
    Error::new(ErrorKind::ConfigInvalid, text).set_source(error)
}

/// Creates a folder that only its owner can access, because it contains bytes of the user's files.
///
/// # Errors
/// The system's error if the folder or its permissions cannot be set.
fn make_private(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_once_and_reused_after_its_release() {
        let shared = tempfile::tempdir().unwrap();
        let one = CacheFolder::lock(shared.path()).unwrap();
        let other = CacheFolder::lock(shared.path()).unwrap();
        assert_ne!(one.path, other.path);
        let path = one.path.clone();
        drop(one);
        assert_eq!(CacheFolder::lock(shared.path()).unwrap().path, path);
    }

    #[test]
    fn an_error_names_the_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = CacheFolder::lock(file.path()).unwrap_err();
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_user_can_access_the_folder_even_if_it_existed() {
        use std::os::unix::fs::PermissionsExt;
        let shared = tempfile::tempdir().unwrap();
        let earlier = shared.path().join("00");
        fs::create_dir(&earlier).unwrap();
        fs::set_permissions(&earlier, fs::Permissions::from_mode(0o755)).unwrap();
        let locked = CacheFolder::lock(shared.path()).unwrap();
        assert_eq!(locked.path, earlier);
        assert_eq!(fs::metadata(&earlier).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
