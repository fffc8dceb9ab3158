//! Disk space in reserve. On a full disk even a removal needs some: without a reserve, a disk that is
//! full of abandoned uploads would stay full.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use rand::RngCore;

use crate::disk::private_file;

/// Bytes in reserve: the growth of the database's log for many removals.
const SIZE: u64 = 1 << 20;

/// Bytes that must be free besides, so that the reserve itself does not fill the disk.
const BESIDES: u64 = 64 << 10;

/// A file that takes disk space until a removal needs it.
pub(super) struct Reserve {
    /// `None` for a database that is not on this disk.
    file: Option<PathBuf>,
    kept: AtomicBool,
}

impl Reserve {
    /// Creates no reserve, for a database that is not on this disk.
    pub(super) fn none() -> Self {
        Self { file: None, kept: AtomicBool::new(false) }
    }

    /// Creates or takes over the reserve in a file. On a full disk the file is removed instead, so that
    /// the server can start.
    pub(super) fn new(file: PathBuf) -> Self {
        let reserve = Self { file: Some(file), kept: AtomicBool::new(false) };
        reserve.refill();
        reserve
    }

    /// Returns whether the reserve has a file, and the file was given up or could not be filled.
    pub(super) fn is_wanting(&self) -> bool {
        self.file.is_some() && !self.kept.load(Ordering::Relaxed)
    }

    /// Fills the reserve if the disk has enough space. It writes up to a megabyte.
    pub(super) fn refill(&self) {
        let Some(file) = self.file.as_ref().filter(|_| self.is_wanting()) else { return };
        let kept = fill(file);
        if kept.is_err() {
            // It may be incomplete, or may not exist.
            let _ = fs::remove_file(file);
        }
        self.kept.store(kept.is_ok(), Ordering::Relaxed);
    }

    /// Gives the reserve up: its file is removed. Returns `false` if it was given up before, could
    /// not be removed, or has no file.
    pub(super) fn release(&self) -> bool {
        let kept = self.kept.swap(false, Ordering::Relaxed);
        let given = self.file.as_ref().is_some_and(|file| kept && fs::remove_file(file).is_ok());
        if given {
            tracing::warn!("the disk is full: a removal uses the reserve");
        }
        given
    }
}

/// Extends the file to its size, and for a moment beyond. Existing bytes are not written again, so
/// a complete file costs little.
///
/// # Errors
/// The operating system's error if the file cannot be created or written, on a full disk too.
fn fill(file: &Path) -> io::Result<()> {
    let mut file = private_file().create(true).append(true).open(file)?;
    let there = file.metadata()?.len();
    if there > SIZE {
        file.set_len(SIZE)?;
    }
    // Random bytes: a file system may compress others.
    let missing = SIZE.saturating_sub(there) + BESIDES;
    let mut bytes = vec![0; missing as usize];
    rand::rng().fill_bytes(&mut bytes);
    file.write_all(&bytes)?;
    file.set_len(SIZE)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn the_reserve_is_given_up_once() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("reserve");
        let reserve = Reserve::new(file.clone());
        assert_eq!(fs::metadata(&file).expect("there").len(), SIZE);
        assert!(!reserve.is_wanting() && reserve.release() && !file.exists());
        assert!(!reserve.release() && reserve.is_wanting());
        reserve.refill();
        assert!(file.exists() && !reserve.is_wanting());
        // Another process takes it over, whatever its size.
        let before = fs::read(&file).expect("there");
        for left in [before.len(), 1_000, before.len() + 5_000] {
            let end = File::options().write(true).open(&file).expect("there");
            end.set_len(left as u64).expect("is cut");
            assert!(!Reserve::new(file.clone()).is_wanting());
            let now = fs::read(&file).expect("there");
            assert_eq!(now.len() as u64, SIZE);
            assert!(now[..1_000] == before[..1_000], "existing bytes stay");
        }
        assert!(!Reserve::none().is_wanting() && !Reserve::none().release());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn on_a_full_disk_there_is_no_reserve_and_no_file() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("reserve");
        std::os::unix::fs::symlink("/dev/full", &file).expect("links");
        let reserve = Reserve::new(file.clone());
        assert!(reserve.is_wanting() && file.symlink_metadata().is_err());
    }
}
