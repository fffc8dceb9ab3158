//! Local files and folders.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::task::spawn_blocking;

use super::{CHUNK, journal::is_partial, names::NameRules};
use crate::failure::{Exit, Failure, Result};

/// Handling of symbolic links in a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SymlinkPolicy {
    /// Report each link as a failure
    #[default]
    Fail,
    /// Leave links out
    Skip,
    /// Upload the file or folder that the link points to
    Follow,
}

/// An entry of a local folder.
#[derive(Debug)]
pub(crate) enum LocalEntry {
    File {
        name: String,
        path: PathBuf,
        /// Length in bytes when the folder was read.
        len: u64,
    },
    Folder {
        name: String,
        path: PathBuf,
    },
    /// A link that is left out, or a partial download.
    Skipped {
        name: String,
        path: PathBuf,
    },
    Failed(Failure),
}

impl LocalEntry {
    /// Returns name, path and whether it is a folder. `None` for an entry that is not uploaded.
    pub(crate) fn sendable(&self) -> Option<(&str, &Path, bool)> {
        match self {
            Self::File { name, path, .. } => Some((name, path, false)),
            Self::Folder { name, path } => Some((name, path, true)),
            Self::Skipped { .. } | Self::Failed(_) => None,
        }
    }
}

/// Runs work that blocks on the disk, on a thread for such work.
///
/// # Errors
/// That of `work`, or `Failed` if it panics.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    super::jobs::join(spawn_blocking(work).await)
}

/// Returns the entries of a folder, sorted by name, with their names at the target of the `rules`. `above` is the real paths of the folder and its
/// parents: a link to one of them would be an endless loop.
///
/// # Errors
/// [`Failure::local`] if the folder cannot be read. A failure of one entry is a
/// [`LocalEntry::Failed`].
pub(crate) fn entries(
    folder: &Path,
    rules: &NameRules,
    links: SymlinkPolicy,
    above: &[PathBuf],
) -> Result<Vec<LocalEntry>> {
    let read = fs::read_dir(folder).map_err(|error| Failure::local("read", folder, &error))?;
    let mut found = Vec::new();
    for entry in read {
        let entry = entry.map_err(|error| Failure::local("read", folder, &error))?;
        found.push((entry.file_name(), entry));
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found
        .into_iter()
        .map(|(name, entry)| {
            let path = entry.path();
            let name = rules.target_name(&name).map_err(|failure| failure.about(path.display()));
            name.and_then(|name| classify(name, path, entry.metadata(), links, above))
                .unwrap_or_else(LocalEntry::Failed)
        })
        .collect())
}

/// Returns the kind of an entry, given its metadata, of the link itself if it is one. `above` is
/// that of [`entries`].
///
/// # Errors
/// [`Failure::local`] if its metadata cannot be read; `Failed` for a special file, for a link that
/// the policy forbids, and for one to a parent folder.
fn classify(
    name: String,
    path: PathBuf,
    metadata: io::Result<Metadata>,
    links: SymlinkPolicy,
    above: &[PathBuf],
) -> Result<LocalEntry> {
    let failed = |error: &io::Error| Failure::local("read", &path, error);
    let mut found = metadata.map_err(|error| failed(&error))?;
    if found.is_symlink() {
        match links {
            SymlinkPolicy::Skip => return Ok(LocalEntry::Skipped { name, path }),
            SymlinkPolicy::Fail => {
                let failure =
                    Failure::new(Exit::Failed, "it is a symbolic link, and drives have none");
                let hint = "use --links skip or --links follow";
                return Err(failure.hint(hint).about(path.display()));
            }
            SymlinkPolicy::Follow => {
                found = fs::metadata(&path).map_err(|error| failed(&error))?;
                if found.is_dir() {
                    let real = fs::canonicalize(&path).map_err(|error| failed(&error))?;
                    if above.contains(&real) {
                        let why = "it is a symbolic link to one of its parent folders";
                        return Err(Failure::new(Exit::Failed, why).about(path.display()));
                    }
                }
            }
        }
    }
    if found.is_dir() {
        Ok(LocalEntry::Folder { name, path })
    } else if found.is_file() && is_partial(&path) {
        Ok(LocalEntry::Skipped { name, path })
    } else if found.is_file() {
        Ok(LocalEntry::File { name, path, len: found.len() })
    } else {
        Err(Failure::is_special_file().about(path.display()))
    }
}

/// A local file that is read sequentially.
pub(crate) struct LocalFile {
    file: File,
    pub(crate) path: PathBuf,
    /// Length in bytes and modification time when the file was opened.
    pub(crate) size: u64,
    pub(crate) modified: Option<Timestamp>,
    read: u64,
    /// The end of the file was reached.
    ended: bool,
}

impl LocalFile {
    /// Opens a file and reads its first chunk. Most files have only one.
    ///
    /// # Errors
    /// [`Failure::local`] if the file cannot be read; `Failed` if it changes meanwhile.
    pub(crate) fn open(path: PathBuf) -> Result<(Self, Bytes)> {
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(|error| Failure::local("read", &path, &error))?;
        let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        let mut source = Self { file, path, size: metadata.len(), modified, read: 0, ended: false };
        let first = source.read_chunk()?;
        Ok((source, first))
    }

    /// Reads the next chunk. It is empty at the end of the file.
    ///
    /// # Errors
    /// [`Failure::local`] if the file cannot be read; `Failed` if it changed since it was opened.
    pub(crate) async fn next(mut self) -> Result<(Self, Bytes)> {
        if self.ended {
            return Ok((self, Bytes::new()));
        }
        blocking(move || {
            let chunk = self.read_chunk()?;
            Ok((self, chunk))
        })
        .await
    }

    /// Returns `Failed`: the file changed while it was read.
    fn changed(&self) -> Failure {
        let failure = Failure::new(Exit::Failed, "the file changed while it was read");
        failure.doing("read").about(self.path.display())
    }

    /// Returns the current modification time of the file; `None` if it is out of range.
    ///
    /// # Errors
    /// [`Failure::local`] if its metadata cannot be read.
    fn modified_now(&self) -> Result<Option<Timestamp>> {
        let found =
            self.file.metadata().map_err(|error| Failure::local("read", &self.path, &error))?;
        Ok(found.modified().ok().and_then(|time| Timestamp::try_from(time).ok()))
    }

    /// Reads the next chunk. Before the last one is returned, the file is compared with its state
    /// when it was opened.
    ///
    /// # Errors
    /// [`Failure::local`] if the file cannot be read; `Failed` if it changed.
    fn read_chunk(&mut self) -> Result<Bytes> {
        // One more byte than expected, to detect a file that has grown.
        let left = usize::try_from(self.size - self.read + 1).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = Vec::with_capacity(left);
        let read = self.file.by_ref().take(left as u64).read_to_end(&mut chunk);
        read.map_err(|error| Failure::local("read", &self.path, &error))?;
        self.read += chunk.len() as u64;
        self.ended = chunk.len() < left;
        if self.read > self.size || (self.ended && self.read < self.size) {
            return Err(self.changed());
        }
        // Checked before the last chunk is returned: a file may be rewritten without a change of
        // its size.
        if self.ended && self.modified_now()? != self.modified {
            return Err(self.changed());
        }
        Ok(chunk.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_piece_by_piece_and_one_that_changes_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a");
        fs::write(&path, vec![7; CHUNK * 2 + 1]).expect("written");
        let (mut source, first) = LocalFile::open(path.clone()).expect("opened");
        assert_eq!((first.len(), source.read_chunk().expect("read").len()), (CHUNK, CHUNK));
        assert_eq!(source.read_chunk().expect("read").len(), 1);
        assert!(source.read_chunk().expect("read").is_empty());

        for len in [CHUNK * 2, CHUNK * 2 + 2] {
            let (mut source, _) = LocalFile::open(path.clone()).expect("opened");
            fs::write(&path, vec![7; len]).expect("written");
            let changed = std::iter::repeat_with(|| source.read_chunk()).find_map(Result::err);
            assert!(changed.is_some_and(|failure| failure.message.contains("changed")), "{len}");
            fs::write(&path, vec![7; CHUNK * 2 + 1]).expect("written");
        }
    }

    #[cfg(unix)]
    #[test]
    fn every_entry_of_a_folder_is_returned() {
        use std::os::unix::{ffi::OsStrExt, fs::symlink};
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().canonicalize().expect("a real path");
        fs::write(root.join("file"), "x").expect("written");
        fs::write(root.join(".drivedal-abc123.partial"), "x").expect("written");
        fs::create_dir(root.join("folder")).expect("made");
        symlink("file", root.join("link")).expect("linked");
        symlink("..", root.join("folder/up")).expect("linked");
        symlink("nowhere", root.join("lost")).expect("linked");
        fs::write(root.join(std::ffi::OsStr::from_bytes(b"\xff")), "x").expect("written");
        let words = |folder: &Path, links| {
            let rules = NameRules::exact();
            let entries =
                entries(folder, &rules, links, std::slice::from_ref(&root)).expect("read");
            let word = |entry: &LocalEntry| match entry {
                LocalEntry::File { name, .. } => format!("file {name}"),
                LocalEntry::Folder { name, .. } => format!("folder {name}"),
                LocalEntry::Skipped { name, .. } => format!("skipped {name}"),
                LocalEntry::Failed(_) => "failed".to_owned(),
            };
            entries.iter().map(word).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(
            words(&root, SymlinkPolicy::Fail),
            "skipped .drivedal-abc123.partial, file file, folder folder, failed, failed, failed"
        );
        assert_eq!(
            words(&root, SymlinkPolicy::Skip),
            "skipped .drivedal-abc123.partial, file file, folder folder, skipped link, skipped lost, failed"
        );
        assert_eq!(
            words(&root, SymlinkPolicy::Follow),
            "skipped .drivedal-abc123.partial, file file, folder folder, file link, failed, failed"
        );
        assert_eq!(words(&root.join("folder"), SymlinkPolicy::Follow), "failed");
    }
}
