//! A folder of one's own, below one that many processes share.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use opendal::{Error, ErrorKind, Result};

/// Most processes that keep blocks below one folder at the same time.
const PROCESSES: usize = 64;

/// A folder that no other process uses as long as this lives: its lock file is locked, and the
/// system unlocks it whatever becomes of the process.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Locked.
    _lock: File,
}

impl Folder {
    /// The first folder that nobody uses: after a restart the one that was used before, usually.
    pub(super) fn take(shared: &Path) -> Result<Self> {
        let failed = |path: &Path, error: std::io::Error| unusable(path, error);
        for number in 0..PROCESSES {
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
            format!("{PROCESSES} processes use the cache's folder {}", shared.display()),
        ))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes there is room for on its disk, where the system tells.
    pub(super) fn free(&self) -> Option<u64> {
        fs4::available_space(&self.path).ok()
    }

    /// The error of a folder that something is wrong with.
    pub(super) fn unusable(&self, error: foyer::Error) -> Error {
        unusable(&self.path, error)
    }

    /// Where the blocks are.
    pub(super) fn blocks(&self) -> PathBuf {
        self.path.join("blocks")
    }
}

fn unusable(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let text = format!("the cache's folder {} cannot be used", path.display());
    Error::new(ErrorKind::ConfigInvalid, text).set_source(error)
}

/// Makes a folder that only its owner can look into, for it has bytes of the user's files.
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
    fn a_folder_has_one_user_and_is_taken_again_when_that_is_gone() {
        let shared = tempfile::tempdir().unwrap();
        let one = Folder::take(shared.path()).unwrap();
        let other = Folder::take(shared.path()).unwrap();
        assert_ne!(one.path, other.path);
        let path = one.path.clone();
        drop(one);
        assert_eq!(Folder::take(shared.path()).unwrap().path, path);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Folder::take(file.path()).unwrap_err();
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_is_its_users_alone_also_one_of_an_earlier_version() {
        use std::os::unix::fs::PermissionsExt;
        let shared = tempfile::tempdir().unwrap();
        let earlier = shared.path().join("00");
        fs::create_dir(&earlier).unwrap();
        fs::set_permissions(&earlier, fs::Permissions::from_mode(0o755)).unwrap();
        let taken = Folder::take(shared.path()).unwrap();
        assert_eq!(taken.path, earlier);
        assert_eq!(fs::metadata(&earlier).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
