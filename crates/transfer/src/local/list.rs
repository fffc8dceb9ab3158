//! Listing of a local folder.

use std::{
    fs::{self, DirEntry, File, Metadata},
    io,
    path::{Path, PathBuf},
};

use super::{modified, partial};
use crate::{
    entry::{EntryType, TreeEntry},
    error::FailureCause,
};

/// The handling of symbolic links in a local source. At a target they are never followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkHandling {
    /// Report each link as a failure.
    #[default]
    Fail,
    /// Leave links out.
    Skip,
    /// Transfer the file or folder that the link points to.
    Follow,
}

/// Lists the folder at `root` joined with `relative`, and passes its entries to `add`. Returns the
/// names of entries that could not be read, with the reasons. Links are followed if `link_limits` is
/// given: the real paths that they must not lead to, nor lead above. Partial files are left out; if
/// `sweep`, those that no run uses are removed.
///
/// # Errors
/// The operating system's error if the folder cannot be read, also if it does not exist; the error of
/// `add`.
pub(crate) fn list_folder(
    root: &Path,
    relative: &str,
    link_limits: Option<&[PathBuf]>,
    sweep: bool,
    mut add: impl FnMut(TreeEntry) -> io::Result<()>,
) -> io::Result<Vec<(String, FailureCause)>> {
    let folder = root.join(relative);
    let mut failed = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        let name = match entry.file_name().into_string() {
            Ok(name) => name,
            Err(name) => {
                let cause = FailureCause::refused("the name is not UTF-8");
                failed.push((name.to_string_lossy().into_owned(), cause));
                continue;
            }
        };
        if partial::is_partial(&name) {
            if sweep && partial::is_swept(&name) {
                remove_if_unused(&entry.path());
            }
            continue;
        }
        match read_entry(root, &folder, &entry, name.clone(), link_limits) {
            Ok(Some(found)) => add(found)?,
            Ok(None) => {}
            Err(cause) => failed.push((name, cause)),
        }
    }
    Ok(failed)
}

/// Returns an entry of a folder. `None` if it was removed meanwhile. `link_limits` is that of
/// [`list_folder`].
///
/// # Errors
/// `Disk` if its metadata cannot be read; `Refused` for a followed link to a folder above it, or into
/// a limit or above one.
fn read_entry(
    root: &Path,
    folder: &Path,
    entry: &DirEntry,
    name: String,
    link_limits: Option<&[PathBuf]>,
) -> Result<Option<TreeEntry>, FailureCause> {
    let metadata = match entry.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(link_limits) = link_limits.filter(|_| metadata.is_symlink()) else {
        return Ok(Some(from_metadata(name, &metadata)));
    };
    let target = fs::metadata(entry.path())?;
    let real = fs::canonicalize(entry.path())?;
    if link_limits.iter().any(|limit| real.starts_with(limit) || limit.starts_with(&real)) {
        let reason = "it is a symbolic link that leads into the target, or to a folder above it";
        return Err(FailureCause::refused(reason));
    }
    if target.is_dir() {
        let is_above = |above: &Path| fs::canonicalize(above).is_ok_and(|above| above == real);
        if folder.ancestors().take_while(|above| above.starts_with(root)).any(is_above) {
            let reason = "it is a symbolic link to a folder above it";
            return Err(FailureCause::refused(reason));
        }
    }
    Ok(Some(from_metadata(name, &target)))
}

/// Returns the entry of an item with this metadata.
pub(super) fn from_metadata(name: String, metadata: &Metadata) -> TreeEntry {
    let kind = if metadata.is_dir() {
        EntryType::Folder
    } else if metadata.is_file() {
        EntryType::File
    } else {
        EntryType::Other
    };
    let size = metadata.is_file().then_some(metadata.len());
    TreeEntry { size, modified: modified(metadata), ..TreeEntry::new(name, kind) }
}

/// Returns the entry at a path, following links. `None` if it does not exist.
///
/// # Errors
/// The operating system's error.
pub(crate) fn stat(path: &Path) -> io::Result<Option<TreeEntry>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(from_metadata(String::new(), &metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a partial file that no process has locked. It stays if it cannot be removed; the next
/// run tries again.
fn remove_if_unused(path: &Path) {
    let is_unused = File::open(path).is_ok_and(|file| file.try_lock().is_ok());
    if is_unused {
        let _ = fs::remove_file(path);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::{ffi::OsStrExt, fs::symlink};

    use super::*;

    fn words(root: &Path, relative: &str, follow: bool) -> String {
        let mut words = Vec::new();
        let add = |entry: TreeEntry| {
            words.push(format!("{} {:?}", entry.name, entry.kind));
            Ok(())
        };
        let failed =
            list_folder(root, relative, follow.then_some(&[][..]), false, add).expect("listed");
        words.extend(failed.iter().map(|(name, _)| format!("{name} failed")));
        words.sort();
        words.join(", ")
    }

    #[test]
    fn every_entry_of_a_folder_is_returned() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path();
        fs::write(root.join("file"), "x").expect("written");
        fs::write(root.join(".drivedal-abc123.partial"), "x").expect("written");
        fs::create_dir(root.join("folder")).expect("created");
        symlink("file", root.join("link")).expect("linked");
        symlink("..", root.join("folder/up")).expect("linked");
        symlink("nowhere", root.join("lost")).expect("linked");
        fs::write(root.join(std::ffi::OsStr::from_bytes(b"\xff")), "x").expect("written");
        assert_eq!(
            words(root, "", false),
            "file File, folder Folder, link Other, lost Other, \u{fffd} failed"
        );
        assert_eq!(
            words(root, "", true),
            "file File, folder Folder, link File, lost failed, \u{fffd} failed"
        );
        assert_eq!(words(root, "folder/", true), "up failed");
        let missing =
            list_folder(root, "missing/", Some(&[]), false, |_| Ok(())).expect_err("no folder");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_sweep_removes_partial_files_that_no_run_uses() {
        let dir = tempfile::tempdir().expect("a folder");
        let unused = dir.path().join(".drivedal-sync0123456789.partial");
        let used = dir.path().join(".drivedal-syncABCDEFGHIJ.partial");
        let foreign = dir.path().join(".drivedal-abc123.partial");
        for path in [&unused, &used, &foreign] {
            fs::write(path, "x").expect("written");
        }
        let locked = File::open(&used).expect("opened");
        locked.lock().expect("locked");
        let none = |entry: TreeEntry| panic!("a partial file is listed: {}", entry.name);
        list_folder(dir.path(), "", None, false, none).expect("listed");
        assert!(unused.exists(), "without a sweep it stays");
        list_folder(dir.path(), "", None, true, none).expect("listed");
        assert!(!unused.exists());
        assert!(used.exists() && foreign.exists());
    }
}
