//! `drivedal mv`

use opendal::{Metadata, options::RenameOptions};

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

/// Copies a file through this computer, and removes the source if it is still the version that was
/// copied.
///
/// # Errors
/// `Unsupported` for a folder; the failure of a request ([`Failure::from`]); `TryLater` for an
/// incomplete download, and if the source changed; the failure of the removal. After the last two
/// both files exist.
async fn copy_and_remove(app: &App, from: &RemotePath, to: &RemotePath) -> Result {
    let EntryInfo::File(file) = from.stat().await? else {
        let failure = Failure::is_folder().with_exit(Exit::Unsupported);
        return Err(failure.hint("this remote can move files only").about(from));
    };
    copy_through_client(app, from, to, &file).await?;
    if has_changed(&file, from.stat().await?.metadata()) {
        let failure = Failure::new(Exit::TryLater, "it changed while it was copied").about(from);
        return Err(failure.hint(format!("its earlier version is at {to}; repeat with -f")));
    }
    let removed = from.operator().delete(&from.file_path()?).await;
    removed.map_err(|error| {
        let failure = Failure::from(error).doing("remove").about(from);
        failure.hint(format!("it was copied to {to} and still exists here"))
    })
}

/// Returns whether two results of `stat` show different versions of a file. A value that the service
/// does not return is not compared.
fn has_changed(before: &Metadata, after: &Metadata) -> bool {
    let differs = |before: Option<String>, after: Option<String>| matches!((before, after), (Some(before), Some(after)) if before != after);
    let etag = |of: &Metadata| of.etag().map(str::to_owned);
    let modified = |of: &Metadata| of.last_modified().map(|time| time.to_string());
    !after.is_file()
        || before.content_length() != after.content_length()
        || differs(etag(before), etag(after))
        || differs(modified(before), modified(after))
}

#[cfg(test)]
mod tests {
    use opendal::MetadataBuilder;

    use super::*;

    #[test]
    fn another_version_is_a_change_and_missing_values_are_not() {
        let file = |size, etag: Option<&str>| {
            let mut metadata = MetadataBuilder::file(size);
            if let Some(etag) = etag {
                metadata.etag(etag);
            }
            metadata.build()
        };
        let before = file(5, Some("\"1\""));
        assert!(!has_changed(&before, &before));
        assert!(!has_changed(&before, &file(5, None)));
        assert!(has_changed(&before, &file(6, Some("\"1\""))));
        assert!(has_changed(&before, &file(5, Some("\"2\""))));
        assert!(has_changed(&before, &MetadataBuilder::dir().build()));
    }
}
