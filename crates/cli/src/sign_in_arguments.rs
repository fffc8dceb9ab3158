//! Options of `drivedal serve` for its sign-in.

use std::path::PathBuf;

use drivedal_server::{AssertionReuse, Builder, Directory, RefreshReuse, SignInOptions};

use crate::failure::{Failure, Result};

/// The users and applications of the sign-in, and its rules.
#[derive(Debug, clap::Args)]
pub(crate) struct SignInArguments {
    /// Let only the users and applications of this TOML file sign in
    ///
    /// Without it, every application, every secret and every account is accepted. The file has
    /// [[tenants]], [[users]] and [[applications]]; docs/server.md describes its keys. The token
    /// drivedal-dev remains valid.
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,

    /// Allow the reuse of a replaced refresh token, or revoke its sign-in
    ///
    /// Microsoft's cloud allows it. With `revoke`, the use of a replaced token revokes all tokens of
    /// its sign-in.
    #[arg(long, value_name = "allow|revoke", default_value = "allow", value_parser = refresh_reuse)]
    refresh_reuse: RefreshReuse,

    /// Allow the reuse of a client assertion, or refuse it
    ///
    /// MSAL sends an assertion until it expires. With `refuse`, each assertion is accepted once.
    #[arg(long, value_name = "allow|refuse", default_value = "allow", value_parser = assertion_reuse)]
    assertion_reuse: AssertionReuse,
}

impl SignInArguments {
    /// Applies the options to a server.
    ///
    /// # Errors
    /// `Usage` if the file of `--accounts` cannot be read or parsed.
    pub(crate) fn configure(&self, mut builder: Builder) -> Result<Builder> {
        if let Some(directory) = self.directory()? {
            builder = builder.directory(directory);
        }
        let options = SignInOptions::default().with_refresh_reuse(self.refresh_reuse);
        Ok(builder.sign_in(options.with_assertion_reuse(self.assertion_reuse)))
    }

    /// Reads the users and applications of `--accounts`; `None` without the option.
    ///
    /// # Errors
    /// `Usage` with the file, the line and the key.
    fn directory(&self) -> Result<Option<Directory>> {
        let Some(file) = &self.accounts else { return Ok(None) };
        let failed =
            |place: String, reason: String| Failure::usage(reason).doing("read").about(place);
        let text = std::fs::read_to_string(file)
            .map_err(|error| failed(file.display().to_string(), error.to_string()))?;
        let parsed = Directory::from_toml(&text).map_err(|error| {
            let line = error.line().map_or_else(String::new, |line| format!(":{line}"));
            failed(format!("{}{line}", file.display()), error.reason())
        })?;
        Ok(Some(parsed))
    }
}

/// Parses `allow` or `revoke`.
///
/// # Errors
/// A message for the user for any other text.
fn refresh_reuse(text: &str) -> std::result::Result<RefreshReuse, String> {
    match text {
        "allow" => Ok(RefreshReuse::Allow),
        "revoke" => Ok(RefreshReuse::Revoke),
        _ => Err(format!("`{text}` is not allow or revoke")),
    }
}

/// Parses `allow` or `refuse`.
///
/// # Errors
/// A message for the user for any other text.
fn assertion_reuse(text: &str) -> std::result::Result<AssertionReuse, String> {
    match text {
        "allow" => Ok(AssertionReuse::Allow),
        "refuse" => Ok(AssertionReuse::Refuse),
        _ => Err(format!("`{text}` is not allow or refuse")),
    }
}
