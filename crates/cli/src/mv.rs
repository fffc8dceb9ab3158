//! `drivedal mv`

use opendal::options::RenameOptions;

use crate::{
    app::App,
    cp::{CopyMethod, MoveRecord, ReplaceArgs, copy_through_client, resolve_pair},
    failure::{Exit, Failure, Result},
    location::Location,
    options::AddressingArgs,
    remote::{EntryInfo, RemotePath},
    sync::{self, ItemScope, ItemTransfer},
};

/// Move or rename a file or folder, within a remote or to another one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
An item of the new name is not replaced. With -f a file is, a folder is not. A target with a slash at
its end, or the root of the remote, is the folder to move into. If a service cannot rename, this
computer copies the file and removes the old one, and a message says so. A move to another remote
passes through this computer: each file is removed once its copy is complete. If it is interrupted,
the same command with -f continues.

With --json: {\"from\", \"to\", \"result\": \"moved\", \"by\": \"cloud\"|\"client\"}.

Examples:
  drivedal mv local-skydrive:notes.txt local-skydrive:notes-2014.txt
  drivedal mv work:reports work:archive/")]
pub(crate) struct Mv {
    /// The file or folder to move
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse)]
    from: Location,

    /// The new path, or a folder with a slash at its end
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse)]
    to: Location,

    #[command(flatten)]
    replacing: ReplaceArgs,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl Mv {
    /// Moves an item within a remote: by the cloud if it can rename, otherwise through this
    /// computer. A move to another remote is a transfer.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, a path has a segment `.` or `..`, or both paths are the
    /// same; `Exists` if an item of the new name exists and `-f` is missing; `Unsupported` for a
    /// folder that the cloud cannot rename; those of [`sync::move_between`]; the failure of a
    /// request ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        if self.from.remote != self.to.remote {
            let (replacing, addressing) = (self.replacing, self.addressing);
            let transfer = ItemTransfer { scope: ItemScope::Any, replacing, addressing };
            return sync::move_between(app, (&self.from, &self.to), transfer).await;
        }
        let (from, to) = resolve_pair(app, &self.from, &self.to, self.addressing).await?;
        let capability = from.operator().info().capability();
        // The cloud's own condition needs no request before the rename.
        let new_only = !self.replacing.is_allowed() && capability.rename_with_if_not_exists;
        if !new_only {
            self.replacing.check(&to).await?;
        }
        let by = match capability.rename {
            true => {
                let options = RenameOptions { if_not_exists: new_only };
                let (source, target) = (from.file_path()?, to.file_path()?);
                let renamed = from.operator().rename_options(&source, &target, options).await;
                renamed.map_err(|error| Failure::from(error).about(&from))?;
                CopyMethod::Cloud
            }
            false => {
                copy_and_remove(app, &from, &to).await?;
                CopyMethod::Client
            }
        };
        if app.output.is_json() {
            let (from, to) = (from.path.as_str(), to.path.as_str());
            app.output.json(&MoveRecord { from, to, result: "moved", by })?;
        }
        Ok(Exit::Done)
    }
}

/// Copies a file through this computer, and removes the source.
///
/// # Errors
/// `Unsupported` for a folder; the failure of a request ([`Failure::from`]); `TryLater` for an
/// incomplete download; the failure of the removal, after which both files exist.
async fn copy_and_remove(app: &App, from: &RemotePath, to: &RemotePath) -> Result {
    let EntryInfo::File(file) = from.stat().await? else {
        let failure = Failure::is_folder().with_exit(Exit::Unsupported);
        return Err(failure.hint("this remote can move files only").about(from));
    };
    copy_through_client(app, from, to, &file).await?;
    let removed = from.operator().delete(&from.file_path()?).await;
    removed.map_err(|error| {
        let failure = Failure::from(error).doing("remove").about(from);
        failure.hint(format!("it was copied to {to} and still exists here"))
    })
}
