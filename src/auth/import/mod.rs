//! Configurations and tokens of other programs, converted for this crate's services.
//!
//! Each function reads the files of one program and returns [`ImportedRemote`]s: plain data that a
//! caller writes to its own configuration. Nothing is written, and no request is sent.
//!
//! | function | program |
//! |---|---|
//! | [`rclone`] | rclone's `rclone.conf`, its remotes of type `onedrive` |
//! | [`acd_cli`] | acd_cli's `oauth_data`, `client_data` and `endpoint_data` |
//! | [`opendal_environment`] | OpenDAL's environment variables `OPENDAL_ONEDRIVE_…` |
//! | `lcrc` (feature `lcrc`) | the old SkyDrive client's `~/.lcrc` |

mod acd_cli;
mod environment;
#[cfg(feature = "lcrc")]
mod lcrc;
mod rclone;

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

#[cfg(feature = "lcrc")]
pub use self::lcrc::lcrc;
pub use self::{acd_cli::acd_cli, environment::opendal_environment, rclone::rclone};
#[cfg(fuzzing)]
pub(super) use self::{acd_cli::parse_oauth_data, rclone::parse as parse_rclone};
use super::StoredTokens;
use crate::drive::{Error, ErrorKind, Result};

/// Maximum size in bytes of a file to import.
const MAX_FILE: u64 = 1 << 20;

/// A remote that another program has configured.
///
/// Its `Debug` output contains no values of options and no tokens.
#[derive(Clone)]
#[non_exhaustive]
pub struct ImportedRemote {
    /// Name in the other program. `None` if the program has only one account.
    pub name: Option<String>,
    /// Scheme of the service: `onedrive`, `skydrive` or `amazon-drive`.
    pub scheme: &'static str,
    /// Options of the service by key. They may include `client_secret`.
    pub options: BTreeMap<String, String>,
    /// The tokens, for a token file. `None` if the program has none that another program can use.
    pub tokens: Option<StoredTokens>,
    /// Parts of the configuration that were not imported, with the reason, for the user.
    pub notes: Vec<String>,
}

impl ImportedRemote {
    /// Returns a remote without options.
    fn new(name: Option<String>, scheme: &'static str) -> Self {
        Self { name, scheme, options: BTreeMap::new(), tokens: None, notes: Vec::new() }
    }

    /// Sets an option.
    fn set(&mut self, key: &str, value: impl Into<String>) {
        self.options.insert(key.to_owned(), value.into());
    }

    /// Adds a note for the user.
    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}

impl fmt::Debug for ImportedRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportedRemote")
            .field("name", &self.name)
            .field("scheme", &self.scheme)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .field("has_tokens", &self.tokens.is_some())
            .field("notes", &self.notes)
            .finish()
    }
}

/// Reads a text file.
///
/// # Errors
/// `NotFound` if it does not exist; `InvalidInput` if it exceeds the maximum size or is not UTF-8;
/// `Unexpected` if it cannot be read.
fn read_text(path: &Path) -> Result<String> {
    let failed = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::InvalidData => ErrorKind::InvalidInput,
            _ => ErrorKind::Unexpected,
        };
        Error::new(kind, format!("cannot read {}: {error}", path.display())).with_source(error)
    };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(invalid(path, &format!("it is larger than {MAX_FILE} bytes")));
    }
    Ok(text)
}

/// Returns the `InvalidInput` error for a file whose contents cannot be imported. `problem` must
/// not contain a secret.
fn invalid(path: &Path, problem: &str) -> Error {
    let text = format!("cannot import {}: {problem}", path.display());
    Error::new(ErrorKind::InvalidInput, text)
}
