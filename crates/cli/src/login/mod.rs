//! `drivedal login`: signs in to a cloud, chooses the drive and writes the remote.
//!
//! The steps: [`settings`] merges the options of the command, the environment and the file;
//! [`flow`] signs the user or the application in; [`choice`] finds the drive, with the new token;
//! [`save`] stores the tokens and the remote. Nothing is written before the new sign-in has reached
//! the drive.

mod choice;
mod flow;
mod save;
mod settings;

use std::path::PathBuf;

use serde_json::json;

use self::settings::SignInSettings;
use crate::{
    app::App,
    config::{SignedInAccount, remote_name},
    failure::{Exit, Failure, Result},
};

/// Sign in to a cloud, and configure the remote
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Opens the cloud's page in a browser, or prints a code for the browser of another device if this machine
has none. The tokens are stored in `tokens` in the folder of the configuration file, readable by you
only. A second login of the same remote replaces its tokens and credentials; its other options stay.

An application must be registered with the cloud once: docs/signing-in.md has the steps. Options of the
remote can be environment variables too (DRIVEDAL_REMOTE_NAME_CLIENT_ID), and then they are not written to the
file.

Examples:
  drivedal login od --client-id 11111111-2222-3333-4444-555555555555
  drivedal login od --device
  drivedal login team --client-id ID --site https://contoso.sharepoint.com/sites/team
  drivedal login ci --app-only --tenant contoso.com --client-id ID --client-secret-file - --drive ID
  drivedal login test --server http://127.0.0.1:8080")]
pub(crate) struct Login {
    /// The name of the remote
    #[arg(value_name = "NAME", value_parser = remote_name)]
    pub(crate) name: String,

    /// Use this cloud; by default that of the remote, or onedrive
    #[arg(long, value_name = "SERVICE", value_parser = ["onedrive", "skydrive", "amazon-drive"])]
    service: Option<String>,

    #[command(flatten)]
    flow: FlowArgs,

    #[command(flatten)]
    application: ApplicationArgs,

    #[command(flatten)]
    endpoints: EndpointArgs,

    #[command(flatten)]
    drive: DriveArgs,
}

/// Options that choose the way to sign in.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Ways to sign in")]
struct FlowArgs {
    /// Print a code to enter in the browser of any device
    #[arg(long, group = "flow")]
    device: bool,

    /// Print a URL, and read the address of the page after the sign-in
    #[arg(long, group = "flow")]
    paste: bool,

    /// Sign in the application itself, which acts for no user
    #[arg(long, group = "flow")]
    app_only: bool,

    /// Print the URL of the page, and open no browser
    #[arg(long)]
    no_browser: bool,
}

/// Options that name the registered application.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Application")]
struct ApplicationArgs {
    /// Set the id of the application
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,

    /// Read the secret of the application from a file; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "certificate")]
    client_secret_file: Option<PathBuf>,

    /// Refuse the secret as an argument, because other users can see it
    #[arg(long, hide = true, value_parser = refuse_secret)]
    client_secret: Option<String>,

    /// Use the certificate and the private key of the application in this PEM file
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,

    /// Set the tenant: an id, a domain, common, organizations or consumers
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,

    /// Request this scope in place of the default ones; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,

    /// Set the redirect URI, if the application is registered with another one
    #[arg(long, value_name = "URI")]
    redirect_uri: Option<String>,
}

/// Options that name the servers.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Servers")]
struct EndpointArgs {
    /// Use a drive server in place of the cloud, for the sign-in and the drive
    #[arg(long, value_name = "URL", conflicts_with_all = ["authority", "endpoint", "cloud"])]
    server: Option<String>,

    /// Set the base URL of the sign-in service
    #[arg(long, value_name = "URL")]
    authority: Option<String>,

    /// Set the base URL of the cloud's API
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    /// Use a national cloud: us-gov, us-dod or china
    #[arg(long, value_name = "CLOUD")]
    cloud: Option<String>,

    /// Allow tokens over plain HTTP to these hosts, separated by commas
    #[arg(long, value_name = "HOSTS")]
    allow_http: Option<String>,
}

/// Options that name the drive.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Drive")]
struct DriveArgs {
    /// Use the drive with this id
    #[arg(long, value_name = "ID", conflicts_with = "library")]
    drive: Option<String>,

    /// Use a SharePoint site, by its URL, id or path
    #[arg(long, value_name = "URL", conflicts_with_all = ["drive", "user", "group"])]
    site: Option<String>,

    /// Search for a SharePoint site by words of its name; `*` lists all
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["drive", "site", "user", "group"])]
    find_site: Option<String>,

    /// Use this document library of the site, group or user, by name or id
    #[arg(long, value_name = "NAME")]
    library: Option<String>,

    /// Use the drive of this user, by id or user principal name
    #[arg(long, value_name = "USER", conflicts_with_all = ["drive", "group"])]
    user: Option<String>,

    /// Use the drive of this group, by id
    #[arg(long, value_name = "ID", conflicts_with = "drive")]
    group: Option<String>,
}

impl DriveArgs {
    /// Returns whether an option names the owner of a drive or the drive itself.
    fn names_drive(&self) -> bool {
        [&self.drive, &self.site, &self.find_site, &self.user, &self.group]
            .into_iter()
            .any(Option::is_some)
    }
}

/// Rejects the value of `--client-secret`.
///
/// # Errors
/// Always: a message for the user that names the safe options.
fn refuse_secret(_: &str) -> Result<String, String> {
    Err("other users can see the arguments of a process: use --client-secret-file FILE, or `-` for \
         standard input"
        .into())
}

impl Login {
    /// Signs in and writes the remote.
    ///
    /// # Errors
    /// * `Usage` if an option is missing, the service rejects one, two contradict each other, or a
    ///   choice is needed and there is no terminal; `Unsupported` for one that the cloud lacks.
    /// * `Exists` if an option would change a configured remote, or if another account signed in.
    /// * `Denied` if the user or the cloud denies access; `NotFound` if the drive does not exist;
    ///   `TryLater` and the other failures of a request ([`Failure::from`]).
    /// * [`Failure::local`] if a file cannot be read or written; `ClosedPipe` or `Failed` if
    ///   results cannot be written.
    ///
    /// The former tokens stay in use then.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let name = self.name.clone();
        self.sign_in(app).await.map_err(|failure| failure.about(&name))
    }

    /// Signs in to a service, lets the user choose a drive, and saves the tokens and the remote.
    ///
    /// # Errors
    /// `Usage` if the service rejects an option; `Denied` if the sign-in refuses access or another
    /// account signed in; the failure of a request or of a file; `ClosedPipe` or `Failed` if
    /// results cannot be written.
    async fn sign_in(self, app: &App) -> Result<Exit> {
        let settings = SignInSettings::new(app, &self).await?;
        let signed_in = flow::run(app, &settings, &self.flow).await?;
        let chosen = choice::choose(app, &settings, &self.drive, &signed_in).await?;
        settings.check_account(&chosen.account)?;
        save::save(app, &settings, &signed_in, &chosen).await?;
        let (account, drive) = (&chosen.account, &chosen.drive);
        if app.output.is_json() {
            app.output.json(&json!({
                "name": self.name,
                "service": settings.scheme(),
                "account": { "id": account.id, "name": account.name },
                "drive": drive,
                "result": "signed_in",
            }))?;
        } else if !app.output.is_quiet() {
            let drive = drive
                .as_ref()
                .map_or_else(String::new, |drive| format!(", drive {}", drive.label()));
            let shown = format!("signed in to {} as {}{drive}", self.name, display(account));
            app.output.line(app.output.shown(&shown))?;
        }
        Ok(Exit::Done)
    }
}

/// Returns an account for the user: its name, or its id.
fn display(account: &SignedInAccount) -> &str {
    account.name.as_deref().unwrap_or(&account.id)
}

/// Returns the failure for options that a cloud does not have.
fn not_for(scheme: &str, option: &str) -> Failure {
    Failure::new(Exit::Unsupported, format!("{scheme} has no {option}"))
}
