//! The choice of the drive, with the token of the new sign-in.

use drivedal::{
    adapter::DriveHandle,
    auth::Tokens,
    drive::Context,
    services::onedrive::{Client, DriveRef, configured_drive, model::DriveResource},
};

use super::{DriveArgs, not_for, settings::SignInSettings};
use crate::{
    app::App,
    config::{OptionList, SignedInAccount},
    drives::{DriveRecord, NamedSite, account_of, drives_of, sites},
    failure::{Exit, Failure, Result},
    location::Location,
    prompt,
    remote::OpenRemote,
    skydrive::failed,
};

/// The drive of the remote, and the account that it belongs to.
pub(super) struct ChosenDrive {
    pub(super) account: SignedInAccount,
    /// `None` for a cloud with one drive for each account.
    pub(super) drive: Option<DriveRecord>,
    /// The options that name the drive, for a new remote.
    pub(super) options: OptionList,
}

/// Returns the drive that the options name. Prompts the user if there are several.
///
/// # Errors
/// `Usage` if there are several drives and standard input is not a terminal, or if the service
/// rejects an option; `NotFound` if the drive, its owner or its library does not exist; the failure
/// of a request ([`Failure::from`]); `Failed` if standard input cannot be read.
pub(super) async fn choose(
    app: &App,
    settings: &SignInSettings,
    args: &DriveArgs,
    tokens: &Tokens,
) -> Result<ChosenDrive> {
    let is_graph = settings.scheme() == "onedrive";
    if !is_graph && (args.names_drive() || args.library.is_some()) {
        return Err(not_for(settings.scheme(), "choice of drives"));
    }
    let remote = app.open_source(settings.with_access_token(&tokens.access), &settings.name)?;
    let handle = remote.drive("a sign-in")?;
    if !is_graph {
        let account = handle.account(&remote.operator).await?;
        let account = SignedInAccount { id: account.id, name: account.name };
        return Ok(ChosenDrive { account, drive: None, options: Vec::new() });
    }
    let cx = DriveHandle::context(&remote.operator);
    let at = Location { remote: settings.name.clone(), text: String::new() };
    if !settings.is_new() || settings.names_drive()? {
        let found = configured_drive(handle, &cx).await.map_err(|error| failed(error, &at))?;
        let found = found.unwrap_or_default();
        return Ok(ChosenDrive::new(found, Vec::new()));
    }
    let client = Client::from_handle(handle).ok_or_else(|| Failure::wrong_service("other"))?;
    let choice = Choice { app, settings, args, client, cx, at };
    match &args.drive {
        Some(id) => {
            let found = choice.drive(&DriveRef::Id(id.as_str().into())).await?;
            Ok(ChosenDrive::new(found, vec![("drive_id".into(), id.clone())]))
        }
        None => {
            let owner = choice.owner(&remote, tokens).await?;
            choice.drive_of(&owner).await
        }
    }
}

impl ChosenDrive {
    /// Creates the choice of a drive. `options` are those that name the drive in the configuration.
    fn new(drive: DriveResource, options: OptionList) -> Self {
        Self { account: account_of(&drive), drive: Some(DriveRecord::from(drive)), options }
    }
}

/// The choice among the drives of Graph.
struct Choice<'a> {
    app: &'a App,
    settings: &'a SignInSettings,
    args: &'a DriveArgs,
    client: &'a Client,
    cx: Context,
    at: Location,
}

impl Choice<'_> {
    /// Requests the properties of a drive.
    ///
    /// # Errors
    /// The failure of the request, such as `NotFound`.
    async fn drive(&self, drive: &DriveRef) -> Result<DriveResource> {
        let found = self.client.drive(&self.cx, drive).await;
        found.map_err(|error| failed(error, &self.at))
    }

    /// Returns the user, group or site that the options name, as its default drive.
    ///
    /// # Errors
    /// `Usage` if the service rejects an option, `NotFound` if nothing has the name, otherwise the
    /// failure of a request.
    async fn owner(&self, remote: &OpenRemote, tokens: &Tokens) -> Result<DriveRef> {
        debug_assert!(remote.handle.is_some());
        if let Some(text) = &self.args.find_site {
            return self.find_site(text).await;
        }
        let options =
            [("site", &self.args.site), ("user", &self.args.user), ("group", &self.args.group)];
        let source = self.settings.with_access_token(&tokens.access);
        let source = options.into_iter().fold(source, |source, (key, value)| match value {
            Some(value) => source.option(key, value),
            None => source,
        });
        let config = source.onedrive_config()?.unwrap_or_default();
        let owner = config.owner(self.client, &self.cx).await;
        owner.map_err(|error| failed(error, &self.at))
    }

    /// Returns the site whose name has these words. Prompts the user if there are several.
    ///
    /// # Errors
    /// `NotFound` if there is none, `Usage` if a choice is needed and there is no terminal,
    /// otherwise the failure of the request.
    async fn find_site(&self, text: &str) -> Result<DriveRef> {
        let found = sites(self.client, &self.cx, text).await;
        let found = found.map_err(|error| failed(error, &self.at))?;
        let lines: Vec<_> = found.iter().map(NamedSite::label).collect();
        let chosen = match found.len() {
            0 => {
                let failure =
                    Failure::new(Exit::NotFound, format!("no site has {text:?} in its name"));
                return Err(failure);
            }
            1 => 0,
            _ => self.prompt("Which site", "sites", &lines, "use --site ID").await?,
        };
        Ok(DriveRef::Site(found[chosen].id.as_str().into()))
    }

    /// Returns the drive or library of an owner. Prompts the user if there are several.
    ///
    /// # Errors
    /// `NotFound` if it does not have the library that the options name, `Usage` if a choice is
    /// needed and there is no terminal, otherwise the failure of a request.
    async fn drive_of(&self, owner: &DriveRef) -> Result<ChosenDrive> {
        let default = self.drive(owner).await?;
        let mut all = match drives_of(self.client, &self.cx, owner).await {
            Ok(all) => all,
            // Graph's error for some personal accounts (onedrive-graph#me-drives-403).
            Err(error) if error.status() == Some(403) && *owner == DriveRef::Mine => {
                let text =
                    "the cloud does not list the drives of this account: it has its default drive";
                self.app.output.notice(text);
                Vec::new()
            }
            Err(error) => return Err(failed(error, &self.at)),
        };
        if let Some(library) = &self.args.library {
            let lines = lines(&all);
            all.retain(|drive| {
                let name = drive.name.as_deref().unwrap_or_default();
                drive.id == *library || name.to_lowercase() == library.to_lowercase()
            });
            if all.is_empty() {
                let failure =
                    Failure::new(Exit::NotFound, format!("it has no library {library:?}"));
                return Err(failure.hint(format!("libraries: {}", lines.join("; "))));
            }
        }
        let chosen = match all.len() {
            0 => default,
            1 => all.remove(0),
            _ => {
                let chosen =
                    self.prompt("Which drive", "drives", &lines(&all), "use --drive ID").await?;
                all.remove(chosen)
            }
        };
        self.chosen(owner, chosen).await
    }

    /// Returns the drive with the option that names it: none for the user's own drive. `owner` is
    /// the owner whose drives were listed.
    ///
    /// # Errors
    /// The failure of a request.
    async fn chosen(&self, owner: &DriveRef, chosen: DriveResource) -> Result<ChosenDrive> {
        // The list does not have the owner.
        let drive = self.drive(&DriveRef::Id(chosen.id.as_str().into())).await?;
        let is_own = *owner == DriveRef::Mine && self.drive(owner).await?.id == drive.id;
        let options = match is_own {
            true => Vec::new(),
            false => vec![("drive_id".to_owned(), drive.id.clone())],
        };
        Ok(ChosenDrive::new(drive, options))
    }

    /// Prompts for one of several drives or sites. Returns its index.
    ///
    /// # Errors
    /// `Usage` with the list if standard input is not a terminal. `hint` names the option.
    async fn prompt(
        &self,
        question: &str,
        kind: &str,
        lines: &[String],
        hint: &str,
    ) -> Result<usize> {
        if prompt::is_interactive() {
            return prompt::choose(&self.app.output, question, lines).await;
        }
        let failure =
            Failure::usage(format!("the account has several {kind}: {}", lines.join("; ")));
        Err(failure.hint(hint))
    }
}

/// Returns a line for each drive, from which the user chooses.
fn lines(drives: &[DriveResource]) -> Vec<String> {
    drives.iter().map(|drive| DriveRecord::from(drive.clone()).label()).collect()
}
