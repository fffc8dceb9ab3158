//! `drivedal versions`

use std::path::PathBuf;

use drivedal::drive::FileVersion;
use jiff::Timestamp;
use serde_json::json;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    listing::{Depth, Listed, list},
    location::Location,
    options::AddressingArgs,
    remote::RemotePath,
    save::save,
    share::without_nulls,
    units,
};

/// List, read, restore and delete earlier versions of files
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal versions list work:plan.docx
  drivedal versions get work:plan.docx 2.0 --file old.docx")]
pub(crate) struct VersionsArgs {
    #[command(subcommand)]
    command: VersionsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum VersionsCommand {
    List(VersionsList),
    Get(VersionsGet),
    Restore(VersionsRestore),
    Prune(VersionsPrune),
}

impl VersionsArgs {
    /// Runs the subcommand of `versions`.
    ///
    /// # Errors
    /// `Usage` for an unknown remote or a rejected option, `Unsupported` if the drive keeps no
    /// versions, `NotFound` if the file or the version does not exist, the failure of a request
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        match self.command {
            VersionsCommand::List(list) => list.run(app).await,
            VersionsCommand::Get(get) => get.run(app).await,
            VersionsCommand::Restore(restore) => restore.run(app).await,
            VersionsCommand::Prune(prune) => prune.run(app).await,
        }
    }

    /// Returns the verb for failures of this command: `cannot <verb> <item>: …`.
    pub(crate) fn action(&self) -> &'static str {
        match self.command {
            VersionsCommand::List(_) => "list the versions of",
            VersionsCommand::Get(_) => "read a version of",
            VersionsCommand::Restore(_) => "restore a version of",
            VersionsCommand::Prune(_) => "delete versions of",
        }
    }
}

/// Arguments that name a file.
#[derive(Debug, clap::Args)]
struct FileArgs {
    /// The file
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse)]
    file: Location,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl FileArgs {
    /// Returns the path of the file.
    ///
    /// # Errors
    /// Those of [`App::resolve`]; `Unsupported` if the remote is not a cloud drive.
    async fn resolve(&self, app: &App) -> Result<RemotePath> {
        let at = app.resolve(&self.file, self.addressing.mode(), Workload::Interactive).await?;
        at.drive("versions")?;
        Ok(at)
    }
}

/// List the versions of a file, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line has size, time and id; the current version has an asterisk. With --json: {\"id\", \"size\",
\"modified\", \"current\"}.

Example:
  drivedal versions list work:plan.docx")]
struct VersionsList {
    #[command(flatten)]
    file: FileArgs,

    /// Print sizes with units
    #[arg(long)]
    human: bool,
}

impl VersionsList {
    /// Prints the versions of a file.
    ///
    /// # Errors
    /// Those of [`VersionsArgs::run`].
    async fn run(self, app: &App) -> Result<Exit> {
        let at = self.file.resolve(app).await?;
        for version in versions_of(&at).await? {
            self.print(app, &version)?;
        }
        Ok(Exit::Done)
    }

    /// Prints a version.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    fn print(&self, app: &App, version: &FileVersion) -> Result {
        let FileVersion { id, size, modified, is_current, .. } = version;
        if app.output.is_json() || app.output.is_yaml() || app.output.is_partial() {
            return app.output.value(&without_nulls(json!({
                "id": id, "size": size, "modified": modified, "current": is_current,
            })));
        }
        let size = match size {
            Some(size) if self.human => units::HumanSize(*size).to_string(),
            Some(size) => size.to_string(),
            None => "-".to_owned(),
        };
        let modified = modified.map_or_else(|| "-".to_owned(), units::seconds);
        let mark = if *is_current { " *" } else { "" };
        let id = app.output.shown(id);
        app.output.line(format_args!("{size:>12}  {modified:<20}  {id}{mark}"))
    }
}

/// Returns the versions of a file, newest first.
///
/// # Errors
/// Those of [`VersionsArgs::run`].
async fn versions_of(at: &RemotePath) -> Result<Vec<FileVersion>> {
    let listed = at.drive("versions")?.versions(at.operator(), at.path.as_str()).await;
    listed.map_err(|error| Failure::from(error).about(at))
}

/// Read a version of a file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal versions get work:notes.txt 2.0
  drivedal versions get work:plan.docx 2.0 --file old.docx")]
struct VersionsGet {
    #[command(flatten)]
    file: FileArgs,

    /// The id of the version, as `versions list` prints it
    #[arg(id = "version_id", value_name = "VERSION")]
    version: String,

    /// Write this file instead of standard output; it is replaced
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    to: Option<PathBuf>,
}

impl VersionsGet {
    /// Writes the bytes of a version.
    ///
    /// # Errors
    /// Those of [`VersionsArgs::run`]; [`Failure::local`] if the file cannot be written.
    async fn run(self, app: &App) -> Result<Exit> {
        let at = self.file.resolve(app).await?;
        let (handle, path) = (at.drive("versions")?, at.path.as_str());
        let download = handle.download_version(at.operator(), path, &self.version).await;
        let download = download.map_err(|error| Failure::from(error).about(&at))?;
        save(app, download, self.to.as_deref(), &at).await?;
        Ok(Exit::Done)
    }
}

/// Make a version the current one; newer versions are kept
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal versions restore work:plan.docx 2.0")]
struct VersionsRestore {
    #[command(flatten)]
    file: FileArgs,

    /// The id of the version, as `versions list` prints it
    #[arg(id = "version_id", value_name = "VERSION")]
    version: String,
}

impl VersionsRestore {
    /// Restores a version.
    ///
    /// # Errors
    /// Those of [`VersionsArgs::run`].
    async fn run(self, app: &App) -> Result<Exit> {
        let at = self.file.resolve(app).await?;
        let (handle, path) = (at.drive("versions")?, at.path.as_str());
        let restored = handle.restore_version(at.operator(), path, &self.version).await;
        restored.map_err(|error| Failure::from(error).about(&at))?;
        Ok(Exit::Done)
    }
}

/// Delete earlier versions of files
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The current version is never deleted. With --json each version is a line: {\"path\", \"version\",
\"bytes\", \"result\": \"removed\"}; with --dry-run the result is \"would be removed\". Personal OneDrives
cannot delete versions.

Examples:
  drivedal versions prune --keep 3 work:plan.docx
  drivedal versions prune -r --older-than 90d --dry-run work:reports")]
struct VersionsPrune {
    /// The files, or folders with -r
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse, required = true)]
    items: Vec<Location>,

    /// Keep this many versions besides the current one
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep: usize,

    /// Delete only versions from before this time, or older than a time such as 90d
    #[arg(long, value_name = "TIME", value_parser = units::time_ago)]
    older_than: Option<Timestamp>,

    /// Prune all files below a folder
    #[arg(short, long)]
    recursive: bool,

    /// List the versions, and delete nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl VersionsPrune {
    /// Deletes versions of the files.
    ///
    /// # Errors
    /// The failure of a single file; `ClosedPipe` or `Failed` if results cannot be written.
    async fn run(self, app: &App) -> Result<Exit> {
        app.for_each_argument(&self.items, async |item| {
            let workload = if self.recursive { Workload::Bulk } else { Workload::Interactive };
            let at = app.resolve(item, self.addressing.mode(), workload).await?;
            at.drive("versions")?;
            if !self.recursive {
                return self.prune(app, &at).await;
            }
            let Listed::Folder(listing) = list(&at, Depth::Tree).await? else {
                return self.prune(app, &at).await;
            };
            let (entries, mut failures) = listing.sorted().await;
            for (path, metadata) in entries {
                let file = RemotePath { path, ..at.clone() };
                if metadata.is_file()
                    && let Err(failure) = self.prune(app, &file).await
                {
                    failures.push(failure);
                }
            }
            match failures.pop() {
                None => Ok(()),
                Some(last) => {
                    failures.iter().try_for_each(|failure| app.output.failed(failure))?;
                    Err(last)
                }
            }
        })
        .await
    }

    /// Deletes versions of a file.
    ///
    /// # Errors
    /// Those of [`VersionsArgs::run`]. Some versions may be deleted already.
    async fn prune(&self, app: &App, at: &RemotePath) -> Result {
        let handle = at.drive("versions")?;
        let earlier = versions_of(at).await?.into_iter().filter(|version| !version.is_current);
        let is_old = |version: &FileVersion| match (self.older_than, version.modified) {
            (None, _) => true,
            // A version of unknown age is kept.
            (Some(limit), modified) => modified.is_some_and(|modified| modified < limit),
        };
        for version in earlier.skip(self.keep).filter(is_old) {
            if !self.dry_run {
                let path = at.path.as_str();
                let deleted = handle.delete_version(at.operator(), path, &version.id).await;
                deleted.map_err(|error| Failure::from(error).about(at))?;
            }
            self.print(app, at, &version)?;
        }
        Ok(())
    }

    /// Prints a version that was deleted, or would be.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    fn print(&self, app: &App, at: &RemotePath, version: &FileVersion) -> Result {
        let result = if self.dry_run { "would be removed" } else { "removed" };
        if app.output.is_json() {
            return app.output.json(&without_nulls(json!({
                "path": at.path.as_str(), "version": version.id,
                "bytes": version.size, "result": result,
            })));
        }
        if self.dry_run {
            let path = app.output.shown(at.path.as_str()).into_owned();
            return app.output.line(format_args!("{path}  {}", app.output.shown(&version.id)));
        }
        Ok(())
    }
}
