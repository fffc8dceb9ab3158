//! `drivedal amazon properties`, `property-get`, `property-set`, `property-delete` and `owner`

use serde_json::json;

use super::{AmazonRemote, NodeArgs, failed};
use crate::{
    app::App,
    failure::{Exit, Failure, Result},
    location::Location,
};

/// Arguments that name a node and the owner of its properties.
#[derive(Debug, clap::Args)]
struct OwnedArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// Use properties of this owner [default: the creator of the item]
    #[arg(long, value_name = "OWNER")]
    owner: Option<String>,
}

impl OwnedArgs {
    /// Opens the remote and returns the id of the node and the owner.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if the
    /// remote is not an Amazon Drive; `NotFound` if the node does not exist; `Failed` if the
    /// response has no creator; the failure of the request ([`Failure::from`]).
    async fn resolve(&self, app: &App) -> Result<(AmazonRemote, String, String)> {
        let (remote, id) = self.node.resolve(app).await?;
        if let Some(owner) = &self.owner {
            return Ok((remote, id, owner.clone()));
        }
        let node = remote.client()?.node(&remote.cx, &id, false).await;
        let owner = node.map_err(|error| self.node.failed(error))?.created_by.ok_or_else(|| {
            let failure = Failure::new(Exit::Failed, "the cloud does not name its creator");
            failure.hint("name the owner of the properties with --owner").about(&self.node.node)
        })?;
        Ok((remote, id, owner))
    }
}

/// List the properties that an application has stored with an item
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The output is an object of keys and values. An application sees only its own properties.

Example:
  drivedal amazon properties local-amazon:photos/a.jpg")]
pub(crate) struct NodeProperties {
    #[command(flatten)]
    of: OwnedArgs,
}

impl NodeProperties {
    /// Prints the properties of a node.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not an Amazon Drive; `NotFound` if the node does not exist; the failure of the request
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (remote, id, owner) = self.of.resolve(app).await?;
        let properties = remote.client()?.properties(&remote.cx, &id, &owner).await;
        let properties = properties.map_err(|error| self.of.node.failed(error))?;
        app.output.value(&json!(properties))?;
        Ok(Exit::Done)
    }
}

/// Print a property of an item
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal amazon property-get local-amazon:photos/a.jpg rating")]
pub(crate) struct PropertyGet {
    #[command(flatten)]
    of: OwnedArgs,

    /// The key of the property
    key: String,
}

impl PropertyGet {
    /// Prints the value of a property.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not an Amazon Drive; `NotFound` if the node or the property does not exist; the failure of
    /// the request ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (remote, id, owner) = self.of.resolve(app).await?;
        let property = remote.client()?.property(&remote.cx, &id, &owner, &self.key).await;
        let property = property.map_err(|error| self.of.node.failed(error))?;
        app.output.value(&property.value.into())?;
        Ok(Exit::Done)
    }
}

/// Add or replace a property of an item
///
/// An application has at most 10 properties of an item, with values of at most 500 characters.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal amazon property-set local-amazon:photos/a.jpg rating 5")]
pub(crate) struct PropertySet {
    #[command(flatten)]
    of: OwnedArgs,

    /// The key of the property
    key: String,

    /// The value, at most 500 characters
    value: String,
}

impl PropertySet {
    /// Sets a property.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not an Amazon Drive; `NotFound` if the node does not exist; `Denied` if the owner is another
    /// application; the failure of the request ([`Failure::from`]).
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (remote, id, owner) = self.of.resolve(app).await?;
        let client = remote.client()?;
        let set = client.set_property(&remote.cx, &id, &owner, &self.key, &self.value).await;
        set.map_err(|error| self.of.node.failed(error))?;
        Ok(Exit::Done)
    }
}

/// Delete a property of an item, or all of an owner
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal amazon property-delete local-amazon:photos/a.jpg rating
  drivedal amazon property-delete --all local-amazon:photos/a.jpg")]
pub(crate) struct PropertyDelete {
    #[command(flatten)]
    of: OwnedArgs,

    /// The key of the property
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    key: Option<String>,

    /// Delete all properties of the owner
    #[arg(long)]
    all: bool,
}

impl PropertyDelete {
    /// Deletes a property, or all of the owner.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not an Amazon Drive; `NotFound` if the node or the property does not exist; `Denied` if the
    /// owner is another application; the failure of the request ([`Failure::from`]).
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (remote, id, owner) = self.of.resolve(app).await?;
        let client = remote.client()?;
        let deleted = match &self.key {
            Some(key) => client.delete_property(&remote.cx, &id, &owner, key).await,
            None => client.delete_properties(&remote.cx, &id, &owner).await,
        };
        deleted.map_err(|error| self.of.node.failed(error))?;
        Ok(Exit::Done)
    }
}

/// Print the owner id of this application's properties
///
/// The cloud has no request for it. The command creates an empty file and moves it to the trash.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal amazon owner local-amazon:")]
pub(crate) struct OwnerId {
    /// The drive
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    drive: Location,
}

impl OwnerId {
    /// Prints the owner id.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not an Amazon Drive; the failure of the request ([`Failure::from`]); `ClosedPipe` or
    /// `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let remote = AmazonRemote::open(app, &self.drive).await?;
        let owner = remote.client()?.owner_id(&remote.cx).await;
        app.output.value(&owner.map_err(|error| failed(error, &self.drive))?.into())?;
        Ok(Exit::Done)
    }
}
