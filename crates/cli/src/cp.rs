//! `drivedal cp`

use opendal::options::CopyOptions;
use serde::Serialize;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    item,
    location::Location,
    options::AddressingArgs,
    remote::{EntryInfo, RemotePath},
    sync::{self, ItemScope, ItemTransfer},
    transfer::send::{WriteParams, writer},
};

/// Copy a file or folder, within a remote or to another one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The cloud copies the file if it can. Otherwise this computer downloads and uploads it, and a message
says so. An item of the new name is not replaced, unless -f is given: -f replaces a file, and copies
into a folder. A target with a slash at its end, or the root of the remote, is the folder to copy into.
A copy to another remote passes through this computer; with -f, files that are equal there are not sent
again, as with `drivedal copy`.

With --json: {\"from\", \"to\", \"result\": \"copied\", \"by\": \"cloud\"|\"client\"}.

Examples:
  drivedal cp local-skydrive:notes.txt local-skydrive:old/notes.txt
  drivedal cp work:report.pdf work:archive/")]
pub(crate) struct Cp {
    /// The file or folder to copy
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse)]
    from: Location,

    /// The new path, or a folder with a slash at its end
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse)]
    to: Location,

    /// Copy folders with everything below them
    #[arg(short, long)]
    recursive: bool,

    #[command(flatten)]
    replacing: ReplaceArgs,

    #[command(flatten)]
    addressing: AddressingArgs,
}

/// The option that permits `cp` and `mv` to replace files.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct ReplaceArgs {
    /// Replace an existing file of the new name
    #[arg(short, long)]
    force: bool,
}

impl ReplaceArgs {
    /// Returns whether an existing file may be replaced.
    pub(crate) fn is_allowed(self) -> bool {
        self.force
    }

    /// Checks that no item of the new name exists, unless it may be replaced.
    ///
    /// # Errors
    /// `Exists` if an item exists; the failure of the request ([`Failure::from`]).
    pub(crate) async fn check(self, to: &RemotePath) -> Result {
        if self.force {
            return Ok(());
        }
        match to.stat().await {
            Ok(_) => {
                let failure = Failure::exists().doing("write").about(to);
                Err(failure.hint("use -f to replace it"))
            }
            Err(failure) if failure.exit == Exit::NotFound => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

/// Where the bytes of a copy flowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CopyMethod {
    Cloud,
    Client,
}

/// Result of `cp` or `mv`, for `--json`.
#[derive(Serialize)]
pub(crate) struct MoveRecord<'a> {
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) result: &'static str,
    pub(crate) by: CopyMethod,
}

impl Cp {
    /// Copies a file within a remote: by the cloud if it can copy, otherwise through this computer.
    /// Folders, and copies to another remote, are transfers.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, a path has a segment `.` or `..`, or both paths are the
    /// same; `Exists` if an item of the new name exists and `-f` is missing; `Unsupported` for a
    /// folder without `-r`; those of [`sync::copy_between`]; the failure of the copy
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        if self.recursive || self.from.remote != self.to.remote {
            let scope = if self.recursive { ItemScope::Any } else { ItemScope::File };
            let transfer =
                ItemTransfer { scope, replacing: self.replacing, addressing: self.addressing };
            return sync::copy_between(app, (&self.from, &self.to), transfer).await;
        }
        let (from, to) = resolve_pair(app, &self.from, &self.to, self.addressing).await?;
        let EntryInfo::File(file) = from.stat().await? else {
            let failure = Failure::is_folder().with_exit(Exit::Unsupported);
            return Err(failure.hint("use -r to copy folders").about(&from));
        };
        let capability = from.operator().info().capability();
        // The cloud's own condition needs no request before the copy.
        let new_only = !self.replacing.is_allowed() && capability.copy_with_if_not_exists;
        if !new_only {
            self.replacing.check(&to).await?;
        }
        let by = match capability.copy {
            true => {
                let options = CopyOptions { if_not_exists: new_only, ..CopyOptions::default() };
                let (source, target) = (from.file_path()?, to.file_path()?);
                let copied = from.operator().copy_options(&source, &target, options).await;
                copied.map_err(|error| Failure::from(error).doing("copy to").about(&to))?;
                CopyMethod::Cloud
            }
            false => {
                copy_through_client(app, &from, &to, &file).await?;
                CopyMethod::Client
            }
        };
        if app.output.is_json() {
            let (from, to) = (from.path.as_str(), to.path.as_str());
            app.output.json(&MoveRecord { from, to, result: "copied", by })?;
        }
        Ok(Exit::Done)
    }
}

/// Resolves source and target of `cp` or `mv` on one remote. A target that ends with a slash is the folder of the
/// result.
///
/// # Errors
/// `Usage` if no remote has the name, the service rejects an option, or the path has a segment `.`
/// or `..`; `Usage` if they are the same item, and if the source is the root.
pub(crate) async fn resolve_pair(
    app: &App,
    from: &Location,
    to: &Location,
    addressing: AddressingArgs,
) -> Result<(RemotePath, RemotePath)> {
    let from = app.resolve(from, addressing.mode(), Workload::Interactive).await?;
    let to = app
        .resolve(to, addressing.mode(), Workload::Interactive)
        .await?
        .target_for(from.path.name());
    if from.path.is_root() {
        return Err(Failure::usage("it is the root of a remote").about(&from));
    }
    if from.path.as_str() == to.path.as_str() {
        return Err(Failure::usage("source and target are the same").about(&from));
    }
    Ok((from, to))
}

/// Copies a file by downloading and uploading it, and announces that. `file` is the metadata of the
/// source. The upload is aborted after a failure.
///
/// # Errors
/// The failure of a request ([`Failure::from`]); `TryLater` if the download is shorter or longer
/// than the file; `Interrupted` or `Terminated` after a signal.
pub(crate) async fn copy_through_client(
    app: &App,
    from: &RemotePath,
    to: &RemotePath,
    file: &opendal::Metadata,
) -> Result {
    use futures::TryStreamExt;
    let service = from.operator().info().scheme().to_owned();
    app.output
        .notice(format_args!("{service} remotes cannot copy files: copying through this computer"));
    let failed = |error| Failure::from(error).doing("read").about(from);
    let size = file.content_length();
    let reader = from.operator().reader(&from.file_path()?).await.map_err(failed)?;
    let mut bytes = reader.into_stream(..).await.map_err(failed)?;
    let params = WriteParams { size, modified: item::modified(file), ..WriteParams::default() };
    let mut writer = writer(to, params).await?;
    let mut copied = 0;
    let copying = async {
        while let Some(piece) = bytes.try_next().await.map_err(failed)? {
            copied += piece.len() as u64;
            writer
                .write(piece)
                .await
                .map_err(|error| Failure::from(error).doing("write").about(to))?;
        }
        if copied != size {
            let failure = Failure::new(Exit::TryLater, Failure::wrong_length(size, copied));
            return Err(failure.doing("read").about(from));
        }
        writer
            .close()
            .await
            .map(drop)
            .map_err(|error| Failure::from(error).doing("write").about(to))
    };
    let copied = app.interrupt.cancellable(copying).await;
    if copied.is_err() {
        // The first failure is the one to report. A cloud that misses the abort discards the upload
        // later.
        let _ = writer.abort().await;
    }
    copied
}
