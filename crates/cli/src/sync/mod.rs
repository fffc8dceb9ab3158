//! `drivedal copy`, `sync`, `move` and `check`: transfers between any two places.
//!
//! [`drivedal_transfer`] does the work. This module parses the options, opens both sides, and prints
//! events and the report.

mod display;
mod drive_features;
mod options;
mod place;
mod results;
mod run;
mod same_drive;

use drivedal_transfer::Plan;

use self::{
    options::{CheckOptions, DeleteOptions, MoveOptions, PlanOptions},
    place::OpenPlace,
    run::PlanArgs,
    same_drive::PlacePair,
};
use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::Location,
    options::AddressingArgs,
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

/// Copies a file or folder, within a remote or to another one. `places` are the source and the
/// target. If the target ends with a slash, or is a root, the copy is put below it.
///
/// # Errors
/// `Usage` if no remote has the name, or if one place is inside the other; `NotFound` if the source
/// does not exist; `Unsupported` for a folder if only files are accepted; the failure of a request
/// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
pub(crate) async fn copy_between(
    app: &App,
    places: (&Location, &Location),
    addressing: AddressingArgs,
    scope: ItemScope,
) -> Result<Exit> {
    let from = app.resolve(places.0, addressing.mode(), Workload::Bulk).await?;
    let to = app.resolve(places.1, addressing.mode(), Workload::Bulk).await?;
    let to = to.target_for(from.path.name());
    let is_file = from.stat().await?.metadata().is_file();
    if scope == ItemScope::File && !is_file {
        let failure = Failure::is_folder().with_exit(Exit::Unsupported);
        return Err(failure.hint("use -r to copy folders").about(&from));
    }
    let pair = PlacePair::new(OpenPlace::from_remote(from), OpenPlace::from_remote(to)).await?;
    pair.check_separate()?;
    let plan = Plan::copy(pair.source.endpoint().clone(), pair.target.endpoint().clone());
    let report = run::follow(app, plan, &run::Shown::default()).await?;
    run::finish(app, &report, run::Ending { is_file, needs_work: false })
}
