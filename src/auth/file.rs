//! Tokens that survive the process, in a file of the user's.

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

/// How many bytes of room tokens are given beforehand: each of the three has some 2 KiB.
const ROOM: u64 = 16 << 10;

/// A file with an account's tokens: JSON, readable by its owner alone, replaced as a whole.
///
/// Before new tokens are asked for there is room for them on the disk: a cloud may accept the old
/// ones no longer as soon as it has given new ones.
///
/// Several processes may use one file: each holds the lock (`FILE.lock`) while it renews the
/// tokens, and looks into the file first, because another may just have done it.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: PathBuf,
    form: Form,
}

/// How a file says what it keeps.
#[derive(Clone, Copy, Debug)]
enum Form {
    Json,
    #[cfg(feature = "services-skydrive")]
    Lcrc,
}

/// What a [`TokenFile`] keeps.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Kept {
    /// Gets the next tokens.
    #[serde(with = "secret", skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// Signs requests.
    #[serde(with = "secret", skip_serializing_if = "Option::is_none")]
    pub access_token: Option<Secret>,
    /// When the access token is to be renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Timestamp>,
    /// The refresh token of the configuration that these tokens come from. A configuration with
    /// another one is newer than the file.
    #[serde(with = "secret", skip_serializing_if = "Option::is_none")]
    pub configured: Option<Secret>,
}

impl TokenFile {
    /// The file at `path`; it need not exist yet, its folder must.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), form: Form::Json }
    }

    /// The old command-line client's file, `~/.lcrc`: YAML, of which only the tokens are changed.
    /// See [`Lcrc`](super::Lcrc) for what else is in it.
    #[cfg(feature = "services-skydrive")]
    pub fn lcrc(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), form: Form::Lcrc }
    }

    /// What the file holds; `None` if there is no such file, or an empty one.
    ///
    /// # Errors
    /// `Invalid` for a file that is something else; `Unexpected` for one that cannot be read.
    pub fn read(&self) -> Result<Option<Kept>> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("reading", error)),
        };
        if text.trim_ascii().is_empty() {
            return Ok(None);
        }
        #[cfg(feature = "services-skydrive")]
        if matches!(self.form, Form::Lcrc) {
            return lcrc::kept(&String::from_utf8_lossy(&text), &self.path);
        }
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let problem = redact_quoted(&error.to_string());
            Error::new(
                ErrorKind::InvalidInput,
                format!("{} is not a file of tokens: {problem}", self.path.display()),
            )
        })
    }

    /// Replaces what the file holds, all or nothing.
    ///
    /// # Errors
    /// `Unexpected` if it cannot be written.
    pub fn write(&self, kept: &Kept) -> Result<()> {
        self.make_room()?.fill(kept)
    }

    /// Room on the disk for what is to be written.
    ///
    /// # Errors
    /// `Unexpected` if there is none.
    pub(super) fn make_room(&self) -> Result<Room> {
        let path = match self.form {
            Form::Json => self.path.clone(),
            #[cfg(feature = "services-skydrive")]
            Form::Lcrc => lcrc::real(&self.path),
        };
        let made = beside(&path).map_err(|error| self.failed("making room for", error))?;
        Ok(Room { file: self.clone(), path, made })
    }

    fn text(&self, kept: &Kept) -> Result<String> {
        let failed = |error| self.failed("writing", error);
        match self.form {
            Form::Json => {
                let text = serde_json::to_string_pretty(kept).map_err(io::Error::from);
                Ok(text.map_err(failed)? + "\n")
            }
            #[cfg(feature = "services-skydrive")]
            Form::Lcrc => {
                let path = lcrc::real(&self.path);
                let text = match fs::read_to_string(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                    read => read.map_err(failed)?,
                };
                lcrc::merged(&text, kept, &path)
            }
        }
    }

    /// Waits for the right to renew the tokens; it lasts until the answer is dropped.
    ///
    /// # Errors
    /// `Unexpected` if the lock file cannot be made.
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
                    "this file system has no locks: let no other process use this file of tokens"
                );
                Ok(None)
            }
            Err(error) => Err(self.failed("locking", error)),
        }
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        Error::new(
            ErrorKind::Unexpected,
            format!("{what} the file of tokens {}: {error}", self.path.display()),
        )
        .with_source(error)
    }
}

/// A file beside that of the tokens, to take its place; gone if it does not come to that.
#[derive(Debug)]
pub(super) struct Room {
    file: TokenFile,
    /// What is replaced.
    path: PathBuf,
    made: tempfile::NamedTempFile,
}

impl Room {
    /// Puts tokens into the file, all or nothing.
    ///
    /// # Errors
    /// `Unexpected` if it cannot be written.
    pub(super) fn fill(mut self, kept: &Kept) -> Result<()> {
        let text = self.file.text(kept)?;
        let write = || {
            self.made.rewind()?;
            self.made.write_all(text.as_bytes())?;
            self.made.as_file().set_len(text.len() as u64)?;
            self.made.as_file().sync_all()?;
            self.made.persist(&self.path)?;
            Ok(())
        };
        write().map_err(|error| self.file.failed("writing", error))
    }
}

/// A new file beside one, as long as it is and a bit longer, which is on the disk.
fn beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let len = fs::metadata(path).map_or(0, |found| found.len()) + ROOM;
    // Made with mode 0600 on Unix.
    let mut file = tempfile::Builder::new().prefix(".tokens-").tempfile_in(folder)?;
    io::copy(&mut io::Read::take(io::repeat(b' '), len), &mut file)?;
    // Some file systems find out only then that they are full.
    file.as_file().sync_data()?;
    Ok(file)
}

/// The one place where secrets are written out and read: the user's own file.
mod secret {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::drive::Secret;

    pub(super) fn serialize<S: Serializer>(
        secret: &Option<Secret>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => serializer.serialize_some(secret.expose()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Secret::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(refresh: &str) -> Kept {
        Kept { refresh_token: Some(refresh.into()), ..Kept::default() }
    }

    #[test]
    fn tokens_come_back_from_a_file_that_only_its_owner_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let file = TokenFile::new(&path);
        assert!(file.read().unwrap().is_none());
        file.write(&kept("one")).unwrap();
        file.write(&kept("two")).unwrap();
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
    fn another_kind_of_file_is_refused_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        fs::write(&path, r#"{"refresh_token": ["hunter2"], "renew_at": "hunter2"}"#).unwrap();
        let error = TokenFile::new(&path).read().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let said = format!("{error} {error:?}");
        assert!(said.contains("tokens.json") && !said.contains("hunter2"), "{said}");
    }

    #[test]
    fn a_file_in_a_folder_that_is_not_there_is_an_error_with_its_name() {
        let error = TokenFile::new("/no/such/folder/tokens").write(&kept("one")).unwrap_err();
        assert!(error.to_string().contains("/no/such/folder/tokens"), "{error}");
    }
}
