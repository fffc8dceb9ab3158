//! `drivedal amazon info`, `usage` and `thumbnail`

use std::path::PathBuf;

use drivedal::services::amazon_drive::Usage;
use serde_json::{Value, json};

use super::{AmazonRemote, NodeArgs, failed};
use crate::{
    app::App,
    failure::{Exit, Result},
    location::Location,
    save::save,
};

/// Print all fields of an item
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The output is the node of Amazon Cloud Drive, with --json on one line.

Examples:
  drivedal amazon info local-amazon:photos/a.jpg
  drivedal amazon info --assets -k contentProperties.md5 local-amazon:photos/a.jpg")]
pub(crate) struct NodeInfo {
    #[command(flatten)]
    node: NodeArgs,

    /// Print assets too, such as thumbnails
    #[arg(short, long)]
    assets: bool,

    /// Print a URL that downloads the content without sign-in
    #[arg(long)]
    temp_link: bool,
}

impl NodeInfo {
    /// Prints a node.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not an Amazon Drive; `NotFound` if the node does not exist; the failure of the request
    /// ([`Failure::from`](crate::failure::Failure)); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (remote, id) = self.node.resolve(app).await?;
        let client = remote.client()?;
        let node = client.node_document(&remote.cx, &id, self.assets, self.temp_link).await;
        app.output.value(&node.map_err(|error| self.node.failed(error))?)?;
        Ok(Exit::Done)
    }
}

/// Print the number and the size of files by category
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The output has {\"count\", \"bytes\"} for documents, other, photos and videos.

Example:
  drivedal amazon usage local-amazon:")]
pub(crate) struct DriveUsage {
    /// The drive
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    drive: Location,
}

impl DriveUsage {
    /// Prints the usage of a drive.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not an Amazon Drive; the failure of the request ([`Failure::from`](crate::failure::Failure)); `ClosedPipe` or
    /// `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let remote = AmazonRemote::open(app, &self.drive).await?;
        let usage = remote.client()?.account_usage(&remote.cx).await;
        let usage = usage.map_err(|error| failed(error, &self.drive))?;
        let amount =
            |of: Usage| -> Value { json!({"count": of.total.count, "bytes": of.total.bytes}) };
        app.output.value(&json!({
            "documents": amount(usage.doc), "other": amount(usage.other),
            "photos": amount(usage.photo), "videos": amount(usage.video),
        }))?;
        Ok(Exit::Done)
    }
}

/// Download a thumbnail of a picture or a video
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal amazon thumbnail --size 256 local-amazon:photos/a.jpg small.jpg")]
pub(crate) struct NodeThumbnail {
    #[command(flatten)]
    node: NodeArgs,

    /// The file to write, which is replaced
    file: PathBuf,

    /// Limit width and height, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 128)]
    size: u32,
}

impl NodeThumbnail {
    /// Writes a thumbnail to a file.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not an Amazon Drive; `NotFound` if the node does not exist; the failure of the request
    /// ([`Failure::from`](crate::failure::Failure)), such as for a file without a picture; `Failed` if the file cannot be
    /// written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (remote, id) = self.node.resolve(app).await?;
        let download = remote.client()?.thumbnail(&remote.cx, &id, self.size).await;
        let download = download.map_err(|error| self.node.failed(error))?;
        save(app, download, Some(&self.file), &self.node.node).await?;
        Ok(Exit::Done)
    }
}
