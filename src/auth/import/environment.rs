//! The environment variables of OpenDAL's own OneDrive service.

use super::ImportedRemote;
use crate::{
    auth::StoredTokens,
    drive::{Error, ErrorKind, Result, Secret},
};

/// Start of the variables. The rest of a name is an option's key, in upper case.
const PREFIX: &str = "OPENDAL_ONEDRIVE_";

/// Options of OpenDAL's service that this crate's service has too.
const OPTIONS: [&str; 4] = ["root", "access_token", "client_id", "client_secret"];

/// Returns the OneDrive in environment variables such as `OPENDAL_ONEDRIVE_CLIENT_ID`. Returns `None`
/// if no variable has this prefix. A caller passes [`std::env::vars_os`].
///
/// # Errors
/// `InvalidInput` if the value of such a variable is not text.
pub fn opendal_environment<N, V>(
    variables: impl IntoIterator<Item = (N, V)>,
) -> Result<Option<ImportedRemote>>
where
    N: AsRef<std::ffi::OsStr>,
    V: AsRef<std::ffi::OsStr>,
{
    let mut remote = ImportedRemote::new(None, "onedrive");
    let mut is_configured = false;
    for (name, value) in variables {
        let Some(key) = name.as_ref().to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
            continue;
        };
        let Some(value) = value.as_ref().to_str() else {
            let text = format!("cannot import {PREFIX}{key}: its value is not text");
            return Err(Error::new(ErrorKind::InvalidInput, text));
        };
        is_configured = true;
        match &*key.to_ascii_lowercase() {
            _ if value.is_empty() => {}
            "refresh_token" => {
                remote.tokens = Some(StoredTokens::from_refresh_token(Secret::from(value)));
            }
            // OpenDAL ignores it too.
            "enable_versioning" => {}
            option if OPTIONS.contains(&option) => remote.set(option, value),
            _ => remote.note(format!("{PREFIX}{key}: OpenDAL's service has no such option")),
        }
    }
    Ok(is_configured.then_some(remote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_are_options() {
        let remote = opendal_environment([
            ("PATH", "/bin"),
            ("OPENDAL_ONEDRIVE_ROOT", "/a"),
            ("OPENDAL_ONEDRIVE_CLIENT_ID", "app"),
            ("OPENDAL_ONEDRIVE_CLIENT_SECRET", ""),
            ("OPENDAL_ONEDRIVE_REFRESH_TOKEN", "SECRET"),
            ("OPENDAL_ONEDRIVE_ENABLE_VERSIONING", "true"),
            ("OPENDAL_ONEDRIVE_OTHER", "SECRET"),
            ("OPENDAL_S3_ROOT", "/b"),
        ]);
        let remote = remote.unwrap().expect("a remote");
        let options: Vec<_> =
            remote.options.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(options, [("client_id", "app"), ("root", "/a")]);
        assert_eq!(remote.notes, ["OPENDAL_ONEDRIVE_OTHER: OpenDAL's service has no such option"]);
        assert!(!format!("{remote:?}").contains("SECRET"));
        let tokens = remote.tokens.expect("tokens");
        assert_eq!(tokens.refresh_token.expect("a token").expose(), "SECRET");
        assert!(opendal_environment([("PATH", "/bin")]).unwrap().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_text_is_an_error() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let value = OsStr::from_bytes(b"\xff");
        let error = opendal_environment([(OsStr::new("OPENDAL_ONEDRIVE_ROOT"), value)]);
        assert!(error.unwrap_err().to_string().contains("OPENDAL_ONEDRIVE_ROOT"));
    }
}
