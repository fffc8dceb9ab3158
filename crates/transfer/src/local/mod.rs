//! Local folders: they are read and written directly, not through OpenDAL's `fs` service.
//!
//! OpenDAL's service cannot set modification times, replaces names that are not UTF-8, reports a
//! missing folder as an empty one, and writes a file in place.

mod folding;
mod list;
mod partial;
mod read;

use std::{
    borrow::Cow,
    fs, io,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use jiff::Timestamp;

pub use self::{folding::IgnoredDistinctions, list::LinkHandling};
pub(crate) use self::{
    list::{LocalListing, list_folder, stat},
    partial::{LocalWriter, copy_file},
    read::LocalReader,
};
use crate::{
    error::FailureCause,
    features::{EndpointFeatures, StoredTimes},
};

/// The features of a local folder.
#[derive(Debug)]
pub(crate) struct LocalFeatures {
    root: PathBuf,
    folding: OnceLock<IgnoredDistinctions>,
}

impl LocalFeatures {
    /// Returns the features of a folder, which need not exist.
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), folding: OnceLock::new() }
    }
}

impl EndpointFeatures for LocalFeatures {
    fn times(&self) -> StoredTimes {
        // FAT has the coarsest times that are in use, but a listing does not name its file system.
        // NTFS has 100 ns, ext4 and APFS 1 ns.
        StoredTimes::Set { precision: Duration::from_nanos(100) }
    }

    fn has_folders(&self) -> bool {
        true
    }

    /// Returns the key of a name. The first call creates and removes a temporary file, which shows
    /// how the file system compares names.
    fn collision_key<'n>(&self, name: &'n str) -> Cow<'n, str> {
        self.folding.get_or_init(|| IgnoredDistinctions::probe(&self.root)).key(name)
    }

    fn reject_name(&self, name: &str) -> Option<&'static str> {
        local_name(name).err()
    }
}

/// Returns the name if a local file can have it and it stays within its folder.
///
/// # Errors
/// The reason for an empty name, `.`, `..`, and a name with `/` or NUL; on Windows also for a name
/// with one of `\ : * ? " < > |` or a control character, or with a dot or space at its end.
pub(crate) fn local_name(name: &str) -> Result<&str, &'static str> {
    if matches!(name, "" | "." | "..") {
        return Err("the name stands for a folder on this computer");
    }
    if name.contains(['/', '\0']) {
        return Err("the name contains a character that local file names cannot have");
    }
    if cfg!(windows)
        && (name.contains(['\\', ':', '*', '?', '"', '<', '>', '|'])
            || name.chars().any(char::is_control)
            || name.ends_with(['.', ' ']))
    {
        return Err("Windows does not allow the name");
    }
    Ok(name)
}

/// Returns the modification time of a file. `None` if the file system has none, or if it is out of
/// range.
pub(crate) fn modified(metadata: &fs::Metadata) -> Option<Timestamp> {
    Timestamp::try_from(metadata.modified().ok()?).ok()
}

/// Runs work that blocks on the disk, on a thread for such work.
///
/// # Errors
/// That of `work`; `Disk` if the work panicked.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FailureCause> + Send + 'static,
) -> Result<T, FailureCause> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(io::Error::other(error).into()))
}

/// Sets the modification time of a file.
///
/// # Errors
/// The operating system's error.
pub(crate) fn set_modified(path: &Path, time: Timestamp) -> io::Result<()> {
    // Opened for writing: Windows requires it to set times.
    fs::OpenOptions::new().write(true).open(path)?.set_modified(time.into())
}

/// Removes a file, or an empty folder if `is_folder`. A missing item is no error.
///
/// # Errors
/// The operating system's error, for example if the folder is not empty.
pub(crate) fn remove(path: &Path, is_folder: bool) -> io::Result<()> {
    let removed = if is_folder { fs::remove_dir(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Moves a file. A file at `to` is replaced. Missing folders above `to` are created.
///
/// # Errors
/// The operating system's error.
pub(crate) fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let time = fs::metadata(from)?.modified()?;
            copy_file(from, to, Timestamp::try_from(time).ok())?;
            fs::remove_file(from)
        }
        moved => moved,
    }
}
