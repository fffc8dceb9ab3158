//! Commands that only SkyDrive has. They correspond to commands of SkyDrive's old command-line
//! client. `drivedal::services::skydrive::old_client` lists all of its commands and their
//! replacements.

pub(crate) mod account_objects;
pub(crate) mod auth;
pub(crate) mod comments;
pub(crate) mod info;
pub(crate) mod link;
pub(crate) mod list;

use std::sync::Arc;

use drivedal::{
    adapter::DriveHandle,
    drive::{self, Context},
    services::skydrive::Client,
};

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::{Addressing, Location, RemoteAddress},
    options::AddressingArgs,
    remote::OpenRemote,
};

/// Use features that only SkyDrive has
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal skydrive link local-skydrive:photos
  drivedal skydrive comments local-skydrive:photos/a.jpg")]
pub(crate) struct SkyDriveArgs {
    #[command(subcommand)]
    pub(crate) command: SkyDriveCommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum SkyDriveCommand {
    Info(info::Info),
    InfoSet(info::InfoSet),
    Link(link::Link),
    Recent(list::Recent),
    Comments(comments::Comments),
    CommentAdd(comments::CommentAdd),
    CommentDelete(comments::CommentDelete),
    Contacts(account_objects::Contacts),
    Calendars(account_objects::Calendars),
    Events(account_objects::Events),
    Share(account_objects::Share),
    Apps(account_objects::Apps),
    Auth(auth::Auth),
    AuthRefresh(auth::AuthRefresh),
}

impl SkyDriveCommand {
    /// Runs the subcommand of `skydrive`.
    ///
    /// # Errors
    /// The failure of the subcommand: `Usage` for an unknown remote or a rejected option,
    /// `Unsupported` if the remote is not a SkyDrive, `NotFound` if the item does not exist, the
    /// failure of a request ([`Failure::from`](crate::failure::Failure)); `ClosedPipe` or `Failed`
    /// if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        match self {
            Self::Info(info) => info.run(app).await,
            Self::InfoSet(info) => info.run(app).await,
            Self::Link(link) => link.run(app).await,
            Self::Recent(recent) => recent.run(app).await,
            Self::Comments(comments) => comments.run(app).await,
            Self::CommentAdd(comment) => comment.run(app).await,
            Self::CommentDelete(comment) => comment.run(app).await,
            Self::Contacts(contacts) => contacts.run(app).await,
            Self::Calendars(calendars) => calendars.run(app).await,
            Self::Events(events) => events.run(app).await,
            Self::Share(activity) => activity.run(app).await,
            Self::Apps(apps) => apps.run(app).await,
            Self::Auth(auth) => auth.run(app).await,
            Self::AuthRefresh(refresh) => refresh.run(app).await,
        }
    }

    /// Returns the verb for failures of this command: `cannot <verb> <item>: …`.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Self::Info(_) => "read",
            Self::InfoSet(_) => "update",
            Self::Link(_) => "create a link to",
            Self::Recent(_) => "list recent documents of",
            Self::Comments(_) => "list comments of",
            Self::CommentAdd(_) => "comment on",
            Self::CommentDelete(_) => "delete comment",
            Self::Contacts(_) => "access contacts of",
            Self::Calendars(_) => "access calendars of",
            Self::Events(_) => "access events of",
            Self::Share(_) => "share an activity on",
            Self::Apps(_) => "access applications of",
            Self::Auth(_) => "sign in to",
            Self::AuthRefresh(_) => "refresh tokens of",
        }
    }
}

/// The names of SkyDrive commands before `drivedal skydrive` existed. `info`, `link` and `share` are
/// commands for all drives now.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum OldCommand {
    InfoSet(info::InfoSet),
    Recent(list::Recent),
    Comments(comments::Comments),
    CommentAdd(comments::CommentAdd),
    CommentDelete(comments::CommentDelete),
    Contacts(account_objects::Contacts),
    Calendars(account_objects::Calendars),
    Events(account_objects::Events),
    Apps(account_objects::Apps),
    Auth(auth::Auth),
    AuthRefresh(auth::AuthRefresh),
}

impl OldCommand {
    /// Returns the command that replaces this one.
    pub(crate) fn into_command(self) -> SkyDriveCommand {
        match self {
            Self::InfoSet(info) => SkyDriveCommand::InfoSet(info),
            Self::Recent(recent) => SkyDriveCommand::Recent(recent),
            Self::Comments(comments) => SkyDriveCommand::Comments(comments),
            Self::CommentAdd(comment) => SkyDriveCommand::CommentAdd(comment),
            Self::CommentDelete(comment) => SkyDriveCommand::CommentDelete(comment),
            Self::Contacts(contacts) => SkyDriveCommand::Contacts(contacts),
            Self::Calendars(calendars) => SkyDriveCommand::Calendars(calendars),
            Self::Events(events) => SkyDriveCommand::Events(events),
            Self::Apps(apps) => SkyDriveCommand::Apps(apps),
            Self::Auth(auth) => SkyDriveCommand::Auth(auth),
            Self::AuthRefresh(refresh) => SkyDriveCommand::AuthRefresh(refresh),
        }
    }

    /// Returns the verb for failures of this command: `cannot <verb> <item>: …`.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Self::InfoSet(_) => "update",
            Self::Recent(_) => "list recent documents of",
            Self::Comments(_) => "list comments of",
            Self::CommentAdd(_) => "comment on",
            Self::CommentDelete(_) => "delete comment",
            Self::Contacts(_) => "access contacts of",
            Self::Calendars(_) => "access calendars of",
            Self::Events(_) => "access events of",
            Self::Apps(_) => "access applications of",
            Self::Auth(_) => "sign in to",
            Self::AuthRefresh(_) => "refresh tokens of",
        }
    }
}

/// Arguments that name the item of a command.
#[derive(Debug, clap::Args)]
pub(crate) struct ItemArgs {
    /// The file or folder
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse)]
    item: Location,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl ItemArgs {
    /// Opens the remote and returns the id of the item.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if the
    /// remote is not a SkyDrive; `NotFound` if the item does not exist; the failure of the request
    /// ([`Failure::from`]).
    async fn resolve(&self, app: &App) -> Result<(SkyDriveRemote, String)> {
        let live = SkyDriveRemote::open(app, &self.item).await?;
        let id = live.id(&self.item, self.addressing.mode()).await?;
        Ok((live, id))
    }

    /// Converts an error of a request about this item. The failure names the argument.
    fn failed(&self, error: drive::Error) -> Failure {
        failed(error, &self.item)
    }
}

/// A SkyDrive remote, with access to Live Connect's objects.
pub(crate) struct SkyDriveRemote {
    remote: Arc<OpenRemote>,
    pub(crate) cx: Context,
}

impl SkyDriveRemote {
    /// Opens the remote of an argument.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if the
    /// remote is not a SkyDrive.
    pub(crate) async fn open(app: &App, at: &Location) -> Result<Self> {
        let remote = app.remote(at, Workload::Interactive).await?;
        let live = Self { cx: DriveHandle::context(&remote.operator), remote };
        live.find_client().map_err(|failure| failure.about(at))?;
        Ok(live)
    }

    /// Returns the SkyDrive of an open remote. `None` if it is another service.
    pub(crate) fn from_remote(remote: &Arc<OpenRemote>) -> Option<Self> {
        let live = Self { cx: DriveHandle::context(&remote.operator), remote: Arc::clone(remote) };
        live.find_client().is_ok().then_some(live)
    }

    /// Returns the protocol client, for [`open`](Self::open), which checks it once.
    ///
    /// # Errors
    /// `Unsupported` if the remote is not a SkyDrive.
    fn find_client(&self) -> Result<&Client> {
        let client = self.remote.handle.as_ref().and_then(Client::from_handle);
        client.ok_or_else(|| not_skydrive(self.remote.scheme()))
    }

    /// Returns the protocol client.
    ///
    /// # Errors
    /// `Unsupported` if the remote is not a SkyDrive. [`open`](Self::open) checks that already.
    pub(crate) fn client(&self) -> Result<&Client> {
        self.find_client()
    }

    /// Returns the id of an item. A well-known path (`me/skydrive/my_documents`) is an id too.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; the failure of the request ([`Failure::from`]).
    pub(crate) async fn id(&self, at: &Location, named: Addressing) -> Result<String> {
        let is_friendly = at.text.starts_with("me/skydrive");
        if is_friendly && named != Addressing::Path {
            return Ok(at.text.trim_end_matches('/').to_owned());
        }
        let address = RemoteAddress::parse(&at.text, named, "skydrive");
        let path = match address.map_err(|failure| failure.about(at))? {
            RemoteAddress::Id(id, rest) if rest.is_root() => return Ok(id),
            RemoteAddress::Id(id, rest) => {
                let client = self.client()?;
                let found = client.resolve(&self.cx, &id, rest.as_str()).await;
                return found.map_err(|error| failed(error, at));
            }
            RemoteAddress::Path(path) => path,
        };
        let handle = self.remote.drive("ids")?;
        let item = handle.item(&self.remote.operator, path.as_str()).await;
        let item = item.map_err(|error| Failure::from(error).about(at))?;
        Ok(item.id.to_string())
    }
}

/// Returns `Unsupported`: the remote is not a SkyDrive but a `scheme` remote.
fn not_skydrive(scheme: &str) -> Failure {
    Failure::wrong_service(scheme).hint("this command works with skydrive remotes only")
}

/// Converts an error of a request about the item `at`. The failure names the item.
pub(crate) fn failed(error: drive::Error, at: &Location) -> Failure {
    Failure::from(DriveHandle::to_opendal_error(error)).about(at)
}
