//! Detection of changes to a local file while it is uploaded.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::drive::{Error, ErrorKind, Result, SourceGuard};

/// The resolution of modification times, with a margin. File systems take them from the kernel's
/// timer tick, which is at most 10 ms (`CONFIG_HZ=100`). Two changes within one tick have the same
/// time.
const MTIME_RESOLUTION: Duration = Duration::from_millis(20);

/// The size and the modification time of a local file at one moment.
pub(super) struct FileSnapshot {
    file: Arc<File>,
    /// For error messages; `None` if the caller has not named the file.
    path: Option<PathBuf>,
    len: u64,
    modified: SystemTime,
}

impl FileSnapshot {
    /// Takes a snapshot of a file.
    ///
    /// # Errors
    /// `Unexpected`, with the path, if the metadata of the file cannot be read.
    pub(super) fn take(file: &Arc<File>, path: Option<&Path>) -> Result<Self> {
        let metadata = file.metadata().and_then(|found| Ok((found.len(), found.modified()?)));
        let (len, modified) = metadata.map_err(|error| unreadable(path, &error))?;
        Ok(Self { file: Arc::clone(file), path: path.map(Path::to_owned), len, modified })
    }

    /// Like [`take`](Self::take), but if the file was written within the last [`MTIME_RESOLUTION`],
    /// waits until the next change will have another modification time.
    ///
    /// Waits at most once. A file that is written continuously is never old enough, and its next
    /// changes are noticed anyway.
    ///
    /// # Errors
    /// `Unexpected`, with the path, if the metadata of the file cannot be read.
    pub(super) async fn take_settled(file: &Arc<File>, path: Option<&Path>) -> Result<Self> {
        let snapshot = Self::take(file, path)?;
        // A time in the future is from another clock, or was set by a program.
        let age = snapshot.modified.elapsed().unwrap_or(MTIME_RESOLUTION);
        match MTIME_RESOLUTION.checked_sub(age).filter(|rest| !rest.is_zero()) {
            Some(rest) => {
                tokio::time::sleep(rest).await;
                Self::take(file, path)
            }
            None => Ok(snapshot),
        }
    }

    /// Returns the size of the file in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Returns the modification time of the file.
    pub(super) fn modified(&self) -> SystemTime {
        self.modified
    }

    /// Checks that the file is unchanged.
    ///
    /// # Errors
    /// `Conflict` if it was changed, and `Unexpected` if its metadata cannot be read.
    pub(super) fn check(&self) -> Result<()> {
        match Self::take(&self.file, self.path.as_deref())? {
            now if (now.len, now.modified) == (self.len, self.modified) => Ok(()),
            _ => Err(self.changed()),
        }
    }

    /// Returns a guard that aborts the request that sends the file if the file is changed meanwhile.
    /// The guard sets `read_all` once all bytes have been read and belong to the snapshot.
    pub(super) fn guard(self: &Arc<Self>, read_all: &Arc<AtomicBool>) -> SourceGuard {
        let (snapshot, read_all) = (Arc::clone(self), Arc::clone(read_all));
        SourceGuard::new(move |is_last| {
            let is_same = snapshot.check().is_ok();
            if is_last && is_same {
                read_all.store(true, Ordering::Relaxed);
            }
            is_same
        })
    }

    /// Converts an error of reading the file. An early end means that the file was changed.
    pub(super) fn read_error(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.changed(),
            _ => unreadable(self.path.as_deref(), &error),
        }
    }

    /// Returns the `Conflict` error for a file that was changed while it was sent.
    fn changed(&self) -> Error {
        Error::new(
            ErrorKind::Conflict,
            format!(
                "cannot send {}: it was changed while it was being sent",
                describe(self.path.as_deref())
            ),
        )
    }
}

/// Returns the `Unexpected` error for a local file that cannot be read.
fn unreadable(path: Option<&Path>, error: &io::Error) -> Error {
    Error::new(ErrorKind::Unexpected, format!("cannot read {}: {error}", describe(path)))
}

/// Returns the local file's name for messages; `path` is `None` if the caller has not named the
/// file.
fn describe(path: Option<&Path>) -> String {
    path.map_or("the file to be sent".to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_wait_for_a_file_that_is_written_continuously_ends() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let opened = Arc::new(file.reopen().unwrap());
        let ended = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (file, ended) = (Arc::clone(&opened), Arc::clone(&ended));
            move || {
                while !ended.load(Ordering::Relaxed) {
                    file.set_modified(SystemTime::now()).unwrap();
                }
            }
        });
        let snapshot = FileSnapshot::take_settled(&opened, Some(file.path()));
        let snapshot = tokio::time::timeout(Duration::from_secs(30), snapshot).await;
        ended.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        assert_eq!(snapshot.expect("the wait ends").unwrap().len(), 0);
    }
}
