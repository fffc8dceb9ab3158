//! `drivedal mkdir`

use serde::Serialize;
use serde_json::Value;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::{Addressing, Location},
    remote::{EntryInfo, RemotePath},
    skydrive::info::{make_folder, new_folder, object},
};

/// Create folders
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --json each folder is a line: {\"path\", \"result\": \"made\"}.

Examples:
  drivedal mkdir local-skydrive:photos
  drivedal mkdir -p work:reports/2014/may")]
pub(crate) struct Mkdir {
    /// The new folders
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse, required = true)]
    folders: Vec<Location>,

    /// Create parent folders too, and ignore folders that exist
    #[arg(short, long)]
    parents: bool,

    /// Set further fields, on a SkyDrive: '{"description": "..."}'
    #[arg(short, long, value_name = "JSON", value_parser = object, conflicts_with = "parents")]
    metadata: Option<Value>,

    /// Treat the text after the colon as a path
    #[arg(long, conflicts_with = "id")]
    path: bool,

    /// Treat the first name after the colon as an id
    #[arg(short, long)]
    id: bool,
}

#[derive(Serialize)]
struct CreatedRecord<'a> {
    path: &'a str,
    result: &'static str,
}

impl Mkdir {
    /// Creates the folders.
    ///
    /// # Errors
    /// The failure of a single folder; `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let named = match (self.path, self.id) {
            (true, _) => Addressing::Path,
            (_, true) => Addressing::Id,
            _ => Addressing::Auto,
        };
        app.for_each_argument(&self.folders, async |folder| {
            if let Some(metadata) = &self.metadata {
                let (parent, name) = new_folder(folder)?;
                make_folder(app, folder, &parent, name, metadata).await?;
                return match app.output.is_json() {
                    true => app.output.json(&CreatedRecord { path: &folder.text, result: "made" }),
                    false => Ok(()),
                };
            }
            let at = app.resolve(folder, named, Workload::Interactive).await?;
            if !self.parents {
                check_absent(&at).await?;
            }
            let made = at.operator().create_dir(&at.path.to_folder_arg()).await;
            made.map_err(|error| Failure::from(error).about(&at))?;
            match app.output.is_json() {
                true => app.output.json(&CreatedRecord { path: at.path.as_str(), result: "made" }),
                false => Ok(()),
            }
        })
        .await
    }
}

/// Checks that the folder does not exist and that its parent does. OpenDAL would create parents and
/// accept an existing folder, which is the behaviour of `-p`.
///
/// # Errors
/// `Exists` if an item has the path; `NotFound` if the parent does not exist; `Failed` if it is a
/// file; the failure of a request ([`Failure::from`]).
async fn check_absent(at: &RemotePath) -> Result {
    let exists = || Failure::exists().about(at);
    if at.path.is_root() {
        return Err(exists());
    }
    match at.stat().await {
        Ok(_) => return Err(exists()),
        Err(failure) if failure.exit == Exit::NotFound => {}
        Err(failure) => return Err(failure),
    }
    let parent = RemotePath { path: at.path.parent(), ..at.clone() };
    if parent.path.is_root() {
        return Ok(());
    }
    match parent.stat().await {
        Ok(EntryInfo::Folder(_)) => Ok(()),
        Ok(EntryInfo::File(_)) => {
            Err(Failure::new(Exit::Failed, format!("{parent} is not a folder")).about(at))
        }
        Err(failure) if failure.exit == Exit::NotFound => {
            let failure = Failure::new(Exit::NotFound, format!("{parent} does not exist"));
            Err(failure.hint("use -p to create parent folders").about(at))
        }
        Err(failure) => Err(failure.doing("stat")),
    }
}
