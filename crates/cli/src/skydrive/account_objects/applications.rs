//! `drivedal skydrive apps`

use std::{fs::File, io::Read, path::PathBuf};

use drivedal::services::skydrive::model::ApplicationProperties;

use super::{ObjectArg, RemoteArg, print, print_list};
use crate::{
    app::App,
    failure::{Exit, Failure, Result},
    skydrive::{SkyDriveRemote, failed},
    transfer::local::blocking,
};

/// Maximum size of a logo in bytes. A picture of 48 x 48 pixels has less than 10 KiB.
const MAX_LOGO: u64 = 1 << 20;

/// Read, register, change and remove applications
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The output contains the client secret.

Examples:
  drivedal skydrive apps add local-skydrive: Pilot http://www.contoso.com
  drivedal skydrive apps logo local-skydrive:application.000000004c043705 logo.png")]
pub(crate) struct Apps {
    #[command(subcommand)]
    command: AppsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AppsCommand {
    /// List the applications
    List(RemoteArg),
    /// Print an application
    Show(ObjectArg),
    /// Register an application
    Add(AppAdd),
    /// Change an application
    Update(AppUpdate),
    /// Upload the logo of an application
    Logo(AppLogo),
    /// Remove an application
    Remove(ObjectArg),
}

#[derive(Debug, clap::Args)]
struct AppAdd {
    #[command(flatten)]
    at: RemoteArg,

    /// The name of the application
    name: String,

    /// The redirect URI
    uri: String,

    /// Set the URL of the terms of service
    #[arg(long, value_name = "URL")]
    terms: Option<String>,

    /// Set the URL of the privacy statement
    #[arg(long, value_name = "URL")]
    privacy: Option<String>,
}

#[derive(Debug, clap::Args)]
struct AppUpdate {
    #[command(flatten)]
    application: ObjectArg,

    #[command(flatten)]
    changes: AppChanges,
}

/// The changes of which an update needs one.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct AppChanges {
    /// Set the name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Set the redirect URI
    #[arg(long, value_name = "URI")]
    uri: Option<String>,

    /// Set the URL of the terms of service
    #[arg(long, value_name = "URL")]
    terms: Option<String>,

    /// Set the URL of the privacy statement
    #[arg(long, value_name = "URL")]
    privacy: Option<String>,
}

#[derive(Debug, clap::Args)]
struct AppLogo {
    #[command(flatten)]
    application: ObjectArg,

    /// The logo: a PNG or GIF file of 48 x 48 pixels
    file: PathBuf,
}

impl Apps {
    /// Runs the command.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        match &self.command {
            AppsCommand::List(RemoteArg { remote }) => {
                let live = SkyDriveRemote::open(app, remote).await?;
                print_list(app, &live, remote, "me/applications", &[]).await
            }
            AppsCommand::Show(application) => application.show(app, "application").await,
            AppsCommand::Add(application) => application.run(app).await,
            AppsCommand::Update(application) => application.run(app).await,
            AppsCommand::Logo(logo) => logo.run(app).await,
            AppsCommand::Remove(application) => {
                let live = application.open(app, "application").await?;
                let id = &application.object.text;
                let removed = live.client()?.delete_application(&live.cx, id).await;
                removed.map_err(|error| failed(error, &application.object))?;
                Ok(Exit::Done)
            }
        }
    }
}

impl AppAdd {
    /// Registers the application, and prints it.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    async fn run(&self, app: &App) -> Result<Exit> {
        let at = &self.at.remote;
        let live = SkyDriveRemote::open(app, at).await?;
        let mut application = ApplicationProperties::default();
        application.name = Some(self.name.clone());
        application.uri = Some(self.uri.clone());
        application.terms_of_service_link.clone_from(&self.terms);
        application.privacy_link.clone_from(&self.privacy);
        let added = live.client()?.add_application(&live.cx, &application).await;
        let added = added.map_err(|error| failed(error, at))?;
        print(app, &live, at, &added.id).await
    }
}

impl AppUpdate {
    /// Changes the application, and prints it.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Usage` if the id is not that of an
    /// application; `Unsupported` if the remote is not a SkyDrive.
    async fn run(&self, app: &App) -> Result<Exit> {
        let at = &self.application.object;
        let live = self.application.open(app, "application").await?;
        let mut changes = ApplicationProperties::default();
        changes.name.clone_from(&self.changes.name);
        changes.uri.clone_from(&self.changes.uri);
        changes.terms_of_service_link.clone_from(&self.changes.terms);
        changes.privacy_link.clone_from(&self.changes.privacy);
        let updated = live.client()?.update_application(&live.cx, &at.text, &changes).await;
        let updated = updated.map_err(|error| failed(error, at))?;
        print(app, &live, at, &updated.id).await
    }
}

impl AppLogo {
    /// Uploads the logo.
    ///
    /// # Errors
    /// [`Failure::local`] if the file cannot be read; `Usage` if it is larger than [`MAX_LOGO`], or the
    /// id is not that of an application; the failure of the request ([`Failure::from`]), such as for
    /// another picture; `Unsupported` if the remote is not a SkyDrive.
    async fn run(&self, app: &App) -> Result<Exit> {
        let at = &self.application.object;
        let live = self.application.open(app, "application").await?;
        let path = self.file.clone();
        let read = move || {
            let mut logo = Vec::new();
            let file = File::open(&path);
            let read = file.and_then(|file| file.take(MAX_LOGO + 1).read_to_end(&mut logo));
            read.map_err(|error| Failure::local("read", &path, &error))?;
            match logo.len() as u64 > MAX_LOGO {
                true => Err(Failure::usage(format!("it is larger than {MAX_LOGO} bytes"))
                    .doing("upload")
                    .about(path.display())),
                false => Ok(logo),
            }
        };
        let logo = blocking(read).await?;
        let uploaded = live.client()?.put_logo(&live.cx, &at.text, logo.into()).await;
        uploaded.map_err(|error| failed(error, at))?;
        Ok(Exit::Done)
    }
}
