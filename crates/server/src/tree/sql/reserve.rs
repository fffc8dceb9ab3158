//! Room that is kept back: on a full disk even to remove something takes a little, and a disk that
//! is full of uploads that their clients gave up would stay full.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use rand::RngCore;

use crate::disk::private_file;

/// Bytes that are kept back: what the database's log takes for many removals.
const SIZE: u64 = 1 << 20;

/// What has to be free besides, in bytes, so that keeping room back does not itself fill the disk.
const BESIDES: u64 = 64 << 10;

/// A file that takes room until something needs it.
pub(super) struct Reserve {
    /// `None`: nothing is on a disk.
    file: Option<PathBuf>,
    kept: AtomicBool,
}

impl Reserve {
    /// Of a tree in memory, which needs none.
    pub(super) fn none() -> Self {
        Self { file: None, kept: AtomicBool::new(false) }
    }

    /// Room in a file, kept back if there is any. If a disk is so full that nothing could begin, what
    /// was kept back before is given up.
    pub(super) fn new(file: PathBuf) -> Self {
        let reserve = Self { file: Some(file), kept: AtomicBool::new(false) };
        reserve.keep();
        reserve
    }

    /// Whether room ought to be kept back and is not.
    pub(super) fn is_wanting(&self) -> bool {
        self.file.is_some() && !self.kept.load(Ordering::Relaxed)
    }

    /// Keeps room back, if there is enough. Takes the time of writing a megabyte at most.
    pub(super) fn keep(&self) {
        let Some(file) = self.file.as_ref().filter(|_| self.is_wanting()) else { return };
        let kept = fill(file);
        if kept.is_err() {
            // Also what was there before; there may be nothing either.
            let _ = fs::remove_file(file);
        }
        self.kept.store(kept.is_ok(), Ordering::Relaxed);
    }

    /// Gives the room up; whether there was any.
    pub(super) fn give(&self) -> bool {
        let kept = self.kept.swap(false, Ordering::Relaxed);
        let given = self.file.as_ref().is_some_and(|file| kept && fs::remove_file(file).is_ok());
        if given {
            tracing::warn!("no room: what was kept back is used to remove something");
        }
        given
    }
}

/// Takes the room that is missing, and some besides for a moment. What is there already stays, so
/// that this costs little where nothing is missing.
fn fill(file: &Path) -> io::Result<()> {
    let mut file = private_file().create(true).append(true).open(file)?;
    let there = file.metadata()?.len();
    if there > SIZE {
        file.set_len(SIZE)?;
    }
    // Bytes that no file system makes fewer of.
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
    fn room_is_kept_back_until_it_is_given_up_once() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("reserve");
        let reserve = Reserve::new(file.clone());
        assert_eq!(fs::metadata(&file).expect("there").len(), SIZE);
        assert!(!reserve.is_wanting() && reserve.give() && !file.exists());
        assert!(!reserve.give() && reserve.is_wanting());
        reserve.keep();
        assert!(file.exists() && !reserve.is_wanting());
        // Another process goes on with it, whatever it was left like.
        let before = fs::read(&file).expect("there");
        for left in [before.len(), 1_000, before.len() + 5_000] {
            let end = File::options().write(true).open(&file).expect("there");
            end.set_len(left as u64).expect("is cut");
            assert!(!Reserve::new(file.clone()).is_wanting());
            let now = fs::read(&file).expect("there");
            assert_eq!(now.len() as u64, SIZE);
            assert!(now[..1_000] == before[..1_000], "what was there stays");
        }
        assert!(!Reserve::none().is_wanting() && !Reserve::none().give());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn without_room_none_is_kept_back_and_nothing_stays() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("reserve");
        std::os::unix::fs::symlink("/dev/full", &file).expect("links");
        let reserve = Reserve::new(file.clone());
        assert!(reserve.is_wanting() && file.symlink_metadata().is_err());
    }
}
