//! `drivedal amazon add-child` and `remove-child`

use super::{AmazonRemote, failed};
use crate::{
    app::App,
    failure::{Exit, Failure, Result},
    location::Location,
    options::AddressingArgs,
};

/// The arguments of a change of a node's parents.
#[derive(Debug, clap::Args)]
struct ParentArgs {
    /// The folder
    #[arg(value_name = "REMOTE:FOLDER", value_parser = Location::parse)]
    parent: Location,

    /// The file or folder
    #[arg(value_name = "REMOTE:CHILD", value_parser = Location::parse)]
    child: Location,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl ParentArgs {
    /// Opens the remote and returns the ids of the folder and of the child.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, the service rejects an option, or the arguments name two
    /// remotes; `Unsupported` if the remote is not an Amazon Drive; `NotFound` if a node does not
    /// exist; the failure of the request ([`Failure::from`]).
    async fn resolve(&self, app: &App) -> Result<(AmazonRemote, String, String)> {
        if self.parent.remote != self.child.remote {
            let failure = Failure::usage("the folder and the child must be on one remote");
            return Err(failure.about(&self.child));
        }
        let remote = AmazonRemote::open(app, &self.parent).await?;
        let parent = remote.id(&self.parent, self.addressing).await?;
        let child = remote.id(&self.child, self.addressing).await?;
        Ok((remote, parent, child))
    }
}

/// Add a file or folder to a further folder
///
/// It remains in its other folders: all of them show the same item. A folder may be added to a folder
/// below it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal amazon add-child local-amazon:album local-amazon:photos/a.jpg")]
pub(crate) struct AddChild {
    #[command(flatten)]
    nodes: ParentArgs,
}

impl AddChild {
    /// Adds a node to a folder.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not an Amazon Drive; `NotFound` if a node does not exist; `Exists` if the folder has another
    /// node of the name; the failure of the request ([`Failure::from`]).
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (remote, parent, child) = self.nodes.resolve(app).await?;
        let added = remote.client()?.add_child(&remote.cx, &parent, &child).await;
        added.map_err(|error| failed(error, &self.nodes.child))?;
        Ok(Exit::Done)
    }
}

/// Remove a file or folder from one of its folders
///
/// It remains in its other folders. Without any it moves to the root folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal amazon remove-child local-amazon:photos local-amazon:photos/a.jpg")]
pub(crate) struct RemoveChild {
    #[command(flatten)]
    nodes: ParentArgs,
}

impl RemoveChild {
    /// Removes a node from a folder.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not an Amazon Drive; `NotFound` if a node does not exist or is not in the folder; the failure
    /// of the request ([`Failure::from`]).
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (remote, parent, child) = self.nodes.resolve(app).await?;
        let removed = remote.client()?.remove_child(&remote.cx, &parent, &child).await;
        removed.map_err(|error| failed(error, &self.nodes.child))?;
        Ok(Exit::Done)
    }
}
