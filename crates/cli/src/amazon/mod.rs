//! Commands that only Amazon Cloud Drive has. `docs/legacy-clouds.md` lists the commands of acd_cli and
//! their replacements.

mod find;
mod info;
mod parents;
mod properties;
mod trash;

use std::sync::Arc;

use drivedal::{
    adapter::DriveHandle,
    drive::{self, Context},
    services::amazon_drive::Client,
};

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::{Location, RemoteAddress},
    options::AddressingArgs,
    remote::OpenRemote,
};

/// Use features that only Amazon Cloud Drive has
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal amazon add-child local-amazon:album local-amazon:photos/a.jpg
  drivedal amazon find-md5 local-amazon: d41d8cd98f00b204e9800998ecf8427e")]
pub(crate) struct AmazonArgs {
    #[command(subcommand)]
    pub(crate) command: AmazonCommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum AmazonCommand {
    AddChild(parents::AddChild),
    RemoveChild(parents::RemoveChild),
    Find(find::Find),
    FindMd5(find::FindMd5),
    Info(info::NodeInfo),
    Usage(info::DriveUsage),
    Thumbnail(info::NodeThumbnail),
    Properties(properties::NodeProperties),
    PropertyGet(properties::PropertyGet),
    PropertySet(properties::PropertySet),
    PropertyDelete(properties::PropertyDelete),
    Owner(properties::OwnerId),
    Trash(trash::Trash),
    Restore(trash::Restore),
    Purge(trash::Purge),
}

impl AmazonCommand {
    /// Runs the subcommand of `amazon`.
    ///
    /// # Errors
    /// The failure of the subcommand: `Usage` for an unknown remote or a rejected option,
    /// `Unsupported` if the remote is not an Amazon Drive, `NotFound` if the item does not exist,
    /// the failure of a request ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be
    /// written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        match self {
            Self::AddChild(add) => add.run(app).await,
            Self::RemoveChild(remove) => remove.run(app).await,
            Self::Find(find) => find.run(app).await,
            Self::FindMd5(find) => find.run(app).await,
            Self::Info(info) => info.run(app).await,
            Self::Usage(usage) => usage.run(app).await,
            Self::Thumbnail(thumbnail) => thumbnail.run(app).await,
            Self::Properties(properties) => properties.run(app).await,
            Self::PropertyGet(property) => property.run(app).await,
            Self::PropertySet(property) => property.run(app).await,
            Self::PropertyDelete(property) => property.run(app).await,
            Self::Owner(owner) => owner.run(app).await,
            Self::Trash(trash) => trash.run(app).await,
            Self::Restore(restore) => restore.run(app).await,
            Self::Purge(purge) => purge.run(app).await,
        }
    }

    /// Returns the verb for failures of this command: `cannot <verb> <item>: …`.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Self::AddChild(_) => "add",
            Self::RemoveChild(_) => "remove",
            Self::Find(_) | Self::FindMd5(_) => "search",
            Self::Info(_) => "read",
            Self::Usage(_) => "read the usage of",
            Self::Thumbnail(_) => "download a thumbnail of",
            Self::Properties(_) | Self::PropertyGet(_) => "read properties of",
            Self::PropertySet(_) => "set a property of",
            Self::PropertyDelete(_) => "delete a property of",
            Self::Owner(_) => "find the owner id of",
            Self::Trash(_) => "list the trash of",
            Self::Restore(_) => "restore",
            Self::Purge(_) => "purge",
        }
    }
}

/// Arguments that name the node of a command.
#[derive(Debug, clap::Args)]
struct NodeArgs {
    /// The file or folder
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse)]
    node: Location,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl NodeArgs {
    /// Opens the remote and returns the id of the node.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if the
    /// remote is not an Amazon Drive; `NotFound` if the node does not exist; the failure of the
    /// request ([`Failure::from`]).
    async fn resolve(&self, app: &App) -> Result<(AmazonRemote, String)> {
        let remote = AmazonRemote::open(app, &self.node).await?;
        let id = remote.id(&self.node, self.addressing).await?;
        Ok((remote, id))
    }

    /// Converts an error of a request about this node. The failure names the argument.
    fn failed(&self, error: drive::Error) -> Failure {
        failed(error, &self.node)
    }
}

/// An Amazon Drive remote, with access to its nodes.
struct AmazonRemote {
    remote: Arc<OpenRemote>,
    cx: Context,
}

impl AmazonRemote {
    /// Opens the remote of an argument.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if the
    /// remote is not an Amazon Drive.
    async fn open(app: &App, at: &Location) -> Result<Self> {
        let remote = app.remote(at, Workload::Interactive).await?;
        let opened = Self { cx: DriveHandle::context(&remote.operator), remote };
        opened.client().map_err(|failure| failure.about(at))?;
        Ok(opened)
    }

    /// Returns the protocol client.
    ///
    /// # Errors
    /// `Unsupported` if the remote is not an Amazon Drive. [`open`](Self::open) checks that already.
    fn client(&self) -> Result<&Client> {
        let client = self.remote.handle.as_ref().and_then(Client::from_handle);
        client.ok_or_else(|| {
            let failure = Failure::wrong_service(self.remote.scheme());
            failure.hint("this command works with amazon-drive remotes only")
        })
    }

    /// Returns the id of a node, given by its path or with `-i` by its id.
    ///
    /// # Errors
    /// `NotFound` if the node does not exist; `Usage` for a path below an id; the failure of the
    /// request ([`Failure::from`]).
    async fn id(&self, at: &Location, addressing: AddressingArgs) -> Result<String> {
        let address = RemoteAddress::parse(&at.text, addressing.mode(), self.remote.scheme());
        let path = match address.map_err(|failure| failure.about(at))? {
            RemoteAddress::Id(id, rest) if rest.is_root() => return Ok(id),
            RemoteAddress::Id(..) => {
                return Err(Failure::usage("a path below an id is not supported").about(at));
            }
            RemoteAddress::Path(path) => path,
        };
        let handle = self.remote.drive("ids")?;
        let item = handle.item(&self.remote.operator, path.as_str()).await;
        let item = item.map_err(|error| Failure::from(error).about(at))?;
        Ok(item.id.to_string())
    }
}

/// Converts an error of a request about the node `at`. The failure names the argument.
fn failed(error: drive::Error, at: &Location) -> Failure {
    Failure::from(DriveHandle::to_opendal_error(error)).about(at)
}
