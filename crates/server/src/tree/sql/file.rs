//! The database's file, and whether it is still there.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The file of a database that is open.
///
/// On Unix a file that is removed or moved can be written on: what a server keeps in it then is
/// gone with the server, or out of sight. So before every transaction the file has to be where it
/// was.
#[derive(Debug)]
pub(super) struct DbFile {
    path: PathBuf,
    identity: Identity,
}

/// What tells a file from another one at the same path. Where files that are open can be neither
/// removed nor moved, nothing has to.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Identity {
    fn from_path(path: &Path) -> io::Result<Self> {
        let there = fs::metadata(path)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Ok(Self { device: there.dev(), inode: there.ino() })
        }
        #[cfg(not(unix))]
        {
            let _ = there;
            Ok(Self {})
        }
    }
}

impl DbFile {
    /// The file that is there now.
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let identity = Identity::from_path(&path)?;
        Ok(Self { path, identity })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails if another file is there now, or none.
    pub(super) fn check(&self) -> io::Result<()> {
        match Identity::from_path(&self.path) {
            Ok(found) if found == self.identity => Ok(()),
            Ok(_) => Err(io::Error::other("another file has taken the database's place")),
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("the database was removed, or cannot be reached: {error}"),
            )),
        }
    }
}
