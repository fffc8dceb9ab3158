//! The file of a SQLite database: it must stay in its place while the server runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The file of a database that is open.
///
/// On Unix a process can write to a file that was removed or moved. The next start would not find
/// those rows. So before every transaction the file must be in its place.
#[derive(Debug)]
pub(super) struct DbFile {
    path: PathBuf,
    identity: FileIdentity,
}

/// The identity of a file at a path. Elsewhere than on Unix an open file can be neither removed nor
/// moved, so it has no fields.
#[derive(Debug, PartialEq, Eq)]
struct FileIdentity {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
}

impl FileIdentity {
    /// Returns the identity of the file at a path.
    ///
    /// # Errors
    /// The operating system's error if the file does not exist or its metadata cannot be read.
    fn from_path(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Ok(Self { device: metadata.dev(), inode: metadata.ino() })
        }
        #[cfg(not(unix))]
        {
            let _ = metadata;
            Ok(Self {})
        }
    }
}

impl DbFile {
    /// Remembers the file at a path.
    ///
    /// # Errors
    /// The operating system's error if it does not exist or cannot be read.
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let identity = FileIdentity::from_path(&path)?;
        Ok(Self { path, identity })
    }

    /// Returns its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Verifies that the same file is at the path.
    ///
    /// # Errors
    /// `Other` if it was replaced; the operating system's error if it was removed or cannot be
    /// reached.
    pub(super) fn check(&self) -> io::Result<()> {
        match FileIdentity::from_path(&self.path) {
            Ok(found) if found == self.identity => Ok(()),
            Ok(_) => Err(io::Error::other("the database was replaced by another file")),
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("the database was removed, or cannot be reached: {error}"),
            )),
        }
    }
}
