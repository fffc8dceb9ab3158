//! `drivedal remotes rename`, `drivedal remotes remove`

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde_json::json;

use super::list::token_file;
use crate::{
    app::App,
    config::{ConfigFile, Origin, lock_beside, remote_name},
    embedded,
    failure::{Exit, Failure, Result},
    prompt,
    transfer::local::blocking,
};

/// Rename a remote of the configuration file, and its token file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A token file that `drivedal login` created is renamed too. Do not rename a remote while another command
uses it: that command would store new tokens under the old name.

Example:
  drivedal remotes rename work office")]
pub(super) struct Rename {
    /// The remote
    #[arg(value_name = "OLD", value_parser = remote_name)]
    old: String,

    /// The new name
    #[arg(value_name = "NEW", value_parser = remote_name)]
    new: String,
}

/// Remove a remote from the configuration file, and its tokens
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The files on the drive stay. A token file that `drivedal login` created is deleted; another one stays.
The cloud still lists the application under the account's permissions.

Examples:
  drivedal remotes remove work
  drivedal remotes remove --yes work")]
pub(super) struct Remove {
    /// The remote
    #[arg(value_name = "NAME", value_parser = remote_name)]
    name: String,

    /// Remove it without a question
    #[arg(short, long)]
    yes: bool,
}

impl Rename {
    /// Renames a remote of the configuration file, and its token file.
    ///
    /// # Errors
    /// `Usage` if the file has no such remote, `Exists` if the new name is in use,
    /// [`Failure::local`] if a file cannot be written; `ClosedPipe` or `Failed` if results cannot
    /// be written.
    pub(super) async fn run(self, app: &App) -> Result<Exit> {
        let file = configured_in_file(app, &self.old)?;
        if embedded::source(&self.new).is_some() || app.configuration.contains(&self.new) {
            let failure = Failure::new(Exit::Exists, format!("{} exists already", self.new));
            return Err(failure.about(&self.old));
        }
        let tokens = own_token_file(app, &file, &self.old)?;
        let (old, new) = (self.old, self.new);
        let names = (old.clone(), new.clone());
        blocking(move || rename(&file, &old, &new, tokens.as_deref())).await?;
        let (old, new) = names;
        match app.output.is_json() {
            true => app.output.json(&json!({ "from": old, "to": new, "result": "renamed" }))?,
            false if app.output.is_quiet() => {}
            false => app.output.line(format_args!("renamed {old} to {new}"))?,
        }
        Ok(Exit::Done)
    }
}

/// Renames a remote and its token file, if it has one. If the process is killed, one of the names
/// works: the tokens are at the new path before the configuration names it, and at the old path
/// until then.
///
/// # Errors
/// `Exists` if the new name is in use; [`Failure::local`] if a file cannot be locked, written or
/// removed.
fn rename(file: &ConfigFile, old: &str, new: &str, tokens: Option<&Path>) -> Result {
    let Some(tokens) = tokens else { return file.edit(|remotes| remotes.rename(old, new)) };
    // No process refreshes the tokens meanwhile.
    let _lock = lock_beside(tokens)?;
    let target = file.token_path(new)?;
    copy_private(tokens, &target)?;
    let path = target.display().to_string();
    let edited = file.edit(|remotes| {
        remotes.rename(old, new)?;
        remotes.set_options(new, &[("token_file".into(), path)])
    });
    let obsolete = if edited.is_ok() { tokens } else { &*target };
    let removed =
        fs::remove_file(obsolete).map_err(|error| Failure::local("remove", obsolete, &error));
    edited.and(removed)
}

/// Copies a file of tokens. Only its owner can read the copy.
///
/// # Errors
/// [`Failure::local`] for the target: `Exists` if it exists, `NotFound` or `Denied` if a file
/// cannot be read or created, otherwise `Failed`, for example on a full disk.
fn copy_private(from: &Path, to: &Path) -> Result {
    let copy = || {
        let bytes = fs::read(from)?;
        let folder = to.parent().unwrap_or(Path::new("."));
        let mut copied = tempfile::Builder::new().prefix(".tokens-").tempfile_in(folder)?;
        copied.write_all(&bytes)?;
        copied.as_file().sync_all()?;
        copied.persist_noclobber(to)?;
        Ok(())
    };
    copy().map_err(|error: io::Error| Failure::local("create", to, &error))
}

impl Remove {
    /// Removes a remote and its tokens, after the user confirmed.
    ///
    /// # Errors
    /// `Usage` if the file has no such remote, or a confirmation is needed and there is no
    /// terminal; `Failed` if the user does not confirm, or a file cannot be written; `ClosedPipe`
    /// or `Failed` if results cannot be written.
    pub(super) async fn run(self, app: &App) -> Result<Exit> {
        let file = configured_in_file(app, &self.name)?;
        let tokens = own_token_file(app, &file, &self.name)?;
        if !self.yes {
            if !prompt::is_interactive() {
                let failure =
                    Failure::usage("it needs a confirmation, and standard input is no terminal");
                return Err(failure.hint("use --yes").about(&self.name));
            }
            let also = if tokens.is_some() { " and its tokens" } else { "" };
            let question = format!("Remove the remote {}{also}?", self.name);
            if !prompt::confirm(&app.output, &question).await? {
                return Err(Failure::new(Exit::Failed, "not confirmed").about(&self.name));
            }
        }
        let (name, has_tokens) = (self.name.clone(), tokens.is_some());
        blocking(move || remove(&file, &name, tokens.as_deref())).await?;
        let name = &self.name;
        match app.output.is_json() {
            true => app.output.json(&json!({ "name": name, "result": "removed" }))?,
            false if app.output.is_quiet() => {}
            false if has_tokens => {
                app.output.line(format_args!("removed {name} and its tokens"))?
            }
            false => app.output.line(format_args!("removed {name}"))?,
        }
        Ok(Exit::Done)
    }
}

/// Removes a remote of the file, and then its token file, if it has one. The remote is first: one
/// without tokens would be left if the process were killed.
///
/// # Errors
/// `Usage` if the file has no such remote; [`Failure::local`] if a file cannot be locked, written
/// or removed.
fn remove(file: &ConfigFile, name: &str, tokens: Option<&Path>) -> Result {
    let _lock = tokens.map(lock_beside).transpose()?;
    file.edit(|remotes| remotes.remove(name))?;
    match tokens {
        Some(path) => fs::remove_file(path).map_err(|error| Failure::local("remove", path, &error)),
        None => Ok(()),
    }
}

/// Returns the configuration file if it has the remote.
///
/// # Errors
/// `Usage` if the remote is unknown or configured elsewhere.
pub(crate) fn configured_in_file(app: &App, name: &str) -> Result<ConfigFile> {
    let origins = app.origins();
    match origins.get(name) {
        Some(Origin::File(_)) => app.configuration.file().cloned(),
        Some(origin) => {
            let failure = Failure::usage(format!("it is not in the configuration file: {origin}"));
            Err(failure.about(name))
        }
        None => Err(app.unknown(name).about(name)),
    }
}

/// Returns the token file of a remote, if it is the one that `drivedal login` creates and exists;
/// else `None`.
///
/// # Errors
/// [`Failure::local`] if the file cannot be accessed.
fn own_token_file(app: &App, file: &ConfigFile, name: &str) -> Result<Option<PathBuf>> {
    let Some(source) = app.configuration.source(name) else { return Ok(None) };
    let own = file.token_path(name)?;
    if token_file(&source)?.is_none_or(|path| Path::new(&path) != own) {
        return Ok(None);
    }
    match own.try_exists() {
        Ok(true) => Ok(Some(own)),
        Ok(false) => Ok(None),
        Err(error) => Err(Failure::local("find", &own, &error)),
    }
}
