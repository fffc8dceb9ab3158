//! Stores the tokens and the remote of a sign-in.

use std::path::{Path, PathBuf};

use drivedal::{
    auth::{TokenFile, Tokens},
    services::skydrive::SkyDriveConfig,
};

use super::{choice::ChosenDrive, settings::SignInSettings};
use crate::{
    app::App,
    config::{ConfigFile, OptionList, Origin, TOKEN_OPTIONS},
    embedded::make_private,
    failure::{Exit, Failure, Result},
    transfer::local::blocking,
};

/// Stores the tokens, then the remote. An application without a user has no tokens to store.
///
/// # Errors
/// `Failed`, or `Denied` without the right, if a file cannot be written.
pub(super) async fn save(
    app: &App,
    settings: &SignInSettings,
    tokens: &Tokens,
    chosen: &ChosenDrive,
) -> Result {
    let file = app.configuration.file()?.clone();
    let mut written = settings.written.clone();
    if settings.is_new() {
        written.insert(0, ("type".into(), settings.scheme().to_owned()));
        written.extend(chosen.options.iter().cloned());
    }
    if !settings.app_only {
        let (storage, new_path) = token_storage(settings, &file)?;
        if let Some(path) = new_path {
            written.push(("token_file".into(), path));
        }
        tokens
            .save_to(storage)
            .await
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    }
    written.push(("account_id".into(), chosen.account.id.clone()));
    written.extend(chosen.account.name.clone().map(|name| ("account".to_owned(), name)));
    write(settings, file, written).await
}

/// Returns the file for the tokens, and its path if the remote does not have it yet. Creates the folder
/// of a new file.
///
/// # Errors
/// `Failed`, or `Denied` without the right, if the folder cannot be created.
fn token_storage(
    settings: &SignInSettings,
    file: &ConfigFile,
) -> Result<(TokenFile, Option<String>)> {
    let config: Option<SkyDriveConfig> = settings.source().skydrive_config()?;
    if let Some(storage) = config.and_then(|config| config.token_storage()) {
        return Ok((storage, None));
    }
    if let Some(path) = settings.get("token_file")? {
        return Ok((TokenFile::new(path), None));
    }
    let path: PathBuf = file.token_path(&settings.name)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    make_private(folder).map_err(|error| Failure::local("create", folder, &error))?;
    let text = path.to_str().ok_or_else(Failure::is_not_utf8)?.to_owned();
    Ok((TokenFile::new(&path), Some(text)))
}

/// Writes the options of the remote. Tokens among its former options would override the new ones, so
/// they are removed.
///
/// # Errors
/// The errors of [`ConfigFile::edit`].
async fn write(settings: &SignInSettings, file: ConfigFile, written: OptionList) -> Result {
    let name = settings.name.clone();
    match &settings.existing {
        None => blocking(move || file.edit(|remotes| remotes.insert(&name, &written))).await,
        Some(Origin::File(_)) => {
            blocking(move || {
                file.edit(|remotes| {
                    remotes.remove_options(&name, &TOKEN_OPTIONS)?;
                    remotes.set_options(&name, &written)
                })
            })
            .await
        }
        // The options are not in a file that could change.
        Some(_) => Ok(()),
    }
}
