//! `drivedal skydrive contacts`

use drivedal::services::skydrive::model::NewContact;

use super::{ObjectArg, RemoteArg, print, print_list};
use crate::{
    app::App,
    failure::{Exit, Result},
    skydrive::{SkyDriveRemote, failed},
};

/// Read and create contacts
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal skydrive contacts add local-skydrive: --first-name Henrik --email henrik@contoso.com

The API cannot change or remove a contact.")]
pub(crate) struct Contacts {
    #[command(subcommand)]
    command: ContactsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ContactsCommand {
    /// List the contacts
    List(RemoteArg),
    /// List the friends
    Friends(RemoteArg),
    /// Print a contact
    Show(ObjectArg),
    /// Create a contact
    Add(ContactAdd),
}

#[derive(Debug, clap::Args)]
struct ContactAdd {
    #[command(flatten)]
    at: RemoteArg,

    #[command(flatten)]
    name: ContactName,
}

/// The members of which a contact needs one.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct ContactName {
    /// Set the first name
    #[arg(long, value_name = "NAME")]
    first_name: Option<String>,

    /// Set the last name
    #[arg(long, value_name = "NAME")]
    last_name: Option<String>,

    /// Set the preferred e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,

    /// Set the employer
    #[arg(long, value_name = "NAME")]
    company: Option<String>,
}

impl Contacts {
    /// Runs the command.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (at, list) = match &self.command {
            ContactsCommand::List(at) => (at, "me/contacts"),
            ContactsCommand::Friends(at) => (at, "me/friends"),
            ContactsCommand::Show(contact) => return contact.show(app, "contact").await,
            ContactsCommand::Add(contact) => return contact.run(app).await,
        };
        let live = SkyDriveRemote::open(app, &at.remote).await?;
        print_list(app, &live, &at.remote, list, &[]).await
    }
}

impl ContactAdd {
    /// Creates the contact, and prints it.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    async fn run(&self, app: &App) -> Result<Exit> {
        let at = &self.at.remote;
        let live = SkyDriveRemote::open(app, at).await?;
        let mut contact = NewContact::default();
        contact.first_name.clone_from(&self.name.first_name);
        contact.last_name.clone_from(&self.name.last_name);
        contact.emails.preferred.clone_from(&self.name.email);
        contact.employers.extend(self.name.company.clone());
        let added = live.client()?.add_contact(&live.cx, &contact).await;
        let added = added.map_err(|error| failed(error, at))?;
        print(app, &live, at, &added.id).await
    }
}
