//! The file of the old SkyDrive client (live-connect#lcrc-file).

use std::path::Path;

use super::{ImportedRemote, read_text};
use crate::{
    auth::{Lcrc, TokenFile},
    drive::Result,
};

/// Returns the account in the old SkyDrive client's file, usually `~/.lcrc`.
///
/// The result is a copy. The option `lcrc` of the service uses the file itself.
///
/// # Errors
/// `NotFound` if the file does not exist; `InvalidInput` if it has another format, without its
/// values; `Unexpected` if it cannot be read.
pub fn lcrc(path: impl AsRef<Path>) -> Result<ImportedRemote> {
    let path = path.as_ref();
    // Checks the size.
    read_text(path)?;
    let file = Lcrc::read(path)?;
    let mut remote = ImportedRemote::new(None, "skydrive");
    if let Some(client_id) = file.client_id {
        remote.set("client_id", client_id);
    }
    if let Some(secret) = file.client_secret {
        remote.set("client_secret", secret.expose());
    }
    for (name, value) in file.headers {
        remote.set(&format!("header.{name}"), value);
    }
    remote.tokens = TokenFile::lcrc(path).read()?;
    Ok(remote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_a_remote() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lcrc");
        let text = "client:\n  id: app\n  secret: hush\nauth:\n  refresh_token: C1\n\
                    request:\n  base_headers:\n    X-One: '1'\n";
        std::fs::write(&path, text).unwrap();
        let remote = lcrc(&path).unwrap();
        let options: Vec<_> =
            remote.options.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(
            options,
            [("client_id", "app"), ("client_secret", "hush"), ("header.X-One", "1")]
        );
        assert_eq!(remote.tokens.unwrap().refresh_token.unwrap().expose(), "C1");
    }
}
