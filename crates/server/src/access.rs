//! Tokens that are valid without a sign-in.
//!
//! The development tokens are public: access token `drivedal-dev` for the default drive,
//! `drivedal-dev-NAME` for a drive NAME of its own, created on first use. NAME is 1 to 64 of
//! `A-Z a-z 0-9 . _ -` and does not end in `-refresh`. Each of them with `-refresh` at its end is a
//! refresh token for the same drive that never expires.
//!
//! Loopback does not separate the users of a machine. A server with a data folder therefore also has
//! a secret token, which the folder keeps in a file that only its owner can read; it replaces
//! `drivedal-dev` in all of the forms above. [`Builder::private`](super::Builder::private) makes it
//! the only one.

use std::{io, path::Path};

use super::signed_token::{random_name, write_private};
use crate::Secret;

/// The development account's access token.
const DEVELOPMENT: &str = "drivedal-dev";

/// Suffix that makes a refresh token of an access token.
const REFRESH: &str = "-refresh";

/// Maximum length of NAME.
const LONGEST_NAME: usize = 64;

/// The token's file in the data folder.
pub(super) const FILE: &str = "token";

/// Tokens that are valid without a sign-in.
#[derive(Clone, Debug)]
pub(super) struct StaticTokens {
    /// Whether the development tokens are valid.
    pub public: bool,
    /// This server's own.
    pub own: Option<Secret>,
}

impl StaticTokens {
    /// Returns the account of a standing access token.
    pub(super) fn account<'t>(&self, token: &'t str) -> Option<&'t str> {
        let public = self.public.then_some(DEVELOPMENT);
        let prefixes = public.into_iter().chain(self.own.as_ref().map(Secret::expose));
        prefixes.into_iter().find_map(|prefix| account_after(prefix, token))
    }

    /// Returns the account of a standing refresh token.
    pub(super) fn refreshed_account<'t>(&self, token: &'t str) -> Option<&'t str> {
        self.account(token.strip_suffix(REFRESH)?)
    }

    /// Whether a text is the secret that allows everything: of no use where the development tokens
    /// are valid.
    pub(super) fn is_own(&self, text: &str) -> bool {
        self.own.as_ref().is_some_and(|own| same(text, own.expose()))
    }
}

/// Returns the account in a token with this prefix.
fn account_after<'t>(prefix: &str, token: &'t str) -> Option<&'t str> {
    let (start, rest) = token.split_at_checked(prefix.len())?;
    if !same(start, prefix) {
        return None;
    }
    if rest.is_empty() {
        return Some(rest);
    }
    // With its dash, so that `drivedal-dev-refresh` is a refresh token and not the drive `refresh`.
    if rest.ends_with(REFRESH) {
        return None;
    }
    let name = rest.strip_prefix('-')?;
    is_account_name(name).then_some(name)
}

/// Whether a drive that is created on first use may have this name.
pub(super) fn is_account_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Compares in a time that does not depend on how much of the text is right.
pub(super) fn same(given: &str, secret: &str) -> bool {
    given.len() == secret.len()
        && given.bytes().zip(secret.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// Returns the token of a data folder, which is created if there is none.
pub(super) fn open(folder: &Path) -> io::Result<Secret> {
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
/// `NotFound` if there is none; `InvalidData` if the file has no token, or others could read it.
pub(super) fn read(folder: &Path) -> io::Result<Secret> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    let file = folder.join(FILE);
    let text = std::fs::read_to_string(&file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if std::fs::metadata(&file)?.permissions().mode() & 0o077 != 0 {
            return Err(invalid(
                "other users can read it (delete it: the server makes another one)",
            ));
        }
    }
    let token = text.trim();
    // Shorter ones could be guessed.
    if token.len() < random_name().len() || !token.is_ascii() {
        return Err(invalid("it has no token (delete it: the server makes another one)"));
    }
    Ok(token.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: StaticTokens = StaticTokens { public: true, own: None };

    #[test]
    fn development_tokens_name_their_drive() {
        assert_eq!(PUBLIC.account("drivedal-dev"), Some(""));
        assert_eq!(PUBLIC.account("drivedal-dev-anna"), Some("anna"));
        assert_eq!(PUBLIC.account("drivedal-dev-a.b_c-2"), Some("a.b_c-2"));
        assert_eq!(PUBLIC.refreshed_account("drivedal-dev-refresh"), Some(""));
        assert_eq!(PUBLIC.refreshed_account("drivedal-dev-anna-refresh"), Some("anna"));
    }

    #[test]
    fn what_is_not_quite_a_development_token_opens_nothing() {
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
    fn a_folder_keeps_its_token_where_nobody_else_can_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read(folder.path()).expect_err("none").kind(), io::ErrorKind::NotFound);
        let token = open(folder.path()).expect("created");
        assert_eq!(open(folder.path()).expect("read").expose(), token.expose());
        let file = folder.path().join(FILE);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |mode| std::fs::Permissions::from_mode(mode);
            let now = std::fs::metadata(&file).expect("there").permissions().mode();
            assert_eq!(now & 0o777, 0o600);
            std::fs::set_permissions(&file, mode(0o640)).expect("set");
            assert!(open(folder.path()).expect_err("readable").to_string().contains("other users"));
            std::fs::set_permissions(&file, mode(0o600)).expect("set");
        }
        std::fs::write(&file, "short\n").expect("written");
        assert!(open(folder.path()).expect_err("short").to_string().contains("no token"));
    }
}
