//! `drivedal trash`

use drivedal::drive::{Item, ItemId};
use futures::TryStreamExt;
use serde_json::json;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::{DrivePath, Location},
    search::id_record,
};

/// List, restore and delete the items in the recycle bin of a drive
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal trash list local-amazon:
  drivedal trash restore local-amazon: AbCdEfGhIjKlMnOpQr0123")]
pub(crate) struct TrashArgs {
    #[command(subcommand)]
    command: TrashCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TrashCommand {
    List(TrashList),
    Restore(TrashRestore),
    Empty(TrashEmpty),
}

impl TrashArgs {
    /// Runs the subcommand of `trash`.
    ///
    /// # Errors
    /// `Usage` for an unknown remote or a rejected option, `Unsupported` if the drive's recycle bin
    /// cannot be accessed in this way, the failure of a request ([`Failure::from`]); `ClosedPipe` or
    /// `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        match self.command {
            TrashCommand::List(list) => list.run(app).await,
            TrashCommand::Restore(restore) => restore.run(app).await,
            TrashCommand::Empty(empty) => empty.run(app).await,
        }
    }

    /// Returns the verb for failures of this command: `cannot <verb> <item>: …`.
    pub(crate) fn action(&self) -> &'static str {
        match self.command {
            TrashCommand::List(_) => "list the recycle bin of",
            TrashCommand::Restore(_) => "restore",
            TrashCommand::Empty(_) => "empty the recycle bin of",
        }
    }
}

/// List the items in the recycle bin
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line has the id and the former path, or the name if its folder does not exist any more. Items
below a deleted folder are not listed. With --json: {\"id\", \"name\", \"path\", \"kind\", \"size\",
\"modified\"}. Microsoft Graph does not list the recycle bin of OneDrive.

Example:
  drivedal trash list local-amazon:")]
struct TrashList {
    /// The drive
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    drive: Location,
}

impl TrashList {
    /// Prints the items in the recycle bin.
    ///
    /// # Errors
    /// Those of [`TrashArgs::run`].
    async fn run(self, app: &App) -> Result<Exit> {
        let remote = app.remote(&self.drive, Workload::Interactive).await?;
        let handle = remote.drive("a recycle bin").map_err(|failure| failure.about(&self.drive))?;
        let fail = |error| Failure::from(error).about(&self.drive);
        let mut paths = handle.item_paths(&remote.operator);
        let mut items = handle.deleted_items(&remote.operator);
        while let Some(item) = items.try_next().await.map_err(fail)? {
            let path = paths.path(&item).await.map_err(fail)?;
            print(app, &item, path.as_deref())?;
        }
        Ok(Exit::Done)
    }
}

/// Prints a deleted item. `path` is its former path, if its folder exists.
///
/// # Errors
/// `ClosedPipe` or `Failed` if results cannot be written.
fn print(app: &App, item: &Item, path: Option<&str>) -> Result {
    if app.output.is_json() || app.output.is_yaml() || app.output.is_partial() {
        let mut record = id_record(item);
        if let Some(path) = path {
            record["path"] = path.trim_end_matches('/').into();
        }
        return app.output.value(&record);
    }
    let slash = if item.is_folder() { "/" } else { "" };
    let name = path.map_or_else(|| format!("{}{slash}", item.name), str::to_owned);
    app.output.line(format_args!("{}  {}", item.id, app.output.shown(&name)))
}

/// Restore items from the recycle bin
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --json each item is a line: {\"id\", \"name\", \"result\": \"restored\"}. OneDrive restores items of
personal drives, by the ids that `watch --json` prints.

Examples:
  drivedal trash restore local-amazon: AbCdEfGhIjKlMnOpQr0123
  drivedal trash restore --to notes/old.txt home: 66D53BE8A5056ECA!105")]
struct TrashRestore {
    /// The drive
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    drive: Location,

    /// The ids of the items, as `trash list` prints them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,

    /// Restore a single item to this path, instead of its former one
    #[arg(long, value_name = "PATH")]
    to: Option<String>,
}

impl TrashRestore {
    /// Restores items.
    ///
    /// # Errors
    /// Those of [`TrashArgs::run`]; `Usage` for several items with `--to`; `NotFound` if an item is
    /// not in the recycle bin; `Exists` if its name is in use.
    async fn run(self, app: &App) -> Result<Exit> {
        if self.to.is_some() && self.ids.len() > 1 {
            return Err(Failure::usage("--to is for a single item").about(&self.drive));
        }
        let to = self.to.as_deref().map(DrivePath::parse).transpose()?;
        let remote = app.remote(&self.drive, Workload::Interactive).await?;
        let handle = remote.drive("a recycle bin").map_err(|failure| failure.about(&self.drive))?;
        app.for_each_argument(&self.ids, async |id| {
            let about = format!("{}:{id}", remote.display_name());
            let target = to.as_ref().map(DrivePath::as_str);
            let id = ItemId::from(id.as_str());
            let restored = handle.restore_deleted(&remote.operator, &id, target).await;
            let item = restored.map_err(|error| Failure::from(error).about(about))?;
            print_result(app, &item, "restored")
        })
        .await
    }
}

/// Prints the result for an item with `--json`.
///
/// # Errors
/// `ClosedPipe` or `Failed` if results cannot be written.
fn print_result(app: &App, item: &Item, result: &str) -> Result {
    if !app.output.is_json() {
        return Ok(());
    }
    app.output.json(&json!({"id": item.id.as_str(), "name": item.name, "result": result}))
}

/// Delete all items in the recycle bin for good
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Amazon permitted this to its own applications only; a drive server permits it with --allow-purge. With
--json each item is a line: {\"id\", \"name\", \"result\": \"removed\"}.

Examples:
  drivedal trash empty --dry-run local-amazon:
  drivedal trash empty local-amazon:")]
struct TrashEmpty {
    /// The drive
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    drive: Location,

    /// List the items, and delete nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl TrashEmpty {
    /// Deletes the items in the recycle bin.
    ///
    /// # Errors
    /// Those of [`TrashArgs::run`]; `Denied` if the cloud does not permit it.
    async fn run(self, app: &App) -> Result<Exit> {
        let remote = app.remote(&self.drive, Workload::Interactive).await?;
        let handle = remote.drive("a recycle bin").map_err(|failure| failure.about(&self.drive))?;
        // All pages first: deletions would move the positions of later pages.
        let items = handle.deleted_items(&remote.operator).try_collect::<Vec<_>>().await;
        let items = items.map_err(|error| Failure::from(error).about(&self.drive))?;
        if self.dry_run {
            items.iter().try_for_each(|item| print(app, item, None))?;
            return Ok(Exit::Done);
        }
        app.for_each_argument(&items, async |item| {
            let about = format!("{}:{}", remote.display_name(), item.id);
            let purged = handle.purge_deleted(&remote.operator, &item.id).await;
            purged.map_err(|error| Failure::from(error).doing("purge").about(about))?;
            print_result(app, item, "removed")
        })
        .await
    }
}
