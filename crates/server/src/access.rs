//! Static tokens: access and refresh tokens that are valid without a sign-in.
//!
//! The development tokens are public. The access token `drivedal-dev` opens the default drive,
//! `drivedal-dev-NAME` opens the drive NAME, which is created on first use. NAME is 1 to 64 of
//! `A-Z a-z 0-9 . _ -` and does not end in `-refresh`. With the suffix `-refresh`, each of them is a
//! refresh token for the same drive that never expires.
//!
//! All users of a machine can connect to loopback. A server with a data folder therefore has a secret
//! token too, in a file that only the owner of the folder can read. It replaces `drivedal-dev` in all
//! of the forms above. [`Builder::private`](super::Builder::private) makes it the only one.

use std::{io, path::Path};

use crate::{
    secret::Secret,
    signed_token::{random_name, write_private},
};

/// The development account's access token.
const DEVELOPMENT: &str = "drivedal-dev";

/// The suffix of a refresh token.
const REFRESH: &str = "-refresh";

/// Maximum length of NAME.
const MAX_NAME: usize = 64;

/// The file in the data folder that contains the token.
pub(super) const FILE: &str = "token";

/// The static tokens that a server accepts.
#[derive(Clone, Debug)]
pub(super) struct StaticTokens {
    /// Whether the development tokens are valid.
    pub public: bool,
    /// The server's own token; `None` for a server in memory that is not private.
    pub own: Option<Secret>,
}

impl StaticTokens {
    /// Returns the name of the account that the access token `token` opens, empty for the default
    /// account; `None` if it is no static access token.
    pub(super) fn account<'t>(&self, token: &'t str) -> Option<&'t str> {
        let public = self.public.then_some(DEVELOPMENT);
        let prefixes = public.into_iter().chain(self.own.as_ref().map(Secret::expose));
        prefixes.into_iter().find_map(|prefix| account_after(prefix, token))
    }

    /// Returns the name of the account that the refresh token `token` opens, empty for the default
    /// account; `None` if it is no static refresh token.
    pub(super) fn refreshed_account<'t>(&self, token: &'t str) -> Option<&'t str> {
        self.account(token.strip_suffix(REFRESH)?)
    }

    /// Returns whether a text is the server's own token. A server without one has none to compare
    /// with.
    pub(super) fn is_own(&self, text: &str) -> bool {
        self.own.as_ref().is_some_and(|own| constant_time_eq(text, own.expose()))
    }
}

/// Returns the name of the account in a token that starts with `prefix`, empty for the default
/// account; `None` if the token has another form.
fn account_after<'t>(prefix: &str, token: &'t str) -> Option<&'t str> {
    let (start, rest) = token.split_at_checked(prefix.len())?;
    if !constant_time_eq(start, prefix) {
        return None;
    }
    if rest.is_empty() {
        return Some(rest);
    }
    // Includes the dash: `drivedal-dev-refresh` is a refresh token and not the drive `refresh`.
    if rest.ends_with(REFRESH) {
        return None;
    }
    let name = rest.strip_prefix('-')?;
    is_account_name(name).then_some(name)
}

/// Returns whether a drive that is created on first use can have this name: 1 to 64 ASCII letters,
/// digits, dots, dashes and underscores.
pub(super) fn is_account_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Compares two texts in a time that does not depend on the position of the first difference. Texts
/// of different lengths are unequal at once.
pub(super) fn constant_time_eq(given: &str, secret: &str) -> bool {
    given.len() == secret.len()
        && given.bytes().zip(secret.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// Returns the token of a data folder, and creates it if the folder has none.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if the file contains no token, is not UTF-8, or other users can
/// read it; another kind if it cannot be read or written.
pub(super) fn load_or_create(folder: &Path) -> io::Result<Secret> {
    match read(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let token = random_name();
            write_private(&folder.join(FILE), format!("{token}\n").as_bytes())?;
            Ok(token.into())
        }
        read => read,
    }
}

/// Reads the token of a data folder.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] if the folder has none; [`io::ErrorKind::InvalidData`] if the file
/// contains no token, is not UTF-8, or other users can read it; another kind if it cannot be read.
pub(super) fn read(folder: &Path) -> io::Result<Secret> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    let file = folder.join(FILE);
    let text = std::fs::read_to_string(&file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if std::fs::metadata(&file)?.permissions().mode() & 0o077 != 0 {
            return Err(invalid(
                "other users can read it (delete it, and the server creates a new one)",
            ));
        }
    }
    let token = text.trim();
    // Shorter tokens could be guessed.
    if token.len() < random_name().len() || !token.is_ascii() {
        return Err(invalid("it contains no token (delete it, and the server creates a new one)"));
    }
    Ok(token.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: StaticTokens = StaticTokens { public: true, own: None };

    #[test]
    fn development_tokens_contain_the_drive() {
        assert_eq!(PUBLIC.account("drivedal-dev"), Some(""));
        assert_eq!(PUBLIC.account("drivedal-dev-anna"), Some("anna"));
        assert_eq!(PUBLIC.account("drivedal-dev-a.b_c-2"), Some("a.b_c-2"));
        assert_eq!(PUBLIC.refreshed_account("drivedal-dev-refresh"), Some(""));
        assert_eq!(PUBLIC.refreshed_account("drivedal-dev-anna-refresh"), Some("anna"));
    }

    #[test]
    fn similar_texts_are_no_development_tokens() {
        let long = format!("drivedal-dev-{}", "a".repeat(65));
        for token in [
            "",
            "drivedal",
            "drivedal-devanna",
            "drivedal-dev-",
            "drivedal-dev-refresh",
            "drivedal-dev-anna-refresh",
            "drivedal-dev-a b",
            "drivedal-dev-a/b",
            "drivedal-dev-ä",
            &long,
        ] {
            assert_eq!(PUBLIC.account(token), None, "{token}");
        }
    }

    #[test]
    fn a_private_server_has_one_token() {
        let tokens = StaticTokens { public: false, own: Some("s3cret-token".into()) };
        assert_eq!(tokens.account("s3cret-token"), Some(""));
        assert_eq!(tokens.account("s3cret-token-anna"), Some("anna"));
        assert_eq!(tokens.refreshed_account("s3cret-token-refresh"), Some(""));
        for token in ["drivedal-dev", "drivedal-dev-anna", "s3cret-tokeN", "s3cret", "é3cret-tokn"]
        {
            assert_eq!(tokens.account(token), None, "{token}");
        }
        assert_eq!(tokens.refreshed_account("drivedal-dev-refresh"), None);
    }

    #[test]
    fn the_token_file_is_private() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read(folder.path()).expect_err("none").kind(), io::ErrorKind::NotFound);
        let token = load_or_create(folder.path()).expect("created");
        assert_eq!(load_or_create(folder.path()).expect("read").expose(), token.expose());
        let file = folder.path().join(FILE);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |mode| std::fs::Permissions::from_mode(mode);
            let now = std::fs::metadata(&file).expect("there").permissions().mode();
            assert_eq!(now & 0o777, 0o600);
            std::fs::set_permissions(&file, mode(0o640)).expect("set");
            assert!(
                load_or_create(folder.path())
                    .expect_err("readable")
                    .to_string()
                    .contains("other users")
            );
            std::fs::set_permissions(&file, mode(0o600)).expect("set");
        }
        std::fs::write(&file, "short\n").expect("written");
        assert!(load_or_create(folder.path()).expect_err("short").to_string().contains("no token"));
    }
}
