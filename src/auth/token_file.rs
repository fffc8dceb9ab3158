//! Storage of tokens in a file of the user.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Seek, Write},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use async_trait::async_trait;
use tokio::{sync::OwnedMutexGuard, task::spawn_blocking};

#[cfg(feature = "lcrc")]
use super::lcrc;
use super::{LockedTokenStore, SaveOutcome, StoredTokens, TokenStore};
use crate::{
    adapter::key_locks::KeyedMutex,
    drive::{Error, ErrorKind, Result},
    transport::redact_quoted,
};

/// Disk space in bytes that is reserved for new tokens. Each of the three has about 2 KiB.
const RESERVE: u64 = 16 << 10;

/// Maximum number of symbolic links that are followed: Linux follows 40.
const MAX_LINKS: usize = 40;

/// A JSON file with the tokens of an account. Only its owner can read it. Each write replaces it
/// atomically.
///
/// A [`TokenSource`](super::TokenSource) reserves disk space before it requests new tokens: a cloud
/// may invalidate the old tokens as soon as it has issued new ones.
///
/// Several processes may share one file. Each holds a lock (`FILE.lock`) during a refresh, and
/// first reads the file, because another process may have refreshed the tokens. A symbolic link stays:
/// the file that it leads to is replaced, and has the lock beside it.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: PathBuf,
    format: FileFormat,
}

/// The format of a token file.
#[derive(Clone, Copy, Debug)]
enum FileFormat {
    Json,
    #[cfg(feature = "lcrc")]
    Lcrc,
}

impl TokenFile {
    /// Returns the file at `path`. Its folder must exist; the file need not.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), format: FileFormat::Json }
    }

    /// Returns the file of the old command-line client, usually `~/.lcrc`. Writing changes only the
    /// tokens in it. [`Lcrc`](super::Lcrc) reads its other contents.
    #[cfg(feature = "lcrc")]
    pub fn lcrc(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), format: FileFormat::Lcrc }
    }

    /// Reads the tokens. Returns `None` if the file does not exist or is empty.
    ///
    /// # Errors
    /// `InvalidInput` if the file is not a token file; `Unexpected` if it cannot be read.
    pub fn read(&self) -> Result<Option<StoredTokens>> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", error)),
        };
        if text.trim_ascii().is_empty() {
            return Ok(None);
        }
        #[cfg(feature = "lcrc")]
        if matches!(self.format, FileFormat::Lcrc) {
            return lcrc::parse_tokens(&String::from_utf8_lossy(&text), &self.path);
        }
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let problem = redact_quoted(&error.to_string());
            Error::new(
                ErrorKind::InvalidInput,
                format!("cannot read {}: it is not a token file ({problem})", self.path.display()),
            )
        })
    }

    /// Waits for the lock of the file, and replaces the tokens atomically.
    ///
    /// # Errors
    /// `Unexpected` if the file cannot be locked or written; `InvalidInput` if a file of the old
    /// client has another format.
    pub fn write(&self, tokens: &StoredTokens) -> Result<()> {
        let _lock = self.lock_file()?;
        self.reserve()?.write(tokens)
    }

    /// Reserves disk space for a later write.
    ///
    /// # Errors
    /// `Unexpected` if the disk is full or the folder cannot be written.
    fn reserve(&self) -> Result<ReservedFile> {
        let path = resolve_links(&self.path);
        let temporary =
            preallocate(&path).map_err(|error| self.failed("reserve disk space for", error))?;
        Ok(ReservedFile { file: self.clone(), path, temporary })
    }

    /// Deletes the temporary files of processes that were killed during a refresh. They may contain
    /// tokens. The file at `path`, which is no link, must be locked: no other process then has a
    /// temporary file in use.
    fn remove_leftovers(path: &Path) {
        let prefix = temporary_prefix(path);
        let Ok(entries) = fs::read_dir(folder_of(path)) else { return };
        for entry in entries.flatten() {
            if !entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
                continue;
            }
            if let Err(error) = fs::remove_file(entry.path()) {
                let file = entry.path();
                tracing::warn!(file = %file.display(), %error, "cannot delete a temporary file");
            }
        }
    }

    /// Returns the new contents of the file: these tokens, and in the format of the old client
    /// everything else that the file contains now.
    ///
    /// # Errors
    /// `Unexpected` if the current file cannot be read; `InvalidInput` if it is not a file of the
    /// old client.
    fn encode(&self, tokens: &StoredTokens) -> Result<String> {
        let failed = |error| self.failed("write", error);
        match self.format {
            FileFormat::Json => {
                let text = serde_json::to_string_pretty(tokens).map_err(io::Error::from);
                Ok(text.map_err(failed)? + "\n")
            }
            #[cfg(feature = "lcrc")]
            FileFormat::Lcrc => {
                let text = match fs::read_to_string(&self.path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                    read => read.map_err(failed)?,
                };
                lcrc::replace_tokens(&text, tokens, &self.path)
            }
        }
    }

    /// Waits for the lock of the file. It is held until the result is dropped. Returns `None` if
    /// the file system has no locks.
    ///
    /// # Errors
    /// `Unexpected` if the lock file cannot be created.
    fn lock_file(&self) -> Result<Option<File>> {
        let path = resolve_links(&self.path);
        let mut lock = path.clone().into_os_string();
        lock.push(".lock");
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let locked = options.open(lock).and_then(|file| file.lock().map(|()| file));
        match locked {
            Ok(file) => {
                Self::remove_leftovers(&path);
                Ok(Some(file))
            }
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                tracing::warn!(
                    file = %self.path.display(),
                    "cannot lock the token file: the file system has no locks (do not share this file \
                     between processes)"
                );
                Ok(None)
            }
            Err(error) => Err(self.failed("lock", error)),
        }
    }

    /// Returns the error of an operation on the file. `verb` completes "cannot … the token file".
    fn failed(&self, verb: &str, error: io::Error) -> Error {
        Error::new(
            ErrorKind::Unexpected,
            format!("cannot {verb} the token file {}: {error}", self.path.display()),
        )
        .with_source(error)
    }
}

#[async_trait]
impl TokenStore for TokenFile {
    /// Waits until no other task of this process uses the file, and then for its lock among
    /// processes. A file system without locks is accepted.
    ///
    /// # Errors
    /// `Unexpected` if the folder or the lock file cannot be created.
    async fn lock(&self) -> Result<Box<dyn LockedTokenStore>> {
        let file = self.clone();
        let path = blocking(move || Ok(resolve_links(&file.path))).await?;
        let turn = IN_PROCESS.lock(path).await;
        let file = self.clone();
        let lock = blocking(move || file.lock_file()).await?;
        Ok(Box::new(LockedTokenFile {
            file: self.clone(),
            reserved: None,
            _lock: lock,
            _turn: turn,
        }))
    }
}

/// The token files that this process uses, by path. Only one task at a time waits for the lock of a
/// file: each occupies a thread, and the task that holds the lock needs one too.
static IN_PROCESS: LazyLock<KeyedMutex<PathBuf>> = LazyLock::new(KeyedMutex::default);

/// A locked [`TokenFile`].
struct LockedTokenFile {
    file: TokenFile,
    /// Disk space for the next write. `None` if it is not reserved yet.
    reserved: Option<ReservedFile>,
    /// `None` if the file system has no locks.
    _lock: Option<File>,
    _turn: OwnedMutexGuard<()>,
}

#[async_trait]
impl LockedTokenStore for LockedTokenFile {
    /// Reads the file. `None` if it does not exist or is empty.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a token file; `Unexpected` if it cannot be read.
    async fn load(&mut self) -> Result<Option<StoredTokens>> {
        let file = self.file.clone();
        blocking(move || file.read()).await
    }

    /// Creates the temporary file that the next [`save`](Self::save) fills.
    ///
    /// # Errors
    /// `Unexpected` if the disk is full or the folder cannot be written.
    async fn reserve(&mut self) -> Result<()> {
        let file = self.file.clone();
        self.reserved = Some(blocking(move || file.reserve()).await?);
        Ok(())
    }

    /// Replaces the file atomically. Always returns [`SaveOutcome::Saved`].
    ///
    /// # Errors
    /// `Unexpected` if the disk is full or the file cannot be written; `InvalidInput` if a file of
    /// the old client has another format. The file then has its old tokens.
    async fn save(&mut self, tokens: &StoredTokens) -> Result<SaveOutcome> {
        let (file, reserved, tokens) = (self.file.clone(), self.reserved.take(), tokens.clone());
        blocking(move || match reserved {
            Some(reserved) => reserved.write(&tokens),
            None => file.reserve()?.write(&tokens),
        })
        .await?;
        Ok(SaveOutcome::Saved)
    }
}

/// Returns the path of the file that symbolic links lead to, which need not exist. Links beyond
/// [`MAX_LINKS`] are not followed.
fn resolve_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = folder_of(&path).join(target);
    }
    match (fs::canonicalize(folder_of(&path)), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// Runs file operations on a thread that may block.
///
/// # Errors
/// Those of `work`; `Unexpected` if it panics.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        let text = format!("cannot use the token file: {error}");
        Err(Error::new(ErrorKind::Unexpected, text).with_source(error))
    })
}

/// A temporary file with reserved disk space, which will replace the token file. It is deleted if
/// it is dropped.
#[derive(Debug)]
struct ReservedFile {
    file: TokenFile,
    /// The path to replace; not a symbolic link.
    path: PathBuf,
    temporary: tempfile::NamedTempFile,
}

impl ReservedFile {
    /// Writes the tokens and replaces the token file.
    ///
    /// # Errors
    /// `Unexpected` if the file cannot be written; `InvalidInput` if a file of the old client has
    /// another format.
    fn write(mut self, tokens: &StoredTokens) -> Result<()> {
        let text = self.file.encode(tokens)?;
        let write = || {
            self.temporary.rewind()?;
            self.temporary.write_all(text.as_bytes())?;
            self.temporary.as_file().set_len(text.len() as u64)?;
            self.temporary.as_file().sync_all()?;
            self.temporary.persist(&self.path)?;
            Ok(())
        };
        write().map_err(|error| self.file.failed("write", error))
    }
}

/// Creates a temporary file in the folder of `path` that is slightly larger than the token file.
///
/// # Errors
/// If the folder cannot be written or the disk is full.
fn preallocate(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let len = fs::metadata(path).map_or(0, |metadata| metadata.len()) + RESERVE;
    // `tempfile` creates it with mode 0600 on Unix.
    let mut builder = tempfile::Builder::new();
    let mut file = builder.prefix(&temporary_prefix(path)).tempfile_in(folder_of(path))?;
    io::copy(&mut io::Read::take(io::repeat(b' '), len), &mut file)?;
    // Some file systems report a full disk only here.
    file.as_file().sync_data()?;
    Ok(file)
}

/// Returns the start of the names of temporary files for the file at `path`.
fn temporary_prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".new-");
    prefix
}

/// Returns the folder of a file.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(refresh: &str) -> StoredTokens {
        StoredTokens::from_refresh_token(refresh.into())
    }

    #[test]
    fn tokens_are_stored_in_a_file_that_only_its_owner_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let file = TokenFile::new(&path);
        assert!(file.read().unwrap().is_none());
        file.write(&stored("one")).unwrap();
        file.write(&stored("two")).unwrap();
        let read = file.read().unwrap().unwrap();
        assert_eq!(read.refresh_token.unwrap().expose(), "two");
        assert!(read.access_token.is_none());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the file and its lock");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_its_target_has_the_tokens_the_lock_and_the_temporary_files() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("link.json"), folder.path().join("d/tokens.json"));
        fs::create_dir(folder.path().join("d")).unwrap();
        std::os::unix::fs::symlink("d/tokens.json", &link).unwrap();
        let (by_link, direct) = (TokenFile::new(&link), TokenFile::new(&target));
        for (number, file) in [&by_link, &by_link, &direct].into_iter().enumerate() {
            file.write(&stored(&number.to_string())).unwrap();
            for file in [&by_link, &direct] {
                let read = file.read().unwrap().unwrap();
                assert_eq!(read.refresh_token.unwrap().expose(), number.to_string());
            }
        }
        assert!(link.is_symlink() && !target.is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the link and the folder");
        assert_eq!(fs::read_dir(folder.path().join("d")).unwrap().count(), 2, "with the lock");
        let held = by_link.lock_file().unwrap().unwrap();
        let lock = File::open(folder.path().join("d/tokens.json.lock")).unwrap();
        assert!(lock.try_lock().is_err());
        drop(held);
    }

    #[test]
    fn the_files_of_a_killed_process_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::new(folder.path().join("tokens.json"));
        let leftover = file.reserve().unwrap().temporary.keep().unwrap().1;
        let of_another = folder.path().join(".other.json.new-x");
        fs::write(&of_another, "{}").unwrap();
        file.write(&stored("one")).unwrap();
        assert!(!leftover.exists() && of_another.exists());
        assert_eq!(file.read().unwrap().unwrap().refresh_token.unwrap().expose(), "one");
    }

    #[tokio::test]
    async fn a_locked_file_reads_and_writes() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::new(folder.path().join("tokens.json"));
        let mut locked = file.lock().await.unwrap();
        assert!(locked.load().await.unwrap().is_none());
        locked.reserve().await.unwrap();
        assert_eq!(locked.save(&stored("one")).await.unwrap(), SaveOutcome::Saved);
        assert_eq!(locked.save(&stored("two")).await.unwrap(), SaveOutcome::Saved);
        let waiting = tokio::spawn(async move { file.lock().await.unwrap().load().await });
        drop(locked);
        let read = waiting.await.unwrap().unwrap().unwrap();
        assert_eq!(read.refresh_token.unwrap().expose(), "two");
    }

    #[test]
    fn another_kind_of_file_is_an_error_that_does_not_quote_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        fs::write(&path, r#"{"refresh_token": ["hunter2"], "renew_at": "hunter2"}"#).unwrap();
        let error = TokenFile::new(&path).read().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = format!("{error} {error:?}");
        assert!(text.contains("tokens.json") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_missing_folder_is_an_error_with_the_path() {
        let error = TokenFile::new("/no/such/folder/tokens").write(&stored("one")).unwrap_err();
        assert!(error.to_string().contains("/no/such/folder/tokens"), "{error}");
    }
}
