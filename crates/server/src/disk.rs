//! Files and folders of the data folder: readable by their owner only, and synced to the disk.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// When a write to the data folder is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Once the bytes are on the disk: the database's log, the blobs and the folders that contain
    /// them are synced before the response. A crash of the machine loses no acknowledged write. The
    /// cost is one sync of the database's log per commit, which concurrent writers share, and one sync
    /// of a folder for each file of more than 16 KiB. On two cores and a virtual disk, one client that
    /// uploaded files of 1 kB reached 0.86 times the files per second of [`Relaxed`](Self::Relaxed);
    /// with 16 clients, and with files of 100 kB, the difference was within the noise (medians of 3
    /// runs, debug build).
    #[default]
    Full,
    /// Once the operating system has the bytes. A crash of the process loses nothing; a crash of the
    /// machine can lose the last writes, but does not damage the database. For tests, which would spend
    /// most of their time in syncs.
    Relaxed,
}

impl FromStr for Durability {
    type Err = UnknownDurability;

    /// Parses `full` or `relaxed`.
    ///
    /// # Errors
    /// `UnknownDurability` for any other text.
    fn from_str(text: &str) -> Result<Self, UnknownDurability> {
        match text {
            "full" => Ok(Self::Full),
            "relaxed" => Ok(Self::Relaxed),
            _ => Err(UnknownDurability(text.to_owned())),
        }
    }
}

/// A text that names no [`Durability`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no durability (full, relaxed)")]
pub struct UnknownDurability(String);

/// Syncs the entries of a folder to the disk, or does nothing. Tests use a function that records its
/// calls.
#[derive(Clone)]
pub(super) struct FolderSync(Option<Arc<SyncFolder>>);

/// A function that syncs the entries of a folder.
type SyncFolder = dyn Fn(&Path) -> io::Result<()> + Send + Sync;

impl fmt::Debug for FolderSync {
    /// Shows whether folders are synced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FolderSync").field(&self.0.is_some()).finish()
    }
}

impl FolderSync {
    /// Creates the sync that a durability needs.
    pub(super) fn new(durability: Durability) -> Self {
        match durability {
            Durability::Full => Self::from_fn(sync_folder),
            Durability::Relaxed => Self(None),
        }
    }

    /// Creates a sync that calls `sync` with each folder.
    pub(super) fn from_fn(sync: impl Fn(&Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(sync)))
    }

    /// Returns whether folders are synced.
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Syncs the entries of a folder, or does nothing if syncs are off.
    ///
    /// # Errors
    /// The error of the file system. An acknowledged write might then not be durable.
    pub(super) fn sync(&self, folder: &Path) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |sync| sync(folder))
    }
}

/// Syncs the entries of a folder to the disk.
///
/// # Errors
/// The operating system's error if the folder cannot be opened or synced.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Does nothing. On other systems a folder cannot be opened; its entries are synced with the file.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Creates a folder that only its owner can use, and the missing folders above it. An existing
/// folder is left as it is.
///
/// # Errors
/// The operating system's error if a folder cannot be created.
pub(super) fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Returns options that open a file for writing; a new file can be used by its owner only.
pub(super) fn private_file() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Removes the rights of all users but the owner on a file or folder. Does nothing if it does not
/// exist or is a link.
///
/// # Errors
/// The operating system's error if the rights cannot be read or changed, for example because the
/// file belongs to another user.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mode = metadata.permissions().mode();
        if !metadata.is_symlink() && mode & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))?;
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Removes the rights of all users but the owner on everything in a folder, recursively.
///
/// # Errors
/// The operating system's error if a folder cannot be read, or rights cannot be changed.
pub(super) fn make_contents_private(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        make_private(&entry.path())?;
        if entry.file_type()?.is_dir() {
            make_contents_private(&entry.path())?;
        }
    }
    Ok(())
}

/// A local folder of blobs, which are spread over 256 subfolders.
#[derive(Debug)]
pub(super) struct BlobFolder {
    root: PathBuf,
    sync: FolderSync,
    /// Whether each subfolder has a durable entry in the root.
    durable: Box<[AtomicBool]>,
}

impl BlobFolder {
    /// Creates the folder `root` if it does not exist.
    ///
    /// # Errors
    /// The operating system's error if it or a subfolder cannot be created.
    pub(super) fn new(root: &Path, sync: FolderSync) -> io::Result<Self> {
        make_private_folder(root)?;
        let durable = (0..256).map(|_| AtomicBool::new(false)).collect();
        Ok(Self { root: root.to_owned(), sync, durable })
    }

    /// Creates the empty file of a blob. `name` is its path relative to the root. Returns `false`
    /// if the file exists.
    ///
    /// # Errors
    /// The operating system's error if the file or its folder cannot be created, for any other
    /// reason than that the file exists.
    pub(super) fn create(&self, name: &str) -> io::Result<bool> {
        let file = self.root.join(name);
        if let Some(folder) = file.parent() {
            make_private_folder(folder)?;
        }
        match private_file().create_new(true).open(&file) {
            Ok(_) => Ok(true),
            // Only a regular file is a blob: tests use a link to a device.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(!fs::symlink_metadata(&file)?.is_file())
            }
            Err(error) => Err(error),
        }
    }

    /// Moves a blob out of the folder to the file `to`. `name` is its path relative to the root.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if the blob does not exist, `CrossesDevices` if `to` is on
    /// another file system; otherwise the operating system's error.
    pub(super) fn move_to(&self, name: &str, to: &Path) -> io::Result<()> {
        fs::rename(self.root.join(name), to)?;
        make_private(to)
    }

    /// Syncs the folders that contain a blob. `name` is its path relative to the root, and `folder`
    /// the number of its subfolder.
    ///
    /// # Errors
    /// The operating system's error if a folder cannot be synced.
    pub(super) fn sync(&self, name: &str, folder: u8) -> io::Result<()> {
        if !self.sync.is_on() {
            return Ok(());
        }
        let file = self.root.join(name);
        self.sync.sync(file.parent().unwrap_or(&self.root))?;
        let durable = &self.durable[usize::from(folder)];
        // Set after the sync: two concurrent calls may sync it twice, but never skip it.
        if !durable.load(Ordering::Acquire) {
            self.sync.sync(&self.root)?;
            durable.store(true, Ordering::Release);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn the_folders_of_a_new_blob_are_synced_the_root_once_for_each() {
        let data = tempfile::tempdir().expect("a folder");
        let root = data.path().join("blobs");
        let synced = Arc::new(Mutex::new(Vec::new()));
        let log = synced.clone();
        let sync = FolderSync::from_fn(move |folder| {
            log.lock().expect("no panic").push(folder.to_owned());
            Ok(())
        });
        let blobs = BlobFolder::new(&root, sync).expect("created");
        for name in ["01/a", "01/b", "02/c"] {
            assert!(blobs.create(name).expect("created"));
            assert!(!blobs.create(name).expect("checked"), "the blob exists");
            blobs.sync(name, name.as_bytes()[1] - b'0').expect("synced");
        }
        let (one, two) = (root.join("01"), root.join("02"));
        let expected = [one.clone(), root.clone(), one, two, root];
        assert_eq!(*synced.lock().expect("no panic"), expected);
    }

    #[cfg(unix)]
    #[test]
    fn files_become_private_and_links_are_unchanged() {
        use std::os::unix::fs::PermissionsExt;
        let data = tempfile::tempdir().expect("a folder");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let (folder, other) = (data.path().join("data"), data.path().join("other"));
        fs::create_dir_all(folder.join("blobs/00")).expect("created");
        for file in [folder.join("tree.db"), folder.join("blobs/00/1"), other.clone()] {
            fs::write(&file, "").expect("written");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("set");
        }
        std::os::unix::fs::symlink(&other, folder.join("link")).expect("linked");
        make_private(&folder).expect("done");
        make_contents_private(&folder).expect("done");
        make_private(&folder.join("missing")).expect("nothing to do");
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join("blobs/00")), 0o700);
        assert_eq!(mode(&folder.join("blobs/00/1")), 0o600);
        assert_eq!(mode(&other), 0o644, "what a link leads to is not ours");
    }
}
