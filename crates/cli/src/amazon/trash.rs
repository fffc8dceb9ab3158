//! `drivedal amazon trash`, `restore` and `purge`

use drivedal::services::amazon_drive::{ListQuery, Node, NodeKind};
use serde_json::json;

use super::{AmazonRemote, failed};
use crate::{
    app::App,
    failure::{Exit, Result},
    location::Location,
};

/// List the items in the trash
///
/// Items below a folder in the trash are not listed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line has the id and the name. With --json: {\"id\", \"name\", \"is_folder\"} for each item.

Example:
  drivedal amazon trash local-amazon:")]
pub(crate) struct Trash {
    /// The drive
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    drive: Location,
}

impl Trash {
    /// Prints the nodes in the trash.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not an Amazon Drive; the failure of a request ([`Failure::from`](crate::failure::Failure));
    /// `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let remote = AmazonRemote::open(app, &self.drive).await?;
        let mut query = ListQuery::default();
        loop {
            let page = remote.client()?.trashed(&remote.cx, &query).await;
            let page = page.map_err(|error| failed(error, &self.drive))?;
            for node in &page.data {
                print(app, node)?;
            }
            query.start_token = page.next_token;
            if query.start_token.is_none() {
                return Ok(Exit::Done);
            }
        }
    }
}

/// Prints a node in the trash.
///
/// # Errors
/// `ClosedPipe` or `Failed` if it cannot be written.
fn print(app: &App, node: &Node) -> Result {
    let is_folder = node.kind == NodeKind::Folder;
    let name = node.name.as_deref().unwrap_or_default();
    if app.output.is_json() {
        return app.output.json(&json!({"id": node.id, "name": name, "is_folder": is_folder}));
    }
    let slash = if is_folder { "/" } else { "" };
    app.output.line(format_args!("{}  {}{slash}", node.id, app.output.shown(name)))
}

/// Move an item from the trash back to its folders
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal amazon restore local-amazon:AbCdEfGhIjKlMnOpQr0123")]
pub(crate) struct Restore {
    /// The id of the item, as `trash` prints it
    #[arg(value_name = "REMOTE:ID", value_parser = Location::parse)]
    node: Location,
}

impl Restore {
    /// Restores a node.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not an Amazon Drive; `NotFound` if the node does not exist; `Exists` if its name is in use;
    /// the failure of the request ([`Failure::from`](crate::failure::Failure)).
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let remote = AmazonRemote::open(app, &self.node).await?;
        let restored = remote.client()?.restore(&remote.cx, &self.node.text).await;
        restored.map_err(|error| failed(error, &self.node))?;
        Ok(Exit::Done)
    }
}

/// Remove an item for good
///
/// Amazon allowed this to its own applications only. A drive server allows it with --allow-purge.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal amazon purge local-amazon:AbCdEfGhIjKlMnOpQr0123")]
pub(crate) struct Purge {
    /// The id of the item, as `trash` prints it
    #[arg(value_name = "REMOTE:ID", value_parser = Location::parse)]
    node: Location,
}

impl Purge {
    /// Purges a node.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not an Amazon Drive; `NotFound` if the node does not exist; `Denied` if the cloud does not
    /// allow it; the failure of the request ([`Failure::from`](crate::failure::Failure)).
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let remote = AmazonRemote::open(app, &self.node).await?;
        let purged = remote.client()?.purge(&remote.cx, &self.node.text).await;
        purged.map_err(|error| failed(error, &self.node))?;
        Ok(Exit::Done)
    }
}
