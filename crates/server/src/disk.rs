//! Files and folders of the data folder: private to their owner, and synced to the disk.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// When a write counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Once the disk has it: the database's log, the bytes and the folders that name them are synced
    /// before the response. A crash of the machine loses nothing that was acknowledged. It costs a
    /// sync of the database's log for each commit, which concurrent writers share, and a sync of a
    /// folder for each file of more than 16 KiB. On two cores and a virtual disk, one client that
    /// uploads files of 1 kB got 0.86 times the files per second of [`Relaxed`](Self::Relaxed); with
    /// 16 clients, and with files of 100 kB, the difference was within the noise (medians of 3 runs,
    /// debug build).
    #[default]
    Full,
    /// Once the operating system has it. A crash of the process loses nothing; a crash of the
    /// machine can lose the last writes, never the database. For tests, where a sync is what
    /// most of the time goes into.
    Relaxed,
}

impl FromStr for Durability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "full" => Ok(Self::Full),
            "relaxed" => Ok(Self::Relaxed),
            _ => Err(format!("`{text}` is neither full nor relaxed")),
        }
    }
}

/// Syncs the entries of a folder to the disk. A test passes one that records its calls.
#[derive(Clone)]
pub(super) struct FolderSync(Option<Arc<SyncFolder>>);

/// A function that syncs the entries of a folder.
type SyncFolder = dyn Fn(&Path) -> io::Result<()> + Send + Sync;

impl fmt::Debug for FolderSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FolderSync").field(&self.0.is_some()).finish()
    }
}

impl FolderSync {
    /// The sync that a durability needs.
    pub(super) fn new(durability: Durability) -> Self {
        match durability {
            Durability::Full => Self::with(sync_folder),
            Durability::Relaxed => Self(None),
        }
    }

    /// A sync by a function.
    pub(super) fn with(sync: impl Fn(&Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(sync)))
    }

    /// Whether it does anything.
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Syncs a folder's entries.
    ///
    /// # Errors
    /// Those of the disk: what was acknowledged as durable might not be.
    pub(super) fn sync(&self, folder: &Path) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |sync| sync(folder))
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened, and its entries are synced with the file.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes a folder that only its owner can use, and those above it that are missing.
///
/// # Errors
/// Those of the file system.
pub(super) fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Options to open a file for writing that only its owner can use, if it is made.
pub(super) fn private_file() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes every right on a file or folder from everybody but its owner; does nothing if it does not
/// exist or is a link.
///
/// # Errors
/// When the rights cannot be changed, because the file is somebody else's.
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

/// Takes every right on what is in a folder, at whatever depth, from everybody but its owner.
///
/// # Errors
/// Those of [`make_private`], and of reading the folder.
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

/// A folder of blobs on this machine, in 256 folders of its own.
#[derive(Debug)]
pub(super) struct BlobFolder {
    root: PathBuf,
    sync: FolderSync,
    /// Which of the folders have a durable entry in the root.
    durable: Box<[AtomicBool]>,
}

impl BlobFolder {
    /// Blobs below `root`, which is made if it does not exist.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn new(root: &Path, sync: FolderSync) -> io::Result<Self> {
        make_private_folder(root)?;
        let durable = (0..256).map(|_| AtomicBool::new(false)).collect();
        Ok(Self { root: root.to_owned(), sync, durable })
    }

    /// Makes the empty file of a new blob, at `name` below the root; false if there is one of that
    /// name.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn make(&self, name: &str) -> io::Result<bool> {
        let file = self.root.join(name);
        if let Some(folder) = file.parent() {
            make_private_folder(folder)?;
        }
        match private_file().create_new(true).open(&file) {
            Ok(_) => Ok(true),
            // Only a file is a blob. A link leads to a device in tests.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(!fs::symlink_metadata(&file)?.is_file())
            }
            Err(error) => Err(error),
        }
    }

    /// Moves a blob out of here.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::NotFound`] if there is none of that name.
    pub(super) fn move_to(&self, name: &str, to: &Path) -> io::Result<()> {
        fs::rename(self.root.join(name), to)?;
        make_private(to)
    }

    /// Syncs the folders that name a blob; `folder` is the number of the one that it is in.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn sync(&self, name: &str, folder: u8) -> io::Result<()> {
        if !self.sync.is_on() {
            return Ok(());
        }
        let file = self.root.join(name);
        self.sync.sync(file.parent().unwrap_or(&self.root))?;
        let durable = &self.durable[usize::from(folder)];
        // Set after the sync: two blobs at once may sync it twice, never not at all.
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
        let sync = FolderSync::with(move |folder| {
            log.lock().expect("no panic").push(folder.to_owned());
            Ok(())
        });
        let blobs = BlobFolder::new(&root, sync).expect("made");
        for name in ["01/a", "01/b", "02/c"] {
            assert!(blobs.make(name).expect("made"));
            assert!(!blobs.make(name).expect("looked"), "a name is given once");
            blobs.sync(name, name.as_bytes()[1] - b'0').expect("synced");
        }
        let (one, two) = (root.join("01"), root.join("02"));
        let expected = [one.clone(), root.clone(), one, two, root];
        assert_eq!(*synced.lock().expect("no panic"), expected);
    }

    #[cfg(unix)]
    #[test]
    fn what_others_may_read_becomes_private_and_links_are_left() {
        use std::os::unix::fs::PermissionsExt;
        let data = tempfile::tempdir().expect("a folder");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let (folder, other) = (data.path().join("data"), data.path().join("other"));
        fs::create_dir_all(folder.join("blobs/00")).expect("made");
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
