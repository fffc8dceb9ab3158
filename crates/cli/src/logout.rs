//! `drivedal logout`

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use drivedal::{
    auth::{StoredTokens, TokenFile},
    remote::RemoteSource,
};
use serde_json::json;

use crate::{
    app::App,
    config::{Origin, TOKEN_OPTIONS, lock_beside, remote_name},
    failure::{Exit, Failure, Result},
    transfer::local::blocking,
};

/// Remove the tokens of a remote from this machine
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The options of the remote stay, for `drivedal login`. `drivedal remotes remove` removes them too.

Example:
  drivedal logout work")]
pub(crate) struct Logout {
    /// The remote
    #[arg(value_name = "NAME", value_parser = remote_name)]
    name: String,
}

impl Logout {
    /// Removes the token file, and the tokens among the options in the configuration file.
    ///
    /// # Errors
    /// `Usage` if the tokens are in the environment or a URI, or if the remote needs none, and
    /// the errors of changing the files.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let removed = self.remove_tokens(app).await.map_err(|failure| failure.about(&self.name))?;
        let source = app.configured(&self.name)?;
        let kept = kept_by_cloud(&source.scheme()?);
        if app.output.is_json() {
            let result = if removed { "signed_out" } else { "not_signed_in" };
            app.output.json(&json!({ "name": self.name, "result": result, "kept": kept }))?;
        } else if !app.output.is_quiet() {
            match removed {
                true => app.output.line(format_args!("removed the tokens of {}", self.name))?,
                false => app.output.line(format_args!("{} has no tokens", self.name))?,
            }
            app.output.message(kept);
        }
        Ok(Exit::Done)
    }

    /// Removes the tokens of the remote from its file and from the configuration. Returns whether
    /// it had any.
    ///
    /// # Errors
    /// `Usage` if the remote is unknown or its tokens cannot be removed by this program; `Failed`
    /// or `Denied` if a file cannot be read, locked or written.
    async fn remove_tokens(&self, app: &App) -> Result<bool> {
        let source = app.configured(&self.name)?;
        check_removable(app, &self.name, &source)?;
        let mut removed = false;
        if let Some(path) = source.get_option("lcrc")? {
            removed |= blocking(move || empty_lcrc(&path)).await?;
        } else if let Some(path) = source.get_option("token_file")? {
            removed |= blocking(move || remove_file(&PathBuf::from(path))).await?;
        }
        let details = app.configuration.details(&self.name);
        let options = details.map(|details| details.file_options.clone()).unwrap_or_default();
        if options.iter().any(|key| TOKEN_OPTIONS.contains(&key.as_str())) {
            let (file, name) = (app.configuration.file()?.clone(), self.name.clone());
            blocking(move || file.edit(|remotes| remotes.remove_options(&name, &TOKEN_OPTIONS)))
                .await?;
            removed = true;
        }
        Ok(removed)
    }
}

/// Checks that the tokens of a remote are in files that this command can change.
///
/// # Errors
/// `Usage` if they are not, and if the remote has no tokens of a user.
fn check_removable(app: &App, name: &str, source: &RemoteSource) -> Result {
    let details = app.configuration.details(name);
    let options = details.map(|details| details.file_options.as_slice()).unwrap_or_default();
    for key in TOKEN_OPTIONS {
        if source.get_option(key)?.is_some() && !options.iter().any(|option| option == key) {
            let origin = details.map_or(Origin::CommandLine, |details| details.origin.clone());
            let failure = Failure::usage(format!(
                "its option {key} is not in the configuration file ({origin})"
            ));
            return Err(failure.hint("remove it from the URI or the environment"));
        }
    }
    let has_tokens = TOKEN_OPTIONS.into_iter().chain(["token_file", "lcrc"]);
    for key in has_tokens {
        if source.get_option(key)?.is_some() {
            return Ok(());
        }
    }
    Err(Failure::usage("it has no tokens of a user")
        .hint(format!("run `drivedal remotes remove {name}` to remove its credentials")))
}

/// Removes the tokens from the file of the old client, whose path may begin with `~/`. Returns
/// whether it had tokens.
///
/// # Errors
/// `Failed` if the file cannot be read or written; [`Failure::local`] if it cannot be locked.
fn empty_lcrc(path: &str) -> Result<bool> {
    let path = match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    };
    let failed = |error: drivedal::drive::Error| Failure::new(Exit::Failed, error.to_string());
    let file = TokenFile::lcrc(&path);
    let _lock = lock_beside(&path)?;
    if file.read().map_err(failed)?.is_none() {
        return Ok(false);
    }
    file.write(&StoredTokens::default()).map_err(failed)?;
    Ok(true)
}

/// Removes a token file, while no process refreshes its tokens. Returns whether it existed.
///
/// # Errors
/// [`Failure::local`] if it cannot be found, locked or removed.
fn remove_file(path: &Path) -> Result<bool> {
    if !path.try_exists().map_err(|error| Failure::local("find", path, &error))? {
        return Ok(false);
    }
    let _lock = lock_beside(path)?;
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::local("remove", path, &error)),
    }
}

/// Returns a sentence about the permission that the cloud keeps.
fn kept_by_cloud(scheme: &str) -> &'static str {
    match scheme {
        "onedrive" => {
            "The cloud still has the application's permission. Remove it at \
             https://account.live.com/consent/Manage (personal account) or at \
             https://myapps.microsoft.com (work or school account)."
        }
        _ => "The cloud still has the application's permission, until you remove it there.",
    }
}
