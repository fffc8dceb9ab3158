//! Writing of local files: into a hidden partial file, which then replaces the target.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use jiff::Timestamp;
use tempfile::NamedTempFile;

use super::LocalReader;
use crate::{error::FailureCause, version::FileVersion};

/// Prefix and suffix of the names of partial files. The command line has the same.
const PREFIX: &str = ".drivedal-";
const SUFFIX: &str = ".partial";
/// The text after the prefix of the partial files of this crate. It has a letter that is no
/// hexadecimal digit: the command line names resumable downloads by such digits.
const OURS: &str = "sync";
/// The number of random letters and digits after [`OURS`].
const RANDOM_CHARS: usize = 10;

/// The number of bytes that are collected before they are written to the disk. A smaller file is
/// created, written and renamed in one step.
const COLLECT: usize = 4 << 20;

/// Returns whether a name is that of a partial file.
pub(super) fn is_partial(name: &str) -> bool {
    let middle = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    middle.is_some_and(|middle| middle.len() >= 6)
}

/// Returns whether a partial file belongs to this crate, so that it can be removed once its run has
/// ended.
pub(super) fn is_swept(name: &str) -> bool {
    let middle = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    middle.and_then(|middle| middle.strip_prefix(OURS)).is_some_and(|random| {
        random.len() == RANDOM_CHARS && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Writes a local file. Until [`finish`](Self::finish) the target is unchanged. If the writer is
/// dropped before that, the partial file is removed.
#[derive(Debug)]
pub(crate) struct LocalWriter {
    target: PathBuf,
    file: Option<NamedTempFile>,
    collected: Vec<Bytes>,
    collected_len: usize,
}

impl LocalWriter {
    /// Returns a writer for the file at `target`. Nothing is created yet.
    pub(crate) fn new(target: PathBuf) -> Self {
        Self { target, file: None, collected: Vec::new(), collected_len: 0 }
    }

    /// Adds bytes. Returns whether [`flush`](Self::flush) is due.
    pub(crate) fn push(&mut self, bytes: Bytes) -> bool {
        self.collected_len += bytes.len();
        self.collected.push(bytes);
        self.collected_len >= COLLECT
    }

    /// Writes the collected bytes to the partial file. Blocks on the disk.
    ///
    /// # Errors
    /// The operating system's error if the folder or the file cannot be created or written.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(create_beside(&self.target)?),
        };
        for bytes in self.collected.drain(..) {
            file.write_all(&bytes)?;
        }
        self.collected_len = 0;
        Ok(())
    }

    /// Writes the rest, sets the modification time, and replaces the target. With `sync_root` the
    /// file survives a power failure afterwards: see [`sync_folders`]. Blocks on the disk.
    ///
    /// # Errors
    /// The operating system's error. Unless the folders could not be written to the disk, the target
    /// is then unchanged.
    pub(crate) fn finish(
        mut self,
        modified: Option<Timestamp>,
        sync_root: Option<&Path>,
    ) -> io::Result<()> {
        self.flush()?;
        let Some(file) = self.file else { return Ok(()) };
        persist(file, &self.target, modified, sync_root)
    }
}

/// Copies a local file to `target` through a partial file, and returns the version that was copied.
/// With `sync_root` as in [`LocalWriter::finish`]. Blocks on the disk.
///
/// # Errors
/// `Disk`; `Refused` if the file changed meanwhile. The target is then unchanged, as in
/// [`LocalWriter::finish`].
pub(crate) fn copy_file(
    from: &Path,
    target: &Path,
    sync_root: Option<&Path>,
) -> Result<FileVersion, FailureCause> {
    let mut reader = LocalReader::open(from)?;
    let mut writer = LocalWriter::new(target.to_owned());
    loop {
        let chunk = reader.next_chunk()?;
        let is_last = chunk.is_empty();
        if writer.push(chunk) {
            writer.flush()?;
        }
        if is_last {
            break;
        }
    }
    writer.finish(reader.modified, sync_root)?;
    Ok(FileVersion { size: Some(reader.size), modified: reader.modified, etag: None })
}

/// Writes an existing file, and its folders as [`sync_folders`], from memory to the disk.
///
/// # Errors
/// The operating system's error.
pub(crate) fn sync_file(path: &Path, root: &Path) -> io::Result<()> {
    // Windows requires a file that is opened for writing.
    File::options().read(true).write(cfg!(windows)).open(path)?.sync_all()?;
    sync_folders(path, root)
}

/// Writes the folders above a file from memory to the disk, so that the file keeps its name after a
/// power failure. The run may have created the folders up to `root`, that of the endpoint, and those
/// above it. Only Unix has this operation.
///
/// # Errors
/// The operating system's error for a folder within the root, or for the one that contains it.
fn sync_folders(path: &Path, root: &Path) -> io::Result<()> {
    for folder in path.ancestors().skip(1).filter(|_| cfg!(unix)) {
        let is_needed = folder.starts_with(root) || root.parent() == Some(folder);
        match File::open(folder).and_then(|folder| folder.sync_all()) {
            Ok(()) => {}
            Err(error) if is_needed => return Err(error),
            // A folder further above that cannot be opened is not one that the run created.
            Err(_) => break,
        }
    }
    Ok(())
}

/// Sets the modification time of a partial file, and replaces the target with it. `sync_root` is that
/// of [`LocalWriter::finish`].
///
/// # Errors
/// Those of [`LocalWriter::finish`].
fn persist(
    file: NamedTempFile,
    target: &Path,
    modified: Option<Timestamp>,
    sync_root: Option<&Path>,
) -> io::Result<()> {
    if let Some(time) = modified {
        file.as_file().set_modified(time.into())?;
    }
    // A folder cannot be replaced; `rename` would replace an empty one on some systems.
    if fs::symlink_metadata(target).is_ok_and(|found| found.is_dir()) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if sync_root.is_some() {
        file.as_file().sync_all()?;
    }
    file.persist(target).map_err(|error| error.error)?;
    sync_root.map_or(Ok(()), |root| sync_folders(target, root))
}

/// Creates and locks a partial file in the folder of the target. Creates missing folders.
///
/// # Errors
/// The operating system's error.
fn create_beside(target: &Path) -> io::Result<NamedTempFile> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let prefix = format!("{PREFIX}{OURS}");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(SUFFIX).rand_bytes(RANDOM_CHARS);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The permissions of a new file, which the user's umask reduces.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let file = match builder.tempfile_in(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            builder.tempfile_in(folder)?
        }
        created => created?,
    };
    // A sweep leaves locked files. On a file system without locks two runs must not write to one
    // folder at the same time.
    let _ = file.as_file().lock();
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.expect("read").file_name().into_string().expect("UTF-8")
        };
        fs::read_dir(folder).expect("read").map(name).collect()
    }

    #[test]
    fn the_target_is_replaced_only_by_a_finished_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let target = dir.path().join("sub/a");
        let time = Timestamp::from_second(1_000_000_000).expect("a time");
        let mut writer = LocalWriter::new(target.clone());
        assert!(!writer.push(Bytes::from_static(b"old")));
        writer.finish(Some(time), Some(dir.path())).expect("finished");
        assert_eq!(fs::read(&target).expect("read"), b"old");
        assert_eq!(super::super::modified(&fs::metadata(&target).expect("found")), Some(time));

        let mut writer = LocalWriter::new(target.clone());
        assert!(writer.push(Bytes::from(vec![1; COLLECT])));
        writer.flush().expect("written");
        let created = names(&dir.path().join("sub"));
        assert_eq!(created.len(), 2);
        assert!(created.iter().any(|name| is_swept(name) && is_partial(name)), "{created:?}");
        assert_eq!(fs::read(&target).expect("read"), b"old");
        drop(writer);
        assert_eq!(names(&dir.path().join("sub")), ["a"]);
    }

    #[test]
    fn a_folder_is_never_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("a")).expect("created");
        let writer = LocalWriter::new(dir.path().join("a"));
        let error = writer.finish(None, None).expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        assert_eq!(names(dir.path()), ["a"]);
    }
}
