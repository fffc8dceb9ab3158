//! `drivedal copy`, `sync`, `move` and `check`: transfers between any two places.
//!
//! [`drivedal_transfer`] does the work. This module parses the options, opens both sides, and prints
//! events and the report.

mod display;
mod drive_features;
mod drive_uploads;
mod feed_index;
mod options;
mod place;
mod results;
mod run;
mod same_drive;

use drivedal_transfer::{Endpoint, Plan, SyncOutcome};
use futures::TryStreamExt;

use self::{
    options::{CheckOptions, DeleteOptions, MoveOptions, PlanOptions},
    place::OpenPlace,
    run::PlanArgs,
    same_drive::PlacePair,
};
use crate::{
    app::{App, Workload},
    cp::ReplaceArgs,
    failure::{Exit, Failure, Result},
    location::Location,
    options::AddressingArgs,
    remote::RemotePath,
};

/// Copy new and changed files to another place
#[derive(Debug, clap::Args)]
#[command(after_help = "\
SOURCE and TARGET are local paths, REMOTE:PATH, or URIs. The contents of the folder SOURCE are copied
into the folder TARGET. If SOURCE is a file, TARGET is its new path, or the folder to copy into if it
ends with a slash. Files with equal size and time are not sent. Nothing is deleted.

With --json each action is a line: {\"action\", \"path\", \"bytes\"} or {\"error\": {...}}. The last line
is {\"summary\": {...}}.

Examples:
  drivedal copy photos work:backup/photos
  drivedal copy --exclude '*.tmp' --dry-run work:docs local-onedrive:docs")]
pub(crate) struct CopyCommand {
    #[command(flatten)]
    plan: PlanArgs,
}

/// Make a folder equal to another one: copy changes, and delete other files
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Files that SOURCE lacks are deleted in TARGET. Nothing is deleted if SOURCE could not be listed
completely, or if a transfer failed. Try --dry-run first. Excluded files are not deleted.

With --json each action is a line: {\"action\", \"path\", \"bytes\"} or {\"error\": {...}}. The last line
is {\"summary\": {...}}.

Examples:
  drivedal sync --dry-run photos work:photos
  drivedal sync --max-delete 100 --backup-dir work:old photos work:photos")]
pub(crate) struct SyncCommand {
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    delete: DeleteOptions,
}

/// Move files to another place
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A file is deleted in SOURCE once its copy is complete, or equal already. Folders stay, unless
--delete-empty-src-dirs is given. `drivedal mv` renames a folder within a remote with one request.

Examples:
  drivedal move camera work:photos")]
pub(crate) struct MoveCommand {
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    sources: MoveOptions,
}

/// Compare two places, and list the differences
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing changes. The exit code is 10 if there are differences. Each difference is a line: `-` for a
file that SOURCE lacks, `+` for one that TARGET lacks, `*` for files that differ.

With --json each file is a line: {\"action\": \"equal\"|\"differ\"|\"only_source\"|\"only_target\",
\"path\", \"reason\"} or {\"error\": {...}}. The last line is {\"summary\": {...}}.

Examples:
  drivedal check photos work:photos
  drivedal check --download photos work:photos")]
pub(crate) struct CheckCommand {
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    check: CheckOptions,
}

impl CopyCommand {
    /// Copies the files.
    ///
    /// # Errors
    /// Those of [`PlanArgs::run`].
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        self.plan
            .run(app, |options, source, target| options.apply(Plan::copy(source, target)))
            .await
    }
}

impl SyncCommand {
    /// Makes the target equal to the source.
    ///
    /// # Errors
    /// Those of [`PlanArgs::run`]; `Usage` for a backup folder that is not on the target's remote.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let backup = match &self.delete.backup_dir {
            Some(place) => Some(place::open_folder(app, place).await?),
            None => None,
        };
        let delete = self.delete;
        self.plan
            .run(app, |options: &PlanOptions, source, target| {
                delete.apply(options.apply(Plan::sync(source, target))?, backup)
            })
            .await
    }
}

impl MoveCommand {
    /// Moves the files.
    ///
    /// # Errors
    /// Those of [`PlanArgs::run`].
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let delete_empty = self.sources.delete_empty_src_dirs;
        self.plan
            .run(app, |options, source, target| {
                let plan = options.apply(Plan::move_files(source, target))?;
                Ok(plan.delete_empty_sources(delete_empty))
            })
            .await
    }
}

impl CheckCommand {
    /// Compares both places.
    ///
    /// # Errors
    /// Those of [`PlanArgs::run`].
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let check = self.check;
        self.plan
            .run(app, |options, source, target| check.apply(options, Plan::check(source, target)))
            .await
    }
}

/// The items that a copy accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemScope {
    /// A file only.
    File,
    /// A file, or a folder with everything below it.
    Any,
}

/// A copy or move of one item between two paths of remotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ItemTransfer {
    pub(crate) scope: ItemScope,
    pub(crate) replacing: ReplaceArgs,
    pub(crate) addressing: AddressingArgs,
}

/// Copies a file or folder, within a remote or to another one. `places` are the source and the
/// target. If the target ends with a slash, or is a root, the copy is put below it.
///
/// # Errors
/// Those of [`ItemTransfer::open`]; the failure of a file; `ClosedPipe` or `Failed` if results
/// cannot be written.
pub(crate) async fn copy_between(
    app: &App,
    places: (&Location, &Location),
    transfer: ItemTransfer,
) -> Result<Exit> {
    let opened = transfer.open(app, places).await?;
    let (from, to) = opened.endpoints(app).await?;
    let report = run::follow(app, Plan::copy(from, to), &run::Shown::default()).await?;
    run::finish(app, &report, run::Ending { is_file: opened.is_file, needs_work: false })
}

/// Moves a file or folder to another remote: each file is removed once its copy is complete. Folders
/// are removed if they are empty then. `places` are as in [`copy_between`].
///
/// # Errors
/// Those of [`ItemTransfer::open`]; `Usage` for the root of a remote; the failure of a file;
/// `ClosedPipe` or `Failed` if results cannot be written.
pub(crate) async fn move_between(
    app: &App,
    places: (&Location, &Location),
    transfer: ItemTransfer,
) -> Result<Exit> {
    let opened = transfer.open(app, places).await?;
    if opened.from.path.is_root() {
        return Err(Failure::usage("it is the root of a remote").about(&opened.from));
    }
    let (from, to) = opened.endpoints(app).await?;
    let plan = Plan::move_files(from, to).delete_empty_sources(true);
    let report = run::follow(app, plan, &run::Shown::default()).await?;
    let is_complete = matches!(report.outcome(), SyncOutcome::Changed | SyncOutcome::Equal);
    if is_complete && !opened.is_file && report.skipped == 0 {
        let removed = remove_if_empty(&opened.from).await;
        removed.map_err(|error| Failure::from(error).doing("remove").about(&opened.from))?;
    }
    run::finish(app, &report, run::Ending { is_file: opened.is_file, needs_work: false })
}

/// Removes a folder, unless another client created an item in it.
///
/// # Errors
/// Those of the service; for a drive also if the folder is not empty.
async fn remove_if_empty(folder: &RemotePath) -> opendal::Result<()> {
    let path = folder.path.to_folder_arg();
    if folder.remote.handle.is_some() {
        // A drive removes empty folders only.
        return folder.operator().delete(&path).await;
    }
    // Other services may remove a folder with everything in it.
    let mut lister = folder.operator().lister(&path).await?;
    while let Some(entry) = lister.try_next().await? {
        if entry.path() != path {
            return Ok(());
        }
    }
    folder.operator().delete(&path).await
}

/// The resolved paths of an [`ItemTransfer`].
struct OpenTransfer {
    from: RemotePath,
    to: RemotePath,
    is_file: bool,
}

impl ItemTransfer {
    /// Resolves both paths, and checks that the source exists and the target may be written.
    ///
    /// # Errors
    /// `Usage` if no remote has the name; `NotFound` if the source does not exist; `Unsupported` for
    /// a folder if only files are accepted; `Exists` if an item of the new name exists and may not
    /// be replaced; the failure of a request ([`Failure::from`]).
    async fn open(self, app: &App, places: (&Location, &Location)) -> Result<OpenTransfer> {
        let from = app.resolve(places.0, self.addressing.mode(), Workload::Bulk).await?;
        let to = app.resolve(places.1, self.addressing.mode(), Workload::Bulk).await?;
        let to = to.target_for(from.path.name());
        let is_file = from.stat().await?.metadata().is_file();
        if self.scope == ItemScope::File && !is_file {
            let failure = Failure::is_folder().with_exit(Exit::Unsupported);
            return Err(failure.hint("use -r to copy folders").about(&from));
        }
        // The contents of a root are put into a folder, which exists.
        if !to.path.is_root() {
            self.replacing.check(&to).await?;
        }
        Ok(OpenTransfer { from, to, is_file })
    }
}

impl OpenTransfer {
    /// Returns the source and the target of a plan.
    ///
    /// # Errors
    /// `Usage` if one is inside the other; those of [`PlacePair::new`].
    async fn endpoints(&self, app: &App) -> Result<(Endpoint, Endpoint)> {
        let source = OpenPlace::from_remote(self.from.clone());
        let pair = PlacePair::new(source, OpenPlace::from_remote(self.to.clone())).await?;
        pair.check_separate()?;
        let to = pair.target.with_uploads(app, pair.target.endpoint().clone()).await;
        Ok((pair.source.endpoint().clone(), to))
    }
}
