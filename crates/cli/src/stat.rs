//! `drivedal stat`

use std::cell::Cell;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    item::{ItemRecord, Kind},
    location::Location,
    options::AddressingArgs,
    remote::RemotePath,
    units,
};

/// Print the metadata of items, one `key: value` per line
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "\
With --json each item is a line as in `ls --json`. Cloud drives add \"id\", \"created\" and \"hashes\".

Examples:
  drivedal stat local-skydrive:photos/a.jpg
  drivedal stat --json work:a work:b"
)]
pub(crate) struct Stat {
    /// The files and folders
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse, required = true)]
    items: Vec<Location>,

    /// Print the size with a unit
    #[arg(short, long)]
    human: bool,

    #[command(flatten)]
    addressing: AddressingArgs,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

impl Stat {
    /// Prints the metadata of the items.
    ///
    /// # Errors
    /// The failure of a single item; `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let first = Cell::new(true);
        app.for_each_argument(&self.items, async |item| {
            let at = app.resolve(item, self.addressing.mode(), Workload::Interactive).await?;
            let item = item_record(&at).await?;
            if !first.replace(false) && !app.output.is_json() {
                app.output.line("")?;
            }
            self.show(app, &item)
        })
        .await
    }

    /// Prints the record of an item in the form of the output.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    fn show(&self, app: &App, item: &ItemRecord) -> Result {
        if app.output.is_yaml() || app.output.is_partial() {
            return app.output.value(&serde_json::to_value(item).unwrap_or_default());
        }
        if app.output.is_json() {
            return app.output.json(item);
        }
        let kind = match item.kind {
            Kind::File => "file",
            Kind::Folder => "folder",
            Kind::Other => "other",
        };
        let size = item.size.map(|size| match self.human {
            true => units::HumanSize(size).to_string(),
            false => size.to_string(),
        });
        let lines = [
            ("path", Some(item.path.clone())),
            ("kind", Some(kind.to_owned())),
            ("size", size),
            ("modified", item.modified.map(|time| time.to_string())),
            ("etag", item.etag.clone()),
            ("content_type", item.content_type.clone()),
            ("id", item.id.clone()),
            ("created", item.created.map(|time| time.to_string())),
        ];
        let hashes = item.hashes.iter().map(|(name, hash)| (*name, Some(hash.clone())));
        for (key, value) in lines.into_iter().chain(hashes) {
            if let Some(value) = value {
                app.output.line(format_args!("{key}: {}", app.output.shown(&value)))?;
            }
        }
        Ok(())
    }
}

/// Returns the record of an item. A cloud drive provides more fields than OpenDAL's metadata.
///
/// # Errors
/// `NotFound` if the item does not exist, also for a file whose path ends with a slash; the failure
/// of the request ([`Failure::from`]).
async fn item_record(at: &RemotePath) -> Result<ItemRecord> {
    let Some(drive) = &at.remote.handle else {
        return Ok(ItemRecord::new(&at.path, at.stat().await?.metadata()));
    };
    let item = drive.item(at.operator(), at.path.as_str()).await;
    let item = item.map_err(|error| Failure::from(error).about(at))?;
    if at.path.is_folder_path() && !item.is_folder() {
        return Err(Failure::is_not_folder().with_exit(Exit::NotFound).about(at));
    }
    Ok(ItemRecord::from_drive_item(&at.path, item))
}
