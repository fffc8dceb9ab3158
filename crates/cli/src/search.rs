//! `drivedal search`, and lists of items that a request returns by id.

use drivedal::{
    adapter::ItemStream,
    drive::{Item, ItemKind},
};
use futures::TryStreamExt;
use serde_json::json;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    item::ItemRecord,
    location::{DrivePath, Location},
    options::AddressingArgs,
    share::without_nulls,
};

/// Search a drive with the cloud's own search
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The cloud decides which items a query finds: OneDrive and SkyDrive search names and contents, Amazon
Drive the beginnings of names. New items may be missing. `drivedal find` lists a folder instead.
Each line is a path; folders end with a slash. With --json each item is a line as in `ls --json`, with
\"id\"; an item of another drive has no path.

Examples:
  drivedal search work: budget
  drivedal search --limit 10 work:reports '2014 plan'")]
pub(crate) struct Search {
    /// The drive, or a folder
    #[arg(value_name = "REMOTE:[PATH]", value_parser = Location::parse)]
    folder: Location,

    /// The words to find
    query: String,

    /// Print at most this many items
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl Search {
    /// Prints the items that the query finds.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `NotFound` if the folder
    /// does not exist; `Unsupported` if the drive has no search, or none in one folder; the failure
    /// of a request ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let at = app.resolve(&self.folder, self.addressing.mode(), Workload::Interactive).await?;
        let handle = at.drive("a search")?;
        let mut paths = handle.item_paths(at.operator());
        let mut found = handle.search(at.operator(), at.path.as_str(), &self.query);
        let fail = |error| Failure::from(error).about(&at);
        let mut left = self.limit.unwrap_or(usize::MAX);
        while left > 0
            && let Some(item) = found.try_next().await.map_err(fail)?
        {
            left -= 1;
            let path = paths.path(&item).await.map_err(fail)?;
            print(app, item, path)?;
        }
        Ok(Exit::Done)
    }
}

/// Prints an item that was found. `path` is its path; `None` if it is not below the remote's root.
///
/// # Errors
/// `Usage` if the path has a segment `.` or `..`; `ClosedPipe` or `Failed` if results cannot be
/// written.
fn print(app: &App, item: Item, path: Option<String>) -> Result {
    let Some(path) = path else { return print_without_path(app, &item) };
    if app.output.is_json() || app.output.is_yaml() || app.output.is_partial() {
        let record = ItemRecord::from_drive_item(&DrivePath::parse(&path)?, item);
        return app.output.value(&serde_json::to_value(record).unwrap_or_default());
    }
    app.output.line(app.output.shown(&path))
}

/// Prints an item by its id.
///
/// # Errors
/// `ClosedPipe` or `Failed` if results cannot be written.
fn print_without_path(app: &App, item: &Item) -> Result {
    if app.output.is_json() || app.output.is_yaml() || app.output.is_partial() {
        return app.output.value(&id_record(item));
    }
    let slash = if item.is_folder() { "/" } else { "" };
    let name = app.output.shown(&item.name);
    app.output.line(format_args!("{}  {name}{slash}", item.id))
}

/// Returns an item without a path as JSON.
pub(crate) fn id_record(item: &Item) -> serde_json::Value {
    let kind = match item.kind {
        ItemKind::File => "file",
        ItemKind::Folder => "folder",
        _ => "other",
    };
    without_nulls(json!({
        "id": item.id.as_str(), "name": item.name, "kind": kind,
        "size": item.size, "modified": item.modified,
    }))
}

/// Prints the items of a list by their ids. `drive` is named by failures.
///
/// # Errors
/// The failure of a request ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be
/// written.
pub(crate) async fn print_by_id(
    app: &App,
    mut items: ItemStream,
    drive: &Location,
) -> Result<Exit> {
    let fail = |error| Failure::from(error).about(drive);
    while let Some(item) = items.try_next().await.map_err(fail)? {
        print_without_path(app, &item)?;
    }
    Ok(Exit::Done)
}
