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
    list::{list_folder, stat},
    partial::{LocalWriter, copy_file, sync_file},
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
pub fn local_name(name: &str) -> Result<&str, &'static str> {
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

/// Renames a file. A file at `to` is replaced. Missing folders above `to` are created.
///
/// # Errors
/// The operating system's error: `CrossesDevices` if both paths are on different file systems.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::rename(from, to)
}

/// Returns whether a path is that of a symbolic link. A path that does not exist is not.
///
/// # Errors
/// The operating system's error.
pub(crate) fn is_link(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_symlink()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the first symbolic link among the folders of a relative path below `root`, with a slash
/// at its end. `None` if no folder is a link.
///
/// # Errors
/// The operating system's error if a folder cannot be read.
pub(crate) fn link_above(root: &Path, relative: &str) -> io::Result<Option<String>> {
    for (slash, _) in relative.match_indices('/') {
        if is_link(&root.join(&relative[..slash]))? {
            return Ok(Some(relative[..=slash].to_owned()));
        }
    }
    Ok(None)
}

/// Returns whether two paths lead to one file, through links, hard links or mounts. A path that does
/// not exist leads to none.
///
/// # Errors
/// The operating system's error if a file cannot be read.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> io::Result<bool> {
    let both = fs::metadata(one).and_then(|one| Ok((one, fs::metadata(other)?)));
    match both {
        #[cfg(unix)]
        Ok((one, other)) => {
            use std::os::unix::fs::MetadataExt;
            Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
        }
        #[cfg(not(unix))]
        Ok(_) => Ok(fs::canonicalize(one)? == fs::canonicalize(other)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_a_service_cannot_lead_out_of_the_folder() {
        for name in ["", ".", "..", "a/b", "/etc", "a\0"] {
            assert!(local_name(name).is_err(), "{name:?}");
        }
        assert_eq!(local_name("..a"), Ok("..a"));
    }

    #[cfg(unix)]
    #[test]
    fn links_and_hard_links_lead_to_one_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("real")).expect("created");
        fs::write(path("real/a"), "1").expect("written");
        fs::write(path("other"), "1").expect("written");
        fs::hard_link(path("real/a"), path("hard")).expect("linked");
        std::os::unix::fs::symlink("real", path("link")).expect("linked");
        let is_same = |name: &str| is_same_file(&path("real/a"), &path(name)).expect("read");
        assert_eq!(["hard", "link/a", "other", "none"].map(is_same), [true, true, false, false]);
        let above = |relative| link_above(dir.path(), relative).expect("read");
        assert_eq!(above("link/a").as_deref(), Some("link/"));
        assert_eq!((above("real/a"), above("link"), above("none/a")), (None, None, None));
        assert!(is_link(&path("link")).expect("read") && !is_link(&path("none")).expect("read"));
    }
}
