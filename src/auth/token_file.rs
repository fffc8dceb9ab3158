//! Storage of tokens in a file of the user.

use std::{
    fs::{self, File},
    io::{self, Seek, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[cfg(feature = "services-skydrive")]
use super::lcrc;
use crate::{
    drive::{Error, ErrorKind, Result, Secret},
    transport::redact_quoted,
};

/// Disk space in bytes that is reserved for new tokens. Each of the three has about 2 KiB.
const RESERVE: u64 = 16 << 10;

/// A JSON file with the tokens of an account. Only its owner can read it. Each write replaces it
/// atomically.
///
/// A [`TokenSource`](super::TokenSource) reserves disk space before it requests new tokens: a cloud
/// may invalidate the old tokens as soon as it has issued new ones.
///
/// Several processes may share one file. Each holds a lock (`FILE.lock`) during a refresh, and first
/// reads the file, because another process may have refreshed the tokens.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: PathBuf,
    format: FileFormat,
}

/// The format of a token file.
#[derive(Clone, Copy, Debug)]
enum FileFormat {
    Json,
    #[cfg(feature = "services-skydrive")]
    Lcrc,
}

/// The tokens in a [`TokenFile`].
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct StoredTokens {
    /// The refresh token. `None` if the cloud issued none.
    #[serde(with = "secret", skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// The access token.
    #[serde(with = "secret", skip_serializing_if = "Option::is_none")]
    pub access_token: Option<Secret>,
    /// When the access token should be refreshed. `None` if its expiry is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Timestamp>,
    /// The refresh token of the configuration from which these tokens originate. A configuration
    /// with another refresh token is newer than the file. `None` if it has no refresh token.
    #[serde(with = "secret", skip_serializing_if = "Option::is_none")]
    pub configured: Option<Secret>,
}

impl TokenFile {
    /// Returns the file at `path`. Its folder must exist; the file need not.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), format: FileFormat::Json }
    }

    /// Returns the file of the old command-line client, usually `~/.lcrc`. Writing changes only the
    /// tokens in it. [`Lcrc`](super::Lcrc) reads its other contents.
    #[cfg(feature = "services-skydrive")]
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
        #[cfg(feature = "services-skydrive")]
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

    /// Replaces the tokens in the file atomically.
    ///
    /// # Errors
    /// `Unexpected` if the file cannot be written; `InvalidInput` if a file of the old client has
    /// another format.
    pub fn write(&self, tokens: &StoredTokens) -> Result<()> {
        self.reserve()?.write(tokens)
    }

    /// Reserves disk space for a later write.
    ///
    /// # Errors
    /// `Unexpected` if the disk is full or the folder cannot be written.
    pub(super) fn reserve(&self) -> Result<ReservedFile> {
        let path = match self.format {
            FileFormat::Json => self.path.clone(),
            #[cfg(feature = "services-skydrive")]
            FileFormat::Lcrc => lcrc::resolve_link(&self.path),
        };
        let temporary =
            preallocate(&path).map_err(|error| self.failed("reserve disk space for", error))?;
        Ok(ReservedFile { file: self.clone(), path, temporary })
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
            #[cfg(feature = "services-skydrive")]
            FileFormat::Lcrc => {
                let path = lcrc::resolve_link(&self.path);
                let text = match fs::read_to_string(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                    read => read.map_err(failed)?,
                };
                lcrc::replace_tokens(&text, tokens, &path)
            }
        }
    }

    /// Waits for the lock of the file. It is held until the result is dropped. Returns `None` if the
    /// file system has no locks.
    ///
    /// # Errors
    /// `Unexpected` if the lock file cannot be created.
    pub(super) fn lock(&self) -> Result<Option<File>> {
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let locked = options.open(path).and_then(|file| file.lock().map(|()| file));
        match locked {
            Ok(file) => Ok(Some(file)),
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

/// A temporary file with reserved disk space, which will replace the token file. It is deleted if it
/// is dropped.
#[derive(Debug)]
pub(super) struct ReservedFile {
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
    pub(super) fn write(mut self, tokens: &StoredTokens) -> Result<()> {
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
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let len = fs::metadata(path).map_or(0, |metadata| metadata.len()) + RESERVE;
    // `tempfile` creates it with mode 0600 on Unix.
    let mut file = tempfile::Builder::new().prefix(".tokens-").tempfile_in(folder)?;
    io::copy(&mut io::Read::take(io::repeat(b' '), len), &mut file)?;
    // Some file systems report a full disk only here.
    file.as_file().sync_data()?;
    Ok(file)
}

/// Serializes secrets. Used only for the user's own file.
mod secret {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::drive::Secret;

    /// Serializes the secret's text. `None` becomes `null`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub(super) fn serialize<S: Serializer>(
        secret: &Option<Secret>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => serializer.serialize_some(secret.expose()),
            None => serializer.serialize_none(),
        }
    }

    /// Deserializes a secret. `null` becomes `None`.
    ///
    /// # Errors
    /// If the value is neither a text nor `null`.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Secret::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(refresh: &str) -> StoredTokens {
        StoredTokens { refresh_token: Some(refresh.into()), ..StoredTokens::default() }
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
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
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
