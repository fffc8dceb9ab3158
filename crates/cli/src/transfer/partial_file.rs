//! The hidden files beside the targets of downloads: creation, locks and names.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
};

use super::journal::PARTIAL;

/// Number of random letters and digits in the name of a small file.
pub(super) const RANDOM_CHARS: usize = 6;

/// Opens and locks the partial file of an earlier run. `None` if a sweep removed it meanwhile.
///
/// # Errors
/// The operating system's error if the file does not exist or cannot be opened.
pub(super) fn open_locked(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    Ok(lock(&file, path)?.then_some(file))
}

/// Locks a file, so that a [sweep](super::sweep) does not remove it. Returns whether it still is at
/// its path: a sweep may have removed it before the lock was taken.
///
/// # Errors
/// The operating system's error if the metadata of the file cannot be read.
pub(super) fn lock(file: &File, path: &Path) -> io::Result<bool> {
    // On a file system without locks a sweep decides by age.
    let _ = file.lock();
    is_at_path(file, path)
}

/// Returns whether the open file is the one at a path.
///
/// # Errors
/// The operating system's error if the metadata of the open file cannot be read.
#[cfg(unix)]
fn is_at_path(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (ours, there) = (file.metadata()?, fs::symlink_metadata(path));
    Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())))
}

/// Returns whether a file is at a path. Elsewhere than on Unix an open file cannot be removed.
///
/// # Errors
/// The operating system's error if the path cannot be checked.
#[cfg(not(unix))]
fn is_at_path(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

/// Creates and locks a hidden file beside the target, with a number of random characters in its
/// name.
///
/// # Errors
/// The operating system's error if the file cannot be created.
pub(crate) fn temporary(target: &Path, random: usize) -> io::Result<tempfile::NamedTempFile> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    loop {
        let file = create_in(folder.unwrap_or(Path::new(".")), random)?;
        if lock(file.as_file(), file.path())? {
            return Ok(file);
        }
    }
}

/// Creates a hidden file in a folder. `random` is the number of random characters in its name.
///
/// # Errors
/// The operating system's error if the file cannot be created.
fn create_in(folder: &Path, random: usize) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // A short name, so that it fits wherever the name of the target fits.
    builder.prefix(PARTIAL.0).suffix(PARTIAL.1).rand_bytes(random);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The permissions of a new file, which the user's umask reduces.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Returns whether the path is a regular file, and not a link to one.
pub(super) fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}
