//! `drivedal mv`

use crate::{
    AddressingArgs,
    app::{App, EntryInfo, RemotePath},
    cp::{CopyMethod, MoveRecord, copy_through_client, resolve_pair},
    failure::{Exit, Failure, Result},
    location::Location,
};

/// Move or rename a file or folder within a remote
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A file that has the new name is replaced, a folder is not. With a slash at its end (or as the root)
the target is the folder that the item goes into. Where a service cannot rename, a file is copied
through this computer and then removed, and a message says so.

With --json: {\"from\", \"to\", \"result\": \"moved\", \"by\": \"cloud\"|\"client\"}.

Examples:
  drivedal mv local-skydrive:notes.txt local-skydrive:notes-2014.txt
  drivedal mv work:reports work:archive/")]
pub(crate) struct Mv {
    /// The file or folder
    #[arg(value_name = "NAME:PATH", value_parser = Location::parse)]
    from: Location,

    /// Its new place
    #[arg(value_name = "NAME:PATH", value_parser = Location::parse)]
    to: Location,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl Mv {
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (from, to) = resolve_pair(app, &self.from, &self.to, self.addressing).await?;
        let by = match from.operator().info().capability().rename {
            true => {
                let renamed = from.operator().rename(&from.file_path()?, &to.file_path()?).await;
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

async fn copy_and_remove(app: &App, from: &RemotePath, to: &RemotePath) -> Result {
    let EntryInfo::File(file) = from.stat().await? else {
        let why = "is a folder, and this service does not rename";
        return Err(Failure::new(Exit::Unsupported, why).about(from));
    };
    copy_through_client(app, from, to, &file).await?;
    let removed = from.operator().delete(&from.file_path()?).await;
    removed.map_err(|error| {
        let failure = Failure::from(error).about(from);
        let message = format!("{} (it was copied to {to}, but is still here)", failure.message);
        Failure { message, ..failure }
    })
}
